"""Joint fits of many datasets of one kind: what compiling, a gradient and memory cost per dataset.

    python benchmarks/many_datasets.py [--data FOLDER] [--only KINDS] [--numbers 1,4,16,64,128] [--json out.json]

``KINDS`` are some of maps, spectra. Each number of datasets has fresh processes: the first with empty compile caches
("cold"), the second with what the first left ("warm"); both with one thread, the gradient also with two.

- maps: runs of H.E.S.S. with one point source and the background norm of each run.
- spectra: ON/OFF spectra of them, a log parabola.

Beyond the four real runs, counts are thinned copies of theirs with less exposure.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clock import Clock, one_thread, peak_memory

if __name__ == "__main__":
    one_thread()

import numpy as np  # noqa: E402 - after the number of threads is set
from cold import run_fresh  # noqa: E402
from joint_fits import RUNS  # noqa: E402
from report import Row, print_table  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("maps", "spectra")
NUMBERS = (1, 4, 16, 64, 128)
SEED = 42
#: gradients at the same points, in turns; the fastest half of the rounds counts
ROUNDS, POINTS = 8, 5


def make_datasets(kind: str, folder: Path, number: int) -> Any:
    """Datasets with models."""
    import astropy.units as u

    from bayesmap.datasets import Datasets, MapDataset, SpectrumDatasetOnOff
    from bayesmap.modeling import (
        FoVBackgroundModel,
        LogParabolaSpectralModel,
        PointSpatialModel,
        PowerLawSpectralModel,
        SkyModel,
    )

    if kind == "maps":
        runs = [MapDataset.read(folder / f"crab-{run}.fits.gz", name=str(run)) for run in RUNS]
    else:
        files = [folder / "crab-spectrum-onoff" / f"pha_obs{run}.fits" for run in RUNS]
        runs = [SpectrumDatasetOnOff.read(path, name=path.stem) for path in files]
    rng = np.random.default_rng(SEED)
    datasets = Datasets([_thinned(runs[i % len(runs)], f"run-{i}", i < len(runs), rng) for i in range(number)])
    if kind == "maps":
        spectrum: Any = PowerLawSpectralModel(index=2.5, amplitude="3e-11 cm-2 s-1 TeV-1")
        shape = PointSpatialModel(lon_0=83.63 * u.deg, lat_0=22.01 * u.deg, frame="icrs")
        backgrounds = [FoVBackgroundModel(dataset_name=dataset.name) for dataset in datasets]
        datasets.models = [SkyModel(spectral_model=spectrum, spatial_model=shape, name="crab"), *backgrounds]
    else:
        spectrum = LogParabolaSpectralModel(amplitude="3e-11 cm-2 s-1 TeV-1", reference="1 TeV", alpha=2.3, beta=0.2)
        datasets.models = [SkyModel(spectral_model=spectrum, name="crab")]
    return datasets


def _thinned(run: Any, name: str, whole: bool, rng: np.random.Generator) -> Any:
    """A copy of a run, or of part of it."""
    dataset = run.copy(name=name)
    if whole:
        return dataset
    share = rng.uniform(0.7, 0.95)
    for key in ("counts", "counts_off"):
        given = getattr(run, key, None)
        if given is not None:
            setattr(dataset, key, given.copy(data=rng.binomial(given.data.astype(int), share).astype(float)))
    dataset.exposure = run.exposure * share
    if getattr(run, "counts_off", None) is None:
        dataset.background = run.background * share
    return dataset


def measure(kind: str, folder: Path, number: int) -> dict[str, Any]:
    """CPU-seconds of the stages, ms of a gradient, and memory; in this process."""
    import bayesmap.inference as inference

    datasets = make_datasets(kind, folder, number)
    before, clock = peak_memory(), Clock()
    fit = inference.compile_fit(datasets)
    prepare, prepared = clock.lap(), peak_memory()
    density = fit.density
    density(density.start)
    compiling = clock.lap()
    rng = np.random.default_rng(SEED)
    points = [density.start + 0.05 * rng.normal(size=density.size) for _ in range(POINTS)]
    gradients: dict[str, list[float]] = {}
    for threads in (1, 2):
        density.use_threads(threads)
        for point in points:
            density(point)
    repeats = max(1, int(0.05 / max(_timed(density, points), 1e-6)))
    for _ in range(ROUNDS):
        for threads in (1, 2):
            density.use_threads(threads)
            for what, seconds in _rates(density, points, repeats).items():
                gradients.setdefault(f"{what}{threads}", []).append(seconds)
    return {
        "prepare": prepare["cpu"],
        "compile": compiling["cpu"],
        "prepare_mb": prepared - before,
        "peak_mb": peak_memory(),
        "structures": 0 if density.loops is None else len(density.loops.loops),
        **{what: float(np.median(np.sort(times)[: ROUNDS // 2])) for what, times in gradients.items()},
    }


def _timed(density: Any, points: list[np.ndarray]) -> float:
    clock = Clock()
    for point in points:
        density(point)
    return clock.lap()["wall"]


def _rates(density: Any, points: list[np.ndarray], repeats: int) -> dict[str, float]:
    """Wall and CPU seconds of one call."""
    clock = Clock()
    for _ in range(repeats):
        for point in points:
            density(point)
    return {what: seconds / (repeats * len(points)) for what, seconds in clock.lap().items()}


def rows(results: dict[str, Any]) -> Iterator[Row]:
    """Rows of the table: each number of datasets against a single one."""
    for kind, by_number in results.items():
        first = by_number[min(by_number, key=int)]
        for number, run in by_number.items():
            n, last = int(number), number == max(by_number, key=int) and len(by_number) > 1
            label = f"{kind}, {n}"
            for state in ("cold", "warm"):
                seconds = run[state]
                yield Row(f"{label}: prepare, {state}", seconds["prepare"], "CPU s")
                yield Row(f"{label}: compile, {state}", seconds["compile"], "CPU s")
                if last:
                    ratio = seconds["compile"] / first[state]["compile"]
                    yield Row(f"{label}: compile / that of one, {state}", ratio, "x", 1.5, at_most=True)
            warm, one = run["warm"], first["warm"]
            yield Row(f"{label}: gradient per dataset", 1e3 * warm["cpu1"] / n, "CPU ms")
            if last:
                ratio = warm["cpu1"] / n / one["cpu1"]
                yield Row(f"{label}: gradient per dataset / that of one", ratio, "x", 1, at_most=True)
                ratio = warm["wall2"] / warm["wall1"]
                yield Row(f"{label}: gradient, two threads / one, wall", ratio, "x", 0.6, at_most=True)
                more = (warm["prepare_mb"] - one["prepare_mb"]) / (n - 1)
                yield Row(f"{label}: memory of each further dataset", more, "MB")
                yield Row(f"{label}: peak memory", warm["peak_mb"], "MB")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = ROOT.parent / "shared" / "data" / "hess-dl3-dr1-reduced"
    parser.add_argument("--data", type=Path, default=default, help="folder of the runs (default: %(default)s)")
    parser.add_argument("--only", default=",".join(KINDS), help="which of %(default)s (default: all)")
    parser.add_argument("--numbers", default=",".join(map(str, NUMBERS)), help="of datasets (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    parser.add_argument("--measure", nargs=2, metavar=("KIND", "NUMBER"), help="in this process, print a JSON object")
    return parser.parse_args()


def main() -> None:
    """Measure, and print the table."""
    arguments = parse_arguments()
    if arguments.measure:
        kind, number = arguments.measure
        print(json.dumps(measure(kind, arguments.data.resolve(), int(number))))
        return
    results: dict[str, Any] = {}
    # two threads may be used where they are asked for; the libraries below have one each
    os.environ["NUMBA_NUM_THREADS"] = "2"
    for kind in arguments.only.split(","):
        for number in arguments.numbers.split(","):
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, str(Path(__file__).resolve()), "--data", str(arguments.data.resolve())]
                command += ["--measure", kind, number]
                runs = {state: run_fresh(command, Path(folder) / "cache") for state in ("cold", "warm")}
            results.setdefault(kind, {})[number] = {s: json.loads(out.splitlines()[-1]) for s, out in runs.items()}
            print(f"{kind} {number}: {results[kind][number]}", file=sys.stderr, flush=True)
    print_table(list(rows(results)))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
