r"""Shapes blurred by round PSFs, as functions of the place relative to their centre.

The Fourier transform of a round function is round: a Hankel transform. Those of a shape and of the PSF are
multiplied, and a Fourier-Bessel series leads back,

.. math::
    f(s) = \sum_n \frac{T(k_n)\, P(k_n)}{\pi R^2 J_1(j_n)^2} J_0(k_n s), \quad k_n = j_n / R

with the zeros :math:`j_n` of :math:`J_0` and a radius R outside of which there is nothing. All but T is known before
sampling, so a table of f costs one product of matrices, and nothing depends on where the centre is on the pixel grid.
Elliptical shapes take a series of cosines along both axes instead.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft, special
from scipy.interpolate import CubicSpline
from scipy.linalg import solve_banded

from bayesmap.graph.psf.profile import PSFProfile

__all__ = ["CosineTable", "HankelTable", "core_width", "cosine_table", "hankel_table", "sub_pixel_numbers"]

_NOTHING = 1e-5  # of the flux: a transform that need not be followed further
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(6)
_WIDEST, _MOST = 1.2, 6  # sub-pixels in units of the width of the PSF, and their largest number along an axis
_SMOOTH = 0.64  # sub-pixels: width of what sums over their centres do not see the grid of, to 1e-3
_PER_RADIUS = 0.5  # steps in wave number times the radius, for transforms of elliptical shapes
_PER_WAVE = 1.6  # steps of the table times the largest wave number: a third of the width of a Gaussian


@dataclass(frozen=True)
class HankelTable:
    """What leads from the transform of a shape to its blurred profiles.

    Attributes
    ----------
    waves : numpy.ndarray
        Wave numbers in rad / deg, shape ``(n_wave,)``.
    blur : numpy.ndarray
        Transforms of the PSF, with the average over a sub-pixel, shape ``(n_wave, n_energy)``.
    matrix : numpy.ndarray
        From transforms of blurred shapes to coefficients of cubic B-splines at the distances -1, 0, 1, ... in steps;
        shape ``(n_node, n_wave)``, in deg-2.
    step : float
        Distance of the nodes in deg.
    radius : float
        Outside of it, in deg, there is nothing.
    """

    waves: np.ndarray
    blur: np.ndarray
    matrix: np.ndarray
    step: float
    radius: float


def core_width(profile: PSFProfile | None) -> float:
    """Radius in deg that contains 39 % of the photons (the width of a Gaussian) of the narrowest PSF; zero for none."""
    if profile is None:
        return 0.0
    radii = profile.containment_radius(1 - np.exp(-0.5))
    return float(radii[radii > 0].min(initial=np.inf)) if np.any(radii > 0) else 0.0


def sub_pixel_numbers(scale: tuple[float, float], profile: PSFProfile | None) -> tuple[int, int]:
    """Return into how many about square sub-pixels, no wider than the narrowest PSF, pixels are divided in x and y."""
    finest = max(_WIDEST * core_width(profile), max(scale) / _MOST)
    n_x, n_y = (int(np.ceil(s / finest - 1e-9)) for s in scale)
    side = min(scale[0] / n_x, scale[1] / n_y)
    return int(np.ceil(scale[0] / side - 0.3)), int(np.ceil(scale[1] / side - 0.3))


def hankel_table(profile: PSFProfile | None, n_energy: int, pixel: float, radius: float, reach: float) -> HankelTable:
    """Tabulate the PSF of one position for shapes up to a radius.

    Parameters
    ----------
    profile : PSFProfile or None
        The PSF; none for a perfect instrument.
    n_energy : int
        Number of energies.
    pixel : float
        Width of the (sub-)pixels in deg.
    radius : float
        Largest radius of the shape in deg.
    reach : float
        Radius of the PSF in deg; it is cut there, and normalised.
    """
    radius = radius + reach + 4 * pixel
    largest = 12 / max(pixel, core_width(profile) / 6)
    waves = _zeros_of_j0(int(np.ceil(largest * radius / np.pi))) / radius
    seen = _blur(profile, n_energy, waves, pixel, reach)
    important = np.flatnonzero(np.abs(seen).max(axis=1) > _NOTHING)
    n_wave = int(important[-1]) + 1 if len(important) else 1
    waves, seen = waves[:n_wave], seen[:n_wave]
    step = _PER_WAVE / waves[-1]
    n_node = int(np.ceil(radius / step)) + 1
    values = special.j0(np.outer(step * np.arange(n_node), waves))
    values /= np.pi * radius**2 * special.j1(waves * radius) ** 2
    values[step * np.arange(n_node) >= radius] = 0.0
    return HankelTable(waves, seen, _spline_coefficients(values), step, radius)


@dataclass(frozen=True)
class CosineTable:
    """What leads from the transform of an elliptical shape to its blurred images in a quarter of the plane.

    Attributes
    ----------
    waves : numpy.ndarray
        Wave numbers in rad / deg at which the transform of the shape is taken, equal steps from zero, ``(n_wave,)``.
    wave_step : float
        Their step.
    spline : numpy.ndarray
        From these transforms to coefficients of cubic B-splines, at the wave numbers -1, 0, 1, ... in steps.
    waves_x, waves_y : numpy.ndarray
        Wave numbers of the cosines along the two axes, ``(n_cosine,)``.
    place : numpy.ndarray
        Where they are in the flattened ``(n_node, n_node)`` spectrum.
    blur : numpy.ndarray
        The part of the PSF in each of them, ``(n_cosine, n_basis)``, with the norm of the transform and its splines.
    mixing : numpy.ndarray
        PSFs of all energies as sums of few, ``(n_energy, n_basis)``.
    step : float
        Distance of the nodes in deg.
    radius : float
        Outside of it, in deg, there is nothing.
    n_node : int
        Nodes along each axis.
    """

    waves: np.ndarray
    wave_step: float
    spline: np.ndarray
    waves_x: np.ndarray
    waves_y: np.ndarray
    place: np.ndarray
    blur: np.ndarray
    mixing: np.ndarray
    step: float
    radius: float
    n_node: int


def cosine_table(profile: PSFProfile | None, n_energy: int, pixel: float, radius: float, reach: float) -> CosineTable:
    """Tabulate the PSF of one position for elliptical shapes up to a radius; parameters as of `hankel_table`."""
    table = hankel_table(profile, n_energy, pixel, radius, reach)
    largest, step = float(table.waves[-1]), table.step
    n_node = int(fft.next_fast_len(int(np.ceil(table.radius / step)), real=True)) + 1
    length = step * (n_node - 1)
    number = np.arange(int(largest * length / np.pi) + 1)
    j_x, j_y = (j.ravel() for j in np.meshgrid(number, number, indexing="ij"))
    inside = np.hypot(j_x, j_y) * np.pi / length <= largest
    j_x, j_y = j_x[inside], j_y[inside]
    waves_x, waves_y = np.pi / length * j_x, np.pi / length * j_y
    fine = np.linspace(0, largest, 8 * len(table.waves) + 1)
    seen = _blur(profile, n_energy, fine, pixel, reach)
    left, strength, right = np.linalg.svd(seen, full_matrices=False)
    n_basis = max(int((strength > 1e-5 * strength[0]).sum()), 1) if strength[0] > 0 else 1
    basis = CubicSpline(fine, left[:, :n_basis] * strength[:n_basis])(np.hypot(waves_x, waves_y))
    filters = [(2 + np.cos(waves * step)) / 3 for waves in (waves_x, waves_y)]
    blur = basis / (4 * length**2 * filters[0] * filters[1])[:, None]
    wave_step = _PER_RADIUS / table.radius
    waves = wave_step * np.arange(int(np.ceil(largest / wave_step)) + 3)
    spline = _spline_coefficients(np.eye(len(waves)))
    place = j_x * n_node + j_y
    return CosineTable(
        waves, wave_step, spline, waves_x, waves_y, place, blur, right[:n_basis].T.copy(), step, table.radius, n_node
    )


def _blur(profile: PSFProfile | None, n_energy: int, waves: np.ndarray, pixel: float, reach: float) -> np.ndarray:
    """Transforms of the PSF with the average over a pixel, ``(n_wave, n_energy)``."""
    seen = np.ones((len(waves), n_energy)) if profile is None else _transform(profile, waves, reach)
    blurred: np.ndarray = seen * _pixel_average(waves, pixel, core_width(profile))[:, None]
    return blurred


def _zeros_of_j0(number: int) -> np.ndarray:
    """Zeros of the Bessel function of order zero: McMahon's expansion with a step of Newton's method."""
    zeros = np.pi * (np.arange(1, number + 1) - 0.25)
    zeros += 1 / (8 * zeros)
    for _ in range(3):
        zeros += special.j0(zeros) / special.j1(zeros)
    return zeros


def _pixel_average(waves: np.ndarray, pixel: float, core: float) -> np.ndarray:
    """Transform of the average over a square, with what is round of it to fourth order.

    Where a PSF is much narrower than the pixels it is smoothed such that sums over pixels stay smooth.
    """
    square = (waves * pixel) ** 2
    smoothing = max(_SMOOTH**2 - 1 / 12 - (core / pixel) ** 2, 0.0)
    average: np.ndarray = np.exp(-0.5 * square * (1 / 12 + smoothing) - square**2 / 3840)
    return average


def _transform(profile: PSFProfile, waves: np.ndarray, reach: float) -> np.ndarray:
    """Hankel transforms of profiles, ``(n_wave, n_energy)``, cut at a radius and normalised; zero where empty."""
    edges = np.unique(np.append(profile.rad[profile.rad < reach], min(reach, profile.rad[-1])))
    parts = np.maximum(np.ceil(np.diff(edges) * waves[-1] / 4), 1).astype(int)  # long pieces of the table are divided
    edges = np.concatenate(
        [low + (high - low) * np.arange(n) / n for low, high, n in zip(edges, edges[1:], parts, strict=False)]
        + [edges[-1:]]
    )
    half = 0.5 * np.diff(edges)
    radii = (edges[:-1] + half)[:, None] + half[:, None] * _NODES
    weights = (half[:, None] * _WEIGHTS * 2 * np.pi * radii).ravel()
    radii = radii.ravel()
    density = np.array([np.interp(radii, profile.rad, row, right=0.0) for row in profile.density]).T
    transform = special.j0(np.outer(waves, radii)) @ (weights[:, None] * density)
    norm = weights @ density
    return transform / np.where(norm > 0, norm, 1)


def _spline_coefficients(values: np.ndarray) -> np.ndarray:
    """Coefficients of cubic B-splines through values at equal steps from zero, even there, zero beyond the end."""
    n = len(values)
    bands = np.array([[0.0, 2.0] + [1.0] * (n - 2), [4.0] * n, [1.0] * n])
    inner = solve_banded((1, 1), bands, 6 * values)
    nothing = np.zeros((2, values.shape[1]))
    return np.concatenate([inner[1:2], inner, nothing])
