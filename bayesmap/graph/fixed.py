"""Sources whose position and shape are fixed: their images are folded once, only the spectrum stays symbolic."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor
from scipy.signal import fftconvolve

from bayesmap import units
from bayesmap._backend.functions import QUICK
from bayesmap.graph.arrays import FoldArrays, Selection, Values
from bayesmap.graph.blurred import blurred_source, is_blurred
from bayesmap.graph.pixel import SkyToPixel
from bayesmap.graph.psf.fft import kernel_half_width
from bayesmap.graph.psf.hankel import core_width
from bayesmap.graph.psf.profile import PSFProfile, convolution_kernels

__all__ = ["FixedSource", "fixed_source"]

_NARROW = 2.5  # widths of the PSF in pixels below which pixels are divided
_DIVIDED = 300_000  # pixels of the enlarged map, at most, that are


@dataclass(frozen=True, eq=False)
class FixedSource:
    """Response of all bins to the flux of a source of fixed shape.

    Attributes
    ----------
    model : SkyModel
        Gives the flux.
    first : numpy.ndarray
        First true energy that reaches each reconstructed energy, shape ``(n_reco,)``.
    band : numpy.ndarray
        Counts per unit flux, shape ``(n_reco, n_band, n_lat, n_lon)``.
    """

    model: Any
    first: np.ndarray
    band: np.ndarray

    def seen(self, values: Values) -> Any:
        """Share of the flux that is seen, if that depends on parameters: shape ``(n_true,)`` or one."""
        return 1.0

    def response(self, selection: Selection) -> tuple[np.ndarray, np.ndarray]:
        """Responses ``(n_bin, n_band)`` and first true energies ``(n_bin,)`` of selected bins."""
        n_reco, n_band = self.band.shape[:2]
        flat = self.band.reshape(n_reco, n_band, -1)
        pixel = selection.index % flat.shape[2]
        return np.ascontiguousarray(flat[selection.energy, :, pixel]), self.first[selection.energy]

    def total(self, weights: np.ndarray, n_true: int) -> np.ndarray:
        """Weighted total counts per unit flux, shape ``(n_true,)``; ``weights`` is a cube."""
        sums = np.einsum("ekyx,eyx->ek", self.band, weights)
        total = np.zeros(n_true)
        for start, row in zip(self.first, sums, strict=True):
            total[start : start + len(row)] += row
        return total


def fixed_source(
    arrays: FoldArrays, model: Any, profile: PSFProfile | None, edisp: np.ndarray, sky: SkyToPixel
) -> FixedSource:
    """Fold the image of a source with exposure, PSF and energy dispersion.

    The image is taken on the map enlarged by the reach of the PSF, so that flux from outside of the map is kept.

    Parameters
    ----------
    arrays : FoldArrays
        The dataset; must have an exposure.
    model : SkyModel
        Its spatial parameters are taken at their present values.
    profile : PSFProfile or None
        The PSF, one row per true energy (per reconstructed energy for a RecoPSFMap); none for a perfect instrument.
    edisp : numpy.ndarray
        Shape ``(n_reco, n_true)``.
    sky : SkyToPixel
        For the frame of its shape.
    """
    assert arrays.exposure is not None
    n_reco, n_true = edisp.shape
    first, n_band = band_of(edisp)
    band = np.zeros((n_reco, n_band, *arrays.mask.shape[1:]))
    if arrays.reco_psf:
        blur = _Blur(arrays, model, profile, divide=False)
        margin, image = blur.margin, blur.image
        exposure = np.pad(arrays.exposure, [(0, 0), (margin, margin), (margin, margin)], mode="edge")
        for e in range(n_reco):
            for k in range(n_band):
                j = first[e] + k
                if edisp[e, j]:
                    band[e, k] = edisp[e, j] * blur(image[min(j, len(image) - 1)] * exposure[j], e)
    else:
        seen = _seen(arrays, model, profile, edisp, sky) * arrays.exposure
        for e in range(n_reco):
            for k in range(n_band):
                band[e, k] = edisp[e, first[e] + k] * seen[first[e] + k]
    return FixedSource(model, first, band)


def _seen(arrays: FoldArrays, model: Any, profile: PSFProfile | None, edisp: np.ndarray, sky: SkyToPixel) -> np.ndarray:
    """Probability per pixel after the PSF, ``(n_true, n_lat, n_lon)``."""
    n_true = edisp.shape[1]
    if profile is None or not is_blurred(model.spatial_model):
        blur = _Blur(arrays, model, profile)
        return np.stack([blur(blur.image[min(j, len(blur.image) - 1)], j) for j in range(n_true)])
    source = blurred_source(arrays, model, model.spatial_model, sky, profile, edisp, reach=0.0)
    values = {p: p.internal for p in model.spatial_model.parameters}
    y0, x0, height, width = source.area
    images = pytensor.function([], source.everywhere(values), mode=QUICK)().reshape(n_true, height, width)
    seen = np.zeros((n_true, *arrays.mask.shape[1:]))
    (rows, own_rows), (columns, own_columns) = (
        (slice(max(start, 0), max(min(start + size, n), 0)), slice(max(-start, 0), max(min(size, n - start), 0)))
        for start, size, n in zip((y0, x0), (height, width), seen.shape[1:], strict=True)
    )
    seen[:, rows, columns] = images[:, own_rows, own_columns]
    return seen


class _Blur:
    """The image of a source on the map enlarged by the reach of the PSF, and its convolution with the PSF.

    Where the PSF is hardly wider than a pixel and the map not large, both are taken on pixels of half the size: edges
    inside of a pixel would be lost to the convolution otherwise.
    """

    def __init__(self, arrays: FoldArrays, model: Any, profile: PSFProfile | None, divide: bool = True) -> None:
        self.kernels, self.margin, self.fine = None, 0, 1
        scale = arrays.pixel_scale
        if profile is not None:
            self.margin = kernel_half_width(profile, scale, lost=1e-5)
            n_pixel = np.prod([n + 2 * self.margin for n in arrays.mask.shape[1:]])
            if divide and core_width(profile) < _NARROW * max(scale) and n_pixel <= _DIVIDED:
                self.fine = 2
            fine_scale = scale[0] / self.fine, scale[1] / self.fine
            self.kernels = convolution_kernels(profile, self.fine * self.margin, fine_scale)
        self.image = _image(arrays, model, self.margin, self.fine)

    def __call__(self, picture: np.ndarray, energy: int) -> np.ndarray:
        crop = (slice(self.margin * self.fine, -self.margin * self.fine or None),) * 2
        if self.kernels is None:
            return picture[crop]
        blurred: np.ndarray = fftconvolve(picture, self.kernels[energy], mode="same")[crop]
        n_y, n_x = (n // self.fine for n in blurred.shape)
        blurred = blurred.reshape(n_y, self.fine, n_x, self.fine).sum(axis=(1, 3))
        # FFT noise around zero must not become negative counts where the shape has none.
        return np.maximum(blurred, 0) if picture.min() >= 0 else blurred


def band_of(edisp: np.ndarray) -> tuple[np.ndarray, int]:
    """First non-zero true energy of each row, and a width that covers all rows."""
    used = edisp != 0
    n_true = edisp.shape[1]
    first = np.where(used.any(axis=1), used.argmax(axis=1), 0)
    last = np.where(used.any(axis=1), n_true - used[:, ::-1].argmax(axis=1), 1)
    width = int((last - first).max())
    return np.minimum(first, n_true - width), width


def _image(arrays: FoldArrays, model: Any, margin: int, fine: int) -> np.ndarray:
    """Fraction of the photons (or flux) per pixel of the enlarged map: ``(1 or n_true, n_lat, n_lon)``."""
    geom = arrays.geom.to_image()
    if margin:
        geom = geom.pad(margin)
    if fine > 1:
        geom = geom.upsample(fine)
    if getattr(model.spatial_model, "is_energy_dependent", False):
        geom = geom.to_cube([arrays.true_energy_axis])
    image = units.strip(model.spatial_model.integrate_geom(geom).quantity)
    return image.reshape(-1, *image.shape[-2:])
