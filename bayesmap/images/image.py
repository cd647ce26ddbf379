"""One plane of pixels with a unit and a projection."""

from collections.abc import Sequence
from types import EllipsisType
from typing import Self

import astropy.units as u
import numpy as np
from numpy.typing import DTypeLike

from bayesmap.images.generalized import Metadata, Plane, shape_to_fill
from bayesmap.images.geom import Box
from bayesmap.images.projection import PixelFrame, Projection

__all__ = ["Image"]


class Image(Plane):
    """An image of numbers.

    Parameters
    ----------
    array_or_fill : array, Quantity or float
        Pixel values, shape ``(ny, nx)``; they are not copied. A number fills a box or a shape.
    bbox : Box, optional
        Pixels that the array covers.
    start : pair of int, optional
        Instead of the box: first row and column, ``(y, x)``; (0, 0) by default.
    shape : pair of int, optional
        Instead of the box, for a number: rows and columns.
    dtype : data type, optional
        Type of the values; that of the array by default.
    unit : `~astropy.units.Unit`, optional
        Unit of the values.
    projection : Projection, optional
        Maps absolute pixel coordinates to the sky.
    metadata : dict, optional
        Notes of any kind; shared with sub-images.

    Raises
    ------
    ValueError
        If array and box have different shapes, or the array has not two axes.
    TypeError
        If a number is given without box or shape.

    Examples
    --------
    >>> image = Image(0.0, bbox=Box.factory[10:14, 20:26], unit="nJy", dtype="float32")
    >>> part = image.absolute[11:13, 22:]
    >>> part.array[...] = 5  # a view: the image changes too
    >>> float(image.array.sum()), part.bbox
    (40.0, Box(y=Interval(start=11, stop=13), x=Interval(start=22, stop=26)))
    """

    own = ("unit",)

    def __init__(
        self,
        array_or_fill: np.ndarray | float = 0,
        /,
        *,
        bbox: Box | None = None,
        start: Sequence[int] | None = None,
        shape: Sequence[int] | None = None,
        dtype: DTypeLike | None = None,
        unit: u.UnitBase | str | None = None,
        projection: Projection[PixelFrame] | None = None,
        metadata: Metadata | None = None,
    ) -> None:
        unit = None if unit is None else u.Unit(unit)
        if isinstance(array_or_fill, u.Quantity):
            unit = array_or_fill.unit if unit is None else unit
            array_or_fill = array_or_fill.to_value(unit)
        array = np.asarray(array_or_fill, dtype=dtype)
        if array.ndim == 0:
            array = np.full(shape_to_fill(bbox, shape), array)
        elif array.ndim != 2 or (shape is not None and tuple(shape) != array.shape):
            wanted = "two axes, y and x" if shape is None else f"the shape {tuple(shape)}"
            raise ValueError(f"the array of an image has {wanted}; got one of shape {array.shape}")
        super().__init__(array, bbox, start, projection, metadata)
        self._unit = unit

    def __repr__(self) -> str:
        return f"Image({self.bbox}, dtype={self._array.dtype}, unit={self.unit})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Image):
            return NotImplemented
        same = self.bbox == other.bbox and self.unit == other.unit
        return same and np.array_equal(self._array, other._array, equal_nan=self._array.dtype.kind == "f")

    __hash__ = None  # type: ignore[assignment]

    def __setitem__(self, bbox: Box | EllipsisType, other: "Image") -> None:
        """Take the pixels of a box from another image with the same box, converted to the own unit."""
        self._part_for(bbox, other, "image").array = other.values_in(self.unit)

    @property
    def array(self) -> np.ndarray:
        """Pixel values, shape ``(ny, nx)``, in `unit`; assignment changes them in place."""
        return self._array

    @array.setter
    def array(self, values: np.ndarray | float) -> None:
        self._array[...] = values

    @property
    def quantity(self) -> u.Quantity:
        """Pixel values with their unit (or dimensionless), sharing memory; assignment converts units."""
        return u.Quantity(self._array, self.unit or u.dimensionless_unscaled, copy=False)

    @quantity.setter
    def quantity(self, values: u.Quantity) -> None:
        self._array[...] = values.to_value(self.unit or u.dimensionless_unscaled)

    @property
    def unit(self) -> u.UnitBase | None:
        """Unit of the values, if they have one."""
        return self._unit

    def values_in(self, unit: u.UnitBase | None) -> np.ndarray:
        """Pixel values in another unit, shape ``(ny, nx)``.

        Raises
        ------
        `~astropy.units.UnitConversionError`
            If the units have different dimensions, or only one of them is a unit.
        """
        if self.unit == unit:
            return self._array
        if self.unit is None or unit is None:
            raise u.UnitConversionError(f"values in {self.unit or 'no unit'} cannot be given in {unit or 'no unit'}")
        return self._array * self.unit.to(unit)

    def view(
        self,
        *,
        unit: u.UnitBase | str | None | EllipsisType = ...,
        projection: Projection[PixelFrame] | None | EllipsisType = ...,
        start: Sequence[int] | EllipsisType = ...,
    ) -> Self:
        """The same pixels with another unit, projection or first pixel.

        Parameters
        ----------
        unit : unit or None, optional
            Replaces the unit; the values stay as they are.
        projection : Projection or None, optional
            Replaces the projection.
        start : pair of int, optional
            Replaces the first row and column.
        """
        return self._like(self._array, unit=unit, projection=projection, start=start)
