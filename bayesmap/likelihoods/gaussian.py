"""Data with Gaussian noise, as images of flux: predictions and data may be negative."""

from collections.abc import Mapping

import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.likelihoods.noise import NoiseLikelihood

__all__ = ["GaussianLikelihood"]

_LOG_NORM = 0.5 * np.log(2 * np.pi)


class GaussianLikelihood(NoiseLikelihood):
    r"""Independent normal values of known standard deviation.

    .. math:: \log p(d | \mu) = -\sum_i \frac{(d_i - \mu_i)^2}{2 \sigma_i^2} + \log\left(\sqrt{2 \pi} \sigma_i\right)

    Parameters
    ----------
    sigma : float, numpy.ndarray or `~bayesmap.maps.Map`
        Standard deviation of the data, in their unit: one number, or one for each bin (any shape that NumPy broadcasts
        to that of the data). Inside the mask it must be positive and finite.
    scale : float, "free" or `~bayesmap.modeling.Parameter`
        Factor to all standard deviations. "free" infers it, as ``"<dataset>.noise_scale"`` with the log-normal prior
        of median one and a width of 20 %; a parameter that is not frozen is inferred with its own prior, which must not
        reach below zero, as ``"<dataset>.<parameter>"``. Without a draw of it `pointwise`, `random` and `stat_array`
        use the present value of a parameter, and one for "free".

    Raises
    ------
    ValueError
        If the scale is not positive and finite.

    Notes
    -----
    A map of variances gives ``sigma = np.sqrt(variance.data)``. Numbers per bin belong to one binning: a cut-out or
    another grouping of energies needs a likelihood of its own.
    """

    def logp(self, npred: Tensor, total: Tensor, bins: Mapping[str, Tensor], latents: Mapping[str, Tensor]) -> Tensor:
        """Log-density of the data in the mask; see `Likelihood.logp`."""
        z, scale = self._deviations(npred, bins, latents)
        return -0.5 * (z**2).sum() - npred.shape[0] * (_LOG_NORM + pt.log(scale)) + bins["constant"]

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
        sigma = self.errors(latents)
        return -0.5 * ((np.asarray(counts) - npred) / sigma) ** 2 - np.log(sigma) - _LOG_NORM

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
        sigma = self.errors(latents)
        return rng.normal(npred, np.where((sigma > 0) & np.isfinite(sigma), sigma, np.nan))

    def stat_array(self, counts: np.ndarray, npred: np.ndarray, **off: np.ndarray) -> np.ndarray:
        """Squared deviation in standard deviations (chi2) of each bin, shape of ``counts``.

        With a scale that is a free parameter twice its logarithm is added, so that the sum says how well it fits.
        """
        chi2 = ((np.asarray(counts) - npred) / self.errors()) ** 2
        return np.asarray(chi2 + 2 * np.log(self._value) if self.latent_names else chi2)
