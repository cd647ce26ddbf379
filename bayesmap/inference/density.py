"""The log-posterior of a `pymc.Model` as one compiled function of a flat vector of unconstrained variables."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph.replace import clone_replace, vectorize_graph

from bayesmap._backend.expressions import reached
from bayesmap._backend.functions import QUICK, Mode, compile_for_threads, making_graphs
from bayesmap._backend.program import compile_numbers
from bayesmap.inference.defined import defined
from bayesmap.inference.edges import Edges
from bayesmap.inference.looped import Loop, Loops
from bayesmap.inference.sums import Terms
from bayesmap.modeling.priors.pymc_variables import Standardize, offset_names

__all__ = ["LogDensity"]


def _start(model: pm.Model) -> list[np.ndarray]:
    """Initial point of each free variable; our transform puts the prior median at zero."""
    ours = [isinstance(model.rvs_to_transforms[rv], Standardize) and rv.ndim == 0 for rv in model.free_RVs]
    point = {} if all(ours) else model.initial_point()
    start = []
    for rv, is_ours in zip(model.free_RVs, ours, strict=True):
        given = 0.0 if is_ours else point[model.rvs_to_values[rv].name]
        zero = isinstance(model.rvs_to_transforms[rv], Standardize)
        start.append(np.zeros_like(given) if zero else np.asarray(given))
    return start


class LogDensity:
    """Log-density and gradient, compiled once; shared data may change afterwards.

    Parameters
    ----------
    model : pymc.Model or Terms
        With scalar or array free variables; or what is known of its log-posterior.
    mode : str or Mode
        PyTensor mode; "NUMBA" for sampling, `bayesmap._backend.functions.QUICK` for a few evaluations.

    Attributes
    ----------
    names : list of str
        Free variables, in the order of the vector.
    reported : list of str
        Variables with a meaning: without the standard variables behind hierarchical and joint priors.
    labels : list of str
        Name of each element of the vector, ``"<name>[<i>]"`` where a variable is an array.
    index : dict of str to int
        Place of each scalar free variable in the vector.
    transforms : list of Transform or None
        How each element of the vector became unconstrained.
    edges : Edges
        Where the supports of the parameters behind the unconstrained variables end.
    loops : Loops or None
        Terms that are alike, if there are any.
    """

    @making_graphs()
    def __init__(self, model: pm.Model | Terms, mode: str | Mode = "NUMBA") -> None:
        terms = model if isinstance(model, Terms) else Terms(model)
        self.model = model = terms.model
        self.names = [rv.name for rv in model.free_RVs]
        values = [model.rvs_to_values[rv] for rv in model.free_RVs]
        start = _start(model)
        sizes = [int(np.prod(np.shape(x), dtype=int)) for x in start]
        firsts = np.cumsum([0, *sizes])
        self.labels = [
            f"{name}[{i}]" if np.shape(x) else name
            for name, x, size in zip(self.names, start, sizes, strict=True)
            for i in range(size)
        ]
        self.index = {n: int(i) for n, i, x in zip(self.names, firsts, start, strict=False) if not np.shape(x)}
        transforms = [model.rvs_to_transforms[rv] for rv in model.free_RVs]
        self.transforms = [t for t, size in zip(transforms, sizes, strict=True) for _ in range(size)]
        self.edges = Edges(self.transforms)
        self._start = np.concatenate([np.ravel(x) for x in start]).astype("float64")
        self._weight = terms.weight
        self._shapes = dict(zip(values, map(np.shape, start), strict=True))
        self._places = {v: np.arange(i, i + n) for v, i, n in zip(values, firsts[:-1], sizes, strict=True)}
        self._jacobian = {True: np.array(1.0), False: np.array(0.0)}
        self.loops = Loops([Loop(m, self._places, self._weight, mode) for m in terms.alike]) if terms.alike else None
        self._function = self._with_gradient(defined(terms.rest), mode, rest=self.loops is not None)
        self._unknowns = model.free_RVs + model.deterministics
        offsets = offset_names([v.name for v in self._unknowns])
        self.reported = [v.name for v in self._unknowns if v.name not in offsets]

    @functools.cached_property
    def _formulas(self) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
        """Each variable as a function of many points, shape ``(n, size)``."""
        columns = self._of_points(self.model.replace_rvs_by_values(self._unknowns))
        return {v.name: column for v, column in zip(self._unknowns, columns, strict=True)}

    @functools.cached_property
    def _log_prior(self) -> Callable[[np.ndarray], np.ndarray]:
        model = self.model
        [formula] = self._of_points([model.logp(vars=model.free_RVs + model.potentials, jacobian=False)])
        return formula

    def _of_points(self, expressions: Sequence[Any]) -> list[Callable[[np.ndarray], np.ndarray]]:
        """Expressions of the value variables as functions of many points, shape ``(n, size)``."""
        draws = pt.matrix("draws", dtype="float64", shape=(None, self.size))
        theta, pieces = self._cut(list(self._places))
        one = clone_replace(list(expressions), replace=pieces, rebuild_strict=False)
        return [compile_numbers([draws], x) for x in vectorize_graph(one, {theta: draws})]

    def log_prior(self, points: np.ndarray) -> np.ndarray:
        """Logarithm of the prior density per unit of the parameters.

        Parameters
        ----------
        points : numpy.ndarray
            Unconstrained variables, shape ``(n, size)``.

        Returns
        -------
        numpy.ndarray
            Shape ``(n,)``.
        """
        return self._log_prior(np.ascontiguousarray(points, dtype="float64"))

    def _cut(self, values: Sequence[Any]) -> tuple[Any, dict[Any, Any]]:
        """A vector, and which of its parts is which of some variables."""
        theta = pt.vector("theta", dtype="float64", shape=(sum(len(self._places[v]) for v in values),))
        pieces: dict[Any, Any] = {}
        offset = 0
        for value in values:
            shape, size = self._shapes[value], len(self._places[value])
            pieces[value] = theta[offset : offset + size].reshape(shape) if shape else theta[offset]
            offset += size
        return theta, pieces

    def _with_gradient(self, scalar: Any, mode: str | Mode, rest: bool = False) -> Callable[..., Any]:
        """Compile a scalar of the value variables and its gradient by the vector, or by those that occur in it."""
        values = list(self._places)
        if rest:
            occurring = set(reached([scalar], set(values)))
            values = [v for v in values if v in occurring]
        theta, pieces = self._cut(values)
        # By the parts and not by their vector: one node puts it together, where each slice would need two.
        gradients = pt.grad(scalar, list(pieces), disconnected_inputs="ignore")
        scalars = all(g.ndim == 0 for g in gradients)
        if not gradients:  # nothing is left beside what is in loops
            gradient = pt.zeros(0)
        else:
            gradient = pt.stack(gradients) if scalars else pt.concatenate([g.ravel() for g in gradients])
        outputs = clone_replace([scalar, gradient], replace=pieces, rebuild_strict=False)
        function = compile_for_threads([theta, self._weight], outputs, mode)
        if len(values) == len(self._places):
            return function
        places = np.concatenate([np.zeros(0, dtype=int), *(self._places[v] for v in values)])

        def of_some(theta: np.ndarray, weight: np.ndarray) -> Any:
            gradient = np.zeros(len(theta))
            value, gradient[places] = function(theta[places], weight)
            return value, gradient

        return of_some

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

    def use_threads(self, number: int) -> None:
        """Let a call of the density use so many threads; values and gradients do not depend on it."""
        if self.loops is not None:
            self.loops.threads = number

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
        weight = self._jacobian[jacobian]
        value, gradient = self._function(theta, weight)
        if self.loops is None:
            return float(value), gradient
        more, more_gradient = self.loops(theta, weight)
        total = float(value) + more
        return total if total < np.inf else -np.inf, gradient + more_gradient

    def expand(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """Parameters in their declared units at one point."""
        point = np.asarray(theta, dtype="float64")[None]
        return {name: formula(point)[0] for name, formula in self._formulas.items()}

    def expand_draws(self, draws: np.ndarray) -> dict[str, np.ndarray]:
        """Parameters of many points: ``draws`` has shape ``(n_chain, n_draw, size)``."""
        points = np.ascontiguousarray(draws.reshape(-1, draws.shape[-1]))
        columns = {name: formula(points) for name, formula in self._formulas.items()}
        return {name: column.reshape(*draws.shape[:2], *column.shape[1:]) for name, column in columns.items()}
