"""Standard deviations and differences of a fit statistic: Wilks' theorem."""

import numpy as np
import scipy
from numpy.typing import ArrayLike

__all__ = ["sigma_to_ts", "sqrt_ts", "ts_to_sigma"]


def sigma_to_ts(n_sigma: ArrayLike, df: int = 1) -> np.ndarray:
    r"""Difference of the fit statistic with the two-sided normal probability of ``n_sigma``.

    Parameters
    ----------
    n_sigma : array-like
        Standard deviations, not negative, of any shape.
    df : int
        Number of parameters of interest.

    Returns
    -------
    numpy.ndarray
        Quantile of the :math:`\chi^2` distribution; ``n_sigma ** 2`` for one parameter.

    References
    ----------
    Wilks 1938, Ann. Math. Stat. 9, 60.
    """
    return scipy.stats.chi2.isf(2 * scipy.stats.norm.sf(np.asarray(n_sigma, dtype="float64")), df=df)


def ts_to_sigma(ts: ArrayLike, df: int = 1) -> np.ndarray:
    """Standard deviations of a difference of the fit statistic, the inverse of `sigma_to_ts`.

    Parameters
    ----------
    ts : array-like
        Difference of the fit statistic, not negative, of any shape.
    df : int
        Number of parameters of interest.

    Returns
    -------
    numpy.ndarray
        Standard deviations; the square root of ``ts`` for one parameter.
    """
    return scipy.stats.norm.isf(0.5 * scipy.stats.chi2.sf(np.asarray(ts, dtype="float64"), df=df))


def sqrt_ts(counts: ArrayLike, npred: ArrayLike) -> np.ndarray:
    r"""Signed square root of the likelihood ratio of Poisson counts against a prediction without error.

    .. math::
        \mathrm{sign}(n - \mu) \sqrt{2 (n \ln(n / \mu) - n + \mu)}

    Parameters
    ----------
    counts, npred : array-like
        Observed and predicted counts; they broadcast.

    Returns
    -------
    numpy.ndarray
        In standard deviations; zero where both are zero, infinite where counts meet a prediction of zero, NaN where
        the prediction is negative.

    References
    ----------
    Li & Ma 1983, ApJ 272, 317, in the limit of a background that is known exactly (``sqrt_ts`` of Gammapy's
    ``CashCountsStatistic``).
    """
    n, mu = np.broadcast_arrays(np.asarray(counts, dtype="float64"), np.asarray(npred, dtype="float64"))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(n > 0, n / mu, 1.0)
        # rounding makes the bracket slightly negative where counts and prediction agree
        ts = np.maximum(2 * (n * np.log(ratio) - n + mu), 0.0)
        ts = np.where(mu < 0, np.nan, np.where((mu == 0) & (n == 0), 0.0, ts))
        return np.sign(n - mu) * np.sqrt(ts)
