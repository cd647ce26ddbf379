"""The PSF of any shape for point sources: a cubic B-spline through its pixel integrals at sub-pixel positions."""

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.interpolate import BSpline
from scipy.ndimage import convolve1d, spline_filter1d

from bayesmap.graph.psf.profile import PSFProfile, cell_averages, pixel_integrals

__all__ = ["SplineStamp", "TotalTable", "fit_stamp", "total_table"]

PER_PIXEL = 12  # samples of the profile per pixel
_CUBIC = BSpline.basis_element([-2, -1, 0, 1, 2])
EDGE = 2  # pixels at the ends of a table in which its splines feel that it ends


@dataclass(frozen=True)
class SplineStamp:
    """Effective PSF: the probability in a pixel as a function of its distance from the source.

    Attributes
    ----------
    nodes : numpy.ndarray
        B-spline coefficients of one quadrant, from the middle of the PSF on, with the energies last:
        ``(half + 3, oversampling, half + 3, oversampling, n_energy)``.
    half : int
        Half width of the stamp in pixels.
    oversampling : int
        Nodes per pixel.
    error : float
        Half the L1 distance from the pixel integrals between nodes, at the worst energy.
    """

    nodes: np.ndarray
    half: int
    oversampling: int
    error: float

    def at(self, shift: tuple[float, float]) -> np.ndarray:
        """Images of a source that is ``-shift`` (y, x) pixels from the middle, ``(n_energy, size, size)``."""
        rows, columns = (_weights_at(self.half, self.oversampling, f) for f in shift)
        flat = self.nodes.reshape(rows.shape[1], columns.shape[1], -1)
        return np.moveaxis(np.tensordot(rows, np.tensordot(columns, flat, (1, 1)), (1, 1)), -1, 0)


def _energy_last(table: np.ndarray, over: int) -> np.ndarray:
    n_energy, n_y, n_x = table.shape
    return np.ascontiguousarray(table.transpose(1, 2, 0)).reshape(n_y // over, over, n_x // over, over, n_energy)


@functools.lru_cache(maxsize=32)
def fit_stamp(
    profile: PSFProfile, scale: tuple[float, float], tolerance: float = 3e-4, max_half: int = 200
) -> SplineStamp:
    """Tabulate the effective PSF of one position.

    Parameters
    ----------
    profile : PSFProfile
        The PSF.
    scale : tuple of float
        Width of a pixel in x and y, in deg.
    tolerance : float
        Wanted error; 3 nodes per pixel are tried first, then 6.
    max_half : int
        Largest half width in pixels; what lies outside is not predicted.
    """
    radius = min(profile.rad[-1], 1.02 * float(profile.containment_radius(1 - 1e-5).max()))
    half = min(int(np.ceil(radius / min(scale))) + 1, max_half)
    for oversampling in (3, 6):
        stamp = _tabulate(profile, scale, half, oversampling)
        if stamp.error <= tolerance:
            break
    return stamp


def _tabulate(profile: PSFProfile, scale: tuple[float, float], half: int, oversampling: int) -> SplineStamp:
    # Node n lies at (n / oversampling - half - 2) pixels from the source: two pixels of margin for the spline.
    n_node = (2 * (half + 2) + 1) * oversampling
    step = PER_PIXEL // oversampling
    samples = (np.arange((n_node - 1) * step + PER_PIXEL) + 0.5) / PER_PIXEL - 0.5 - half - 2
    radius = np.hypot(samples[None, :] * scale[0], samples[:, None] * scale[1])
    table = np.empty((len(profile.density), n_node, n_node))
    low = np.arange(n_node) * step
    for image, row in zip(table, profile.density, strict=True):
        # The integral over a pixel is a box sum: differences of running sums, for all sub-pixel positions at once.
        samples = cell_averages(np.interp(radius, profile.rad, row, right=0.0))
        sums = np.pad(samples.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
        rows = sums[low + PER_PIXEL] - sums[low]
        image[:] = (rows[:, low + PER_PIXEL] - rows[:, low]) * (scale[0] * scale[1] / PER_PIXEL**2)
    middle = (half + 2) * oversampling
    coefficients = spline_filter1d(spline_filter1d(table, axis=1), axis=2)[:, middle:, middle:]
    offset = (0.5 / oversampling + 0.07, 0.5 / oversampling - 0.03)
    wanted = pixel_integrals(profile, half, scale, (-offset[0], -offset[1]), fine=12)
    stamp = SplineStamp(_energy_last(coefficients, oversampling), half, oversampling, 0.0)
    error = 0.5 * float(np.abs(stamp.at(offset[::-1]) - wanted).sum(axis=(1, 2)).max())
    return replace(stamp, error=error)


def _weights_at(half: int, oversampling: int, shift: float) -> np.ndarray:
    """Weights of the nodes on one side, for pixels at distance k + shift from the source: one row per pixel."""
    size = 2 * half + 1
    node = (np.arange(-half, half + 1) + shift) * oversampling
    first = np.floor(node).astype(int)
    matrix = np.zeros((size, (half + 3) * oversampling))
    for near in (first - 1, first, first + 1, first + 2):
        np.add.at(matrix, (np.arange(size), np.abs(near)), _CUBIC(node - near))
    return matrix


@dataclass(frozen=True)
class TotalTable:
    """Weighted sum over all pixels of the image of a point source, as a function of its position.

    Attributes
    ----------
    nodes : numpy.ndarray
        B-spline coefficients as `~bayesmap.graph.ops.point.PointTotal` reads them.
    corner : numpy.ndarray
        Pixel y, x at which they begin.
    error : float
        Largest difference from the sum half-way between nodes, as a fraction of the largest sum of that energy.
    """

    nodes: np.ndarray
    corner: np.ndarray
    error: float

    def table(self) -> np.ndarray:
        """The coefficients with energies first, ``(n_energy, n_row, n_column)``."""
        n_row, over, n_column, _, n_energy = self.nodes.shape
        return np.ascontiguousarray(self.nodes.reshape(n_row * over, n_column * over, n_energy).transpose(2, 0, 1))

    def samples(self) -> np.ndarray:
        """The sums in the middles of pixels, ``(n_energy, n_y, n_x)``."""
        over, cubic = self.nodes.shape[1], np.array([1, 4, 1]) / 6
        values = convolve1d(convolve1d(self.table(), cubic, axis=1, mode="constant"), cubic, axis=2, mode="constant")
        return np.ascontiguousarray(values[:, ::over, ::over])


def total_table(
    stamp: Any, weights: np.ndarray, place: tuple[float, float], reach: float, tolerance: float = 3e-4
) -> TotalTable:
    """Tabulate the sum of weights times image for positions near the present one.

    Parameters
    ----------
    stamp : SplineStamp or RadialTable
        The effective PSF.
    weights : numpy.ndarray
        Weight of each pixel, ``(n_energy, n_y, n_x)``.
    place : tuple of float
        Present position y, x in pixels.
    reach : float
        How far from it the source is expected, in pixels.
    tolerance : float
        Wanted error; 1, 2 and 3 nodes per pixel are tried. Where the weights vary smoothly one is enough; edges of
        masks in the light of a narrow PSF need more.
    """
    half = stamp.half
    corner, cut = _surroundings(weights, place, reach + EDGE + 2, half)
    size = [n - 2 * half for n in cut.shape[1:]]
    shape = [next_fast_len(n, real=True) for n in cut.shape[1:]]
    transformed = rfft2(cut, shape)

    @functools.cache
    def sums(shift: tuple[float, float]) -> np.ndarray:
        """For sources ``shift`` (y, x) pixels from the pixel centres."""
        image = stamp.at((-shift[0], -shift[1]))[:, ::-1, ::-1]
        around = irfft2(transformed * rfft2(image, shape), shape)
        return np.asarray(around[:, 2 * half :, 2 * half :][:, : size[0], : size[1]])

    for over in (1, 2, 3):
        table = np.empty((len(weights), size[0] * over, size[1] * over))
        for i in range(over):
            for j in range(over):
                table[:, i::over, j::over] = sums((i / over, j / over))
        table = spline_filter1d(spline_filter1d(table, axis=1), axis=2)
        between = _half_way(_half_way(table, 1), 2)[:, ::over, ::over]
        wanted = sums((0.5 / over, 0.5 / over))
        largest = np.abs(wanted).max(axis=(1, 2))
        difference = np.abs(between - wanted)[:, EDGE:-EDGE, EDGE:-EDGE].max(axis=(1, 2))
        error = float(np.max(difference[largest > 0] / largest[largest > 0], initial=0.0))
        if error <= tolerance:
            break
    inner = slice(EDGE * over, -EDGE * over)
    return TotalTable(_energy_last(table[:, inner, inner], over), corner + EDGE, error)


def _surroundings(
    weights: np.ndarray, place: tuple[float, float], reach: float, half: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pixel at which positions within reach begin, and the weights from ``half`` pixels before to after them."""
    corner, parts = [], [slice(None)]
    pads = [(0, 0)]
    for at, n in zip(place, weights.shape[1:], strict=True):
        # What is further from the map than the PSF reaches is not seen.
        first = int(np.clip(np.floor(at - reach), -half - 3, n + half - 3))
        last = int(np.clip(np.ceil(at + reach), first + 2 * EDGE + 4, n + half + 3))
        low, high = first - half, last + 1 + half
        corner.append(first)
        parts.append(slice(max(low, 0), max(min(high, n), 0)))
        pads.append((max(-low, 0) - max(-high, 0), max(high - n, 0) - max(low - n, 0)))
    return np.array(corner), np.pad(weights[tuple(parts)], pads)


def _half_way(coefficients: np.ndarray, axis: int) -> np.ndarray:
    """Cubic B-spline half-way between each node and the next."""
    before, after, second = (np.roll(coefficients, n, axis) for n in (1, -1, -2))
    return (before + 23 * coefficients + 23 * after + second) / 48
