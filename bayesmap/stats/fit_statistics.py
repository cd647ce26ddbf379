"""Fit statistics per bin: -2 log likelihood of Poisson counts, up to terms without parameters."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bayesmap._types import Tensor

__all__ = ["TRUNCATION_VALUE", "cash", "cstat", "get_wstat_gof_terms", "get_wstat_mu_bkg", "wstat"]

#: Predictions (and, in `cstat`, counts) at or below this value are replaced by it; the value of Gammapy and Sherpa.
TRUNCATION_VALUE = 1e-25


def _floats(*values: Any) -> list[np.ndarray]:
    return [np.asanyarray(value, dtype="float64") for value in values]


def _xlogy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """X ln(y), zero where x is; NaN where y is NaN (as SciPy's, which takes half a second to import)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((x == 0) & ~np.isnan(y), 0.0, x * np.log(y))


def _truncated(value: np.ndarray, truncation_value: Any) -> np.ndarray:
    limit = np.asanyarray(TRUNCATION_VALUE if truncation_value is None else truncation_value, dtype="float64")
    if np.any(~(limit > 0)):
        raise ValueError(f"truncation_value must be positive, got {truncation_value!r}")
    return np.where(value <= limit, limit, value)


def cash(n_on: ArrayLike, mu_on: ArrayLike, truncation_value: ArrayLike | None = None) -> np.ndarray:
    r"""Cash statistic of Poisson counts with a predicted mean.

    .. math:: C = 2 \left(\mu_\mathrm{on} - n_\mathrm{on} \ln \mu_\mathrm{on}\right)

    Parameters
    ----------
    n_on : array-like
        Counts; all arguments broadcast.
    mu_on : array-like
        Predicted counts.
    truncation_value : array-like, optional
        Predictions at or below it are replaced by it, so that a bin with counts and without a prediction adds a large
        finite number; 1e-25 by default.

    Returns
    -------
    numpy.ndarray
        Statistic per bin, NaN where an input is NaN. Without the term :math:`2 \ln n_\mathrm{on}!`, so that it is not
        a :math:`\chi^2`: see `cstat`.

    Raises
    ------
    ValueError
        If the truncation value is not positive.

    References
    ----------
    Cash 1979, ApJ 228, 939, eq. 6.
    """
    n_on, mu_on = _floats(n_on, mu_on)
    mu_on = _truncated(mu_on, truncation_value)
    return 2 * (mu_on - n_on * np.log(mu_on))


def cstat(n_on: ArrayLike, mu_on: ArrayLike, truncation_value: ArrayLike | None = None) -> np.ndarray:
    r"""Cash statistic relative to a prediction equal to the counts.

    .. math::
        C = 2 \left(\mu_\mathrm{on} - n_\mathrm{on}
            + n_\mathrm{on} \ln \frac{n_\mathrm{on}}{\mu_\mathrm{on}}\right)

    Parameters
    ----------
    n_on : array-like
        Counts; all arguments broadcast.
    mu_on : array-like
        Predicted counts.
    truncation_value : array-like, optional
        Counts and predictions at or below it are replaced by it; 1e-25 by default.

    Returns
    -------
    numpy.ndarray
        Statistic per bin; for many counts distributed as :math:`\chi^2` with one degree of freedom. It is
        :math:`2 \mu` for empty bins and zero where both are zero.

    Raises
    ------
    ValueError
        If the truncation value is not positive.

    References
    ----------
    Cash 1979, ApJ 228, 939; Arnaud et al., XSPEC manual, appendix B.
    """
    n_on, mu_on = _floats(n_on, mu_on)
    n_on, mu_on = _truncated(n_on, truncation_value), _truncated(mu_on, truncation_value)
    return 2 * (mu_on - n_on + n_on * np.log(n_on / mu_on))


def wstat(
    n_on: ArrayLike,
    n_off: ArrayLike,
    alpha: ArrayLike,
    mu_sig: ArrayLike,
    mu_bkg: ArrayLike | None = None,
    extra_terms: bool = True,
) -> np.ndarray:
    r"""W statistic of Poisson counts with a background that is measured in OFF regions.

    .. math::
        W = 2 \left(\mu_\mathrm{sig} + (1 + \alpha) \mu_\mathrm{bkg}
            - n_\mathrm{on} \ln(\mu_\mathrm{sig} + \alpha \mu_\mathrm{bkg})
            - n_\mathrm{off} \ln \mu_\mathrm{bkg}\right)

    Parameters
    ----------
    n_on, n_off : array-like
        Counts in the ON and in the OFF regions; all arguments broadcast.
    alpha : array-like
        Acceptance of the ON divided by that of the OFF regions.
    mu_sig : array-like
        Predicted signal counts in the ON region.
    mu_bkg : array-like, optional
        Predicted background counts in the OFF regions; by default those that fit best, see `get_wstat_mu_bkg`.
    extra_terms : bool
        Whether to add `get_wstat_gof_terms`, with which W is a goodness of fit for many counts.

    Returns
    -------
    numpy.ndarray
        Statistic per bin. A logarithm with zero counts before it is zero: without ON counts the ON term, without OFF
        counts the OFF term vanishes. Infinite where ON counts meet neither signal nor background, in particular where
        ``alpha`` and ``mu_sig`` are zero. NaN where counts are negative, as smoothed OFF counts can be by rounding.

    Notes
    -----
    Without OFF counts the best background is zero as long as the signal exceeds
    :math:`n_\mathrm{on} \alpha / (1 + \alpha)`. Then W is steeper than the marginal likelihood, and best fits are
    biased towards a large signal: use bins with some OFF counts in each, or the marginal likelihood.

    References
    ----------
    Arnaud et al., XSPEC manual, appendix B (Poisson data with Poisson background); de Naurois 2012, habilitation
    thesis, section 7.5.
    """
    n_on, n_off, alpha, mu_sig = _floats(n_on, n_off, alpha, mu_sig)
    mu_bkg = get_wstat_mu_bkg(n_on, n_off, alpha, mu_sig) if mu_bkg is None else _floats(mu_bkg)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        stat = mu_sig + (1 + alpha) * mu_bkg - _xlogy(n_on, mu_sig + alpha * mu_bkg) - _xlogy(n_off, mu_bkg)
    return 2 * stat + (get_wstat_gof_terms(n_on, n_off) if extra_terms else 0)


def get_wstat_mu_bkg(n_on: Tensor, n_off: Tensor, alpha: Tensor, mu_sig: Tensor, *, xp: Any = np) -> Tensor:
    r"""Background counts in the OFF regions that fit best for a given signal.

    The positive root of the derivative of the W statistic by the background,

    .. math::
        \mu_\mathrm{bkg} = \frac{C + D}{2 \alpha (\alpha + 1)}, \qquad
        C = \alpha (n_\mathrm{on} + n_\mathrm{off}) - (1 + \alpha) \mu_\mathrm{sig}, \qquad
        D^2 = C^2 + 4 \alpha (\alpha + 1) n_\mathrm{off} \mu_\mathrm{sig}.

    Parameters
    ----------
    n_on, n_off : array-like
        Counts in the ON and in the OFF regions.
    alpha : array-like
        Acceptance of the ON divided by that of the OFF regions.
    mu_sig : array-like
        Predicted signal counts in the ON region.
    xp : module
        `numpy`, or ``pytensor.tensor`` for symbolic arguments: one formula for both.

    Returns
    -------
    numpy.ndarray or TensorVariable
        Background counts; ``n_off`` where ``alpha`` is zero, the limit in which ON counts say nothing of them. NaN
        where a negative signal leaves no root.

    Notes
    -----
    Where C is negative the root is computed as :math:`2 n_\mathrm{off} \mu_\mathrm{sig} / (D - C)`, the same number
    without the loss of digits in C + D.

    References
    ----------
    Arnaud et al., XSPEC manual, appendix B.
    """
    if xp is np:
        n_on, n_off, alpha, mu_sig = _floats(n_on, n_off, alpha, mu_sig)
    c = alpha * (n_on + n_off) - (1 + alpha) * mu_sig
    with np.errstate(invalid="ignore"):
        d = xp.sqrt(c**2 + 4 * alpha * (alpha + 1) * n_off * mu_sig)
    no_on, upper = alpha <= 0, c >= 0
    numerator = xp.where(upper, c + d, 2 * n_off * mu_sig)
    denominator = xp.where(upper, 2 * alpha * (alpha + 1), d - c)
    return xp.where(no_on, n_off, numerator / xp.where(no_on, 1.0, denominator))


def get_wstat_gof_terms(n_on: ArrayLike, n_off: ArrayLike) -> np.ndarray:
    r"""Terms without parameters that turn the W statistic into a goodness of fit.

    .. math::
        2 \left(n_\mathrm{on} \ln n_\mathrm{on} - n_\mathrm{on}
            + n_\mathrm{off} \ln n_\mathrm{off} - n_\mathrm{off}\right)

    Parameters
    ----------
    n_on, n_off : array-like
        Counts in the ON and in the OFF regions; they broadcast.

    Returns
    -------
    numpy.ndarray
        Terms per bin, zero for counts of zero.
    """
    n_on, n_off = _floats(n_on, n_off)
    return 2 * (_xlogy(n_on, n_on) - n_on + _xlogy(n_off, n_off) - n_off)
