"""Priors as data: the name of a distribution and its arguments."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import astropy.units as u
import numpy as np

from bayesmap._util import suggest
from bayesmap.modeling.distributions import BOUND, DISTRIBUTIONS, LOG, RATE, SHAPE, Distribution

if TYPE_CHECKING:
    from bayesmap.modeling.parameter import Parameter

__all__ = ["Prior", "unit_text"]

_POSITIVE = ("scale", "rate", "shape")
_MAX_DEPTH = 3


def _argument(value: Any) -> "float | u.Quantity | Prior":
    """Return an argument as a float, a scalar quantity or a prior."""
    if isinstance(value, Prior):
        return value
    if isinstance(value, Mapping):
        return Prior.from_dict(value)
    if isinstance(value, bool):
        raise TypeError(f"expected a number, a quantity or a Prior, got {value!r}")
    quantity = u.Quantity(value)
    if not quantity.isscalar:
        raise ValueError(f"expected one number, got an array of shape {quantity.shape}")
    if not isinstance(value, u.Quantity) and quantity.unit == u.dimensionless_unscaled:
        return float(quantity.value)
    return quantity


def unit_text(unit: u.UnitBase) -> str:
    """Return a unit as Gammapy writes it, where the FITS standard knows it."""
    try:
        return unit.to_string("fits")
    except ValueError:
        return unit.to_string()


def _text(quantity: u.Quantity) -> str:
    return f"{float(quantity.value)!r} {unit_text(quantity.unit)}".strip()


def _convert(value: float | u.Quantity, role: str, unit: u.UnitBase) -> float:
    """Return an argument as the number it has when the parameter is in ``unit``."""
    if not isinstance(value, u.Quantity):
        return float(value)
    if role == SHAPE:
        return float(value.to_value(""))
    if role == RATE:
        return float(value.to_value(unit**-1))
    if role != LOG:
        return float(value.to_value(unit))
    number = float(value.to_value(unit))
    if number <= 0:
        raise ValueError(f"a median must be positive, got {value}")
    return float(np.log(number))


class Prior:
    """A prior distribution of one parameter, as data.

    Parameters
    ----------
    dist : str
        Name of a univariate PyMC distribution ("Normal", "LogNormal", "Uniform", ...), or "LogUniform",
        "GeneralizedGaussian". See `bayesmap.modeling.distributions.DISTRIBUTIONS`.
    is_default : bool
        Marks a prior that was not chosen by the user.
    **kwargs : float, str, `~astropy.units.Quantity` or Prior
        Arguments of the distribution. A bare number is in the unit that the parameter declares; a quantity is
        converted to it. Where an argument is the logarithm of a value (``mu`` of LogNormal) a bare number is the
        natural logarithm of the value in the declared unit, and a quantity is the median itself. An argument may be
        a prior (hyperprior), except the edges of a support.

    Raises
    ------
    ValueError
        For an unknown distribution, missing, unknown or non-positive arguments.

    Examples
    --------
    >>> from bayesmap.modeling import Prior
    >>> Prior("Normal", mu=2.3, sigma=0.2)
    Prior('Normal', mu=2.3, sigma=0.2)
    """

    __slots__ = ("_dist", "_is_default", "_kwargs")

    def __init__(self, dist: str, *, is_default: bool = False, **kwargs: Any) -> None:
        if dist not in DISTRIBUTIONS:
            raise ValueError(f"unknown prior distribution {dist!r}{suggest(dist, DISTRIBUTIONS)}")
        self._dist, self._is_default = dist, bool(is_default)
        self._check_names(kwargs)
        values = {}
        for key, value in kwargs.items():
            try:
                argument = _argument(value)
                if isinstance(argument, u.Quantity) and argument.unit.is_equivalent(u.dimensionless_unscaled):
                    argument = _convert(argument, self.distribution.roles[key], u.dimensionless_unscaled)
                values[key] = argument
            except (TypeError, ValueError) as error:
                raise ValueError(f"prior {dist}: argument {key!r}: {error}") from None
        self._kwargs: dict[str, Any] = values
        self._check_values()

    @property
    def dist(self) -> str:
        """Name of the distribution."""
        return self._dist

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """Arguments of the distribution (read-only): floats, quantities or priors."""
        return MappingProxyType(self._kwargs)

    @property
    def is_default(self) -> bool:
        """True if the prior was not chosen by the user."""
        return self._is_default

    @property
    def distribution(self) -> Distribution:
        """Row of the table of distributions."""
        return DISTRIBUTIONS[self._dist]

    def _check_names(self, kwargs: Mapping[str, Any]) -> None:
        forms = self.distribution.forms
        if unknown := kwargs.keys() - self.distribution.roles.keys():
            name = sorted(unknown)[0]
            raise ValueError(f"prior {self._dist} has no argument {name!r}{suggest(name, self.distribution.roles)}")
        if not any(set(form) == kwargs.keys() for form in forms):
            needs = " or ".join(str(list(form)) for form in forms)
            raise ValueError(f"prior {self._dist} needs {needs}, got {sorted(kwargs)}")

    def _check_values(self) -> None:
        numbers = {}
        for key, value in self._kwargs.items():
            role = self.distribution.roles[key]
            if isinstance(value, Prior):
                if role == BOUND:
                    raise ValueError(f"prior {self._dist}: {key!r} is an edge of the support and cannot have a prior")
                if value.depth >= _MAX_DEPTH:
                    raise ValueError(f"prior {self._dist}: hyperpriors are nested more than {_MAX_DEPTH} deep")
                continue
            number = numbers[key] = float(value.value if isinstance(value, u.Quantity) else value)
            if not np.isfinite(number) or (role in _POSITIVE and number <= 0):
                kind = "positive and finite" if role in _POSITIVE else "finite"
                raise ValueError(f"prior {self._dist}: {key!r} must be {kind}, got {value}")
        if "lower" in self._kwargs and "upper" in self._kwargs and not self._kwargs["lower"] < self._kwargs["upper"]:
            raise ValueError(f"prior {self._dist}: lower must be below upper, got {dict(self._kwargs)}")
        if (self._dist == "LogUniform" and numbers["lower"] <= 0) or (self._dist == "Pareto" and numbers["m"] <= 0):
            raise ValueError(f"prior {self._dist}: the lower edge must be positive, got {dict(self._kwargs)}")

    @property
    def depth(self) -> int:
        """Number of levels of hyperpriors, zero if all arguments are numbers."""
        return max((1 + v.depth for v in self._kwargs.values() if isinstance(v, Prior)), default=0)

    def as_default(self) -> Self:
        """Return the same prior, marked as a default."""
        return type(self)(self._dist, is_default=True, **self._kwargs)

    def argument_unit(self, key: str, unit: u.UnitBase | str) -> u.UnitBase:
        """Return the unit of an argument when the parameter is in ``unit``."""
        role = self.distribution.roles[key]
        unit = u.Unit(unit)
        if role in (SHAPE, LOG):
            return u.dimensionless_unscaled
        return unit**-1 if role == RATE else unit

    def numbers(self, unit: u.UnitBase | str = "") -> dict[str, float]:
        """Return the arguments as numbers for a parameter in ``unit``; hyperpriors count as their median.

        Raises
        ------
        astropy.units.UnitConversionError
            If a quantity does not convert to the unit.
        """
        unit = u.Unit(unit)
        if self.distribution.unitless and unit != u.dimensionless_unscaled:
            raise u.UnitConversionError(f"prior {self._dist} is for dimensionless parameters, not for unit {unit}")
        result = {}
        for key, value in self._kwargs.items():
            if isinstance(value, Prior):
                result[key] = value.median(self.argument_unit(key, unit))
                continue
            try:
                result[key] = _convert(value, self.distribution.roles[key], unit)
            except u.UnitConversionError:
                expected = self.argument_unit(key, unit) if self.distribution.roles[key] != LOG else unit
                raise u.UnitConversionError(
                    f"prior {self._dist}: {key!r} = {value} does not convert to '{expected}'"
                ) from None
        return result

    def rescaled(self, factor: float, unit: u.UnitBase | str = "") -> Self:
        """Return the prior of the parameter in another unit.

        Parameters
        ----------
        factor : float
            A value in the old unit times this is the value in the new unit.
        unit : `~astropy.units.Unit` or str
            The old unit, the meaning of bare numbers.
        """
        powers = {SHAPE: 0.0, RATE: -1.0}
        kwargs: dict[str, Any] = {}
        for key, value in self._kwargs.items():
            role = self.distribution.roles[key]
            if isinstance(value, Prior):
                if role == LOG:
                    raise ValueError(f"prior {self._dist} with a prior on {key!r} cannot change its unit")
                kwargs[key] = value.rescaled(factor ** powers.get(role, 1.0), self.argument_unit(key, unit))
                continue
            number = _convert(value, role, u.Unit(unit))
            kwargs[key] = number + np.log(factor) if role == LOG else number * factor ** powers.get(role, 1.0)
        return type(self)(self._dist, is_default=self._is_default, **kwargs)

    def scipy(self, unit: u.UnitBase | str = "") -> Any:
        """Return the frozen SciPy distribution in ``unit``; hyperpriors count as their median.

        Raises
        ------
        ValueError
            If the prior is improper.
        """
        import scipy.stats

        build = self.distribution.scipy
        if build is None:
            raise ValueError(f"prior {self._dist} is improper: it has no quantiles")
        return build(scipy.stats, **self.numbers(unit))

    def support(self, unit: u.UnitBase | str = "") -> tuple[float, float]:
        """Return the edges of the support in ``unit``."""
        if self.distribution.scipy is None:
            return -np.inf, np.inf
        lower, upper = self.scipy(unit).support()
        return float(lower), float(upper)

    def median(self, unit: u.UnitBase | str = "", *, lower: float = -np.inf, upper: float = np.inf) -> float:
        """Return the median in ``unit``, of the prior truncated to ``[lower, upper]``."""
        return self.quantile(0.5, unit, lower=lower, upper=upper)

    def quantile(
        self, q: float, unit: u.UnitBase | str = "", *, lower: float = -np.inf, upper: float = np.inf
    ) -> float:
        """Return a quantile in ``unit``, of the prior truncated to ``[lower, upper]``."""
        dist = self.scipy(unit)
        low, high = dist.cdf(lower), dist.cdf(upper)
        return float(np.clip(dist.ppf(low + q * (high - low)), lower, upper))

    def interval(
        self, mass: float = 0.95, unit: u.UnitBase | str = "", *, lower: float = -np.inf, upper: float = np.inf
    ) -> tuple[float, float]:
        """Return the central interval that holds a given mass.

        Parameters
        ----------
        mass : float
            Between 0 and 1.
        unit : `~astropy.units.Unit` or str
            The unit of the parameter.
        lower, upper : float
            Bounds to which the prior is truncated, in the same unit.

        Returns
        -------
        tuple of float
            Lower and upper edge in ``unit``.

        Raises
        ------
        ValueError
            If the mass is not inside (0, 1) or the prior is improper.
        """
        if not 0 < mass < 1:
            raise ValueError(f"mass must be between 0 and 1, got {mass!r}")
        tail = 0.5 * (1 - mass)
        return (
            self.quantile(tail, unit, lower=lower, upper=upper),
            self.quantile(1 - tail, unit, lower=lower, upper=upper),
        )

    def logp(self, value: Any, unit: u.UnitBase | str = "") -> Any:
        """Return the natural logarithm of the density, without truncation.

        Parameters
        ----------
        value : array-like
            Values of the parameter in ``unit``.
        unit : `~astropy.units.Unit` or str
            Unit of the values and of the bare numbers in the prior; the density is per this unit.
        """
        if self.distribution.scipy is None:
            return np.zeros(np.shape(value))[()]
        return self.scipy(unit).logpdf(value)

    def to_rv(self, name: str, parameter: "Parameter") -> Any:
        """Create the random variable of a parameter in the `pymc.Model` of the context.

        The variable is in the unit that the parameter declares, truncated to its bounds (unless less than 1e-12 of the
        prior is outside), and sampled through a transform to a variable of order one.

        Parameters
        ----------
        name : str
            Name of the variable; hyperpriors are called ``"<name>_<argument>"``.
        parameter : Parameter
            Gives unit and bounds.

        Returns
        -------
        TensorVariable
            The PyMC variable.

        Raises
        ------
        ValueError
            If the prior has no mass between the bounds.
        """
        from bayesmap.modeling.random_variables import random_variable

        return random_variable(self, name, parameter)

    def to_dict(self) -> dict[str, Any]:
        """Return the prior as plain data: ``{"dist": "Normal", "mu": 2.3, "sigma": 0.2}``."""
        data: dict[str, Any] = {"dist": self._dist}
        for key, value in self._kwargs.items():
            if isinstance(value, Prior):
                data[key] = value.to_dict()
            else:
                data[key] = _text(value) if isinstance(value, u.Quantity) else value
        if self._is_default:
            data["default"] = True
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, _depth: int = 0) -> Self:
        """Create a prior from the data of `to_dict`.

        Raises
        ------
        ValueError
            If the data do not describe a prior.
        """
        if not isinstance(data, Mapping) or "dist" not in data:
            raise ValueError(f"a prior needs a key 'dist' with the name of a distribution, got {data!r:.200}")
        if _depth > _MAX_DEPTH:
            raise ValueError(f"hyperpriors are nested more than {_MAX_DEPTH} deep")
        kwargs = {str(key): value for key, value in data.items() if key not in ("dist", "default")}
        for key, value in kwargs.items():
            if isinstance(value, Mapping):
                kwargs[key] = cls.from_dict(value, _depth=_depth + 1)
        return cls(data["dist"], is_default=bool(data.get("default", False)), **kwargs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Prior):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(repr(self.to_dict()))

    def __repr__(self) -> str:
        texts = {key: _text(v) if isinstance(v, u.Quantity) else str(v) for key, v in self._kwargs.items()}
        arguments = "".join(f", {key}={text}" for key, text in texts.items())
        return f"Prior({self._dist!r}{arguments}{', is_default=True' if self._is_default else ''})"
