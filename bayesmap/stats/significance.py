"""Standard deviations and differences of a fit statistic: Wilks' theorem."""

from typing import Any

import numpy as np
from scipy.stats import chi2, norm

__all__ = ["sigma_to_ts", "ts_to_sigma"]


def sigma_to_ts(n_sigma: Any, df: int = 1) -> np.ndarray:
    r"""Difference of the fit statistic with the two-sided normal probability of ``n_sigma``.

    Parameters
    ----------
    n_sigma : array-like
        Standard deviations, not negative.
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
    return chi2.isf(2 * norm.sf(np.asarray(n_sigma, dtype="float64")), df=df)


def ts_to_sigma(ts: Any, df: int = 1) -> np.ndarray:
    """Standard deviations of a difference of the fit statistic, the inverse of `sigma_to_ts`.

    Parameters
    ----------
    ts : array-like
        Difference of the fit statistic, not negative.
    df : int
        Number of parameters of interest.

    Returns
    -------
    numpy.ndarray
        Standard deviations; the square root of ``ts`` for one parameter.
    """
    return norm.isf(0.5 * chi2.sf(np.asarray(ts, dtype="float64"), df=df))
