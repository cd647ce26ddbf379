"""Predictions from posterior draws, one draw in memory at a time."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import xarray as xr

from bayesmap._util import check_option, get_random_state
from bayesmap.graph import build_terms, fold_arrays
from bayesmap.inference.listing import as_dataset, parameter_names, prior_centre
from bayesmap.inference.predictor import Predictor
from bayesmap.maps import Map
from bayesmap.modeling import Models
from bayesmap.modeling.posterior import Posterior

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

    Warns
    -----
    UserWarning
        If the dataset was not sampled and its models lack some of the posterior: a background model belongs to one
        dataset (`~bayesmap.modeling.Models.reassign` gives it to another).

    Notes
    -----
    The background of an ON/OFF dataset is the one that maximises the likelihood for the signal of each draw, as in
    `~bayesmap.datasets.MapDatasetOnOff.npred`.
    """
    dataset, rng = as_dataset(dataset), get_random_state(random_state)
    Posterior(tree).warn_of_left_out(parameter_names(dataset.models or ()), dataset.name)
    cubes = (cube for cube, _ in _cubes(tree, dataset, num_draws, rng, options))
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

    Parameters and results are those of :func:`posterior_npred`, for cubes of drawn counts. Unknowns of the likelihood
    itself, as a sampled OFF background, have their values in the posterior where it holds them; others are drawn anew.
    """
    dataset, rng = as_dataset(dataset), get_random_state(random_state)
    Posterior(tree).warn_of_left_out(parameter_names(dataset.models or ()), dataset.name)
    off = fold_arrays(dataset).off
    latents = _latents(tree, dataset)

    def draw(cube: np.ndarray, index: int) -> np.ndarray:
        own = {key: values[index] for key, values in latents.items()}
        further: dict[str, Any] = {"latents": own, "mask": np.asarray(dataset.mask.data, dtype=bool)} if own else {}
        return dataset.likelihood.random(cube, rng, **further | off)

    drawn = (draw(*pair) for pair in _cubes(tree, dataset, num_draws, rng, options))
    return _reduced(drawn, dataset, reduce)


def _latents(tree: xr.DataTree, dataset: Any) -> dict[str, np.ndarray]:
    """Draws of the unknowns of the likelihood, the draws on the first axis; only if all are in the posterior."""
    posterior = tree["posterior"]
    names = {key: f"{dataset.name}.{key}" for key in dataset.likelihood.latent_names}
    if not all(name in posterior.data_vars for name in names.values()):
        return {}
    draws = {key: posterior[name].to_numpy() for key, name in names.items()}
    return {key: values.reshape(-1, *values.shape[2:]) for key, values in draws.items()}


def _cubes(
    tree: xr.DataTree, dataset: Any, num_draws: int, rng: np.random.Generator, options: dict[str, Any]
) -> Iterator[tuple[np.ndarray, int]]:
    """Predicted counts at some draws of the posterior, and which draws these are."""
    models = Models(list(dataset.models or []))
    names = parameter_names(models)
    posterior = Posterior(tree)
    columns = posterior.columns(names, f"dataset {dataset.name!r}")
    if num_draws > len(posterior):
        raise ValueError(f"num_draws is {num_draws}, the posterior has {len(posterior)} draws")
    renamed = {"psf_route": "route", "psf_tolerance": "tolerance"}
    options = {renamed.get(k, k): v for k, v in options.items()}
    terms = build_terms(fold_arrays(dataset), models, at=prior_centre(models), **options)
    predictor = Predictor(terms, models, list(columns))
    for index in rng.choice(len(posterior), num_draws, replace=False):
        yield predictor(*(draws[index] for draws in columns.values())), index


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
