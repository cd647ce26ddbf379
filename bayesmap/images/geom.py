"""Pixel boxes, in absolute coordinates that images and their parts share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import ClassVar, NamedTuple, Self, overload

import numpy as np

from bayesmap.images.interval import Interval, IntervalSlices

__all__ = ["XY", "YX", "Box", "BoxSlices"]


class YX[T](NamedTuple):
    """A pair in the order of array indices.

    Parameters
    ----------
    y, x : object
        Something for each axis.
    """

    y: T
    x: T

    @property
    def xy(self) -> "XY[T]":
        """The same pair in the other order."""
        return XY(self.x, self.y)


class XY[T](NamedTuple):
    """A pair in the order of coordinates.

    Parameters
    ----------
    x, y : object
        Something for each axis.
    """

    x: T
    y: T

    @property
    def yx(self) -> YX[T]:
        """The same pair in the other order."""
        return YX(self.y, self.x)


class BoxSlices:
    """Makes boxes from pairs of slices: ``slices[y0:y1, x0:x1]``.

    Parameters
    ----------
    y, x : IntervalSlices
        What makes the interval of each axis.
    """

    def __init__(self, y: IntervalSlices, x: IntervalSlices) -> None:
        self._y, self._x = y, x

    def __getitem__(self, key: tuple[slice | EllipsisType, slice | EllipsisType]) -> "Box":
        if not isinstance(key, tuple) or len(key) != 2:
            raise TypeError(f"a box needs two slices, [y0:y1, x0:x1]; got {key!r}")
        y, x = (slice(None) if part is ... else part for part in key)
        return Box(self._y[y], self._x[x])


@dataclass(frozen=True)
class Box:
    """Rectangle of pixels.

    Parameters
    ----------
    y, x : Interval
        Rows and columns.

    Examples
    --------
    >>> box = Box.factory[10:14, 3:9]
    >>> box.shape, box.start
    (YX(y=4, x=6), YX(y=10, x=3))
    >>> box.absolute[:12, 5:]
    Box(y=Interval(start=10, stop=12), x=Interval(start=5, stop=9))
    >>> box.local[-1:, :2]
    Box(y=Interval(start=13, stop=14), x=Interval(start=3, stop=5))
    """

    y: Interval
    x: Interval
    #: makes a box from two slices alone, ``Box.factory[10:14, 3:9]``; a missing lower bound is 0
    factory: ClassVar[BoxSlices]

    def __post_init__(self) -> None:
        for part in (self.y, self.x):
            if not isinstance(part, Interval):
                raise TypeError(f"a box has two intervals, got {part!r}; see Box.factory[y0:y1, x0:x1]")

    @classmethod
    def from_shape(cls, shape: Sequence[int], start: Sequence[int] | None = None) -> Self:
        """Box with a number of rows and columns, from ``(y, x)`` on; from (0, 0) by default.

        An `XY` as either of them is understood as such.
        """
        sizes, starts = _yx(shape), _yx((0, 0) if start is None else start)
        return cls(*(Interval.from_size(size, first) for size, first in zip(sizes, starts, strict=True)))

    def __str__(self) -> str:
        return f"[y={self.y}, x={self.x}]"

    @property
    def shape(self) -> YX[int]:
        """Number of rows and columns."""
        return YX(self.y.size, self.x.size)

    @property
    def start(self) -> YX[int]:
        """First row and column."""
        return YX(self.y.start, self.x.start)

    @property
    def bbox(self) -> "Box":
        """The box itself, as for other bounds."""
        return self

    @property
    def absolute(self) -> BoxSlices:
        """Part of it by slices of coordinates; open ends are its own."""
        return BoxSlices(self.y.absolute, self.x.absolute)

    @property
    def local(self) -> BoxSlices:
        """Part of it by slices of indices that begin at 0, as for an array."""
        return BoxSlices(self.y.local, self.x.local)

    def padded(self, padding: int) -> Self:
        """The box with ``padding`` more pixels on every side."""
        return type(self)(self.y.padded(padding), self.x.padded(padding))

    dilated_by = padded

    def meshgrid(self, n: int | Sequence[int] | None = None, *, step: float | None = None) -> XY[np.ndarray]:
        """Coordinates of its pixels, or of a coarser grid from its first to its last ones.

        Parameters
        ----------
        n : int or pair of int, optional
            Number of points along ``(y, x)``; one per pixel by default.
        step : float, optional
            Instead of ``n``: distance of the points, see `Interval.linspace`.

        Returns
        -------
        XY of array
            Floats, each of shape ``(n_y, n_x)``.
        """
        n_y, n_x = (n, n) if n is None or isinstance(n, int) else _yx(n)
        x, y = np.meshgrid(self.x.linspace(n_x, step=step), self.y.linspace(n_y, step=step))
        return XY(x, y)

    @overload
    def contains(self, other: "Box", *, y: None = None, x: None = None) -> bool: ...
    @overload
    def contains(self, other: None = None, *, y: float | np.ndarray, x: float | np.ndarray) -> bool | np.ndarray: ...
    def contains(
        self, other: "Box | None" = None, *, y: float | np.ndarray | None = None, x: float | np.ndarray | None = None
    ) -> bool | np.ndarray:
        """Whether a box lies inside, or points do: up to half a pixel from the centres of the outermost pixels.

        Parameters
        ----------
        other : Box, optional
            A box.
        y, x : float or array, optional
            Instead of a box: coordinates, of shapes that broadcast.

        Returns
        -------
        bool or array
            An array for arrays.

        Raises
        ------
        TypeError
            Unless either a box or both coordinates are given.
        """
        if other is not None and y is None and x is None:
            return self.y.contains(other.y) and self.x.contains(other.x)
        if other is not None or y is None or x is None:
            raise TypeError("contains takes a box, or both y and x")
        inside = np.logical_and(self.y.contains(np.asarray(y)), self.x.contains(np.asarray(x)))
        return bool(inside) if inside.ndim == 0 else inside

    def intersection(self, other: "Box") -> Self:
        """What both boxes have in common.

        Raises
        ------
        NoOverlapError
            If there is nothing.
        """
        return type(self)(self.y.intersection(other.y), self.x.intersection(other.x))

    def slice_within(self, other: "Box") -> YX[slice]:
        """Slices that select the box from an array that covers another one.

        Raises
        ------
        IndexError
            If the other one does not contain it.
        """
        if not other.contains(self):
            raise IndexError(f"the box {self} is not inside of {other}")
        return YX(self.y.slice_within(other.y), self.x.slice_within(other.x))

    def boundary(self) -> Iterator[YX[int]]:
        """Centres of the four corner pixels, around the box."""
        for y, x in (
            (self.y.min, self.x.min),
            (self.y.min, self.x.max),
            (self.y.max, self.x.max),
            (self.y.max, self.x.min),
        ):
            yield YX(y, x)


def _yx(pair: Sequence[int]) -> Sequence[int]:
    """The pair ordered as array indices are."""
    ordered = pair.yx if isinstance(pair, XY) else pair
    if len(ordered) != 2:
        raise ValueError(f"two numbers are needed, for y and x; got {tuple(pair)}")
    return ordered


Box.factory = BoxSlices(Interval.factory, Interval.factory)
