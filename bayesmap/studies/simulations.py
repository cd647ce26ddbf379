"""Parameters and summaries of simulated counts, for simulation-based inference."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayesmap import __version__
from bayesmap._files import whole
from bayesmap._types import FileName
from bayesmap._util import check_whole
from bayesmap.studies.analysis import DatasetAnalysis
from bayesmap.studies.run import PriorTruths, Scenarios
from bayesmap.studies.types import Record, SomeDatasets, Values
from bayesmap.studies.workers import generator

__all__ = ["simulate"]


def simulate(
    datasets: SomeDatasets,
    n: int,
    *,
    block: int | None = None,
    summary: Callable[[Mapping[str, np.ndarray]], np.ndarray] | None = None,
    truths: Values | None = None,
    seed: int = 0,
    path: FileName | None = None,
    **options: Any,
) -> xr.DataTree:
    """Draw parameters from their priors, counts from these, and keep parameters and summaries.

    Parameters
    ----------
    datasets : MapDataset, Datasets or list of MapDataset
        With counts and models. Parameters without a prior get their default one.
    n : int
        Number of simulations.
    block : int, optional
        Sum counts in blocks of so many pixels on a side, as well as per energy; the whole image by default. Blocks at
        the upper edges are smaller where the image is no multiple.
    summary : callable, optional
        Makes an array, of any shape, of the counts of all datasets, cubes by name, in place of sums.
    truths : mapping, optional
        Values of the parameters, as for :func:`coverage`, in place of draws from the priors.
    seed : int
        The same seed gives the same simulations.
    path : path, optional
        Write the result there too, as netCDF.
    **options
        For :class:`~bayesmap.studies.DatasetAnalysis`.

    Returns
    -------
    xarray.DataTree
        Group ``parameters``, a variable per parameter in its declared unit with the dimension ``simulation``; and group
        ``summaries``, a variable ``"<dataset>.counts"`` per dataset (or ``summary``), with ``simulation`` first.

    Raises
    ------
    ValueError
        If a number is none, a prior is improper, or a prediction is negative or not finite.

    Notes
    -----
    For sbi or bayesflow: ``tree["parameters"].to_dataset().to_array().values.T`` is theta and
    ``tree["summaries"]["<dataset>.counts"].values.reshape(n, -1)`` is x.
    """
    n, seed = check_whole("n", n, 1), check_whole("seed", seed, 0)
    block = None if block is None else check_whole("block", block, 1)
    analysis = DatasetAnalysis(datasets, **options)
    drawn: Any = PriorTruths(analysis, seed) if truths is None else Scenarios.of(analysis, truths)
    masks = {d.name: 1.0 if d.mask is None else np.asarray(d.mask.data) for d in analysis.fit.datasets}
    parameters, summaries = [], []
    for index in range(n):
        values = dict(drawn(index))
        drawn_counts = analysis.draw_data(values, generator(seed, index))
        counts = {name: cube * masks[name] for name, cube in drawn_counts.items()}
        parameters.append(values)
        if summary is None:
            summaries.append({f"{name}.counts": _sums(cube, block) for name, cube in counts.items()})
        else:
            summaries.append({"summary": np.asarray(summary(counts))})
    groups = {"parameters": _stacked(parameters, analysis.units), "summaries": _stacked(summaries, {})}
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = {"seed": seed, "version": __version__}
    if path is not None:
        with whole(Path(path)) as part:
            tree.to_netcdf(part)
    return tree


def _sums(cube: np.ndarray, block: int | None) -> np.ndarray:
    """Counts per energy, and per block of the image."""
    if block is None:
        return cube.sum(axis=(1, 2))
    rows, columns = (np.arange(0, size, block) for size in cube.shape[1:])
    return np.add.reduceat(np.add.reduceat(cube, rows, axis=1), columns, axis=2)


def _stacked(rows: list[Record], units: Mapping[str, str]) -> xr.Dataset:
    data = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows], dtype="float64")
        dims = ("simulation", *(f"{name}_dim_{i}" for i in range(values.ndim - 1)))
        data[name] = (dims, values, {"units": units[name]} if units.get(name) else {})
    return xr.Dataset(data, coords={"simulation": np.arange(len(rows))})
