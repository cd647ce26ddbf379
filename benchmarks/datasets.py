"""Datasets against Gammapy in the same run: reading, transforming, stacking, and joint fits.

    python benchmarks/datasets.py [--data FOLDER] [--gammapy PYTHON] [--only NAMES] [--json out.json] [--quick]

``PYTHON`` is the interpreter of an environment with gammapy. Each library has a process of its own, one thread each;
they take turns, so that both see the same machine. ``NAMES`` are some of operations, memory, lazy, crab, joint.
"""

import argparse
import gzip
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clock import one_thread

one_thread()

import numpy as np  # noqa: E402 - after the number of threads is set
from cta_gc import say, versions  # noqa: E402
from peer import PeerProcess  # noqa: E402
from report import Row, print_table  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("operations", "memory", "lazy", "crab", "joint")
FILES = {"cta": "cta-1dc-gc/cta-1dc-gc.fits.gz", "hess": "hess-dl3-dr1-reduced/crab-23523.fits.gz"}
#: of four chains each; those of the runs are enough for an R-hat below 1.01
DRAWS: dict[str, dict[str, int | None]] = {"crab": {"draws": 400, "tune": 100}, "joint": {"draws": 1000, "tune": None}}
OPERATIONS = (
    "read",
    "write",
    "copy",
    "cutout",
    "pad",
    "downsample",
    "downsample energy",
    "slice_by_energy",
    "resample_energy_axis",
    "to_image",
    "to_masked",
    "to_spectrum_dataset",
    "stack_reduce, ten datasets",
    "stack, ten cutouts",
)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="folder of the data (default: %(default)s)")
    parser.add_argument("--gammapy", metavar="PYTHON", help="Python of an environment with gammapy")
    parser.add_argument("--only", default=",".join(PARTS), help="which of %(default)s (default: all)")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    return parser.parse_args()


class Workers:
    """A process of each library; of Gammapy only if there is one.

    Parameters
    ----------
    gammapy : str or None
        Interpreter of an environment with gammapy.
    folder : Path
        Where logs and files go.
    """

    def __init__(self, gammapy: str | None, folder: Path) -> None:
        self._pythons = {"bayesmap": sys.executable} | ({"gammapy": gammapy} if gammapy else {})
        self._folder = folder
        self._number = 0

    def start(self, stack: ExitStack, *names: str) -> dict[str, PeerProcess]:
        """Fresh processes that end with the stack; of all libraries by default."""
        self._number += 1
        return {
            name: stack.enter_context(
                PeerProcess(
                    python, self._folder / f"{name}{self._number}.log", "dataset_tasks.py", name, cwd=self._folder
                )
            )
            for name, python in self._pythons.items()
            if not names or name in names
        }

    def ask(self, name: str, task: str, **arguments: Any) -> dict[str, Any] | None:
        """Answer of a fresh process, None without that library."""
        if name not in self._pythons:
            return None
        with ExitStack() as stack:
            say(f"{name}: {task}")
            return self.start(stack, name)[name].ask(task, **arguments)


def time_operations(workers: Workers, data: Path, quick: bool) -> dict[str, Any]:
    """Seconds of each operation, the libraries in turns."""
    repeats, rounds = (2, 2) if quick else (3, 4)
    seconds: dict[str, Any] = {}
    with ExitStack() as stack:
        running = workers.start(stack)
        for process in running.values():
            process.ask("open", files={label: str(data / file) for label, file in FILES.items()})
        for label in FILES:
            for what in OPERATIONS:
                say(f"{label}: {what}")
                found: dict[str, Any] = {name: {"wall": [], "cpu": []} for name in running}
                for _ in range(rounds):
                    for name, process in running.items():
                        answer = process.ask("time", what=what, label=label, repeats=repeats)
                        for key, values in found[name].items():
                            values.extend(answer[key])
                seconds[f"{label}: {what}"] = found
    return seconds


def measure_memory(workers: Workers, plain: Path) -> dict[str, Any]:
    """Peaks of stacking ten datasets from a plain file, of traced allocations and of resident memory."""
    return {
        "traced" if trace else "resident": {
            name: workers.ask(name, "memory", path=str(plain), number=10, trace=trace)
            for name in ("bayesmap", "gammapy")
        }
        for trace in (True, False)
    }


def measure(options: argparse.Namespace, folder: Path, results: dict[str, Any]) -> None:
    """Everything that is asked for; each result is put into ``results`` as it comes."""
    parts = options.only.split(",")
    if unknown := set(parts) - set(PARTS):
        raise SystemExit(f"unknown parts {sorted(unknown)}, known are {list(PARTS)}")
    workers = Workers(options.gammapy, folder)
    results |= {"versions": versions(), "quick": options.quick}
    plain = folder / "cta.fits"
    plain.write_bytes(gzip.decompress((options.data / FILES["cta"]).read_bytes()))
    if "operations" in parts:
        results["operations"] = time_operations(workers, options.data, options.quick)
    if "memory" in parts:
        results["memory"] = measure_memory(workers, plain)
    if "lazy" in parts:
        results["lazy"] = workers.ask("bayesmap", "touched", path=str(plain))
    joint = {"crab": options.data / "hess-dl3-dr1-reduced", "joint": options.data / "joint-crab" / "spectra"}
    for name, place in joint.items():
        if name in parts:
            results[name] = {
                "sample": workers.ask("bayesmap", f"sample_{name}", folder=str(place), **DRAWS[name]),
                "fit": workers.ask("gammapy", f"fit_{name}", folder=str(place)),
            }


def rows(results: dict[str, Any]) -> Iterator[Row]:
    """Rows of the table, as far as there are results."""
    for what, found in results.get("operations", {}).items():
        milliseconds = {name: 1e3 * float(np.median(seconds["cpu"])) for name, seconds in found.items()}
        yield Row(f"{what}", milliseconds["bayesmap"], "ms")
        if "gammapy" in found:
            yield Row(f"{what}: gammapy / bayesmap", milliseconds["gammapy"] / milliseconds["bayesmap"], "x", 1)
    for what, found in results.get("memory", {}).items():
        for name, peak in found.items():
            if peak is not None:
                share = peak["peak"] / (peak["result"] + peak["input"])
                target = 1.5 if name == "bayesmap" else None
                yield Row(f"{name}: peak of stacking ten files, {what}", share, "result+input", target, at_most=True)
    if lazy := results.get("lazy"):
        yield Row("read lazily, share of the file", 100 * lazy["lazy"] / lazy["file"], "%", 5, at_most=True)
        yield Row("and then the counts", 100 * lazy["with counts"] / lazy["file"], "%")
    for name, title in {"crab": "four Crab runs", "joint": "joint Crab"}.items():
        if name in results:
            yield from _joint_rows(title, 20 if name == "joint" else None, **results[name])


def _joint_rows(title: str, limit: float | None, sample: dict[str, Any], fit: dict[str, Any] | None) -> Iterator[Row]:
    yield Row(f"{title}: compile", sample["compile"]["cpu"], "CPU s")
    yield Row(f"{title}: sample", sample["wall"], "s", limit, at_most=True)
    yield Row(f"{title}: sample", sample["cpu"], "CPU s")
    yield Row(f"{title}: largest R-hat", sample["max_rhat"], "", 1.01, at_most=True)
    yield Row(f"{title}: divergences", sample["divergences"], "", 0, at_most=True)
    yield Row(f"{title}: smallest bulk ESS", sample["min_ess_bulk"])
    if fit is not None:
        target = 1 if limit is None else None
        yield Row(f"{title}: gammapy fit", fit["cpu"], "CPU s")
        yield Row(f"{title}: gammapy fit without covariance", fit["optimize"]["cpu"], "CPU s")
        yield Row(f"{title}: gammapy fit / sample", fit["cpu"] / sample["cpu"], "x", target)
        yield Row(f"{title}: the same in wall time", fit["wall"] / sample["wall"], "x", target)


def main() -> None:
    """Measure, print, write; Ctrl-C or an error ends with what there is."""
    options = parse_arguments()
    options.data = options.data.resolve()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            measure(options, Path(folder), results)
        finally:
            table = list(rows(results))
            print_table(table)
            if options.json is not None:
                results["table"] = [{**asdict(row), "met": row.met} for row in table]
                options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
