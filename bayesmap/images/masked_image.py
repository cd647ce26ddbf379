"""An image with a mask and a variance for each pixel."""

from collections.abc import Mapping
from copy import deepcopy
from types import EllipsisType
from typing import Any, Self
from urllib.parse import ParseResult

import astropy.units as u
from astropy.io import fits

from bayesmap._types import FileName
from bayesmap.images.generalized import GeneralizedImage, Metadata, checked_box
from bayesmap.images.geom import Box
from bayesmap.images.image import Image
from bayesmap.images.io.read import read_image
from bayesmap.images.mask import Mask
from bayesmap.images.mask_schema import MaskSchema
from bayesmap.images.projection import PixelFrame, Projection

__all__ = ["MaskedImage"]


class MaskedImage(GeneralizedImage):
    """An image, its mask and its variance.

    Parameters
    ----------
    image : Image
        The main plane; its projection is that of all planes, unless there is another one.
    mask : Mask, optional
        Notes about pixels, with the same box.
    variance : Image, optional
        Variance of each pixel, with the same box, in the square of the unit of ``image``; 1 by default.
    mask_schema : MaskSchema, optional
        Instead of a mask: the planes of one in which nothing is set.
    projection : Projection, optional
        Maps absolute pixel coordinates to the sky, for all planes.
    metadata : dict, optional
        Notes of any kind; shared with sub-images.

    Raises
    ------
    TypeError
        Unless either a mask or a schema is given.
    ValueError
        If boxes differ, or the unit of the variance is not the square of that of the image.

    Notes
    -----
    Planes share their pixels with the images that they were made from.
    """

    def __init__(
        self,
        image: Image,
        *,
        mask: Mask | None = None,
        variance: Image | None = None,
        mask_schema: MaskSchema | None = None,
        projection: Projection[Any] | None = None,
        metadata: Metadata | None = None,
    ) -> None:
        super().__init__(metadata)
        projection = image.projection if projection is None else projection
        #: cards of a file that mean nothing here, by the name of their HDU
        self._cards: Mapping[str, fits.Header] = {}
        self._image = image.view(projection=projection)
        self._mask = _mask_of(image.bbox, mask, mask_schema).view(projection=projection)
        self._variance = _variance_of(image, variance).view(projection=projection)

    def __str__(self) -> str:
        return f"{type(self).__name__}({self.bbox})"

    __repr__ = __str__

    def __getitem__(self, bbox: Box | EllipsisType) -> Self:
        """Sub-image that shares its pixels and metadata with this one."""
        bbox = checked_box(bbox, self.bbox)
        return self._with(image=self.image[bbox], mask=self.mask[bbox], variance=self.variance[bbox])

    def __setitem__(self, bbox: Box | EllipsisType, other: "MaskedImage") -> None:
        """Take image, mask and variance of a box from another image with that box; units are converted."""
        values = other.variance.values_in(self.variance.unit)
        self.image[bbox] = other.image
        self.mask[bbox] = other.mask
        self.variance[bbox].array[...] = values

    @property
    def image(self) -> Image:
        """The main plane."""
        return self._image

    @property
    def mask(self) -> Mask:
        """Notes about pixels."""
        return self._mask

    @property
    def variance(self) -> Image:
        """Variance of each pixel."""
        return self._variance

    @property
    def bbox(self) -> Box:
        """Pixels that all planes cover, in absolute coordinates."""
        return self._image.bbox

    @property
    def unit(self) -> u.UnitBase | None:
        """Unit of the main plane, if it has one."""
        return self._image.unit

    @property
    def projection(self) -> Projection[PixelFrame] | None:
        """What maps absolute pixel coordinates to the sky, if that is known."""
        return self._image.projection

    @classmethod
    def read_fits(cls, url: FileName | ParseResult, *, bbox: Box | None = None) -> Self:
        """Read a masked image from a FITS file of the package ``lsst-images``; of a coadd its three main planes.

        Parameters
        ----------
        url : path or ``file:`` address
            A local file; both dialects of the layout are read.
        bbox : Box, optional
            Part to read instead of everything; only the tiles of pixels that it touches are read.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        FormatError
            If the file is damaged or holds no masked image.
        IndexError
            If the box reaches beyond the image.
        """
        return read_image(cls, url, bbox, is_coadd=False)

    def copy(self) -> Self:
        """An independent copy of pixels and metadata."""
        planes = {"image": self.image.copy(), "mask": self.mask.copy(), "variance": self.variance.copy()}
        return self._with(**planes, metadata=deepcopy(self.metadata))

    def _with(self, **changes: Any) -> Self:
        """One like this with other parts."""
        made = type(self)(**(self._parts() | changes))
        made._cards = self._cards
        return made

    def _parts(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {"image": self.image, "mask": self.mask, "variance": self.variance, "metadata": self.metadata}


def _mask_of(bbox: Box, mask: Mask | None, schema: MaskSchema | None) -> Mask:
    if mask is None:
        if schema is None:
            raise TypeError("a masked image needs a mask, or the schema of one")
        return Mask(schema=schema, bbox=bbox)
    if schema is not None:
        raise TypeError("a masked image takes a mask or the schema of one, got both")
    if mask.bbox != bbox:
        raise ValueError(f"the mask has the box {mask.bbox}, the image {bbox}; they must be equal")
    return mask


def _variance_of(image: Image, variance: Image | None) -> Image:
    unit = None if image.unit is None else image.unit**2
    if variance is None:
        return Image(1.0, bbox=image.bbox, dtype="float32", unit=unit)
    if variance.bbox != image.bbox:
        raise ValueError(f"the variance has the box {variance.bbox}, the image {image.bbox}; they must be equal")
    if variance.unit is None:
        return variance.view(unit=unit)
    if variance.unit != unit:
        raise ValueError(
            f"the variance is in {variance.unit}, the image in {image.unit or 'no unit'}; "
            f"right is {unit or 'no unit'}, the square"
        )
    return variance
