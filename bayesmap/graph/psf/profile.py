"""Radial profiles of the point spread function, normalised, and their integrals over pixels."""

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["PSFProfile", "cell_averages", "convolution_kernels", "pixel_integrals", "psf_profile"]


@dataclass(frozen=True, eq=False)
class PSFProfile:
    """Point spread functions at one position, linear between nodes.

    Attributes
    ----------
    rad : numpy.ndarray
        Nodes in deg, shape ``(n_rad,)``, from zero on; the profile vanishes beyond the last one.
    density : numpy.ndarray
        Probability per deg2, shape ``(n_energy, n_rad)``; the integral over the plane is one, or zero where the table
        is empty.
    """

    rad: np.ndarray
    density: np.ndarray

    def __eq__(self, other: object) -> bool:
        """Same numbers: fits of the same profile are done once."""
        return isinstance(other, PSFProfile) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[bytes, bytes]:
        return self.rad.tobytes(), self.density.tobytes()

    def containment_radius(self, fraction: float) -> np.ndarray:
        """Radius in deg that contains a fraction of the photons, shape ``(n_energy,)``."""
        grid, cumulative = self.cumulative()
        return np.array([np.interp(fraction, c, grid) if c[-1] > 0 else 0.0 for c in cumulative])

    def cumulative(self) -> tuple[np.ndarray, np.ndarray]:
        """Radii in deg and the probability inside them, shape ``(n_energy, n_radii)``."""
        grid = np.linspace(0, self.rad[-1], 8 * len(self.rad) + 1)
        values = np.array([np.interp(grid, self.rad, row) for row in self.density]) * 2 * np.pi * grid
        steps = 0.5 * (values[:, 1:] + values[:, :-1]) * np.diff(grid)
        return grid, np.concatenate([np.zeros((len(values), 1)), np.cumsum(steps, axis=1)], axis=1)


def psf_profile(psf: Any, position: Any, energy: np.ndarray) -> PSFProfile:
    """Return the normalised profiles of a PSF map at a position.

    Parameters
    ----------
    psf : `~bayesmap.irf.PSFMap` or `~bayesmap.irf.RecoPSFMap`
        The PSF map.
    position : `~astropy.coordinates.SkyCoord`
        Where on the sky.
    energy : numpy.ndarray
        Energies in TeV, shape ``(n_energy,)``; the table is interpolated linearly in log energy.

    Returns
    -------
    PSFProfile
        One row per energy.
    """
    rad, table = psf.radial_profile(position)
    rad, table = np.asarray(rad, dtype=float), np.asarray(table, dtype=float)
    axis = psf.psf_map.geom.axes[psf.energy_name]
    nodes = np.log(axis.center.to_value("TeV"))
    if len(nodes) != len(energy) or not np.allclose(nodes, np.log(energy), rtol=0, atol=1e-6):
        table = np.stack([np.interp(np.log(energy), nodes, column) for column in table.T], axis=1)
    if rad[0] > 0:
        # Continue the first segment to the centre, as a linear interpolation in the bins would.
        slope = (table[:, 1] - table[:, 0]) / (rad[1] - rad[0])
        centre = np.maximum(table[:, 0] - slope * rad[0], 0)
        rad, table = np.concatenate([[0.0], rad]), np.concatenate([centre[:, None], table], axis=1)
    table = np.maximum(table, 0)
    profile = PSFProfile(rad, table)
    norm = profile.cumulative()[1][:, -1]
    return PSFProfile(rad, table / np.where(norm > 0, norm, 1)[:, None])


def pixel_integrals(
    profile: PSFProfile, half: int, scale: tuple[float, float], offset: tuple[float, float] = (0.0, 0.0), fine: int = 8
) -> np.ndarray:
    """Integrate the profiles over the pixels of a window.

    Parameters
    ----------
    profile : PSFProfile
        The profiles.
    half : int
        The window has ``2 * half + 1`` pixels on a side.
    scale : tuple of float
        Width of a pixel in x and y, in deg.
    offset : tuple of float
        Position of the source in pixels (x, y) from the centre of the central pixel.
    fine : int
        Sub-pixels per pixel and axis.

    Returns
    -------
    numpy.ndarray
        Probabilities, shape ``(n_energy, 2 * half + 1, 2 * half + 1)``.
    """
    size = 2 * half + 1
    centres = (np.arange(size * fine) + 0.5) / fine - 0.5 - half
    x, y = (centres - offset[0]) * scale[0], (centres - offset[1]) * scale[1]
    radius = np.hypot(x[None, :], y[:, None])
    area = scale[0] * scale[1] / fine**2
    integrals = np.empty((len(profile.density), size, size))
    for image, row in zip(integrals, profile.density, strict=True):
        values = cell_averages(np.interp(radius, profile.rad, row, right=0.0))
        image[:] = values.reshape(size, fine, size, fine).sum(axis=(1, 3)) * area
    return integrals


def convolution_kernels(profile: PSFProfile, half: int, scale: tuple[float, float], missing: float = 0.0) -> np.ndarray:
    """Kernels for images that are already integrals over pixels: shape ``(n_energy, 2 * half + 1, 2 * half + 1)``.

    Such an image and the integral of the PSF over pixels would each average over a pixel; once is right. So the average
    is taken out of the kernel again, to fourth order, and the kernel is normalised.

    Parameters
    ----------
    profile : PSFProfile
        The PSF.
    half : int
        Half width in pixels.
    scale : tuple of float
        Width of a pixel in x and y, in deg.
    missing : float
        Share of the variance within a pixel that the image does not have: 1 for samples at the centres of pixels,
        ``1 / n**2`` for sums over samples at the centres of n x n sub-pixels. So much of the average stays.
    """
    integrals = pixel_integrals(profile, half, scale)
    kernels = np.array([image - (1 - missing) * _curvature(image) / 24 for image in integrals])
    norm = kernels.sum(axis=(1, 2), keepdims=True)
    return kernels / np.where(norm > 0, norm, 1)


def _curvature(samples: np.ndarray) -> np.ndarray:
    """Second differences in x and y, summed."""
    padded = np.pad(samples, 1, mode="edge")
    neighbours: np.ndarray = padded[2:, 1:-1] + padded[:-2, 1:-1] + padded[1:-1, 2:] + padded[1:-1, :-2]
    return neighbours - 4 * samples


def cell_averages(samples: np.ndarray) -> np.ndarray:
    """Averages over the cells of a square grid from samples at their centres, to fourth order.

    The midpoint rule misses the curvature inside a cell, which would narrow the PSF by a twelfth of the cell's area.
    """
    return samples + _curvature(samples) / 24
