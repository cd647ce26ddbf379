"""Poisson counts with a predicted background: the Cash statistic (Cash 1979, ApJ 228, 939)."""

import numpy as np
from scipy.special import gammaln, xlogy

__all__ = ["PoissonLikelihood"]

# Gammapy's `gammapy.stats.cash` truncates predictions here; we do the same in the statistic, never in the likelihood.
TRUNCATION = 1e-25


class PoissonLikelihood:
    r"""Independent Poisson counts per bin.

    .. math:: \log p(n | \mu) = \sum_i n_i \log \mu_i - \mu_i - \log n_i!

    Only bins with counts are non-linear in the prediction; over the others the sum of predictions is enough.
    """

    def support(self, counts: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Bins in the mask that hold counts: boolean, shape of ``counts``."""
        return np.asarray(mask, dtype=bool) & (np.asarray(counts) > 0)

    def weights(self, mask: np.ndarray) -> np.ndarray:
        """Weights of the total prediction: one inside the mask, zero outside; float64, shape of ``mask``."""
        return np.asarray(mask, dtype="float64")

    def constant(self, counts: np.ndarray) -> float:
        """Minus the sum of log n! over the given counts."""
        return -float(gammaln(np.asarray(counts, dtype="float64") + 1).sum())

    def pointwise(self, counts: np.ndarray, npred: np.ndarray) -> np.ndarray:
        """Log-probability of each bin, natural logarithm, shape of ``counts``; -inf where counts are impossible."""
        counts, npred = np.asarray(counts, dtype="float64"), np.asarray(npred, dtype="float64")
        with np.errstate(divide="ignore", invalid="ignore"):
            value = xlogy(counts, npred) - npred - gammaln(counts + 1)
        return np.where(npred < 0, -np.inf, value)

    def random(self, npred: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw counts for a prediction, float64, shape of ``npred``.

        Raises
        ------
        ValueError
            If a prediction is negative or not finite.
        """
        npred = np.asarray(npred, dtype="float64")
        bad = ~(npred >= 0) | ~np.isfinite(npred)
        if bad.any():
            raise ValueError(f"cannot draw counts: {int(bad.sum())} predicted counts are negative or not finite")
        return rng.poisson(npred).astype("float64")

    def stat_array(self, counts: np.ndarray, npred: np.ndarray) -> np.ndarray:
        """Cash statistic per bin, ``2 (npred - counts log npred)``, shape of ``counts``.

        Predictions below 1e-25 are truncated there, as in `gammapy.stats.cash`; so a bin with counts and no prediction
        adds a large finite number.
        """
        npred = np.maximum(np.asarray(npred, dtype="float64"), TRUNCATION)
        return 2 * (npred - np.asarray(counts, dtype="float64") * np.log(npred))
