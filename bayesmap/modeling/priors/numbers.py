"""Numbers of a prior in the unit of its parameter: arguments, quantiles, intervals, densities, draws."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from bayesmap._types import RandomState, Tensor
from bayesmap._util import get_random_state
from bayesmap.modeling.priors.arguments import Unknown, argument_unit, convert
from bayesmap.modeling.priors.distributions import LOG, POSITIVE, Distribution
from bayesmap.units import parse_unit

__all__ = ["PriorNumbers"]

_DRAWS = 20000


class PriorNumbers(Unknown):
    """What `Prior` knows about its numbers; hyperpriors count as their median unless the method says otherwise."""

    __slots__ = ()
    _kwargs: Mapping[str, Any]

    if TYPE_CHECKING:

        @property
        def dist(self) -> str:
            """Name of the distribution."""

        @property
        def distribution(self) -> Distribution:
            """Row of the table of distributions."""

    def numbers(self, unit: u.UnitBase | str = "") -> dict[str, Any]:
        """Return the arguments as numbers for a parameter in ``unit``; hyperpriors count as their median.

        Raises
        ------
        astropy.units.UnitConversionError
            If a quantity does not convert to the unit.
        """
        return self._arguments(parse_unit(unit), lambda prior, unit: prior.median(unit))

    def argument(
        self, number: Callable[["PriorNumbers", u.UnitBase], Tensor], role: str, unit: u.UnitBase, where: str
    ) -> Tensor:
        """Return the argument of another prior, see `Unknown.argument`."""
        own = argument_unit(role, unit)
        if role in POSITIVE and self.support(own)[0] < 0:
            raise ValueError(f"{where} is positive, its prior {self!r} reaches below zero")
        return number(self, own)

    def _arguments(self, unit: u.UnitBase, hyper: Callable[["PriorNumbers", u.UnitBase], Tensor]) -> dict[str, Any]:
        """The arguments for a parameter in ``unit``, with ``hyper(prior, unit)`` in place of hyperpriors."""
        if self.distribution.unitless and unit != u.dimensionless_unscaled:
            raise u.UnitConversionError(f"prior {self.dist} is for dimensionless parameters, not for unit {unit}")
        result = {}
        for key, value in self._kwargs.items():
            role = self.distribution.roles[key]
            if isinstance(value, Unknown):
                result[key] = value.argument(hyper, role, unit, f"prior {self.dist}: {key!r}")
                continue
            try:
                result[key] = convert(value, role, unit)
            except u.UnitConversionError:
                expected = argument_unit(role, unit) if role != LOG else unit
                raise u.UnitConversionError(
                    f"prior {self.dist}: {key!r} = {value} does not convert to '{expected}'"
                ) from None
        return result

    def draws(
        self,
        size: int,
        unit: u.UnitBase | str = "",
        random_state: RandomState = None,
        *,
        lower: float = -np.inf,
        upper: float = np.inf,
    ) -> np.ndarray:
        """Return random values, each with hyperpriors of its own.

        Parameters
        ----------
        size : int
            How many.
        unit : `~astropy.units.Unit` or str
            The unit of the parameter, and of the result.
        random_state : int, numpy.random.Generator, str or None
            Source of randomness.
        lower, upper : float
            Bounds to which the prior is truncated, in the same unit.

        Raises
        ------
        ValueError
            If the prior is improper.
        """
        rng = get_random_state(random_state)
        dist = self._frozen(self._arguments(parse_unit(unit), lambda prior, unit: prior.draws(size, unit, rng)))
        low, high = dist.cdf(lower), dist.cdf(upper)
        values: np.ndarray = np.clip(dist.ppf(low + rng.uniform(size=size) * (high - low)), lower, upper)
        return values

    def scipy(self, unit: u.UnitBase | str = "") -> Any:
        """Return the frozen SciPy distribution in ``unit``; hyperpriors count as their median.

        Raises
        ------
        ValueError
            If the prior is improper.
        """
        return self._frozen(self.numbers(unit))

    def _frozen(self, arguments: Mapping[str, Any]) -> Any:
        """The distribution of SciPy with some arguments."""
        import scipy.stats

        build = self.distribution.scipy
        if build is None:
            raise ValueError(f"prior {self.dist} is improper: it has neither draws nor quantiles")
        return build(scipy.stats, **arguments)

    def quantiles(self, unit: u.UnitBase | str = "") -> Any:
        """Return an object with ``cdf``, ``ppf``, ``logpdf`` and ``support`` in ``unit``; hyperpriors count as medians.

        For the most common distributions it is made without `scipy.stats`, and takes one number at a time.

        Raises
        ------
        ValueError
            If the prior is improper.
        """
        build = self.distribution.quantiles
        return self.scipy(unit) if build is None else build(**self.numbers(unit))

    def support(self, unit: u.UnitBase | str = "") -> tuple[float, float]:
        """Return the edges of the support in ``unit``."""
        if self.distribution.scipy is None:
            return -np.inf, np.inf
        lower, upper = self.quantiles(unit).support()
        return float(lower), float(upper)

    def median(self, unit: u.UnitBase | str = "", *, lower: float = -np.inf, upper: float = np.inf) -> float:
        """Return the median in ``unit``, of the prior truncated to ``[lower, upper]``."""
        return self.quantile(0.5, unit, lower=lower, upper=upper)

    def quantile(
        self, q: float, unit: u.UnitBase | str = "", *, lower: float = -np.inf, upper: float = np.inf
    ) -> float:
        """Return a quantile in ``unit``, of the prior truncated to ``[lower, upper]``."""
        dist = self.quantiles(unit)
        low, high = dist.cdf(lower), dist.cdf(upper)
        return float(np.clip(dist.ppf(low + q * (high - low)), lower, upper))

    def interval(
        self, mass: float = 0.95, unit: u.UnitBase | str = "", *, lower: float = -np.inf, upper: float = np.inf
    ) -> tuple[float, float]:
        """Return the central interval that holds a given mass, over all hyperpriors (then from 20000 draws).

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
        if self.depth:
            draws = self.draws(_DRAWS, unit, 0, lower=lower, upper=upper)
            low, high = np.quantile(draws, [tail, 1 - tail])
            return float(low), float(high)
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
        return self.quantiles(unit).logpdf(value)
