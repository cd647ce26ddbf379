"""Priors from intervals: what range holds a parameter with what probability.

Each function takes the ends of a central interval and its mass, or one end and the mass below it, as numbers in the
declared unit of the parameter or as quantities, and returns a `Prior`.
"""

from collections.abc import Callable

import astropy.units as u
import numpy as np
import scipy

from bayesmap._types import QuantityLike
from bayesmap.modeling.priors.base import Prior
from bayesmap.units import as_quantity

__all__ = [
    "beta",
    "exponential",
    "gamma",
    "half_cauchy",
    "half_normal",
    "lognormal",
    "loguniform",
    "normal",
    "student_t",
    "uniform",
]

_SMALLEST, _LARGEST = 0.02, 1e8  # shapes between which a solution is looked for


def _check_mass(mass: float) -> float:
    if isinstance(mass, bool) or not isinstance(mass, int | float | np.number) or not 0 < mass < 1:
        raise ValueError(f"mass must be a probability between 0 and 1, got {mass!r}")
    return float(mass)


def _interval(
    low: QuantityLike, high: QuantityLike, mass: float, positive: bool = False
) -> tuple[float, float, u.UnitBase, float]:
    """Ends of an interval in one unit, that unit, and the probability in each tail."""
    mass = _check_mass(mass)
    ends = []
    for what, value in (("low", low), ("high", high)):
        try:
            end = as_quantity(value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{what} must be a number or a quantity, got {value!r}: {error}") from None
        if not end.isscalar or not np.isfinite(end.value):
            raise ValueError(f"{what} must be one finite number, got {value!r}")
        ends.append(end)
    if not ends[1].unit.is_equivalent(ends[0].unit):
        raise u.UnitConversionError(f"low is in '{ends[0].unit}', high in '{ends[1].unit}'")
    unit = ends[0].unit
    first, last = float(ends[0].value), float(ends[1].to_value(unit))
    if not first < last:
        raise ValueError(f"low must be below high, got {low!r} and {high!r}")
    if positive and first <= 0:
        raise ValueError(f"low must be positive, got {low!r}")
    return first, last, unit, 0.5 * (1 - mass)


def _end(high: QuantityLike, mass: float) -> tuple[float, u.UnitBase, float]:
    """The upper end of an interval that begins at zero, its unit, and the probability below."""
    mass = _check_mass(mass)
    try:
        quantity = as_quantity(high)
    except (TypeError, ValueError) as error:
        raise ValueError(f"high must be a number or a quantity, got {high!r}: {error}") from None
    if not quantity.isscalar or not 0 < quantity.value < np.inf:
        raise ValueError(f"high must be one positive number, got {high!r}")
    return float(quantity.value), quantity.unit, mass


def normal(low: QuantityLike, high: QuantityLike, mass: float = 0.95) -> Prior:
    """Return the normal prior with a given central interval.

    Parameters
    ----------
    low, high : float, str or `~astropy.units.Quantity`
        Ends of the interval.
    mass : float
        Probability inside; the rest is shared equally by the two tails.

    Raises
    ------
    ValueError
        If the interval is empty or the mass is not a probability.

    Examples
    --------
    >>> from bayesmap.modeling.priors import elicit
    >>> elicit.normal(1.9, 2.7, mass=0.95).summary
    'Normal(mu=2.3, sigma=0.2041)'
    """
    first, last, unit, tail = _interval(low, high, mass)
    sigma = 0.5 * (last - first) / scipy.stats.norm.isf(tail)
    return Prior("Normal", mu=0.5 * (first + last) * unit, sigma=sigma * unit)


def student_t(low: QuantityLike, high: QuantityLike, mass: float = 0.95, nu: float = 4.0) -> Prior:
    """Return the Student prior with a given central interval; ``nu`` are its degrees of freedom. See `normal`."""
    first, last, unit, tail = _interval(low, high, mass)
    if not nu > 0:
        raise ValueError(f"nu must be positive, got {nu!r}")
    sigma = 0.5 * (last - first) / scipy.stats.t.isf(tail, nu)
    return Prior("StudentT", nu=nu, mu=0.5 * (first + last) * unit, sigma=sigma * unit)


def lognormal(low: QuantityLike, high: QuantityLike, mass: float = 0.95) -> Prior:
    """Return the log-normal prior with a given central interval, ``low`` positive; see `normal`."""
    first, last, unit, tail = _interval(low, high, mass, positive=True)
    sigma = 0.5 * np.log(last / first) / scipy.stats.norm.isf(tail)
    median = np.sqrt(first) * np.sqrt(last)
    if unit.is_equivalent(u.dimensionless_unscaled):
        return Prior("LogNormal", mu=float(np.log(median * unit.to(""))), sigma=sigma)
    return Prior("LogNormal", mu=median * unit, sigma=sigma)


def uniform(low: QuantityLike, high: QuantityLike, mass: float = 0.95) -> Prior:
    """Return the uniform prior with a given central interval: it is wider by the mass outside. See `normal`."""
    first, last, unit, tail = _interval(low, high, mass)
    margin = tail * (last - first) / (1 - 2 * tail)
    return Prior("Uniform", lower=(first - margin) * unit, upper=(last + margin) * unit)


def loguniform(low: QuantityLike, high: QuantityLike, mass: float = 0.95) -> Prior:
    """Return the log-uniform prior with a given central interval, ``low`` positive; see `uniform`."""
    first, last, unit, tail = _interval(low, high, mass, positive=True)
    margin = (last / first) ** (tail / (1 - 2 * tail))
    return Prior("LogUniform", lower=first / margin * unit, upper=last * margin * unit)


def gamma(low: QuantityLike, high: QuantityLike, mass: float = 0.95) -> Prior:
    """Return the gamma prior with a given central interval, ``low`` positive; see `normal`."""
    first, last, unit, tail = _interval(low, high, mass, positive=True)

    def excess(log_shape: float) -> float:
        shape = np.exp(log_shape)
        return float(
            np.log(scipy.stats.gamma.isf(tail, shape) / scipy.stats.gamma.ppf(tail, shape)) - np.log(last / first)
        )

    shape = float(np.exp(_solve(excess, f"gamma distribution with {1 - 2 * tail:.3g} between {low} and {high}")))
    rate = scipy.stats.gamma.ppf(tail, shape) / first
    return Prior("Gamma", alpha=shape, beta=rate / unit)


def beta(low: float, high: float, mass: float = 0.95) -> Prior:
    """Return the beta prior with a given central interval inside (0, 1); see `normal`."""
    first, last, unit, tail = _interval(low, high, mass, positive=True)
    if not unit.is_equivalent(u.dimensionless_unscaled):
        raise u.UnitConversionError(f"a beta prior is for dimensionless parameters, not for unit '{unit}'")
    first, last = first * unit.to(""), last * unit.to("")
    if last >= 1:
        raise ValueError(f"a beta prior lies between 0 and 1, got high = {high!r}")

    def other(log_a: float) -> float:
        """Logarithm of the second shape that puts ``low`` right."""
        a = np.exp(log_a)
        limit = np.log(_LARGEST)
        return float(
            scipy.optimize.brentq(lambda log_b: scipy.stats.beta.cdf(first, a, np.exp(log_b)) - tail, -limit, limit)
        )

    def excess(log_a: float) -> float:
        return float(scipy.stats.beta.sf(last, np.exp(log_a), np.exp(other(log_a))) - tail)

    what = f"beta distribution with {1 - 2 * tail:.3g} between {low} and {high}"
    log_a = _solve(excess, what, np.log(1e-3), np.log(1e6))
    return Prior("Beta", alpha=float(np.exp(log_a)), beta=float(np.exp(other(log_a))))


def _solve(
    excess: Callable[[float], float],
    what: str,
    low: float = float(np.log(_SMALLEST)),
    high: float = float(np.log(_LARGEST)),
) -> float:
    """Root of a monotonic function."""
    try:
        with np.errstate(all="ignore"):
            return float(scipy.optimize.brentq(excess, low, high, xtol=1e-13))
    except ValueError:
        raise ValueError(f"there is no {what} of reasonable shape; take another distribution") from None


def half_normal(high: QuantityLike, mass: float = 0.95) -> Prior:
    """Return the half-normal prior with a given probability below one value.

    Parameters
    ----------
    high : float, str or `~astropy.units.Quantity`
        Positive value.
    mass : float
        Probability between zero and this value.

    Raises
    ------
    ValueError
        If the value is not positive or the mass is not a probability.
    """
    last, unit, mass = _end(high, mass)
    return Prior("HalfNormal", sigma=last / scipy.stats.halfnorm.ppf(mass) * unit)


def half_cauchy(high: QuantityLike, mass: float = 0.95) -> Prior:
    """Return the half-Cauchy prior with a given probability below one value; see `half_normal`."""
    last, unit, mass = _end(high, mass)
    return Prior("HalfCauchy", beta=last / scipy.stats.halfcauchy.ppf(mass) * unit)


def exponential(high: QuantityLike, mass: float = 0.95) -> Prior:
    """Return the exponential prior with a given probability below one value; see `half_normal`."""
    last, unit, mass = _end(high, mass)
    return Prior("Exponential", scale=last / scipy.stats.expon.ppf(mass) * unit)
