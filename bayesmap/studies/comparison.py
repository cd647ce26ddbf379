"""Several estimators on the same simulated data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from bayesmap._types import FileName
from bayesmap.studies.analysis import Analysis, as_analysis
from bayesmap.studies.run import Running, Scenarios, run_study
from bayesmap.studies.types import Client, Record, SomeDatasets, Values

__all__ = ["Estimator", "compare", "from_mode", "from_posterior"]

#: takes an analysis, data and a seed; returns value and error of each parameter by name
type Estimator = Callable[[Analysis, Any, int], Mapping[str, tuple[float, float]]]


def from_posterior(analysis: Analysis, data: Any, seed: int) -> dict[str, tuple[float, float]]:
    """Posterior means and standard deviations.

    Parameters
    ----------
    analysis : Analysis
        Samples the posterior.
    data : object
        What its ``draw_data`` returned.
    seed : int
        Of the sampler.

    Returns
    -------
    dict of tuple of float
        Value and error by the name of the variable; of scalars only.
    """
    tree = analysis.posterior(data, seed)
    group = tree["posterior"].to_dataset()
    draws = {str(name): values.to_numpy() for name, values in group.data_vars.items() if values.ndim == 2}
    return {name: (float(values.mean()), float(values.std(ddof=1))) for name, values in draws.items()}


def from_mode(analysis: Any, data: Any, seed: int) -> dict[str, tuple[float, float]]:
    """The posterior mode and the errors of the Gaussian around it; for a `DatasetAnalysis`.

    Parameters, units and result are those of :func:`from_posterior`.
    """
    analysis.fitter.set_counts(data)
    _ = analysis.fitter.density
    mode = analysis.fitter.find_mode(seed)
    return {name: (value, mode.errors[name]) for name, value in mode.values.items()}


@dataclass(frozen=True, eq=False)
class Comparison:
    """The task of a comparison: draw data once, apply all estimators.

    Parameters
    ----------
    analysis : Analysis
        Draws data.
    estimators : dict of Estimator
        By name.
    """

    analysis: Analysis
    estimators: Mapping[str, Estimator]

    def run(self, truth: Values, rng: np.random.Generator) -> Record:
        """Return value and error by estimator and parameter, and the errors of those that failed."""
        data = self.analysis.draw_data(truth, rng)
        record: Record = {"estimates": {}, "errors": {}}
        for name, estimator in self.estimators.items():
            seed = int(rng.integers(2**31))
            try:
                found = estimator(self.analysis, data, seed)
                record["estimates"][name] = {key: [float(a), float(b)] for key, (a, b) in found.items() if key in truth}
            except Exception as error:
                record["errors"][name] = f"{type(error).__name__}: {error}"
        if not record["estimates"]:
            raise RuntimeError("; ".join(record["errors"].values()))
        return record


def compare(
    datasets: SomeDatasets,
    n: int = 200,
    *,
    estimators: Mapping[str, Estimator] | None = None,
    truths: Values | Sequence[Values] | None = None,
    seed: int = 0,
    folder: FileName | None = None,
    n_workers: int = 1,
    client: Client = None,
    fitted: SomeDatasets | None = None,
    progress: bool = True,
    **options: Any,
) -> xr.DataTree:
    """Bias, scatter and coverage of several estimators on the same simulated data.

    Parameters
    ----------
    datasets, truths, seed, folder, n_workers, client, fitted, progress, **options
        As for :func:`coverage`.
    n : int
        Number of simulations at each truth.
    estimators : mapping of str to callable, optional
        Each takes the analysis, data and a seed, and returns ``{parameter: (value, error)}``; functions of a module, if
        there are several workers. By default :func:`from_posterior` ("posterior") and :func:`from_mode` ("mode").

    Returns
    -------
    xarray.DataTree
        With a group ``estimates`` of values and errors, dimensions ``estimator``, ``draw`` and ``quantity``;
        ``truth``; and ``simulations`` as in :func:`~bayesmap.studies.study_tree`.
        :func:`~bayesmap.studies.comparison_table` reads it.

    Raises
    ------
    ValueError, KeyError, RuntimeError
        As for :func:`coverage`; a ValueError also if there is no estimator.
    """
    chosen = {"posterior": from_posterior, "mode": from_mode} if estimators is None else dict(estimators)
    if not chosen or not all(callable(one) for one in chosen.values()):
        raise ValueError(f"estimators must be functions by name, got {estimators!r}")
    running = Running(seed, folder, n_workers, client, progress)
    analysis = as_analysis(datasets, fitted, **options)
    names = {
        name: f"{getattr(f, '__module__', '')}.{getattr(f, '__qualname__', repr(f))}" for name, f in chosen.items()
    }
    identity, head = {"estimators": repr(sorted(names.items()))}, {"estimators": list(chosen)}
    task, scenarios = Comparison(analysis, chosen), Scenarios.of(analysis, truths)
    return run_study("compare", task, scenarios, n, running, identity=identity, head=head)
