"""Gammapy's form of priors in model files."""

from collections.abc import Mapping
from typing import Any

import astropy.units as u
import numpy as np

from bayesmap._yaml.node import Node
from bayesmap.modeling.priors.base import Prior

__all__ = [
    "DEVELOPMENT_PRIORS",
    "GAMMAPY_PRIORS",
    "GaussianPrior",
    "GeneralizedGaussianPrior",
    "LogUniformPrior",
    "UniformPrior",
    "gammapy_prior",
    "prior_from_gammapy",
    "weighted_prior",
]

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
    """Create a prior with a weight that a file gives."""
    try:
        return weighted_prior(dist, kwargs, weight.number())
    except ValueError as error:
        raise weight.error(str(error)) from None


def weighted_prior(dist: str, kwargs: Mapping[str, Any], weight: float = 1) -> Prior:
    """Return a prior whose density is that of a distribution to a power, up to a constant (Gammapy's weight).

    Parameters
    ----------
    dist : str
        Our name of the distribution.
    kwargs : Mapping of str to object
        Its arguments.
    weight : float
        The power.

    Raises
    ------
    ValueError
        If the weight is not positive, or the power is no distribution.
    """
    if not weight > 0:
        raise ValueError(f"the weight of a prior must be positive, found {weight}")
    if weight != 1 and dist == "LogUniform":
        raise ValueError(f"a LogUniformPrior with weight {weight} is no distribution; only weight 1 can be read")
    numbers = dict(kwargs)
    if weight != 1 and "sigma" in numbers:
        exponent = float(numbers["eta"]) if dist == "GeneralizedGaussian" else 0.5
        numbers["sigma"] = numbers["sigma"] * weight**-exponent
        if dist == "LogNormal" and "mu" in numbers:  # the factor 1 / x of the density is raised to the power, too
            numbers["mu"] = numbers["mu"] + (1 - weight) * numbers["sigma"] ** 2
    return Prior(dist, **numbers)


def GaussianPrior(mu: Any = 0, sigma: Any = 1, weight: float = 1) -> Prior:
    """Return the prior that Gammapy's class of this name is: ``Prior("Normal", mu=mu, sigma=sigma)``."""
    return weighted_prior("Normal", {"mu": mu, "sigma": sigma}, weight)


def UniformPrior(min: Any = 0, max: Any = 1, weight: float = 1) -> Prior:
    """Return the prior that Gammapy's class of this name is: ``Prior("Uniform", lower=min, upper=max)``."""
    return weighted_prior("Uniform", {"lower": min, "upper": max}, weight)


def LogUniformPrior(min: Any = 1e-14, max: Any = 1e-10, weight: float = 1) -> Prior:
    """Return the prior that Gammapy's class of this name is: ``Prior("LogUniform", lower=min, upper=max)``."""
    return weighted_prior("LogUniform", {"lower": min, "upper": max}, weight)


def GeneralizedGaussianPrior(mu: Any = 0, sigma: Any = 1, eta: float = 0.5, weight: float = 1) -> Prior:
    """Return the prior that Gammapy's class of this name is: ``Prior("GeneralizedGaussian", ...)``."""
    return weighted_prior("GeneralizedGaussian", {"mu": mu, "sigma": sigma, "eta": eta}, weight)


def gammapy_prior(prior: Prior, unit: u.UnitBase, development: bool = False) -> dict[str, object] | None:
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
