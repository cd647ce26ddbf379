"""Calibration where the posterior of the data at hand is, not over all of the prior."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayesmap._types import FileName
from bayesmap.inference.listing import as_datasets
from bayesmap.modeling.posterior import Posterior
from bayesmap.studies.analysis import DatasetAnalysis, digest_of
from bayesmap.studies.calibration import Calibration
from bayesmap.studies.run import PriorTruths, Running, run_study
from bayesmap.studies.types import Client, SomeDatasets, Values

__all__ = ["posterior_sbc"]

#: of the posterior of the counts at hand, from which true values are drawn
CHAINS, DRAWS = 4, 1000


class _Augmented(DatasetAnalysis):
    """Observed and replicated counts together, of the posterior of the former.

    Their sum follows Poisson(2 mu) and says all that the two do about mu: it is fitted with twice the exposure and
    background.
    """

    def __init__(self, datasets: SomeDatasets, tree: xr.DataTree | None, seed: int, **options: Any) -> None:
        listed = as_datasets(datasets)
        super().__init__(listed, [_doubled(dataset) for dataset in listed], **options)
        self.observed = {name: one.value.get_value() for name, one in self.fit._observed.items()}
        if tree is None:
            tree = self.fit.sample(DRAWS, chains=CHAINS, random_state=seed, progress_bar=False)
        posterior = Posterior(tree)
        free = {p: name for name, p in self.fit.parameters.items() if not p.frozen}
        columns = posterior.columns(free, "posterior_sbc")
        self.columns = {free[parameter]: draws for parameter, draws in columns.items()}
        hyper = {name for name in self.fit.hyperparameters if name in posterior}
        self.columns |= {name: posterior.column(name) for name in hyper}

    @property
    def identity(self) -> Mapping[str, str]:
        """See `Analysis.identity`."""
        return {**super().identity, "posterior": digest_of(*(x for pair in self.columns.items() for x in pair))}

    def draw_prior(self, size: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw from the posterior of the observed counts, which is the prior of the replicated ones."""
        rows = rng.integers(len(next(iter(self.columns.values()))), size=size)
        return {name: column[rows] for name, column in self.columns.items()}

    def draw_data(self, values: Values, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw counts and add the observed ones."""
        return {name: counts + self.observed[name] for name, counts in super().draw_data(values, rng).items()}


def _doubled(dataset: Any) -> Any:
    """The dataset as if observed for twice the time, with the same models."""
    if not getattr(dataset.likelihood, "is_poisson", False):
        raise ValueError(
            f"dataset {dataset.name!r}: posterior_sbc adds observed and replicated counts, which says all about the "
            f"parameters for a Poisson likelihood only, not for {dataset.likelihood!r}; use sbc"
        )
    double = dataset.copy(name=dataset.name)
    double.models = dataset.models
    for name in ("counts", "exposure", "background"):
        if (value := getattr(dataset, name)) is not None:
            setattr(double, name, value * 2.0)
    if not np.allclose(double.npred().data, 2 * dataset.npred().data, rtol=1e-6):
        raise ValueError(
            f"dataset {dataset.name!r}: its prediction does not double with exposure and background, as a model (a "
            "template of counts?) predicts counts beside these; use sbc"
        )
    return double


def posterior_sbc(
    datasets: SomeDatasets,
    n: int = 200,
    *,
    tree: xr.DataTree | None = None,
    seed: int = 0,
    folder: FileName | None = None,
    n_workers: int = 1,
    client: Client = None,
    progress: bool = True,
    **options: Any,
) -> xr.DataTree:
    """Calibration at the data at hand: parameters from their posterior, and where these lie when more data come.

    Parameters
    ----------
    datasets : MapDataset, Datasets or list of MapDataset
        With counts that are Poisson distributed, and models.
    n : int
        Number of simulations.
    tree : xarray.DataTree, optional
        The posterior of these counts; sampled here by default.
    seed, folder, n_workers, client, progress, **options
        As for :func:`sbc`.

    Returns
    -------
    xarray.DataTree
        See :func:`~bayesmap.studies.study_tree`; ranks are in the group ``posterior_sbc``.

    Raises
    ------
    ValueError
        If the counts are not Poisson distributed, a model predicts counts that do not grow with exposure or background,
        or as for :func:`sbc`.
    KeyError
        If the given posterior lacks a free parameter.

    Notes
    -----
    With theta from p(theta | y) and y' from p(y' | theta), theta is a draw from p(theta | y, y'), in whose sample its
    rank is uniform (Säilynoja et al. 2025, arXiv:2502.03279). Unlike `sbc` it does not ask the sampler for what the
    prior allows and these data exclude.
    """
    running = Running(seed, folder, n_workers, client, progress)
    analysis = _Augmented(datasets, tree, seed, **options)
    return run_study("posterior_sbc", Calibration(analysis), PriorTruths(analysis, seed), n, running)
