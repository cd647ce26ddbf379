"""Log-priors of draws, variable by variable, and the log-likelihood that remains of the log-posterior."""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph.replace import clone_replace, vectorize_graph

from bayesmap._backend.expressions import parents
from bayesmap._backend.functions import making_graphs
from bayesmap._backend.program import compile_numbers
from bayesmap.modeling.priors.pymc_variables import OFFSET

__all__ = ["log_densities"]


@making_graphs()
def log_densities(
    model: Any, draws: dict[str, np.ndarray], log_posterior: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Split the log-posterior of draws into priors and likelihood.

    Parameters
    ----------
    model : pymc.Model
        The priors.
    draws : dict of numpy.ndarray
        Values of all its free variables, ``(n_chain, n_draw, ...)`` each.
    log_posterior : numpy.ndarray
        Log-density of the unconstrained variables, ``(n_chain, n_draw)``.

    Returns
    -------
    log_prior : dict of numpy.ndarray
        Log-density of each free variable given those that it depends on, ``(n_chain, n_draw)`` each. The standard
        variable behind a parameter with a hierarchical prior stands under the name of that parameter.
    log_likelihood : numpy.ndarray
        The log-posterior less all priors and less the logarithm of the Jacobian determinant: the log-likelihood of all
        data, ``(n_chain, n_draw)``.
    """
    free = model.free_RVs
    ones = [rv.type() for rv in free]
    many = [pt.tensor(dtype="float64", shape=(None, *rv.type.shape)) for rv in free]
    columns = [np.asarray(draws[rv.name], dtype="float64") for rv in free]
    columns = [np.ascontiguousarray(x.reshape(-1, *x.shape[2:])) for x in columns]
    placed, batch = dict(zip(free, ones, strict=True)), dict(zip(ones, many, strict=True))

    def numbers(expression: Any) -> np.ndarray:
        one = clone_replace(expression, replace=placed, rebuild_strict=False)
        values = compile_numbers(many, vectorize_graph(one, batch))(*columns)
        return np.broadcast_to(values, log_posterior.size).reshape(log_posterior.shape)

    priors, rest = {}, np.array(log_posterior, dtype="float64")
    for rv, value in zip(free, ones, strict=True):
        prior = numbers(pm.logp(rv, value).sum())
        priors[rv.name.removesuffix(OFFSET).removesuffix("_joint")] = prior
        rest = rest - prior
        transform = model.rvs_to_transforms[rv]
        if transform is not None:
            inputs = parents(rv)
            rest = rest - numbers(transform.log_jac_det(transform.forward(value, *inputs), *inputs).sum())
    return priors, rest
