"""Log-densities that are never NaN: impossible parameters have minus infinity, and gradients are numbers."""

import math
from typing import Any

import numpy as np
import pytensor.tensor as pt

from bayesmap._backend.expressions import ScalarFunction, ViewOp, elementwise
from bayesmap._backend.kernels import inner_kernel

__all__ = ["defined", "defined_gradient"]

#: stands for gradients that are larger than any floating-point number
LARGE = np.float64(1e300)


@inner_kernel
def _defined(x: Any) -> Any:
    return x if x < math.inf else -math.inf


class Defined(ScalarFunction):
    """The input, or minus infinity for what is no number or infinite.

    The gradient is that of the input, without a switch: with one it would wait for the value of the whole sum, and what
    is computed bin by bin for both would be computed twice.
    """

    def impl(self, x: float) -> float:
        value: float = _defined.py_func(x)
        return value

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        return [cotangents[0]]


_elementwise = elementwise(Defined, _defined)


def defined(logp: Any) -> Any:
    """A log-density that is -inf where it is no number or infinite.

    Data are checked, and a likelihood gives numbers for numbers: what is left are parameters for which a prediction, or
    something on the way to it, is larger than any floating-point number. Such are impossible.
    """
    return _elementwise(pt.as_tensor_variable(logp))


class DefinedGradient(ViewOp):
    """The input, with a gradient that is zero where it is no number, and never infinite."""

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        return [pt.switch(pt.isnan(g), 0.0, pt.clip(g, -LARGE, LARGE)) for g in cotangents]


def defined_gradient(parameter: Any) -> Any:
    """The same number, with a gradient that is zero where it is no number, and never infinite.

    If a number is infinite on the way to something on which the density does not depend, as the flux of a source that
    lies outside of the map, the chain rule multiplies infinity by zero; zero is right. And so it is for a gradient that
    is too large for a number, by a parameter that does not change with the variable of the sampler any more.
    """
    return DefinedGradient()(pt.as_tensor_variable(parameter))
