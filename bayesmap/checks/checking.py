"""Does the posterior predict the data? All checks in one pass over the draws."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayesmap._types import Tree
from bayesmap._util import get_random_state
from bayesmap.checks.counted import CountsPass
from bayesmap.checks.measured import MeasuredPass
from bayesmap.checks.passes import Function, Pass
from bayesmap.checks.result import CheckResult, Checks
from bayesmap.inference.listing import as_datasets
from bayesmap.inference.observations import CountsFacts, FluxesFacts, ImageFacts, Observation, facts_of
from bayesmap.inference.predicted import thinned
from bayesmap.inference.streaming import routes_of
from bayesmap.modeling.posterior import Posterior

__all__ = ["can_check", "check", "check_data"]

#: fewer draws say too little about tails
LEAST_DRAWS = 100
#: the checks of each kind of data
PASSES: dict[type, type[Pass]] = {CountsFacts: CountsPass, ImageFacts: MeasuredPass, FluxesFacts: MeasuredPass}


def check(
    tree: Tree,
    datasets: Any,
    num_draws: int = 1000,
    *,
    statistics: Mapping[str, Function] | None = None,
    block_counts: float = 5.0,
    radius: Any = None,
    alpha: float = 0.01,
    random_state: Any = 0,
    **options: Any,
) -> Checks:
    """Check whether data look like what the posterior predicts, and say what is wrong and where.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`~bayesmap.inference.sample`.
    datasets : Dataset, Datasets or list of Dataset
        Datasets of counts, images or flux points, those that were sampled, with their models.
    num_draws : int
        Draws that are looked at, evenly spaced; all if there are fewer.
    statistics : mapping of str to callable, optional
        Further statistics: functions of counts and expected counts, two cubes ``(n_energy, n_lat, n_lon)`` that are
        zero outside the mask, which return a number. Of images they get nJy, ``(n_y, n_x)``; of flux points
        1e-12 cm-2 s-1 TeV-1, ``(n_point,)``, zero for limits.
    block_counts : float
        Expected counts in each block of the probability integral transforms, at least; more if there would be more than
        2000 blocks. Single bins hold too few counts to disagree with anything. Blocks of an image hold 16 pixels;
        flux points are looked at one by one.
    radius : `~astropy.units.Quantity`, str or float, optional
        Radius of the disks of the largest smoothed residual, in pixels if a number. By default 0.1 deg; of images twice
        the standard deviation of the PSF.
    alpha : float
        The rate at which a dataset whose model is right fails any of its checks, at most: each of K checks fails where
        twice its p, or twice 1 - p, is below alpha / K (of the transforms, which have one side: p itself).
    random_state : int, numpy.random.Generator or str
        Draws replicated data.
    **options
        ``psf_route``, ``psf_tolerance``: see :func:`~bayesmap.inference.to_pymc`.

    Returns
    -------
    Checks
        Print it.

    Raises
    ------
    KeyError
        If the posterior lacks a free parameter of the models.
    ValueError
        If there are fewer than 100 draws, the tree was made from other data, or a dataset holds no data, or flux points
        whose likelihood is stored as profiles.

    Notes
    -----
    The p of a statistic T is the share of draws in which replicated data have a larger T, with the prediction of the
    same draw, than the observed data (Gelman, Meng and Stern 1996, Statistica Sinica 6, 733). As the parameters were
    fitted to the data such p are less often small than uniform ones.
    """
    listed, rng = as_datasets(datasets), get_random_state(random_state)
    posterior = Posterior(tree)
    if len(posterior) < LEAST_DRAWS:
        raise ValueError(f"checks need at least {LEAST_DRAWS} draws, the posterior has {len(posterior)}: sample more")
    few = thinned(tree, min(num_draws, len(posterior))) if num_draws >= LEAST_DRAWS else None
    if few is None:
        raise ValueError(f"checks need at least {LEAST_DRAWS} draws, num_draws is {num_draws}")
    results: list[CheckResult] = []
    own: list[tuple[str, str]] = []
    kept: dict[str, Any] = {"blocks": {}, "spectra": {}, "profiles": {}}
    pits: dict[str, dict[str, Any]] = {"pit": {}, "loo_pit": {}, "pareto_k": {}, "deviation": {}}
    for dataset in listed:
        one = _pass_of(dataset)(few, dataset, {**routes_of(tree, dataset.name), **options}, rng)
        check_data(tree, one.observed, one.data)
        one.run(statistics or {}, block_counts, radius)
        results += one.results(alpha)
        own += [(dataset.name, remark.removeprefix(f"{dataset.name}: ")) for remark in one.remarks]
        kept["blocks"][dataset.name] = one.blocks
        if one.spectrum is not None:
            kept["spectra"][dataset.name] = one.spectrum
        kept["profiles"] |= {f"{dataset.name}.{name}": profile for name, profile in one.profiles.items()}
        for group, variables in pits.items():
            if getattr(one, group) is not None:
                variables[dataset.name] = ((f"{dataset.name}_block",), getattr(one, group))
    groups = {name: _with_coordinates(variables) for name, variables in pits.items()}
    return Checks(results, alpha, (*_remarks(tree), *_joined(own)), xr.DataTree.from_dict(groups), **kept)


def _with_coordinates(variables: dict[str, Any]) -> xr.Dataset:
    """A group whose dimensions have coordinates, without which ArviZ does not draw it."""
    return xr.Dataset(variables, coords={dims[0]: np.arange(len(values)) for dims, values in variables.values()})


def _joined(remarks: list[tuple[str, str]]) -> list[str]:
    """Remarks of datasets, those of equal words once, after the names of all."""
    names: dict[str, list[str]] = {}
    for name, words in remarks:
        names.setdefault(words, []).append(name)
    return [f"{', '.join(own)}: {words}" for words, own in names.items()]


def _remarks(tree: Tree) -> list[str]:
    """What is wrong with the draws themselves."""
    divergent = int(tree["sample_stats"]["diverging"].sum()) if "sample_stats" in tree.children else 0
    if not divergent:
        return []
    return [
        f"{divergent} transitions of the sampler diverged: the draws miss corners of the posterior, and checks made of "
        "them may say too much or too little. See convergence_report."
    ]


def check_data(tree: Tree, observed: Observation, data: np.ndarray) -> None:
    """Raise a ValueError if the tree was made from other data."""
    if "observed_data" not in tree.children:
        return
    for name, sums in observed.in_short(data).items():
        stored = tree["observed_data"].data_vars.get(name)
        if stored is None:
            known = sorted(tree["observed_data"].data_vars)
            raise ValueError(f"dataset {observed.name!r} is not among those that were sampled, which hold {known}")
        if stored.shape != sums.shape or not np.array_equal(stored.values, sums, equal_nan=True):
            what = "counts per energy inside the mask" if observed.quantity == "counts" else "data"
            raise ValueError(
                f"dataset {observed.name!r}: its {what} are not those that were sampled "
                f"({float(np.nansum(sums)):.5g} in all, {float(stored.sum()):.5g} then); give the dataset of the "
                "result, or sample again"
            )


def _pass_of(dataset: Any) -> type[Pass]:
    """What checks a dataset of this kind."""
    facts = facts_of(dataset)
    for kind, found in PASSES.items():
        if isinstance(facts, kind):
            return found
    raise ValueError(f"dataset {dataset.name!r} is a {type(dataset).__name__}, for which there are no checks")


def can_check(dataset: Any) -> bool:
    """Whether there are checks for a dataset of this kind."""
    return isinstance(facts_of(dataset), tuple(PASSES))
