"""Numbers from symbolic formulas: compile once, call often."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from bayesmap._lazy import pt, pytensor
from bayesmap._types import Tensor

__all__ = ["evaluate"]


@functools.cache
def _compiled(formula: Callable[..., Tensor], shapes: tuple[tuple[int | None, ...], ...]) -> Callable[..., np.ndarray]:
    from bayesmap._backend.program import compile_numbers

    # Notes of where each node was made would take half of the time.
    with pytensor.config.change_flags(traceback__limit=0):
        inputs = [pt.tensor(dtype="float64", shape=shape) for shape in shapes]
        return compile_numbers(inputs, pt.as_tensor_variable(formula(*inputs)))


def evaluate(formula: Callable[..., Tensor], *args: Any) -> np.ndarray:
    """Return the numbers that a symbolic formula has for numerical arguments.

    Parameters
    ----------
    formula : callable
        Takes and returns PyTensor tensors. A static or class method of a model, never a method bound to an instance:
        the compiled function is kept for the life of the process.
    *args : array-like
        Float arguments that broadcast against each other, in internal units.

    Returns
    -------
    numpy.ndarray
        Float64 values of the broadcast shape.
    """
    arrays = [np.asarray(arg, dtype="float64") for arg in args]
    # PyTensor broadcasts only dimensions that it knows to be one, so they are part of the key.
    shapes = tuple(tuple(1 if n == 1 else None for n in array.shape) for array in arrays)
    return _compiled(formula, shapes)(*arrays)
