"""Images of round shapes from tables of their brightness against the distance from the centre."""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmap._numba import inner_kernel, kernel, register_kernel

__all__ = ["ProfileImage"]


@inner_kernel
def _weights(t, value, slope):
    """Cubic B-splines of the four nodes around a position, a share t beyond the second, and their derivatives."""
    u = 1.0 - t
    value[0] = u * u * u / 6
    value[1] = (4 - 3 * t * t * (2 - t)) / 6
    value[2] = (4 - 3 * u * u * (2 - u)) / 6
    value[3] = t * t * t / 6
    slope[0] = -0.5 * u * u
    slope[1] = 0.5 * t * (3 * t - 4)
    slope[2] = 0.5 * u * (4 - 3 * u)
    slope[3] = 0.5 * t * t


@kernel
def _profile_image(table, distance, area):
    n_node, n_energy = table.shape
    n_pixel, n_sub = distance.shape
    image = np.zeros((n_energy, n_pixel))
    value, slope, total = np.empty(4), np.empty(4), np.empty(n_energy)
    for p in range(n_pixel):
        total[:] = 0.0
        seen = False
        for s in range(n_sub):
            first = int(distance[p, s])
            if first >= n_node - 3:
                continue
            seen = True
            _weights(distance[p, s] - first, value, slope)
            a, b, c, d = table[first], table[first + 1], table[first + 2], table[first + 3]
            factor = area[p, s]
            for e in range(n_energy):
                total[e] += factor * (value[0] * a[e] + value[1] * b[e] + value[2] * c[e] + value[3] * d[e])
        if seen:
            for e in range(n_energy):
                image[e, p] = total[e]
    return image


@kernel
def _profile_image_adjoint(table, distance, area, g_image):
    n_node, n_energy = table.shape
    n_pixel, n_sub = distance.shape
    g_table = np.zeros((n_node, n_energy))
    g_distance = np.zeros((n_pixel, n_sub))
    value, slope, g = np.empty(4), np.empty(4), np.empty(n_energy)
    for p in range(n_pixel):
        loaded = False
        for s in range(n_sub):
            first = int(distance[p, s])
            if first >= n_node - 3:
                continue
            if not loaded:
                loaded = True
                for e in range(n_energy):
                    g[e] = g_image[e, p]
            _weights(distance[p, s] - first, value, slope)
            a, b, c, d = table[first], table[first + 1], table[first + 2], table[first + 3]
            factor, change = area[p, s], 0.0
            for e in range(n_energy):
                change += g[e] * (slope[0] * a[e] + slope[1] * b[e] + slope[2] * c[e] + slope[3] * d[e])
            g_distance[p, s] = factor * change
            for i in range(4):
                row, weight = g_table[first + i], factor * value[i]
                for e in range(n_energy):
                    row[e] += weight * g[e]
    return g_table, g_distance


class ProfileImageAdjoint(Op):
    """Gradient of `ProfileImage` by its table and its distances; one more input, the cotangent of the image."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        return Apply(self, inputs, [pt.matrix(dtype="float64"), pt.matrix(dtype="float64")])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        outputs[0][0], outputs[1][0] = _profile_image_adjoint(*inputs)

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        return [shapes[0], shapes[1]]


class ProfileImage(Op):
    """Sums over the sub-pixels of each pixel of a function of the distance, given by B-spline coefficients.

    Inputs
        table : (n_node, n_energy) float
            Coefficients of cubic B-splines at the distances -1, 0, 1, ... in steps of the table.
        distance : (n_pixel, n_sub) float
            Distances of sub-pixels from the centre, in steps, not negative. Beyond the table the function is zero.
        area : (n_pixel, n_sub) float
            Factors of the sub-pixels.

    Output
        image : (n_energy, n_pixel) float
    """

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        return Apply(self, inputs, [pt.matrix(dtype="float64")])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        outputs[0][0] = _profile_image(*inputs)

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        return [(shapes[0][1], shapes[1][0])]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [True], [False]]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        g_table, g_distance = ProfileImageAdjoint()(*inputs, cotangents[0])
        return [g_table, g_distance, disconnected_type()]


register_kernel(ProfileImage, lambda op: _profile_image)
register_kernel(ProfileImageAdjoint, lambda op: _profile_image_adjoint)
