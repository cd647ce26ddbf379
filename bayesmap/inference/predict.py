"""Predictions from posterior draws, one draw in memory at a time."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import xarray as xr

from bayesmap._util import check_option, get_random_state
from bayesmap.inference.listing import as_dataset, parameter_names
from bayesmap.inference.observations import Observation, facts_of
from bayesmap.modeling.posterior import Posterior

__all__ = ["posterior_npred", "posterior_predictive"]

type Reduce = str | Callable[[np.ndarray], np.ndarray]


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
    dataset : Dataset
        Of any type, with the models that were sampled; need not be the dataset that was fitted, nor hold data.
    num_draws : int
        Number of posterior draws, taken at random without replacement.
    reduce : {"mean", "std"} or callable
        Mean or standard deviation over the draws; or a function of each cube ``(n_energy, n_lat, n_lon)`` whose results
        are stacked, for example ``lambda cube: cube.sum(axis=(1, 2))``. For flux points it gets fluxes in
        1e-12 cm-2 s-1 TeV-1, shape ``(n_point,)``.
    random_state : int, numpy.random.Generator or str
        Chooses the draws.
    **options
        ``psf_route``, ``psf_tolerance``, as for :func:`~bayesmap.inference.to_pymc`.

    Returns
    -------
    Map, Quantity or numpy.ndarray
        A map (of flux points a quantity, points inside the masks), or an array ``(num_draws, ...)``.

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
    observed, draws = _draws(tree, dataset, num_draws, rng, options, latents=False)
    return _reduced((observed.mean(*draw) for draw in draws), observed, reduce)


def posterior_predictive(
    tree: xr.DataTree,
    dataset: Any,
    num_draws: int = 100,
    reduce: Reduce = "mean",
    random_state: Any = 0,
    **options: Any,
) -> Any:
    """Counts that the posterior predicts: one draw of data per draw of parameters.

    Parameters and results, with their shapes, are those of :func:`posterior_npred`, for cubes of drawn counts.
    Unknowns of the likelihood itself, as a sampled OFF background, have their values in the posterior where it holds
    them; others are drawn anew.
    """
    dataset, rng = as_dataset(dataset), get_random_state(random_state)
    Posterior(tree).warn_of_left_out(parameter_names(dataset.models or ()), dataset.name)
    observed, draws = _draws(tree, dataset, num_draws, rng, options, latents=True)
    return _reduced((observed.random(rng, *draw) for draw in draws), observed, reduce)


def _draws(
    tree: xr.DataTree, dataset: Any, num_draws: int, rng: np.random.Generator, options: dict[str, Any], latents: bool
) -> tuple[Observation, Iterator[tuple[np.ndarray, ...]]]:
    """The dataset under its models, and its arguments at some draws of the posterior.

    With ``latents`` these include the unknowns of the likelihood, if all are in the posterior.
    """
    posterior = Posterior(tree)
    columns = posterior.columns(parameter_names(dataset.models or ()), f"dataset {dataset.name!r}")
    if num_draws > len(posterior):
        raise ValueError(f"num_draws is {num_draws}, the posterior has {len(posterior)} draws")
    renamed = {"psf_route": "route", "psf_tolerance": "tolerance"}
    options = {renamed.get(k, k): v for k, v in options.items()}
    observed = facts_of(dataset).observe(list(columns), data=False, **options)
    arguments = list(columns.values())
    names = [f"{dataset.name}.{key}" for key in observed.latent_names]
    if latents and all(name in posterior for name in names):
        arguments += [posterior.column(name) for name in names]
    chosen = rng.choice(len(posterior), num_draws, replace=False)
    return observed, (tuple(column[index] for column in arguments) for index in chosen)


def _reduced(arrays: Iterator[np.ndarray], observed: Observation, reduce: Reduce) -> Any:
    if callable(reduce):
        return np.stack([np.asarray(reduce(array)) for array in arrays])
    check_option("reduce", reduce, ("mean", "std"))
    number, mean, squares = 0, np.zeros(()), np.zeros(())
    for array in arrays:  # Welford's update: two cubes in memory, and no cancellation
        number += 1
        step = array - mean
        mean = mean + step / number
        squares = squares + step * (array - mean)
    return observed.wrap(mean if reduce == "mean" else np.sqrt(squares / max(number - 1, 1)))
