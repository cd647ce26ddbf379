"""The Fourier transform of a disk, 2 J1(x) / x, as one operation."""

import math
from typing import Any

from pytensor.scalar.basic import UnaryScalarOp, upgrade_to_float
from pytensor.tensor.elemwise import Elemwise
from scipy import special

from bayesmap._numba import inner_kernel, register_scalar_kernel

__all__ = ["jinc"]

# Below, the power series (1e-11 at this end); above, Hankel's expansion (Abramowitz & Stegun 9.1.10 and 9.2.5).
LARGE = 14.0


@inner_kernel
def _bessel_large(order: int, x: float) -> float:
    """Bessel function of the first kind for large arguments."""
    square = 4.0 * order * order
    even, odd, term = 1.0, 0.0, 1.0
    for k in range(1, 16):
        term *= (square - (2 * k - 1) ** 2) / (8.0 * k * x)
        sign = 1.0 if k % 4 < 2 else -1.0
        if k % 2:
            odd += sign * term
        else:
            even += sign * term
    phase = x - (0.5 * order + 0.25) * math.pi
    return math.sqrt(2.0 / (math.pi * x)) * (even * math.cos(phase) - odd * math.sin(phase))


@inner_kernel
def _series(order: int, x: float) -> float:
    """Sum of (-x^2 / 4)^m / (m! (m + order)!) over m."""
    square = -0.25 * x * x
    term = 1.0
    for m in range(1, order + 1):
        term /= m
    total = term
    for m in range(1, 50):
        term *= square / (m * (m + order))
        total += term
        if abs(term) < 1e-17:
            break
    return total


@inner_kernel
def _jinc(x: float) -> float:
    x = abs(x)
    return _series(1, x) if x < LARGE else 2.0 * _bessel_large(1, x) / x


@inner_kernel
def _jinc_slope(x: float) -> float:
    size = abs(x)
    if size < LARGE:
        return -0.5 * x * _series(2, size)
    slope = -2.0 * _bessel_large(2, size) / size
    return slope if x > 0 else -slope


class JincSlope(UnaryScalarOp):
    """Derivative of 2 J1(x) / x, which is -2 J2(x) / x."""

    def impl(self, x: float) -> float:
        return -2.0 * special.jv(2, x) / x if x else 0.0


class Jinc(UnaryScalarOp):
    """2 J1(x) / x, even and smooth through zero."""

    def impl(self, x: float) -> float:
        return 2.0 * special.j1(x) / x if x else 1.0

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        return [cotangents[0] * JincSlope(upgrade_to_float, name="jinc_slope")(inputs[0])]


jinc = Elemwise(Jinc(upgrade_to_float, name="jinc"), name="jinc")

register_scalar_kernel(Jinc, _jinc)
register_scalar_kernel(JincSlope, _jinc_slope)
