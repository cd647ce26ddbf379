"""Parameters with a shape: many numbers of one kind, as the norms at the nodes of a field."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import astropy.units as u
import numpy as np

from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.priors.base import Prior
from bayesmap.units import as_quantity

__all__ = ["ArrayParameter", "as_norms", "declared_norms", "node_norms", "norms_of", "stacked"]


class ArrayParameter(Parameter):
    """A parameter whose value is an array: one random variable, one input of a formula.

    Unit, bounds, prior and frozen status are those of each element; the elements are independent, unless the prior has
    hyperparameters, which they share. A model takes it in place of single parameters where it says so, for example
    `PiecewiseNormSpatialModel`; with a hundred numbers and more that is what keeps compilation short.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : float, array_like, str or `~astropy.units.Quantity`
        Values; one number with ``shape`` stands for all of them. A quantity brings its own unit.
    unit : str or `~astropy.units.Unit`
        The declared unit.
    min, max : float
        Bounds of each element in the declared unit; NaN for none.
    frozen : bool
        True if inference keeps the values.
    error : float or array_like
        Uncertainties in the declared unit.
    prior : Prior or None
        Prior distribution of each element.
    role : str or None
        What the elements stand for, see `Parameter`.
    shape : tuple of int, optional
        Shape; by default that of the value.

    Raises
    ------
    ValueError
        If a value is outside the bounds, there are no elements, or values do not have the shape.

    Examples
    --------
    >>> from bayesmap.modeling import ArrayParameter, Prior
    >>> norms = ArrayParameter("norm", 1.0, shape=(4,), role="norm", prior=Prior("LogNormal", mu=0, sigma=0.1))
    >>> norms.value
    array([1., 1., 1., 1.])
    """

    def __init__(
        self,
        name: str,
        value: Any,
        unit: str | u.UnitBase = "",
        min: float = np.nan,
        max: float = np.nan,
        frozen: bool = False,
        error: Any = 0,
        prior: Prior | None = None,
        role: str | None = None,
        *,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        if isinstance(value, str | u.Quantity):
            quantity = as_quantity(value)
            value, unit = quantity.value, quantity.unit if quantity.unit != "" else unit
        self._shape = np.shape(value) if shape is None else tuple(int(n) for n in np.atleast_1d(shape))
        if not self._shape or math.prod(self._shape) < 1:
            raise ValueError(
                f"parameter {name!r}: an array has one axis and one element at least, got shape {self._shape}; a "
                "single number is a Parameter"
            )
        super().__init__(name, value, unit, min, max, frozen, error, prior, role)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value."""
        return self._shape

    def _number(self, value: Any, what: str) -> Any:
        """Return finite floats of the shape, or complain by name; bounds are single numbers."""
        if what not in ("value", "error"):
            return super()._number(value, what)
        try:
            numbers = np.array(value, dtype="float64")
        except (TypeError, ValueError, u.UnitsError):
            raise TypeError(f"parameter {self._name!r}: {what} must hold numbers, got {value!r:.200}") from None
        if numbers.shape not in ((), self._shape):
            raise ValueError(
                f"parameter {self._name!r}: {what} must have shape {self._shape}, or be one number for all, got shape "
                f"{numbers.shape}"
            )
        if not np.isfinite(numbers).all():
            raise ValueError(f"parameter {self._name!r}: {what} must be finite, got {value!r:.200}")
        numbers = np.array(np.broadcast_to(numbers, self._shape))
        numbers.flags.writeable = False
        return numbers

    @property  # type: ignore[override]
    def value(self) -> np.ndarray:
        """Values in the declared unit, read-only; setting takes an array of the shape or one number for all."""
        values: Any = self._value
        return np.asarray(values)

    @value.setter
    def value(self, value: Any) -> None:
        numbers = self._number(value, "value")
        self._check_bounds(numbers, self._min, self._max)
        self._value = numbers

    def _check_bounds(self, value: Any, minimum: float, maximum: float) -> None:
        for number in (np.min(value), np.max(value)):
            super()._check_bounds(float(number), minimum, maximum)

    @property
    def text(self) -> str:
        """How many values there are, the lowest and the highest."""
        return f"{self.value.size} values from {self.value.min():.4g} to {self.value.max():.4g}"

    def check_limits(self) -> None:
        """Do nothing: values outside the bounds are refused."""

    def transform(self, value: float, update_scale: bool = False) -> float:
        """Do nothing but complain: scales and scans are those of single numbers.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(f"parameter {self._name!r} has shape {self._shape}; scales and scans are for single numbers")

    @property
    def _step(self) -> float:
        return self.transform(0.0)

    def autoscale(self) -> None:
        """Do nothing: there is no scale."""

    def prior_stat_sum(self) -> float | None:
        """Return the sum over the elements; see `Parameter.prior_stat_sum`."""
        return None if self.prior is None else float(sum(p.prior_stat_sum() or 0.0 for p in self.elements()))

    def elements(self, pattern: str = "{}[{}]") -> list[Parameter]:
        """Return a parameter of its own for each element, in C order.

        Parameters
        ----------
        pattern : str
            Their names, with braces in place of the name and of the number of the element; in files they are called
            ``"<name>_<i>"``.
        """
        settings: dict[str, Any] = {"unit": self._unit, "min": self._min, "max": self._max, "frozen": self._frozen}
        settings |= {"prior": self._prior, "role": self._role}
        errors = np.ravel(self.error)
        return [
            Parameter(pattern.format(self._name, i), float(number), error=float(errors[i]), **settings)
            for i, number in enumerate(self.value.ravel())
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, values and errors as lists; see `Parameter.to_dict`."""
        data = super().to_dict()
        return data | {"value": self.value.tolist(), "error": np.asarray(self.error).tolist()}

    def update_from_dict(self, data: Mapping[str, Any]) -> None:
        """Set what `to_dict` gives; see `Parameter.update_from_dict`."""
        new = type(self).from_dict(self.to_dict() | dict(data))
        self.quantity = (self.value * self.unit).to(new.unit)
        self.min = self.max = np.nan
        self.value = new.value
        self.min, self.max, self.error, self.frozen = new.min, new.max, new.error, new.frozen
        if not isinstance(data.get("prior", ""), str):
            self.prior = new.prior

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name={self.name!r}, value={_shown(self.value)}, unit={self.unit.to_string()!r}, "
            f"min={self.min!r}, max={self.max!r}, frozen={self.frozen!r}, prior={self.prior!r})"
        )


def _shown(values: np.ndarray) -> str:
    """Numbers on one line, with dots in the middle of many."""
    return np.array2string(values, separator=", ", threshold=6, edgeitems=2, precision=4).replace("\n", "")


def node_norms(number: int, norms: Any = None) -> list[Parameter]:
    """Return the declarations of norms at nodes, dimensionless and one by default.

    Parameters
    ----------
    number : int
        Number of nodes.
    norms : sequence or Parameter, optional
        What a user gave: for an `ArrayParameter` it is one parameter ``norm``, else ``norm_0``, ``norm_1``, ...
    """
    if isinstance(norms, ArrayParameter):
        return [ArrayParameter("norm", 1.0, role="norm", shape=(number,))]
    return [Parameter(f"norm_{i}", 1.0, role="norm") for i in range(number)]


def declared_norms(data: Mapping[str, object], number: int) -> list[Parameter]:
    """Return the declarations of norms at nodes by the entry of a model in a file; see `node_norms`."""
    if not isinstance(data.get("array", False), bool):
        raise ValueError(f"array must be true or false, found {data['array']!r}")
    return node_norms(number, ArrayParameter("norm", 1.0, shape=(number,)) if data.get("array") else None)


def as_norms(parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return the parameters of a file as arguments of a model with norms at nodes."""
    return {"norms": parameters["norm"]} if "norm" in parameters else dict(parameters)


def norms_of(parameters: Iterable[Parameter]) -> Any:
    """Return what a model takes as norms at nodes: the only parameter, if that has a shape, or a list."""
    listed = list(parameters)
    return listed[0] if len(listed) == 1 and listed[0].shape else listed


def stacked(declared: ArrayParameter, elements: Sequence[Parameter]) -> ArrayParameter:
    """Return single parameters that agree in all but value and error as one with a shape.

    Parameters
    ----------
    declared : ArrayParameter
        Its declaration by the model.
    elements : sequence of Parameter
        The elements, in C order.

    Raises
    ------
    ValueError
        If they differ in unit, bounds, prior or frozen status.
    """
    first = elements[0]
    for other in elements[1:]:
        for what in ("unit", "bounds", "frozen", "prior"):
            if getattr(other, what) != getattr(first, what):
                raise ValueError(
                    f"{first.name!r} and {other.name!r} are elements of one parameter {declared.name!r} and must have "
                    f"the same {what}, found {getattr(first, what)} and {getattr(other, what)}"
                )
    values, errors = (np.reshape([getattr(p, key) for p in elements], declared.shape) for key in ("value", "error"))
    common = first.unit, first.min, first.max, first.frozen
    return ArrayParameter(declared.name, values, *common, errors, first.prior, declared.role)
