"""Counts with a background that is measured in OFF regions."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import scipy

from bayesmap._lazy import pt, pytensor
from bayesmap._types import Tensor
from bayesmap._util import check_option
from bayesmap.likelihoods.base import Likelihood
from bayesmap.likelihoods.draws import draw_poisson
from bayesmap.likelihoods.expressions import xlogy_graph
from bayesmap.stats import get_wstat_mu_bkg, wstat

__all__ = ["OnOffLikelihood"]

BACKGROUNDS = ("marginal", "latent", "profile")


class OnOffLikelihood(Likelihood):
    r"""Counts n in an ON measurement and m in an OFF measurement with ``alpha`` times less acceptance.

    .. math:: n \sim \mathrm{Poisson}(s + \alpha b), \qquad m \sim \mathrm{Poisson}(b)

    with the predicted signal s and an unknown background b in each bin, which has the prior density

    .. math:: p(b) \propto b^{a_0 - 1}.

    Given the OFF counts, b is then Gamma distributed with shape ``m + a0`` and rate one.

    Parameters
    ----------
    background : {"marginal", "latent", "profile"}
        "marginal": b is integrated out exactly, bin by bin; the ON counts are the sum of a Poisson and a negative
        binomial variable, whose density is a sum of n + 1 terms. "latent": b is sampled, one variable
        ``"<dataset>.background_off"`` with a value per bin inside the mask; the same posterior for the sources, and one
        for the background. "profile": b has the value that fits best (the W statistic, as Gammapy and XSPEC); not a
        probability of any data, kept for comparison.
    a0 : float
        Shape of the prior on b, positive: 1 is flat, 0.5 is Jeffreys' prior.

    Raises
    ------
    ValueError
        If ``a0`` is not positive.

    Notes
    -----
    Given few OFF counts the prior matters, and its effect adds up over bins: a flat prior takes flux away from the
    source, a very small ``a0`` gives it some. In simulations Jeffreys' prior, the default, has the smallest bias and
    intervals that hold the truth as often as they say; ``docs/decisions/29-off-background.md`` has the table.

    References
    ----------
    Loredo 1992, "The promise of Bayesian inference for astrophysics", section 5.2; Arnaud et al., XSPEC manual,
    appendix B (W statistic).
    """

    needs: ClassVar[tuple[str, ...]] = ("counts_off", "alpha")
    measured: ClassVar[tuple[str, ...]] = ("counts_off",)

    def __init__(self, background: str = "marginal", a0: float = 0.5):
        check_option("background", background, BACKGROUNDS)
        if not (np.isfinite(a0) and a0 > 0):
            raise ValueError(f"a0 must be positive, got {a0!r}; 1 is a flat prior on the background, 0.5 Jeffreys'")
        self.background, self.a0 = background, float(a0)

    def __repr__(self) -> str:
        return f"OnOffLikelihood(background={self.background!r}, a0={self.a0})"

    def support(self, counts: np.ndarray, mask: np.ndarray, **off: np.ndarray) -> np.ndarray:
        """Bins in the mask that hold ON counts: elsewhere the log-likelihood is minus the signal, whatever the OFF."""
        return np.asarray(mask, dtype=bool) & (np.asarray(counts) > 0)

    def weights(self, mask: np.ndarray) -> np.ndarray:
        """Weights of the total prediction: one inside the mask, zero outside; float64, shape of ``mask``."""
        return np.asarray(mask, dtype="float64")

    def bin_data(  # type: ignore[override]
        self, chosen: np.ndarray, mask: np.ndarray, counts: np.ndarray, counts_off: np.ndarray, alpha: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Arrays that `logp` reads.

        Parameters
        ----------
        chosen, mask : numpy.ndarray
            Boolean cubes: the bins that `logp` gets the prediction of, and all bins of the likelihood.
        counts, counts_off, alpha : numpy.ndarray
            Data cubes.

        Returns
        -------
        dict of numpy.ndarray
            One number per chosen bin and, under "constant", the log-likelihood of the other bins without their signal.
        """
        bins = {"counts": counts[chosen], "alpha": alpha[chosen]}
        rest = mask & ~chosen
        if self.background == "profile":
            bins["counts_off"] = counts_off[chosen]
            bins["constant"] = -(counts_off[rest] * np.log1p(alpha[rest])).sum()
        elif self.background == "latent":
            bins["alpha_inside"] = alpha[mask]
            bins["position"] = np.flatnonzero(chosen[mask])
            bins["constant"] = -scipy.special.gammaln(counts[mask] + 1).sum()
        else:
            shape = counts_off + self.a0
            bins["shape"] = shape[chosen]
            bins["last"] = _log_negative_binomial(counts[chosen], shape[chosen], alpha[chosen])
            bins["constant"] = _log_negative_binomial(np.zeros(rest.sum()), shape[rest], alpha[rest]).sum()
        return bins

    @property
    def latents_follow_mask(self) -> bool:
        """Whether there is a background per bin of the mask."""
        return self.background == "latent"

    @property
    def latent_names(self) -> tuple[str, ...]:
        """The background in OFF, "background_off", if it is sampled."""
        return ("background_off",) if self.background == "latent" else ()

    def latents(  # type: ignore[override]
        self, name: str, mask: np.ndarray, counts_off: Tensor, alpha: Tensor
    ) -> dict[str, Tensor]:
        """Create the background in OFF, one number per bin of the mask, if it is sampled; see `Likelihood.latents`."""
        if self.background != "latent":
            return {}
        import pymc as pm

        inside = np.nonzero(mask)
        shape = counts_off[inside] + self.a0
        return {"background_off": pm.Gamma(f"{name}.background_off", alpha=shape, beta=1.0, shape=len(inside[0]))}

    def logp(self, npred: Tensor, total: Tensor, bins: Mapping[str, Tensor], latents: Mapping[str, Tensor]) -> Tensor:
        """Log-probability of the ON counts in the mask, and of the OFF counts for "profile"; see `Likelihood.logp`."""
        if self.background == "profile":
            value = self._profile(npred, bins)
        elif self.background == "latent":
            background = latents["background_off"]
            on = npred + bins["alpha"] * background[bins["position"]]
            value = xlogy_graph(bins["counts"], on).sum() - (bins["alpha_inside"] * background).sum()
        else:
            from bayesmap.likelihoods.marginal import marginal_onoff

            value = marginal_onoff(npred, bins["counts"], bins["shape"], bins["alpha"], bins["last"]).sum()
        return value - total + bins["constant"]

    @staticmethod
    def _profile(npred: Tensor, bins: Mapping[str, Tensor]) -> Tensor:
        counts, counts_off, alpha = bins["counts"], bins["counts_off"], bins["alpha"]
        # The background maximises the likelihood: the derivative by it vanishes.
        off = pytensor.gradient.disconnected_grad(get_wstat_mu_bkg(counts, counts_off, alpha, npred, xp=pt))
        on = npred + alpha * off
        value = counts + xlogy_graph(counts, on / pt.maximum(counts, 1)) - alpha * off
        return (value + counts_off + xlogy_graph(counts_off, off / pt.maximum(counts_off, 1)) - off).sum()

    def explains(self, *, counts_off: np.ndarray, alpha: np.ndarray) -> np.ndarray:  # type: ignore[override]
        """Bins with acceptance in OFF: their background is unknown."""
        return alpha > 0

    def beside(self, *, counts_off: np.ndarray, alpha: np.ndarray) -> np.ndarray:  # type: ignore[override]
        """Background in ON as the OFF counts say: ``alpha * counts_off``."""
        return alpha * counts_off

    def expected(  # type: ignore[override]
        self,
        npred: np.ndarray,
        counts: np.ndarray | None,
        *,
        latents: Mapping[str, np.ndarray] | None = None,
        mask: np.ndarray | None = None,
        counts_off: np.ndarray,
        alpha: np.ndarray,
    ) -> np.ndarray:
        """Expected ON counts for a signal, with the background that maximises the likelihood for it.

        With a sampled background in ``latents`` that is taken in the bins of the mask.

        Raises
        ------
        ValueError
            If there are no ON counts.
        """
        if counts is None:
            raise ValueError("the background that maximises the likelihood is not known without ON counts")
        background = np.array(get_wstat_mu_bkg(counts, counts_off, alpha, npred))
        if latents:
            background[mask] = latents["background_off"]
        expected: np.ndarray = npred + alpha * background
        return expected

    def pointwise(  # type: ignore[override]
        self,
        counts: np.ndarray,
        npred: np.ndarray,
        *,
        latents: Mapping[str, np.ndarray] | None = None,
        mask: np.ndarray | None = None,
        counts_off: np.ndarray,
        alpha: np.ndarray,
    ) -> np.ndarray:
        """Log-probability of the ON counts of each bin given the OFF counts, natural logarithm.

        For "profile" minus half the W statistic. With a sampled background in ``latents`` that is taken in the bins of
        the mask.
        """
        if self.background == "profile":
            return -0.5 * self.stat_array(counts, npred, counts_off, alpha)
        counts, npred, shape, alpha = (
            np.ravel(x).astype("float64") for x in np.broadcast_arrays(counts, npred, counts_off + self.a0, alpha)
        )
        last = _log_negative_binomial(counts, shape, alpha)
        from bayesmap.likelihoods.marginal import marginal_values

        value = marginal_values(np.maximum(npred, 0), counts, shape, alpha, last) - npred
        if latents and mask is not None:
            inside = np.ravel(mask)
            on = npred[inside] + alpha[inside] * latents["background_off"]
            value[inside] = scipy.special.xlogy(counts[inside], on) - on - scipy.special.gammaln(counts[inside] + 1)
        return np.where(npred < 0, -np.inf, value).reshape(np.shape(counts_off))

    def random(  # type: ignore[override]
        self,
        npred: np.ndarray,
        rng: np.random.Generator,
        *,
        latents: Mapping[str, np.ndarray] | None = None,
        mask: np.ndarray | None = None,
        counts_off: np.ndarray,
        alpha: np.ndarray,
    ) -> np.ndarray:
        """Draw ON counts for a predicted signal, the background being drawn given the OFF counts; float64.

        With a sampled background in ``latents`` that is taken in the bins of the mask.

        Raises
        ------
        ValueError
            If a prediction is negative or not finite.
        """
        background = self._background(rng, counts_off)
        if latents:
            background[mask] = latents["background_off"]
        return self._draw(npred, background, rng, alpha)

    def random_pair(
        self, npred: np.ndarray, rng: np.random.Generator, counts_off: np.ndarray, alpha: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw ON and OFF counts with one background, drawn given the OFF counts at hand; see `random`."""
        background = self._background(rng, counts_off)
        return self._draw(npred, background, rng, alpha), draw_poisson(background, rng, "expected OFF counts")

    def _background(self, rng: np.random.Generator, counts_off: np.ndarray) -> np.ndarray:
        return rng.gamma(np.asarray(counts_off, dtype="float64") + self.a0)

    @staticmethod
    def _draw(npred: np.ndarray, background: np.ndarray, rng: np.random.Generator, alpha: np.ndarray) -> np.ndarray:
        bad = ~(np.asarray(npred) >= 0)
        if bad.any():
            raise ValueError(f"cannot draw counts: {int(bad.sum())} predicted signals are negative or not finite")
        return draw_poisson(npred + alpha * background, rng, "predicted counts")

    def stat_array(  # type: ignore[override]
        self, counts: np.ndarray, npred: np.ndarray, counts_off: np.ndarray, alpha: np.ndarray
    ) -> np.ndarray:
        """W statistic per bin, whatever the treatment of the background; see `bayesmap.stats.wstat`."""
        return np.asarray(wstat(n_on=counts, n_off=counts_off, alpha=alpha, mu_sig=npred))


def _log_negative_binomial(k: np.ndarray, shape: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Log-probability of k background counts in ON, b being Gamma distributed; -inf for k > 0 without acceptance."""
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.where(k > 0, k * (np.log(alpha) - np.log1p(alpha)), 0.0)
    gammaln = scipy.special.gammaln
    return gammaln(k + shape) - gammaln(shape) - gammaln(k + 1) + power - shape * np.log1p(alpha)
