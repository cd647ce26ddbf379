"""Predictions of one dataset as numbers, as functions of its free parameters."""

import abc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt

from bayesmap._backend.functions import QUICK, making_graphs
from bayesmap.graph import Fold, Terms
from bayesmap.graph.fold import all_bins

__all__ = ["Numbers", "Predictor", "internal_values"]


def internal_values(models: Sequence[Any], parameters: Sequence[Any], arguments: Sequence[Any]) -> dict[Any, Any]:
    """Values of all parameters in internal units, from the free ones in their declared units."""
    values: dict[Any, Any] = {p: p.internal for model in models for p in model.parameters}
    values.update({p: argument * p.scale_to_internal for p, argument in zip(parameters, arguments, strict=True)})
    return values


class Numbers(abc.ABC):
    """An expression of the free parameters as numbers, compiled on first use.

    Parameters
    ----------
    models : sequence of models
        All models of the dataset; parameters that are not free keep their present values.
    parameters : list of Parameter
        Free parameters, in the order of the arguments.
    """

    def __init__(self, models: Sequence[Any], parameters: Sequence[Any]) -> None:
        self.models, self.parameters = list(models), list(parameters)
        self._function: Callable[..., np.ndarray] | None = None
        self._last: tuple[list[np.ndarray], np.ndarray] | None = None

    @abc.abstractmethod
    def expression(self, arguments: Sequence[Any]) -> Any:
        """The expression, of variables for the free parameters in their declared units."""

    def values(self, arguments: Sequence[Any]) -> dict[Any, Any]:
        """Parameter values in internal units, from the free ones in their declared units."""
        return internal_values(self.models, self.parameters, arguments)

    def __call__(self, *arguments: Any) -> np.ndarray:
        """The numbers at free parameters in their declared units; read-only, as those of the last call are kept."""
        given = [np.array(a, dtype="float64") for a in arguments]
        last = self._last
        if last is not None and all(np.array_equal(a, b) for a, b in zip(given, last[0], strict=True)):
            return last[1]
        if self._function is None:
            with making_graphs():
                inputs = [pt.tensor(dtype="float64", shape=p.shape) for p in self.parameters]
                numbers = self.expression(inputs)
                self._function = pytensor.function(inputs, numbers, mode=QUICK, on_unused_input="ignore")
        found: np.ndarray = self._function(*given)
        found.flags.writeable = False
        self._last = given, found
        return found

    def forget(self) -> None:
        """Compute anew also for the values of the last call, as an array of the expression was replaced."""
        self._last = None

    def __getstate__(self) -> dict[str, Any]:
        # Compiled functions do not pickle; the copy compiles its own.
        return {**self.__dict__, "_function": None, "_last": None}


class Predictor(Numbers):
    """Dense predicted counts of all bins, shape ``(n_energy, n_lat, n_lon)``; nothing is clipped.

    Parameters
    ----------
    terms : Terms
        What predicts counts.
    models, parameters
        As for `Numbers`.
    """

    def __init__(self, terms: Terms, models: Sequence[Any], parameters: Sequence[Any]) -> None:
        super().__init__(models, parameters)
        self.terms = terms

    def expression(self, arguments: Sequence[Any]) -> Any:
        """The cube; see `Numbers.expression`."""
        fold = Fold(self.terms)
        fold.select(all_bins(self.terms.arrays))
        return fold.at(self.values(arguments)).reshape(self.terms.arrays.mask.shape)
