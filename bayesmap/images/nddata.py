"""Masked images as Astropy's `~astropy.nddata.CCDData`, and back."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData, VarianceUncertainty
from astropy.wcs import WCS

from bayesmap.images.geom import Box
from bayesmap.images.image import Image
from bayesmap.images.mask import Mask
from bayesmap.images.mask_schema import MaskPlane, MaskSchema
from bayesmap.images.projection import GeneralFrame, PixelFrame, Projection

if TYPE_CHECKING:
    from bayesmap.images.masked_image import MaskedImage

__all__ = ["from_nddata", "to_nddata"]

#: plane of the mask of an image that has one only
MASKED = MaskPlane("MASKED", "The pixel is not to be used.")


def to_nddata(image: "MaskedImage", mask_planes: Iterable[str]) -> CCDData:
    """Convert a masked image; see `MaskedImage.to_nddata`."""
    bits = image.mask.schema.bitmask(*mask_planes)
    variance = image.variance.values_in(None if image.unit is None else image.unit**2)
    return CCDData(
        image.image.array,
        uncertainty=VarianceUncertainty(variance),
        mask=(image.mask.array & bits).any(axis=-1),
        wcs=image.fits_wcs,
        meta=dict(image.metadata),
        unit=image.unit or u.dimensionless_unscaled,
    )


def from_nddata(
    cls: type["MaskedImage"], data: CCDData, start: Sequence[int], frame: PixelFrame | None
) -> "MaskedImage":
    """Make a masked image; see `MaskedImage.from_nddata`."""
    if data.uncertainty is None:
        raise ValueError("the data have no uncertainty; a masked image needs the variance of each pixel")
    array = np.asarray(data.data)
    bbox = Box.from_shape(array.shape, start)
    wcs = data.wcs if isinstance(data.wcs, WCS) and data.wcs.has_celestial else None
    projection = None
    if wcs is not None:
        pixels = GeneralFrame() if frame is None else frame
        projection = Projection.from_fits_wcs(wcs, pixels, x0=bbox.x.start, y0=bbox.y.start)
    mask = Mask(schema=MaskSchema([MASKED]), bbox=bbox)
    if data.mask is not None:
        mask.set(MASKED.name, np.broadcast_to(np.asarray(data.mask, dtype=bool), array.shape))
    uncertainty = data.uncertainty.represent_as(VarianceUncertainty)
    unit = data.unit or u.dimensionless_unscaled
    variance = uncertainty.array * (1.0 if uncertainty.unit is None else uncertainty.unit.to(unit**2))
    plain = {key: value for key, value in data.meta.items() if isinstance(value, str | int | float | bool | None)}
    return cls(
        Image(array, bbox=bbox, unit=unit),
        mask=mask,
        variance=Image(variance, bbox=bbox, unit=unit**2),
        projection=projection,
        metadata=plain,
    )
