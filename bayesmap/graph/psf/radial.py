"""The PSF of any shape for round Gaussians of any size: the share of a pixel by its distance and the size.

PSF and Gaussian are round, so is their convolution, and the average over a pixel adds a few harmonics of the direction:
an image is a table over distance and size, between whose nodes cubic B-splines interpolate.
"""

import functools
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import spline_filter1d
from scipy.special import factorial, j0, jv

from bayesmap.graph.psf.mixture import LOST
from bayesmap.graph.psf.profile import PSFProfile, pixel_integrals

__all__ = ["RadialTable", "fit_radial"]

HARMONICS = (0, 2, 4, 6, 8)  # of the direction, in the average over a pixel; 4 and 8 where it is square
PER_PIXEL = 3  # highest frequency of the PSF that is kept, in periods per pixel
SIGMAS = 6.0  # radius of a Gaussian at which it ends
SHIFT = (0.2, -0.3)  # of the source in its pixel, where errors are measured
_FADED = 8.5  # frequency times standard deviation at which a Gaussian is gone


@dataclass(frozen=True)
class RadialTable:
    r"""Share of the photons in a pixel, by its position relative to the source and the size of the source.

    With the pixel at ``(x, y)`` deg from a source of standard deviation ``s``, ``z = (x + i y) / span`` and
    ``r = |x + i y|`` it is the sum over harmonics m of the real part of ``z**m`` times a spline of ``asinh(s / core)``
    and ``asinh(r / span)``.

    Attributes
    ----------
    nodes : numpy.ndarray
        B-spline coefficients ``(n_harmonic, n_size, n_radius, n_energy)``; the splines are even in both variables.
    harmonics : numpy.ndarray
        The m, ``(n_harmonic,)``; the first is 0.
    limits : numpy.ndarray
        Size in deg above which a harmonic is nothing, ``(n_harmonic,)``.
    core, span : float
        Scales of size and radius, in deg.
    steps : tuple of float
        Distance of the nodes in the two variables.
    radii : numpy.ndarray
        Radius in deg outside of which 3e-5 of the photons fall, at the worst energy, for each size: ``(n_size,)``.
    scale : tuple of float
        Width of a pixel in x and y, in deg.
    error : float
        Half the L1 distance from the pixel integrals between nodes, at the worst energy and size.
    """

    nodes: np.ndarray
    harmonics: np.ndarray
    limits: np.ndarray
    core: float
    span: float
    steps: tuple[float, float]
    radii: np.ndarray
    scale: tuple[float, float]
    error: float

    @property
    def half(self) -> int:
        """Half width in pixels of the image of a point."""
        return int(np.ceil(self.radii[0] / min(self.scale))) + 1

    @property
    def largest(self) -> float:
        """Size in deg up to which the splines reach; a larger source is its copy on a larger scale."""
        return self.core * float(np.sinh((self.nodes.shape[1] - 4) * self.steps[0]))

    def profile(self, size: float, r: np.ndarray) -> np.ndarray:
        """Splines of the harmonics at radii in deg, ``(n_harmonic, n_radius, n_energy)``."""
        rows, columns = (
            _taps(np.arcsinh(size / self.core) / self.steps[0]),
            _taps(np.arcsinh(r / self.span) / self.steps[1]),
        )
        row = sum(w * self.nodes[:, i] for i, w in rows)
        last = self.nodes.shape[2] - 1
        return np.asarray(sum(w[:, None] * row[:, np.minimum(i, last)] for i, w in columns))

    def at(self, shift: tuple[float, float], size: float = 0.0, half: int | None = None) -> np.ndarray:
        """Image of a source ``-shift`` (y, x) pixels from the middle: ``(n_energy, 2 half + 1, 2 half + 1)``."""
        half = self.half if half is None else half
        pixels = np.arange(-half, half + 1)
        z = (pixels + shift[1])[None, :] * self.scale[0] + 1j * (pixels + shift[0])[:, None] * self.scale[1]
        powers = np.real((z.ravel() / self.span) ** self.harmonics[:, None])
        image = np.einsum("mp,mpk->kp", powers, self.profile(size, np.abs(z.ravel())))
        return np.asarray(image).reshape(-1, *z.shape)


def _taps(node: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Four nodes around each place, mirrored at zero, and their weights."""
    first = np.floor(node).astype(int)
    f, r = node - first, 1 + first - node
    weights = r**3 / 6, (4 - 6 * f**2 + 3 * f**3) / 6, (4 - 6 * r**2 + 3 * r**3) / 6, f**3 / 6
    return [(np.abs(first + i - 1), w) for i, w in enumerate(weights)]


@functools.lru_cache(maxsize=32)
def fit_radial(profile: PSFProfile, scale: tuple[float, float], largest: float, tolerance: float = 3e-4) -> RadialTable:
    """Tabulate round Gaussians behind the PSF of one position.

    Parameters
    ----------
    profile : PSFProfile
        The PSF.
    scale : tuple of float
        Width of a pixel in x and y, in deg, where the source is.
    largest : float
        Size in deg up to which sources are tabulated.
    tolerance : float
        Wanted error; 3 nodes per pixel are tried first, then 6.
    """
    transforms = _Transforms(profile, scale, largest)
    square = abs(scale[0] / scale[1] - 1) < 1e-3
    for per_pixel, step in ((3, 0.25), (6, 0.18)):
        harmonics = [m for m in HARMONICS if not (square and m % 4)]
        table = transforms.tabulate(min(scale) / per_pixel, step, harmonics)
        if table.error <= tolerance:
            break
    return table


class _Transforms:
    """Images as Hankel transforms of the product of the transforms of PSF, Gaussian and pixel.

    The nodes of the quadrature are dense enough for sources as wide as their frequency can be seen in.
    """

    def __init__(self, profile: PSFProfile, scale: tuple[float, float], largest: float) -> None:
        self.profile, self.scale, self.largest = profile, scale, largest
        self.radius = min(profile.rad[-1], 1.02 * float(profile.containment_radius(1 - 1e-5).max()))
        highest = 2 * np.pi * PER_PIXEL / min(scale)
        edges = [highest]
        while edges[-1] > 0:
            widest = self.radius + SIGMAS * min(_FADED / edges[-1], largest)
            edges.append(max(edges[-1] - 6 * np.pi / widest, 0.0))
        self.q, weight = _quadrature(np.array([0.0, *edges[::-1]]), 16)
        self.weight = weight * self.q * np.prod(scale) / (2 * np.pi)
        rad = profile.rad
        steps = [np.linspace(a, b, int((b - a) * highest / 4) + 2)[:-1] for a, b in zip(rad[:-1], rad[1:], strict=True)]
        s, weight = _quadrature(np.array([*np.concatenate(steps), rad[-1]]), 6)
        density = np.array([np.interp(s, rad, row) for row in profile.density]) * (2 * np.pi * s * weight)
        norm = density.sum(axis=1, keepdims=True)
        self.psf = (density / np.where(norm > 0, norm, 1)) @ j0(np.multiply.outer(s, self.q))

    def profiles(self, sizes: np.ndarray, r: np.ndarray, harmonics: list[int], unit: float) -> np.ndarray:
        """Amplitudes of harmonics over ``(r / unit)**m``: shape ``(n_harmonic, n_size, n_energy, n_radius)``."""
        phase = np.multiply.outer(sizes, self.q)
        faded = np.where(
            phase < _FADED, np.exp(-0.5 * np.minimum(phase, _FADED) ** 2), 0.0
        )  # denormal numbers are slow
        result = np.zeros((len(harmonics), len(sizes), len(self.psf), len(r)))
        for amplitude, m in zip(result, harmonics, strict=True):
            # The higher harmonics of a source that is wider than a few pixels are nothing.
            wide = len(sizes) if m < 4 else int(np.searchsorted(sizes, 3 * max(self.scale)))
            ends = self.radius + SIGMAS * sizes[:wide] + max(self.scale)
            n = int(np.searchsorted(r, ends.max(initial=0.0)))
            waves = self.psf * (self.weight * _pixel(self.q, m, self.scale)) * faded[:wide, None]
            bessel = _bessel(m, np.multiply.outer(self.q, r[:n]), self.q * unit)
            transformed = (waves.reshape(-1, len(self.q)) @ bessel).reshape(*waves.shape[:2], n)
            amplitude[:wide, :, :n] = transformed * (r[:n] < ends[:, None])[:, None]
        return result

    def tabulate(self, spacing: float, step: float, harmonics: list[int]) -> RadialTable:
        """Table with nodes ``spacing`` deg apart near the source, and sizes that grow by ``step`` of themselves."""
        core, span = 0.7 * max(self.scale), self.radius
        step_r = spacing / span
        sizes = core * np.sinh(step * np.arange(int(np.ceil(np.arcsinh(self.largest / core) / step)) + 4))
        n_radius = int(np.ceil(np.arcsinh((self.radius + SIGMAS * sizes[-1]) / span) / step_r)) + 4
        r = span * np.sinh(step_r * np.arange(n_radius))
        table = self.profiles(sizes, r, harmonics, span)
        light = table * np.gradient(r) * 2 * np.pi * r / np.prod(self.scale)
        outside = np.cumsum(light[0, ..., ::-1], axis=-1)[..., ::-1].max(axis=1)  # (n_size, n_radius)
        radii = r[[np.flatnonzero(row > LOST).max(initial=0) + 1 for row in outside]]
        powers = np.array([(r / span) ** m for m in harmonics])
        strength = np.abs(light * powers[:, None, None]).sum(axis=3).max(axis=2)
        limits = [sizes[np.flatnonzero(row > LOST).max(initial=0)] for row in strength]
        limits[0] = np.inf
        nodes = spline_filter1d(spline_filter1d(table.transpose(0, 1, 3, 2), axis=1), axis=2)
        found = RadialTable(
            np.ascontiguousarray(nodes), np.array(harmonics), np.array(limits), core, span, (step, step_r), radii,
            self.scale, 0.0,
        )  # fmt: skip
        return replace(found, error=max(self._point_error(found), self._error_between(found)))

    def _point_error(self, table: RadialTable) -> float:
        """Half the L1 distance of the image of a point from its pixel integrals."""
        wanted = pixel_integrals(self.profile, table.half, self.scale, (-SHIFT[1], -SHIFT[0]), fine=12)
        return 0.5 * float(np.abs(table.at(SHIFT) - wanted).sum(axis=(1, 2)).max())

    def _error_between(self, table: RadialTable) -> float:
        """Half the L1 distance of the table from the transforms half-way between its nodes."""
        sizes = table.core * np.sinh(table.steps[0] * (np.array([0, 1, 2, 4, 7, 11]) + 0.5))
        n = int(np.arcsinh((self.radius + SIGMAS * sizes[-1]) / table.span) / table.steps[1])
        r = table.span * np.sinh(table.steps[1] * (np.arange(n) + 0.5))
        wanted = self.profiles(sizes, r, [0], table.span)[0]
        found = np.array([table.profile(size, r)[0].T for size in sizes])
        area = 2 * np.pi * r * np.gradient(r) / np.prod(self.scale)
        return 0.5 * float((np.abs(found - wanted) * area).sum(axis=-1).max())


def _quadrature(edges: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights between edges."""
    nodes, weights = np.polynomial.legendre.leggauss(number)
    half = 0.5 * np.diff(edges)
    return (edges[:-1, None] + half[:, None] * (1 + nodes)).ravel(), (half[:, None] * weights).ravel()


def _pixel(q: np.ndarray, m: int, scale: tuple[float, float]) -> np.ndarray:
    """Harmonic of the transform of a pixel, with the sign that it has in the image."""
    angle = (np.arange(64) + 0.5) / 64 * np.pi / 2
    waves = [
        np.sinc(np.multiply.outer(q, f(angle)) * s / (2 * np.pi)) for f, s in zip((np.cos, np.sin), scale, strict=True)
    ]
    mean: np.ndarray = (waves[0] * waves[1] * np.cos(m * angle)).mean(axis=1)
    return mean * (1 if m == 0 else 2) * (-1) ** (m // 2)


def _bessel(m: int, qr: np.ndarray, q_unit: np.ndarray) -> np.ndarray:
    """Bessel function of ``q r`` over ``(r / unit)**m``."""
    if m == 0:
        return np.asarray(j0(qr))
    small = qr < 1e-3
    ratio = jv(m, np.where(small, 1.0, qr)) / np.where(small, 1.0, qr) ** m
    return np.where(small, 1 / (2**m * factorial(m)), ratio) * (q_unit**m)[:, None]
