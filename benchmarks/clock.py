"""CPU and wall time, peak memory, and the environment for one thread."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Clock", "one_thread", "peak_memory", "timed"]

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def one_thread(environment: dict[str, str] | None = None) -> dict[str, str]:
    """Environment in which numerical libraries use one thread; changes this process if none is given."""
    chosen = os.environ if environment is None else environment
    chosen.update(dict.fromkeys(THREADS, "1"))
    return dict(chosen)


class Clock:
    """Wall and CPU seconds (children that ended included) since its creation or the last `lap`."""

    def __init__(self) -> None:
        self._wall, self._cpu = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        times = os.times()
        return time.perf_counter(), time.process_time() + times.children_user + times.children_system

    def lap(self) -> dict[str, float]:
        """Seconds since the last lap, ``{"wall": ..., "cpu": ...}``."""
        wall, cpu = self._now()
        seconds = {"wall": wall - self._wall, "cpu": cpu - self._cpu}
        self._wall, self._cpu = wall, cpu
        return seconds


def timed(function: Callable[[Any], Any], arguments: list[Any]) -> dict[str, list[float]]:
    """Call a function with each argument; wall and CPU seconds of each call."""
    seconds: dict[str, list[float]] = {"wall": [], "cpu": []}
    for argument in arguments:
        wall, cpu = time.perf_counter(), time.process_time()
        function(argument)
        seconds["wall"].append(time.perf_counter() - wall)
        seconds["cpu"].append(time.process_time() - cpu)
    return seconds


def peak_memory() -> float:
    """Peak resident memory of this process in MB.

    On Linux from ``/proc``: ``ru_maxrss`` there starts at the peak of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) * 1024 / 1e6
    import resource
    import sys

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
