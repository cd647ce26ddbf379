"""A round Gaussian seen through a PSF of any shape: its counts in bins, and its counts in all bins together.

As for point sources (`bayesmap.graph.ops.point`) only pixels with a selected bin are evaluated. The PSF is a table over
size and radius: :class:`RadialCounts` looks it up at the present size once, then each pixel is a spline of its radius.
:class:`GaussianTotal` blurs the table of totals of point sources.
"""

from collections.abc import Sequence
from math import asinh, ceil, erfc, exp, floor, hypot, isfinite, sqrt

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmap._backend.kernels import inner_kernel, kernel, register_kernel
from bayesmap._types import Tensor
from bayesmap.graph.ops.point import counts_pullback, energies_seen, no_counts, reached_bins, spline_taps
from bayesmap.graph.ops.project import energy_bands

__all__ = ["WIDE", "GaussianTotal", "RadialCounts"]

WIDE = 1.5  # pixels of standard deviation from which on samples in the middles of pixels are enough for a total


@inner_kernel
def _at_size(nodes, node, n_radius):
    """Splines of the radius at one node of the size, and slopes by it: ``(2, n_harmonic, n_radius, n_energy)``."""
    first, weights = spline_taps(node)
    n_harmonic, n_energy = nodes.shape[0], nodes.shape[3]
    found = np.zeros((2, n_harmonic, n_radius, n_energy))
    for d in range(2):
        for h in range(n_harmonic):
            for i in range(4):
                weight, table = weights[d, i], nodes[h, abs(first + i)]
                for r in range(n_radius):
                    row, part = table[r], found[d, h, r]
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
def _spline(table, first, weights, lowest, last, out):
    """Spline of the radius from four rows of a table, for a range of energies.

    Few arrays at a time, and counted from zero: this vectorises.
    """
    r0, r1 = table[abs(first), lowest:last], table[abs(first + 1), lowest:last]
    r2, r3 = table[abs(first + 2), lowest:last], table[abs(first + 3), lowest:last]
    w0, w1, w2, w3 = weights
    for k in range(len(out)):
        out[k] = w0 * r0[k] + w1 * r1[k] + w2 * r2[k] + w3 * r3[k]


@inner_kernel
def _add(out, one, factor):
    for k in range(len(out)):
        out[k] += factor * one[k]


@inner_kernel
def _add_two(out, one, factor, two, other):
    for k in range(len(out)):
        out[k] += factor * one[k] + other * two[k]


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
    end = min(half_y * scale_y, half_x * scale_x)  # whole pixels: it jumps rarely while the size changes
    n_radius = min(n_radius, int(asinh(end * shrink / span) / step_radius) + 4)
    n_harmonic = 1
    while n_harmonic < len(harmonics) and size < limits[n_harmonic]:
        n_harmonic += 1
    found = _at_size(nodes[:n_harmonic], node, n_radius)
    found[1] /= step_size * sqrt((size * shrink) ** 2 + core**2)
    seen, parts = np.zeros((4, len(pixels), n_energy)), np.empty((3, n_energy))
    for p in range(len(pixels)):
        y, x = (pixels[p, 0] - place[0]) * scale_y, (pixels[p, 1] - place[1]) * scale_x
        r = hypot(x, y)
        if r > end:
            continue
        lowest, last = pixels[p, 2], pixels[p, 3]
        first, weights = spline_taps(asinh(r * shrink / span) / step_radius)
        across = weights[0, 0], weights[0, 1], weights[0, 2], weights[0, 3]
        along = weights[1, 0], weights[1, 1], weights[1, 2], weights[1, 3]
        slope = shrink / (r * step_radius * sqrt((r * shrink) ** 2 + span**2)) if r > 0.0 else 0.0
        value, along_y = seen[0, p, lowest:last], seen[1, p, lowest:last]
        along_x, by_size = seen[2, p, lowest:last], seen[3, p, lowest:last]
        here, steep, grown = parts[0, lowest:last], parts[1, lowest:last], parts[2, lowest:last]
        for h in range(n_harmonic):
            power, by_x, by_y = _power(x / span, y / span, harmonics[h])
            _spline(found[0, h], first, across, lowest, last, here)
            _spline(found[0, h], first, along, lowest, last, steep)
            _spline(found[1, h], first, across, lowest, last, grown)
            _add(value, here, power)
            _add_two(along_y, here, by_y / span, steep, slope * y * power)
            _add_two(along_x, here, by_x / span, steep, slope * x * power)
            _add(by_size, grown, power)
        exposed = exposure[pixels[p, 0], pixels[p, 1], lowest:last]
        for k in range(last - lowest):
            factor = shrink**2 * exposed[k]
            if shrink < 1.0:
                by_size[k] = -(2 * value[k] + x * along_x[k] + y * along_y[k]) / place[2]
            value[k] *= factor
            along_y[k] *= -scale_y * factor
            along_x[k] *= -scale_x * factor
            by_size[k] *= factor
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
            Energy dispersion; it has a gradient where it is not zero.
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

    def make_node(self, *inputs: Tensor) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        outputs = [pt.lvector(), pt.vector(dtype="float64"), pt.tensor3(dtype="float64"), pt.imatrix()]
        return Apply(self, inputs, outputs)

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        for output, value in zip(outputs, _radial_counts(*inputs), strict=True):
            output[0] = value

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False, i in (0, 1, 7), False, False] for i in range(len(node.inputs))]

    def pullback(
        self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], cotangents: Sequence[Tensor]
    ) -> list[Tensor]:
        return counts_pullback(inputs, outputs, cotangents, edisp=7)


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
def _spline_weights(place, sigma, n_node):
    """Nodes in reach of a cubic B-spline blurred with a Gaussian: the first, and weights with slopes, ``(3, n)``.

    The slopes are by place and width. A B-spline is the fourth difference of cubes, and a blurred one that of the
    fourth integral of a Gaussian.
    """
    sigma = max(sigma, 1e-6)
    first, last = _reached(place, 6 * sigma + 2, n_node)
    weights = np.zeros((3, last - first))
    binomial = 1.0, -4.0, 6.0, -4.0, 1.0
    for j in range(last - first):
        offset = first + j - place
        for i in range(5):
            two, three, four = _tails(abs(offset) + 2 - i, sigma)
            weights[0, j] += binomial[i] * four
            weights[1, j] += binomial[i] * (three if offset > 0.0 else -three)
            weights[2, j] += binomial[i] * two * sigma
    return first, weights


@inner_kernel
def _sample_weights(place, sigma, n_node):
    """The same for plain samples, where the Gaussian is so wide that nothing between them can be missed."""
    first, last = _reached(place, 6 * sigma, n_node)
    weights = np.empty((3, last - first))
    for j in range(last - first):
        z = (first + j - place) / sigma
        weights[0, j] = exp(-0.5 * z * z) / (sigma * sqrt(2 * np.pi))
        weights[1, j] = weights[0, j] * z / sigma
        weights[2, j] = weights[0, j] * (z * z - 1) / sigma
    return first, weights


@inner_kernel
def _reached(place, reach, n_node):
    """First node within reach of a place, and one past the last."""
    first = int(min(max(ceil(place - reach), 0.0), n_node))
    return first, int(max(min(floor(place + reach) + 1, n_node), first))


@kernel
def _gaussian_total(place, table, box, samples, corner, scale):
    n_energy = table.shape[0]
    totals, slopes = np.zeros(n_energy), np.zeros((3, n_energy))
    if not (isfinite(place[0]) and isfinite(place[1]) and isfinite(place[2])):
        totals[:] = np.nan
        return totals, slopes
    size, sign = abs(place[2]), np.sign(place[2])
    per_pixel = 1.0
    if size < WIDE * max(scale[0], scale[1]) and box[2] <= place[0] <= box[3] and box[4] <= place[1] <= box[5]:
        per_pixel = box[6]
        row, down = _spline_weights((place[0] - box[0]) * per_pixel, size * per_pixel / scale[0], table.shape[1])
        column, across = _spline_weights((place[1] - box[1]) * per_pixel, size * per_pixel / scale[1], table.shape[2])
    else:
        table = samples
        wide = max(size, max(scale[0], scale[1]))
        sign = sign if size == wide else 0.0
        row, down = _sample_weights(place[0] - corner[0], wide / scale[0], table.shape[1])
        column, across = _sample_weights(place[1] - corner[1], wide / scale[1], table.shape[2])
    n = across.shape[1]
    value, by_place, by_width = across[0], across[1], across[2]
    for k in range(n_energy):
        for i in range(down.shape[1]):
            line = table[k, row + i, column : column + n]
            part, part_place, part_width = 0.0, 0.0, 0.0
            for j in range(n):
                part += value[j] * line[j]
                part_place += by_place[j] * line[j]
                part_width += by_width[j] * line[j]
            totals[k] += down[0, i] * part
            slopes[0, k] += down[1, i] * part * per_pixel
            slopes[1, k] += down[0, i] * part_place * per_pixel
            slopes[2, k] += sign * per_pixel * (down[2, i] * part / scale[0] + down[0, i] * part_width / scale[1])
    return totals, slopes


class GaussianTotal(Op):
    """Weighted counts of a round Gaussian source in all bins together, per energy and unit flux.

    They are the counts of a point source, a function of its position, blurred with the Gaussian.

    Inputs
        place : (3,) float
            Position y, x in pixels and standard deviation in deg.
        table : (n_energy, n_row, n_column) float
            B-spline coefficients of the counts of a point source, some nodes per pixel, for sources that are narrower
            than 1.5 pixels.
        box : (7,) float
            Pixel y, x at which the table begins, first and last y, first and last x of the positions it is made for,
            and its nodes per pixel. Elsewhere a source is taken to be at least a pixel wide.
        samples : (n_energy, n_y, n_x) float
            Counts of a point source in the middles of pixels, as far as there are any, for all other sources.
        corner : (2,) int
            Pixel y, x at which the samples begin.
        scale : (2,) float
            Width of a pixel in y and x, in deg.

    Outputs
        totals : (n_energy,) float
            NaN if position or size are.
        slopes : (3, n_energy) float
            Derivatives by y, x and size, for the gradient.
    """

    __props__ = ()

    def make_node(self, *inputs: Tensor) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        return Apply(self, inputs, [pt.vector(dtype="float64"), pt.matrix(dtype="float64", shape=(3, None))])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        for output, value in zip(outputs, _gaussian_total(*inputs), strict=True):
            output[0] = value

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[i == 0, False] for i in range(len(node.inputs))]

    def pullback(
        self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], cotangents: Sequence[Tensor]
    ) -> list[Tensor]:
        return [pt.dot(outputs[1], cotangents[0]), *(disconnected_type() for _ in inputs[1:])]


register_kernel(RadialCounts, lambda op: _radial_counts)
register_kernel(GaussianTotal, lambda op: _gaussian_total)
