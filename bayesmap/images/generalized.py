"""What all images share: a box of pixels, slices of it, a projection, metadata."""

import abc
from collections.abc import Callable, Sequence
from copy import deepcopy
from types import EllipsisType
from typing import Any, ClassVar, Self

import numpy as np
from astropy.wcs import WCS

from bayesmap.images.geom import Box, BoxSlices
from bayesmap.images.projection import PixelFrame, Projection, ProjectionView

__all__ = ["GeneralizedImage", "Metadata", "Plane", "SubImages"]

#: what may be noted with an image: it can be written as JSON
type Metadata = dict[str, str | int | float | bool | None]


class SubImages[T]:
    """Cuts sub-images from slices: ``image.absolute[y0:y1, x0:x1]``.

    Parameters
    ----------
    boxes : BoxSlices
        Makes the box from the slices.
    cut : callable
        Function of a box that returns the sub-image.
    """

    def __init__(self, boxes: BoxSlices, cut: Callable[[Box], T]) -> None:
        self._boxes, self._cut = boxes, cut

    def __getitem__(self, key: tuple[slice, slice]) -> T:
        return self._cut(self._boxes[key])


class GeneralizedImage(abc.ABC):
    """Base of images, masks and what combines them."""

    def __init__(self, metadata: Metadata | None = None) -> None:
        self.metadata: Metadata = {} if metadata is None else metadata

    @property
    @abc.abstractmethod
    def bbox(self) -> Box:
        """Pixels that it covers, in absolute coordinates."""

    @property
    @abc.abstractmethod
    def projection(self) -> Projection[PixelFrame] | None:
        """What maps absolute pixel coordinates to the sky, if that is known."""

    @abc.abstractmethod
    def __getitem__(self, bbox: Box | EllipsisType) -> Self:
        """Sub-image that shares its pixels with this one."""

    @abc.abstractmethod
    def copy(self) -> Self:
        """An independent copy of pixels and metadata."""

    @property
    def absolute(self) -> SubImages[Self]:
        """Sub-images by absolute coordinates: ``image.absolute[y0:y1, x0:x1]``.

        The first row and column are those of ``bbox.start``; open ends are those of the image, and negative numbers are
        coordinates. A sub-image has the coordinates of its parent.
        """
        return SubImages(self.bbox.absolute, self.__getitem__)

    @property
    def local(self) -> SubImages[Self]:
        """Sub-images by array indices: ``image.local[i0:i1, j0:j1]``.

        The first row and column are (0, 0), as in the array and for Astropy's WCS; negative numbers count from the end.
        """
        return SubImages(self.bbox.local, self.__getitem__)

    @property
    def fits_wcs(self) -> WCS | None:
        """WCS of the pixel array, with (0, 0) as its first pixel; None without projection."""
        return None if self.projection is None else self.projection.as_fits_wcs(self.bbox)

    @property
    def astropy_wcs(self) -> ProjectionView | None:
        """The same through Astropy's common interface of WCS (APE 14); None without projection."""
        return None if self.projection is None else self.projection.as_astropy(self.bbox)

    @property
    def obs_info(self) -> None:
        """General information about an observation: None, as coadds combine many."""
        return None

    @property
    def butler_dataset(self) -> None:
        """Reference of the dataset in a data butler: None, as files are read without one."""
        return None

    @property
    def butler_provenance(self) -> None:
        """Inputs and task in a data butler: None, as files are read without one."""
        return None


class Plane(GeneralizedImage):
    """Base of images and masks: an array whose first two axes are y and x, and where it lies.

    A subclass names in ``own`` the attributes that its constructor takes besides.

    Parameters
    ----------
    array : array
        Pixels, shape ``(ny, nx, ...)``; they are not copied.
    bbox : Box, optional
        Pixels that the array covers.
    start : pair of int, optional
        Instead of the box: first row and column, ``(y, x)``; (0, 0) by default.
    projection : Projection, optional
        Maps absolute pixel coordinates to the sky.
    metadata : dict, optional
        Notes of any kind; shared with sub-images.

    Raises
    ------
    ValueError
        If array and box have different shapes.
    """

    own: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        array: np.ndarray,
        bbox: Box | None,
        start: Sequence[int] | None,
        projection: Projection[PixelFrame] | None,
        metadata: Metadata | None,
    ) -> None:
        super().__init__(metadata)
        self._array, self._projection = array, projection
        self._bbox = box_of_array(array.shape, bbox, start)

    @property
    def bbox(self) -> Box:
        """Pixels that it covers, in absolute coordinates."""
        return self._bbox

    @property
    def projection(self) -> Projection[PixelFrame] | None:
        """What maps absolute pixel coordinates to the sky, if that is known."""
        return self._projection

    def __getitem__(self, bbox: Box | EllipsisType) -> Self:
        """A part that shares its pixels with the whole."""
        bbox = checked_box(bbox, self.bbox)
        return self._like(self._array[bbox.slice_within(self.bbox)], bbox=bbox)

    def copy(self) -> Self:
        """An independent copy of pixels and metadata."""
        return self._like(self._array.copy(), metadata=deepcopy(self.metadata))

    def _like(self, array: np.ndarray, **changes: Any) -> Self:
        """Other pixels, and what is given; the rest stays. An ellipsis gives nothing, ``start`` moves the box."""
        same = {name: getattr(self, name) for name in ("bbox", "projection", "metadata", *self.own)}
        changes = {key: value for key, value in changes.items() if value is not ...}
        if "start" in changes:
            changes["bbox"] = Box.from_shape(self.bbox.shape, changes.pop("start"))
        return type(self)(array, **(same | changes))

    def _part_for(self, bbox: Box | EllipsisType, other: "Plane", what: str) -> Self:
        """The part of a box, into which another of the same box is to be put."""
        bbox = checked_box(bbox, self.bbox)
        if other.bbox != bbox:
            raise ValueError(f"the {what} to take pixels from has the box {other.bbox}, not {bbox}")
        return self[bbox]


def checked_box(bbox: Box | EllipsisType, whole: Box) -> Box:
    """The box of a sub-image.

    Raises
    ------
    TypeError
        If it is not a box.
    IndexError
        If it reaches beyond the image.
    """
    if bbox is ...:
        return whole
    if not isinstance(bbox, Box):
        raise TypeError(f"an image is cut by a Box, or by slices of .local[y, x] or .absolute[y, x]; got {bbox!r}")
    if not whole.contains(bbox):
        raise IndexError(f"the box {bbox} is not inside of that of the image, {whole}")
    return bbox


def box_of_array(shape: tuple[int, ...], bbox: Box | None, start: Sequence[int] | None) -> Box:
    """Box of an array whose first two axes are y and x.

    Raises
    ------
    ValueError
        If the array has another shape than the box, or no pixels.
    """
    if len(shape) < 2 or 0 in shape:
        raise ValueError(f"an image needs rows and columns of pixels, got an array of shape {shape}")
    if bbox is None:
        return Box.from_shape(shape[:2], start)
    if tuple(bbox.shape) != shape[:2]:
        raise ValueError(f"the array has shape {shape}, the box {bbox} has {tuple(bbox.shape)}")
    if start is not None and bbox.start != Box.from_shape(shape[:2], start).start:
        raise ValueError(f"start is {tuple(start)}, the box {bbox} starts at {tuple(bbox.start)}")
    return bbox


def shape_to_fill(bbox: Box | None, shape: Sequence[int] | None) -> tuple[int, ...]:
    """Shape of an image that one value fills."""
    if bbox is not None:
        if shape is not None and tuple(shape) != tuple(bbox.shape):
            raise ValueError(f"shape is {tuple(shape)}, the box {bbox} has {tuple(bbox.shape)}")
        return tuple(bbox.shape)
    if shape is None:
        raise TypeError("an image filled with one value needs a bbox or a shape")
    return tuple(shape)
