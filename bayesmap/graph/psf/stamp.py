"""The PSF of any shape for point sources: a cubic B-spline through its pixel integrals at sub-pixel positions."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
from scipy.ndimage import spline_filter1d

from bayesmap.graph.ops.spline import SplineStamps
from bayesmap.graph.psf.profile import PSFProfile, cell_averages, pixel_integrals

__all__ = ["SplineStamp", "fit_stamp", "spline_stamps"]

PER_PIXEL = 12  # samples of the profile per pixel


@dataclass(frozen=True)
class SplineStamp:
    """Effective PSF: the probability in a pixel as a function of its distance from the source.

    Attributes
    ----------
    coefficients : numpy.ndarray
        B-spline coefficients on a grid of ``oversampling`` nodes per pixel, shape ``(n_energy, n_node, n_node)``.
    half : int
        Half width of the stamp in pixels.
    oversampling : int
        Nodes per pixel.
    error : float
        Half the L1 distance from the pixel integrals between nodes, at the worst energy.
    """

    coefficients: np.ndarray
    half: int
    oversampling: int
    error: float

    @property
    def phases(self) -> np.ndarray:
        """The coefficients as `SplineStamps` reads them, ``(n_energy, over, over, n_node / over, n_node / over)``."""
        over, side = self.oversampling, self.coefficients.shape[1] // self.oversampling
        split = self.coefficients.reshape(-1, side, over, side, over)
        return np.ascontiguousarray(split.transpose(0, 2, 4, 1, 3))


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
    coefficients = spline_filter1d(spline_filter1d(table, axis=1), axis=2)
    offset = (0.5 / oversampling + 0.07, 0.5 / oversampling - 0.03)
    wanted = pixel_integrals(profile, half, scale, (-offset[0], -offset[1]), fine=12)
    rows, columns = (_weights_at(half, oversampling, f) for f in (offset[1], offset[0]))
    got = rows @ coefficients @ columns.T
    error = 0.5 * float(np.abs(got - wanted).sum(axis=(1, 2)).max())
    return SplineStamp(coefficients, half, oversampling, error)


def _cubic(fraction: Any) -> list[Any]:
    """The four cubic B-spline weights of the nodes around a fraction in [0, 1)."""
    rest = 1 - fraction
    return [
        rest**3 / 6,
        (4 - 6 * fraction**2 + 3 * fraction**3) / 6,
        (4 - 6 * rest**2 + 3 * rest**3) / 6,
        fraction**3 / 6,
    ]


def _weights_at(half: int, oversampling: int, shift: float) -> np.ndarray:
    """Dense interpolation matrix for pixels at distance k + shift, for the error estimate."""
    size = 2 * half + 1
    node = (np.arange(size) + 2 + shift) * oversampling
    first = np.floor(node).astype(int)
    matrix = np.zeros((size, (size + 4) * oversampling))
    for k, weight in enumerate(_cubic(node - first)):
        matrix[np.arange(size), first - 1 + k] += weight
    return matrix


def spline_stamps(x: Any, y: Any, stamp: SplineStamp, phases: Any = None) -> tuple[Any, Any]:
    """Pixel integrals around one moving position.

    Parameters
    ----------
    x, y : TensorVariable
        Position of the source in pixels, scalars.
    stamp : SplineStamp
        The effective PSF.
    phases : TensorVariable, optional
        Its `SplineStamp.phases` as data of the graph (large constants would keep compiled code out of the disk cache).

    Returns
    -------
    stamps : TensorVariable
        Flattened from ``(n_energy, size, size)``.
    window : TensorVariable
        Integers ``y0, x0, size, size``, shape (1, 4).
    """
    table = pt.as_tensor_variable(stamp.phases) if phases is None else phases
    stamps, window, _ = SplineStamps()(pt.stack([y, x]), table)
    return stamps, window
