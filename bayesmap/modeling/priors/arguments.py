"""Arguments of priors: numbers, quantities, samples, hyperpriors; their units by role."""

import abc
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from bayesmap._types import Tensor
from bayesmap.modeling.priors.distributions import ARRAYS, LOG, POSITIVE, RATE, SAMPLES, SHAPE, WEIGHTS
from bayesmap.units import as_quantity, parse_unit

if TYPE_CHECKING:
    from bayesmap.modeling.priors.numbers import PriorNumbers

    pass

__all__ = [
    "Unknown",
    "argument_data",
    "argument_unit",
    "as_argument",
    "check_finite",
    "convert",
    "rescale",
    "unit_text",
]


class Unknown(abc.ABC):
    """An argument of a prior that has a prior instead of a value: a `HyperParameter`, or a prior (a hyperprior)."""

    __slots__ = ()

    @property
    @abc.abstractmethod
    def depth(self) -> int:
        """Number of levels of hyperpriors below it."""

    @abc.abstractmethod
    def to_dict(self) -> dict[str, object]:
        """Return plain data."""

    @abc.abstractmethod
    def argument(
        self, number: Callable[["PriorNumbers", u.UnitBase], Tensor], role: str, unit: u.UnitBase, where: str
    ) -> Tensor:
        """Return a number for it, as an argument of the prior of a parameter.

        Parameters
        ----------
        number : callable
            ``number(prior, unit)`` is the number that stands for a prior in a unit.
        role : str
            Role of the argument.
        unit : `~astropy.units.Unit`
            Unit of the parameter.
        where : str
            Beginning of the error message.

        Raises
        ------
        ValueError
            If the argument is positive and its prior reaches below zero.
        """


def unit_text(unit: u.UnitBase) -> str:
    """Return a unit as Gammapy writes it, where the FITS standard knows it."""
    try:
        return unit.to_string("fits")
    except ValueError:
        return unit.to_string()


def argument_unit(role: str, unit: u.UnitBase | str) -> u.UnitBase:
    """Return the unit of an argument when the parameter is in ``unit``."""
    if role in (SHAPE, LOG, WEIGHTS):
        return u.dimensionless_unscaled
    unit = parse_unit(unit)
    return unit**-1 if role == RATE else unit


def as_argument(value: Any, role: str) -> Any:
    """Return a number as float, a quantity, or (for samples and their weights) a read-only array of either."""
    if isinstance(value, bool):
        raise TypeError(f"expected a number, a quantity or a Prior, got {value!r}")
    if role in ARRAYS:
        return _as_array(value)
    quantity = as_quantity(value)
    if not quantity.isscalar:
        raise ValueError(f"expected one number, got an array of shape {quantity.shape}")
    if isinstance(value, u.Quantity) and quantity.unit.is_equivalent(u.dimensionless_unscaled):
        return convert(quantity, role, u.dimensionless_unscaled)
    if not isinstance(value, u.Quantity) and quantity.unit == u.dimensionless_unscaled:
        return float(quantity.value)
    return quantity


def _as_array(value: Any) -> Any:
    unit = u.dimensionless_unscaled
    if isinstance(value, Mapping):
        if value.keys() != {"values", "unit"}:
            raise ValueError(f"expected a list, or the keys 'values' and 'unit', got {sorted(map(str, value))}")
        value, unit = value["values"], parse_unit(value["unit"])
    quantity = u.Quantity(np.array(getattr(value, "value", value), dtype="float64"), getattr(value, "unit", unit))
    if quantity.ndim != 1 or not np.isfinite(quantity.value).all():
        raise ValueError(f"expected a list of finite numbers, got shape {quantity.shape}")
    if quantity.unit.is_equivalent(u.dimensionless_unscaled):
        quantity = quantity.to("")
    array = quantity if quantity.unit != "" else quantity.value
    array.flags.writeable = False
    return array


def check_finite(value: Any, role: str) -> None:
    """Raise a ValueError unless a number is finite, and positive where its role needs that."""
    number = np.asarray(getattr(value, "value", value))
    if not np.isfinite(number).all() or (role in POSITIVE and not (number > 0).all()):
        raise ValueError(f"must be {'positive and finite' if role in POSITIVE else 'finite'}, got {value}")


def convert(value: Any, role: str, unit: u.UnitBase) -> Any:
    """Return an argument as the number (or array) that it has when the parameter is in ``unit``."""
    if not isinstance(value, u.Quantity):
        return value if role in ARRAYS else float(value)
    if role == SAMPLES:
        return value.to_value(unit)
    if role != LOG:
        return float(value.to_value(argument_unit(role, unit)))
    number = float(value.to_value(unit))
    if number <= 0:
        raise ValueError(f"a median must be positive, got {value}")
    return float(np.log(number))


def rescale(number: Any, role: str, factor: float) -> Any:
    """Return the number that an argument has after values of the parameter are multiplied by ``factor``."""
    if role == LOG:
        return number + np.log(factor)
    return number * factor ** {SHAPE: 0.0, WEIGHTS: 0.0, RATE: -1.0}.get(role, 1.0)


def argument_data(value: Any) -> Any:
    """Return an argument as plain data."""
    if isinstance(value, u.Quantity) and not value.isscalar:
        return {"values": value.value.tolist(), "unit": unit_text(value.unit)}
    if isinstance(value, u.Quantity):
        return f"{float(value.value)!r} {unit_text(value.unit)}".strip()
    return value.tolist() if isinstance(value, np.ndarray) else value
