"""Parameters and priors in model files."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

import astropy.units as u
import numpy as np

from bayesmap._util import suggest
from bayesmap.errors import ModelFileError
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.prior import Prior, unit_text

__all__ = ["Links", "Node", "parameter_from_node", "parameter_to_dict"]

_REQUIRED = object()
# What Gammapy writes with full output and has no meaning here.
_IGNORED_KEYS = (
    *("interp", "scale_method", "scale_transform", "scale", "factor", "is_norm", "covariance", "type"),
    *("scan_min", "scan_max", "scan_n_values", "scan_n_sigma", "scan_values"),
)
_PARAMETER_KEYS = ("name", "value", "unit", "min", "max", "frozen", "error", "link", "prior")
# Gammapy's prior types: our distribution, and our argument for each of theirs.
GAMMAPY_PRIORS = {
    "GaussianPrior": ("Normal", {"mu": "mu", "sigma": "sigma"}),
    "UniformPrior": ("Uniform", {"min": "lower", "max": "upper"}),
    "LogUniformPrior": ("LogUniform", {"min": "lower", "max": "upper"}),
    "GeneralizedGaussianPrior": ("GeneralizedGaussian", {"mu": "mu", "sigma": "sigma", "eta": "eta"}),
}


class Node:
    """A place in a model file: its data and the path to it.

    Parameters
    ----------
    data : object
        Plain data.
    path : str
        For example ``components[0].spectral``.
    """

    def __init__(self, data: Any, path: str) -> None:
        self.data, self.path = data, path

    def error(self, message: str) -> ModelFileError:
        """Return the error that names this place."""
        return ModelFileError(f"{self.path}: {message}" if self.path else message)

    def mapping(self) -> Self:
        """Return this node, if it is a mapping."""
        if not isinstance(self.data, Mapping):
            raise self.error(f"expected a mapping, found {self._describe()}")
        return self

    def items(self) -> Iterator["Node"]:
        """Yield the entries of a list."""
        if not isinstance(self.data, list):
            raise self.error(f"expected a list, found {self._describe()}")
        for idx, item in enumerate(self.data):
            yield Node(item, f"{self.path}[{idx}]")

    def key(self, name: str, default: Any = _REQUIRED) -> "Node":
        """Return the entry of a mapping."""
        path = f"{self.path}.{name}" if self.path else str(name)
        if name in self.data:
            return Node(self.data[name], path)
        if default is _REQUIRED:
            raise self.error(f"key {name!r} is missing; found {sorted(map(str, self.data))}")
        return Node(default, path)

    def check_keys(self, valid: Iterable[str]) -> None:
        """Complain about the first key that is not valid."""
        valid = list(valid)
        for key in self.data:
            if key not in valid:
                raise self.error(f"unknown key {key!r}{suggest(key, valid)}")

    def text(self) -> str:
        """Return a string."""
        if not isinstance(self.data, str):
            raise self.error(f"expected a text, found {self._describe()}")
        return self.data

    def choice(self, valid: Iterable[str]) -> str:
        """Return one of some strings."""
        valid = list(valid)
        if not isinstance(self.data, str) or self.data not in valid:
            raise self.error(f"unknown value {self._describe()}{suggest(self.data, valid)}")
        return self.data

    def boolean(self) -> bool:
        """Return true or false."""
        if not isinstance(self.data, bool):
            raise self.error(f"expected true or false, found {self._describe()}")
        return self.data

    def number(self) -> float:
        """Return a number; YAML reads ``1e-12``, without a point, as a text."""
        if isinstance(self.data, bool) or not isinstance(self.data, int | float | str):
            raise self.error(f"expected a number, found {self._describe()}")
        try:
            return float(self.data)
        except ValueError:
            raise self.error(f"expected a number, found {self._describe()}") from None

    def unit(self) -> u.UnitBase:
        """Return a unit."""
        try:
            return u.Unit("" if self.data is None else self.text())
        except ValueError as error:
            raise self.error(f"unknown unit {self.data!r}: {error}") from None

    def call(self, function: Callable[..., Any], *args: Any, at: str = "", **kwargs: Any) -> Any:
        """Call a function and report its complaints at this place, or at one of its keys."""
        try:
            return function(*args, **kwargs)
        except ModelFileError:
            raise
        except (ValueError, TypeError, KeyError, OSError, u.UnitsError) as error:
            message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
            place = self.key(at) if at else self
            raise place.error(message) from error

    def _describe(self) -> str:
        text = f"{self.data!r:.60}" if not isinstance(self.data, Mapping | list) else ""
        return f"{type(self.data).__name__} {text}".strip()


class Links:
    """The linked parameters of a file by label."""

    def __init__(self) -> None:
        self._parameters: dict[str, Parameter] = {}

    def resolve(self, node: Node, parameter: Parameter) -> Parameter:
        """Return the parameter that already has the label of a node, or enter this one."""
        known = self._parameters.setdefault(node.text(), parameter)
        if (known.value, known.unit) != (parameter.value, parameter.unit):
            raise node.error(
                f"linked parameters must be equal, found {known.quantity} ({known.name!r}) and "
                f"{parameter.quantity} ({parameter.name!r})"
            )
        return known


# -- reading --------------------------------------------------------------------------------------------------------
def parameter_from_node(node: Node, default: Parameter, links: Links) -> Parameter:
    """Create a parameter; what the file does not say is as in the declaration of the model."""
    node.check_keys((*_PARAMETER_KEYS, *_IGNORED_KEYS))
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
    parameter = node.call(_create, default.name, node.path, data)
    if node.data.get("prior") is not None:
        prior = _prior_from_node(node.key("prior").mapping())
        node.key("prior").call(setattr, parameter, "prior", prior)
    if node.data.get("link") is not None:
        return links.resolve(node.key("link"), parameter)
    return parameter


def _create(name: str, path: str, data: dict[str, Any]) -> Parameter:
    """Create a parameter; a value outside its bounds, which Gammapy writes, is kept with a warning."""
    bounds = data.pop("min"), data.pop("max")
    parameter = Parameter(name, **data)
    parameter._set_bounds(*bounds, check_value=False)
    if parameter.value < bounds[0] or parameter.value > bounds[1]:
        message = f"{path}: value {parameter.value} of {name!r} is outside its bounds [{bounds[0]}, {bounds[1]}]"
        warnings.warn(message, UserWarning, stacklevel=2)
    return parameter


def _prior_from_node(node: Node) -> Prior:
    """Create a prior from our form (key ``dist``) or Gammapy's (key ``type``)."""
    if "dist" in node.data:
        return node.call(Prior.from_dict, node.data)
    if "type" not in node.data:
        raise node.error("a prior needs 'dist' (bayesmap) or 'type' (Gammapy)")
    node.check_keys(("type", "parameters", "weight"))
    dist, names = GAMMAPY_PRIORS[node.key("type").choice(GAMMAPY_PRIORS)]
    kwargs: dict[str, Any] = {}
    for entry in node.key("parameters").items():
        name = entry.mapping().key("name").choice(names)
        unit = entry.key("unit", default="").unit()
        number = entry.key("value").number()
        kwargs[names[name]] = number if unit == u.dimensionless_unscaled else number * unit
    weight = node.key("weight", default=1.0)
    return node.call(_weighted, dist, kwargs, weight)


def _weighted(dist: str, kwargs: dict[str, Any], weight: Node) -> Prior:
    """Create a prior whose density is the given one to a power, up to a constant (Gammapy's weight)."""
    power = weight.number()
    if not power > 0:
        raise weight.error(f"the weight of a prior must be positive, found {power}")
    if power != 1 and dist == "LogUniform":
        raise weight.error(f"a LogUniformPrior with weight {power} is no distribution; only weight 1 can be read")
    if power != 1 and "sigma" in kwargs:
        exponent = float(kwargs["eta"]) if dist == "GeneralizedGaussian" else 0.5
        kwargs["sigma"] = kwargs["sigma"] * power**-exponent
    return Prior(dist, **kwargs)


# -- writing --------------------------------------------------------------------------------------------------------
def _gammapy_prior(prior: Prior, unit: u.UnitBase) -> dict[str, Any] | None:
    """Return Gammapy's form of a prior, or None if it has none."""
    for tag, (dist, names) in GAMMAPY_PRIORS.items():
        if prior.dist == dist and prior.depth == 0 and not prior.is_default:
            numbers = prior.numbers(unit)
            parameters = [{"name": key, "value": float(numbers[ours]), "unit": ""} for key, ours in names.items()]
            return {"type": tag, "parameters": parameters, "weight": 1}
    return None


def parameter_to_dict(
    parameter: Parameter,
    default: Parameter,
    full_output: bool,
    links: Mapping[Parameter, str],
    priors: dict[Parameter, Prior] | None,
) -> dict[str, Any]:
    """Return a parameter as plain data.

    Parameters
    ----------
    parameter, default : Parameter
        The parameter and its declaration by the model, whose name is written.
    full_output : bool
        Write also what equals the declaration.
    links : Mapping of Parameter to str
        Labels of the linked parameters.
    priors : dict or None
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
        written = _gammapy_prior(parameter.prior, parameter.unit)
        if written is not None:
            data["prior"] = written
        elif priors is None:
            data["prior"] = parameter.prior.to_dict()
        else:
            priors[parameter] = parameter.prior
    return data
