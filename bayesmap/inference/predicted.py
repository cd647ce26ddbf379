"""The groups of a tree that ArviZ reads: what posterior and prior predict, and log-likelihoods of groups of data."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayesmap._util import get_random_state, suggest
from bayesmap.inference.groups import GroupLogLikelihood, group_labels
from bayesmap.inference.listing import as_datasets
from bayesmap.inference.prior_draws import sample_prior
from bayesmap.inference.streaming import Draw, Stream, routes_of

__all__ = ["predictive", "thinned"]

log = logging.getLogger(__name__)


def predictive(
    tree: xr.DataTree,
    datasets: Any,
    num_draws: int | None = None,
    groups: str | Mapping[str, Any] = "dataset",
    *,
    num_blocks: int = 16,
    prior: int = 0,
    random_state: Any = 0,
    **options: Any,
) -> xr.DataTree:
    """Add what ArviZ reads to a result: predicted data, and log-likelihoods of groups of data.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`~bayesmap.inference.sample`; it is not changed.
    datasets : Dataset, Datasets or list of Dataset
        With data and the sampled models.
    num_draws : int, optional
        About so many draws, as many of each chain, evenly spaced; all by default.
    groups : {"dataset", "energy", "block"} or mapping of str to numpy.ndarray
        What is left out together by ``az.loo``: a whole dataset (a run), one energy of it, one block of its sky; or by
        dataset name whole numbers of the shape of its data, equal in a group.
    num_blocks : int
        Number of blocks of the sky of each dataset, at most; they are about equally large.
    prior : int
        Number of draws of the prior, for the groups ``prior`` and ``prior_predictive``; none by default.
    random_state : int, numpy.random.Generator or str
        Draws data and parameters of the prior.
    **options
        ``psf_route``, ``psf_tolerance``: see :func:`~bayesmap.inference.to_pymc`.

    Returns
    -------
    xarray.DataTree
        The tree with these groups, all of the same draws:

        - ``posterior_predictive``: the variables of ``observed_data`` (``"<dataset>.counts"``: counts per energy inside
          the mask), drawn at each draw of the posterior;
        - ``log_likelihood``: one variable ``groups`` of the dimensions ``chain``, ``draw`` and ``group``;
        - with ``prior``, also ``prior`` and ``prior_predictive``.

        Groups without data, or on which no parameter has an influence, are left out and named in the attribute
        ``left_out`` of ``log_likelihood``; they would say nothing, and importance sampling fails at constants.

    Raises
    ------
    KeyError
        If the posterior lacks a free parameter, or groups are given for a dataset that is not there.
    ValueError
        If the data have no such groups, no group is left, or a prior is improper and has no draws.
    """
    listed, rng = as_datasets(datasets), get_random_state(random_state)
    if isinstance(groups, Mapping):
        names = [dataset.name for dataset in listed]
        for name in groups:
            if name not in names:
                raise KeyError(f"groups has labels for an unknown dataset {name!r}{suggest(name, names)}")
    result = tree.copy() if num_draws is None else thinned(tree, num_draws)
    streams = {d.name: Stream(result, d, **{**routes_of(tree, d.name), **options}) for d in listed}
    shape = result["posterior"].sizes["chain"], result["posterior"].sizes["draw"]
    data: dict[str, Any] = {}
    likelihoods: list[np.ndarray] = []
    labelled: list[str] = []
    for stream in streams.values():
        first = next(stream.draws([0], rng))
        labels, own = group_labels(stream.observed, first.mean.shape, groups, num_blocks)
        reducers = {**_shorts(first), "likelihood": GroupLogLikelihood(labels, len(own))}
        made = stream.reduce(reducers, rng=rng)
        rows = made.pop("likelihood")
        likelihoods.append(rows)
        labelled += own
        data |= _variables(stream, made, shape)
    result["posterior_predictive"] = xr.DataTree(_group(data, shape))
    result["log_likelihood"] = xr.DataTree(_log_likelihood(np.hstack(likelihoods), labelled, shape))
    if prior:
        drawn = sample_prior(listed, prior, random_state=rng)
        result["prior"] = drawn["prior"]
        data = {}
        for dataset in listed:
            stream = Stream(drawn, dataset, "prior", **{**routes_of(tree, dataset.name), **options})
            made = stream.reduce(_shorts(next(stream.draws([0], rng))), rng=rng)
            data |= _variables(stream, made, (1, prior))
        result["prior_predictive"] = xr.DataTree(_group(data, (1, prior)))
    return result


def thinned(tree: xr.DataTree, num_draws: int) -> xr.DataTree:
    """Keep some draws of each chain, evenly spaced, in all groups.

    Parameters
    ----------
    tree : xarray.DataTree
        With a group ``posterior``.
    num_draws : int
        Number of draws of all chains together, at least; rounded up to a multiple of the number of chains.

    Returns
    -------
    xarray.DataTree
        A new tree; draws are numbered anew.

    Raises
    ------
    ValueError
        If there are not so many draws.
    """
    sizes = tree["posterior"].sizes
    each = -(-num_draws // sizes["chain"])
    if not 1 <= each <= sizes["draw"]:
        raise ValueError(f"num_draws is {num_draws}, the posterior has {sizes['chain'] * sizes['draw']} draws")
    kept = np.linspace(0, sizes["draw"] - 1, each).round().astype(int)
    result = tree.copy()
    for name, group in tree.children.items():
        if group.sizes.get("draw") == sizes["draw"]:
            result[name] = xr.DataTree(group.to_dataset().isel(draw=kept).assign_coords(draw=np.arange(each)))
    return result


def _shorts(draw: Draw) -> dict[str, Any]:
    """A reducer for each quantity that stands for the data in a tree."""

    def short(name: str) -> Any:
        return lambda draw: draw.short[name]

    return {name: short(name) for name in draw.observed.in_short(draw.mean)}


def _variables(stream: Stream, made: dict[str, np.ndarray], shape: tuple[int, int]) -> dict[str, Any]:
    """Variables of a group, with the dimensions, coordinates and units that they have in ``observed_data``."""
    summary = stream.observed.summary()
    variables: dict[str, Any] = {}
    for name, rows in made.items():
        dims, _, attributes = summary[name]
        variables[name] = (("chain", "draw", *dims), rows.reshape(*shape, *rows.shape[1:]), attributes)
        variables |= {dim: summary[dim] for dim in dims}
    return variables


def _group(variables: dict[str, Any], shape: tuple[int, int]) -> xr.Dataset:
    coordinates = {"chain": np.arange(shape[0]), "draw": np.arange(shape[1])}
    return xr.Dataset(variables, coords=coordinates, attrs={"sample_dims": ["chain", "draw"]})


def consecutive(names: list[str]) -> list[str]:
    """Names with consecutive numbers at their ends as one: "run energy 0", "run energy 1" are "run energy 0-1"."""
    runs: list[tuple[str, int, int]] = []
    for name in names:
        stem, _, end = name.rpartition(" ")
        number = int(end) if stem and end.isdecimal() else -1
        if runs and number > 0 and runs[-1][0] == stem and runs[-1][2] == number - 1:
            runs[-1] = (stem, runs[-1][1], number)
        else:
            runs.append((stem, number, number) if number >= 0 else (name, -1, -1))
    return [s if low < 0 else f"{s} {low}" if low == high else f"{s} {low}-{high}" for s, low, high in runs]


def _log_likelihood(rows: np.ndarray, names: list[str], shape: tuple[int, int]) -> xr.Dataset:
    """The log-likelihood of all groups that depend on the parameters."""
    kept = np.ptp(rows, axis=0) > 0
    left_out = [name for name, keep in zip(names, kept, strict=True) if not keep]
    if not kept.any():
        raise ValueError(f"no group of data depends on the parameters: {', '.join(left_out)}; look at the masks")
    if left_out:
        log.warning(
            "%d of %d groups are left out of the log-likelihood, as they lie outside of the masks or no parameter has "
            "an influence there: %s",
            *(len(left_out), len(names), ", ".join(consecutive(left_out))),
        )
    group = _group({"groups": (("chain", "draw", "group"), rows[:, kept].reshape(*shape, -1))}, shape)
    labels = np.array([name for name, keep in zip(names, kept, strict=True) if keep])
    return group.assign_coords(group=labels).assign_attrs(left_out=", ".join(left_out))
