"""A round Gaussian seen through a PSF of any shape: its counts in bins, and its counts in all bins together.

As for point sources (`bayesmap.graph.ops.point`) only pixels with a selected bin are evaluated. The PSF is a table over
size and radius: :class:`RadialCounts` looks it up at the present size once, then each pixel is a spline of its radius.
:class:`GaussianTotal` blurs the table of totals of point sources.
"""

from math import asinh, ceil, erfc, exp, floor, hypot, isfinite, sqrt
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmap._numba import inner_kernel, kernel, register_kernel
from bayesmap.graph.ops.point import PointCountsAdjoint, energies_seen, no_counts, reached_bins, spline_taps
from bayesmap.graph.ops.project import energy_bands

__all__ = ["GaussianTotal", "RadialCounts"]


@inner_kernel
def _at_size(nodes, node, n_radius):
    """Splines of the radius at one node of the size, and their slopes by it: ``(2, n_harmonic, n_radius, n_energy)``."""
    first, weights = spline_taps(node)
    n_harmonic, n_energy = nodes.shape[0], nodes.shape[3]
    found = np.zeros((2, n_harmonic, n_radius, n_energy))
    for d in range(2):
        for i in range(4):
            weight, table = weights[d, i], nodes[:, abs(first + i)]
            for h in range(n_harmonic):
                for r in range(n_radius):
                    row, part = table[h, r], found[d, h, r]
                    for k in range(n_energy):
                        part[k] += weight * row[k]
    return found


@inner_kernel
def _power(x, y, m):
    """Real part of ``(x + i y)**m`` and its derivatives by x and y."""
    real, imag, before_real, before_imag = 1.0, 0.0, 0.0, 0.0
    for _ in range(m):
        before_real, before_imag = real, imag
        real, imag = real * x - imag * y, real * y + imag * x
    return real, m * before_real, -m * before_imag


@inner_kernel
def _add_harmonic(table, slope, first, weights, power, along, lowest, last, seen):
    """Add power times spline, and its derivatives by y, x and size, to a pixel, for a range of energies."""
    p, p_x, p_y = power
    a_x, a_y = along  # slopes of the node by x and y
    rows = abs(first), abs(first + 1), abs(first + 2), abs(first + 3)
    t0, t1, t2, t3 = table[rows[0]], table[rows[1]], table[rows[2]], table[rows[3]]
    s0, s1, s2, s3 = slope[rows[0]], slope[rows[1]], slope[rows[2]], slope[rows[3]]
    w0, w1, w2, w3 = weights[0]
    d0, d1, d2, d3 = weights[1]
    value, by_y, by_x, by_size = seen
    for k in range(lowest, last):
        v = w0 * t0[k] + w1 * t1[k] + w2 * t2[k] + w3 * t3[k]
        d = p * (d0 * t0[k] + d1 * t1[k] + d2 * t2[k] + d3 * t3[k])
        value[k] += p * v
        by_y[k] += p_y * v + a_y * d
        by_x[k] += p_x * v + a_x * d
        by_size[k] += p * (w0 * s0[k] + w1 * s1[k] + w2 * s2[k] + w3 * s3[k])


@kernel
def _radial_counts(place, flux, nodes, harmonics, limits, grid, radii, edisp, exposure, columns, rows):
    n_size, n_radius, n_energy = nodes.shape[1], nodes.shape[2], nodes.shape[3]
    if not (isfinite(place[0]) and isfinite(place[1]) and isfinite(place[2])):
        return no_counts(columns, 4, n_energy)
    core, span, step_size, step_radius, scale_x, scale_y = grid
    # A source larger than the table is the largest one in it, on a larger scale: the PSF does not matter any more.
    size, largest = abs(place[2]), core * np.sinh((n_size - 4) * step_size)
    shrink = min(1.0, largest / size) if size > 0.0 else 1.0
    node = asinh(place[2] * shrink / core) / step_size
    low = int(abs(node))
    radius = (radii[low] + (abs(node) - low) * (radii[low + 1] - radii[low])) / shrink
    half_y, half_x = int(ceil(radius / scale_y)) + 1, int(ceil(radius / scale_x)) + 1
    y0, x0 = int(floor(place[0] + 0.5)) - half_y, int(floor(place[1] + 0.5)) - half_x
    bands = energy_bands(edisp)
    shape = 2 * half_y + 1, 2 * half_x + 1
    bins, places, pixels = reached_bins(y0, x0, shape, exposure.shape[0], exposure.shape[1], bands, columns, rows)
    end = radius + hypot(scale_x, scale_y)
    n_radius = min(n_radius, int(asinh(end * shrink / span) / step_radius) + 4)
    n_harmonic = 1
    while n_harmonic < len(harmonics) and size < limits[n_harmonic]:
        n_harmonic += 1
    found = _at_size(nodes[:n_harmonic], node, n_radius)
    found[1] /= step_size * sqrt((size * shrink) ** 2 + core**2)
    seen = np.zeros((4, len(pixels), n_energy))
    for p in range(len(pixels)):
        y, x = (pixels[p, 0] - place[0]) * scale_y, (pixels[p, 1] - place[1]) * scale_x
        r = hypot(x, y)
        if r > end:
            continue
        lowest, last = pixels[p, 2], pixels[p, 3]
        first, weights = spline_taps(asinh(r * shrink / span) / step_radius)
        slope = shrink / (r * step_radius * sqrt((r * shrink) ** 2 + span**2)) if r > 0.0 else 0.0
        here = seen[:, p]
        for h in range(n_harmonic):
            power, by_x, by_y = _power(x / span, y / span, harmonics[h])
            powers = power, by_x / span, by_y / span
            _add_harmonic(found[0, h], found[1, h], first, weights, powers, (slope * x, slope * y), lowest, last, here)
        exposed = exposure[pixels[p, 0], pixels[p, 1]]
        for k in range(lowest, last):
            factor = shrink**2 * exposed[k]
            if shrink < 1.0:
                here[3, k] = -(2 * here[0, k] + x * here[2, k] + y * here[1, k]) / place[2]
            here[0, k] *= factor
            here[1, k] *= -scale_y * factor
            here[2, k] *= -scale_x * factor
            here[3, k] *= factor
    return bins, energies_seen(seen[0], edisp * flux, bands, places), seen, places


class RadialCounts(Op):
    """Counts of a round Gaussian source in selected bins.

    Inputs
        place : (3,) float
            Position y, x in pixels and standard deviation in deg; a negative one counts as positive.
        flux : (n_energy,) float
            Photon flux per true-energy bin, internal unit 1e-12 cm-2 s-1.
        nodes, harmonics, limits, radii
            See `~bayesmap.graph.psf.radial.RadialTable`.
        grid : (6,) float
            ``core, span``, the two steps and the scale in x and y of that table.
        edisp : (n_reco, n_energy) float
            Energy dispersion.
        exposure : (n_y, n_x, n_energy) float
            Internal unit 1e12 cm2 s.
        columns, rows : (n_bin,) int, (n_reco * n_y + 1,) int
            The selected bins, as for `~bayesmap.graph.ops.project.Project`.

    Outputs
        touched : (n,) int
            Which of the selected bins are in the window around the source, each once.
        counts : (n,) float
            Predicted counts there; NaN if position or size are.
        seen, places : (4, n_pixel, n_energy) float, (2, n) int
            For the adjoint: image times exposure with its slopes by place, and pixel and energy of each bin.
    """

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        outputs = [pt.lvector(), pt.vector(dtype="float64"), pt.tensor3(dtype="float64"), pt.imatrix()]
        return Apply(self, inputs, outputs)

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        for output, value in zip(outputs, _radial_counts(*inputs), strict=True):
            output[0] = value

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False, i < 2, False, False] for i in range(len(node.inputs))]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        flux, edisp = inputs[1], inputs[7]
        g_place, g_flux = PointCountsAdjoint()(flux, edisp, *outputs[2:], cotangents[1])
        return [g_place, g_flux, *(disconnected_type() for _ in inputs[2:])]


@inner_kernel
def _tails(x, sigma):
    """Integrals of a Gaussian from infinity down to x: two, three and four times."""
    distance = abs(x)
    tail = 0.5 * erfc(distance / (sigma * sqrt(2.0)))
    density = sigma * exp(-0.5 * (distance / sigma) ** 2) / sqrt(2 * np.pi)
    square = sigma * sigma
    two = density - distance * tail
    three = 0.5 * ((distance * distance + square) * tail - distance * density)
    four = ((distance * distance + 2 * square) * density - (distance**3 + 3 * distance * square) * tail) / 6
    if x < 0.0:
        two, three = two + distance, 0.5 * (distance * distance + square) - three
        four += distance**3 / 6 + 0.5 * distance * square
    return two, three, four


@inner_kernel
def _blurred_spline(place, sigma, n_node):
    """Nodes in reach of a cubic B-spline that is blurred with a Gaussian: first, and weights with their slopes.

    The slopes are by the place and by the width; ``weights`` is (3, n). A B-spline is the fourth difference of cubes,
    and a blurred one that of the fourth integral of a Gaussian.
    """
    sigma = max(sigma, 1e-6)
    reach = 6 * sigma + 2
    first = int(min(max(floor(place - reach), 0.0), n_node))
    last = int(max(min(ceil(place + reach) + 1, n_node), first))
    weights = np.zeros((3, last - first))
    binomial = 1.0, -4.0, 6.0, -4.0, 1.0
    for j in range(last - first):
        offset = first + j - place
        for i in range(5):
            two, three, four = _tails(abs(offset) + 2 - i, sigma)
            weights[0, j] += binomial[i] * four
            weights[1, j] += binomial[i] * three * (1.0 if offset > 0 else -1.0)
            weights[2, j] += binomial[i] * two * sigma
    return first, weights


@kernel
def _gaussian_total(place, table, corner, per_pixel, scale):
    n_basis, n_row, n_column = table.shape
    totals, slopes = np.zeros(n_basis), np.zeros((3, n_basis))
    if not (isfinite(place[0]) and isfinite(place[1]) and isfinite(place[2])):
        totals[:] = np.nan
        return totals, slopes
    nodes_y, nodes_x = per_pixel / scale[0], per_pixel / scale[1]  # nodes per deg
    size, sign = abs(place[2]), -1.0 if place[2] < 0 else 1.0
    row, across_y = _blurred_spline((place[0] - corner[0]) * per_pixel, size * nodes_y, n_row)
    column, across_x = _blurred_spline((place[1] - corner[1]) * per_pixel, size * nodes_x, n_column)
    n = across_x.shape[1]
    value, by_place, by_width = across_x[0], across_x[1], across_x[2]
    for b in range(n_basis):
        for i in range(across_y.shape[1]):
            line = table[b, row + i, column : column + n]
            part, part_place, part_width = 0.0, 0.0, 0.0
            for j in range(n):
                part += value[j] * line[j]
                part_place += by_place[j] * line[j]
                part_width += by_width[j] * line[j]
            weight = across_y[0, i]
            totals[b] += weight * part
            slopes[0, b] += across_y[1, i] * part * per_pixel
            slopes[1, b] += weight * part_place * per_pixel
            slopes[2, b] += sign * (across_y[2, i] * part * nodes_y + weight * part_width * nodes_x)
    return totals, slopes


class GaussianTotal(Op):
    """Weighted counts of a round Gaussian source in all bins together, per unit flux.

    Inputs
        place : (3,) float
            Position y, x in pixels and standard deviation in deg.
        table : (n_basis, n_row, n_column) float
            B-spline coefficients of the sum of weights times image of a point source, over its position: one table per
            energy, or per combination of energies.
        corner : (2,) int
            Pixel y, x at which the tables begin; the sums are zero outside of them.
        per_pixel : () int
            Nodes per pixel.
        scale : (2,) float
            Width of a pixel in y and x, in deg.

    Outputs
        totals : (n_basis,) float
            NaN if position or size are.
        slopes : (3, n_basis) float
            Derivatives by y, x and size, for the gradient.
    """

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        return Apply(self, inputs, [pt.vector(dtype="float64"), pt.matrix(dtype="float64", shape=(3, None))])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        for output, value in zip(outputs, _gaussian_total(*inputs), strict=True):
            output[0] = value

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[i == 0, False] for i in range(len(node.inputs))]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        return [pt.dot(outputs[1], cotangents[0]), *(disconnected_type() for _ in inputs[1:])]


register_kernel(RadialCounts, lambda op: _radial_counts)
register_kernel(GaussianTotal, lambda op: _gaussian_total)
