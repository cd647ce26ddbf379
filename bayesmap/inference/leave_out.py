"""Leave-one-group-out by sampling again without the group, where importance weights do not tell."""

import contextlib
import copy
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from scipy.special import logsumexp

from bayesmap._util import suggest
from bayesmap.inference.fit import CompiledFit
from bayesmap.inference.groups import group_labels
from bayesmap.inference.unconstrained import unconstrained_draws

__all__ = ["GOOD_K", "group_bins", "groups_above", "left_out", "left_out_density", "reloo"]

GOOD_K = 0.7


def group_bins(
    fit: CompiledFit, groups: str | Mapping[str, Any] = "dataset", num_blocks: int = 16
) -> dict[str, dict[str, np.ndarray]]:
    """Return the bins of the groups that :func:`~bayesmap.inference.predictive` makes log-likelihoods of.

    Parameters
    ----------
    fit : CompiledFit
        The analysis, with the masks of its datasets.
    groups : {"dataset", "energy", "block"} or mapping of str to numpy.ndarray
        As for :func:`~bayesmap.inference.predictive`.
    num_blocks : int
        As there.

    Returns
    -------
    dict of dict of numpy.ndarray
        By the name of the group, the bins inside the masks by the name of the dataset, booleans of its shape: for
        :func:`left_out_density`, :func:`reloo` and :func:`moment_match`.

    Raises
    ------
    ValueError
        If the data have no such groups, or no mask that can be replaced.
    """
    bins: dict[str, dict[str, np.ndarray]] = {}
    for name, observed in fit._observed.items():
        if observed.mask is None:
            raise ValueError(f"dataset {name!r} holds {observed.content}, of which no bins can be left out")
        labels, names = group_labels(observed, observed.mask.shape, groups, num_blocks)
        for i, group in enumerate(names):
            chosen = np.zeros(observed.mask.shape, dtype=bool)
            chosen[observed.mask] = labels == i
            bins[group] = {name: chosen}
    return bins


@contextlib.contextmanager
def left_out(fit: CompiledFit, group: Any) -> Iterator[None]:
    """Look at all bins but those of a group for a while.

    Raises
    ------
    KeyError, ValueError
        As for :func:`left_out_density`.
    """
    masks = fit.masks(group)
    reduced = {name: mask & ~chosen for name, (mask, chosen) in masks.items()}
    if all((reduced[name] == mask).all() for name, (mask, _) in masks.items()):
        raise ValueError("the group has no bin inside the masks: there is nothing to leave out")
    try:
        fit.set_mask(reduced)
        yield
    finally:
        fit.set_mask({name: mask for name, (mask, _) in masks.items()})


def left_out_density(fit: CompiledFit, group: Any, **options: Any) -> float:
    r"""Log predictive density of a group of bins, given all others, from a sample without them.

    .. math::
        \ln p(y_g | y_{-g}) = \ln \int p(y_g | \theta) \, p(\theta | y_{-g}) \, d\theta

    Parameters
    ----------
    fit : CompiledFit
        The analysis; its masks are the same again afterwards, and nothing is compiled.
    group : numpy.ndarray, Map, or mapping of dataset name to one of them
        Booleans in the shape of the data, true in the bins of the group. A single one is for a single dataset.
    **options
        For :meth:`~bayesmap.inference.CompiledFit.sample`.

    Returns
    -------
    float
        Natural logarithm.

    Raises
    ------
    KeyError
        If a dataset is unknown.
    ValueError
        If no bin inside the masks is in the group, or none is left without it; or a dataset has a mask that cannot be
        replaced.
    """
    with left_out(fit, group):
        tree = fit.sample(**{"progress_bar": False, "random_state": 0, **options})
        points = unconstrained_draws(tree, fit.density, fit.parameters).reshape(-1, fit.density.size)
        without = np.array([fit.density(point)[0] for point in points])
    # priors cancel
    gain = np.array([fit.density(point)[0] for point in points]) - without
    return float(logsumexp(gain) - np.log(len(gain)))


def reloo(loo: Any, fit: CompiledFit, groups: Mapping[str, Any], k_threshold: float = GOOD_K, **options: Any) -> Any:
    """Replace what importance sampling says of groups with a high Pareto k by what a sample without them says.

    Parameters
    ----------
    loo : arviz_stats.ELPDData
        Result of ``az.loo(..., pointwise=True)`` on log-likelihoods of groups, with one dimension: the groups.
    fit : CompiledFit
        The analysis.
    groups : mapping of str to numpy.ndarray, Map or mapping
        Bins of each group, as for :func:`left_out_density`, by the coordinates of the groups in ``loo``.
    k_threshold : float
        Groups with a larger Pareto k are left out and sampled without.
    **options
        For :meth:`~bayesmap.inference.CompiledFit.sample`.

    Returns
    -------
    arviz_stats.ELPDData
        A copy, in which the Pareto k of these groups is zero. For ``az.compare`` and ``az.plot_khat``.

    Raises
    ------
    KeyError
        If a group that is to be left out is not among ``groups``.
    ValueError
        If ``loo`` has no values by group.
    """
    bad = groups_above(loo, groups, k_threshold)
    values, k = loo.elpd_i.to_numpy().copy(), loo.pareto_k.to_numpy().copy()
    factor = {"log": 1.0, "negative_log": -1.0, "deviance": -2.0}[loo.scale]
    for i, name in bad.items():
        values[i], k[i] = factor * left_out_density(fit, groups[name], **options), 0.0
    new = copy.copy(loo)
    new.elpd_i, new.pareto_k = loo.elpd_i.copy(data=values), loo.pareto_k.copy(data=k)
    new.elpd, new.se = float(values.sum()), float(np.sqrt(len(values) * values.var()))
    new.p, new.warning = float(loo.p + (loo.elpd - new.elpd) / factor), bool((k > loo.good_k).any())
    return new


def groups_above(loo: Any, groups: Mapping[str, Any], k_threshold: float) -> dict[int, str]:
    """Places and names of the groups with a larger Pareto k, or without one.

    Raises
    ------
    KeyError
        If one of them is not among ``groups``.
    ValueError
        If ``loo`` has no values by group.
    """
    if loo.elpd_i is None or loo.pareto_k is None or np.ndim(loo.elpd_i) != 1:
        raise ValueError("loo must be a result of az.loo(..., pointwise=True) with one dimension, the groups")
    names = list(map(str, loo.elpd_i[loo.elpd_i.dims[0]].to_numpy()))
    bad = {int(i): names[i] for i in np.flatnonzero(~(loo.pareto_k.to_numpy() <= k_threshold))}
    for name in bad.values():
        if name not in groups:
            raise KeyError(f"no bins are given for the group {name!r}{suggest(name, groups)}")
    return bad
