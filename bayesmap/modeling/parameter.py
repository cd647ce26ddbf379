"""Parameters: named numbers with a unit, bounds and a prior."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self, overload

import astropy.units as u
import numpy as np

from bayesmap._types import QuantityLike, Tensor
from bayesmap._util import Absent, KnownAttributes, check_option, suggest
from bayesmap.modeling.parameter_tools import ParameterTools
from bayesmap.modeling.parameters_tools import ParametersTools
from bayesmap.modeling.priors.base import Prior
from bayesmap.units import as_quantity, internal_unit, parse_unit, scale_to_internal

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["ROLES", "Parameter", "ParameterLike", "Parameters", "Values"]

_MIN_MASS = 1e-10

#: what a parameter can stand for
ROLES = {
    "position": "a coordinate on the sky",
    "extension": "a size on the sky",
    "thickness": "a part of a size on the sky",
    "angle": "a direction or a phase, periodic",
    "fraction": "a share between 0 and 1",
    "flux": "what a source is proportional to, with a unit",
    "norm": "a factor near one",
    "calibration": "a factor of one that is known to some per cent",
    "index": "an exponent of energy",
    "curvature": "the change of an index",
    "exponent": "a power near one",
    "energy": "an energy, or an inverse one",
    "time": "a point in time",
    "duration": "a length of time",
    "rate": "per time, or per a power of it",
    "scale": "a positive number whose order of magnitude its value tells",
    "shape": "a positive number not far from its value",
}


class Parameter(KnownAttributes, ParameterTools):
    """A named quantity with bounds and an optional prior.

    As a class attribute it declares a parameter of a model; each instance owns a copy. Assigning a parameter to an
    attribute of another model (``b.index = a.index``) shares the object: the two are linked.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : float, str or `~astropy.units.Quantity`
        Value; a quantity brings its own unit.
    unit : str or `~astropy.units.Unit`
        The declared unit: bare numbers in bounds and priors, and posteriors, are in this unit.
    min, max : float
        Bounds in the declared unit; NaN for none.
    frozen : bool
        True if inference keeps the value.
    error : float
        Uncertainty in the declared unit.
    prior : Prior or None
        Prior distribution.
    role : str or None
        What the parameter stands for, one of the keys of ``ROLES``: "position", "extension", "thickness", "angle",
        "fraction", "flux", "norm", "calibration", "index", "curvature", "exponent", "energy", "time", "duration",
        "rate", "scale" or "shape". Default priors go by it. None, the default, leaves it to unit and bounds, see
        `bayesmap.modeling.roles.role_of`.

    Raises
    ------
    ValueError
        If the value is outside the bounds, the prior has no mass inside them, or the role is unknown.
    astropy.units.UnitConversionError
        If the unit is unknown to `bayesmap.units.INTERNAL`.
    """

    def __init__(
        self,
        name: str,
        value: QuantityLike,
        unit: str | u.UnitBase = "",
        min: float = np.nan,
        max: float = np.nan,
        frozen: bool = False,
        error: float = 0,
        prior: Prior | None = None,
        role: str | None = None,
    ) -> None:
        if not isinstance(name, str) or not name:
            raise TypeError(f"the name of a parameter must be a non-empty string, got {name!r}")
        self._name = name
        if isinstance(value, str | u.Quantity):
            quantity = as_quantity(value)
            value, unit = quantity.value, quantity.unit if quantity.unit != "" else unit
        if role is not None:
            check_option(f"role of parameter {name!r}", role, tuple(ROLES))
        self._role = role
        self._unit = parse_unit(unit)
        internal_unit(self._unit)
        self._min = self._max = np.nan
        self._prior: Prior | None = None
        self._value = self._number(value, "value")
        self.min, self.max = min, max
        self.frozen, self.error, self.prior = frozen, error, prior

    # -- declaration on a class -------------------------------------------------------------------------------------
    def __get__(self, model: Any, owner: Any = None) -> Self:
        if model is None:
            return self
        parameter = model.__dict__[self._name]
        parameter._type = model.kind or None
        return parameter

    def __set__(self, model: Any, value: "Parameter") -> None:
        if not isinstance(value, Parameter):
            raise TypeError(
                f"cannot assign {value!r} to parameter {self._name!r}; set its .value or .quantity, or assign a "
                "Parameter to link it"
            )
        if not value.unit.is_equivalent(self._unit):
            raise u.UnitConversionError(
                f"parameter {value.name!r} in '{value.unit}' cannot be linked to {self._name!r} in '{self._unit}'"
            )
        if value.shape != self.shape:
            raise ValueError(
                f"parameter {value.name!r} of shape {value.shape} cannot be linked to {self._name!r} of shape "
                f"{self.shape}"
            )
        model.__dict__[self._name] = value

    # -- value and unit ---------------------------------------------------------------------------------------------
    def _number(self, value: Any, what: str) -> float:
        """Return a finite float, or complain by name."""
        try:
            number = float(value)
        except (TypeError, ValueError, u.UnitsError):
            raise TypeError(f"parameter {self._name!r}: {what} must be a number, got {value!r}") from None
        if what in ("value", "error") and not np.isfinite(number):
            raise ValueError(f"parameter {self._name!r}: {what} must be finite, got {value!r}")
        return number

    @property
    def name(self) -> str:
        """Name of the parameter."""
        return self._name

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value: ``()``, a single number; see `ArrayParameter`."""
        return ()

    @property
    def role(self) -> str | None:
        """What the parameter was declared to stand for, or None."""
        return self._role

    @property
    def value(self) -> float:
        """Value in the declared unit."""
        return self._value

    @value.setter
    def value(self, value: float) -> None:
        number = self._number(value, "value")
        self._check_bounds(number, self._min, self._max)
        self._value = number

    @property
    def unit(self) -> u.UnitBase:
        """The declared unit. Setting it keeps the numbers (value, bounds, bare numbers of the prior), as in Gammapy."""
        return self._unit

    @unit.setter
    def unit(self, unit: u.UnitBase | str) -> None:
        unit = parse_unit(unit)
        self._check_unit(unit)
        self._unit = unit

    @property
    def quantity(self) -> u.Quantity:
        """Value with unit. Setting it declares the unit of the quantity; bounds and prior are converted to it."""
        return self._value * self._unit

    @quantity.setter
    def quantity(self, quantity: QuantityLike) -> None:
        quantity = as_quantity(quantity)
        self._check_unit(quantity.unit)
        factor = float(self._unit.to(quantity.unit))
        number = self._number(quantity.value, "value")
        minimum, maximum = self._min * factor, self._max * factor
        self._check_bounds(number, minimum, maximum)
        if self._prior is not None and quantity.unit != self._unit:
            self._prior = self._prior.rescaled(factor, self._unit)
        self._value, self._unit, self._min, self._max = number, quantity.unit, minimum, maximum
        self.error = self.error * factor

    @property
    def scale_to_internal(self) -> float:
        """Factor from the declared to the internal unit."""
        return scale_to_internal(self._unit)

    @property
    def internal(self) -> float:
        """Value in the internal unit."""
        return self._value * self.scale_to_internal

    def _check_unit(self, unit: u.UnitBase) -> None:
        if not unit.is_equivalent(self._unit):
            raise u.UnitConversionError(
                f"parameter {self._name!r} is in '{self._unit}', which does not convert to '{unit}'"
            )

    # -- bounds and prior -------------------------------------------------------------------------------------------
    def _check_bounds(self, value: float, minimum: float, maximum: float) -> None:
        if minimum > maximum:
            raise ValueError(f"parameter {self._name!r}: min {minimum} is above max {maximum}")
        if value < minimum or value > maximum:
            raise ValueError(
                f"parameter {self._name!r}: value {value} is outside its bounds [{minimum}, {maximum}]; "
                "change the value or the bounds first"
            )

    def _set_bounds(self, minimum: float, maximum: float, check_value: bool = True) -> None:
        self._check_bounds(self._value if check_value else np.nan, minimum, maximum)
        self._check_prior(self._prior, minimum, maximum)
        self._min, self._max = minimum, maximum

    @property
    def min(self) -> float:
        """Lower bound in the declared unit, NaN for none."""
        return self._min

    @min.setter
    def min(self, value: float | None) -> None:
        self._set_bounds(self._number(np.nan if value is None else value, "min"), self._max)

    @property
    def max(self) -> float:
        """Upper bound in the declared unit, NaN for none."""
        return self._max

    @max.setter
    def max(self, value: float | None) -> None:
        self._set_bounds(self._min, self._number(np.nan if value is None else value, "max"))

    @property
    def bounds(self) -> tuple[float, float]:
        """Lower and upper bound in the declared unit, infinite where there is none."""
        return (
            -np.inf if np.isnan(self._min) else self._min,
            np.inf if np.isnan(self._max) else self._max,
        )

    @property
    def prior(self) -> Prior | None:
        """Prior distribution, or None.

        Raises
        ------
        TypeError
            If something else is assigned.
        ValueError
            If the prior has no mass between the bounds.
        """
        return self._prior

    @prior.setter
    def prior(self, prior: Prior | None) -> None:
        if prior is not None and not isinstance(prior, Prior):
            raise TypeError(f"parameter {self._name!r}: prior must be a Prior or None, got {prior!r}")
        self._check_prior(prior, self._min, self._max)
        self._prior = prior

    def _check_prior(self, prior: Prior | None, minimum: float, maximum: float) -> None:
        """Complain if the prior does not fit to the unit or has (almost) no mass between the bounds."""
        if prior is None:
            return
        prior.numbers(self._unit)
        if prior.distribution.scipy is None or (np.isnan(minimum) and np.isnan(maximum)):
            return
        cdf = prior.quantiles(self._unit).cdf
        mass = (1.0 if np.isnan(maximum) else cdf(maximum)) - (0.0 if np.isnan(minimum) else cdf(minimum))
        if mass < _MIN_MASS:
            raise ValueError(
                f"parameter {self._name!r}: prior {prior!r} has no mass between its bounds [{minimum}, {maximum}] "
                f"{self._unit}"
            )

    @property
    def frozen(self) -> bool:
        """True if inference keeps the value.

        Raises
        ------
        TypeError
            If something else than True or False is assigned.
        """
        return self._frozen

    @frozen.setter
    def frozen(self, frozen: bool) -> None:
        if not isinstance(frozen, bool | np.bool_):
            raise TypeError(f"parameter {self._name!r}: frozen must be True or False, got {frozen!r}")
        self._frozen = bool(frozen)

    @property
    def error(self) -> float:
        """Uncertainty in the declared unit."""
        return self._error

    @error.setter
    def error(self, error: float) -> None:
        self._error = self._number(error, "error")

    @property
    def text(self) -> str:
        """The value with four digits."""
        return f"{self.value:.4g}"

    def elements(self) -> "list[Parameter]":
        """Return the single numbers that this is: itself."""
        return [self]

    def copy(self) -> Self:
        """Return a parameter of its own with the same data."""
        return copy.copy(self)

    def at(self, value: float) -> Self:
        """Return a parameter of its own with another value, in the declared unit; this one keeps its value.

        Raises
        ------
        ValueError
            If the value is not finite or outside the bounds.
        """
        new, number = copy.copy(self), self._number(value, "value")
        self._check_bounds(number, self._min, self._max)
        new._value = number
        return new

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name={self.name!r}, value={self.value!r}, unit={self.unit.to_string()!r}, "
            f"min={self.min!r}, max={self.max!r}, frozen={self.frozen!r}, prior={self.prior!r})"
        )


class Parameters(ParametersTools):
    """An ordered collection of parameters; a linked parameter appears once per owner.

    Parameters
    ----------
    parameters : iterable of Parameter
        The parameters.
    """

    def __init__(self, parameters: Iterable[Parameter] = ()) -> None:
        self._parameters = list(parameters)

    @overload
    def __getitem__(self, key: int | str | Parameter) -> Parameter: ...
    @overload
    def __getitem__(self, key: slice | np.ndarray) -> "Parameters": ...
    def __getitem__(self, key: int | str | Parameter | slice | np.ndarray) -> "Parameter | Parameters":
        """Return a parameter by position or name, or several by a slice or a boolean array."""
        if isinstance(key, np.ndarray) and key.dtype == bool:
            return Parameters(p for p, chosen in zip(self._parameters, key, strict=True) if chosen)
        if isinstance(key, slice):
            return Parameters(self._parameters[key])
        if isinstance(key, str):
            return self._by_name(key)
        if isinstance(key, Parameter):
            return self._parameters[self.index(key)]
        return self._parameters[key]

    def _by_name(self, name: str) -> Parameter:
        found = {id(p): p for p in self._parameters if p.name == name}
        if not found:
            raise KeyError(f"no parameter {name!r}{suggest(name, set(self.names))}")
        if len(found) > 1:
            raise KeyError(f"{len(found)} different parameters are called {name!r}; take it from its model or by index")
        return next(iter(found.values()))

    @classmethod
    def from_dict(cls, data: Iterable[Mapping[str, Any]]) -> Self:
        """Create parameters from the data of `to_dict`."""
        return cls(Parameter.from_dict(entry) for entry in data)

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """Return the position of a parameter, given itself or its name.

        Raises
        ------
        ValueError
            If the parameter is not in the collection.
        KeyError
            If no parameter, or several, have this name.
        """
        if isinstance(value, str):
            value = self._by_name(value)
        for idx, parameter in enumerate(self._parameters[start:stop], start):
            if parameter is value:
                return idx
        raise ValueError(f"{value!r} is not among these parameters")

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._parameters)

    def __contains__(self, value: object) -> bool:
        return any(p is value or p.name == value for p in self._parameters)

    def __add__(self, other: Iterable[Parameter]) -> "Parameters":
        return Parameters([*self._parameters, *other])

    @property
    def names(self) -> list[str]:
        """Names of the parameters."""
        return [p.name for p in self._parameters]

    @property
    def unique_parameters(self) -> "Parameters":
        """Each parameter once, also where it is linked."""
        return Parameters({id(p): p for p in self._parameters}.values())

    @property
    def free_parameters(self) -> "Parameters":
        """The parameters that are not frozen."""
        return Parameters(p for p in self._parameters if not p.frozen)

    @property
    def free_unique(self) -> "Parameters":
        """The free parameters, each once."""
        return self.unique_parameters.free_parameters

    @property
    def free_unique_parameters(self) -> "Parameters":
        """The free parameters, each once; Gammapy's name of `free_unique`."""
        return self.free_unique

    update_link_label = Absent("writes labels of links into parameters: files get them by themselves")

    def freeze_all(self) -> None:
        """Freeze all parameters."""
        for parameter in self._parameters:
            parameter.frozen = True

    def unfreeze_all(self) -> None:
        """Free all parameters."""
        for parameter in self._parameters:
            parameter.frozen = False

    @property
    def elements(self) -> list[Parameter]:
        """All single numbers: parameters, and for one with a shape copies of its elements, called ``"<name>[<i>]"``."""
        return [element for p in self._parameters for element in p.elements()]

    def to_table(self) -> "Table":
        """Return an `~astropy.table.Table` with one row per parameter, and per element of one with a shape."""
        from astropy.table import Table

        rows = [
            (
                p.name,
                p.value,
                p.unit.to_string(),
                p.error,
                p.min,
                p.max,
                p.frozen,
                "" if p.prior is None else str(p.prior),
            )
            for p in self.elements
        ]
        names = ("name", "value", "unit", "error", "min", "max", "frozen", "prior")
        return Table(rows=rows or None, names=names, dtype=("U", "f8", "U", "f8", "f8", "f8", "?", "U"))

    def __repr__(self) -> str:
        return f"Parameters({self.names})"

    def __str__(self) -> str:
        return "\n".join(self.to_table().pformat(max_lines=-1, max_width=-1))


#: values of parameters in internal units: symbolic or numbers
type Values = Mapping[Parameter, Tensor]
#: what a parameter of a model is set to: a value in its declared unit, a quantity, or another parameter (a link)
type ParameterLike = Parameter | QuantityLike
