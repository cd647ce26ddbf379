"""Leave-one-group-out by moving the draws to where the posterior without the group is: moment matching."""

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayesmap.inference.fit import CompiledFit
from bayesmap.inference.leave_out import GOOD_K, groups_above, left_out
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
        If ``loo`` has no values by group or is of other draws; the tree is of other data, models, priors or masks,
        lacks the offsets of hierarchical priors, or has draws of several modes; the bins of a group are not those of
        its log-likelihood.

    Warns
    -----
    UserWarning
        If k is still above the threshold; the groups are named.

    Notes
    -----
    The implicitly adaptive importance sampling of Paananen et al. (2021), Statistics and Computing 31, 16, by
    ``arviz_stats.loo_moment_match``. Each step computes the log-posterior at new points, with and without the group.
    A dataset that is left out as a whole has its log-likelihood from predictions, which takes several times as long.
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
    points = draws.reshape(-1, fit.density.size)
    posterior = _Remembered(functools.partial(_densities, fit), points, log_posterior_of(tree, fit.density, draws))
    parts = {}
    for i, name in bad.items():
        function = _of_group(fit, groups[name], posterior)
        parts[i] = _Remembered(function, points, log_likelihood[..., i].to_numpy())
        _check_bins(name, parts[i], points)
    coordinates = {dim: log_likelihood[dim].to_numpy() for dim in DIMS}
    upars = xr.DataArray(draws, {**coordinates, "theta": list(fit.density.labels)}, (*DIMS, "theta"))

    def log_posterior(upars: xr.DataArray) -> xr.DataArray:
        return _like(upars, posterior(_rows(upars)), -np.inf)

    def of_group(upars: xr.DataArray, i: int) -> xr.DataArray:
        # where this is not finite the log-posterior is minus infinity, which alone makes the weight zero
        return _like(upars, parts[int(i)](_rows(upars)), 0.0)

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


class _Remembered:
    """A function of many points, shape ``(n, size)``, that is computed once at each; at the draws it is known."""

    def __init__(self, function: Callable[[np.ndarray], np.ndarray], draws: np.ndarray, values: np.ndarray) -> None:
        self.function = function
        self.known = dict(zip(map(bytes, draws), values.ravel().tolist(), strict=True))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        values = np.array([self.known.get(bytes(point), np.nan) for point in points])
        new = np.isnan(values)
        if new.any():
            values[new] = self.function(points[new])
            self.known.update(zip(map(bytes, points[new]), values[new].tolist(), strict=True))
        return values


def _densities(fit: CompiledFit, points: np.ndarray) -> np.ndarray:
    """The log-posterior at unconstrained points."""
    return np.array([fit.density(point)[0] for point in points])


def _of_group(fit: CompiledFit, group: Any, posterior: _Remembered) -> Callable[[np.ndarray], np.ndarray]:
    """The log-likelihood of a group at unconstrained points."""

    def difference(points: np.ndarray) -> np.ndarray:
        whole = posterior(points)
        with left_out(fit, group):
            without = _densities(fit, points)
        with np.errstate(invalid="ignore"):
            return whole - without  # priors cancel

    def direct(points: np.ndarray) -> np.ndarray:
        columns = {name: column[0] for name, column in fit.density.expand_draws(points[None]).items()}
        return np.array([likelihood({name: column[k] for name, column in columns.items()}) for k in range(len(points))])

    likelihood = fit.log_likelihood_of(group)
    # the compiled density is several times faster, but no dataset can be masked as a whole
    return difference if all((mask & ~chosen).any() for mask, chosen in fit.masks(group).values()) else direct


def _rows(upars: xr.DataArray) -> np.ndarray:
    """Points in the order of chains and draws, shape ``(n, size)``."""
    array = upars.transpose(*DIMS, ...).to_numpy()
    return np.ascontiguousarray(array).reshape(-1, array.shape[-1])


def _like(upars: xr.DataArray, values: np.ndarray, otherwise: float) -> xr.DataArray:
    """Values at points as ArviZ takes them, with another number where they are not finite."""
    shape = tuple(upars.sizes[dim] for dim in DIMS)
    array = np.where(np.isfinite(values), values, otherwise).reshape(shape)
    return xr.DataArray(array, {dim: upars[dim] for dim in DIMS}, DIMS)


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


def _check_bins(name: str, function: _Remembered, points: np.ndarray) -> None:
    """Raise a ValueError if a group is of other bins than its log-likelihood."""
    some = points[np.unique(np.linspace(0, len(points) - 1, COMPARED).astype(int))]
    said, found = function(some), function.function(some)
    if not (np.abs(found - said) <= APART[0] + APART[1] * np.abs(found)).all():
        raise ValueError(
            f"the group {name!r} is of other bins or data than its log-likelihood: that is {said[0]:.6g} at the first "
            f"draw, of the bins that are given {found[0]:.6g}"
        )
