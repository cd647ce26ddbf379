"""Predictions from posterior draws, one draw in memory at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from bayesmap._util import check_option, get_random_state
from bayesmap.inference.listing import as_dataset, parameter_names
from bayesmap.inference.streaming import Draw, Moments, Stream
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
    return _reduced(tree, dataset, num_draws, reduce, random_state, options, lambda draw: draw.mean)


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
    return _reduced(tree, dataset, num_draws, reduce, random_state, options, lambda draw: draw.replicate)


def _reduced(
    tree: xr.DataTree,
    dataset: Any,
    num_draws: int,
    reduce: Reduce,
    random_state: Any,
    options: dict[str, Any],
    array_of: Callable[[Draw], np.ndarray],
) -> Any:
    """What is made of an array of each of some draws."""
    dataset, rng = as_dataset(dataset), get_random_state(random_state)
    names = parameter_names(dataset.models or ())
    Posterior(tree).warn_of_left_out(names, dataset.name, stacklevel=4)
    draws = Stream(tree, dataset, **options)
    if num_draws > len(draws):
        raise ValueError(f"num_draws is {num_draws}, the posterior has {len(draws)} draws")
    chosen = rng.choice(len(draws), num_draws, replace=False)
    if callable(reduce):
        function = reduce
        return draws.reduce({"rows": lambda draw: function(array_of(draw))}, chosen, rng)["rows"]
    check_option("reduce", reduce, ("mean", "std"))
    mean, deviation = draws.reduce({"moments": Moments(array_of)}, chosen, rng)["moments"]
    return draws.observed.wrap(mean if reduce == "mean" else deviation)
