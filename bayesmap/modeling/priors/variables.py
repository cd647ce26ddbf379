"""All random variables of the parameters of an analysis: alone, with shared hyperparameters, correlated."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bayesmap._types import Tensor
from bayesmap.modeling.priors.hyper import hyperparameters_of
from bayesmap.modeling.priors.joint import JointMember, JointPrior
from bayesmap.modeling.priors.pymc_variables import hyper_variable

if TYPE_CHECKING:
    from bayesmap.modeling.parameter import Parameter

__all__ = ["prior_variables"]


def prior_variables(parameters: Mapping["Parameter", str]) -> "dict[Parameter, Tensor]":
    """Create the random variables of parameters in the `pymc.Model` of the context.

    Parameters
    ----------
    parameters : Mapping of Parameter to str
        All parameters of the models and their names. Frozen ones get no variable; where they are part of a joint
        prior, the others follow its conditional distribution at the frozen values.

    Returns
    -------
    dict of Parameter to TensorVariable
        The variables of the free parameters that have a prior, in the declared units. Those with shared
        hyperparameters of location or scale, and correlated ones, are deterministic functions of standard variables
        (``"<name>_offset"``).

    Raises
    ------
    ValueError
        If a prior does not fit to its parameter, or hyperparameters clash.
    """
    for hyper in hyperparameters_of(parameters).values():
        hyper_variable(hyper)
    variables: dict[Parameter, Tensor] = {}
    for parameter, name in parameters.items():
        if parameter.frozen or parameter.prior is None or parameter in variables:
            continue
        if isinstance(parameter.prior, JointMember):
            variables |= _joint_variables(parameter.prior.joint, parameters)
        else:
            variables[parameter] = parameter.prior.to_rv(name, parameter)
    return variables


def _joint_variables(joint: JointPrior, parameters: Mapping["Parameter", str]) -> "dict[Parameter, Tensor]":
    """The variables of the free members of a joint prior, conditional on those that are frozen."""
    members = [p for p in parameters if isinstance(p.prior, JointMember) and p.prior.joint is joint]
    _check_members(members, parameters)
    for parameter in members:
        member: Any = parameter.prior
        member.check_bounds(parameter)
    return joint.variables([p for p in members if not p.frozen], [p for p in members if p.frozen], parameters)


def _check_members(members: Sequence["Parameter"], names: Mapping["Parameter", str]) -> None:
    places: dict[int, Parameter] = {}
    for parameter in members:
        member: Any = parameter.prior
        other = places.setdefault(member.index, parameter)
        if other is not parameter:
            raise ValueError(
                f"{names[other]!r} and {names[parameter]!r} both stand for {member.joint.names[member.index]!r} in one "
                "joint prior; give one of them a prior of its own"
            )
