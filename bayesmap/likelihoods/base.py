"""What a likelihood has to offer; it knows data and predictions, never sources."""

from typing import Any, Protocol

import numpy as np

__all__ = ["Likelihood"]


class Likelihood(Protocol):
    """The statistics of one kind of data."""

    def support(self, counts: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Bins in which the log-likelihood is not linear in the prediction, a boolean cube."""
        ...

    def weights(self, mask: np.ndarray) -> np.ndarray:
        """Weights of the linear remainder, a float cube."""
        ...

    def constant(self, counts: np.ndarray) -> float:
        """The part of the log-likelihood that depends on the data alone."""
        ...

    def random(self, npred: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw data for a prediction."""
        ...

    def stat_array(self, counts: np.ndarray, npred: np.ndarray) -> Any:
        """Return the fit statistic per bin, without priors."""
        ...
