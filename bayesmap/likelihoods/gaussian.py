"""Data with Gaussian noise, as images of flux: predictions and data may be negative."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bayesmap._types import Tensor
from bayesmap.likelihoods.base import Likelihood
from bayesmap.likelihoods.checks import check_cube
from bayesmap.maps import Map

__all__ = ["GaussianLikelihood"]


class GaussianLikelihood(Likelihood):
    r"""Independent normal values of known standard deviation.

    .. math:: \log p(d | \mu) = -\sum_i \frac{(d_i - \mu_i)^2}{2 \sigma_i^2} + \log\left(\sqrt{2 \pi} \sigma_i\right)

    Parameters
    ----------
    sigma : float, numpy.ndarray or `~bayesmap.maps.Map`
        Standard deviation of the data, in their unit: one number, or one for each bin (any shape that NumPy broadcasts
        to that of the data). Inside the mask it must be positive and finite.

    Notes
    -----
    A map of variances gives ``sigma = np.sqrt(variance.data)``. Numbers per bin belong to one binning: a cut-out or
    another grouping of energies needs a likelihood of its own.
    """

    allows_negative = True

    def __init__(self, sigma: Any) -> None:
        self.sigma = np.asarray(sigma.data if isinstance(sigma, Map) else sigma, dtype="float64")

    def __repr__(self) -> str:
        shown = float(self.sigma) if self.sigma.ndim == 0 else f"<array of shape {self.sigma.shape}>"
        return f"GaussianLikelihood(sigma={shown})"

    def check(self, name: str, counts: np.ndarray, mask: np.ndarray) -> None:
        """Raise a ValueError unless the data are finite, and sigma fits to them; see `Likelihood.check`.

        Raises
        ------
        ValueError
            If data inside the mask are not finite, or sigma has another shape.
        """
        check_cube(name, "the data", counts, mask, "finite numbers", np.isfinite)
        try:
            sigma = np.broadcast_to(self.sigma, mask.shape)
        except ValueError:
            raise ValueError(
                f"dataset {name!r}: sigma of its GaussianLikelihood has shape {self.sigma.shape}, the data "
                f"{mask.shape}; assign a likelihood for this binning"
            ) from None
        check_cube(name, "sigma of its GaussianLikelihood", sigma, mask, "positive numbers", lambda s: s > 0)

    def bin_data(
        self, chosen: np.ndarray, mask: np.ndarray, counts: np.ndarray, **off: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Data and standard deviations of the chosen bins, and as "constant" the logarithm of the norm."""
        sigma = np.broadcast_to(self.sigma, mask.shape)
        constant = -np.log(np.sqrt(2 * np.pi) * sigma[mask]).sum()
        return {"counts": counts[chosen], "sigma": sigma[chosen], "constant": constant}

    def logp(self, npred: Tensor, total: Tensor, bins: Mapping[str, Tensor], latents: Mapping[str, Tensor]) -> Tensor:
        """Log-density of the data in the mask; see `Likelihood.logp`."""
        return -0.5 * (((bins["counts"] - npred) / bins["sigma"]) ** 2).sum() + bins["constant"]

    def pointwise(
        self,
        counts: np.ndarray,
        npred: np.ndarray,
        *,
        latents: Mapping[str, np.ndarray] | None = None,
        mask: np.ndarray | None = None,
        **off: np.ndarray,
    ) -> np.ndarray:
        """Log-density of each bin, natural logarithm, shape of ``counts``."""
        return -0.5 * self.stat_array(counts, npred) - np.log(np.sqrt(2 * np.pi) * self.sigma)

    def random(
        self,
        npred: np.ndarray,
        rng: np.random.Generator,
        *,
        latents: Mapping[str, np.ndarray] | None = None,
        mask: np.ndarray | None = None,
        **off: np.ndarray,
    ) -> np.ndarray:
        """Draw data for a prediction, float64, shape of ``npred``; NaN where sigma is no positive number."""
        return rng.normal(npred, np.where((self.sigma > 0) & np.isfinite(self.sigma), self.sigma, np.nan))

    def stat_array(self, counts: np.ndarray, npred: np.ndarray, **off: np.ndarray) -> np.ndarray:
        """Squared deviation in standard deviations (chi2) of each bin, shape of ``counts``."""
        return np.asarray(((np.asarray(counts) - npred) / self.sigma) ** 2)
