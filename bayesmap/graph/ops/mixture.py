"""Pixel integrals of moving sums of Gaussians, with their derivatives."""

from collections.abc import Sequence
from math import erf, exp, floor, sqrt

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmap._backend.kernels import inner_kernel, kernel, register_kernel
from bayesmap._types import Tensor

__all__ = ["MixtureStamps"]


@inner_kernel
def _row(row, centre, variance, start, first, last):
    """Integrals over the pixels first:last of a row and their derivatives by centre and variance: ``row`` (3, size)."""
    width = sqrt(2 * variance)
    norm = 1 / (width * sqrt(np.pi))
    slope = 0.5 / variance
    distance = start + first - 0.5 - centre
    cumulative = 0.5 * erf(distance / width)
    density = norm * exp(-distance * distance * slope)
    moment = slope * distance * density
    for i in range(first, last):
        distance += 1.0
        next_cumulative = 0.5 * erf(distance / width)
        next_density = norm * exp(-distance * distance * slope)
        next_moment = slope * distance * next_density
        row[0, i] = next_cumulative - cumulative
        row[1, i] = density - next_density
        row[2, i] = moment - next_moment
        cumulative, density, moment = next_cumulative, next_density, next_moment


@kernel
def _mixture_stamps(x, y, scale_x, scale_y, variance, weight, halves):
    n_source, n_energy, n_component = variance.shape
    half = halves.max()
    size = 2 * half + 1
    stamps = np.zeros((n_source, n_energy, size, size))
    rows = np.zeros((n_source, n_energy, n_component, 2, 3, size))
    windows = np.empty((n_source, 4), dtype=np.int64)
    for s in range(n_source):
        windows[s, 0], windows[s, 1] = int(floor(y[s] + 0.5)) - half, int(floor(x[s] + 0.5)) - half
        windows[s, 2], windows[s, 3] = size, size
        for e in range(n_energy):
            first, last = half - halves[s, e], half + halves[s, e] + 1
            for k in range(n_component):
                row_y, row_x = rows[s, e, k, 0], rows[s, e, k, 1]
                _row(row_y, y[s], variance[s, e, k] * scale_y[s], windows[s, 0], first, last)
                _row(row_x, x[s], variance[s, e, k] * scale_x[s], windows[s, 1], first, last)
                across = row_x[0, first:last]
                for j in range(first, last):
                    factor, image_row = weight[s, e, k] * row_y[0, j], stamps[s, e, j, first:last]
                    for i in range(last - first):  # counted from zero: this vectorises
                        image_row[i] += factor * across[i]
    return stamps.reshape(stamps.size), windows, rows


@inner_kernel
def _moments(image, row_y, row_x, first, last, sums):
    """Sums over the pixels first:last of both axes of an image times the rows and columns of a Gaussian.

    The Gaussian itself, its derivatives by position and variance along y, and along x. Each row is added to ``sums``
    (3, size), for all columns at once and four rows at a time: that vectorises, where a sum over the numbers of one row
    does not, as its order would change. Columns past the last, up to a multiple of eight, are zero in the end.
    """
    n = min((last - first + 7) // 8 * 8, row_x.shape[1] - first)
    by_value, by_slope, by_width = sums[0, :n], sums[1, :n], sums[2, :n]
    by_value[:], by_slope[:], by_width[:] = 0.0, 0.0, 0.0
    values, slopes, widths = row_y[0], row_y[1], row_y[2]
    end = first + n
    fours = first + (last - first) // 4 * 4
    for j in range(first, fours, 4):
        g0, g1, g2, g3 = image[j, first:end], image[j + 1, first:end], image[j + 2, first:end], image[j + 3, first:end]
        v0, v1, v2, v3 = values[j], values[j + 1], values[j + 2], values[j + 3]
        s0, s1, s2, s3 = slopes[j], slopes[j + 1], slopes[j + 2], slopes[j + 3]
        w0, w1, w2, w3 = widths[j], widths[j + 1], widths[j + 2], widths[j + 3]
        for i in range(n):
            by_value[i] += (v0 * g0[i] + v1 * g1[i]) + (v2 * g2[i] + v3 * g3[i])
            by_slope[i] += (s0 * g0[i] + s1 * g1[i]) + (s2 * g2[i] + s3 * g3[i])
            by_width[i] += (w0 * g0[i] + w1 * g1[i]) + (w2 * g2[i] + w3 * g3[i])
    for j in range(fours, last):
        row, value, slope, width = image[j, first:end], values[j], slopes[j], widths[j]
        for i in range(n):
            by_value[i] += value * row[i]
            by_slope[i] += slope * row[i]
            by_width[i] += width * row[i]
    total = by_y = by_width_y = by_x = by_width_x = 0.0
    for i in range(n):
        total += row_x[0, first + i] * by_value[i]
        by_y += row_x[0, first + i] * by_slope[i]
        by_width_y += row_x[0, first + i] * by_width[i]
        by_x += row_x[1, first + i] * by_value[i]
        by_width_x += row_x[2, first + i] * by_value[i]
    return total, by_y, by_width_y, by_x, by_width_x


@kernel
def _mixture_adjoint(scale_x, scale_y, variance, weight, halves, rows, g_stamps):
    n_source, n_energy, n_component = variance.shape
    size = rows.shape[5]
    half = size // 2
    g_images = g_stamps.reshape((n_source, n_energy, size, size))
    g_place = np.zeros((4, n_source))  # by x, y, scale_x, scale_y
    g_variance, g_weight = np.zeros(variance.shape), np.zeros(variance.shape)
    sums = np.empty((3, size))
    for s in range(n_source):
        for e in range(n_energy):
            first, last = half - halves[s, e], half + halves[s, e] + 1
            for k in range(n_component):
                row_y, row_x = rows[s, e, k, 0], rows[s, e, k, 1]
                total, by_y, by_width_y, by_x, by_width_x = _moments(g_images[s, e], row_y, row_x, first, last, sums)
                share, v = weight[s, e, k], variance[s, e, k]
                g_weight[s, e, k] = total
                g_variance[s, e, k] = share * (by_width_x * scale_x[s] + by_width_y * scale_y[s])
                g_place[0, s] += share * by_x
                g_place[1, s] += share * by_y
                g_place[2, s] += share * by_width_x * v
                g_place[3, s] += share * by_width_y * v
    return g_place[0], g_place[1], g_place[2], g_place[3], g_variance, g_weight


class MixtureAdjoint(Op):
    """Gradient of :class:`MixtureStamps` by positions, scales, variances and weights."""

    __props__ = ()

    def make_node(self, *inputs: Tensor) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        vectors = [pt.vector(dtype="float64") for _ in range(4)]
        return Apply(self, inputs, [*vectors, *(pt.tensor3(dtype="float64") for _ in range(2))])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        for output, value in zip(outputs, _mixture_adjoint(*inputs), strict=True):
            output[0] = value

    def infer_shape(self, node: Apply, shapes: Sequence[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
        return [*[shapes[0]] * 4, *[shapes[2]] * 2]


class MixtureStamps(Op):
    r"""Sums of Gaussians integrated over the pixels of windows around moving positions.

    A Gaussian of variance v around c falls into the pixels ``[i - 1/2, i + 1/2]`` of a row as

    .. math:: \tfrac12 \mathrm{erf}\frac{i + 1/2 - c}{\sqrt{2 v}} - \tfrac12 \mathrm{erf}\frac{i - 1/2 - c}{\sqrt{2 v}}

    and an image is the sum over components of weight times the product of a row and a column.

    Inputs
        x, y : (n_source,) float
            Positions in pixels.
        scale_x, scale_y : (n_source,) float
            Variances in pixel2 are variance times scale.
        variance, weight : (n_source, n_energy, n_component) float
            Of the components.
        halves : (n_source, n_energy) int
            Half width of the image of each energy in pixels; all windows have the size of the widest.

    Outputs
        stamps : (n_source * n_energy * size**2,) float
            Flattened from ``(n_source, n_energy, size, size)``.
        windows : (n_source, 4) int
            ``y0, x0, size, size`` in pixels of the map.
        rows : (n_source, n_energy, n_component, 2, 3, size) float
            In y and x: integrals, and their derivatives by centre and variance, for the gradient. Error function and
            exponential are evaluated once.
    """

    __props__ = ()

    def make_node(self, *inputs: Tensor) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        rows = pt.tensor(dtype="float64", shape=(None, None, None, 2, 3, None))
        return Apply(self, inputs, [pt.vector(dtype="float64"), pt.matrix(dtype="int64", shape=(None, 4)), rows])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        for output, value in zip(outputs, _mixture_stamps(*inputs), strict=True):
            output[0] = value

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[i < 6, False, False] for i in range(7)]

    def pullback(
        self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], cotangents: Sequence[Tensor]
    ) -> list[Tensor]:
        return [*MixtureAdjoint()(*inputs[2:], outputs[2], cotangents[0]), disconnected_type()]


register_kernel(MixtureStamps, lambda op: _mixture_stamps)
register_kernel(MixtureAdjoint, lambda op: _mixture_adjoint)
