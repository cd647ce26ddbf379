"""Probability integral transforms of counts, without the noise of drawn data where the likelihood is known."""

import numpy as np
import scipy

__all__ = ["importance_weights", "pit_of", "rank_pit", "uniformity"]


def pit_of(
    counts: np.ndarray, means: np.ndarray, rng: np.random.Generator, log_weights: np.ndarray | None = None
) -> np.ndarray:
    r"""Randomised probability integral transform of Poisson counts over draws of their means.

    .. math:: \sum_s w_s \left[F(n - 1 | \mu_s) + u \, p(n | \mu_s)\right]

    with the Poisson distribution function F, probability p and a uniform random number u for each count. It is uniform
    if the counts follow the predictions, and has no noise from drawn data.

    Parameters
    ----------
    counts : numpy.ndarray
        Observed counts, shape ``(n,)``.
    means : numpy.ndarray
        Expected counts of each draw, shape ``(n_draw, n)``.
    rng : numpy.random.Generator
        Draws u.
    log_weights : numpy.ndarray, optional
        Logarithms of the weights of the draws for each count, shape ``(n_draw, n)``, normalised to a sum of weights of
        one; equal by default.

    Returns
    -------
    numpy.ndarray
        In [0, 1], shape ``(n,)``.

    References
    ----------
    Czado, Gneiting and Held 2009, Biometrics 65, 1254, for the randomised transform of counts; Gelfand, Dey and Chang
    1992, in Bayesian Statistics 4, 147, for the one of leave-one-out predictions.
    """
    below = np.where(counts > 0, scipy.special.pdtr(np.maximum(counts - 1, 0), means), 0.0)
    upto = scipy.special.pdtr(counts, means)
    values = below + rng.uniform(size=len(counts)) * (upto - below)
    if log_weights is None:
        return values.mean(axis=0)
    return np.clip((np.exp(log_weights) * values).sum(axis=0), 0.0, 1.0)


def rank_pit(
    counts: np.ndarray, replicates: np.ndarray, rng: np.random.Generator, log_weights: np.ndarray | None = None
) -> np.ndarray:
    """The same from drawn data, for likelihoods of which sums have no known distribution.

    Parameters
    ----------
    counts, rng, log_weights
        As for `pit_of`.
    replicates : numpy.ndarray
        Drawn data, shape ``(n_draw, n)``.

    Returns
    -------
    numpy.ndarray
        In [0, 1], shape ``(n,)``; ranks among the draws, ties broken at random.
    """
    number = len(replicates)
    weights = np.full(replicates.shape, 1 / number) if log_weights is None else np.exp(log_weights)
    below, equal = ((weights * one).sum(axis=0) for one in (replicates < counts, replicates == counts))
    u = rng.uniform(size=len(counts))
    return np.clip((number * (below + u * equal) + u) / (number + 1), 0.0, 1.0)


def importance_weights(log_likelihood: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of the weights that turn draws of the posterior into those without one block, for each block.

    Parameters
    ----------
    log_likelihood : numpy.ndarray
        Of each block at each draw, shape ``(n_draw, n)``.

    Returns
    -------
    log_weights : numpy.ndarray
        Normalised and smoothed, shape ``(n_draw, n)``.
    pareto_k : numpy.ndarray
        How far the weights can be trusted: not above 0.7. Shape ``(n,)``.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry 2024, JMLR 25, 72 (Pareto smoothed importance sampling).
    """
    from arviz_stats.base import array_stats

    number = len(log_likelihood)
    weights = np.full(log_likelihood.shape, -np.log(number))
    pareto_k = np.full(log_likelihood.shape[1], -np.inf)
    moving = np.ptp(log_likelihood, axis=0) > 1e-9  # at constants the smoothing fails
    if moving.any():
        found, pareto_k[moving] = array_stats.psislw(log_likelihood[:, moving].T)
        weights[:, moving] = found.T
    return weights - scipy.special.logsumexp(weights, axis=0), pareto_k


def uniformity(pit: np.ndarray) -> float:
    """Probability that uniform numbers, also dependent ones, are less uniform; from numbers of shape ``(n,)``.

    References
    ----------
    Tesso and Vehtari 2026, arXiv:2603.02928 (the test POT-C, as ArviZ has it).
    """
    from arviz_stats.base import array_stats

    return float(np.asarray(array_stats.uniformity_test(np.clip(pit, 1e-12, 1 - 1e-12), method="pot_c")[0]))
