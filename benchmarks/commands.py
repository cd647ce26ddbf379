"""How fast the commands answer that make no graph, each in fresh processes.

    python -m benchmarks.commands [--data PATH]

The target is one second. Python keeps compiled modules from the second call on (not where PYTHONDONTWRITEBYTECODE is
set); the column "first" is a call without them.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

__all__ = ["answer_times"]

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "cta-1dc-gc" / "cta-1dc-gc.fits.gz"
REPEATS = 5


def _seconds(arguments: list[str], environment: dict[str, str], status: int) -> float:
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "bayesmap", *arguments], env=environment, capture_output=True)
    seconds = time.perf_counter() - start
    if done.returncode != status:
        raise RuntimeError(f"bayesmap {' '.join(arguments)} ended with {done.returncode}: {done.stderr.decode()}")
    return seconds


def answer_times(data: Path = DATA) -> dict[str, tuple[float, float]]:
    """Wall seconds of each command: its first call, without compiled modules, and the median of further ones."""
    model = ROOT / "models" / "crab.yaml"
    commands: list[tuple[list[str], int]] = [
        (["models", "list"], 0),
        (["models", "show", "crab"], 0),
        (["info", str(model)], 0),
        (["info", str(data)], 0),
        (["fit", str(data), str(model)], 2),
    ]
    times = {}
    for arguments, status in commands:
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder, "PYTHONPATH": str(ROOT)}
            environment.pop("PYTHONDONTWRITEBYTECODE", None)
            first = _seconds(arguments, environment, status)
            later = statistics.median(_seconds(arguments, environment, status) for _ in range(REPEATS))
        label = " ".join(Path(argument).name for argument in arguments) + (" (arguments missing)" if status else "")
        times[label] = (first, later)
    return times


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="a dataset (default: %(default)s)")
    print("| command | first, s | later, s |\n| --- | --- | --- |")
    for command, (once, again) in answer_times(parser.parse_args().data).items():
        print(f"| `bayesmap {command}` | {once:.2f} | {again:.2f} |")
