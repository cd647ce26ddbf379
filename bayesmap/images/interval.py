"""Half-open intervals of integers: what pixel boxes are made of."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self, overload

import numpy as np

from bayesmap.errors import NoOverlapError

__all__ = ["Interval", "IntervalSlices", "pixel_of"]


def pixel_of(value: float | np.ndarray) -> np.ndarray:
    """Pixel that a coordinate lies in: centres are integers, and an edge belongs to the pixel above it.

    Parameters
    ----------
    value : float or array
        Coordinates of any shape, in pixels.

    Returns
    -------
    array
        ``floor(value + 0.5)``, whole numbers as floats, of the shape of ``value``; NaN where the coordinate is NaN.
    """
    return np.asarray(np.floor(np.asarray(value, dtype="float64") + 0.5))


@dataclass(frozen=True)
class Interval:
    """Half-open interval of integers, never empty.

    Parameters
    ----------
    start, stop : int
        First element, and one past the last.

    Raises
    ------
    IndexError
        If ``stop`` is not above ``start``.
    TypeError
        If one of them is not an integer.

    Examples
    --------
    >>> interval = Interval(3, 10)
    >>> interval.size, interval.max, interval.center
    (7, 9, 6.0)
    >>> interval.local[2:-1]
    Interval(start=5, stop=9)
    >>> interval.contains(9.4), interval.contains(9.5)
    (True, False)
    """

    start: int
    stop: int
    #: makes an interval from a slice alone, ``Interval.factory[3:10]``; a missing lower bound is 0
    factory: ClassVar["IntervalSlices"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", operator.index(self.start))
        object.__setattr__(self, "stop", operator.index(self.stop))
        if self.stop <= self.start:
            raise IndexError(f"an interval has at least one element, got [{self.start}, {self.stop})")

    @classmethod
    def from_size(cls, size: int, start: int = 0) -> Self:
        """Interval with ``size`` elements from ``start`` on."""
        return cls(start, start + size)

    @classmethod
    def hull(cls, first: "int | Interval", *others: "int | Interval") -> Self:
        """Smallest interval with all of the given elements and intervals."""
        parts = [
            (part.start, part.stop) if isinstance(part, Interval) else (part, part + 1) for part in (first, *others)
        ]
        return cls(min(start for start, _ in parts), max(stop for _, stop in parts))

    def __str__(self) -> str:
        return f"{self.start}:{self.stop}"

    def __add__(self, offset: int) -> Self:
        return type(self)(self.start + offset, self.stop + offset)

    def __sub__(self, offset: int) -> Self:
        return self + -offset

    def __contains__(self, element: float) -> bool:
        return bool(self.contains(element))

    @property
    def min(self) -> int:
        """First element."""
        return self.start

    @property
    def max(self) -> int:
        """Last element."""
        return self.stop - 1

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.stop - self.start

    @property
    def range(self) -> range:
        """Elements as a range."""
        return range(self.start, self.stop)

    @property
    def arange(self) -> np.ndarray:
        """Elements as an array of integers, shape ``(size,)``."""
        return np.arange(self.start, self.stop)

    @property
    def center(self) -> float:
        """Middle between the first and the last element."""
        return 0.5 * (self.min + self.max)

    @property
    def absolute(self) -> "IntervalSlices":
        """Part of it by a slice of elements: ``interval.absolute[5:8]``; open ends are its own."""
        return IntervalSlices(self._absolute)

    @property
    def local(self) -> "IntervalSlices":
        """Part of it by a slice of indices, as for a list: ``interval.local[1:-1]``."""
        return IntervalSlices(self._local)

    def linspace(self, n: int | None = None, *, step: float | None = None) -> np.ndarray:
        """Numbers at equal distances from the first to the last element.

        Parameters
        ----------
        n : int, optional
            How many; by default one per element.
        step : float, optional
            Instead of ``n``: their distance, or the next smaller one that divides the interval.

        Returns
        -------
        array
            Floats, shape ``(n,)``.

        Raises
        ------
        TypeError
            If both are given.
        """
        if n is not None and step is not None:
            raise TypeError("linspace takes the number of points or their distance, got both")
        if step is not None:
            n = int(np.ceil((self.max - self.min) / step)) + 1
        return np.linspace(self.min, self.max, self.size if n is None else n, dtype="float64")

    def padded(self, padding: int) -> Self:
        """The interval with ``padding`` more elements on either side."""
        return type(self)(self.start - padding, self.stop + padding)

    dilated_by = padded

    @overload
    def contains(self, other: "Interval | float") -> bool: ...
    @overload
    def contains(self, other: np.ndarray) -> np.ndarray: ...
    def contains(self, other: "Interval | float | np.ndarray") -> bool | np.ndarray:
        """Whether an interval lies inside, or coordinates do.

        Parameters
        ----------
        other : Interval, float or array
            Coordinates lie inside from half a pixel below the first element to half a pixel above the last one.

        Returns
        -------
        bool or array
            An array for an array, of its shape.
        """
        if isinstance(other, Interval):
            return self.start <= other.start and other.stop <= self.stop
        pixel = pixel_of(other)
        inside = (pixel >= self.start) & (pixel < self.stop)
        return bool(inside) if inside.ndim == 0 else inside

    def intersection(self, other: "Interval") -> Self:
        """What both intervals have in common.

        Raises
        ------
        NoOverlapError
            If there is nothing.
        """
        start, stop = max(self.start, other.start), min(self.stop, other.stop)
        if start >= stop:
            raise NoOverlapError(f"the intervals {self} and {other} do not overlap")
        return type(self)(start, stop)

    def slice_within(self, other: "Interval") -> slice:
        """Slice that selects the interval from an array whose elements are those of another one.

        Raises
        ------
        IndexError
            If the other one does not contain it.
        """
        if not other.contains(self):
            raise IndexError(f"{self} is not inside of {other}")
        return slice(self.start - other.start, self.stop - other.start)

    def _absolute(self, key: slice) -> "Interval":
        start = self.start if key.start is None else operator.index(key.start)
        stop = self.stop if key.stop is None else operator.index(key.stop)
        if start < self.start or stop > self.stop:
            raise IndexError(f"the slice {start}:{stop} reaches beyond {self}; absolute slices name coordinates")
        return Interval(start, stop)

    def _local(self, key: slice) -> "Interval":
        start, stop, _ = key.indices(self.size)
        return Interval(self.start + start, self.start + stop)


def _from_slice(key: slice) -> Interval:
    """Interval of a slice without parent: from 0 if it says nothing else."""
    if key.stop is None:
        raise IndexError("a slice without upper bound makes no interval")
    return Interval(0 if key.start is None else key.start, key.stop)


class IntervalSlices:
    """Makes intervals from slices: ``slices[3:10]``.

    Parameters
    ----------
    make : callable
        Function of a slice with step 1.
    """

    def __init__(self, make: Callable[[slice], Interval]) -> None:
        self._make = make

    def __getitem__(self, key: slice) -> Interval:
        return self._make(_plain_slice(key))


def _plain_slice(key: slice) -> slice:
    if not isinstance(key, slice):
        raise TypeError(f"a slice of integers is needed, such as 3:10; got {key!r}")
    if key.step not in (None, 1):
        raise ValueError(f"slices of pixels have no step, got {key}")
    return key


Interval.factory = IntervalSlices(_from_slice)
