"""Sources whose position and shape are fixed: their images are folded once, only the spectrum stays symbolic."""

from functools import cached_property
from typing import Any

import numpy as np

from bayesmap import units
from bayesmap._backend.program import number
from bayesmap._types import Tensor
from bayesmap.graph.arrays import FoldArrays, Selection, Values
from bayesmap.graph.data import Bins, Weights
from bayesmap.graph.ops.banded import banded
from bayesmap.graph.ops.convolve import convolved
from bayesmap.graph.pixel import SkyToPixel
from bayesmap.graph.psf.fft import kernel_half_width
from bayesmap.graph.psf.hankel import core_width
from bayesmap.graph.psf.profile import PSFProfile, convolution_kernels
from bayesmap.graph.response import LocalResponse
from bayesmap.graph.terms.base import Term
from bayesmap.graph.terms.blurred import blurred_source, is_blurred

__all__ = ["FixedTerm", "fixed_term"]

_NARROW = 2.5  # widths of the PSF in pixels below which pixels are divided
_DIVIDED = 300_000  # pixels of the enlarged map, at most, that are


class FixedTerm(Term):
    """Response of all bins to the flux of a source of fixed shape.

    Parameters
    ----------
    model : SkyModel
        Gives the flux.
    place : LocalResponse
        The response at the source.
    image : numpy.ndarray
        Counts per unit flux without the energy dispersion, ``(n_node, n, n_true, n_lat, n_lon)``: for each node of the
        PSF (or one, if it does not matter which), and for each reconstructed energy, or one where all see the same.
    """

    def __init__(self, model: Any, place: LocalResponse, image: np.ndarray) -> None:
        self.models, self.arrays, self.place, self.image = (model,), place.arrays, place, image

    def seen(self, values: Values) -> Tensor:
        """Share of the flux that is seen, if that depends on parameters: shape ``(n_true,)`` or one."""
        return 1.0

    def flux(self, values: Values) -> Tensor:
        """Flux that is seen, ``(n_true,)``."""
        return self.place.response.flux(self.models[0], values) * self.seen(values)

    def both(self, values: Values, bins: Bins, weights: Weights | None = None) -> tuple[Any, Any]:
        """Counts in all bins, and their total; see `Term.both`."""
        flux = self.flux(values)
        if self._is_folded:
            counts = banded(flux, *bins.of(self._responses))
            return counts, None if weights is None else (weights.of(self._folded_sums) * flux).sum()
        spread = self.place.dispersion(values) * flux
        counts = (self._mixed(bins.of(self._selected), values) * spread[bins.energy]).sum(axis=1)
        return counts, None if weights is None else (self._mixed(weights.of(self._sums), values) * spread).sum()

    def _mixed(self, table: Tensor, values: Values) -> Tensor:
        nodes = self.place.nodes
        return table[0] if len(self.image) == 1 or nodes is None else nodes.mix(table, values)

    @property
    def _is_folded(self) -> bool:
        """Whether no parameter changes the response."""
        return len(self.image) == 1 and not self.place.dispersion_is_free

    @cached_property
    def _columns(self) -> np.ndarray:
        """True energies that reach each reconstructed energy, ``(n_reco, n_band)``."""
        first, n_band = band_of(self.place.matrix)
        columns: np.ndarray = first[:, None] + np.arange(n_band)
        return columns

    def _responses(self, selection: Selection) -> tuple[np.ndarray, np.ndarray]:
        """Responses ``(n_bin, n_band)`` and first true energies ``(n_bin,)`` of selected bins."""
        band, columns = np.take_along_axis(self.place.matrix, self._columns, axis=1), self._columns[selection.energy]
        image = self._flat[0][self._row(selection)[:, None], columns, selection.pixel[:, None]]
        return band[selection.energy] * image, columns[:, 0].copy()

    def _selected(self, selection: Selection) -> np.ndarray:
        """Counts per unit flux of selected bins, ``(n_node, n_bin, n_true)``."""
        selected: np.ndarray = self._flat[:, self._row(selection), :, selection.pixel].transpose(1, 0, 2)
        return np.ascontiguousarray(selected)

    @property
    def _flat(self) -> np.ndarray:
        return self.image.reshape(*self.image.shape[:3], -1)

    def _row(self, selection: Selection) -> np.ndarray:
        """Which of the images of a node each bin sees."""
        return selection.energy if self.image.shape[1] > 1 else np.zeros_like(selection.energy)

    def _sums(self, weights: np.ndarray) -> np.ndarray:
        """Weighted counts per unit flux, ``(n_node, n_reco, n_true)``."""
        flat, weights = self._flat, weights.reshape(len(weights), -1)
        if flat.shape[1] == 1:
            return np.ascontiguousarray((flat[:, 0] @ weights.T).transpose(0, 2, 1))
        sums: np.ndarray = (flat @ weights[None, :, :, None])[..., 0]
        return sums

    def _folded_sums(self, weights: np.ndarray) -> np.ndarray:
        """Weighted counts per unit flux, ``(n_true,)``."""
        total: np.ndarray = (self.place.matrix * self._sums(weights)[0]).sum(axis=0)
        return total


def fixed_term(model: Any, place: LocalResponse, sky: SkyToPixel) -> FixedTerm:
    """Fold the image of a source with exposure and PSF.

    The image is taken on the map enlarged by the reach of the PSF, so that flux from outside of the map is kept.

    Parameters
    ----------
    model : SkyModel
        Its spatial parameters are taken at their present values.
    place : LocalResponse
        The response; the dataset must have an exposure.
    sky : SkyToPixel
        For the frame of its shape.
    """
    arrays = place.arrays
    assert arrays.exposure is not None
    if not arrays.reco_psf:
        image = place.by_node(_seen(model, place, sky)) * arrays.exposure
        return FixedTerm(model, place, image[:, None])
    blur = _Blur(arrays, model, place.profile, divide=False)
    exposure = np.pad(arrays.exposure, [(0, 0), (blur.margin, blur.margin), (blur.margin, blur.margin)], mode="edge")
    n_reco, n_true = len(arrays.energy), len(exposure)
    used = np.ones((n_reco, n_true), dtype=bool) if place.dispersion_is_free else place.matrix != 0
    image = np.zeros((place.n_node * n_reco, n_true, *arrays.mask.shape[1:]))
    for row in range(len(image)):
        for j in map(int, np.flatnonzero(used[row % n_reco])):
            image[row, j] = blur(blur.image[min(j, len(blur.image) - 1)] * exposure[j], row)
    return FixedTerm(model, place, place.by_node(image))


def _seen(model: Any, place: LocalResponse, sky: SkyToPixel) -> np.ndarray:
    """Probability per pixel after the PSF, ``(n_node * n_true, n_lat, n_lon)``."""
    arrays, n_true = place.arrays, place.n_energy
    place = place.unmixed()
    if place.profile is None or not is_blurred(model.spatial_model):
        blur = _Blur(arrays, model, place.profile)
        return np.stack([blur(blur.image[min(i % n_true, len(blur.image) - 1)], i) for i in range(place.n_energy)])
    source = blurred_source(model, model.spatial_model, sky, place, reach=0.0)
    values = {p: p.internal for p in model.spatial_model.parameters}
    y0, x0, height, width = source.area
    images = number(source.everywhere(values)).reshape(-1, height, width)
    seen = np.zeros((len(images), *arrays.mask.shape[1:]))
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
        blurred: np.ndarray = convolved(picture, self.kernels[energy])[crop]
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
