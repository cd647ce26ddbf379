"""Masks with named planes: any number of them in the bits of a few integers per pixel."""

from collections.abc import Sequence
from types import EllipsisType
from typing import Self

import numpy as np

from bayesmap._util import suggest
from bayesmap.errors import NoOverlapError
from bayesmap.images.generalized import Metadata, Plane, shape_to_fill
from bayesmap.images.geom import Box
from bayesmap.images.mask_schema import MaskSchema
from bayesmap.images.projection import PixelFrame, Projection

__all__ = ["Mask"]


class Mask(Plane):
    """For each pixel and plane, whether its bit is set.

    Parameters
    ----------
    array_or_fill : array or int
        Bits, shape ``(ny, nx, mask_size)``; they are not copied. A number fills a box or a shape.
    schema : MaskSchema
        Which plane has which bit.
    bbox : Box, optional
        Pixels that it covers.
    start, shape : pair of int, optional
        Instead of the box, as for `Image`.
    projection : Projection, optional
        Maps absolute pixel coordinates to the sky.
    metadata : dict, optional
        Notes of any kind; shared with sub-images.

    Raises
    ------
    ValueError
        If array, box and schema do not fit together.
    TypeError
        If a number is given without box or shape, or the array has another data type than the schema.

    Examples
    --------
    >>> from bayesmap.images import MaskPlane
    >>> mask = Mask(schema=MaskSchema([MaskPlane("BAD", "Bad column.")]), shape=(2, 3))
    >>> mask.local[:, 1:2].set("BAD")
    >>> mask.get("BAD").tolist()
    [[False, True, False], [False, True, False]]
    """

    own = ("schema",)

    def __init__(
        self,
        array_or_fill: np.ndarray | int = 0,
        /,
        *,
        schema: MaskSchema,
        bbox: Box | None = None,
        start: Sequence[int] | None = None,
        shape: Sequence[int] | None = None,
        projection: Projection[PixelFrame] | None = None,
        metadata: Metadata | None = None,
    ) -> None:
        array = np.asarray(array_or_fill)
        if array.ndim == 0:
            filled = (*shape_to_fill(bbox, None if shape is None else shape[:2]), schema.mask_size)
            array = np.full(filled, array, dtype=schema.dtype)
        if array.dtype != schema.dtype:
            raise TypeError(f"the schema of the mask has data type {schema.dtype}, the array has {array.dtype}")
        if array.ndim != 3 or array.shape[2] != schema.mask_size:
            raise ValueError(f"the array of a mask has shape (ny, nx, {schema.mask_size}), got {array.shape}")
        super().__init__(array, bbox, start, projection, metadata)
        self._schema = schema

    def __repr__(self) -> str:
        return f"Mask({self.bbox}, {list(self.schema.names)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        same = self.bbox == other.bbox and self.schema == other.schema
        return same and np.array_equal(self._array, other._array)

    __hash__ = None  # type: ignore[assignment]

    def __setitem__(self, bbox: Box | EllipsisType, other: "Mask") -> None:
        """Take the planes that both have, inside of a box, from another mask with that box; others are cleared."""
        part = self._part_for(bbox, other, "mask")
        if unknown := [name for name in other.schema.names if name not in self.schema.names and other.get(name).any()]:
            raise KeyError(
                f"mask planes {unknown} are set and not in the schema{suggest(unknown[0], self.schema.names)}"
            )
        if other.schema == self.schema:
            part._array[...] = other.array
            return
        part.clear()
        part.update(other)

    @property
    def array(self) -> np.ndarray:
        """Bits, shape ``(ny, nx, mask_size)``; assignment changes them in place."""
        return self._array

    @array.setter
    def array(self, values: np.ndarray | int) -> None:
        self._array[...] = values

    @property
    def schema(self) -> MaskSchema:
        """Which plane has which bit."""
        return self._schema

    def get(self, plane: str) -> np.ndarray:
        """Pixels where a plane is set, a boolean array of shape ``(ny, nx)``.

        Raises
        ------
        KeyError
            If there is no such plane.
        """
        bit = self.schema.bit(plane)
        return (self._array[:, :, bit.index] & bit.mask) != 0

    def set(self, plane: str, boolean_mask: np.ndarray | EllipsisType = ...) -> None:
        """Set a plane where an array of shape ``(ny, nx)`` is true, everywhere by default; nothing is cleared.

        Raises
        ------
        KeyError
            If there is no such plane.
        """
        bit = self.schema.bit(plane)
        self._array[:, :, bit.index][self._where(boolean_mask)] |= bit.mask

    def clear(self, plane: str | None = None, boolean_mask: np.ndarray | EllipsisType = ...) -> None:
        """Clear a plane, or all, where an array of shape ``(ny, nx)`` is true, everywhere by default.

        Raises
        ------
        KeyError
            If there is no such plane.
        """
        where = self._where(boolean_mask)
        if plane is None:
            self._array[where] = 0
            return
        bit = self.schema.bit(plane)
        self._array[:, :, bit.index][where] &= ~bit.mask

    def update(self, other: "Mask") -> None:
        """Set what is set in another mask, for planes and pixels that both have."""
        try:
            bbox = self.bbox.intersection(other.bbox)
        except NoOverlapError:
            return
        mine, theirs = self[bbox], other[bbox]
        for plane in self.schema.names & other.schema.names:
            mine.set(plane, theirs.get(plane))

    def view(
        self,
        *,
        schema: MaskSchema | EllipsisType = ...,
        projection: Projection[PixelFrame] | None | EllipsisType = ...,
        start: Sequence[int] | EllipsisType = ...,
    ) -> Self:
        """The same bits with another schema, projection or first pixel.

        Parameters
        ----------
        schema : MaskSchema, optional
            Gives the bits other names; of the same data type and size.
        projection : Projection or None, optional
            Replaces the projection.
        start : pair of int, optional
            Replaces the first row and column.
        """
        return self._like(self._array, schema=schema, projection=projection, start=start)

    def _where(self, boolean_mask: np.ndarray | EllipsisType) -> np.ndarray | EllipsisType:
        if isinstance(boolean_mask, EllipsisType):
            return boolean_mask
        where = np.asarray(boolean_mask)
        if where.dtype != bool or where.shape != tuple(self.bbox.shape):
            raise ValueError(
                f"where a plane changes is told by a boolean array of shape {tuple(self.bbox.shape)}, "
                f"got one of {where.dtype} and shape {where.shape}"
            )
        return where
