"""Log-priors of draws, variable by variable, and the log-likelihood that remains of the log-posterior."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph.replace import clone_replace, vectorize_graph

from bayesmap._backend.expressions import parents
from bayesmap._backend.functions import making_graphs
from bayesmap._backend.program import compile_numbers, shared_inputs
from bayesmap.modeling.priors.pymc_variables import OFFSET

__all__ = ["PriorSplit"]

#: numbers, shape ``(n,)``, of arrays of many values of each variable
type Formula = Callable[..., np.ndarray]


class PriorSplit:
    """The log-posterior of draws as priors and likelihood; formulas are made once.

    Parameters
    ----------
    model : pymc.Model
        The priors.
    """

    @making_graphs()
    def __init__(self, model: Any) -> None:
        free = model.free_RVs
        self._names = [rv.name for rv in free]
        ones = [rv.type() for rv in free]
        many = [pt.tensor(dtype="float64", shape=(None, *rv.type.shape)) for rv in free]
        placed, batch = dict(zip(free, ones, strict=True)), dict(zip(ones, many, strict=True))

        def formula(expression: Any) -> Formula:
            one = clone_replace(expression, replace=placed, rebuild_strict=False)
            whole = vectorize_graph(one, batch)
            data = shared_inputs(whole)  # the prior of a background in OFF depends on the counts there
            evaluate = compile_numbers([*many, *data], whole)
            return lambda *columns: evaluate(*columns, *(x.get_value(borrow=True) for x in data))

        self._priors = {rv.name: formula(pm.logp(rv, x).sum()) for rv, x in zip(free, ones, strict=True)}
        self._jacobians = []
        for rv, value in zip(free, ones, strict=True):
            if (transform := model.rvs_to_transforms[rv]) is not None:
                inputs = parents(rv)
                jacobian = transform.log_jac_det(transform.forward(value, *inputs), *inputs)
                self._jacobians.append(formula(jacobian.sum()))

    def __call__(
        self, draws: dict[str, np.ndarray], log_posterior: np.ndarray
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Split the log-posterior of draws.

        Parameters
        ----------
        draws : dict of numpy.ndarray
            Values of all free variables, ``(n_chain, n_draw, ...)`` each.
        log_posterior : numpy.ndarray
            Log-density of the unconstrained variables, ``(n_chain, n_draw)``.

        Returns
        -------
        log_prior : dict of numpy.ndarray
            Log-density of each free variable given those that it depends on, ``(n_chain, n_draw)`` each. The standard
            variable behind a parameter with a hierarchical prior stands under the name of that parameter.
        log_likelihood : numpy.ndarray
            The log-posterior less all priors and less the logarithm of the Jacobian determinant: the log-likelihood of
            all data, ``(n_chain, n_draw)``.
        """
        columns = [np.asarray(draws[name], dtype="float64") for name in self._names]
        columns = [np.ascontiguousarray(x.reshape(-1, *x.shape[2:])) for x in columns]

        def numbers(formula: Formula) -> np.ndarray:
            return np.broadcast_to(formula(*columns), log_posterior.size).reshape(log_posterior.shape)

        priors = {name: numbers(formula) for name, formula in self._priors.items()}
        rest = np.array(log_posterior, dtype="float64")
        for part in (*priors.values(), *map(numbers, self._jacobians)):
            rest = rest - part
        return {name.removesuffix(OFFSET).removesuffix("_joint"): prior for name, prior in priors.items()}, rest
