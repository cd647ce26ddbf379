"""The evidence of a model, the integral of likelihood times prior, and its ratio to that of another model."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from bayesmap._html import html_text
from bayesmap._util import check_option, get_random_state
from bayesmap.inference.bridge import bridge
from bayesmap.inference.fit import CompiledFit, compile_fit
from bayesmap.inference.mode import search_modes
from bayesmap.inference.result import default_prior_names
from bayesmap.inference.unconstrained import log_posterior_of, unconstrained_draws

__all__ = ["BayesFactor", "Evidence", "bayes_factor", "evidence", "refuse_default_priors"]

METHODS = ("bridge", "laplace", "smc")
#: fewer draws make no covariance and no error that mean anything
FEWEST = 100
#: Bridge and Laplace may differ by so much, beyond twice the error of the bridge
DISAGREE = 0.1
#: R-hat of the log-density, above which the draws are no sample of one posterior
RHAT = 1.05
SMC_CHAINS = 4


@dataclass(frozen=True)
class Evidence:
    """The evidence of a model, Z.

    Attributes
    ----------
    log_z : float
        Its natural logarithm, with all constants of the likelihood.
    error : float
        Standard error of that from the method; of "laplace" none is known, NaN.
    method : str
        How it was computed.
    laplace : float
        The same from the Gaussian with the curvature of the mode; NaN where that has none.
    remarks : tuple of str
        What speaks against the number, a sentence each.
    default_priors : tuple of str
        Parameters whose prior was made from the data.
    data : str
        Hash of the data and masks.
    """

    log_z: float
    error: float
    method: str
    laplace: float
    remarks: tuple[str, ...]
    default_priors: tuple[str, ...]
    data: str

    @property
    def sentence(self) -> str:
        """The number in words."""
        error = f" +- {self.error:.2g}" if np.isfinite(self.error) else ""
        other = f"; the Laplace approximation has {self.laplace:.3f}" if self.method != "laplace" else ""
        return f"The logarithm of the evidence is {self.log_z:.3f}{error} ({self.method}){other}."

    def _repr_html_(self) -> str:
        return html_text(str(self))

    def __str__(self) -> str:
        return "\n".join([self.sentence, *(f"- {remark}" for remark in self.remarks)])


@dataclass(frozen=True)
class BayesFactor:
    """Ratio of the evidences of two models of the same data, the first over the second.

    Attributes
    ----------
    log : float
        Its natural logarithm.
    error : float
        Standard error of that.
    remarks : tuple of str
        What speaks against it.
    names : tuple of str
        What the two are called in the sentence.
    """

    log: float
    error: float
    remarks: tuple[str, ...] = ()
    names: tuple[str, str] = ("the first", "the second")

    @property
    def sentence(self) -> str:
        """Which model is the more probable one, if both were equally probable before."""
        better, odds = (self.names[0], self.log) if self.log >= 0 else (self.names[1], -self.log)
        times = f"{np.exp(odds):.3g}" if odds < 700 else f"e^{odds:.0f}"
        error = f" +- {self.error:.2g}" if np.isfinite(self.error) else ""
        return (
            f"The logarithm of the Bayes factor is {self.log:.3f}{error}: if both models were equally probable before, "
            f"{better} is now {times} times as probable as the other one."
        )

    def _repr_html_(self) -> str:
        return html_text(str(self))

    def __str__(self) -> str:
        return "\n".join([self.sentence, *(f"- {remark}" for remark in self.remarks)])


def evidence(
    tree: Any, datasets: Any = None, method: str = "bridge", random_state: Any = 0, **options: Any
) -> Evidence:
    r"""Compute the evidence of the models of some datasets.

    .. math::
        Z = \int p(\mathrm{data} | \theta) \, p(\theta) \, d\theta

    Parameters
    ----------
    tree : xarray.DataTree, or as ``datasets``
        Draws of :func:`~bayesmap.inference.sample`. Without them the datasets come first; "bridge" then samples.
    datasets : Dataset, Datasets, list of Dataset or CompiledFit
        Those that were sampled, with the same models, priors, masks and options; a compiled fit is not compiled again.
    method : {"bridge", "laplace", "smc"}
        "bridge": bridge sampling from the draws (:func:`~bayesmap.inference.bridge.bridge`), exact but for its error.
        "laplace": the Gaussian around the mode, for a first look. "smc": sequential Monte Carlo of PyMC, which needs no
        draws and is for posteriors with several modes too; its error is that of four runs.
    random_state : int, numpy.random.Generator or str
        Source of randomness.
    **options
        For :func:`~bayesmap.inference.compile_fit`.

    Returns
    -------
    Evidence
        Print it.

    Raises
    ------
    ValueError
        If a prior is improper (it is named), there are fewer than 100 draws, or the tree is of other data, models or
        priors.

    Warns
    -----
    UserWarning
        For each of the remarks of the result: divergent transitions, chains that disagree, a Laplace approximation that
        differs by more than 0.1 beyond the error.
    """
    check_option("method", method, METHODS)
    given = tree if datasets is None else datasets
    if isinstance(given, xr.DataTree):
        raise ValueError("evidence(tree, datasets) needs the datasets or the compiled fit that the tree is of")
    fit = given if isinstance(given, CompiledFit) else compile_fit(given, **options)
    _check_proper(fit)
    rng = get_random_state(random_state)
    draws = tree if datasets is not None else None
    remarks: list[str] = []
    if method == "bridge":
        draws = fit.sample(random_state=rng, progress_bar=False) if draws is None else draws
        log_z, error, starts = _bridged(fit, draws, rng, remarks)
        laplace = _laplace(fit, rng, starts)
        if np.isfinite(laplace) and abs(laplace - log_z) - 2 * error > DISAGREE:
            remarks.append(
                f"Laplace and bridge differ by {abs(laplace - log_z):.2f}: the posterior is no Gaussian in the "
                "variables of the sampler, or has parts that the draws do not show. Trust the bridge if the chains "
                "agree."
            )
    elif method == "laplace":
        laplace = log_z = _laplace(fit, rng)
        error = np.nan
        if not np.isfinite(log_z):
            raise ValueError("the posterior has no mode with a Gaussian around it: take method='bridge'")
    else:
        log_z, error = _smc(fit, rng)
        laplace = _laplace(fit, rng)
    for remark in remarks:
        warnings.warn(remark, stacklevel=2)
    defaults = tuple(default_prior_names(fit))
    return Evidence(log_z, error, method, laplace, tuple(remarks), defaults, fit.data_hash)


def bayes_factor(first: Evidence, second: Evidence) -> BayesFactor:
    """Compare two models of the same data.

    Parameters
    ----------
    first, second : Evidence
        From :func:`evidence`.

    Returns
    -------
    BayesFactor
        First over second.

    Raises
    ------
    ValueError
        If the data or masks differ, or a prior was made from the data.
    """
    if first.data != second.data:
        raise ValueError("the two evidences are of different data or masks, and their ratio means nothing")
    refuse_default_priors(sorted({*first.default_priors, *second.default_priors}))
    error = float(np.sqrt(first.error**2 + second.error**2))
    return BayesFactor(first.log_z - second.log_z, error, (*first.remarks, *second.remarks))


def refuse_default_priors(names: Sequence[str]) -> None:
    """Raise a ValueError if there are parameters whose priors were made from the data."""
    if names:
        raise ValueError(
            f"the priors of {', '.join(names)} are defaults that were made from the data. An evidence is the mean of "
            "the likelihood over the prior, and such a prior lies where the likelihood is high: its width decides and "
            "uses the data twice. Give these parameters priors of your own, and compute again"
        )


def _check_proper(fit: CompiledFit) -> None:
    """Raise a ValueError that names the unknowns without a proper prior, those of a likelihood too."""
    transforms = {rv.name: transform for rv, transform in fit.model.rvs_to_transforms.items()}
    improper = [name for name, transform in transforms.items() if not getattr(transform, "is_proper", True)]
    if improper:
        raise ValueError(
            f"the priors of {', '.join(improper)} are improper (Flat without bounds on both sides): their evidence is "
            "not defined. Give them a prior that can be integrated, or bounds"
        )


def _bridged(
    fit: CompiledFit, tree: Any, rng: np.random.Generator, remarks: list[str]
) -> tuple[float, float, list[np.ndarray]]:
    """Log-evidence and its error from draws, and the draw of highest density in each mode."""
    from arviz_stats import rhat

    density = fit.density
    draws = unconstrained_draws(tree, density, fit.parameters)
    number = draws.shape[0] * draws.shape[1]
    if number < FEWEST:
        raise ValueError(f"the tree has {number} draws, an evidence needs at least {FEWEST}, better some thousands")
    values = log_posterior_of(tree, density, draws)
    stats = tree["sample_stats"].to_dataset() if "sample_stats" in tree.children else xr.Dataset()
    labels = stats["mode"].transpose("chain", "draw").to_numpy() if "mode" in stats else None
    if "diverging" in stats and (divergences := int(stats["diverging"].sum())):
        remarks.append(
            f"{divergences} divergent transitions: the draws miss a corner of the posterior, and the evidence may be "
            "too low. Sample again with target_accept=0.95."
        )
    if draws.shape[0] > 1 and labels is None and not (worst := float(rhat(values))) < RHAT:
        remarks.append(
            f"The chains disagree (R-hat of the log-posterior {worst:.3f}): the evidence is that of no posterior."
        )
    result = bridge(lambda theta: density(theta)[0], draws, values, rng, labels)
    modes = np.zeros(values.shape, dtype=int) if labels is None else labels
    starts = [draws[modes == mode][int(np.argmax(values[modes == mode]))] for mode in np.unique(modes)]
    return result.log_z, result.error, starts


def _laplace(fit: CompiledFit, rng: np.random.Generator, starts: Sequence[np.ndarray] = ()) -> float:
    """Log of the sum of the Gaussians at the modes, or at those near some points; NaN without any."""
    if starts:
        best, rivals = search_modes(fit.density, rng, len(starts), True, starts)
    else:
        best, rivals = fit.search_modes(rng)
    if best is None or best.blocked:
        return np.nan
    return float(np.logaddexp.reduce([mode.log_evidence for mode in (best, *rivals)]))


def _smc(fit: CompiledFit, rng: np.random.Generator) -> tuple[float, float]:
    """Log of the mean evidence of several runs of sequential Monte Carlo, and its standard error."""
    import pymc as pm

    tree = pm.sample_smc(
        chains=SMC_CHAINS,
        cores=1,
        model=fit.model,
        random_seed=int(rng.integers(2**31)),
        progressbar=False,
        compute_convergence_checks=False,
    )
    stages = tree["sample_stats"]["log_marginal_likelihood"].to_numpy()
    # an object array: one number per stage, of which the last one counts
    last = np.array([np.asarray(run[-1], dtype="float64").ravel()[-1] for run in stages])
    relative = np.exp(last - last.max())
    error = relative.std(ddof=1) / relative.mean() / np.sqrt(len(last))
    return float(last.max() + np.log(relative.mean())), float(error)
