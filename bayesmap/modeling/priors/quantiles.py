"""Distribution function, quantiles and density of the priors that most models have, from the standard library.

`scipy.stats` has them too, but takes a second to import; for these, and one number at a time, nothing of it is needed.
"""

import dataclasses
import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Quantiles", "half_normal", "log_normal", "log_uniform", "normal", "uniform"]

_STANDARD = statistics.NormalDist()


@dataclasses.dataclass(frozen=True)
class Quantiles:
    """What is asked of a frozen SciPy distribution, but for the density one number at a time.

    Parameters
    ----------
    cdf : callable
        Probability below a value.
    inverse : callable
        The value below which there is a probability inside (0, 1).
    log_density : callable
        Natural logarithm of the density, of an array inside the support.
    lower, upper : float
        Edges of the support.
    """

    cdf: Callable[[float], float]
    inverse: Callable[[float], float]
    log_density: Callable[[np.ndarray], Any]
    lower: float = -math.inf
    upper: float = math.inf

    def ppf(self, q: float) -> float:
        """Quantile, an edge of the support at 0 and 1."""
        if not 0 <= q <= 1:
            return math.nan
        return self.inverse(q) if 0 < q < 1 else (self.lower, self.upper)[round(q)]

    def logpdf(self, value: Any) -> Any:
        """Natural logarithm of the density; -inf outside of the support."""
        value = np.asarray(value, dtype="float64")
        inside = (value >= self.lower) & (value <= self.upper)
        with np.errstate(divide="ignore"):
            result = np.where(inside, self.log_density(np.where(inside, value, 0.5)), -np.inf)
        return np.where(np.isnan(value), np.nan, result)[()]

    def support(self) -> tuple[float, float]:
        """Edges of the support."""
        return self.lower, self.upper


def normal(mu: float, sigma: float) -> Quantiles:
    """Normal distribution."""
    norm = math.log(sigma * math.sqrt(2 * math.pi))
    return Quantiles(
        lambda x: 0.5 * math.erfc(-(x - mu) / sigma / math.sqrt(2)),
        lambda q: mu + sigma * _STANDARD.inv_cdf(q),
        lambda x: -0.5 * ((x - mu) / sigma) ** 2 - norm,
    )


def half_normal(sigma: float) -> Quantiles:
    """Normal distribution around zero, its positive half."""
    inner = normal(0.0, sigma)
    return Quantiles(
        lambda x: math.erf(max(x, 0.0) / sigma / math.sqrt(2)),
        lambda q: inner.inverse(0.5 + 0.5 * q),
        lambda x: math.log(2) + inner.log_density(x),
        lower=0.0,
    )


def uniform(lower: float, upper: float) -> Quantiles:
    """Constant density between two values."""
    width = upper - lower
    return Quantiles(
        lambda x: min(max((x - lower) / width, 0.0), 1.0),
        lambda q: lower + q * width,
        lambda x: np.full(x.shape, -math.log(width)),
        lower,
        upper,
    )


def log_normal(mu: float, sigma: float) -> Quantiles:
    """Values whose logarithm is normal."""
    return _exponential_of(normal(mu, sigma))


def log_uniform(lower: float, upper: float) -> Quantiles:
    """Values whose logarithm is uniform."""
    inner = _exponential_of(uniform(math.log(lower), math.log(upper)))
    return dataclasses.replace(inner, lower=lower, upper=upper)


def _exponential_of(inner: Quantiles) -> Quantiles:
    def log_density(x: np.ndarray) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(x > 0, inner.log_density(np.log(x)) - np.log(x), -np.inf)

    return Quantiles(
        lambda x: inner.cdf(math.log(x)) if x > 0 else 0.0,
        lambda q: math.exp(inner.inverse(q)),
        log_density,
        lower=0.0,
    )
