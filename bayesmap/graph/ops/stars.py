"""Stars on an image whose pixels have the PSF of their own cell."""

import math
from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmap._backend.kernels import inner_kernel, kernel, register_kernel
from bayesmap._types import Tensor

__all__ = ["StarImage"]

#: half-width of the Lanczos filter that shifts kernels by a fraction of a pixel
_HALF_WIDTH = 5


@inner_kernel
def _lanczos(t, out):
    """Value and derivative of the Lanczos filter."""
    out[0] = out[1] = 0.0
    size = abs(t)
    if size >= _HALF_WIDTH:
        return
    if size < 1e-4:
        out[0] = 1.0 - math.pi**2 * t * t * (1.0 + 1.0 / _HALF_WIDTH**2) / 6.0
        out[1] = -(math.pi**2) * t * (1.0 + 1.0 / _HALF_WIDTH**2) / 3.0
        return
    a, b = math.pi * t, math.pi * t / _HALF_WIDTH
    one, two = math.sin(a) / a, math.sin(b) / b
    out[0] = one * two
    out[1] = (math.cos(a) - one) / t * two + one * (math.cos(b) - two) / t


@inner_kernel
def _shifted(first, size, start, stop, center):
    """Weights (and their derivatives by the center) of kernel rows at pixels: shape (2, n_pixel, n_kernel)."""
    result = np.zeros((2, stop - start, size))
    pair = np.empty(2)
    nearest = int(math.floor(center + 0.5))
    norm = slope = 0.0
    for tap in range(-_HALF_WIDTH, _HALF_WIDTH + 1):
        _lanczos(tap - (center - nearest), pair)
        norm += pair[0]
        slope -= pair[1]
    for p in range(start, stop):
        for k in range(size):
            t = p - (k + first) - center
            if abs(t) < _HALF_WIDTH:
                _lanczos(t, pair)
                result[0, p - start, k] = pair[0] / norm
                result[1, p - start, k] = (-pair[1] - pair[0] * slope / norm) / norm
    return result


@inner_kernel
def _overlap(center, size, low, high):
    """First and last (excluded) pixel that a kernel of some size around a star reaches in a cell; none: equal."""
    reach = size // 2 + _HALF_WIDTH
    nearest = int(math.floor(center + 0.5))
    first = max(low, nearest - reach)
    return first, max(first, min(high, nearest + reach + 1))


@inner_kernel
def _stamp(x, y, kernel, box):
    """Pixels of a cell that a star reaches, and the weights of kernel rows and columns there, see `_shifted`."""
    n_y, n_x = kernel.shape
    y0, y1 = _overlap(y, n_y, box[0], box[1])
    x0, x1 = _overlap(x, n_x, box[2], box[3])
    if y1 == y0 or x1 == x0:
        return y0, y0, x0, x0, np.empty((2, 0, n_y)), np.empty((2, 0, n_x))
    return y0, y1, x0, x1, _shifted(-(n_y // 2), n_y, y0, y1, y), _shifted(-(n_x // 2), n_x, x0, x1, x)


@kernel
def _stars(flux, x, y, kernels, boxes, shape):
    image = np.zeros((shape[0], shape[1]))
    for s in range(flux.size):
        for c in range(boxes.shape[0]):
            y0, y1, x0, x1, rows, columns = _stamp(x[s], y[s], kernels[c], boxes[c])
            if y1 > y0:
                image[y0:y1, x0:x1] += flux[s] * np.dot(np.dot(rows[0], kernels[c]), columns[0].T)
    return image


@kernel
def _stars_adjoint(flux, x, y, kernels, boxes, shape, above):
    result = np.zeros((3, flux.size))
    for s in range(flux.size):
        for c in range(boxes.shape[0]):
            y0, y1, x0, x1, rows, columns = _stamp(x[s], y[s], kernels[c], boxes[c])
            if y1 == y0:
                continue
            part = np.ascontiguousarray(above[y0:y1, x0:x1])
            right, moved = np.dot(part, columns[0]), np.dot(part, columns[1])
            value, across = np.dot(rows[0], kernels[c]), np.dot(rows[1], kernels[c])
            result[0, s] += (value * right).sum()
            result[1, s] += flux[s] * (value * moved).sum()
            result[2, s] += flux[s] * (across * right).sum()
    return result


class StarImageAdjoint(Op):
    """Gradient of :class:`StarImage` by flux, x and y: shape ``(3, n_star)``."""

    __props__ = ()

    def make_node(self, *inputs: Tensor) -> Apply:
        return Apply(self, [pt.as_tensor_variable(x) for x in inputs], [pt.matrix(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        outputs[0][0] = _stars_adjoint(*inputs)

    def infer_shape(self, node: Apply, shapes: Sequence[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
        return [(pt.constant(3), shapes[0][0])]


class StarImage(Op):
    """Sum of stars, each pixel with the kernel of its own cell, shifted with a Lanczos filter of unit sum.

    Inputs
        flux, x, y : (n_star,) float
            Positions in pixels of the image.
        kernels : (n_cell, n_y, n_x) float
            Kernels of odd size.
        boxes : (n_cell, 4) int
            First and last (excluded) row, first and last column of each cell, inside the image.
        shape : (2,) int
            Of the image.

    Outputs
        (n_y, n_x) float
            Zero outside of the cells.
    """

    __props__ = ()

    def make_node(self, *inputs: Tensor) -> Apply:
        return Apply(self, [pt.as_tensor_variable(x) for x in inputs], [pt.matrix(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        outputs[0][0] = _stars(*inputs)

    def infer_shape(self, node: Apply, shapes: Sequence[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
        return [(node.inputs[5][0], node.inputs[5][1])]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True]] * 3 + [[False]] * 3

    def pullback(
        self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], cotangents: Sequence[Tensor]
    ) -> list[Tensor]:
        gradient = StarImageAdjoint()(*inputs, cotangents[0])
        return [gradient[0], gradient[1], gradient[2], *(disconnected_type() for _ in range(3))]


register_kernel(StarImage, lambda op: _stars)
register_kernel(StarImageAdjoint, lambda op: _stars_adjoint)
