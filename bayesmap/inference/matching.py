"""Leave-one-group-out by moving the draws to where the posterior without the group is: moment matching."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from bayesmap.inference.fit import CompiledFit
from bayesmap.inference.leave_out import GOOD_K, groups_above
from bayesmap.inference.unconstrained import APART, COMPARED, log_posterior_of, unconstrained_draws

__all__ = ["moment_match"]

DIMS = ("chain", "draw")


def moment_match(
    loo: Any,
    tree: xr.DataTree,
    fit: CompiledFit,
    groups: Mapping[str, Any],
    k_threshold: float = GOOD_K,
    *,
    var_name: str | None = None,
) -> Any:
    """Improve what importance sampling says of groups with a high Pareto k, without sampling again.

    The draws are shifted, scaled and rotated, in the variables of the sampler, until they have the mean and the
    covariance of the posterior without the group; what is left to the weights is then little. Where that is not enough,
    k stays above the threshold, and :func:`reloo` of the result samples again.

    Parameters
    ----------
    loo : arviz_stats.ELPDData
        Result of ``az.loo(tree, pointwise=True)``, with one dimension: the groups.
    tree : xarray.DataTree
        The tree that ``az.loo`` was given, from :func:`~bayesmap.inference.predictive`.
    fit : CompiledFit
        The analysis; its masks are the same again afterwards, and nothing is compiled.
    groups : mapping of str to numpy.ndarray, Map or mapping
        Bins of each group, as for :func:`left_out_density`, by the coordinates of the groups in ``loo``; from
        :func:`group_bins`.
    k_threshold : float
        Groups with a larger Pareto k are matched.
    var_name : str, optional
        Variable of the group ``log_likelihood``, if there are several.

    Returns
    -------
    arviz_stats.ELPDData
        A copy with the new values and Pareto k of these groups, where k fell. For :func:`reloo`, ``az.compare`` and
        ``az.plot_khat``.

    Raises
    ------
    KeyError
        If a group that is to be left out is not among ``groups``.
    ValueError
        If ``loo`` has no values by group or is of other draws; the tree is of other data, models, priors or masks, lacks
        variables of the sampler, or has draws of several modes, which no shift brings to one place; the bins of a group
        are not those of its log-likelihood.

    Warns
    -----
    UserWarning
        If k is still above the threshold; the groups are named.

    Notes
    -----
    The implicitly adaptive importance sampling of Paananen et al. (2021), Statistics and Computing 31, 16, by
    ``arviz_stats.loo_moment_match``. A step computes the log-posterior and the group's log-likelihood of
    all draws; there are about ten for a group.
    """
    from arviz_stats import loo_moment_match

    bad = groups_above(loo, groups, k_threshold)
    if not bad:
        return loo
    if loo.log_weights is None:
        raise ValueError("loo has no importance weights, from which moment matching starts: compute it by az.loo again")
    _check_modes(tree)
    log_likelihood = _log_likelihood(tree, loo, var_name)
    draws = unconstrained_draws(tree, fit.density, fit.parameters)
    log_posterior_of(tree, fit.density, draws)
    coordinates = {dim: log_likelihood[dim].to_numpy() for dim in DIMS}
    upars = xr.DataArray(draws, {**coordinates, "theta": list(fit.density.labels)}, (*DIMS, "theta"))
    functions = {i: fit.log_likelihood_of(groups[name]) for i, name in bad.items()}

    def log_posterior(points: xr.DataArray) -> xr.DataArray:
        rows = points.transpose(*DIMS, ...).to_numpy().reshape(-1, fit.density.size)
        return _finite([fit.density(row)[0] for row in np.ascontiguousarray(rows)], points, -np.inf)

    def of_group(points: xr.DataArray, i: int) -> xr.DataArray:
        columns = fit.density.expand_draws(points.transpose(*DIMS, ...).to_numpy())
        flat = {name: column.reshape(-1, *column.shape[2:]) for name, column in columns.items()}
        number = points.sizes["chain"] * points.sizes["draw"]
        values = [functions[int(i)]({name: column[k] for name, column in flat.items()}) for k in range(number)]
        # such points have a log-posterior of minus infinity, which alone makes their weight zero
        return _finite(values, points, 0.0)

    few = upars.isel(draw=np.unique(np.linspace(0, upars.sizes["draw"] - 1, COMPARED).astype(int)))
    for i, name in bad.items():
        _check_bins(name, of_group(few, i), log_likelihood.isel({log_likelihood.dims[-1]: i}))
    with warnings.catch_warnings():
        # these name groups by their numbers
        warnings.simplefilter("ignore")
        found = loo_moment_match(
            tree,
            loo,
            log_posterior,
            of_group,
            upars,
            var_name=log_likelihood.name,
            k_threshold=k_threshold,
            pointwise=True,
        )
    still = [f"{name} ({k:.2f})" for i, name in bad.items() if not (k := float(found.pareto_k[i])) <= k_threshold]
    if still:
        warnings.warn(
            f"Pareto k is still above {k_threshold:g} after moment matching: {', '.join(still)}. Sample again without "
            "them: reloo(loo, fit, groups)",
            stacklevel=2,
        )
    return found


def _finite(values: Sequence[float], points: xr.DataArray, otherwise: float) -> xr.DataArray:
    """Values at unconstrained points, with another number where they are not finite."""
    shape = tuple(points.sizes[dim] for dim in DIMS)
    array = np.reshape(np.where(np.isfinite(values), values, otherwise), shape)
    return xr.DataArray(array, {dim: points[dim] for dim in DIMS}, DIMS)


def _check_modes(tree: xr.DataTree) -> None:
    """Raise a ValueError if the draws are of several modes."""
    stats = tree["sample_stats"].to_dataset() if "sample_stats" in tree.children else xr.Dataset()
    number = len(np.unique(stats["mode"])) if "mode" in stats else 1
    if number > 1:
        raise ValueError(
            f"the draws are of {number} modes, and moment matching moves them all alike. Sample again without the "
            "groups: reloo(loo, fit, groups)"
        )


def _log_likelihood(tree: xr.DataTree, loo: Any, var_name: str | None) -> xr.DataArray:
    """The log-likelihoods that the result of ``az.loo`` was made of."""
    from arviz_stats.utils import get_log_likelihood

    values = get_log_likelihood(tree, var_name=var_name)
    dims = [dim for dim in values.dims if dim not in DIMS]
    values = values.transpose(*DIMS, *dims)
    [dim] = loo.elpd_i.dims
    known = len(dims) == 1 and np.array_equal(values[dims[0]], loo.elpd_i[dim])
    number = values.sizes["chain"] * values.sizes["draw"]
    if not known or number != loo.n_samples:
        what = ", ".join(f"{values.sizes[d]} in {d!r}" for d in dims) or "no groups"
        raise ValueError(
            f"loo is of {loo.n_samples} draws and {loo.elpd_i.size} groups, the log-likelihood of the tree of {number} "
            f"draws, {what}, or of other names: give the tree that az.loo was given"
        )
    return values


def _check_bins(name: str, found: xr.DataArray, said: xr.DataArray) -> None:
    """Raise a ValueError if a group is of other bins than its log-likelihood."""
    said = said.sel(draw=found["draw"])
    if not (abs(found - said) <= APART[0] + APART[1] * abs(found)).all():
        raise ValueError(
            f"the group {name!r} is of other bins or data than its log-likelihood: that is {float(said[0, 0]):.6g} at "
            f"the first draw, of the bins that are given {float(found[0, 0]):.6g}"
        )
