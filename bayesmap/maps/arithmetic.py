"""Arithmetic and NumPy functions of maps: values are combined pixel by pixel, units follow."""

import operator
from abc import abstractmethod
from collections.abc import Callable
from numbers import Number
from typing import TYPE_CHECKING, Any, Self

import astropy.units as u
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from bayesmap.maps.geom import Geom

__all__ = ["Arithmetic"]


class Arithmetic:
    """Operators of maps, for the class that holds geometry, data and unit."""

    _geom: "Geom"
    _data: np.ndarray
    _unit: u.UnitBase
    quantity: u.Quantity
    copy: Callable[..., Any]
    check_geom: Callable[..., None]

    @property
    @abstractmethod
    def is_mask(self) -> bool:
        """Whether the values are boolean."""

    def _operand(self, other: object, what: str) -> object:
        """What the data array is combined with: a quantity, or a bare number (which keeps the data type)."""
        if isinstance(other, Arithmetic):
            self.check_geom(other, what)
            return other.quantity if other._unit != u.dimensionless_unscaled else other._data
        if isinstance(other, str | u.Quantity | u.UnitBase):
            return u.Quantity(other) if not isinstance(other, u.UnitBase) else 1 * other
        return other

    def _arithmetic(self, function: Callable, other: object, reflected: bool = False) -> Self:
        operand = self._operand(other, function.__name__)
        plain = self._unit == u.dimensionless_unscaled and not isinstance(operand, u.Quantity)
        own = self._data if plain else self.quantity
        result = function(operand, own) if reflected else function(own, operand)
        if isinstance(result, u.Quantity):
            return self.copy(data=result.value, unit=result.unit)
        return self.copy(data=result)

    def _in_place(self, function: Callable, other: object) -> Self:
        result = self._arithmetic(function, other)
        self._data = result._data.astype(np.result_type(self._data.dtype, result._data.dtype), copy=False)
        self._unit = result._unit
        return self

    def _compare(self, function: Callable, other: object) -> Self:
        operand = self._operand(other, function.__name__)
        plain = self._unit == u.dimensionless_unscaled and not isinstance(operand, u.Quantity)
        return self.copy(data=function(self._data if plain else self.quantity, operand), unit="")

    def _logical(self, function: Callable, other: object) -> Self:
        if isinstance(other, Arithmetic):
            self.check_geom(other, function.__name__)
            other = other._data
        if not self.is_mask or np.asarray(other).dtype != bool:
            raise TypeError(
                f"{function.__name__} needs boolean maps, got {self._data.dtype} and {np.asarray(other).dtype}"
            )
        return self.copy(data=function(self._data, other))

    def __add__(self, other: object) -> Self:
        return self._arithmetic(np.add, other)

    __radd__ = __add__

    def __iadd__(self, other: object) -> Self:
        return self._in_place(np.add, other)

    def __sub__(self, other: object) -> Self:
        return self._arithmetic(np.subtract, other)

    def __rsub__(self, other: object) -> Self:
        return self._arithmetic(np.subtract, other, reflected=True)

    def __isub__(self, other: object) -> Self:
        return self._in_place(np.subtract, other)

    def __mul__(self, other: object) -> Self:
        return self._arithmetic(np.multiply, other)

    __rmul__ = __mul__

    def __imul__(self, other: object) -> Self:
        return self._in_place(np.multiply, other)

    def __truediv__(self, other: object) -> Self:
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._arithmetic(np.true_divide, other)

    def __rtruediv__(self, other: object) -> Self:
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._arithmetic(np.true_divide, other, reflected=True)

    def __itruediv__(self, other: object) -> Self:
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._in_place(np.true_divide, other)

    def __pow__(self, exponent: float) -> Self:
        return self._arithmetic(np.power, exponent)

    def __neg__(self) -> Self:
        return self.copy(data=-self._data)

    def __lt__(self, other: object) -> Self:
        return self._compare(operator.lt, other)

    def __le__(self, other: object) -> Self:
        return self._compare(operator.le, other)

    def __gt__(self, other: object) -> Self:
        return self._compare(operator.gt, other)

    def __ge__(self, other: object) -> Self:
        return self._compare(operator.ge, other)

    def __and__(self, other: object) -> Self:
        return self._logical(np.logical_and, other)

    def __or__(self, other: object) -> Self:
        return self._logical(np.logical_or, other)

    def __xor__(self, other: object) -> Self:
        return self._logical(np.logical_xor, other)

    def __invert__(self) -> Self:
        if not self.is_mask:
            raise TypeError(f"~ needs a boolean map, got data of type {self._data.dtype}")
        return self.copy(data=~self._data)

    # value by value, as in Gammapy; with anything else than numbers and maps: whether they are the same object
    def __eq__(self, other: object) -> Self:  # type: ignore[override]
        return self._compare(np.equal, other) if isinstance(other, COMPARABLE) else NotImplemented

    def __ne__(self, other: object) -> Self:  # type: ignore[override]
        return self._compare(np.not_equal, other) if isinstance(other, COMPARABLE) else NotImplemented

    __hash__ = object.__hash__

    # -- NumPy --------------------------------------------------------------------------------------------------------
    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._data, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: object, **kwargs: Any) -> Any:
        """Apply a NumPy function to the values, such as ``np.sqrt(m)`` or ``np.maximum(m, other)``.

        Functions of single values give a map, with the unit that follows. Reductions (``np.sum(m)``) and functions with
        ``out`` work on the bare data, as everything else that NumPy does with the array of a map.
        """
        if method != "__call__" or "out" in kwargs:
            if "out" in kwargs:
                kwargs["out"] = tuple(_bare(value) for value in kwargs["out"])
            return getattr(ufunc, method)(*(_bare(value) for value in inputs), **kwargs)
        first = next(value for value in inputs if isinstance(value, Arithmetic))
        operands = [first._operand(value, ufunc.__name__) for value in inputs]
        with np.errstate(invalid="ignore", divide="ignore"):
            result = ufunc(*operands, **kwargs)
        if isinstance(result, tuple):
            return tuple(first._with_values(part) for part in result)
        return first._with_values(result)

    def _with_values(self, values: Any) -> Self:
        """A map of the same geometry with an array or quantity as values."""
        if isinstance(values, u.Quantity):
            return self.copy(data=values.value, unit=values.unit)
        return self.copy(data=values, unit="")


#: what a map is compared with value by value
COMPARABLE = (Arithmetic, Number, np.ndarray, u.Quantity)


def _bare(value: object) -> object:
    """The data of a map; other things as they are."""
    return value._data if isinstance(value, Arithmetic) else value
