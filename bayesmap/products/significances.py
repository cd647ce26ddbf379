"""Is a source there? By likelihoods, evidences, or the posterior density without it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayesmap._types import RandomState, Tree
from bayesmap._util import check_option, get_random_state
from bayesmap.inference import CompiledFit, bayes_factor, compile_fit, evidence, savage_dickey
from bayesmap.inference.listing import as_datasets, dataset_models
from bayesmap.inference.one_source import amplitude_name, without_sources
from bayesmap.stats import ts_to_sigma

if TYPE_CHECKING:
    from bayesmap.datasets import Datasets, MapDataset

__all__ = ["Significance", "significance"]

#: methods of an evidence, and the others
EVIDENCES = ("bridge", "laplace", "smc")
METHODS = ("ts", *EVIDENCES, "savage_dickey")


@dataclass(frozen=True)
class Significance:
    """How much better data are described with a source than without it; print it.

    Attributes
    ----------
    source : str
        Name of the source.
    method : str
        How it was computed.
    ts : float
        Test statistic, twice the difference of the log-likelihoods at the modes; NaN of other methods.
    df : int
        Free parameters that the source has and the rest has not.
    log_bayes_factor : float
        Natural logarithm of the ratio of the evidences, with the source over without it; NaN of "ts".
    error : float
        Standard error of that; NaN where none is known.
    remarks : tuple of str
        What speaks against the number, a sentence each.
    """

    source: str
    method: str
    ts: float = np.nan
    df: int = 1
    log_bayes_factor: float = np.nan
    error: float = np.nan
    remarks: tuple[str, ...] = ()

    @property
    def sigma(self) -> float:
        """Standard deviations of the test statistic by Wilks' theorem; NaN of other methods."""
        return float(ts_to_sigma(max(self.ts, 0.0), self.df)) if np.isfinite(self.ts) else self.ts

    @property
    def sentence(self) -> str:
        """The number in words."""
        if self.method == "ts":
            return (
                f"{self.source}: TS = {self.ts:.2f}, {self.sigma:.2f} standard deviations by Wilks' theorem with "
                f"{self.df} free parameter{'s' if self.df > 1 else ''}."
            )
        error = f" +- {self.error:.2g}" if np.isfinite(self.error) else ""
        return (
            f"{self.source}: the logarithm of the Bayes factor is {self.log_bayes_factor:.3f}{error} with the source "
            f"over without it ({self.method})."
        )

    def __str__(self) -> str:
        return "\n".join([self.sentence, *(f"- {remark}" for remark in self.remarks)])


def significance(
    datasets: "MapDataset | Datasets | CompiledFit",
    source: str,
    method: str = "ts",
    *,
    tree: Tree | None = None,
    random_state: RandomState = 0,
) -> Significance:
    """Compare the models of datasets with the same models without one source.

    Parameters
    ----------
    datasets : MapDataset, Datasets, list of MapDataset or CompiledFit
        With counts and models.
    source : str
        Name of the source; its amplitude is free.
    method : {"ts", "bridge", "laplace", "smc", "savage_dickey"}
        "ts": likelihoods at the modes (:func:`~bayesmap.inference.ts`). "bridge", "laplace", "smc": the ratio of two
        evidences (:func:`~bayesmap.inference.evidence`). "savage_dickey": posterior over prior density of the amplitude
        at zero (:func:`~bayesmap.inference.savage_dickey`), for a source whose other parameters are frozen.
    tree : xarray.DataTree, optional
        Draws with the source, for "savage_dickey" and "bridge"; the second samples where there are none.
    random_state : int, numpy.random.Generator or str
        Source of randomness.

    Returns
    -------
    Significance
        Print it.

    Raises
    ------
    KeyError
        If there is no such source.
    ValueError
        If it has no free amplitude; of evidences, if a prior is improper or was made from the data, or nothing is free
        without the source; if "savage_dickey" has no tree, or a source with more than its amplitude free.

    Notes
    -----
    The test statistic has the distribution of Wilks (1938, Ann. Math. Stat. 9, 60) where the null hypothesis is no
    border and all parameters mean something without the source. A position or an index means nothing then, and an
    amplitude that cannot be negative is at its border: remarks say so.
    """
    check_option("method", method, METHODS)
    fit = datasets if isinstance(datasets, CompiledFit) else None
    listed = fit.datasets if fit is not None else as_datasets(datasets)
    models = dataset_models(listed)
    name = amplitude_name(models, source)
    nulls = without_sources(listed, [source])
    rest = {p for p in dataset_models(nulls).parameters if not p.frozen}
    own = [n for p, n in models.parameter_names.items() if not p.frozen and p not in rest]
    if method == "savage_dickey":
        return _by_density(tree, source, name, own)
    fit = compile_fit(listed) if fit is None else fit
    rng = get_random_state(random_state)
    if method == "ts":
        return Significance(
            source, method, ts=_ts(fit, nulls if rest else None, name, rng), df=len(own), remarks=_border(own, name)
        )
    if not rest:
        raise ValueError(
            f"nothing is free without {source!r}, so the evidence is the likelihood itself: take method='savage_dickey'"
        )
    null = compile_fit(nulls)
    results = [
        evidence(tree, fit, method, rng)
        if tree is not None and method == "bridge"
        else evidence(fit, None, method, rng),
        evidence(null, None, method, rng),
    ]
    ratio = bayes_factor(*results)
    return Significance(
        source, method, df=len(own), log_bayes_factor=ratio.log, error=ratio.error, remarks=ratio.remarks
    )


def _ts(fit: CompiledFit, nulls: list["MapDataset"] | None, name: str, rng: np.random.Generator) -> float:
    """Twice the difference of the log-likelihoods with and without the source."""
    if nulls is not None:
        return 2 * (fit.log_likelihood_at_mode(rng) - compile_fit(nulls).log_likelihood_at_mode(rng))
    best = fit.find_mode(rng).values
    return 2 * (fit.log_likelihood(best) - fit.log_likelihood({**best, name: 0.0}))


def _border(own: list[str], name: str) -> tuple[str, ...]:
    """What Wilks' theorem does not hold for."""
    others = [n for n in own if n != name]
    if not others:
        return ()
    return (
        f"{', '.join(others)} mean nothing without the source, and the theorem does not hold: fakes without the source "
        "(bayesmap.studies.power with a value of zero) show how TS is distributed.",
    )


def _by_density(tree: Tree | None, source: str, name: str, own: list[str]) -> Significance:
    """Bayes factor from the posterior density at zero amplitude."""
    if tree is None:
        raise ValueError("method='savage_dickey' needs the draws: significance(datasets, source, method, tree=...)")
    if others := [n for n in own if n != name]:
        raise ValueError(
            f"with {others} free the model without {source!r} is not the one with an amplitude of zero alone: freeze "
            "them, or take method='bridge'"
        )
    ratio = savage_dickey(tree, name, 0.0)
    return Significance(
        source, "savage_dickey", df=len(own), log_bayes_factor=-ratio.log, error=ratio.error, remarks=ratio.remarks
    )
