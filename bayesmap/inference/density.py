"""The log-posterior of a `pymc.Model` as one compiled function of a flat vector of unconstrained variables."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor.graph.replace import clone_replace, vectorize_graph

from bayesmap._backend.functions import QUICK, Mode, compile_for_threads
from bayesmap.inference.defined import defined
from bayesmap.inference.edges import Edges
from bayesmap.modeling.priors.pymc_variables import Standardize, offset_names

__all__ = ["LogDensity"]


class LogDensity:
    """Log-density and gradient, compiled once; shared data may change afterwards.

    Parameters
    ----------
    model : pymc.Model
        With scalar or array free variables.
    mode : str or Mode
        PyTensor mode; "NUMBA" for sampling, `bayesmap._backend.functions.QUICK` for a few evaluations.

    Attributes
    ----------
    names : list of str
        Free variables, in the order of the vector.
    reported : list of str
        Variables with a meaning: without the standard variables behind hierarchical and joint priors.
    index : dict of str to int
        Place of each scalar free variable in the vector.
    edges : Edges
        Where the supports of the parameters behind the unconstrained variables end.
    """

    def __init__(self, model: pm.Model, mode: str | Mode = "NUMBA") -> None:
        self.model = model
        self.names = [rv.name for rv in model.free_RVs]
        values = [model.rvs_to_values[rv] for rv in model.free_RVs]
        start = model.initial_point()
        # Our transform puts the prior median at zero.
        start |= {
            value.name: np.zeros_like(start[value.name])
            for rv, value in zip(model.free_RVs, values, strict=True)
            if isinstance(model.rvs_to_transforms[rv], Standardize)
        }
        sizes = [int(np.prod(np.shape(start[value.name]), dtype=int)) for value in values]
        firsts = np.cumsum([0, *sizes])
        self.index = {
            n: int(i) for n, i, v in zip(self.names, firsts, values, strict=False) if not np.shape(start[v.name])
        }
        transforms = [model.rvs_to_transforms[rv] for rv in model.free_RVs]
        self.edges = Edges([t for t, size in zip(transforms, sizes, strict=True) for _ in range(size)])
        self._start = np.concatenate([np.ravel(start[value.name]) for value in values]).astype("float64")
        theta = pt.vector("theta", dtype="float64", shape=(len(self._start),))
        weight = pt.scalar("jacobian", dtype="float64")
        pieces: dict[Any, Any] = {}
        offset = 0
        for value in values:
            shape = np.shape(start[value.name])
            size = int(np.prod(shape, dtype=int))
            pieces[value] = theta[offset : offset + size].reshape(shape) if shape else theta[offset]
            offset += size
        self._inputs, self._pieces = (theta, weight), pieces
        # The likelihood must enter once: its gradient would be computed for each occurrence.
        likelihood = model.logp(vars=model.observed_RVs)
        prior = model.logp(vars=model.free_RVs + model.potentials, jacobian=False)
        transformed = model.logp(vars=model.free_RVs + model.potentials, jacobian=True)
        density = defined(likelihood + prior + weight * (transformed - prior))
        self._function = self._with_gradient(density, mode)
        self._jacobian = {True: np.array(1.0), False: np.array(0.0)}
        unknowns = model.replace_rvs_by_values(model.free_RVs + model.deterministics)
        one = clone_replace(unknowns, replace=pieces, rebuild_strict=False)
        draws = pt.matrix("draws", dtype="float64", shape=(None, len(self._start)))
        self._expand = pytensor.function(
            [draws],
            vectorize_graph(one, {theta: draws}),
            mode=QUICK,
            trust_input=True,
            on_unused_input="ignore",
        )
        offsets = offset_names([v.name for v in model.free_RVs + model.deterministics])
        self.reported = [v.name for v in model.free_RVs + model.deterministics if v.name not in offsets]
        self._expand_names = [v.name for v in model.free_RVs + model.deterministics]

    def _with_gradient(self, scalar: Any, mode: str | Mode) -> Callable[..., Any]:
        """Compile a scalar of the value variables and its gradient by the vector."""
        # By the parts and not by their vector: one node puts it together, where each slice would need two.
        gradients = pt.grad(scalar, list(self._pieces), disconnected_inputs="ignore")
        scalars = all(g.ndim == 0 for g in gradients)
        gradient = pt.stack(gradients) if scalars else pt.concatenate([g.ravel() for g in gradients])
        outputs = clone_replace([scalar, gradient], replace=self._pieces, rebuild_strict=False)
        return compile_for_threads(list(self._inputs), outputs, mode)

    def function_of(self, scalar: Any) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
        """Compile another scalar of the random variables, for a few evaluations.

        Parameters
        ----------
        scalar : TensorVariable
            An expression of the variables of the model.

        Returns
        -------
        callable
            Value and gradient as a function of the unconstrained variables.
        """
        [expression] = self.model.replace_rvs_by_values([scalar])
        function, weight = self._with_gradient(expression, QUICK), np.array(1.0)

        def called(theta: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = function(theta, weight)
            return float(value), gradient

        return called

    @property
    def start(self) -> np.ndarray:
        """The model's initial point (prior medians), a copy."""
        return self._start.copy()

    @property
    def size(self) -> int:
        """Number of unconstrained variables."""
        return len(self._start)

    def __call__(self, theta: np.ndarray, jacobian: bool = True) -> tuple[float, np.ndarray]:
        """Log-density (natural logarithm) and gradient.

        Parameters
        ----------
        theta : numpy.ndarray
            Unconstrained variables, float64, shape ``(size,)``.
        jacobian : bool
            Density of the unconstrained variables (True, for sampling) or of the parameters themselves (False: its
            maximum is the mode of the posterior, or of the likelihood under flat priors).
        """
        value, gradient = self._function(theta, self._jacobian[jacobian])
        return float(value), gradient

    def expand(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """Parameters in their declared units at one point."""
        columns = self._expand(np.asarray(theta, dtype="float64")[None])
        return {name: column[0] for name, column in zip(self._expand_names, columns, strict=True)}

    def expand_draws(self, draws: np.ndarray) -> dict[str, np.ndarray]:
        """Parameters of many points: ``draws`` has shape ``(n_chain, n_draw, size)``."""
        columns = self._expand(np.ascontiguousarray(draws.reshape(-1, draws.shape[-1])))
        return {
            name: column.reshape(*draws.shape[:2], *column.shape[1:])
            for name, column in zip(self._expand_names, columns, strict=True)
        }
