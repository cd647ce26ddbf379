"""The priors of models as a table, and giving them to parameters."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.priors.base import Prior
from bayesmap.modeling.priors.hyper import hyperparameters_of
from bayesmap.modeling.priors.joint import JointMember, JointPrior

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["joint_priors", "prior_rows", "prior_table"]

_MASS = 0.95


def prior_table(names: Mapping[Parameter, str]) -> "Table":
    """Return the priors of the free parameters and their hyperparameters; see `Models.prior_table`."""
    from astropy.table import Table

    rows = prior_rows(names)
    columns = ("name", "prior", "unit", "min", "max", "default", "low", "high")
    table = Table(rows=rows or None, names=columns, dtype=("U", "U", "U", "f8", "f8", "?", "f8", "f8"))
    for column in ("min", "max", "low", "high"):
        table[column].info.format = ".4g"
    return table


def prior_rows(names: Mapping[Parameter, str]) -> list[tuple[Any, ...]]:
    """Return the rows of `prior_table`: name, prior, unit, bounds, whether it is a default, and the central 95 %."""
    rows = [_row(name, p.prior, p.unit, p.min, p.max) for p, name in names.items() if not p.frozen]
    return rows + [_row(n, h.prior, h.unit, np.nan, np.nan) for n, h in hyperparameters_of(names).items()]


def _row(name: str, prior: Prior | None, unit: u.UnitBase, minimum: float, maximum: float) -> tuple[Any, ...]:
    low, high = np.nan, np.nan
    if prior is not None and prior.distribution.scipy is not None:
        bounds = {"lower": -np.inf if np.isnan(minimum) else minimum, "upper": np.inf if np.isnan(maximum) else maximum}
        low, high = prior.interval(_MASS, unit, **bounds)
    return (
        name,
        "" if prior is None else prior.summary,
        unit.to_string(),
        minimum,
        maximum,
        prior is not None and prior.is_default,
        low,
        high,
    )


def joint_priors(names: Mapping[Parameter, str]) -> list[JointPrior]:
    """Return the joint priors of parameters, under their present names and without members that are not there."""
    groups: dict[int, dict[int, Parameter]] = {}
    joints: dict[int, JointPrior] = {}
    for parameter in names:
        if isinstance(parameter.prior, JointMember):
            joint = parameter.prior.joint
            joints[id(joint)] = joint
            groups.setdefault(id(joint), {})[parameter.prior.index] = parameter
    return [
        joints[key].part({i: names[p] for i, p in group.items()}) for key, group in groups.items() if len(group) > 1
    ]


def set_priors(parameters: Iterable[Parameter], priors: Any) -> None:
    """Give one prior, or one each, to parameters; nothing is changed if one of them does not fit."""
    listed = list(parameters)
    given = [priors] * len(listed) if priors is None or isinstance(priors, Prior) else list(priors)
    if len(given) != len(listed):
        raise ValueError(f"{len(listed)} parameters need one prior or {len(listed)}, got {len(given)}")
    before = [p.prior for p in listed]
    try:
        for parameter, prior in zip(listed, given, strict=True):
            parameter.prior = prior
    except BaseException:
        for parameter, prior in zip(listed, before, strict=True):
            parameter.prior = prior
        raise
