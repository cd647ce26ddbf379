"""Images of shapes from tables of their brightness, by distance from the centre or in a quarter of the plane."""

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmap._backend.kernels import inner_kernel, kernel, register_kernel
from bayesmap._types import Tensor

__all__ = ["PlaneImage", "ProfileImage"]


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

    def make_node(self, *inputs: Tensor) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        return Apply(self, inputs, [pt.matrix(dtype="float64"), pt.matrix(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        outputs[0][0], outputs[1][0] = _profile_image_adjoint(*inputs)

    def infer_shape(self, node: Apply, shapes: Sequence[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
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

    def make_node(self, *inputs: Tensor) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        return Apply(self, inputs, [pt.matrix(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        outputs[0][0] = _profile_image(*inputs)

    def infer_shape(self, node: Apply, shapes: Sequence[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
        return [(shapes[0][1], shapes[1][0])]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [True], [False]]

    def pullback(
        self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], cotangents: Sequence[Tensor]
    ) -> list[Tensor]:
        g_table, g_distance = ProfileImageAdjoint()(*inputs, cotangents[0])
        return [g_table, g_distance, disconnected_type()]


@inner_kernel
def _rows_of(first, i):
    """Row of a table that begins at the centre and is even there, of one of the four nodes around a position."""
    return abs(first - 1 + i)


@kernel
def _plane_image(table, x, y, area):
    n_node, n_energy = table.shape[0], table.shape[2]
    n_pixel, n_sub = x.shape
    image = np.zeros((n_energy, n_pixel))
    value_x, value_y, slope, total = np.empty(4), np.empty(4), np.empty(4), np.empty(n_energy)
    for p in range(n_pixel):
        total[:] = 0.0
        seen = False
        for s in range(n_sub):
            along, across = abs(x[p, s]), abs(y[p, s])
            if along >= n_node - 3 or across >= n_node - 3:
                continue
            seen = True
            i_x, i_y = int(along), int(across)
            _weights(along - i_x, value_x, slope)
            _weights(across - i_y, value_y, slope)
            for i in range(4):
                plane = table[_rows_of(i_x, i)]
                for j in range(4):
                    row, weight = plane[_rows_of(i_y, j)], area[p, s] * value_x[i] * value_y[j]
                    for e in range(n_energy):
                        total[e] += weight * row[e]
        if seen:
            for e in range(n_energy):
                image[e, p] = total[e]
    return image


@kernel
def _plane_image_adjoint(table, x, y, area, g_image):
    n_node, n_energy = table.shape[0], table.shape[2]
    n_pixel, n_sub = x.shape
    g_table = np.zeros(table.shape)
    g_x, g_y = np.zeros((n_pixel, n_sub)), np.zeros((n_pixel, n_sub))
    value_x, value_y, slope_x, slope_y = np.empty(4), np.empty(4), np.empty(4), np.empty(4)
    g = np.empty(n_energy)
    for p in range(n_pixel):
        loaded = False
        for s in range(n_sub):
            along, across = abs(x[p, s]), abs(y[p, s])
            if along >= n_node - 3 or across >= n_node - 3:
                continue
            if not loaded:
                loaded = True
                for e in range(n_energy):
                    g[e] = g_image[e, p]
            i_x, i_y = int(along), int(across)
            _weights(along - i_x, value_x, slope_x)
            _weights(across - i_y, value_y, slope_y)
            change_x, change_y = 0.0, 0.0
            for i in range(4):
                row_x = _rows_of(i_x, i)
                for j in range(4):
                    row_y = _rows_of(i_y, j)
                    row, g_row = table[row_x, row_y], g_table[row_x, row_y]
                    weight, part = area[p, s] * value_x[i] * value_y[j], 0.0
                    for e in range(n_energy):
                        part += g[e] * row[e]
                        g_row[e] += weight * g[e]
                    change_x += part * slope_x[i] * value_y[j]
                    change_y += part * value_x[i] * slope_y[j]
            g_x[p, s] = area[p, s] * change_x * (1.0 if x[p, s] >= 0 else -1.0)
            g_y[p, s] = area[p, s] * change_y * (1.0 if y[p, s] >= 0 else -1.0)
    return g_table, g_x, g_y


class PlaneImageAdjoint(Op):
    """Gradient of `PlaneImage` by its table and its positions; one more input, the cotangent of the image."""

    __props__ = ()

    def make_node(self, *inputs: Tensor) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        return Apply(
            self, inputs, [pt.tensor3(dtype="float64"), pt.matrix(dtype="float64"), pt.matrix(dtype="float64")]
        )

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        for output, value in zip(outputs, _plane_image_adjoint(*inputs), strict=True):
            output[0] = value

    def infer_shape(self, node: Apply, shapes: Sequence[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
        return [shapes[0], shapes[1], shapes[1]]


class PlaneImage(Op):
    """Sums over the sub-pixels of each pixel of a function of the plane that is even in x and in y.

    Inputs
        table : (n_node, n_node, n_energy) float
            Coefficients of cubic B-splines at x and y = 0, 1, ... in steps of the table.
        x, y : (n_pixel, n_sub) float
            Positions of sub-pixels in steps. Beyond the table the function is zero.
        area : (n_pixel, n_sub) float
            Factors of the sub-pixels.

    Output
        image : (n_energy, n_pixel) float
    """

    __props__ = ()

    def make_node(self, *inputs: Tensor) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        return Apply(self, inputs, [pt.matrix(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        outputs[0][0] = _plane_image(*inputs)

    def infer_shape(self, node: Apply, shapes: Sequence[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
        return [(shapes[0][2], shapes[1][0])]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [True], [True], [False]]

    def pullback(
        self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], cotangents: Sequence[Tensor]
    ) -> list[Tensor]:
        return [*PlaneImageAdjoint()(*inputs, cotangents[0]), disconnected_type()]


register_kernel(ProfileImage, lambda op: _profile_image)
register_kernel(PlaneImage, lambda op: _plane_image)
register_kernel(PlaneImageAdjoint, lambda op: _plane_image_adjoint)
register_kernel(ProfileImageAdjoint, lambda op: _profile_image_adjoint)
