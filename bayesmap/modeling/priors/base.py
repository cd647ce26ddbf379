"""Priors as data: the name of a distribution and its arguments."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import astropy.units as u
import numpy as np

from bayesmap._types import Tensor, Tree
from bayesmap._util import suggest
from bayesmap.modeling.priors.arguments import (
    Unknown,
    argument_data,
    argument_unit,
    as_argument,
    check_finite,
    convert,
    rescale,
)
from bayesmap.modeling.priors.distributions import ARRAYS, BOUND, DISTRIBUTIONS, LOG, Distribution
from bayesmap.modeling.priors.hyper import HyperParameter
from bayesmap.modeling.priors.kde import KernelDensity
from bayesmap.modeling.priors.numbers import PriorNumbers
from bayesmap.units import as_quantity, parse_unit

if TYPE_CHECKING:
    from bayesmap.modeling.parameter import Parameter

__all__ = ["Prior"]

_MAX_DEPTH = 3


class Prior(PriorNumbers):
    """A prior distribution of one parameter, as data.

    Parameters
    ----------
    dist : str
        Name of a univariate PyMC distribution ("Normal", "LogNormal", "Uniform", ...), or "LogUniform",
        "GeneralizedGaussian", "SamplesKDE". See `bayesmap.modeling.priors.distributions.DISTRIBUTIONS`.
    is_default : bool
        Marks a prior that was not chosen by the user.
    **kwargs : float, str, `~astropy.units.Quantity`, HyperParameter or Prior
        Arguments of the distribution. A bare number is in the unit that the parameter declares; a quantity is
        converted to it. Where an argument is the logarithm of a value (``mu`` of LogNormal) a bare number is the
        natural logarithm of the value in the declared unit, and a quantity is the median itself. An argument may be
        a `HyperParameter`, which several priors may share, or a prior (a hyperprior of this prior alone), except the
        edges of a support.

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
                values[key] = self._argument(value, self.distribution.roles[key])
            except (TypeError, ValueError) as error:
                raise ValueError(f"prior {dist}: argument {key!r}: {error}") from None
        self._kwargs: dict[str, Any] = values
        self._check_values()

    @staticmethod
    def _argument(value: Any, role: str) -> Any:
        if isinstance(value, Unknown):
            return value
        if isinstance(value, Mapping) and role not in ARRAYS:
            return HyperParameter.from_dict(value) if "hyper" in value else Prior.from_dict(value)
        return as_argument(value, role)

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
    def is_joint(self) -> bool:
        """True for the marginal of a `MultivariateNormalPrior`, which describes several parameters together."""
        return False

    @property
    def summary(self) -> str:
        """Distribution and arguments, numbers rounded: ``"Normal(mu=2.3, sigma=0.2)"``."""
        return f"{self._dist}({', '.join(f'{key}={_short(value)}' for key, value in self._kwargs.items())})"

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
        for key, value in self._kwargs.items():
            role = self.distribution.roles[key]
            if isinstance(value, Unknown):
                if role == BOUND or role in ARRAYS:
                    what = "an edge of the support" if role == BOUND else "a list"
                    raise ValueError(f"prior {self._dist}: {key!r} is {what} and cannot have a prior")
                if value.depth >= _MAX_DEPTH:
                    raise ValueError(f"prior {self._dist}: hyperpriors are nested more than {_MAX_DEPTH} deep")
                continue
            try:
                check_finite(value, role)
            except ValueError as error:
                raise ValueError(f"prior {self._dist}: {key!r} {error}") from None
        if "lower" in self._kwargs and "upper" in self._kwargs and not self._kwargs["lower"] < self._kwargs["upper"]:
            raise ValueError(f"prior {self._dist}: lower must be below upper, got {dict(self._kwargs)}")
        if self._dist == "Triangular" and not (self._kwargs["lower"] <= self._kwargs["c"] <= self._kwargs["upper"]):
            raise ValueError(f"prior {self._dist}: c must be between lower and upper, got {dict(self._kwargs)}")
        edge = {"LogUniform": "lower", "Pareto": "m"}.get(self._dist)
        if edge is not None and not as_quantity(self._kwargs[edge]).value > 0:
            raise ValueError(f"prior {self._dist}: the lower edge must be positive, got {dict(self._kwargs)}")
        if self._dist == "SamplesKDE":
            KernelDensity(**{k: getattr(v, "value", v) for k, v in self._kwargs.items()})

    @property
    def depth(self) -> int:
        """Number of levels of hyperpriors, zero if all arguments are numbers."""
        return max((1 + v.depth for v in self._kwargs.values() if isinstance(v, Prior | HyperParameter)), default=0)

    @property
    def hyperparameters(self) -> list[HyperParameter]:
        """The hyperparameters among the arguments and those that they depend on, which come first."""
        found: list[HyperParameter] = []
        for value in self._kwargs.values():
            below = value.prior if isinstance(value, HyperParameter) else value
            found += below.hyperparameters if isinstance(below, Prior) else []
            found += [value] if isinstance(value, HyperParameter) else []
        return found

    def as_default(self) -> Self:
        """Return the same prior, marked as a default."""
        return type(self)(self._dist, is_default=True, **self._kwargs)

    def argument_unit(self, key: str, unit: u.UnitBase | str) -> u.UnitBase:
        """Return the unit of an argument when the parameter is in ``unit``."""
        return argument_unit(self.distribution.roles[key], unit)

    def rescaled(self, factor: float, unit: u.UnitBase | str = "") -> Self:
        """Return the prior of the parameter in another unit.

        Parameters
        ----------
        factor : float
            A value in the old unit times this is the value in the new unit.
        unit : `~astropy.units.Unit` or str
            The old unit, the meaning of bare numbers.

        Raises
        ------
        ValueError
            If an argument has a prior of its own.
        """
        kwargs: dict[str, Any] = {}
        for key, value in self._kwargs.items():
            role = self.distribution.roles[key]
            if role == LOG and isinstance(value, Prior | HyperParameter) and getattr(value, "unit", "") == "":
                raise ValueError(f"prior {self._dist} with a prior on {key!r} cannot change its unit")
            if isinstance(value, HyperParameter):
                kwargs[key] = value  # it has a unit of its own
            elif isinstance(value, Prior):
                kwargs[key] = value.rescaled(rescale(1.0, role, factor), self.argument_unit(key, unit))
            else:
                kwargs[key] = rescale(convert(value, role, parse_unit(unit)), role, factor)
        return type(self)(self._dist, is_default=self._is_default, **kwargs)

    def to_rv(self, name: str, parameter: "Parameter") -> Tensor:
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
        from bayesmap.modeling.priors.pymc_variables import random_variable

        return random_variable(self, name, parameter)

    def to_dict(self) -> dict[str, object]:
        """Return the prior as plain data: ``{"dist": "Normal", "mu": 2.3, "sigma": 0.2}``."""
        data: dict[str, Any] = {"dist": self._dist}
        for key, value in self._kwargs.items():
            data[key] = value.to_dict() if isinstance(value, Unknown) else argument_data(value)
        if self._is_default:
            data["default"] = True
        return data

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], *, hyperparameters: Mapping[str, HyperParameter] | None = None, _depth: int = 0
    ) -> Self:
        """Create a prior from the data of `to_dict`.

        Parameters
        ----------
        data : Mapping
            Name and arguments.
        hyperparameters : Mapping of str to HyperParameter or None
            Those that the data may name without defining them: ``{"hyper": name}``.

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
            if isinstance(value, Mapping) and "hyper" in value:
                kwargs[key] = HyperParameter.from_dict(value, hyperparameters, _depth=_depth)
            elif isinstance(value, Mapping) and "dist" in value:
                kwargs[key] = cls.from_dict(value, hyperparameters=hyperparameters, _depth=_depth + 1)
        return cls(data["dist"], is_default=bool(data.get("default", False)), **kwargs)

    @classmethod
    def from_posterior(cls, tree: Tree, name: str, method: str = "moments") -> "Prior":
        """Return a prior like the marginal posterior of a parameter, for an analysis of other data.

        Parameters
        ----------
        tree : xarray.DataTree
            Result of `bayesmap.sample`. The same data must not be used again with this prior.
        name : str
            Name of the variable, ``"<model>.<parameter>"``.
        method : {"moments", "kde"}
            "moments": a normal distribution, or a log-normal one if all draws are positive and their logarithms are
            less skewed (by 0.1). "kde": a kernel density of the draws (of 400 quantiles, if there are more).

        Returns
        -------
        Prior
            With units. For several parameters together see `MultivariateNormalPrior.from_posterior`.

        Raises
        ------
        KeyError
            If the posterior has no such variable.
        ValueError
            If the draws are not finite numbers, or all equal.
        """
        from bayesmap.modeling.priors.from_posterior import prior_from_posterior

        return prior_from_posterior(tree, name, method)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Prior):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(repr(self.to_dict()))

    def __repr__(self) -> str:
        arguments = "".join(f", {key}={_shown(value)}" for key, value in self._kwargs.items())
        return f"Prior({self._dist!r}{arguments}{', is_default=True' if self._is_default else ''})"


def hyperparameter_from_dict[H: HyperParameter](
    cls: type[H], data: Mapping[str, Any], known: Mapping[str, H], depth: int
) -> H:
    """Return the hyperparameter of `HyperParameter.from_dict`, at some depth of hyperpriors."""
    if unknown := sorted(map(str, data.keys() - {"hyper", "unit", "prior"})):
        raise ValueError(f"unknown key {unknown[0]!r}{suggest(unknown[0], ('hyper', 'unit', 'prior'))}")
    name = data["hyper"]
    if "prior" in data:
        prior = Prior.from_dict(data["prior"], hyperparameters=known, _depth=depth + 1)
        new = cls(name, prior, data.get("unit") or "")
        if known.get(name, new) != new:
            raise ValueError(f"hyperparameter {name!r} is defined twice, as {known[name]!r} and as {new!r}")
        return new
    if name not in known:
        raise ValueError(f"unknown hyperparameter {name!r}{suggest(name, known)}")
    return known[name]


def _shown(value: Any) -> str:
    """An argument as text; of lists only their length."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"<{len(value)} values>"
    return str(argument_data(value)) if isinstance(value, u.Quantity) else str(value)


def _short(value: Any) -> str:
    """An argument with four digits, seven for what may be a position or a date; of a hyperparameter its name."""
    if isinstance(value, Prior):
        return value.summary
    if isinstance(value, HyperParameter):
        return value.name
    if isinstance(value, np.ndarray) and value.ndim:
        return _shown(value)
    number = float(value.value if isinstance(value, u.Quantity) else value)
    text = f"{number:.{7 if 10 <= abs(number) < 1e6 else 4}g}"
    return f"{text} {value.unit}" if isinstance(value, u.Quantity) else text
