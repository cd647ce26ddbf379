"""What a likelihood has to offer; it knows data and predictions, never sources."""

from typing import Any, Protocol

import numpy as np

__all__ = ["Likelihood"]


class Likelihood(Protocol):
    """The statistics of one kind of data."""

    def support(self, counts: np.ndarray, mask: np.ndarray, **off: np.ndarray) -> np.ndarray:
        """Bins in which the log-likelihood is not linear in the prediction, a boolean cube."""
        ...

    def weights(self, mask: np.ndarray) -> np.ndarray:
        """Weights of the linear remainder, a float cube."""
        ...

    def bin_data(self, chosen: np.ndarray, mask: np.ndarray, counts: np.ndarray, **off: np.ndarray) -> dict[str, Any]:
        """Arrays that `logp` reads, for the chosen bins; further data cubes come by name."""
        ...

    def logp(self, npred: Any, bins: dict[str, Any], background: Any = None) -> Any:
        """Log-likelihood plus the weighted total prediction, a scalar expression."""
        ...

    def random(self, npred: np.ndarray, rng: np.random.Generator, **off: np.ndarray) -> np.ndarray:
        """Draw counts for a prediction."""
        ...

    def stat_array(self, counts: np.ndarray, npred: np.ndarray, **off: np.ndarray) -> Any:
        """Return the fit statistic per bin, without priors."""
        ...
