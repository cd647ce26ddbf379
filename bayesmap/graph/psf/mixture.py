"""The PSF as a sum of round Gaussians: closed-form pixel integrals, smooth in position and size."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import least_squares, nnls
from scipy.special import erf

from bayesmap._types import Tensor
from bayesmap.graph.ops.mixture import MixtureStamps
from bayesmap.graph.psf.profile import PSFProfile, pixel_integrals

__all__ = [
    "Mixture",
    "fit_mixture",
    "fit_shared",
    "fit_weights",
    "mixture_error",
    "mixture_stamps",
    "normalised_weights",
    "sigma_range",
]

STEP = 0.05  # between the logarithms of neighbouring widths; on CTA data 0.07 is 1.2e-3 off, 0.17 5e-3
ACCEPTED = 1e-3  # a mixture of few components with this error is preferred to one of many with less
LOST = 3e-5  # probability that may fall outside of a window


@dataclass(frozen=True)
class Mixture:
    """Gaussian components of a PSF.

    Attributes
    ----------
    sigma, weight : numpy.ndarray
        Widths in deg and weights, shape ``(n_energy, n_component)``; the weights of an energy sum to one, or to zero
        where the table is empty.
    error : float
        Half the L1 distance of the pixel-integrated mixture from the pixel-integrated table, at the worst energy.
    """

    sigma: np.ndarray
    weight: np.ndarray
    error: float

    def radii(self) -> np.ndarray:
        """Radius in deg outside of which less than 3e-5 of the photons fall, shape ``(n_energy,)``."""
        low, high = np.zeros(len(self.sigma)), 6 * self.sigma.max(axis=1)
        for _ in range(40):
            middle = 0.5 * (low + high)
            outside = (self.weight * np.exp(-0.5 * (middle[:, None] / self.sigma) ** 2)).sum(axis=1) > LOST
            low, high = np.where(outside, middle, low), np.where(outside, high, middle)
        return high


@functools.lru_cache(maxsize=64)
def fit_mixture(profile: PSFProfile, scale: tuple[float, float], tolerance: float = 3e-4) -> Mixture:
    """Fit a PSF with as few Gaussians as reach the tolerance.

    One and two free components per energy are tried first; then non-negative weights on a grid of widths that all
    energies share.

    Parameters
    ----------
    profile : PSFProfile
        The PSF at one position.
    scale : tuple of float
        Width of a pixel in x and y, in deg; the error is measured on pixel integrals.
    tolerance : float
        Wanted error.

    Returns
    -------
    Mixture
        The first that reaches the tolerance, else the first below 1e-3, else the best; look at its ``error``.
    """
    candidates = []
    for build in (_free_components(1), _free_components(2), _sigma_grid):
        sigma, weight = build(profile, min(scale))
        mixture = Mixture(sigma, weight, mixture_error(profile, sigma, weight, scale))
        if mixture.error <= tolerance:
            return mixture
        candidates.append(mixture)
    good_enough = [mixture for mixture in candidates if mixture.error <= ACCEPTED]
    return good_enough[0] if good_enough else min(candidates, key=lambda mixture: mixture.error)


def _radial(profile: PSFProfile) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    grid = np.linspace(0, profile.rad[-1], 6 * len(profile.rad))[1:]
    values = np.array([np.interp(grid, profile.rad, row) for row in profile.density])
    return grid, values, np.sqrt(2 * np.pi * grid * (grid[1] - grid[0]))


def _gaussian(grid: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Densities per deg2, shape ``(n_radii, n_component)``."""
    return np.exp(-0.5 * (grid[:, None] / sigma) ** 2) / (2 * np.pi * sigma**2)


def _free_components(number: int) -> Any:
    def build(profile: PSFProfile, pixel: float) -> tuple[np.ndarray, np.ndarray]:
        grid, values, measure = _radial(profile)
        r68 = np.maximum(profile.containment_radius(0.68), 1e-4)
        r10 = np.maximum(profile.containment_radius(0.1), 1e-5)
        sigma, weight = np.empty((len(values), number)), np.empty((len(values), number))
        for row, (target, outer, inner) in enumerate(zip(values, r68, r10, strict=True)):
            if not target.any():  # an empty table predicts nothing
                sigma[row], weight[row] = pixel, 0.0
                continue
            floor = min(pixel / 4, inner / 2)
            low, high = np.log(floor), np.log(profile.rad[-1])

            def parts(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
                share = 1 / (1 + np.exp(-p[-1]))
                return np.exp(p[:number]), np.array([1.0]) if number == 1 else np.array([1 - share, share])

            def residual(p: np.ndarray, target: np.ndarray = target) -> np.ndarray:
                s, w = parts(p)
                return (_gaussian(grid, s) @ w - target) * measure / np.sqrt(max(target.max(), 1e-300))

            # Two nearly equal widths, and a core with a wide tail, are different basins.
            starts = [[1.0]] if number == 1 else [[0.9, 1.1], [0.8, 2.2]]
            fits = []
            for start in starts:
                p = np.clip(np.log(outer / 1.5 * np.array(start)), low + 1e-6, high - 1e-6)
                bounds = ([low] * number, [high] * number)
                if number > 1:
                    p, bounds = np.append(p, 0.0 if start[1] < 2 else -1.5), (bounds[0] + [-12.0], bounds[1] + [12.0])
                fits.append(least_squares(residual, p, bounds=bounds))
            sigma[row], weight[row] = parts(min(fits, key=lambda fit: fit.cost).x)
        return sigma, weight

    return build


def sigma_range(profile: PSFProfile, pixel: float) -> tuple[float, float]:
    """Narrowest and widest Gaussian that a PSF may need, in deg."""
    core, tail = profile.containment_radius(0.1), profile.containment_radius(0.999)
    if not (core > 0).any():
        return pixel / 2, pixel
    # A Gaussian holds 10 % inside 0.459 sigma and 99.9 % inside 3.72 sigma.
    return max(float(core[core > 0].min()) / 0.6, pixel / 4), max(float(tail.max()) / 2.2, pixel / 2)


def fit_weights(profile: PSFProfile, sigma: np.ndarray) -> np.ndarray:
    """Non-negative weights of given widths, shape ``(n_energy, n_component)``; those of an energy sum to one.

    An empty table has weights of zero.
    """
    grid, values, measure = _radial(profile)
    basis = _gaussian(grid, sigma) * measure[:, None]
    return normalised_weights(np.array([nnls(basis, row * measure)[0] for row in values]))


def normalised_weights(weight: np.ndarray) -> np.ndarray:
    """Weights whose sum over components is one, or zero where the table is empty."""
    total = weight.sum(axis=-1, keepdims=True)
    normalised: np.ndarray = weight / np.where(total > 0, total, 1)
    return normalised


def _sigma_grid(profile: PSFProfile, pixel: float) -> tuple[np.ndarray, np.ndarray]:
    sigma = np.geomspace(*sigma_range(profile, pixel), 32)
    weight = fit_weights(profile, sigma)
    keep = weight.max(axis=0) > 1e-6
    weight = weight[:, keep]
    return np.broadcast_to(sigma[keep], weight.shape).copy(), normalised_weights(weight)


def fit_shared(profile: PSFProfile, pixel: float) -> tuple[np.ndarray, np.ndarray]:
    """Fit PSFs that are to be mixed with Gaussians of the same widths.

    Parameters
    ----------
    profile : PSFProfile
        A row per node and energy.
    pixel : float
        Width of a pixel in deg.

    Returns
    -------
    sigma, weight : numpy.ndarray
        Widths in deg, shape ``(n_component,)``, and weights, ``(n_row, n_component)``. The weights of given widths are
        linear in the PSF, so that their interpolation is its own; interpolating widths would err by up to 3e-3.
    """
    low, high = sigma_range(profile, pixel)
    sigma = np.geomspace(low, high, int(np.log(high / low) / STEP) + 2)
    weight = fit_weights(profile, sigma)
    keep = weight.max(axis=0) > 1e-6
    return sigma[keep], normalised_weights(weight[:, keep])


def mixture_error(profile: PSFProfile, sigma: np.ndarray, weight: np.ndarray, scale: tuple[float, float]) -> float:
    """Half the L1 distance of the pixel-integrated mixture from the pixel-integrated table, at the worst energy."""
    half = int(np.ceil(np.minimum(profile.containment_radius(0.9999).max(), 60 * min(scale)) / min(scale))) + 1
    reference = pixel_integrals(profile, half, scale, (0.3, 0.2))
    worst = 0.0
    edges = np.arange(2 * half + 2) - 0.5 - half
    for image, s, w in zip(reference, sigma, weight, strict=True):
        if not image.any():
            continue
        x = np.diff(0.5 * erf((edges - 0.3)[None] * scale[0] / (np.sqrt(2) * s[:, None])), axis=1)
        y = np.diff(0.5 * erf((edges - 0.2)[None] * scale[1] / (np.sqrt(2) * s[:, None])), axis=1)
        worst = max(worst, 0.5 * float(np.abs(np.einsum("k,ky,kx->yx", w, y, x) - image).sum()))
    return worst


def mixture_stamps(
    x: Tensor, y: Tensor, scale_x: Tensor, scale_y: Tensor, variance: Tensor, weight: Tensor, halves: Tensor
) -> tuple[Any, Any]:
    """Pixel integrals of Gaussian mixtures around moving positions.

    Parameters
    ----------
    x, y : TensorVariable
        Centres in pixels, shape ``(n_source,)``.
    scale_x, scale_y : TensorVariable
        Variances in pixel2 per unit of ``variance``, shape ``(n_source,)``.
    variance, weight : TensorVariable
        Of the components, shape ``(n_source, n_energy, n_component)``.
    halves : TensorVariable
        Half width of the stamp of each energy in pixels, integers ``(n_source, n_energy)``; the windows take the
        widest.

    Returns
    -------
    stamps : TensorVariable
        Probabilities, flattened from ``(n_source, n_energy, size, size)``.
    windows : TensorVariable
        Integers ``y0, x0, size, size`` of shape ``(n_source, 4)``.
    """
    stamps, windows, _ = MixtureStamps()(x, y, scale_x, scale_y, variance, weight, halves)
    return stamps, windows
