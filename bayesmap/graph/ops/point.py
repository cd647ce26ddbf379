"""A point source seen through a tabulated PSF: its counts in bins, and its counts in all bins together.

Both are cubic B-splines of the position. :class:`PointCounts` evaluates only pixels with a selected bin, and there only
the true energies that the bin sees: in sparse data that is little of what the PSF reaches. :class:`PointTotal` has a
table of the weighted total. Energies come last in every table, so that one instruction serves several.
"""

from collections.abc import Sequence
from math import floor, isfinite
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmap._backend.kernels import inner_kernel, kernel, register_kernel
from bayesmap._types import Tensor
from bayesmap.graph.ops.project import energy_bands, row_range

__all__ = [
    "PointCounts",
    "PointCountsAdjoint",
    "PointDispersionAdjoint",
    "PointTotal",
    "counts_pullback",
    "energies_seen",
    "no_counts",
    "reached_bins",
    "spline_taps",
]


@inner_kernel
def spline_taps(node):
    """First of the four nodes around a place, their weights, and the slopes of these."""
    first = floor(node)
    f, r = node - first, 1 + first - node
    weights = np.empty((2, 4))
    weights[0] = r**3 / 6, (4 - 6 * f**2 + 3 * f**3) / 6, (4 - 6 * r**2 + 3 * r**3) / 6, f**3 / 6
    weights[1] = -(r**2) / 2, 1.5 * f**2 - 2 * f, 2 * r - 1.5 * r**2, f**2 / 2
    return int(first) - 1, weights


@inner_kernel
def _interpolate(table, rows, columns, wy, wx, first, last, value, by_y, by_x):
    """Value and slopes of a spline from four rows and columns of nodes, for a range of energies."""
    r0, r1, r2, r3 = rows
    c0, c1, c2, c3 = columns
    w0, w1, w2, w3 = wy[0]
    d0, d1, d2, d3 = wy[1]
    v0, v1, v2, v3 = wx[0]
    s0, s1, s2, s3 = wx[1]
    for k in range(first, last):
        a0 = w0 * table[r0, c0, k] + w1 * table[r1, c0, k] + w2 * table[r2, c0, k] + w3 * table[r3, c0, k]
        a1 = w0 * table[r0, c1, k] + w1 * table[r1, c1, k] + w2 * table[r2, c1, k] + w3 * table[r3, c1, k]
        a2 = w0 * table[r0, c2, k] + w1 * table[r1, c2, k] + w2 * table[r2, c2, k] + w3 * table[r3, c2, k]
        a3 = w0 * table[r0, c3, k] + w1 * table[r1, c3, k] + w2 * table[r2, c3, k] + w3 * table[r3, c3, k]
        b0 = d0 * table[r0, c0, k] + d1 * table[r1, c0, k] + d2 * table[r2, c0, k] + d3 * table[r3, c0, k]
        b1 = d0 * table[r0, c1, k] + d1 * table[r1, c1, k] + d2 * table[r2, c1, k] + d3 * table[r3, c1, k]
        b2 = d0 * table[r0, c2, k] + d1 * table[r1, c2, k] + d2 * table[r2, c2, k] + d3 * table[r3, c2, k]
        b3 = d0 * table[r0, c3, k] + d1 * table[r1, c3, k] + d2 * table[r2, c3, k] + d3 * table[r3, c3, k]
        value[k] = v0 * a0 + v1 * a1 + v2 * a2 + v3 * a3
        by_x[k] = s0 * a0 + s1 * a1 + s2 * a2 + s3 * a3
        by_y[k] = v0 * b0 + v1 * b1 + v2 * b2 + v3 * b3


@inner_kernel
def _mirrored(node):
    """Four nodes in a row, counted from the middle of a symmetric table of which only one half is stored."""
    return abs(node), abs(node + 1), abs(node + 2), abs(node + 3)


@inner_kernel
def _window(place, nodes):
    """First pixel y, x of the window around a place, node of that pixel from the middle of the PSF, and weights."""
    over, half = nodes.shape[1], nodes.shape[0] - 3
    y, x = floor(place[0] + 0.5), floor(place[1] + 0.5)
    row, wy = spline_taps((y - half - place[0]) * over)
    column, wx = spline_taps((x - half - place[1]) * over)
    wy[1] *= -over
    wx[1] *= -over
    return int(y) - half, int(x) - half, row, column, wy, wx


@inner_kernel
def reached_bins(y0, x0, shape, n_y, n_x, bands, columns, rows):
    """Selected bins of a window with their pixel and energy, and the pixels: y, x and range of true energies."""
    y_min, y_max, x_min, x_max = max(y0, 0), min(y0 + shape[0], n_y), max(x0, 0), min(x0 + shape[1], n_x)
    n_reco, most = len(bands), 0
    if y_min < y_max and x_min < x_max:
        for e in range(n_reco):
            most += rows[e * n_y + y_max] - rows[e * n_y + y_min]
    bins, places = np.empty(most, dtype=np.int64), np.empty((2, most), dtype=np.int32)
    n_row, n_column = max(y_max - y_min, 0), max(x_max - x_min, 0)
    pixels = np.empty((min(most, n_row * n_column), 4), dtype=np.int64)
    number = np.full((n_row, n_column), -1, dtype=np.int32)
    n_bin, n_pixel = 0, 0
    if most:
        for e in range(n_reco):
            for y in range(y_min, y_max):
                first, last = row_range(columns, rows[e * n_y + y], rows[e * n_y + y + 1], x_min, x_max)
                for b in range(first, last):
                    p = number[y - y_min, columns[b] - x_min]
                    if p < 0:
                        p = number[y - y_min, columns[b] - x_min] = n_pixel
                        pixels[p] = y, columns[b], bands[e, 0], bands[e, 1]
                        n_pixel += 1
                    pixels[p, 2], pixels[p, 3] = min(pixels[p, 2], bands[e, 0]), max(pixels[p, 3], bands[e, 1])
                    bins[n_bin], places[0, n_bin], places[1, n_bin] = b, p, e
                    n_bin += 1
    return bins[:n_bin].copy(), places[:, :n_bin].copy(), pixels[:n_pixel]


@inner_kernel
def no_counts(columns, n_seen, n_energy):
    """What stands for the counts of a source at no place: one bin is enough to say that the prediction is no number."""
    bins = np.zeros(min(columns.size, 1), dtype=np.int64)
    places = np.zeros((2, bins.size), dtype=np.int32)
    return bins, np.full(bins.size, np.nan), np.full((n_seen, 1, n_energy), np.nan), places


@inner_kernel
def energies_seen(values, folded, bands, places):
    """Counts of bins: sums over the true energies that each sees in its pixel."""
    counts = np.empty(places.shape[1])
    for b in range(places.shape[1]):
        e = places[1, b]
        value, weights, part = values[places[0, b]], folded[e], 0.0
        for k in range(bands[e, 0], bands[e, 1]):
            part += value[k] * weights[k]
        counts[b] = part
    return counts


@kernel
def _point_counts(place, flux, nodes, edisp, exposure, columns, rows):
    n_energy = nodes.shape[4]
    if not (isfinite(place[0]) and isfinite(place[1])):
        return no_counts(columns, 3, n_energy)
    side, over = nodes.shape[0], nodes.shape[1]
    y0, x0, row, column, wy, wx = _window(place, nodes)
    bands, size = energy_bands(edisp), 2 * (side - 3) + 1
    bins, places, pixels = reached_bins(
        y0, x0, (size, size), exposure.shape[0], exposure.shape[1], bands, columns, rows
    )
    quadrant = nodes.reshape((side * over, side * over, n_energy))
    seen = np.zeros((3, len(pixels), n_energy))
    for p in range(len(pixels)):
        y, x, first, last = pixels[p]
        value, by_y, by_x = seen[0, p], seen[1, p], seen[2, p]
        at_y, at_x = _mirrored(row + (y - y0) * over), _mirrored(column + (x - x0) * over)
        _interpolate(quadrant, at_y, at_x, wy, wx, first, last, value, by_y, by_x)
        exposed = exposure[y, x]
        for k in range(first, last):
            value[k] *= exposed[k]
            by_y[k] *= exposed[k]
            by_x[k] *= exposed[k]
    return bins, energies_seen(seen[0], edisp * flux, bands, places), seen, places


@kernel
def _point_counts_adjoint(flux, edisp, seen, places, g_counts):
    n_pixel, n_energy = seen.shape[1], seen.shape[2]
    bands = energy_bands(edisp)
    weights = np.zeros((n_pixel, n_energy))
    for b in range(len(g_counts)):
        e = places[1, b]
        sensitivity, row, response = g_counts[b], weights[places[0, b]], edisp[e]
        for k in range(bands[e, 0], bands[e, 1]):
            row[k] += sensitivity * response[k]
    g_flux, g_place = np.zeros(n_energy), np.zeros(seen.shape[0] - 1)
    for p in range(n_pixel):
        row, value = weights[p], seen[0, p]
        for k in range(n_energy):
            g_flux[k] += row[k] * value[k]
            row[k] *= flux[k]
        for d in range(len(g_place)):
            slope, part = seen[d + 1, p], 0.0
            for k in range(n_energy):
                part += row[k] * slope[k]
            g_place[d] += part
    return g_place, g_flux


@kernel
def _point_dispersion_adjoint(flux, edisp, seen, places, g_counts):
    bands = energy_bands(edisp)
    gradient = np.zeros(edisp.shape)
    for b in range(len(g_counts)):
        e = places[1, b]
        sensitivity, row, value = g_counts[b], gradient[e], seen[0, places[0, b]]
        for k in range(bands[e, 0], bands[e, 1]):
            row[k] += sensitivity * value[k] * flux[k]
    return gradient


class PointDispersionAdjoint(Op):
    """Gradient of :class:`PointCounts` by the energy dispersion, where that is not zero.

    Inputs are those of :class:`PointCountsAdjoint`.
    """

    __props__ = ()

    def make_node(self, *inputs: Tensor) -> Apply:
        return Apply(self, [pt.as_tensor_variable(x) for x in inputs], [pt.matrix(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        outputs[0][0] = _point_dispersion_adjoint(*inputs)

    def infer_shape(self, node: Apply, shapes: Sequence[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
        return [shapes[1]]


class PointCountsAdjoint(Op):
    """Gradient of :class:`PointCounts` by place and flux, from flux, dispersion, its ``seen``, places and cotangent."""

    __props__ = ()

    def make_node(self, *inputs: Tensor) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        return Apply(self, inputs, [pt.vector(dtype="float64"), pt.vector(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        outputs[0][0], outputs[1][0] = _point_counts_adjoint(*inputs)


class PointCounts(Op):
    """Counts of a point source in selected bins.

    Inputs
        place : (2,) float
            Position y, x in pixels.
        flux : (n_energy,) float
            Photon flux per true-energy bin, internal unit 1e-12 cm-2 s-1.
        nodes : (side, over, side, over, n_energy) float
            Coefficients of the effective PSF from its middle on, with ``over`` nodes per pixel; it is symmetric, and
            ``side - 3`` pixels wide on each side. See `~bayesmap.graph.psf.stamp.SplineStamp`.
        edisp : (n_reco, n_energy) float
            Energy dispersion; it has a gradient where it is not zero.
        exposure : (n_y, n_x, n_energy) float
            Internal unit 1e12 cm2 s.
        columns, rows : (n_bin,) int, (n_reco * n_y + 1,) int
            The selected bins, as for `~bayesmap.graph.ops.project.Project`.

    Outputs
        touched : (n,) int
            Which of the selected bins are in the window around the source, each once.
        counts : (n,) float
            Predicted counts there; NaN if the position is.
        seen, places : (3, n_pixel, n_energy) float, (2, n) int
            For the adjoint: stamp times exposure with its slopes by y and x, and pixel and energy of each bin.
    """

    __props__ = ()

    def make_node(self, *inputs: Tensor) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        outputs = [pt.lvector(), pt.vector(dtype="float64"), pt.tensor3(dtype="float64"), pt.imatrix()]
        return Apply(self, inputs, outputs)

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        for output, value in zip(outputs, _point_counts(*inputs), strict=True):
            output[0] = value

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False, i in (0, 1, 3), False, False] for i in range(len(node.inputs))]

    def pullback(
        self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], cotangents: Sequence[Tensor]
    ) -> list[Tensor]:
        return counts_pullback(inputs, outputs, cotangents, edisp=3)


def counts_pullback(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], cotangents: Sequence[Tensor], edisp: int
) -> list[Tensor]:
    """Gradients of an Op with the outputs of :class:`PointCounts`, whose first inputs are place and flux.

    ``edisp`` is the number of the input that is the energy dispersion.
    """
    arguments = inputs[1], inputs[edisp], *outputs[2:], cotangents[1]
    gradients: list[Any] = [disconnected_type() for _ in inputs]
    gradients[0], gradients[1] = PointCountsAdjoint()(*arguments)
    gradients[edisp] = PointDispersionAdjoint()(*arguments)
    return gradients


@kernel
def _point_total(place, nodes, weights, table, corner):
    over, n_energy = table.shape[1], table.shape[4]
    n_row, n_column = table.shape[0] * over, table.shape[2] * over
    totals, slopes = np.zeros(n_energy), np.zeros((2, n_energy))
    if not (isfinite(place[0]) and isfinite(place[1])):
        totals[:] = np.nan
        return totals, slopes
    row, wy = spline_taps((place[0] - corner[0]) * over)
    column, wx = spline_taps((place[1] - corner[1]) * over)
    if 0 <= row <= n_row - 4 and 0 <= column <= n_column - 4:
        wy[1] *= over
        wx[1] *= over
        rows, columns = (row, row + 1, row + 2, row + 3), (column, column + 1, column + 2, column + 3)
        inside = table.reshape((n_row, n_column, n_energy))
        _interpolate(inside, rows, columns, wy, wx, 0, n_energy, totals, slopes[0], slopes[1])
        return totals, slopes
    side, over, n_seen = nodes.shape[0], nodes.shape[1], nodes.shape[4]
    quadrant = nodes.reshape((side * over, side * over, n_seen))
    y0, x0, row, column, wy, wx = _window(place, nodes)
    size = 2 * (side - 3) + 1
    seen = np.empty((3, n_seen))
    for y in range(max(y0, 0), min(y0 + size, weights.shape[0])):
        for x in range(max(x0, 0), min(x0 + size, weights.shape[1])):
            at_y, at_x = _mirrored(row + (y - y0) * over), _mirrored(column + (x - x0) * over)
            _interpolate(quadrant, at_y, at_x, wy, wx, 0, n_seen, seen[0], seen[1], seen[2])
            for i in range(n_energy):
                k = i % n_seen
                totals[i] += weights[y, x, i] * seen[0, k]
                slopes[0, i] += weights[y, x, i] * seen[1, k]
                slopes[1, i] += weights[y, x, i] * seen[2, k]
    return totals, slopes


class PointTotal(Op):
    """Weighted counts of a point source in all bins together, per energy and unit flux.

    Inputs
        place : (2,) float
            Position y, x in pixels.
        nodes : (side, over, side, over, n_energy) float
            As for :class:`PointCounts`.
        weights : (n_y, n_x, n_total) float
            Weight of the photons in each pixel, exposure included. There may be several sets of weights for the
            energies, one after another: ``n_total`` is a multiple of ``n_energy``.
        table : (n_row, m, n_column, m, n_total) float
            B-spline coefficients of the sum of weights times PSF where the source is expected, ``m`` nodes per pixel.
            Elsewhere the sum is done here, pixel by pixel.
        corner : (2,) int
            Pixel y, x at which the table begins.

    Outputs
        totals : (n_total,) float
            NaN if the position is.
        slopes : (2, n_total) float
            Derivatives by y and x, for the gradient.
    """

    __props__ = ()

    def make_node(self, *inputs: Tensor) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        return Apply(self, inputs, [pt.vector(dtype="float64"), pt.matrix(dtype="float64", shape=(2, None))])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        for output, value in zip(outputs, _point_total(*inputs), strict=True):
            output[0] = value

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[i == 0, False] for i in range(len(node.inputs))]

    def pullback(
        self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], cotangents: Sequence[Tensor]
    ) -> list[Tensor]:
        return [pt.dot(outputs[1], cotangents[0]), *(disconnected_type() for _ in inputs[1:])]


register_kernel(PointCounts, lambda op: _point_counts)
register_kernel(PointCountsAdjoint, lambda op: _point_counts_adjoint)
register_kernel(PointDispersionAdjoint, lambda op: _point_dispersion_adjoint)
register_kernel(PointTotal, lambda op: _point_total)
