"""Significance, errors and limits of the excess of counts over a background that is known or measured."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike

from bayesmap.stats.fit_statistics import cash, wstat

__all__ = ["CashCountsStatistic", "CountsStatistic", "WStatCountsStatistic", "rising_root"]

#: How often a bracket is doubled in the search for a root: past 1e15 times the error there is none.
MAX_DOUBLINGS = 50


class CountsStatistic(ABC):
    """Excess of counts, bin by bin; the base of the two statistics.

    All properties are arrays of the shape of the counts.
    """

    n_on: np.ndarray

    @property
    @abstractmethod
    def n_bkg(self) -> np.ndarray:
        """Background counts in the ON region."""

    @property
    @abstractmethod
    def n_sig(self) -> np.ndarray:
        """Excess."""

    @property
    @abstractmethod
    def variance(self) -> np.ndarray:
        """Approximate variance of the excess, from the numbers of counts."""

    @property
    def error(self) -> np.ndarray:
        """Approximate standard deviation of the excess; NaN where counts are negative."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(self.variance)

    @property
    @abstractmethod
    def stat_null(self) -> np.ndarray:
        """Fit statistic of no excess."""

    @property
    @abstractmethod
    def stat_max(self) -> np.ndarray:
        """Fit statistic of the best fit, whose signal is the excess."""

    @abstractmethod
    def _stat(self, index: tuple[int, ...], n_sig: float) -> float:
        """Fit statistic of one bin for a signal."""

    @abstractmethod
    def _sqrt_ts_of(self, index: tuple[int, ...], n_sig: float) -> float:
        """Significance that an excess would have over the background of one bin."""

    @abstractmethod
    def sum(self, axis: Any = None) -> "CountsStatistic":
        """Statistic of the summed counts."""

    @abstractmethod
    def __getitem__(self, key: Any) -> "CountsStatistic":
        """Statistic of some of the bins."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.n_on.shape})"

    def __str__(self) -> str:
        rows = [f"{key:<32}: {_text(value)}" for key, value in self.info_dict().items()]
        return "\n  ".join([type(self).__name__, *rows])

    @property
    def ts(self) -> np.ndarray:
        """Difference of the fit statistic between no excess and the best fit; not negative."""
        return np.clip(self.stat_null - self.stat_max, 0, None)

    @property
    def sqrt_ts(self) -> np.ndarray:
        """Significance of the excess in standard deviations, with the sign of the excess (Li & Ma 1983)."""
        return np.sign(self.n_sig) * np.sqrt(self.ts)

    @property
    def p_value(self) -> np.ndarray:
        """One-sided probability of at least this ``ts`` without a signal, by Wilks' theorem."""
        return 0.5 * scipy.stats.chi2.sf(self.ts, 1)

    def info_dict(self) -> dict[str, np.ndarray]:
        """Counts, background, excess, significance and p-value, by name."""
        return {
            "n_on": self.n_on,
            "background": self.n_bkg,
            "excess": self.n_sig,
            "significance": self.sqrt_ts,
            "p_value": self.p_value,
        }

    def compute_errn(self, n_sigma: float = 1.0) -> np.ndarray:
        """Lower error of the excess: how far below it the fit statistic rises by ``n_sigma ** 2``.

        Parameters
        ----------
        n_sigma : float
            Number of standard deviations.

        Returns
        -------
        numpy.ndarray
            Positive counts; ``n_on`` where the fit statistic has no lower crossing (no counts at all).
        """
        return self._per_bin(lambda index: self._crossing(index, n_sigma, -1), self.n_on)

    def compute_errp(self, n_sigma: float = 1.0) -> np.ndarray:
        """Upper error of the excess: how far above it the fit statistic rises by ``n_sigma ** 2``.

        Parameters
        ----------
        n_sigma : float
            Number of standard deviations.

        Returns
        -------
        numpy.ndarray
            Positive counts.
        """
        return self._per_bin(lambda index: self._crossing(index, n_sigma, 1))

    def compute_upper_limit(self, n_sigma: float = 3) -> np.ndarray:
        """Upper limit of the signal: where the fit statistic is ``n_sigma ** 2`` above its minimum.

        Parameters
        ----------
        n_sigma : float
            Number of standard deviations.

        Returns
        -------
        numpy.ndarray
            Counts, the excess plus its upper error. The signal is not required to be positive, so that a strong
            downward fluctuation gives a limit below zero.
        """
        return self.n_sig + self.compute_errp(n_sigma)

    def n_sig_matching_significance(self, significance: float) -> np.ndarray:
        """Excess that would have a significance over the background of each bin.

        Parameters
        ----------
        significance : float
            Standard deviations; negative for a deficit.

        Returns
        -------
        numpy.ndarray
            Excess counts; NaN where no number of counts has that significance.
        """
        return self._per_bin(lambda index: self._matching(index, significance))

    def _per_bin(self, function: Callable[[tuple[int, ...]], float], fallback: Any = None) -> np.ndarray:
        """Call a function for each bin; ``fallback`` (NaN by default) where it gives NaN."""
        values = np.empty(self.n_on.shape)
        for index in np.ndindex(values.shape):
            values[index] = function(index)
        return values if fallback is None else np.where(np.isnan(values), fallback, values)

    def _crossing(self, index: tuple[int, ...], n_sigma: float, sign: int) -> float:
        """Distance from the excess at which the statistic of a bin has risen by ``n_sigma ** 2``; NaN if nowhere."""
        best, level = float(self.n_sig[index]), float(self.stat_max[index]) + n_sigma**2

        def rise(distance: float) -> float:
            value = self._stat(index, best + sign * distance) - level
            return 1e300 if np.isnan(value) else min(value, 1e300)  # outside the domain the statistic is infinite

        return rising_root(rise, 0.0, 2 * n_sigma * (float(self.error[index]) + 1))

    def _matching(self, index: tuple[int, ...], significance: float) -> float:
        """Excess of one bin with a significance; NaN if not even zero counts have it."""
        background, sign = float(self.n_bkg[index]), np.sign(significance)

        def missing(size: float) -> float:
            return sign * (self._sqrt_ts_of(index, sign * size) - significance)

        if sign < 0 and missing(background) < 0:
            return np.nan
        return sign * rising_root(missing, 0.0, background if sign < 0 else significance * np.sqrt(background) + 1)


def rising_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Zero of a rising function, between ``low`` and twice ``high``, four times it, ...; NaN if none."""
    for _ in range(MAX_DOUBLINGS):
        if function(high) >= 0:
            return scipy.optimize.brentq(function, low, high, xtol=1e-12, rtol=1e-13)
        high *= 2
    return np.nan


def _text(value: Any) -> str:
    return np.array2string(np.asarray(value), precision=3, threshold=20)


class CashCountsStatistic(CountsStatistic):
    r"""Poisson counts over a known background.

    Parameters
    ----------
    n_on : array-like
        Counts.
    mu_bkg : array-like
        Known background counts.

    Notes
    -----
    Errors and limits are in closed form, by the Lambert function: :math:`2 (\mu - n \ln \mu)` has risen by
    :math:`s^2` at :math:`\mu = -n\, W(-e^{-1 - s^2 / 2n})`, the branch 0 below and -1 above.

    Examples
    --------
    >>> statistic = CashCountsStatistic(n_on=[25, 3], mu_bkg=[8.5, 6])
    >>> statistic.n_sig
    array([16.5, -3. ])
    """

    def __init__(self, n_on: ArrayLike, mu_bkg: ArrayLike):
        self.n_on, self.mu_bkg = np.broadcast_arrays(np.asanyarray(n_on), np.asanyarray(mu_bkg))

    @property
    def n_bkg(self) -> np.ndarray:
        """Known background counts."""
        return self.mu_bkg

    @property
    def n_sig(self) -> np.ndarray:
        """Excess, counts minus background."""
        return self.n_on - self.n_bkg

    @property
    def variance(self) -> np.ndarray:
        """The counts."""
        return self.n_on

    @property
    def stat_null(self) -> np.ndarray:
        """Cash statistic of the background alone."""
        return cash(self.n_on, self.mu_bkg)

    @property
    def stat_max(self) -> np.ndarray:
        """Cash statistic of a prediction equal to the counts."""
        return cash(self.n_on, self.n_on)

    def info_dict(self) -> dict[str, np.ndarray]:
        """Like that of the base, and ``mu_bkg``."""
        return super().info_dict() | {"mu_bkg": self.mu_bkg}

    def sum(self, axis: Any = None) -> "CashCountsStatistic":
        """Statistic of the counts summed over some axes.

        Parameters
        ----------
        axis : int or tuple of int, optional
            Axes; all by default.
        """
        return CashCountsStatistic(self.n_on.sum(axis=axis), self.n_bkg.sum(axis=axis))

    def __getitem__(self, key: Any) -> "CashCountsStatistic":
        return CashCountsStatistic(self.n_on[key], self.mu_bkg[key])

    def compute_errn(self, n_sigma: float = 1.0) -> np.ndarray:
        """Lower error of the excess, zero without counts; see `CountsStatistic.compute_errn`."""
        return np.where(self.n_on > 0, self.n_on - self._level(n_sigma, 0), 0.0)

    def compute_errp(self, n_sigma: float = 1.0) -> np.ndarray:
        """Upper error of the excess, half of ``n_sigma ** 2`` without counts; see `CountsStatistic.compute_errp`."""
        return np.where(self.n_on > 0, self._level(n_sigma, -1) - self.n_on, n_sigma**2 / 2)

    def compute_upper_limit(self, n_sigma: float = 3) -> np.ndarray:
        """Upper limit of the signal; see `CountsStatistic.compute_upper_limit`.

        Without counts it is half of ``n_sigma ** 2`` whatever the background, the limit for a signal that cannot be
        negative (Gammapy's convention).
        """
        return np.where(self.n_on > 0, super().compute_upper_limit(n_sigma), n_sigma**2 / 2)

    def _level(self, n_sigma: float, branch: int) -> np.ndarray:
        """Means at which the statistic has risen by ``n_sigma ** 2``; bins without counts get those of one count."""
        n_on = np.where(self.n_on > 0, self.n_on, 1.0)
        return -n_on * scipy.special.lambertw(-np.exp(-(n_sigma**2) / 2 / n_on - 1), k=branch).real

    def n_sig_matching_significance(self, significance: float) -> np.ndarray:
        """Excess that would have a significance over each background; NaN where the background is zero."""
        if significance == 0:  # the branch point, at which the series of the Lambert function has no digits
            return np.where(self.mu_bkg > 0, 0.0, np.nan)
        background = np.where(self.mu_bkg > 0, self.mu_bkg, 1.0)
        argument = (significance**2 / 2 / background - 1) / np.e
        excess = background * np.expm1(scipy.special.lambertw(argument, k=0 if significance > 0 else -1).real + 1)
        impossible = (self.mu_bkg <= 0) | ((significance < 0) & (argument > 0))
        return np.where(impossible, np.nan, excess)

    def _stat(self, index: tuple[int, ...], n_sig: float) -> float:
        return float(cash(self.n_on[index], self.mu_bkg[index] + n_sig))

    def _sqrt_ts_of(self, index: tuple[int, ...], n_sig: float) -> float:
        return float(CashCountsStatistic(n_sig + self.mu_bkg[index], self.mu_bkg[index]).sqrt_ts)


class WStatCountsStatistic(CountsStatistic):
    """Poisson counts over a background that is measured in OFF regions.

    Parameters
    ----------
    n_on, n_off : array-like
        Counts in the ON and in the OFF regions.
    alpha : array-like
        Acceptance of the ON divided by that of the OFF regions.
    mu_sig : array-like, optional
        Signal that is already known; the excess is on top of it. Zero by default.

    Notes
    -----
    The significance is that of Li & Ma 1983, ApJ 272, 317, eq. 17. Other than Gammapy's, sums and selections of bins
    keep ``mu_sig``.
    """

    def __init__(self, n_on: ArrayLike, n_off: ArrayLike, alpha: ArrayLike, mu_sig: ArrayLike | None = None):
        given = (n_on, n_off, alpha, 0.0 if mu_sig is None else mu_sig)
        self.n_on, self.n_off, self.alpha, self.mu_sig = np.broadcast_arrays(*(np.asanyarray(x) for x in given))

    @property
    def n_bkg(self) -> np.ndarray:
        """Background in the ON region, ``alpha * n_off``."""
        return self.alpha * self.n_off

    @property
    def n_sig(self) -> np.ndarray:
        """Excess, ON counts minus background minus the known signal."""
        return self.n_on - self.n_bkg - self.mu_sig

    @property
    def variance(self) -> np.ndarray:
        """``n_on + alpha ** 2 * n_off``."""
        return self.n_on + self.alpha**2 * self.n_off

    @property
    def stat_null(self) -> np.ndarray:
        """W statistic of the known signal."""
        return wstat(self.n_on, self.n_off, self.alpha, self.mu_sig)

    @property
    def stat_max(self) -> np.ndarray:
        """W statistic of the known signal plus the excess."""
        return wstat(self.n_on, self.n_off, self.alpha, self.n_sig + self.mu_sig)

    def info_dict(self) -> dict[str, np.ndarray]:
        """Like that of the base, and ``n_off``, ``alpha`` and ``mu_sig``."""
        return super().info_dict() | {"n_off": self.n_off, "alpha": self.alpha, "mu_sig": self.mu_sig}

    def sum(self, axis: Any = None) -> "WStatCountsStatistic":
        """Statistic of the counts summed over some axes.

        Parameters
        ----------
        axis : int or tuple of int, optional
            Axes; all by default.

        Returns
        -------
        WStatCountsStatistic
            Its ``alpha`` is the summed background divided by the summed OFF counts; where there are no OFF counts,
            the mean of ``alpha``.
        """
        n_off = self.n_off.sum(axis=axis)
        ratio = self.n_bkg.sum(axis=axis) / np.where(n_off > 0, n_off, 1)
        alpha = np.where(n_off > 0, ratio, self.alpha.mean(axis=axis))
        return WStatCountsStatistic(self.n_on.sum(axis=axis), n_off, alpha, self.mu_sig.sum(axis=axis))

    def __getitem__(self, key: Any) -> "WStatCountsStatistic":
        return WStatCountsStatistic(self.n_on[key], self.n_off[key], self.alpha[key], self.mu_sig[key])

    def _stat(self, index: tuple[int, ...], n_sig: float) -> float:
        return float(wstat(self.n_on[index], self.n_off[index], self.alpha[index], n_sig + self.mu_sig[index]))

    def _sqrt_ts_of(self, index: tuple[int, ...], n_sig: float) -> float:
        n_on = n_sig + self.n_bkg[index]
        return float(WStatCountsStatistic(n_on, self.n_off[index], self.alpha[index]).sqrt_ts)
