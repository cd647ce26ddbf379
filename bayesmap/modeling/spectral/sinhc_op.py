"""exp(-abs(x)) sinh(x) / x as one operation: where it is written out, it is the larger part of what is compiled."""

import math
from typing import Any

from bayesmap._backend.expressions import ScalarFunction, elementwise
from bayesmap._backend.kernels import inner_kernel

__all__ = ["sinhce"]

SMALL = 0.1


@inner_kernel
def _sinhce(x: Any) -> float:
    size = abs(x)
    if size > SMALL:
        return -0.5 * math.expm1(-2 * size) / size
    square = x * x
    # next term of the series: 0.1**10 / 4e7 = 3e-18
    return math.exp(-size) * (1 + square / 6 * (1 + square / 20 * (1 + square / 42 * (1 + square / 72))))


@inner_kernel
def _sinhce_slope(x: Any) -> float:
    size = abs(x)
    if size == 0:
        return 0.0  # that of sinh(x) / x, as the slope of abs(x) is zero there too
    if size > SMALL:
        slope = (math.exp(-2 * size) + 0.5 * math.expm1(-2 * size) / size) / size
    else:
        square = x * x
        value = 1 + square / 6 * (1 + square / 20 * (1 + square / 42 * (1 + square / 72)))
        slope = size / 3 * (1 + square / 10 * (1 + square / 28 * (1 + square / 54 * (1 + square / 88)))) - value
        slope = math.exp(-size) * slope
    return math.copysign(slope, slope * x)


class SinhceSlope(ScalarFunction):
    """Derivative of exp(-abs(x)) sinh(x) / x."""

    def impl(self, x: float) -> float:
        slope: float = _sinhce_slope.py_func(float(x))
        return slope


class Sinhce(ScalarFunction):
    """exp(-abs(x)) sinh(x) / x, even."""

    derivative = elementwise(SinhceSlope, _sinhce_slope)

    def impl(self, x: float) -> float:
        value: float = _sinhce.py_func(float(x))
        return value


sinhce = elementwise(Sinhce, _sinhce)
