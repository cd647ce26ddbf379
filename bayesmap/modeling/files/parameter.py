"""Parameters and priors in model files."""

import warnings
from collections.abc import Container, Iterable, Mapping
from typing import Any

import astropy.units as u
import numpy as np

from bayesmap._yaml.node import Node
from bayesmap.modeling.array_parameter import ArrayParameter, stacked
from bayesmap.modeling.files.gammapy_priors import gammapy_prior, prior_from_gammapy
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.priors.arguments import unit_text
from bayesmap.modeling.priors.base import Prior
from bayesmap.modeling.priors.hyper import HyperParameter

__all__ = ["IGNORED_KEYS", "CollectedPriors", "Links", "parameter_from_node", "parameter_to_dict", "prior_from_node"]

# What Gammapy writes with full output and has no meaning here.
IGNORED_KEYS = (
    *("interp", "scale_method", "scale_transform", "scale", "factor", "is_norm", "covariance", "type"),
    *("scan_min", "scan_max", "scan_n_values", "scan_n_sigma", "scan_values"),
)
# Relative agreement of linked numbers: the conversion of units costs some digits.
SAME_NUMBER = 1e-9
# Names of the elements of a parameter with a shape, as Gammapy has them for norms at nodes.
IN_FILE = "{}_{}"
_PARAMETER_KEYS = ("name", "value", "unit", "min", "max", "frozen", "error", "link", "prior")


class Links:
    """What the parameters of a file share: linked parameters by label, hyperparameters by name."""

    def __init__(self) -> None:
        self._parameters: dict[str, Parameter] = {}
        self._arrays: dict[tuple[Parameter, ...], ArrayParameter] = {}
        self.hyperparameters: dict[str, HyperParameter] = {}

    def resolve(self, node: Node, parameter: Parameter) -> Parameter:
        """Return the parameter that has the label in the entry of another, or enter this one.

        Raises
        ------
        ModelFileError
            If the two differ in value, or the entry states another prior or frozen status.
        """
        link = node.key("link")
        known = self._parameters.setdefault(link.text(), parameter)
        if not _same_value(known, parameter):
            raise link.error(
                f"linked parameters must be equal, found {known.quantity} ({known.name!r}) and "
                f"{parameter.quantity} ({parameter.name!r})"
            )
        if "frozen" in node.data and parameter.frozen != known.frozen:
            raise node.key("frozen").error(
                f"linked parameters must be equal, {known.name!r} has frozen: {known.frozen}"
            )
        if parameter.prior is not None and not _same_prior(known, parameter):
            raise node.key("prior").error(
                f"linked parameters must be equal, found the priors {known.prior!r} ({known.name!r}) and "
                f"{parameter.prior!r} ({parameter.name!r})"
            )
        return known

    def joined(self, declared: Iterable[Parameter], parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
        """Return the parameters of a model, with the elements of parameters that have a shape put together.

        Parameters
        ----------
        declared : iterable of Parameter
            The declarations of the model.
        parameters : Mapping of str to Parameter
            What the file has, by name.

        Raises
        ------
        ValueError
            If elements are missing, or differ in unit, bounds, prior or frozen status.
        """
        result = dict(parameters)
        for array in declared:
            if not isinstance(array, ArrayParameter):
                continue
            names = [p.name for p in in_file([array])]
            if missing := [name for name in names if name not in parameters]:
                raise ValueError(f"parameter {array.name!r} has {len(names)} elements, but there are no {missing[:5]}")
            elements = tuple(result.pop(name) for name in names)
            if elements not in self._arrays:
                self._arrays[elements] = stacked(array, elements)
            result[array.name] = self._arrays[elements]
        return result


def in_file(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Return what stands in a file for parameters: of those with a shape their elements."""
    return [element for p in parameters for element in (p.elements(IN_FILE) if isinstance(p, ArrayParameter) else [p])]


def _same_value(one: Parameter, other: Parameter) -> bool:
    """Whether two parameters have one value, perhaps in different units."""
    if not other.unit.is_equivalent(one.unit):
        return False
    return bool(np.isclose(other.quantity.to_value(one.unit), one.value, rtol=SAME_NUMBER, atol=0))


def _same_prior(one: Parameter, other: Parameter) -> bool:
    """Whether two parameters have one prior, perhaps in different units."""
    if one.prior is None or other.prior is None or one.prior.dist != other.prior.dist:
        return one.prior is other.prior
    factor = float(other.unit.to(one.unit))
    rescaled = other.prior if factor == 1 else other.prior.rescaled(factor, other.unit)
    first, second = (prior.numbers(one.unit) for prior in (one.prior, rescaled))
    return first.keys() == second.keys() and all(
        np.shape(first[key]) == np.shape(second[key]) and np.allclose(first[key], second[key], rtol=SAME_NUMBER, atol=0)
        for key in first
    )


class CollectedPriors(dict[Parameter, Prior]):
    """The priors that do not stand at their parameter in a file.

    Parameters
    ----------
    named : collection of Parameter
        Parameters that can be named elsewhere in the file. Others, those of a spectrum that a ScaleSpectralModel holds
        fixed, keep their priors beside them.
    development : bool
        Whether what only Gammapy's development tree knows stands at the parameter.
    """

    def __init__(self, named: Container[Parameter], development: bool = False) -> None:
        super().__init__()
        self.named, self.development = named, development


# -- reading --------------------------------------------------------------------------------------------------------
def parameter_from_node(node: Node, default: Parameter, links: Links) -> Parameter:
    """Create a parameter; what the file does not say is as in the declaration of the model."""
    node.check_keys((*_PARAMETER_KEYS, *IGNORED_KEYS))
    data: dict[str, Any] = {"value": default.value, "unit": default.unit, "frozen": default.frozen}
    if "unit" in node.data:
        data["unit"] = node.key("unit").unit()
        if not data["unit"].is_equivalent(default.unit):
            raise node.key("unit").error(
                f"parameter {default.name!r} needs a unit that converts to '{default.unit}', found '{data['unit']}'"
            )
    factor = float(default.unit.to(data["unit"]))
    data |= {"min": default.min * factor, "max": default.max * factor, "value": default.value * factor}
    for key in ("value", "min", "max", "error"):
        if node.data.get(key) is not None:
            data[key] = node.key(key).number()
    if "frozen" in node.data:
        data["frozen"] = node.key("frozen").boolean()
    parameter = node.call(_create, default.name, node.place, data)
    if node.data.get("prior") is not None:
        prior = prior_from_node(node.key("prior"), links.hyperparameters)
        node.key("prior").call(setattr, parameter, "prior", prior)
    if node.data.get("link") is not None:
        return links.resolve(node, parameter)
    return parameter


def _create(name: str, place: str, data: dict[str, Any]) -> Parameter:
    """Create a parameter; a value outside its bounds, which Gammapy writes, is kept with a warning."""
    bounds = data.pop("min"), data.pop("max")
    parameter = Parameter(name, **data)
    parameter._set_bounds(*bounds, check_value=False)
    if parameter.value < bounds[0] or parameter.value > bounds[1]:
        message = f"{place}: value {parameter.value} of {name!r} is outside its bounds [{bounds[0]}, {bounds[1]}]"
        warnings.warn(message, UserWarning, stacklevel=2)
    return parameter


def prior_from_node(node: Node, hyperparameters: Mapping[str, HyperParameter] | None = None) -> Prior:
    """Create a prior from our form (key ``dist``) or Gammapy's (key ``type``)."""
    node.mapping()
    if "dist" in node.data:
        return node.call(Prior.from_dict, node.data, hyperparameters=hyperparameters)
    if "type" not in node.data:
        raise node.error("a prior needs 'dist' (bayesmap) or 'type' (Gammapy)")
    return prior_from_gammapy(node)


# -- writing --------------------------------------------------------------------------------------------------------
def parameter_to_dicts(
    parameter: Parameter,
    default: Parameter,
    full_output: bool,
    links: Mapping[Parameter, str],
    priors: CollectedPriors | None,
) -> list[dict[str, Any]]:
    """Return the entries of a parameter, one for each element; see `parameter_to_dict`."""
    if not (isinstance(parameter, ArrayParameter) and isinstance(default, ArrayParameter)):
        return [parameter_to_dict(parameter, default, full_output, links, priors)]
    elements = parameter.elements(IN_FILE)
    labels = {element: f"{links[parameter]}[{i}]" for i, element in enumerate(elements)} if parameter in links else {}
    prior, named = parameter.prior, priors is not None and parameter in priors.named
    if priors is not None and named and prior and gammapy_prior(prior, parameter.unit, priors.development) is None:
        priors[parameter] = prior
        for element in elements:
            element.prior = None
    return [
        parameter_to_dict(element, one, full_output, labels, priors)
        for element, one in zip(elements, in_file([default]), strict=True)
    ]


def parameter_to_dict(
    parameter: Parameter,
    default: Parameter,
    full_output: bool,
    links: Mapping[Parameter, str],
    priors: CollectedPriors | None,
) -> dict[str, object]:
    """Return a parameter as plain data.

    Parameters
    ----------
    parameter, default : Parameter
        The parameter and its declaration by the model, whose name is written.
    full_output : bool
        Write also what equals the declaration.
    links : Mapping of Parameter to str
        Labels of the linked parameters.
    priors : CollectedPriors or None
        Collects the priors that Gammapy does not know; None to write them at the parameter.
    """
    data: dict[str, Any] = {"name": default.name, "value": parameter.value}
    if full_output or parameter.unit != u.dimensionless_unscaled:
        data["unit"] = unit_text(parameter.unit)
    factor = float(default.unit.to(parameter.unit))
    for key in ("min", "max"):
        value = getattr(parameter, key)
        if full_output or not np.isclose(value, getattr(default, key) * factor, rtol=1e-15, atol=0, equal_nan=True):
            data[key] = value
    if full_output or parameter.frozen != default.frozen:
        data["frozen"] = parameter.frozen
    if full_output or parameter.error:
        data["error"] = parameter.error
    if parameter in links:
        data["link"] = links[parameter]
    if parameter.prior is not None:
        written = gammapy_prior(parameter.prior, parameter.unit, getattr(priors, "development", False))
        if written is not None:
            data["prior"] = written
        elif priors is None or parameter not in priors.named:
            data["prior"] = parameter.prior.to_dict()
        else:
            priors[parameter] = parameter.prior
    return data
