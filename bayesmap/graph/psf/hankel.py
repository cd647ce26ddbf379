r"""Shapes blurred by round PSFs, as functions of the place relative to their centre.

The Fourier transform of a round function is round: a Hankel transform. Those of a shape and of the PSF are
multiplied, and a Fourier-Bessel series leads back,

.. math::
    f(s) = \sum_n \frac{T(k_n)\, P(k_n)}{\pi R^2 J_1(j_n)^2} J_0(k_n s), \quad k_n = j_n / R

with the zeros :math:`j_n` of :math:`J_0` and a radius R outside of which there is nothing, that of the present shape.
In units of R the series is always the same, so a table of f costs one product of matrices, as large as the shape needs,
and nothing depends on where the centre is on the pixel grid.
Elliptical shapes take a series of cosines along both axes instead.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft, special
from scipy.linalg import solve_banded

from bayesmap.graph.psf.profile import PSFProfile

__all__ = [
    "PER_RADIUS",
    "PER_WAVE",
    "BlurTable",
    "CosineTable",
    "HankelTable",
    "blur_table",
    "core_width",
    "cosine_table",
    "hankel_table",
    "sub_pixel_numbers",
]

_NOTHING = 1e-5  # of the flux: a transform that need not be followed further
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(6)
_WIDEST, _MOST = 1.2, 6  # sub-pixels in units of the width of the PSF, and their largest number along an axis
_SMOOTH = 0.64  # sub-pixels: width of what sums over their centres do not see the grid of, to 1e-3
PER_RADIUS = 0.5  # steps in wave number times the radius, of tables of transforms
PER_WAVE = 1.6  # steps of the table times the largest wave number: a third of the width of a Gaussian


@dataclass(frozen=True)
class HankelTable:
    """What leads from the transform of a shape to its blurred profiles, for shapes of any radius.

    A blurred shape of the radius R takes the waves ``zeros / R`` as far as ``largest``, and its coefficients are those
    of ``matrix`` over R squared, with nodes at every ``R / n_step``.

    Attributes
    ----------
    zeros : numpy.ndarray
        Of the Bessel function of order zero, shape ``(n_wave,)``.
    matrix : numpy.ndarray
        From transforms of blurred shapes within one deg to coefficients of cubic B-splines at the distances -1, 0, 1,
        ... in steps; shape ``(n_step + 4, n_wave)``, in deg-2.
    n_step : int
        Number of steps.
    psf : BlurTable
        What blurs shapes.
    """

    zeros: np.ndarray
    matrix: np.ndarray
    n_step: int
    psf: "BlurTable"


@dataclass(frozen=True)
class BlurTable:
    """Transforms of a PSF, with the average over a sub-pixel.

    Attributes
    ----------
    blur : numpy.ndarray
        Coefficients of cubic B-splines at the wave numbers -1, 0, 1, ... in steps, ``(n_node, n_energy)``.
    step : float
        Step of the wave number in rad / deg.
    largest : float
        Wave number in rad / deg above which nothing is left.
    margin : float
        What it adds to the radius of a shape, in deg.
    """

    blur: np.ndarray
    step: float
    largest: float
    margin: float


@dataclass(frozen=True)
class CosineTable:
    """What leads from the transform of an elliptical shape to its blurred images in a quarter of the plane.

    Attributes
    ----------
    psf : BlurTable
        What blurs shapes; of few functions, not of energies.
    mixing : numpy.ndarray
        PSFs of all energies as sums of these, ``(n_energy, n_basis)``.
    lengths : numpy.ndarray
        Numbers of steps along an axis that are fast to transform, ascending.
    spline : numpy.ndarray
        From values at equal steps from zero to coefficients of cubic B-splines at -1, 0, 1, ... in steps; square but
        for three rows more.
    """

    psf: BlurTable
    mixing: np.ndarray
    lengths: np.ndarray
    spline: np.ndarray


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


def blur_table(profile: PSFProfile | None, n_energy: int, pixel: float, reach: float) -> BlurTable:
    """Tabulate the transforms of the PSF of one position.

    Parameters
    ----------
    profile : PSFProfile or None
        The PSF; none for a perfect instrument.
    n_energy : int
        Number of energies.
    pixel : float
        Width of the (sub-)pixels in deg.
    reach : float
        Radius of the PSF in deg; it is cut there, and normalised.
    """
    step = PER_RADIUS / max(reach, 4 * pixel)
    waves = step * np.arange(int(12 / max(pixel, core_width(profile) / 6) / step) + 2)
    seen = _blur(profile, n_energy, waves, pixel, reach)
    important = np.flatnonzero(np.abs(seen).max(axis=1) > _NOTHING)
    last = int(important[-1]) + 1 if len(important) else 1
    largest = float(waves[min(last, len(waves) - 1)])
    return BlurTable(_spline_coefficients(seen[: last + 4]), step, largest, reach + 4 * pixel)


def hankel_table(psf: BlurTable, radius: float) -> HankelTable:
    """Tabulate the Fourier-Bessel series of shapes.

    Parameters
    ----------
    psf : BlurTable
        What blurs them.
    radius : float
        Up to which, in deg, nothing is left out. Of a larger shape only waves that are that much longer are there:
        its edges get softer than by the PSF.
    """
    zeros = _zeros_of_j0(int(np.ceil(psf.largest * (radius + psf.margin) / np.pi)) + 1)
    n_step = int(np.ceil(zeros[-1] / PER_WAVE))
    values = special.j0(np.outer(np.arange(n_step + 1) / n_step, zeros)) / (np.pi * special.j1(zeros) ** 2)
    values[-1] = 0.0
    return HankelTable(zeros, _spline_coefficients(values), n_step, psf)


def cosine_table(psf: BlurTable, radius: float) -> CosineTable:
    """Tabulate the series of cosines of elliptical shapes; parameters as of `hankel_table`."""
    left, strength, right = np.linalg.svd(psf.blur, full_matrices=False)
    n_basis = max(int((strength > 1e-5 * strength[0]).sum()), 1) if strength[0] > 0 else 1
    basis = BlurTable(left[:, :n_basis] * strength[:n_basis], psf.step, psf.largest, psf.margin)
    most = max(int(np.ceil((radius + psf.margin) * psf.largest / PER_WAVE)), 8)
    lengths = sorted({fft.next_fast_len(int(np.ceil(n)), real=True) for n in np.geomspace(8, most, 200)})
    n_wave = int(np.ceil(PER_WAVE * lengths[-1] / PER_RADIUS)) + 3
    return CosineTable(basis, right[:n_basis].T.copy(), np.array(lengths), _spline_coefficients(np.eye(n_wave)))


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
