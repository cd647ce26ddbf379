"""Hyperparameters: named unknowns that are arguments of several priors."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Self

import astropy.units as u
import numpy as np

from bayesmap._types import Tensor
from bayesmap._util import make_name
from bayesmap.modeling.priors.arguments import Unknown, argument_unit, unit_text
from bayesmap.modeling.priors.distributions import LOG, POSITIVE
from bayesmap.modeling.priors.numbers import PriorNumbers
from bayesmap.units import parse_unit

if TYPE_CHECKING:
    from bayesmap.modeling.parameter import Parameter
    from bayesmap.modeling.priors.base import Prior

__all__ = ["HyperParameter", "collect_hyperparameters", "hyperparameters_of"]


class HyperParameter(Unknown):
    """A named unknown that priors of several parameters share as an argument.

    It is data and cannot be changed: two of equal name, prior and unit are the same unknown, one variable
    of the posterior.

    Parameters
    ----------
    name : str
        Name of its random variable.
    prior : Prior
        Its own prior. Bare numbers are in ``unit``.
    unit : str or `~astropy.units.Unit`
        Unit of the value. It must fit to the arguments that it is used for: the unit of the parameter for a
        location or a width, its inverse for a rate. For the logarithm of a value (``mu`` of LogNormal), without a
        unit it is the logarithm, with a unit it is the median.

    Raises
    ------
    TypeError
        If the prior is not a `Prior`.
    ValueError
        If the name is empty or contains a slash.

    Examples
    --------
    >>> from bayesmap.modeling import HyperParameter, Prior
    >>> mean = HyperParameter("norm_mean", Prior("Normal", mu=1, sigma=0.1))
    >>> scatter = HyperParameter("norm_scatter", Prior("HalfNormal", sigma=0.1))
    >>> Prior("Normal", mu=mean, sigma=scatter).depth
    1
    """

    __slots__ = ("_name", "_prior", "_unit")

    def __init__(self, name: str, prior: "Prior", unit: str | u.UnitBase = "") -> None:
        if name is None:
            raise TypeError("a hyperparameter needs a name")
        if not isinstance(prior, PriorNumbers):
            raise TypeError(f"hyperparameter {name!r} needs a Prior of its own, got {prior!r}")
        self._name, self._prior, self._unit = make_name(name), prior, parse_unit(unit)
        try:
            prior.numbers(self._unit)
        except (ValueError, u.UnitsError) as error:
            raise type(error)(f"hyperparameter {name!r}: {error}") from None

    @property
    def name(self) -> str:
        """Name of the random variable."""
        return self._name

    @property
    def prior(self) -> "Prior":
        """Its prior."""
        return self._prior

    @property
    def unit(self) -> u.UnitBase:
        """Unit of the value."""
        return self._unit

    @property
    def depth(self) -> int:
        """Levels of hyperpriors below it."""
        return self._prior.depth

    def argument(
        self, number: Callable[[PriorNumbers, u.UnitBase], Tensor], role: str, unit: u.UnitBase, where: str
    ) -> Tensor:
        """Return the argument of a prior, see `Unknown.argument`."""
        return self.as_argument(number(self._prior, self._unit), role, unit, np.log)

    def as_argument(self, value: Tensor, role: str, unit: u.UnitBase, log: Callable[[Tensor], Tensor]) -> Tensor:
        """Return a value of this hyperparameter as an argument of the prior of a parameter in ``unit``.

        Parameters
        ----------
        value : float, array or tensor
            Value in the unit of the hyperparameter.
        role : str
            Role of the argument.
        unit : `~astropy.units.Unit`
            Unit of the parameter.
        log : callable
            Natural logarithm for the kind of value.

        Raises
        ------
        astropy.units.UnitConversionError
            If the unit does not fit to the argument.
        ValueError
            If the argument is positive and the prior of the hyperparameter reaches below zero.
        """
        median = role == LOG and self._unit.physical_type != "dimensionless"
        target = unit if median else argument_unit(role, unit)
        try:
            factor = float(self._unit.to(target))
        except u.UnitConversionError:
            raise u.UnitConversionError(
                f"hyperparameter {self._name!r} is in '{self._unit}', which does not convert to '{target}'; give it "
                f"the argument unit={target.to_string()!r}"
            ) from None
        if (median or role in POSITIVE) and self._prior.support(self._unit)[0] < 0:
            what = "a median" if median else f"a {role}"
            raise ValueError(
                f"hyperparameter {self._name!r} is used as {what}, which is positive, but its prior {self._prior!r} "
                "reaches below zero"
            )
        scaled = value if factor == 1 else value * factor
        return log(scaled) if median else scaled

    def to_dict(self) -> dict[str, object]:
        """Return plain data: ``{"hyper": name, "unit": ..., "prior": ...}``."""
        return {"hyper": self._name, "unit": unit_text(self._unit), "prior": self._prior.to_dict()}

    @classmethod
    def from_dict(
        cls, data: Mapping[str, object], hyperparameters: Mapping[str, Self] | None = None, *, _depth: int = 0
    ) -> Self:
        """Create a hyperparameter from the data of `to_dict`, or find it by its name.

        Parameters
        ----------
        data : Mapping
            With the key "hyper", and "prior" and "unit" unless it is one of ``hyperparameters``.
        hyperparameters : Mapping of str to HyperParameter or None
            Those that are known by name.

        Raises
        ------
        ValueError
            If the data do not describe a hyperparameter.
        """
        from bayesmap.modeling.priors.base import hyperparameter_from_dict

        return hyperparameter_from_dict(cls, data, hyperparameters or {}, _depth)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HyperParameter):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self._name, self._prior, str(self._unit)))

    def __repr__(self) -> str:
        unit = "" if self._unit == u.dimensionless_unscaled else f", unit={self._unit.to_string()!r}"
        return f"HyperParameter({self._name!r}, {self._prior!r}{unit})"


def collect_hyperparameters(priors: Iterable["Prior | None"]) -> dict[str, HyperParameter]:
    """Return all hyperparameters of some priors by name, those that others depend on first.

    Raises
    ------
    ValueError
        If two different ones share a name.
    """
    found: dict[str, HyperParameter] = {}
    for prior in priors:
        for hyper in () if prior is None else prior.hyperparameters:
            known = found.setdefault(hyper.name, hyper)
            if known != hyper:
                raise ValueError(
                    f"hyperparameter {hyper.name!r} is defined twice, as {known!r} and as {hyper!r}; use one object "
                    "or two names"
                )
    return found


def hyperparameters_of(parameters: Mapping["Parameter", str]) -> dict[str, HyperParameter]:
    """Return the hyperparameters of the free parameters by name, those that others depend on first.

    Raises
    ------
    ValueError
        If two different ones share a name, or one has the name of a parameter.
    """
    found = collect_hyperparameters(p.prior for p in parameters if not p.frozen)
    for name in found.keys() & set(parameters.values()):
        raise ValueError(f"{name!r} is the name of a hyperparameter and of a parameter; rename the hyperparameter")
    return found
