"""The function sinh(x) / x as one operation: where it is written out, it is the larger part of what is compiled."""

import math
from typing import Any

from pytensor.scalar.basic import UnaryScalarOp, upgrade_to_float
from pytensor.tensor.elemwise import Elemwise

from bayesmap._numba import inner_kernel, register_scalar_kernel

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


class SinhcSlope(UnaryScalarOp):
    """Derivative of sinh(x) / x."""

    def impl(self, x: float) -> float:
        slope: float = _sinhc_slope.py_func(float(x))
        return slope


class Sinhc(UnaryScalarOp):
    """sinh(x) / x, even and smooth through zero."""

    def impl(self, x: float) -> float:
        value: float = _sinhc.py_func(float(x))
        return value

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        return [cotangents[0] * SinhcSlope(upgrade_to_float, name="sinhc_slope")(inputs[0])]


sinhc = Elemwise(Sinhc(upgrade_to_float, name="sinhc"), name="sinhc")

register_scalar_kernel(Sinhc, _sinhc)
register_scalar_kernel(SinhcSlope, _sinhc_slope)
