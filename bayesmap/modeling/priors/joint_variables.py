"""The variables of joint priors, in the `pymc.Model` of the context."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm
import scipy

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.modeling.priors.pymc_variables import OFFSET, VectorStandardize

if TYPE_CHECKING:
    from bayesmap.modeling.parameter import Parameter
    from bayesmap.modeling.priors.correlated import MultivariateNormalPrior
    from bayesmap.modeling.priors.process import ProcessPrior

__all__ = ["normal_variables", "process_variables"]


def _joint_name(free: Sequence["Parameter"], names: Mapping["Parameter", str]) -> str:
    """Name of the vector behind the free members of a joint prior."""
    return f"{names[free[0]]}{'_joint' if len(free) > 1 else ''}{OFFSET}"


def normal_variables(
    joint: "MultivariateNormalPrior",
    free: Sequence["Parameter"],
    frozen: Sequence["Parameter"],
    names: Mapping["Parameter", str],
) -> "dict[Parameter, Tensor]":
    """Return the variables of a `MultivariateNormalPrior`: functions of standard normal ones."""
    mean, covariance = _conditional(joint, free, frozen)
    factor = np.linalg.cholesky(covariance)
    offset = pm.MvNormal(_joint_name(free, names), mu=np.zeros(len(free)), chol=np.eye(len(free)))
    vector = pt.as_tensor_variable(mean) + pt.dot(factor, offset)
    variables = {}
    for i, parameter in enumerate(free):
        member: Any = parameter.prior
        scale = float(member.unit.to(parameter.unit))
        value = pt.exp(vector[i] + np.log(scale)) if member.is_log else vector[i] * scale
        variables[parameter] = pm.Deterministic(names[parameter], value)
    return variables


def process_variables(
    joint: "ProcessPrior",
    free: Sequence["Parameter"],
    frozen: Sequence["Parameter"],
    names: Mapping["Parameter", str],
) -> "dict[Parameter, Tensor]":
    """Return the variables of a `ProcessPrior`: elements of one vector, which is positive where the bounds say so."""
    members = [*free, *frozen]
    order = np.argsort([p.prior.index for p in members])  # type: ignore[union-attr]
    kept = pt.as_tensor_variable(np.array([float(p.value) for p in frozen]))
    part = joint.part({p.prior.index: names[p] for p in members}) if len(members) > 1 else joint  # type: ignore

    def logp(value: Tensor, ones: Tensor) -> Tensor:
        return part.logp(pt.concatenate([value, kept])[order] if frozen else value[order])

    lower = {p.bounds[0] for p in free}
    if len(lower) > 1 or any(np.isfinite(p.bounds[1]) for p in free):
        raise ValueError(f"joint prior of {[names[p] for p in free]}: give all the same lower bound, and no upper one")
    vector = pm.CustomDist(
        _joint_name(free, names),
        np.ones(len(free)),  # gives the vector its length
        logp=logp,
        signature="(n)->(n)",
        support_point=lambda rv, size, ones: ones,
        transform=VectorStandardize(min(lower), is_proper=False),
        default_transform=None,
    )
    return {p: pm.Deterministic(names[p], vector[i]) for i, p in enumerate(free)}


def _conditional(
    joint: "MultivariateNormalPrior", free: Sequence["Parameter"], frozen: Sequence["Parameter"]
) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the free members, given the values of the frozen ones."""
    a, b = ([p.prior.index for p in group] for group in (free, frozen))  # type: ignore[union-attr]
    mean, covariance = joint.mean[a], joint.covariance[np.ix_(a, a)]
    if not b:
        return mean, covariance
    cross, factor = joint.covariance[np.ix_(a, b)], scipy.linalg.cho_factor(joint.covariance[np.ix_(b, b)])
    distance = np.array([_number(p) for p in frozen]) - joint.mean[b]
    return mean + cross @ scipy.linalg.cho_solve(factor, distance), covariance - cross @ scipy.linalg.cho_solve(
        factor, cross.T
    )


def _number(parameter: "Parameter") -> float:
    """Value of a frozen member as the joint prior counts it."""
    member: Any = parameter.prior
    value = float(parameter.quantity.to_value(member.unit))
    if member.is_log and value <= 0:
        raise ValueError(f"{parameter.name!r} is frozen at {value}; its joint prior is that of a logarithm")
    return float(np.log(value)) if member.is_log else value
