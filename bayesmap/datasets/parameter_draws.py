"""One draw of the parameters of a dataset, from a posterior or from the priors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmap._types import Tree
from bayesmap.modeling import parameter_names
from bayesmap.modeling.posterior import Posterior

if TYPE_CHECKING:
    from bayesmap.datasets.base import Dataset

__all__ = ["draw_from_posterior", "draw_from_prior", "parameters_at"]


@contextmanager
def parameters_at(values: Mapping[Any, float]) -> Iterator[None]:
    """Give parameters other values, in their declared units, and put the old ones back afterwards."""
    before = {parameter: parameter.value for parameter in values}
    try:
        for parameter, value in values.items():
            parameter.value = value
        yield
    finally:
        for parameter, value in before.items():
            parameter.value = value


def free_parameters(dataset: "Dataset") -> dict[Any, str]:
    """Free parameters of the models of a dataset and the names of their random variables."""
    if not dataset.models:
        raise ValueError(f"dataset {dataset.name!r} has no models, so there are no parameters to draw")
    return {p: name for p, name in parameter_names(dataset.models or ()).items() if not p.frozen}


def draw_from_posterior(dataset: "Dataset", tree: Tree, rng: np.random.Generator) -> dict[Any, float]:
    """Return the free parameters of a dataset in one random draw of a posterior.

    Parameters
    ----------
    dataset : `bayesmap.datasets.MapDataset`
        The dataset.
    tree : `xarray.DataTree`
        Result of `bayesmap.inference.sample`; its group ``posterior`` has the dimensions ``chain`` and ``draw``.
    rng : numpy.random.Generator
        Chooses the draw.

    Returns
    -------
    dict
        Value per parameter, in the declared unit; arrays of parameters with a shape.

    Raises
    ------
    KeyError
        If the posterior lacks a free parameter.
    """
    posterior = Posterior(tree)
    columns = posterior.columns(free_parameters(dataset), f"dataset {dataset.name!r}")
    posterior.warn_of_left_out(parameter_names(dataset.models or ()), dataset.name, stacklevel=6)
    index = rng.integers(posterior.n_chain) * posterior.n_draw + rng.integers(posterior.n_draw)
    return {parameter: draws[index] for parameter, draws in columns.items()}


def give_default_priors(dataset: "Dataset") -> dict[str, Any]:
    """Store default priors on the parameters that have none; see `bayesmap.inference.assign_default_priors`."""
    from bayesmap.inference import assign_default_priors

    return assign_default_priors(dataset)


def draw_from_prior(dataset: "Dataset", rng: np.random.Generator) -> dict[Any, float]:
    """Return the free parameters of a dataset in one draw from their priors.

    Parameters
    ----------
    dataset : `bayesmap.datasets.MapDataset`
        The dataset; parameters without a prior get their default one, which needs counts.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    dict
        Value per parameter, in the declared unit; arrays of parameters with a shape.

    Raises
    ------
    ValueError
        If a parameter has no prior and there are no counts to make a default one from.
    """
    names = free_parameters(dataset)
    missing = [name for parameter, name in names.items() if parameter.prior is None]
    if missing and getattr(dataset, "counts", None) is None:
        raise ValueError(
            f"dataset {dataset.name!r}: {missing} have no prior, and default priors need counts; set the priors"
        )
    import pymc as pm

    from bayesmap.modeling.priors.variables import prior_variables

    if missing:
        give_default_priors(dataset)
    with pm.Model():
        variables = prior_variables(parameter_names(dataset.models or ()))
        draws = pm.draw(list(variables.values()), random_seed=rng, mode="FAST_COMPILE")
    return dict(zip(variables, draws, strict=True))
