"""Predictions from posterior draws, one draw in memory at a time."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import xarray as xr

from bayesmap._util import check_option, get_random_state, suggest
from bayesmap.graph import build_terms, fold_arrays
from bayesmap.inference.listing import as_dataset, at_prior_centre, parameter_names
from bayesmap.inference.predictor import Predictor
from bayesmap.maps import Map
from bayesmap.modeling import Models

__all__ = ["posterior_npred", "posterior_predictive"]

Reduce = str | Callable[[np.ndarray], Any]


def posterior_npred(
    tree: xr.DataTree,
    dataset: Any,
    num_draws: int = 100,
    reduce: Reduce = "mean",
    random_state: Any = 0,
    **options: Any,
) -> Any:
    """Predicted counts over the posterior.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`~bayesmap.inference.sample`.
    dataset : MapDataset
        With the models that were sampled; need not be the dataset that was fitted.
    num_draws : int
        Number of posterior draws, taken at random without replacement.
    reduce : {"mean", "std"} or callable
        Mean or standard deviation over the draws, as a map; or a function of each cube ``(n_energy, n_lat, n_lon)``
        whose results are stacked, for example ``lambda cube: cube.sum(axis=(1, 2))``.
    random_state : int, numpy.random.Generator or str
        Chooses the draws.
    **options
        ``psf_route``, ``psf_tolerance``, as for :func:`~bayesmap.inference.to_pymc`.

    Returns
    -------
    Map or numpy.ndarray
        A map, or an array ``(num_draws, ...)``.

    Raises
    ------
    KeyError
        If the posterior lacks a free parameter of the models.

    Notes
    -----
    The background of an ON/OFF dataset is the one that maximises the likelihood for the signal of each draw, as in
    `~bayesmap.datasets.MapDatasetOnOff.npred`.
    """
    dataset, rng = as_dataset(dataset), get_random_state(random_state)
    cubes = _cubes(tree, dataset, num_draws, rng, options)
    if hasattr(dataset, "counts_off"):
        cubes = (cube + dataset.profiled_background(cube).data for cube in cubes)
    return _reduced(cubes, dataset, reduce)


def posterior_predictive(
    tree: xr.DataTree,
    dataset: Any,
    num_draws: int = 100,
    reduce: Reduce = "mean",
    random_state: Any = 0,
    **options: Any,
) -> Any:
    """Counts that the posterior predicts: one draw of data per draw of parameters.

    Parameters and results are those of :func:`posterior_npred`, for cubes of drawn counts.
    """
    dataset, rng = as_dataset(dataset), get_random_state(random_state)
    off = fold_arrays(dataset).off
    drawn = (dataset.likelihood.random(cube, rng, **off) for cube in _cubes(tree, dataset, num_draws, rng, options))
    return _reduced(drawn, dataset, reduce)


def _cubes(
    tree: xr.DataTree, dataset: Any, num_draws: int, rng: np.random.Generator, options: dict[str, Any]
) -> Iterator[np.ndarray]:
    models = Models(list(dataset.models or []))
    names = parameter_names(models)
    free = [p for p in names if not p.frozen]
    posterior = tree["posterior"]
    if missing := [names[p] for p in free if names[p] not in posterior.data_vars]:
        raise KeyError(
            f"dataset {dataset.name!r}: the posterior has no {missing[0]!r}"
            f"{suggest(missing[0], map(str, posterior.data_vars))}; freeze the parameter or sample it"
        )
    draws = np.stack([np.ravel(posterior[names[p]].to_numpy()) for p in free], axis=1) if free else np.empty((1, 0))
    if num_draws > len(draws):
        raise ValueError(f"num_draws is {num_draws}, the posterior has {len(draws)} draws")
    renamed = {"psf_route": "route", "psf_tolerance": "tolerance"}
    with at_prior_centre(models):
        terms = build_terms(fold_arrays(dataset), models, **{renamed.get(k, k): v for k, v in options.items()})
    predictor = Predictor(terms, models, free)
    for index in rng.choice(len(draws), num_draws, replace=False):
        yield predictor(*draws[index])


def _reduced(cubes: Iterator[np.ndarray], dataset: Any, reduce: Reduce) -> Any:
    if callable(reduce):
        return np.stack([np.asarray(reduce(cube)) for cube in cubes])
    check_option("reduce", reduce, ("mean", "std"))
    number, mean, squares = 0, np.zeros(()), np.zeros(())
    for cube in cubes:  # Welford's update: two cubes in memory, and no cancellation
        number += 1
        step = cube - mean
        mean = mean + step / number
        squares = squares + step * (cube - mean)
    data = mean if reduce == "mean" else np.sqrt(squares / max(number - 1, 1))
    geom = next(m for m in (dataset.counts, dataset.background, dataset.mask) if m is not None).geom
    return Map.from_geom(geom, data=data, unit="")
