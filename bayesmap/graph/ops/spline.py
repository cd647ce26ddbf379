"""Cubic B-spline stamps around a moving position, with their derivatives."""

from math import floor, isfinite
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmap._numba import inner_kernel, kernel, register_kernel

__all__ = ["SplineStamps"]


@inner_kernel
def _taps(centre, over):
    """First pixel of the window's middle, first node of its first pixel, and the four weights with their slopes."""
    start = floor(centre + 0.5)
    node = (2 + start - centre) * over  # of the window's first pixel: -half - 2 is node zero
    first = floor(node)
    f, r = node - first, 1 + first - node
    weights = np.empty((2, 4))
    weights[0] = r**3 / 6, (4 - 6 * f**2 + 3 * f**3) / 6, (4 - 6 * r**2 + 3 * r**3) / 6, f**3 / 6
    weights[1] = r**2 / 2, 2 * f - 1.5 * f**2, 1.5 * r**2 - 2 * r, -(f**2) / 2
    weights[1] *= over
    return int(start), int(first) - 1, weights


@inner_kernel
def _part(phases, row, column, size):
    """Every node that is a whole number of pixels from the given one: an image of the window."""
    over = phases.shape[0]
    y, x = row // over, column // over
    return phases[row % over, column % over, y : y + size, x : x + size]


@kernel
def _spline_stamps(place, phases):
    n_energy, over, n_column = phases.shape[0], phases.shape[1], phases.shape[4]
    half = (n_column - 5) // 2
    size = 2 * half + 1
    stamps, slopes = np.zeros((n_energy, size, size)), np.zeros((2, n_energy, size, size))
    window = np.zeros((1, 4), dtype=np.int64)
    window[0, 2:] = size
    if not (isfinite(place[0]) and isfinite(place[1])):
        stamps[:] = np.nan
        return stamps.reshape(stamps.size), window, slopes.reshape((2, stamps.size))
    y0, row, wy = _taps(place[0], over)
    x0, column, wx = _taps(place[1], over)
    window[0, 0], window[0, 1] = y0 - half, x0 - half
    w0, w1, w2, w3 = wy[0]
    d0, d1, d2, d3 = wy[1]
    for e in range(n_energy):
        image, by_y, by_x = stamps[e], slopes[0, e], slopes[1, e]
        for k in range(4):
            weight, slope = wx[0, k], wx[1, k]
            n0, n1 = _part(phases[e], row, column + k, size), _part(phases[e], row + 1, column + k, size)
            n2, n3 = _part(phases[e], row + 2, column + k, size), _part(phases[e], row + 3, column + k, size)
            for j in range(size):
                for i in range(size):
                    value = w0 * n0[j, i] + w1 * n1[j, i] + w2 * n2[j, i] + w3 * n3[j, i]
                    image[j, i] += weight * value
                    by_x[j, i] += slope * value
                    by_y[j, i] += weight * (d0 * n0[j, i] + d1 * n1[j, i] + d2 * n2[j, i] + d3 * n3[j, i])
    return stamps.reshape(stamps.size), window, slopes.reshape((2, stamps.size))


class SplineStamps(Op):
    """Values of a cubic B-spline at the pixels of a window around a moving position.

    Inputs
        place : (2,) float
            Position y, x in pixels.
        phases : (n_energy, over, over, 2 * half + 5, 2 * half + 5) float
            Coefficients, ``over`` nodes per pixel; row r and column c are at ``[r % over, c % over, r // over, c //
            over]``, so that those which the window needs are read in the order of the memory.

    Outputs
        stamps : (n_energy * size**2,) float
            Flattened from ``(n_energy, size, size)``, with ``size = 2 * half + 1``; NaN if the position is.
        window : (1, 4) int
            ``y0, x0, size, size`` in pixels of the map.
        slopes : (2, n_energy * size**2) float
            Derivatives of the stamps by y and x, for the gradient.
    """

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        slopes = pt.matrix(dtype="float64", shape=(2, None))
        return Apply(self, inputs, [pt.vector(dtype="float64"), pt.matrix(dtype="int64", shape=(1, 4)), slopes])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        for output, value in zip(outputs, _spline_stamps(*inputs), strict=True):
            output[0] = value

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True, False, False], [False, False, False]]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        return [pt.dot(outputs[2], cotangents[0]), disconnected_type()]


register_kernel(SplineStamps, lambda op: _spline_stamps)
