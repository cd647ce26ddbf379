"""Does a posterior mean what it says? Simulation-based calibration and coverage."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from bayesmap._types import FileName
from bayesmap.studies.analysis import Analysis, as_analysis
from bayesmap.studies.run import PriorTruths, Running, Scenarios, run_study
from bayesmap.studies.types import Client, Record, SomeDatasets, Values
from bayesmap.studies.workers import listed

__all__ = ["Calibration", "calibrate", "coverage", "sbc"]


@dataclass(frozen=True, eq=False)
class Calibration:
    """The task of calibration: draw data, sample, see where the truth lies.

    Parameters
    ----------
    analysis : Analysis
        What is repeated.
    """

    analysis: Analysis

    def run(self, truth: Values, rng: np.random.Generator) -> Record:
        """Return what `calibrate` does of one simulation."""
        data = self.analysis.draw_data(truth, rng)
        tree = self.analysis.posterior(data, int(rng.integers(2**31)))
        return calibrate(tree, truth, rng)


def calibrate(tree: xr.DataTree, truth: Values, rng: np.random.Generator) -> Record:
    """See where true values lie in a sample.

    Parameters
    ----------
    tree : xarray.DataTree
        With the group ``posterior``.
    truth : mapping
        True values by name, in the units of the draws. Names that the posterior lacks are left out.
    rng : numpy.random.Generator
        Breaks ties of ranks.

    Returns
    -------
    dict
        ``pit``, ``mean`` and ``sd`` by name; ``draws``, the number of draws after thinning; ``ess``, ``rhat`` and
        ``divergences``.

    Raises
    ------
    ValueError
        If no name is in the posterior, or its draws are all equal.

    Notes
    -----
    The draws are thinned, evenly, to the smallest effective sample size of all variables, so that they are as good as
    independent, L in number. With r of them below the true value, PIT = (r + u) / (L + 1), u uniform in [0, 1] (Talts
    et al. 2018, arXiv:1804.06788, with the rank made continuous). Of a calibrated posterior it is exactly uniform in
    [0, 1], for each L.
    """
    import arviz as az

    posterior = tree["posterior"].to_dataset().transpose("chain", "draw", ...)
    names = [name for name in truth if name in posterior]
    if not names:
        raise ValueError(f"the posterior of {list(posterior.data_vars)} has none of the simulated {list(truth)}")
    if equal := [name for name in names if not np.ptp(posterior[name].to_numpy(), axis=(0, 1)).all()]:
        raise ValueError(f"all draws of {', '.join(equal)} are the same")
    sizes = [az.ess(posterior[names], method=method) for method in ("bulk", "tail")]
    rhat = az.rhat(posterior[names]) if posterior.sizes["chain"] > 1 else None
    ess = float(np.min([np.min(one[name].to_numpy()) for one in sizes for name in names]))
    if not np.isfinite(ess):
        raise ValueError("the effective sample size of the draws is no number")
    total = posterior.sizes["chain"] * posterior.sizes["draw"]
    kept = np.linspace(0, total - 1, int(np.clip(ess, 1, total))).round().astype(int)
    record: Record = {"pit": {}, "mean": {}, "sd": {}, "draws": len(kept), "ess": ess}
    for name in names:
        draws = posterior[name].to_numpy().reshape(total, *posterior[name].shape[2:])
        record["pit"][name] = listed(_pit(draws[kept], truth[name], rng))
        record["mean"][name] = listed(draws.mean(axis=0))
        record["sd"][name] = listed(draws.std(axis=0, ddof=1))
    if rhat is not None:
        record["rhat"] = float(max(np.max(rhat[name].to_numpy()) for name in names))
    stats = tree["sample_stats"] if "sample_stats" in tree.children else {}
    record["divergences"] = int(np.sum(stats["diverging"].to_numpy())) if "diverging" in stats else 0
    return record


def _pit(draws: np.ndarray, truth: Any, rng: np.random.Generator) -> np.ndarray:
    """The rank of the truth as a number in [0, 1]; draws that are equal to it are below or above by chance."""
    below, equal = (draws < truth).sum(axis=0), (draws == truth).sum(axis=0)
    return np.asarray((below + rng.uniform(size=np.shape(below)) * (equal + 1)) / (len(draws) + 1))


def sbc(
    datasets: SomeDatasets,
    n: int = 500,
    *,
    seed: int = 0,
    folder: FileName | None = None,
    n_workers: int = 1,
    client: Client = None,
    fitted: SomeDatasets | None = None,
    progress: bool = True,
    **options: Any,
) -> xr.DataTree:
    """Simulation-based calibration: parameters from the prior, data from these, and where they lie in the posterior.

    Parameters
    ----------
    datasets : Dataset, Datasets or list of Dataset, or Analysis
        With counts and models. Parameters without a prior get their default one, made from the counts at hand, which
        stays the same in all simulations.
    n : int
        Number of simulations.
    seed : int
        The same seed gives the same result, with any number of workers; the first simulations are those of a smaller
        ``n``.
    folder : path, optional
        Keep a file per simulation there, and go on with those that it holds.
    n_workers : int
        Processes of this machine; each compiles once.
    client : distributed.Client, optional
        Run on this Dask cluster (extra ``dask``).
    fitted : Dataset, Datasets or list of Dataset, optional
        Fit these to the simulated counts in place of ``datasets``: other models, priors or responses.
    progress : bool
        Say on standard error how far it is.
    **options
        For :class:`~bayesmap.studies.DatasetAnalysis`: ``draws``, ``tune``, ``chains``, ``sampler``, ...

    Returns
    -------
    xarray.DataTree
        See :func:`~bayesmap.studies.study_tree`; the group ``prior_sbc`` is what ``arviz.plot_ecdf_pit`` draws.

    Raises
    ------
    ValueError
        If a prior is improper, the data cannot be replaced, or the folder holds another study.
    RuntimeError
        If all simulations failed, or a worker process died.

    Notes
    -----
    Counts with a background measured in OFF regions are drawn given the OFF counts at hand, which stay: the background
    in each bin comes from its distribution given these, the prior that it then has.
    """
    running = Running(seed, folder, n_workers, client, progress)
    analysis = as_analysis(datasets, fitted, **options)
    return run_study("sbc", Calibration(analysis), PriorTruths(analysis, seed), n, running)


def coverage(
    datasets: SomeDatasets,
    n: int = 500,
    *,
    truths: Values | Sequence[Values] | None = None,
    seed: int = 0,
    folder: FileName | None = None,
    n_workers: int = 1,
    client: Client = None,
    fitted: SomeDatasets | None = None,
    progress: bool = True,
    **options: Any,
) -> xr.DataTree:
    """Coverage of credible intervals at given true values.

    Parameters
    ----------
    datasets, seed, folder, n_workers, client, fitted, progress, **options
        As for :func:`sbc`.
    n : int
        Number of simulations at each truth.
    truths : mapping, or sequence of them, optional
        True values by name, numbers in the declared units or quantities; parameters that are not named are at the
        values of the models, as all are by default.

    Returns
    -------
    xarray.DataTree
        See :func:`~bayesmap.studies.study_tree`; :func:`~bayesmap.studies.coverage_table` says how often intervals
        of any level contain the truth. PITs are in the group ``coverage_pit``; at a fixed truth they need not be
        uniform.

    Raises
    ------
    KeyError
        If a name is that of no free parameter.
    ValueError, RuntimeError
        As for :func:`sbc`.
    """
    running = Running(seed, folder, n_workers, client, progress)
    analysis = as_analysis(datasets, fitted, **options)
    return run_study("coverage", Calibration(analysis), Scenarios.of(analysis, truths), n, running)
