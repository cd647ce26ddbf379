"""Is the sample good enough? The answer in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from bayesmap._html import html_text
from bayesmap.inference.conflict import prior_places

__all__ = ["ConvergenceReport", "convergence_report"]

RHAT, ESS = 1.01, 400.0
#: weights of modes that are less certain than this are told
WEIGHT_ERROR = 0.02
#: modes with fewer draws per chain have no R-hat
FEW = 50


@dataclass(frozen=True)
class ConvergenceReport:
    """Diagnostics of a sample.

    Attributes
    ----------
    rhat, ess_bulk, ess_tail : dict of float
        Per parameter: rank-normalised split R-hat and effective sample sizes (Vehtari et al. 2021, Bayesian Analysis
        16, 667).
    divergences : int
        Divergent transitions after tuning.
    n_chain, n_draw : int
        Size of the sample.
    interrupted : bool
        The user stopped the sampler.
    conflicts : tuple of str
        A sentence for each parameter about which prior and data disagree: its posterior median is more than 4 prior
        standard deviations away from the prior median (of priors that are not normal: as improbable as that), where the
        prior is thin. The sample may be converged all the same.
    modes : str
        The modes of the posterior and their weights in words, if it has several. R-hat is then the largest of that of
        all draws and those within the modes.
    mode_weight_error : float
        The largest standard error of their weights.
    """

    rhat: dict[str, float]
    ess_bulk: dict[str, float]
    ess_tail: dict[str, float]
    divergences: int
    n_chain: int
    n_draw: int
    interrupted: bool = False
    conflicts: tuple[str, ...] = ()
    modes: str = ""
    mode_weight_error: float = 0.0

    @property
    def converged(self) -> bool:
        """Whether there is no advice to give."""
        return not self.advice

    @property
    def advice(self) -> list[str]:
        """What to do, a sentence per problem."""
        advice = []
        if self.interrupted:
            advice.append(
                f"Sampling was interrupted after {self.n_draw} draws per chain: sample again for final numbers."
            )
        if self.n_chain < 2:
            advice.append("One chain cannot show whether it found the whole posterior: run at least two, better four.")
        high = {k: v for k, v in self.rhat.items() if not v <= RHAT}
        if high and self.n_chain > 1:
            worst = max(high, key=lambda k: np.nan_to_num(high[k], nan=np.inf))
            advice.append(
                f"R-hat is above {RHAT} for {', '.join(high)} (worst: {worst}, {high[worst]:.3f}): the chains "
                "disagree. Sample longer; if it stays, look at the trace plot for several modes and narrow the priors."
            )
        low = {k: min(v, self.ess_tail[k]) for k, v in self.ess_bulk.items() if not min(v, self.ess_tail[k]) >= ESS}
        if low:
            worst = min(low, key=lambda k: np.nan_to_num(low[k], nan=0.0))
            factor = int(np.ceil(ESS / max(low[worst], 1.0)))
            advice.append(
                f"The effective sample size of {worst} is {low[worst]:.0f}, below {ESS:.0f}: "
                f"take about {factor} times as many draws."
            )
        if np.isnan(self.mode_weight_error):
            advice.append(
                "The weights of the modes are only those of Gaussians: take more draws for weights by bridges."
            )
        elif self.mode_weight_error > WEIGHT_ERROR:
            advice.append(
                f"The weights of the modes are only known to {self.mode_weight_error:.2f}: take more draws, from which "
                "they follow."
            )
        if self.divergences:
            advice.append(
                f"{self.divergences} divergent transitions: the posterior has corners that the sampler misses. Raise "
                "target_accept (0.95), or give weakly constrained parameters tighter priors."
            )
        return advice

    def _repr_html_(self) -> str:
        return html_text(str(self))

    def __str__(self) -> str:
        size = f"{self.n_chain} chains of {self.n_draw} draws"
        worst, least = max(self.rhat, key=lambda k: self.rhat[k]), min(self.ess_bulk, key=lambda k: self.ess_bulk[k])
        numbers = (
            f"largest R-hat {self.rhat[worst]:.3f} ({worst}), smallest bulk ESS {self.ess_bulk[least]:.0f} ({least}), "
            f"{self.divergences} divergences"
        )
        verdict = "Converged" if self.converged else "Not converged"
        several = (
            [f"The posterior has {self.modes}. A mean over all of them is no place of anything."] if self.modes else []
        )
        sentences = (*several, *self.advice, *self.conflicts)
        return "\n".join([f"{verdict}: {size}, {numbers}.", *(f"- {s}" for s in sentences)])


def convergence_report(tree: xr.DataTree) -> ConvergenceReport:
    """Check a sample; ``print`` the result to read it.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`~bayesmap.inference.sample` or of any PyMC sampler.

    Returns
    -------
    ConvergenceReport
    """
    import arviz as az

    posterior = tree["posterior"].to_dataset()
    sizes = posterior.sizes

    def worst(function: Any, pick: Any, **kwargs: Any) -> dict[str, float]:
        with np.errstate(divide="ignore", invalid="ignore"):  # constants: NaN, which is reported
            values = function(posterior, **kwargs)
        return {str(name): float(pick(values[name].to_numpy())) for name in values.data_vars}

    stats = tree["sample_stats"].to_dataset() if "sample_stats" in tree.children else xr.Dataset()
    rhat = worst(az.rhat, np.max) if sizes["chain"] > 1 else dict.fromkeys(map(str, posterior.data_vars), np.nan)
    if "mode" in stats and sizes["chain"] > 1:
        within = [_largest(az.rhat(part)) for part in _by_mode(posterior, stats["mode"])]
        rhat = {name: max([value, *(one[name] for one in within)]) for name, value in rhat.items()}
    diverging = stats.get("diverging", np.zeros(1))
    return ConvergenceReport(
        rhat,
        worst(az.ess, np.min, method="bulk"),
        worst(az.ess, np.min, method="tail"),
        int(np.sum(diverging)),
        sizes["chain"],
        sizes["draw"],
        bool(tree.attrs.get("interrupted", 0)),
        tuple(place.sentence for place in prior_places(tree).values() if place.in_conflict),
        str(tree.attrs["modes"]) if "mode" in stats else "",
        float(np.max(tree.attrs["mode_weight_errors"])) if "mode" in stats else 0.0,
    )


def _by_mode(posterior: xr.Dataset, mode: xr.DataArray) -> Iterator[xr.Dataset]:
    """The draws of each mode, as many of each chain as there are of all; modes with few are left out."""
    labels = mode.transpose("chain", "draw").to_numpy()
    for value in np.unique(labels):
        chosen = [np.flatnonzero(row == value) for row in labels]
        number = min(map(len, chosen))
        if number >= FEW:
            places = xr.DataArray([row[:number] for row in chosen], dims=("chain", "draw"))
            yield posterior.isel(chain=xr.DataArray(np.arange(len(labels)), dims="chain"), draw=places).drop_vars(
                "draw", errors="ignore"
            )


def _largest(rhat: xr.Dataset) -> dict[str, float]:
    return {str(name): float(rhat[name].max()) for name in rhat.data_vars}
