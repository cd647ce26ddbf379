"""Tasks on datasets, the same code for bayesmap and Gammapy, whose names and arguments agree: a worker process.

Started by ``datasets.py`` as ``python dataset_tasks.py bayesmap|gammapy``; one JSON object per line each way::

    {"task": "open", "files": {label: path}}
    {"task": "time", "what": "cutout", "label": "cta", "repeats": 5}
    {"task": "memory", "path": uncompressed file, "number": 10, "trace": true}
    {"task": "touched", "path": uncompressed file}
    {"task": "fit_crab", "folder": ...}, {"task": "sample_crab", ...}, {"task": "sample_joint", ...}
"""

import gc
import importlib
import json
import sys
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import astropy.units as u
from clock import one_thread, peak_memory, timed

one_thread()

import joint_fits  # noqa: E402 - after the number of threads is set
from astropy.coordinates import SkyCoord  # noqa: E402
from regions import CircleSkyRegion  # noqa: E402

__all__ = ["OPERATIONS", "Tasks"]

SHIFTS = [(x, y) for x in (-1.0, -0.5, 0.0, 0.5, 1.0) for y in (-0.5, 0.5)]


def _region(dataset: Any) -> CircleSkyRegion:
    return CircleSkyRegion(dataset.counts.geom.center_skydir, 0.15 * u.deg)


def _coarser(dataset: Any) -> Any:
    """An energy axis with every second edge."""
    axis = dataset.counts.geom.axes["energy"]
    return type(axis).from_energy_edges(axis.edges[::2])


def _low_energies(dataset: Any) -> tuple[u.Quantity, u.Quantity]:
    edges = dataset.counts.geom.axes["energy"].edges
    return edges[2], edges[-3]


#: name of the operation and what it does with a dataset in memory
OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "copy": lambda d: d.copy(name="copy"),
    "cutout": lambda d: d.cutout(d.counts.geom.center_skydir, 2 * u.deg, name="cutout"),
    "downsample": lambda d: d.downsample(2, name="coarse"),
    "downsample energy": lambda d: d.downsample(d.counts.data.shape[0] // 2, axis_name="energy", name="coarse"),
    "slice_by_energy": lambda d: d.slice_by_energy(*_low_energies(d), name="sliced"),
    "resample_energy_axis": lambda d: d.resample_energy_axis(_coarser(d), name="resampled"),
    "to_image": lambda d: d.to_image(name="image"),
    "pad": lambda d: d.pad(10, name="padded"),
    "to_masked": lambda d: d.to_masked(name="masked"),
    "to_spectrum_dataset": lambda d: d.to_spectrum_dataset(_region(d), containment_correction=True, name="spectrum"),
    "write": lambda d: d.write(Path("written.fits"), overwrite=True),
}


class Tasks:
    """What the worker can do.

    Parameters
    ----------
    library : {"bayesmap", "gammapy"}
        Which package.
    """

    def __init__(self, library: str) -> None:
        self.name = library
        self.lib = SimpleNamespace(
            datasets=importlib.import_module(f"{library}.datasets"),
            models=importlib.import_module(f"{library}.modeling.models"),
            maps=importlib.import_module(f"{library}.maps"),
            modeling=importlib.import_module(f"{library}.modeling"),
        )
        self.files: dict[str, str] = {}
        self.opened: dict[str, Any] = {}

    def open(self, files: dict[str, str]) -> dict[str, Any]:
        """Read datasets once, which also fills caches of the file system."""
        self.files = files
        self.opened = {label: self.read(path) for label, path in files.items()}
        return {"version": importlib.import_module(self.name).__version__}

    def read(self, path: str, **options: Any) -> Any:
        """Read a dataset."""
        return self.lib.datasets.MapDataset.read(path, name=options.pop("name", "data"), **options)

    def time(self, what: str, label: str, repeats: int) -> dict[str, Any]:
        """Seconds of each of several calls; one call before them does not count."""
        action = self._action(what, label)
        action(None)
        gc.collect()
        return timed(action, [None] * repeats)

    def _action(self, what: str, label: str) -> Callable[[Any], Any]:
        if what == "read":
            return lambda _: self.read(self.files[label])
        dataset = self.opened[label]
        if what == "stack_reduce, ten datasets":
            ten = self.lib.datasets.Datasets([dataset.copy(name=f"run{i}") for i in range(10)])
            return lambda _: ten.stack_reduce(name="stacked")
        if what == "stack, ten cutouts":
            parts = _cutouts(dataset)
            return lambda _: self._stack_on_empty(dataset, parts)
        return lambda _: OPERATIONS[what](dataset)

    def _stack_on_empty(self, dataset: Any, parts: list[Any]) -> None:
        """Stack parts of the sky on an empty dataset, as an analysis of observations does."""
        empty = self.lib.datasets.MapDataset.from_geoms(
            dataset.counts.geom,
            geom_exposure=dataset.exposure.geom,
            geom_psf=dataset.psf.psf_map.geom,
            geom_edisp=dataset.edisp.edisp_map.geom,
            name="stacked",
        )
        for part in parts:
            empty.stack(part)

    def memory(self, path: str, number: int, trace: bool) -> dict[str, float]:
        """Peak memory in bytes of stacking files that are read lazily, above that before, and sizes of the arrays."""
        # bayesmap forgets by itself what it has stacked; Gammapy keeps it unless it is told to read all things anew
        options = {"lazy": True, "cache": self.name == "bayesmap"}
        many = self.lib.datasets.Datasets
        many([self.read(path, name=f"first{i}", **options) for i in range(2)]).stack_reduce()
        gc.collect()
        ten = many([self.read(path, name=f"run{i}", **options) for i in range(number)])
        start = _start_of_peak(trace)
        result = ten.stack_reduce(name="stacked")
        peak = tracemalloc.get_traced_memory()[1] if trace else peak_memory() * 1e6
        tracemalloc.stop()
        return {"peak": peak - start, "result": _size(result), "input": _size(self.read(path))}

    def touched(self, path: str) -> dict[str, int]:
        """Bytes that a lazy read takes from a plain file, as the kernel counts them."""
        self.read(path, lazy=True)
        before = _bytes_read()
        dataset = self.read(path, lazy=True)
        lazy = _bytes_read() - before
        assert dataset.counts.data.sum() > 0
        return {"lazy": lazy, "with counts": _bytes_read() - before, "file": Path(path).stat().st_size}

    def fit_crab(self, folder: str) -> dict[str, Any]:
        """Maximum-likelihood fit by Gammapy."""
        return joint_fits.fit(joint_fits.crab_runs(self.lib, Path(folder)))

    def sample_crab(self, folder: str, draws: int, tune: int | None) -> dict[str, Any]:
        """Posterior of the same by bayesmap."""
        return joint_fits.sample(joint_fits.crab_runs(self.lib, Path(folder)), draws, tune)

    def sample_joint(self, folder: str, draws: int, tune: int | None) -> dict[str, Any]:
        """Posterior of the joint Crab of five instruments by bayesmap."""
        return joint_fits.sample(joint_fits.joint_crab(self.lib, Path(folder)), draws, tune)

    def fit_joint(self, folder: str) -> dict[str, Any]:
        """Maximum-likelihood fit of the joint Crab by Gammapy."""
        return joint_fits.fit(joint_fits.joint_crab(self.lib, Path(folder)))


def _cutouts(dataset: Any) -> list[Any]:
    """Ten overlapping parts of a dataset, half as wide as it is."""
    geom = dataset.counts.geom
    center, width = geom.center_skydir, 0.5 * min(w.max().to_value("deg") for w in geom.width)
    parts = []
    for x, y in SHIFTS:
        position = SkyCoord(
            center.spherical.lon + x * width / 2 * u.deg, center.spherical.lat + y * width / 2 * u.deg, frame=geom.frame
        )
        parts.append(dataset.cutout(position, width * u.deg, name=f"part{x}{y}"))
    return parts


def _size(dataset: Any) -> int:
    """Bytes of all arrays of a dataset."""
    maps = [dataset.counts, dataset.exposure, dataset.background, dataset.mask_safe, dataset.mask_fit]
    maps += [dataset.psf.psf_map, dataset.psf.exposure_map, dataset.edisp.edisp_map, dataset.edisp.exposure_map]
    return sum(m.data.nbytes for m in maps if m is not None)


def _start_of_peak(trace: bool) -> float:
    """Start a new peak; bytes in use."""
    if trace:
        tracemalloc.start()
        return 0.0
    Path("/proc/self/clear_refs").write_text("5")
    return peak_memory() * 1e6


def _bytes_read() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("rchar")).split()[1])


def serve(library: str) -> None:
    """Answer requests from standard input until it closes."""
    answers, sys.stdout = sys.stdout, sys.stderr
    warnings.simplefilter("ignore")
    tasks = Tasks(library)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(getattr(tasks, request.pop("task"))(**request)), file=answers, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
