"""Measurements in fresh processes: first posterior and demo, with empty and with filled compile caches."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from clock import Clock

__all__ = ["demo", "first_posteriors", "run_fresh"]

HERE = Path(__file__).resolve().parent


def _environment(cache: Path) -> dict[str, str]:
    """All compile caches in one folder; the threads are those of the user."""
    flags = ",".join(filter(None, [os.environ.get("PYTENSOR_FLAGS"), f"base_compiledir={cache / 'pytensor'}"]))
    environment = {**os.environ, "PYTENSOR_FLAGS": flags, "NUMBA_CACHE_DIR": str(cache / "numba")}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
    return environment


def run_fresh(command: list[str], cache: Path) -> str:
    """Output of a command in a process of its own, with all compile caches in one folder."""
    done = subprocess.run(command, env=_environment(cache), cwd=cache.parent, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def first_posteriors(data: Path, counts: Path, folder: Path, letter: str = "A", draws: int = 1000) -> dict[str, Any]:
    """First posterior with empty caches ("cold"), then again with what the first run left ("warm")."""
    cache = folder / f"cache-{letter}"
    command = [sys.executable, str(HERE / "first_posterior.py"), str(data), str(counts), letter, str(draws)]
    return {state: json.loads(run_fresh(command, cache).splitlines()[-1]) for state in ("cold", "warm")}


def demo(folder: Path) -> dict[str, float] | None:
    """Seconds of ``bayesmap demo`` with empty caches; None if there is no such command."""
    command = [sys.executable, "-m", "bayesmap", "demo", "--quiet", "--output", str(folder / "demo")]
    try:
        clock = Clock()
        run_fresh(command, folder / "cache-demo")
        return clock.lap()
    except RuntimeError as error:
        print(f"bayesmap demo was not measured: {error}", file=sys.stderr)
        return None
