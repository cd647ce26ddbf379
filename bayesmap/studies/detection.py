"""How often a source is found, and what limits are set on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr

from bayesmap._types import FileName, QuantityLike
from bayesmap.errors import UnexplainedCountsError
from bayesmap.inference import CompiledFit, compile_fit
from bayesmap.inference.one_source import amplitude_name, without_sources
from bayesmap.modeling.posterior import Posterior
from bayesmap.studies.analysis import DatasetAnalysis
from bayesmap.studies.run import Running, Scenarios, run_study
from bayesmap.studies.types import Client, Record, SomeDatasets, Values

__all__ = ["power"]

SEARCHES = 2


@dataclass(frozen=True, eq=False)
class Detection:
    """The task of a study of power: draw counts, fit them with and without the source.

    Parameters
    ----------
    analysis : DatasetAnalysis
        With the source.
    null : CompiledFit or None
        Without it; None if nothing is free then.
    parameter : str
        The amplitude of the source.
    limit : float or None
        Probability of the upper limit on it, for which the posterior is sampled; None for no limit.
    """

    analysis: DatasetAnalysis
    null: CompiledFit | None
    parameter: str
    limit: float | None

    def run(self, truth: Values, rng: np.random.Generator) -> Record:
        """Return the test statistic ``ts``, infinite where only the source explains the counts, and ``upper_limit``."""
        counts = self.analysis.draw_data(truth, rng)
        fit, seed = self.analysis.fitter, int(rng.integers(2**31))
        fit.set_counts(counts)
        best = fit.log_likelihood(_mode(fit, seed))
        record = {"ts": 2 * (best - self._without(counts, truth, seed))}
        if self.limit is not None:
            tree = self.analysis.posterior(counts, seed)
            record["upper_limit"] = float(np.quantile(Posterior(tree).column(self.parameter), self.limit))
        return record

    def _without(self, counts: Any, truth: Values, seed: int) -> float:
        """Log-likelihood without the source; minus infinity where nothing else explains the counts."""
        if self.null is None:
            return self.analysis.fitter.log_likelihood({**truth, self.parameter: 0.0})
        try:
            self.null.set_counts(counts)
        except UnexplainedCountsError:
            return -np.inf
        return self.null.log_likelihood(_mode(self.null, seed))


def _mode(fit: CompiledFit, seed: int) -> dict[str, float]:
    """Parameters at the posterior mode, by the compiled density."""
    _ = fit.density
    return fit.find_mode(seed, searches=SEARCHES).values


def power(
    datasets: SomeDatasets,
    n: int = 200,
    *,
    source: str,
    values: QuantityLike | Sequence[QuantityLike] | None = None,
    truths: Values | None = None,
    threshold: float = 25.0,
    limit: float | None = None,
    seed: int = 0,
    folder: FileName | None = None,
    n_workers: int = 1,
    client: Client = None,
    progress: bool = True,
    **options: Any,
) -> xr.DataTree:
    """How often a source is found, as a function of its flux.

    Parameters
    ----------
    datasets : MapDataset, Datasets or list of MapDataset
        With counts and models.
    n : int
        Number of simulations of each value.
    source : str
        Name of the model of the source.
    values : quantity, number or sequence of them, optional
        True values of its amplitude (or norm), numbers in the declared unit; the current value by default.
    truths : mapping, optional
        True values of other parameters, as for :func:`coverage`.
    threshold : float
        The source is found where its test statistic is above.
    limit : float, optional
        Also sample each posterior, for the credible upper limit of this probability on the amplitude.
    seed, folder, n_workers, client, progress, **options
        As for :func:`sbc`.

    Returns
    -------
    xarray.DataTree
        With the group ``detection``: ``ts``, ``value`` and, if asked for, ``upper_limit`` per simulation; and
        ``simulations`` as in :func:`~bayesmap.studies.study_tree`. :func:`~bayesmap.studies.power_table` and
        :func:`~bayesmap.studies.sensitivity` read it.

    Raises
    ------
    KeyError
        If there is no such source.
    ValueError
        If the source has no free amplitude, a number is impossible, or as for :func:`sbc`.

    Notes
    -----
    The test statistic is twice the difference of the log-likelihoods at the posterior modes with and without the source
    (the maximum-likelihood points, under flat priors). Its distribution without a source depends on how many parameters
    of the source are free: simulate the value 0 to see it. A prior under which a flux near zero is improbable, as the
    log-normal default is, lowers it; give the amplitude a uniform prior from zero on where that is not wanted.
    """
    if limit is not None and not 0 < limit < 1:
        raise ValueError(f"limit is a probability between 0 and 1, got {limit!r}")
    if not np.isfinite(threshold):
        raise ValueError(f"threshold must be a number, got {threshold!r}")
    running = Running(seed, folder, n_workers, client, progress)
    analysis = DatasetAnalysis(datasets, **options)
    name, base = amplitude_name(analysis.fit.models, source), dict(truths or {})
    scenarios = Scenarios.of(analysis, base if values is None else [{**base, name: one} for one in _listed(values)])
    task = Detection(analysis, _without(analysis, source), name, limit)
    identity, head = {"source": source, "limit": repr(limit)}, {"parameter": name, "threshold": float(threshold)}
    return run_study("power", task, scenarios, n, running, identity=identity, head=head)


def _listed(values: QuantityLike | Sequence[QuantityLike]) -> list[u.Quantity] | list[float]:
    """Values one by one: quantities, or numbers if they have no unit."""
    found = np.atleast_1d(u.Quantity(values))
    return list(found.value if found.unit == u.one else found)


def _without(analysis: DatasetAnalysis, source: str) -> CompiledFit | None:
    """The analysis without the source."""
    datasets = without_sources(analysis.fit.datasets, [source])
    free = [p for dataset in datasets for model in dataset.models or () for p in model.parameters if not p.frozen]
    return compile_fit(datasets, **analysis.compile_options) if free else None
