"""Mask planes: names for the bits of a few integers per pixel."""

from collections.abc import Iterable, Iterator, KeysView, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import DTypeLike

from bayesmap._util import suggest

__all__ = ["MaskPlane", "MaskPlaneBit", "MaskSchema"]


@dataclass(frozen=True)
class MaskPlane:
    """Name and meaning of one bit.

    Parameters
    ----------
    name : str
        Such as "SATURATED".
    description : str
        What it means that the bit is set.
    """

    name: str
    description: str


@dataclass(frozen=True)
class MaskPlaneBit:
    """Where the bit of a plane is.

    Parameters
    ----------
    index : int
        Element along the last axis of the array of a mask.
    mask : numpy integer
        That element with only this bit set.
    """

    index: int
    mask: np.integer


class MaskSchema:
    """Which plane has which bit.

    Parameters
    ----------
    planes : iterable of MaskPlane or None
        In the order of bits; None leaves a bit unused.
    dtype : data type
        Integers that hold the bits; of signed ones the sign is not used.

    Raises
    ------
    TypeError
        If the data type is not of integers.
    ValueError
        If two planes have the same name.

    Examples
    --------
    >>> schema = MaskSchema([MaskPlane("BAD", "Bad column."), None, MaskPlane("SATURATED", "Too bright.")])
    >>> list(schema.names), schema.bitmask("BAD", "SATURATED")
    (['BAD', 'SATURATED'], array([5], dtype=uint8))
    """

    def __init__(self, planes: Iterable[MaskPlane | None], dtype: DTypeLike = np.uint8) -> None:
        self._planes = tuple(planes) or (None,)
        self._dtype = np.dtype(dtype)
        per_element = self.bits_per_element(self._dtype)
        self._bits: dict[str, MaskPlaneBit] = {}
        for number, plane in enumerate(self._planes):
            if plane is None:
                continue
            if plane.name in self._bits:
                raise ValueError(f"two mask planes are called {plane.name!r}")
            index, bit = divmod(number, per_element)
            self._bits[plane.name] = MaskPlaneBit(index, cast("np.integer", self._dtype.type(1 << bit)))

    @staticmethod
    def bits_per_element(dtype: DTypeLike) -> int:
        """Number of planes that an integer holds: its bits, without the sign.

        Raises
        ------
        TypeError
            If the data type is no integer.
        """
        dtype = np.dtype(dtype)
        if dtype.kind not in "ui":
            raise TypeError(f"mask planes are bits of integers, got the data type {dtype}")
        return 8 * dtype.itemsize - (dtype.kind == "i")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MaskSchema):
            return NotImplemented
        return self._planes == other._planes and self._dtype == other._dtype

    def __hash__(self) -> int:
        return hash((self._planes, self._dtype))

    def __repr__(self) -> str:
        return f"MaskSchema({list(self.names)}, dtype={self._dtype})"

    def __len__(self) -> int:
        return len(self._planes)

    def __iter__(self) -> Iterator[MaskPlane | None]:
        return iter(self._planes)

    def __getitem__(self, number: int) -> MaskPlane | None:
        return self._planes[number]

    @property
    def dtype(self) -> np.dtype:
        """Data type of the array of a mask."""
        return self._dtype

    @property
    def mask_size(self) -> int:
        """Number of integers per pixel."""
        return -(-len(self._planes) // self.bits_per_element(self._dtype))

    @property
    def names(self) -> KeysView[str]:
        """Names of the planes in the order of bits."""
        return self._bits.keys()

    @property
    def descriptions(self) -> Mapping[str, str]:
        """What each plane means, by name."""
        return {plane.name: plane.description for plane in self._planes if plane is not None}

    def bit(self, plane: str) -> MaskPlaneBit:
        """Where the bit of a plane is.

        Raises
        ------
        KeyError
            If there is no such plane; the message lists those that are there.
        """
        if plane not in self._bits:
            raise KeyError(f"no mask plane {plane!r}{suggest(plane, self.names)}")
        return self._bits[plane]

    def bitmask(self, *planes: str) -> np.ndarray:
        """Bits of several planes together, shape ``(mask_size,)``.

        ``(mask.array & schema.bitmask("A", "B")).any(axis=-1)`` tells the pixels with "A" or "B".

        Raises
        ------
        KeyError
            If there is no such plane.
        """
        mask = np.zeros(self.mask_size, dtype=self._dtype)
        for plane in planes:
            bit = self.bit(plane)
            mask[bit.index] |= bit.mask
        return mask

    def split(self, dtype: DTypeLike) -> "list[MaskSchema]":
        """Schemas with the same planes, as many in each as fit in one integer; unused bits are left out."""
        planes = [plane for plane in self._planes if plane is not None]
        size = self.bits_per_element(dtype)
        return [MaskSchema(planes[first : first + size], dtype) for first in range(0, max(len(planes), 1), size)]
