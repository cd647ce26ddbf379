"""Predicted counts of one dataset as numbers, as a function of its free parameters."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt

from bayesmap._backend.functions import QUICK
from bayesmap.graph import Fold, Terms
from bayesmap.graph.fold import all_bins

__all__ = ["Predictor", "internal_values"]


def internal_values(models: Sequence[Any], parameters: Sequence[Any], arguments: Sequence[Any]) -> dict[Any, Any]:
    """Values of all parameters in internal units, from the free ones in their declared units."""
    values: dict[Any, Any] = {p: p.internal for model in models for p in model.parameters}
    values.update({p: argument * p.scale_to_internal for p, argument in zip(parameters, arguments, strict=True)})
    return values


class Predictor:
    """Dense predicted counts, compiled on first use.

    Parameters
    ----------
    terms : Terms
        What predicts counts.
    models : sequence of models
        All models of the dataset; parameters that are not free keep their present values.
    parameters : list of Parameter
        Free parameters, in the order of the arguments.
    """

    def __init__(self, terms: Terms, models: Sequence[Any], parameters: list[Any]) -> None:
        self.terms, self.models, self.parameters = terms, list(models), parameters
        self._function: Callable[..., np.ndarray] | None = None

    def values(self, arguments: Sequence[Any]) -> dict[Any, Any]:
        """Parameter values in internal units, from the free ones in their declared units."""
        return internal_values(self.models, self.parameters, arguments)

    def __call__(self, *arguments: Any) -> np.ndarray:
        """Predicted counts of all bins, shape ``(n_energy, n_lat, n_lon)``; nothing is clipped."""
        if self._function is None:
            inputs = [pt.scalar(dtype="float64") for _ in self.parameters]
            fold = Fold(self.terms)
            fold.select(all_bins(self.terms.arrays))
            cube = fold.at(self.values(inputs)).reshape(self.terms.arrays.mask.shape)
            self._function = pytensor.function(inputs, cube, mode=QUICK, on_unused_input="ignore")
        return self._function(*(np.asarray(a, dtype="float64") for a in arguments))

    def __getstate__(self) -> dict[str, Any]:
        # Compiled functions do not pickle; the copy compiles its own.
        return {**self.__dict__, "_function": None}
