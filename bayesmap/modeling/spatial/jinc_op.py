"""The Fourier transform of a disk, 2 J1(x) / x, as one operation."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmap._backend.kernels import inner_kernel, kernel, register_kernel
from bayesmap._types import Tensor

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


@kernel
def _values(x: np.ndarray) -> np.ndarray:
    result = np.empty(x.shape)
    flat, values = x.ravel(), result.ravel()
    for i in range(flat.size):
        values[i] = _jinc(flat[i])
    return values.reshape(x.shape)


@kernel
def _slopes(x: np.ndarray) -> np.ndarray:
    result = np.empty(x.shape)
    flat, values = x.ravel(), result.ravel()
    for i in range(flat.size):
        values[i] = _jinc_slope(flat[i])
    return values.reshape(x.shape)


class Jinc(Op):
    """2 J1(x) / x, even and smooth through zero, or (``slope=True``) its derivative -2 J2(x) / x."""

    __props__ = ("slope",)

    def __init__(self, slope: bool = False) -> None:
        self.slope = slope

    def make_node(self, x: Tensor) -> Apply:
        x = pt.as_tensor_variable(x)
        return Apply(self, [x], [pt.tensor(dtype="float64", shape=x.type.shape)])

    def perform(self, node: Apply, inputs: Sequence[Tensor], outputs: Any) -> None:
        x = np.ascontiguousarray(inputs[0], dtype="float64")
        outputs[0][0] = (_slopes if self.slope else _values)(x)

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        return shapes

    def pullback(self, inputs: Sequence[Tensor], outputs: Any, cotangents: Sequence[Tensor]) -> list[Tensor]:
        return [cotangents[0] * Jinc(slope=True)(inputs[0])]


jinc = Jinc()

register_kernel(Jinc, lambda op: _slopes if op.slope else _values)
