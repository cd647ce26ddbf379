"""The section ``bayesmap`` of a model file: priors and components that Gammapy does not know.

::

    bayesmap:
        version: 1
        hyperparameters:
            norm_mean: {prior: {dist: Normal, mu: 1.0, sigma: 0.1}}
        priors:
            run1-bkg.norm: {dist: Normal, mu: {hyper: norm_mean}, sigma: 0.05}
        joint_priors:
        -   parameters: [gc.index, gc.amplitude]
            log: [gc.amplitude]
            mean: [2.3, -27.6]
            covariance: [[0.01, 0.02], [0.02, 0.09]]
        instrument:
        -   {name: hess, type: IRFModel, response: {type: EnergyScaleResponseModel}}
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bayesmap._yaml.node import Node
from bayesmap.modeling.collection import parameter_names
from bayesmap.modeling.files.parameter import CollectedPriors, prior_from_node
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.priors.arguments import unit_text
from bayesmap.modeling.priors.base import Prior
from bayesmap.modeling.priors.hyper import HyperParameter, collect_hyperparameters
from bayesmap.modeling.priors.joint import JointMember
from bayesmap.modeling.priors.process import joint_prior_from_dict
from bayesmap.modeling.priors.table import joint_priors
from bayesmap.modeling.sky import Component

__all__ = ["FORMAT_VERSION", "apply_section", "hyperparameters_from_node", "instrument_nodes", "section_to_dict"]

FORMAT_VERSION = 1
_KEYS = ("version", "hyperparameters", "priors", "joint_priors", "instrument")


# -- writing --------------------------------------------------------------------------------------------------------
def section_to_dict(
    priors: CollectedPriors, names: Mapping[Parameter, str], instrument: Sequence[Mapping[str, object]] = ()
) -> dict[str, object]:
    """Return the section as plain data.

    Parameters
    ----------
    priors : CollectedPriors
        The priors that do not stand at their parameter.
    names : Mapping of Parameter to str
        Names of all parameters of the file.
    instrument : sequence of dict
        Components that do not stand among the others, as plain data.
    """
    joints = joint_priors({p: name for p, name in names.items() if p in priors})
    together = {name for joint in joints for name in joint.names}
    alone = {names[p]: prior for p, prior in priors.items() if names[p] not in together}
    hyperparameters = collect_hyperparameters(alone.values())
    section: dict[str, Any] = {"version": FORMAT_VERSION}
    if hyperparameters:
        section["hyperparameters"] = {name: _hyper_to_dict(hyper) for name, hyper in hyperparameters.items()}
    if alone:
        section["priors"] = {name: _by_name(prior.to_dict()) for name, prior in alone.items()}
    if joints:
        section["joint_priors"] = [joint.to_dict() for joint in joints]
    if instrument:
        section["instrument"] = list(instrument)
    return section


def _hyper_to_dict(hyper: HyperParameter) -> dict[str, object]:
    unit = unit_text(hyper.unit)
    return {"prior": _by_name(hyper.prior.to_dict()), **({"unit": unit} if unit else {})}


def _by_name(data: Any) -> Any:
    """Replace the definitions of hyperparameters by their names."""
    if not isinstance(data, Mapping):
        return data
    if "hyper" in data:
        return {"hyper": data["hyper"]}
    return {key: _by_name(value) for key, value in data.items()}


# -- reading --------------------------------------------------------------------------------------------------------
def hyperparameters_from_node(node: Node) -> dict[str, HyperParameter]:
    """Create the hyperparameters that a section defines, each after those that it depends on.

    Parameters
    ----------
    node : Node
        The section, possibly without data.

    Raises
    ------
    ModelFileError
        If one is not valid or depends on itself.
    """
    if node.data is None:
        return {}
    node.mapping().check_keys(_KEYS)
    entries = node.key("hyperparameters", default={}).mapping()
    found: dict[str, HyperParameter] = {}
    for name in entries.data:
        _resolve(str(name), entries, found, ())
    return found


def _resolve(name: str, entries: Node, found: dict[str, HyperParameter], path: tuple[str, ...]) -> None:
    """Create a hyperparameter and those that it needs."""
    if name in found:
        return
    entry = entries.key(name).mapping()
    if name in path:
        raise entry.error(f"circular hyperparameters: {' -> '.join([*path[path.index(name) :], name])}")
    entry.check_keys(("prior", "unit"))
    for other in _named(entry.key("prior").mapping().data):
        if other in entries.data:
            _resolve(other, entries, found, (*path, name))
    prior = prior_from_node(entry.key("prior"), found)
    found[name] = entry.call(HyperParameter, name, prior, entry.key("unit", default="").unit())


def _named(data: Mapping[str, object], depth: int = 0) -> list[str]:
    """Names of the hyperparameters in the data of a prior; what is nested without end is refused elsewhere."""
    names = []
    for value in data.values():
        if isinstance(value, Mapping) and "hyper" in value:
            names.append(str(value["hyper"]))
        elif isinstance(value, Mapping) and depth < 5:
            names += _named(value, depth + 1)
    return names


def instrument_nodes(node: Node) -> list[Node]:
    """Return the components in a section, possibly without data."""
    return [] if node.data is None else list(node.key("instrument", default=[]).items())


def apply_section(node: Node, models: Iterable[Component], hyperparameters: Mapping[str, HyperParameter]) -> None:
    """Set the priors of a section.

    Parameters
    ----------
    node : Node
        The section, possibly without data.
    models : iterable of models
        The components of the file.
    hyperparameters : Mapping of str to HyperParameter
        Those that priors may name.

    Raises
    ------
    ModelFileError
        If something is wrong; the message gives the place.
    """
    if node.data is None:
        return
    node.mapping().check_keys(_KEYS)
    version = node.key("version", default=FORMAT_VERSION)
    if isinstance(version.data, bool) or not isinstance(version.data, int) or not 1 <= version.data <= FORMAT_VERSION:
        raise version.error(f"this bayesmap reads versions 1 to {FORMAT_VERSION}, found {version.data!r}")
    parameters = {name: p for p, name in parameter_names(models).items()}
    priors = node.key("priors", default={}).mapping()
    priors.check_keys(parameters)
    for name in priors.data:
        entry = priors.key(name)
        prior = prior_from_node(entry, hyperparameters)
        entry.call(setattr, parameters[name], "prior", prior)
    for entry in node.key("joint_priors", default=[]).items():
        joint = entry.mapping().call(joint_prior_from_dict, entry.data)
        for name in joint.names:
            if name in parameters and isinstance(parameters[name].prior, JointMember):
                raise entry.error(f"parameter {name!r} is in two joint priors")
        entry.call(joint.assign, parameters)
    node.call(collect_hyperparameters, _priors(parameters.values()))


def _priors(parameters: Iterable[Parameter]) -> list[Prior | None]:
    return [p.prior for p in parameters]
