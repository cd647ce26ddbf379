"""Counts that scatter more than Poisson counts."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.likelihoods.base import Likelihood
from bayesmap.likelihoods.draws import draw_poisson
from bayesmap.likelihoods.expressions import xlogy_graph
from bayesmap.likelihoods.unknowns import positive_variable

__all__ = ["NegativeBinomialLikelihood"]

NUMBERS = SimpleNamespace(switch=np.where, log1p=np.log1p, gammaln=lambda x: scipy.special.gammaln(x))
#: r above which the series of Stirling is exact to 1e-13; the difference of two log Gammas loses digits with r
LARGE = 100.0


class NegativeBinomialLikelihood(Likelihood):
    r"""Independent negative binomial counts: Poisson counts whose mean scatters from bin to bin.

    .. math::
        p(n | \mu) = \frac{\Gamma(n + r)}{\Gamma(r)\, n!}
        \left(\frac{r}{r + \mu}\right)^r \left(\frac{\mu}{r + \mu}\right)^n, \qquad r = \frac{1}{\kappa}

    with the prediction :math:`\mu` and the dispersion :math:`\kappa`. Mean and variance are :math:`\mu` and
    :math:`\mu + \kappa \mu^2`: the same as if the mean of each bin were multiplied by an independent Gamma variable of
    mean one and standard deviation :math:`\sqrt\kappa`, as where a background model is off by so much. For
    :math:`\kappa \to 0` the counts are Poisson.

    Parameters
    ----------
    dispersion : float or `~bayesmap.modeling.Parameter`
        The dispersion, positive; 0.01 stands for a scatter of 10 %. A parameter that is not frozen is inferred, a
        variable ``"<dataset>.<parameter>"`` for each dataset with this likelihood; it needs a prior without mass below
        zero. `pointwise` and draws use its present value where no other is given, and so does `stat_array`.

    Raises
    ------
    ValueError
        If the dispersion is not positive and finite.

    Notes
    -----
    No bin is linear in the prediction, so that all bins in the mask are predicted at each step, which takes longer than
    for Poisson counts. SciPy's and NumPy's ``n`` and PyMC's ``alpha`` are :math:`r`, the ``alpha`` of statsmodels is
    :math:`\kappa`.

    References
    ----------
    Cameron & Trivedi 2013, "Regression Analysis of Count Data", section 3.3 (called NB2 there).
    """

    def __init__(self, dispersion: Any) -> None:
        self.dispersion = dispersion
        if not (np.isfinite(self._value) and self._value > 0):
            raise ValueError(
                f"the dispersion must be positive and finite, got {dispersion!r}; 0.01 is a scatter of 10 %"
            )

    def __repr__(self) -> str:
        return f"NegativeBinomialLikelihood(dispersion={self.dispersion!r})"

    @property
    def _value(self) -> float:
        """The dispersion as a number: of a parameter its present value."""
        return float(getattr(self.dispersion, "value", self.dispersion))

    def _given(self, latents: Mapping[str, Any] | None) -> float:
        """The dispersion of a draw, else the present one."""
        return float(latents[self.latent_names[0]]) if latents else self._value

    @property
    def latent_names(self) -> tuple[str, ...]:
        """Name of the dispersion, if it is a free parameter."""
        return () if getattr(self.dispersion, "frozen", True) else (self.dispersion.name,)

    def latents(self, name: str, mask: np.ndarray, **off: Tensor) -> dict[str, Tensor]:
        """Create the variable of a free dispersion; see `Likelihood.latents`.

        Raises
        ------
        ValueError
            If the parameter has no prior of its own, or one that reaches below zero.
        """
        return {key: positive_variable(name, self.dispersion, "dispersion") for key in self.latent_names}

    def bin_data(
        self, chosen: np.ndarray, mask: np.ndarray, counts: np.ndarray, **off: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Counts of the chosen bins, and as "constant" what depends on them only, over the mask."""
        constant = -scipy.special.gammaln(counts[mask] + 1)
        if not self.latent_names:
            constant = constant + _log_rising(counts[mask], 1 / self._value, NUMBERS)
        return {"counts": counts[chosen], "constant": constant.sum()}

    def logp(self, npred: Tensor, total: Tensor, bins: Mapping[str, Tensor], latents: Mapping[str, Tensor]) -> Tensor:
        """Log-probability of the counts in the mask; see `Likelihood.logp`."""
        counts = bins["counts"]
        dispersion = latents[self.latent_names[0]] if latents else self._value
        value = xlogy_graph(counts, npred) - (counts + 1 / dispersion) * pt.log1p(dispersion * npred)
        if latents:
            value = value + _log_rising(counts, 1 / dispersion, pt)
        return value.sum() + bins["constant"]

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
        r = 1 / self._given(latents)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = scipy.special.xlogy(counts, npred) - (counts + r) * np.log1p(npred / r)
        value = value + _log_rising(counts, r, NUMBERS) - scipy.special.gammaln(counts + 1)
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
        dispersion = self._given(latents)
        scatter = rng.gamma(1 / dispersion, dispersion, size=np.shape(npred))
        return draw_poisson(np.asarray(npred) * scatter, rng)


def _log_rising(n: Any, r: Any, xp: Any) -> Tensor:
    r"""Logarithm of :math:`\Gamma(n + r) / (\Gamma(r)\, r^n)`, accurate for any r; zero for n = 0."""
    small = xp.switch(r > LARGE, LARGE, r)
    large = xp.switch(r > LARGE, r, LARGE)
    exact = xp.gammaln(n + small) - xp.gammaln(small) + n * xp.log1p(1 / small - 1)
    inverse, after = 1 / large, 1 / (n + large)
    series = (after - inverse) / 12 - (after**3 - inverse**3) / 360 + (after**5 - inverse**5) / 1260
    return xp.switch(r > LARGE, (n + large - 0.5) * xp.log1p(n * inverse) - n + series, exact)
