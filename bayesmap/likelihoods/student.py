"""Data with errors of long tails: values far off, as of pixels that no mask knows, count less."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.likelihoods.noise import NoiseLikelihood

__all__ = ["StudentTLikelihood"]


class StudentTLikelihood(NoiseLikelihood):
    r"""Independent values with Student's t distribution around the prediction, robust against outliers.

    .. math::
        \log p(d | \mu) = \sum_i \log\frac{\Gamma\left(\frac{\nu + 1}{2}\right)}
        {\Gamma\left(\frac{\nu}{2}\right) \sqrt{\pi \nu}\, \sigma_i}
        - \frac{\nu + 1}{2} \log\left(1 + \frac{(d_i - \mu_i)^2}{\nu \sigma_i^2}\right)

    For :math:`\nu \to \infty` values are normal. The standard deviation is :math:`\sigma \sqrt{\nu / (\nu - 2)}`, and
    infinite for :math:`\nu \le 2`.

    Parameters
    ----------
    sigma : float, numpy.ndarray or `~bayesmap.maps.Map`
        Errors of the data, in their unit; see `GaussianLikelihood`.
    nu : float
        Degrees of freedom, positive: 3 to 10 for data with some outliers.
    scale : float, "free" or `~bayesmap.modeling.Parameter`
        Factor to all errors, fixed or inferred; see `GaussianLikelihood`.

    Raises
    ------
    ValueError
        If nu or the scale is not positive and finite.

    References
    ----------
    Lange, Little & Taylor 1989, J. Am. Stat. Assoc. 84, 881.
    """

    def __init__(self, sigma: Any, nu: float, scale: Any = 1.0) -> None:
        super().__init__(sigma, scale)
        self.nu = float(nu)
        if not (np.isfinite(self.nu) and self.nu > 0):
            raise ValueError(f"nu must be positive and finite, got {nu!r}; normal noise is GaussianLikelihood")

    def _settings(self) -> dict[str, Any]:
        return {"nu": self.nu}

    @property
    def _log_norm(self) -> float:
        """Logarithm of the density at no deviation, for errors of one."""
        gammaln = scipy.special.gammaln
        return float(gammaln((self.nu + 1) / 2) - gammaln(self.nu / 2) - 0.5 * np.log(np.pi * self.nu))

    def logp(self, npred: Tensor, total: Tensor, bins: Mapping[str, Tensor], latents: Mapping[str, Tensor]) -> Tensor:
        """Log-density of the data in the mask; see `Likelihood.logp`."""
        z, scale = self._deviations(npred, bins, latents)
        tails = 0.5 * (self.nu + 1) * pt.log1p(z**2 / self.nu).sum()
        return npred.shape[0] * (self._log_norm - pt.log(scale)) - tails + bins["constant"]

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
        z = (np.asarray(counts) - npred) / sigma
        return self._log_norm - np.log(sigma) - 0.5 * (self.nu + 1) * np.log1p(z**2 / self.nu)

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
        usable = (sigma > 0) & np.isfinite(sigma)
        return np.asarray(npred + rng.standard_t(self.nu, np.shape(npred)) * np.where(usable, sigma, np.nan))

    def stat_array(self, counts: np.ndarray, npred: np.ndarray, **off: np.ndarray) -> np.ndarray:
        r"""Minus twice the log-density of each bin, up to constants, shape of ``counts``.

        That is :math:`(\nu + 1) \log(1 + z^2 / \nu)` of the deviation z in errors; see `GaussianLikelihood.stat_array`
        for a free scale.
        """
        z = (np.asarray(counts) - npred) / self.errors()
        stat = (self.nu + 1) * np.log1p(z**2 / self.nu)
        return np.asarray(stat + 2 * np.log(self._value) if self.latent_names else stat)
