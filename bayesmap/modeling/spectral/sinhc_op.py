"""The function sinh(x) / x as one operation: where it is written out, it is the larger part of what is compiled."""

import math
from typing import Any

from bayesmap._backend.expressions import ScalarFunction, elementwise
from bayesmap._backend.kernels import inner_kernel

__all__ = ["sinhc"]

SMALL = 0.1


@inner_kernel
def _sinhc(x: Any) -> Any:
    if abs(x) > SMALL:
        return math.sinh(x) / x
    square = x * x
    # next term of the series: 0.1**10 / 4e7 = 3e-18
    return 1 + square / 6 * (1 + square / 20 * (1 + square / 42 * (1 + square / 72)))


@inner_kernel
def _sinhc_slope(x: Any) -> Any:
    if abs(x) > SMALL:
        return (math.cosh(x) - math.sinh(x) / x) / x
    square = x * x
    return x / 3 * (1 + square / 10 * (1 + square / 28 * (1 + square / 54 * (1 + square / 88))))


def _number(kernel: Any, x: float) -> float:
    """Value of a kernel without compilation; Python has exceptions where compiled code has infinity."""
    try:
        value: float = kernel.py_func(float(x))
    except OverflowError:
        return math.inf if kernel is _sinhc else math.copysign(math.inf, x)
    return value


class SinhcSlope(ScalarFunction):
    """Derivative of sinh(x) / x."""

    def impl(self, x: float) -> float:
        return _number(_sinhc_slope, x)


class Sinhc(ScalarFunction):
    """sinh(x) / x, even and smooth through zero."""

    derivative = elementwise(SinhcSlope, _sinhc_slope)

    def impl(self, x: float) -> float:
        return _number(_sinhc, x)


sinhc = elementwise(Sinhc, _sinhc)
