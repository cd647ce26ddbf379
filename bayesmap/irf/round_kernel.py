"""Radial profiles of point spread functions that are given as images."""

import numpy as np
import scipy

from bayesmap.irf.psf_kernel import PSFKernel
from bayesmap.maps import MapAxis

__all__ = ["kernel_profiles"]

#: bins of the radial profile per pixel, and samples per pixel and direction
BINS_PER_PIXEL, SAMPLES = 2, 8
#: how far an image may be from that of the best round profile, relative to its peak
TOLERANCE = 0.05


def kernel_profiles(kernel: PSFKernel) -> tuple[MapAxis, np.ndarray]:
    r"""Return the round profiles whose integrals over the pixels come closest to the images of a kernel.

    The profile is linear between the centres of the bins and not negative; non-negative least squares find it, so that
    pixels are not smeared twice when it is integrated over pixels again.

    Parameters
    ----------
    kernel : PSFKernel
        Images of odd size.

    Returns
    -------
    rad : MapAxis
        Offsets, two bins per pixel.
    profiles : numpy.ndarray
        Density in deg-2, shape ``(n_energy, n_rad)``.

    Raises
    ------
    ValueError
        If an image is not round: a pixel differs from the best round image by more than 5 % of the peak.
    """
    images = np.asarray(kernel.data, dtype="float64").reshape(-1, *kernel.data.shape[-2:])
    width, height = (float(s) for s in kernel.psf_kernel_map.geom.pixel_scales.deg)
    step = min(width, height) / BINS_PER_PIXEL
    radius = _sample_radii(images.shape[1:], (height, width))
    count = int(np.ceil(radius.max() / step))
    rad = MapAxis.from_bounds(0, count * step, nbin=count, node_type="edges", name="rad", unit="deg")
    design = _hats(radius, rad.center.value, width * height)
    profiles = np.array([scipy.optimize.nnls(design, image.ravel())[0] for image in images])
    misfit = np.abs(profiles @ design.T - images.reshape(len(images), -1)).max(axis=1)
    bad = misfit > TOLERANCE * images.reshape(len(images), -1).max(axis=1)
    if bad.any():
        raise ValueError(
            f"the PSF kernel of energy bin {int(np.argmax(bad))} is not round: a pixel differs by {misfit[bad][0]:.3g} "
            "from the best round profile; only round point spread functions can be used"
        )
    return rad, profiles


def _sample_radii(shape: tuple[int, int], scales: tuple[float, float]) -> np.ndarray:
    """Distances of the samples of every pixel from the central one, in deg, shape ``(n_pixels, n_samples)``."""
    inside = (np.arange(SAMPLES) + 0.5) / SAMPLES - 0.5
    y, x = ((np.arange(n)[:, None] - n // 2 + inside) * scale for n, scale in zip(shape, scales, strict=True))
    radius = np.hypot(y[:, None, :, None], x[None, :, None, :])
    return radius.reshape(shape[0] * shape[1], -1)


def _hats(radius: np.ndarray, centers: np.ndarray, area: float) -> np.ndarray:
    """Integral over each pixel of the linear interpolation with one at a centre and zero at the others."""
    design = np.zeros((len(radius), len(centers)))
    pix = np.clip((radius - centers[0]) / (centers[1] - centers[0]), 0, len(centers) - 1)
    lower = np.minimum(pix.astype(int), len(centers) - 2)
    fraction, rows = pix - lower, np.broadcast_to(np.arange(len(radius))[:, None], radius.shape)
    np.add.at(design, (rows, lower), 1 - fraction)
    np.add.at(design, (rows, lower + 1), fraction)
    return design * area / radius.shape[1]
