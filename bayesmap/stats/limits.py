"""Upper limits of a signal over a known background, in closed form."""

import numpy as np
import scipy
from numpy.typing import ArrayLike

__all__ = ["flat_prior_upper_limit"]

#: smaller tails of the posterior lose their digits
LEAST = 1e-290


def flat_prior_upper_limit(
    n_on: ArrayLike, mu_bkg: ArrayLike, level: float = 0.95, signal_max: float = np.inf
) -> np.ndarray:
    r"""Upper limit of the signal in Poisson counts over a known background, under a prior that is flat from zero on.

    The posterior of the signal is a gamma distribution that is cut at the background:

    .. math::
        p(s | n) \propto (s + b)^n e^{-s - b}, \quad s \geq 0, \qquad
        \frac{Q(n + 1, s_\mathrm{up} + b)}{Q(n + 1, b)} = 1 - \mathrm{level}

    with the regularised upper incomplete gamma function Q.

    Parameters
    ----------
    n_on : array-like
        Counts, whole numbers that are not negative.
    mu_bkg : array-like
        Known background counts; they broadcast with the counts.
    level : float
        Probability that the signal is below the limit.
    signal_max : float
        Where the flat prior ends.

    Returns
    -------
    numpy.ndarray
        Signal counts, of the broadcast shape. Never negative; without counts it is ``-ln(1 - level)`` whatever the
        background (for a prior without an end).

    Raises
    ------
    ValueError
        If counts or background are negative or no numbers, counts are not whole, the level is no probability, the end
        of the prior is not positive, or the counts are so few for the background that the tail has no digits.

    Notes
    -----
    In repeated experiments the limit lies above the true signal at least as often as ``level`` says, whatever the
    signal is, and exactly so often on average over the prior.

    References
    ----------
    Helene 1983, Nucl. Instrum. Methods 212, 319; Particle Data Group, Review of Particle Physics, section on Statistics
    ("Bayesian intervals").

    Examples
    --------
    >>> flat_prior_upper_limit([0, 3, 10], [5, 3, 3]).round(4)
    array([ 2.9957,  5.3954, 13.9628])
    """
    if not 0 < level < 1:
        raise ValueError(f"level is a probability between 0 and 1, got {level!r}")
    if not signal_max > 0:
        raise ValueError(f"signal_max is where the prior ends, above zero, got {signal_max!r}")
    n, b = (np.asarray(x, dtype="float64") for x in np.broadcast_arrays(n_on, mu_bkg))
    wrong = ~(np.isfinite(n) & (n >= 0) & (n == np.floor(n)) & np.isfinite(b) & (b >= 0))
    if wrong.any():
        raise ValueError(
            f"a limit needs whole counts and a background that are not negative; got counts {n[wrong][0]:g} over a "
            f"background of {b[wrong][0]:g}"
        )
    above, end = scipy.special.gammaincc(n + 1, b), scipy.special.gammaincc(n + 1, b + signal_max)
    if (above < LEAST).any():
        few = above < LEAST
        raise ValueError(
            f"{n[few][0]:g} counts over a background of {b[few][0]:g} have a probability below {LEAST:g}: the "
            "background cannot be right"
        )
    limit = scipy.special.gammainccinv(n + 1, end + (1 - level) * (above - end)) - b
    return np.asarray(limit)
