"""Gaussian kernel density of samples, with the methods of a frozen SciPy distribution."""

from collections.abc import Sequence

import numpy as np
import scipy

from bayesmap._types import Numbers

__all__ = ["KernelDensity"]

_BISECTIONS = 80
_REACH = 9.0  # beyond this many bandwidths there is less than 1e-18 of a kernel


class KernelDensity:
    r"""Density of weighted samples smoothed with a Gaussian.

    .. math::
        p(x) = \sum_i \frac{w_i}{h \sqrt{2 \pi}} \exp\left(-\frac{(x - x_i)^2}{2 h^2}\right), \quad
        h = n_\mathrm{eff}^{-1/5} s, \quad n_\mathrm{eff} = \frac{1}{\sum_i w_i^2}

    with the weighted standard deviation s: Scott's rule, as in `scipy.stats.gaussian_kde`.

    Parameters
    ----------
    samples : array-like
        Shape ``(n,)``, at least two different values.
    weights : array-like or None
        Shape ``(n,)``, not negative; equal by default. They are divided by their sum.

    Raises
    ------
    ValueError
        If there are too few samples, they are all equal, or the weights do not fit to them.
    """

    def __init__(
        self, samples: np.ndarray | Sequence[float], weights: np.ndarray | Sequence[float] | None = None
    ) -> None:
        self.samples = np.asarray(samples, dtype="float64")
        n = len(self.samples)
        self.weights = np.full(n, 1.0) if weights is None else np.asarray(weights, dtype="float64")
        if self.weights.shape != self.samples.shape:
            raise ValueError(f"{n} samples need {n} weights, got {self.weights.size}")
        if not np.isfinite(self.weights).all() or self.weights.min() < 0 or self.weights.sum() <= 0:
            raise ValueError("weights must be finite, not negative, and not all zero")
        self.weights = self.weights / self.weights.sum()
        used = self.samples[self.weights > 0]
        if len(used) < 2 or np.ptp(used) <= 0:
            raise ValueError("a kernel density needs at least two different samples")
        effective = 1 / np.sum(self.weights**2)
        self.bandwidth = float(effective**-0.2 * np.sqrt(np.cov(self.samples, aweights=self.weights)))

    def _z(self, x: np.ndarray | float) -> np.ndarray:
        z: np.ndarray = (np.asarray(x, dtype="float64")[..., None] - self.samples) / self.bandwidth
        return z

    def logpdf(self, x: np.ndarray | float) -> Numbers:
        """Natural logarithm of the density."""
        norm = np.log(self.bandwidth * np.sqrt(2 * np.pi))
        return scipy.special.logsumexp(-0.5 * self._z(x) ** 2, axis=-1, b=self.weights) - norm

    def pdf(self, x: np.ndarray | float) -> Numbers:
        """Density."""
        return np.exp(self.logpdf(x))

    def cdf(self, x: np.ndarray | float) -> Numbers:
        """Probability of values below x."""
        return (scipy.special.ndtr(self._z(x)) @ self.weights)[()]

    def sf(self, x: np.ndarray | float) -> Numbers:
        """Probability of values above x."""
        return (scipy.special.ndtr(-self._z(x)) @ self.weights)[()]

    def ppf(self, q: np.ndarray | float) -> Numbers:
        """Quantiles, by bisection."""
        q = np.asarray(q, dtype="float64")
        low = np.full(q.shape, self.samples.min() - _REACH * self.bandwidth)
        high = np.full(q.shape, self.samples.max() + _REACH * self.bandwidth)
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            below = self.cdf(middle) < q
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return (0.5 * (low + high))[()]

    def support(self) -> tuple[float, float]:
        """The whole axis."""
        return -np.inf, np.inf

    def rvs(
        self, size: int | tuple[int, ...] | None = None, random_state: np.random.Generator | int | None = None
    ) -> Numbers:
        """Random values."""
        rng = np.random.default_rng(random_state)
        return rng.choice(self.samples, size, p=self.weights) + self.bandwidth * rng.normal(size=size)
