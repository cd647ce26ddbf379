"""Poisson counts with a predicted background: the Cash statistic (Cash 1979, ApJ 228, 939)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy

from bayesmap.likelihoods.base import Likelihood
from bayesmap.likelihoods.draws import draw_poisson
from bayesmap.likelihoods.expressions import xlogy_graph
from bayesmap.stats import cash

__all__ = ["PoissonLikelihood"]


class PoissonLikelihood(Likelihood):
    r"""Independent Poisson counts per bin.

    .. math:: \log p(n | \mu) = \sum_i n_i \log \mu_i - \mu_i - \log n_i!

    Only bins with counts are non-linear in the prediction; over the others the sum of predictions is enough.
    """

    is_poisson = True

    def support(self, counts: np.ndarray, mask: np.ndarray, **off: np.ndarray) -> np.ndarray:
        """Bins in the mask that hold counts: boolean, shape of ``counts``."""
        return np.asarray(mask, dtype=bool) & (np.asarray(counts) > 0)

    def weights(self, mask: np.ndarray) -> np.ndarray:
        """Weights of the total prediction: one inside the mask, zero outside; float64, shape of ``mask``."""
        return np.asarray(mask, dtype="float64")

    def bin_data(
        self, chosen: np.ndarray, mask: np.ndarray, counts: np.ndarray, **off: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Counts of the chosen bins, and as "constant" minus the sum of log n! over the mask."""
        return {"counts": counts[chosen], "constant": -scipy.special.gammaln(counts[mask] + 1).sum()}

    def logp(self, npred: Any, total: Any, bins: Mapping[str, Any], latents: Mapping[str, Any]) -> Any:
        """Log-probability of the counts in the mask; see `Likelihood.logp`."""
        return xlogy_graph(bins["counts"], npred).sum() - total + bins["constant"]

    def pointwise(
        self,
        counts: np.ndarray,
        npred: np.ndarray,
        *,
        latents: Mapping[str, np.ndarray] | None = None,
        mask: np.ndarray | None = None,
        **off: np.ndarray,
    ) -> np.ndarray:
        """Log-probability of each bin, natural logarithm, shape of ``counts``; -inf where counts are impossible."""
        counts, npred = np.asarray(counts, dtype="float64"), np.asarray(npred, dtype="float64")
        value, held = -npred, counts != 0  # most bins of a map are empty
        with np.errstate(divide="ignore", invalid="ignore"):
            value[held] += scipy.special.xlogy(counts[held], npred[held]) - scipy.special.gammaln(counts[held] + 1)
        return np.where(npred < 0, -np.inf, value)

    def random(
        self,
        npred: np.ndarray,
        rng: np.random.Generator,
        *,
        latents: Mapping[str, np.ndarray] | None = None,
        mask: np.ndarray | None = None,
        **off: np.ndarray,
    ) -> np.ndarray:
        """Draw counts for a prediction, float64, shape of ``npred``.

        Raises
        ------
        ValueError
            If a prediction is negative or not finite.
        """
        return draw_poisson(npred, rng)

    def stat_array(self, counts: np.ndarray, npred: np.ndarray, **off: np.ndarray) -> np.ndarray:
        """Cash statistic per bin, ``2 (npred - counts log npred)``, shape of ``counts``.

        Predictions below 1e-25 are truncated there, see `bayesmap.stats.cash`; so a bin with counts and no prediction
        adds a large finite number. The likelihood is never truncated.
        """
        return cash(counts, npred)
