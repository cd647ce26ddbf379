"""Covariance and unique names of parameters, the same for parts, sky models and collections."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmap._types import RandomState
from bayesmap._util import get_random_state

if TYPE_CHECKING:
    from bayesmap.modeling.covariance import Covariance
    from bayesmap.modeling.parameter import Parameters

__all__ = ["CovarianceTools"]


class CovarianceTools:
    """Members of everything that owns parameters."""

    if TYPE_CHECKING:

        @property
        def parameters(self) -> "Parameters":
            """Parameters."""

    @property
    def covariance(self) -> "Covariance":
        """Covariance of the parameters in their declared units, by default the squares of their errors.

        Setting it (a `Covariance` or an array, one row per parameter) sets the errors too. It has a part in predictions
        with errors, such as `SpectralModel.evaluate_error`, and none in inference.
        """
        from bayesmap.modeling.covariance import covariance_of_errors

        return covariance_of_errors(self)

    @covariance.setter
    def covariance(self, matrix: Any) -> None:
        from bayesmap.modeling.covariance import set_covariance

        set_covariance(self, matrix)

    @property
    def parameters_unique_names(self) -> list[str]:
        """Names of the parameters, each parameter once."""
        return self.parameters.unique_parameters.names

    def sample_parameters_from_covariance(
        self, n_samples: int = 1000, random_state: RandomState = 42, free_only: bool = True
    ) -> np.ndarray:
        """Return draws of the parameters from a normal distribution with the covariance.

        Parameters
        ----------
        n_samples : int
            Number of draws.
        random_state : int, numpy.random.Generator or str
            Chooses the draws; other ones than Gammapy's for the same number.
        free_only : bool
            Whether frozen parameters are left out.

        Returns
        -------
        numpy.ndarray
            Shape ``(n_samples, n_parameters)``, each parameter once, in declared units and without regard to bounds.
        """
        unique = self.parameters.unique_parameters.elements
        chosen = [k for k, p in enumerate(unique) if not (free_only and p.frozen)]
        mean = np.array([unique[k].value for k in chosen])
        matrix = self.covariance.data[np.ix_(chosen, chosen)]
        return get_random_state(random_state).multivariate_normal(mean, matrix, int(n_samples), method="svd")
