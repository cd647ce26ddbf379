"""Leave-one-group-out by sampling again without the group, where importance weights do not tell."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import logsumexp

from bayesmap._util import suggest
from bayesmap.inference.fit import CompiledFit
from bayesmap.inference.unconstrained import unconstrained_draws

__all__ = ["left_out_density", "reloo"]

GOOD_K = 0.7


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
    masks = fit.masks(group)
    reduced = {name: mask & ~np.asarray(chosen, dtype=bool) for name, (mask, chosen) in masks.items()}
    if all((reduced[name] == mask).all() for name, (mask, _) in masks.items()):
        raise ValueError("the group has no bin inside the masks: there is nothing to leave out")
    try:
        fit.set_mask(reduced)
        tree = fit.sample(**{"progress_bar": False, "random_state": 0, **options})
        points = unconstrained_draws(tree, fit.density, fit.parameters).reshape(-1, fit.density.size)
        without = np.array([fit.density(point)[0] for point in points])
    finally:
        fit.set_mask({name: mask for name, (mask, _) in masks.items()})
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
    if loo.elpd_i is None or loo.pareto_k is None or np.ndim(loo.elpd_i) != 1:
        raise ValueError("reloo needs a result of az.loo(..., pointwise=True) with one dimension, the groups")
    names = list(map(str, loo.elpd_i[loo.elpd_i.dims[0]].to_numpy()))
    bad = np.flatnonzero(~(loo.pareto_k.to_numpy() <= k_threshold))
    for i in bad:
        if names[i] not in groups:
            raise KeyError(f"no bins are given for the group {names[i]!r}{suggest(names[i], groups)}")
    values, k = loo.elpd_i.to_numpy().copy(), loo.pareto_k.to_numpy().copy()
    factor = {"log": 1.0, "negative_log": -1.0, "deviance": -2.0}[loo.scale]
    for i in bad:
        values[i], k[i] = factor * left_out_density(fit, groups[names[i]], **options), 0.0
    new = copy.copy(loo)
    new.elpd_i, new.pareto_k = loo.elpd_i.copy(data=values), loo.pareto_k.copy(data=k)
    new.elpd, new.se = float(values.sum()), float(np.sqrt(len(values) * values.var()))
    new.p, new.warning = float(loo.p + (loo.elpd - new.elpd) / factor), bool((k > loo.good_k).any())
    return new
