"""An image with a mask and a variance for each pixel."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from types import EllipsisType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self
from urllib.parse import ParseResult

import astropy.units as u
from astropy.io import fits

from bayesmap._types import FileName
from bayesmap.images.generalized import GeneralizedImage, Metadata, checked_box
from bayesmap.images.geom import Box
from bayesmap.images.image import Image
from bayesmap.images.io.compression import FitsCompressionOptions
from bayesmap.images.io.legacy_file import read_legacy_image
from bayesmap.images.io.read import read_image
from bayesmap.images.io.tree import JSON
from bayesmap.images.io.tree_write import SEED, Archive, Dialect, image_to_tree
from bayesmap.images.io.write import write_image
from bayesmap.images.legacy import masked_image_to_legacy
from bayesmap.images.mask import Mask
from bayesmap.images.mask_schema import MaskPlane, MaskSchema
from bayesmap.images.projection import PixelFrame, Projection

if TYPE_CHECKING:
    from astropy.nddata import CCDData

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

    #: whether files hold what only coadds have
    _is_coadd: ClassVar[bool] = False

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
        #: compressed pixels of a file that are written as they were
        self._packed: Mapping[str, fits.BinTableHDU] = {}
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
        """Read the image from a FITS file of the package ``lsst-images``.

        Parameters
        ----------
        url : path or ``file:`` address
            A local file, in either dialect of the layout; of a coadd `MaskedImage` takes the three main planes.
        bbox : Box, optional
            Part to read instead of everything; only the tiles of pixels that it touches are read.

        Returns
        -------
        MaskedImage or CellCoadd
            Its arrays can be changed; the same as ``read_fits(url)[bbox]``.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        FormatError
            If the file is damaged, or lacks a part.
        IndexError
            If the box reaches beyond the image.
        """
        return read_image(cls, url, bbox, cls._is_coadd)

    @staticmethod
    def read_legacy(
        uri: FileName | ParseResult,
        *,
        preserve_quantization: bool = False,
        plane_map: Mapping[str, MaskPlane] | None = None,
        component: Literal["image", "mask", "variance"] | None = None,
        fits_wcs_frame: PixelFrame | None = None,
    ) -> "MaskedImage | Image | Mask":
        """Read a masked image that ``lsst.afw.image.MaskedImage.writeFits`` wrote.

        Parameters
        ----------
        uri : path or ``file:`` address
            A local file, whose second to fourth HDUs are image, mask and variance.
        preserve_quantization : bool
            Whether `write_fits` writes the compressed pixels of image and variance as they were. Their arrays cannot be
            changed then; a copy can, and is compressed anew.
        plane_map : dict of MaskPlane, optional
            New mask planes by their old names; by default all planes keep their names.
        component : {"image", "mask", "variance"}, optional
            Plane to read instead of everything.
        fits_wcs_frame : TractFrame or GeneralFrame, optional
            What the pixel coordinates belong to; without it no projection is read.

        Returns
        -------
        MaskedImage, Image or Mask
            Never a coadd, as such files have no PSF.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        FormatError
            If it is damaged, or another kind of file.
        RuntimeError
            If a mask plane that is not in ``plane_map`` is set somewhere.
        """
        return read_legacy_image(MaskedImage, uri, preserve_quantization, plane_map, component, fits_wcs_frame)

    def to_legacy(self, *, copy: bool | None = None, plane_map: Mapping[str, MaskPlane] | None = None) -> object:
        """Convert to an ``lsst.afw.image.MaskedImage``; needs that package of the LSST pipelines.

        Parameters
        ----------
        copy : bool, optional
            Whether image and variance are copied; by default only if they cannot be changed. The mask always is.
        plane_map : dict of MaskPlane, optional
            Mask planes by their old names; by default planes keep their names, and those of a coadd get the old ones of
            coadds.

        Returns
        -------
        ``lsst.afw.image.MaskedImage``
            The image.

        Raises
        ------
        ModuleNotFoundError
            Without the LSST pipelines.
        TypeError
            If ``copy`` is False and an array cannot be changed.
        ValueError
            If ``plane_map`` lacks a plane.
        """
        return masked_image_to_legacy(self, copy, plane_map)

    def write_fits(
        self,
        filename: FileName,
        *,
        image_compression: FitsCompressionOptions | None = FitsCompressionOptions.DEFAULT,
        mask_compression: FitsCompressionOptions | None = FitsCompressionOptions.DEFAULT,
        variance_compression: FitsCompressionOptions | None = FitsCompressionOptions.DEFAULT,
        compression_seed: int | None = None,
        schema: str | None = None,
    ) -> None:
        """Write the image to a FITS file that ``lsst-images`` reads.

        Parameters
        ----------
        filename : path
            A new local file.
        image_compression, mask_compression, variance_compression : FitsCompressionOptions, optional
            How the main planes are compressed; by default every digit is kept, and None leaves a plane uncompressed.
            What else a coadd has is always written with every digit.
        compression_seed : int, optional
            Seed, from 1 to 10000, of the first plane that is rounded without an own seed; each further one takes the
            next.
        schema : str, optional
            "1.0.0" writes what lsst-images 30.2026.4300 reads; by default what 30.2026.2000 reads.

        Raises
        ------
        FileExistsError
            If there is such a file.
        OSError
            If it cannot be written.
        RuntimeError
            If a plane is rounded and there is no seed.
        TypeError
            If metadata are of a type that cannot be written.
        ValueError
            If values that are rounded are infinite, or a unit, a name or the projection cannot be written.

        Notes
        -----
        Everything is checked before; the file gets its name when it is complete: nothing is left of one that failed.
        """
        compression = {"IMAGE": image_compression, "MASK": mask_compression, "VARIANCE": variance_compression}
        write_image(self, filename, compression, compression_seed, schema)

    def to_nddata(self, *, mask_planes: Iterable[str] = ("NO_DATA",)) -> "CCDData":
        """Convert to Astropy's image with uncertainty and mask, sharing pixels.

        Parameters
        ----------
        mask_planes : iterable of str
            Planes any of which hides a pixel in the mask of the result; others are lost.

        Returns
        -------
        `~astropy.nddata.CCDData`
            With a `~astropy.nddata.VarianceUncertainty`, and the WCS of the pixel array if there is a projection.

        Raises
        ------
        KeyError
            If there is no such plane.
        """
        from bayesmap.images.nddata import to_nddata

        return to_nddata(self, mask_planes)

    @staticmethod
    def from_nddata(
        data: "CCDData", *, start: Sequence[int] = (0, 0), frame: PixelFrame | None = None
    ) -> "MaskedImage":
        """Make a masked image from Astropy's image with uncertainty and mask.

        Parameters
        ----------
        data : `~astropy.nddata.CCDData`
            Image with two axes and an uncertainty of any kind that has a variance.
        start : pair of int
            First row and column in absolute coordinates.
        frame : TractFrame or GeneralFrame, optional
            What these belong to.

        Returns
        -------
        MaskedImage
            With one mask plane, "MASKED"; it shares its pixels with ``data``.

        Raises
        ------
        ValueError
            If there is no uncertainty.
        """
        from bayesmap.images.nddata import from_nddata

        return from_nddata(MaskedImage, data, start, frame)

    def serialize(self, archive: Archive) -> dict[str, JSON]:
        """Describe the image as a tree that can be written as JSON.

        Parameters
        ----------
        archive : object
            Takes arrays and tables: ``add_array(name, array, header)`` returns a reference to put in the tree, and
            ``add_table(name, table)`` one for each column.

        Returns
        -------
        dict
            The tree in the layout of lsst-images 30.2026.2000.
        """
        return self._tree(archive, SEED)

    def copy(self) -> Self:
        """An independent copy of pixels and metadata."""
        planes = {"image": self.image.copy(), "mask": self.mask.copy(), "variance": self.variance.copy()}
        return self._with(**planes, metadata=deepcopy(self.metadata))

    def _tree(self, archive: Archive, dialect: Dialect) -> dict[str, JSON]:
        """Tree in a dialect; its arrays and tables go to the archive."""
        return image_to_tree(self, archive, dialect)

    def _cell_shape(self) -> tuple[int, ...]:
        """Rows and columns of a cell; empty if there are no cells."""
        return ()

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
