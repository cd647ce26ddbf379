"""Gammapy's form of priors in model files."""

from typing import Any

import astropy.units as u
import numpy as np

from bayesmap._yaml.node import Node
from bayesmap.modeling.prior import Prior

__all__ = ["DEVELOPMENT_PRIORS", "GAMMAPY_PRIORS", "gammapy_prior", "prior_from_gammapy"]

# Gammapy's prior types: our distribution, and our argument for each of theirs.
GAMMAPY_PRIORS: dict[str, tuple[str, dict[str, str]]] = {
    "GaussianPrior": ("Normal", {"mu": "mu", "sigma": "sigma"}),
    "UniformPrior": ("Uniform", {"min": "lower", "max": "upper"}),
    "LogUniformPrior": ("LogUniform", {"min": "lower", "max": "upper"}),
    "GeneralizedGaussianPrior": ("GeneralizedGaussian", {"mu": "mu", "sigma": "sigma", "eta": "eta"}),
}
# Those of its development tree, which Gammapy 2.1 does not read.
DEVELOPMENT_PRIORS: dict[str, tuple[str, dict[str, str]]] = {
    "LogNormalPrior": ("LogNormal", {"mu": "mu", "sigma": "sigma"}),
    "SamplesKDEPrior": ("SamplesKDE", {}),
}
_ALL = {**GAMMAPY_PRIORS, **DEVELOPMENT_PRIORS}


def prior_from_gammapy(node: Node) -> Prior:
    """Create a prior from Gammapy's form (key ``type``), in the unit that the parameter declares.

    Parameters
    ----------
    node : Node
        A mapping.

    Raises
    ------
    ModelFileError
        If the data are wrong; the message gives the place.
    """
    dist, names = _ALL[node.key("type").choice(_ALL)]
    if dist == "SamplesKDE":
        node.check_keys(("type", "samples", "weights"))
        samples = {key: node.data[key] for key in ("samples", "weights") if node.data.get(key) is not None}
        return node.call(Prior, dist, **samples)
    node.check_keys(("type", "parameters", "weight"))
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
        if dist == "LogNormal" and "mu" in kwargs:  # the factor 1 / x of the density is raised to the power, too
            kwargs["mu"] = kwargs["mu"] + (1 - power) * kwargs["sigma"] ** 2
    return Prior(dist, **kwargs)


def gammapy_prior(prior: Prior, unit: u.UnitBase, development: bool = False) -> dict[str, Any] | None:
    """Return Gammapy's form of a prior, or None if it has none.

    Parameters
    ----------
    prior : Prior
        The prior; a default of ours is not written, nor is one with hyperpriors.
    unit : `~astropy.units.Unit`
        Unit of the parameter, which Gammapy gives to the numbers of the prior.
    development : bool
        Write also the types of Gammapy's development tree.
    """
    for tag, (dist, names) in (_ALL if development else GAMMAPY_PRIORS).items():
        if prior.dist != dist or prior.depth or prior.is_default or prior.is_joint:
            continue
        numbers = prior.numbers(unit)
        if dist == "SamplesKDE":
            return {"type": tag, **{key: np.asarray(value).tolist() for key, value in numbers.items()}}
        parameters = [{"name": key, "value": float(numbers[ours]), "unit": ""} for key, ours in names.items()]
        return {"type": tag, "parameters": parameters, "weight": 1}
    return None
