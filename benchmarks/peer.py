"""The other end of ``peer_gammapy.py`` and ``dataset_tasks.py``: starts a worker and sends requests."""

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from clock import one_thread

__all__ = ["PeerProcess"]


class PeerProcess:
    """A process of its own, idle between requests.

    Parameters
    ----------
    python : str
        Interpreter of an environment with what the worker needs.
    log : Path
        File for what the worker writes besides answers.
    script : str
        The worker, a file beside this one.
    *arguments : str
        Its command line.
    cwd : Path, optional
        Its working directory.
    """

    def __init__(
        self, python: str, log: Path, script: str = "peer_gammapy.py", *arguments: str, cwd: Path | None = None
    ) -> None:
        self._log = log
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                [python, "-W", "ignore", str(Path(__file__).resolve().with_name(script)), *arguments],
                cwd=cwd,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=one_thread(dict(os.environ)),
            )

    def ask(self, task: str, **arguments: Any) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Raises
        ------
        RuntimeError
            If the worker ended; the message holds the end of its log.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps({"task": task, **arguments}), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise RuntimeError(f"the worker ended at task {task!r}:\n{self._log.read_text()[-2000:]}")
        result: dict[str, Any] = json.loads(answer)
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()  # closes its input, which ends it
