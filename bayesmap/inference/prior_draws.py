"""Draws of the parameters from their priors."""

from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from bayesmap._util import check_whole, get_random_state
from bayesmap.inference.default_priors import assign_default_priors
from bayesmap.inference.listing import as_datasets, dataset_models, parameter_names
from bayesmap.inference.result import draw_dims
from bayesmap.modeling.priors.hyper import hyperparameters_of
from bayesmap.modeling.priors.variables import prior_variables

__all__ = ["sample_prior"]


def sample_prior(datasets: Any, draws: int = 500, random_state: Any = 0) -> xr.DataTree:
    """Draw the free parameters from their priors.

    Parameters
    ----------
    datasets : Dataset, Datasets or list of Dataset
        With models. Parameters without a prior get their default one, which needs counts.
    draws : int
        Number of draws.
    random_state : int, numpy.random.Generator or str
        Source of randomness.

    Returns
    -------
    xarray.DataTree
        Group ``prior`` with one variable per parameter and hyperparameter, in the declared units, of the dimensions
        ``chain`` (one) and ``draw``.

    Raises
    ------
    ValueError
        If nothing is free or a prior is improper.
    """
    draws = check_whole("draws", draws, 1)
    listed = as_datasets(datasets)
    models = dataset_models(listed)
    names = parameter_names(models)
    free = {p: name for p, name in names.items() if not p.frozen}
    if not free:
        raise ValueError("nothing to draw: all parameters of all models are frozen, or no models are set")
    if any(p.prior is None for p in free):
        assign_default_priors(listed)
    for parameter, name in free.items():
        if parameter.prior is None or parameter.prior.distribution.scipy is None:
            raise ValueError(f"the prior of {name!r} is improper ({parameter.prior}): it has no draws")
    hyper = hyperparameters_of(names)
    with pm.Model() as model:
        variables = {names[p]: (v, p.unit) for p, v in prior_variables(names).items()}
        variables |= {name: (model[name], h.unit) for name, h in hyper.items()}
        values = pm.draw([v for v, _ in variables.values()], int(draws), random_seed=get_random_state(random_state),
                         mode="FAST_COMPILE")  # fmt: skip
    data = {}
    for (name, (variable, unit)), value in zip(variables.items(), values, strict=True):
        column = np.reshape(value, (1, int(draws), *np.shape(value)[np.ndim(value) - variable.ndim :]))
        data[name] = (draw_dims(name, column), column, {"units": str(unit)})
    return xr.DataTree.from_dict({"prior": xr.Dataset(data, coords={"chain": [0], "draw": np.arange(int(draws))})})
