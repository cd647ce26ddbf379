"""Priors from posteriors."""

from collections.abc import Iterable, Sequence
from typing import Any

import astropy.units as u
import numpy as np
import scipy

from bayesmap._types import Tree
from bayesmap._util import check_option
from bayesmap.modeling.posterior import Posterior
from bayesmap.modeling.priors.base import Prior

__all__ = ["METHODS", "joint_moments", "prior_from_posterior"]

METHODS = ("moments", "kde")
_QUANTILES = 400
_SKEWNESS = 0.1


def _draws(tree: Tree, name: str) -> tuple[np.ndarray, u.UnitBase]:
    """All draws of a scalar variable, and their unit."""
    posterior = Posterior(tree)
    values = posterior.column(name)
    if values.ndim > 1:
        raise ValueError(f"{name!r} is an array of shape {values.shape[1:]}; only numbers can become a prior")
    if len(values) < 2 or not np.isfinite(values).all() or np.ptp(values) <= 0:
        raise ValueError(f"the {len(values)} draws of {name!r} must be finite and not all equal")
    return values, posterior.unit(name) or u.dimensionless_unscaled


def _is_lognormal(values: np.ndarray) -> bool:
    """Whether all values are positive and their logarithms are clearly less skewed."""
    return bool(values.min() > 0) and abs(scipy.stats.skew(np.log(values))) + _SKEWNESS < abs(scipy.stats.skew(values))


def prior_from_posterior(tree: Tree, name: str, method: str = "moments") -> Prior:
    """Return a prior like the marginal posterior of a parameter; see `Prior.from_posterior`."""
    check_option("method", method, METHODS)
    values, unit = _draws(tree, name)
    if method == "kde":
        if len(values) > _QUANTILES:
            values = np.quantile(values, (np.arange(_QUANTILES) + 0.5) / _QUANTILES)
        return Prior("SamplesKDE", samples=values if unit == u.dimensionless_unscaled else values * unit)
    if not _is_lognormal(values):
        return Prior("Normal", mu=float(values.mean()) * unit, sigma=float(values.std()) * unit)
    logs = np.log(values)
    # A quantity is the median, a number the logarithm of the value in the declared unit.
    dimensionless = unit.is_equivalent(u.dimensionless_unscaled)
    shift = np.log(unit.to("")) if dimensionless else 0.0
    median = float(logs.mean() + shift) if dimensionless else float(np.exp(logs.mean())) * unit
    return Prior("LogNormal", mu=median, sigma=float(logs.std()))


def joint_moments(tree: Tree, names: Sequence[str], log: Iterable[str] | None = None) -> dict[str, Any]:
    """Return the arguments of the `MultivariateNormalPrior` with the moments of a posterior."""
    if isinstance(names, str):
        raise TypeError(f"give several names, got {names!r}; for one there is Prior.from_posterior")
    columns = dict(zip(names, (_draws(tree, name) for name in names), strict=True))
    if log is None:
        log = [name for name, (values, _) in columns.items() if _is_lognormal(values)]
    log = [log] if isinstance(log, str) else list(log)
    for name in log:
        if name in columns and columns[name][0].min() <= 0:
            raise ValueError(f"the logarithm of {name!r} was asked for, but some draws are not positive")
    numbers = np.stack([np.log(v) if name in log else v for name, (v, _) in columns.items()])
    if numbers.shape[1] <= len(names):
        raise ValueError(f"{numbers.shape[1]} draws are too few for the covariance of {len(names)} parameters")
    return {
        "parameters": list(names),
        "mean": numbers.mean(axis=1),
        "covariance": np.cov(numbers),
        "log": log,
        "units": [unit for _, unit in columns.values()],
    }
