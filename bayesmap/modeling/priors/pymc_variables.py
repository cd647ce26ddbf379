"""Random variables of priors: the one module of this layer that needs PyMC (imported on first use)."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import astropy.units as u
import numpy as np
import pymc as pm
from pymc.logprob.transforms import Transform

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.modeling.array_parameter import ArrayParameter
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.priors.base import Prior
from bayesmap.modeling.priors.distributions import LOCATION, RATE, SCALE, SHAPE
from bayesmap.modeling.priors.hyper import HyperParameter
from bayesmap.modeling.priors.kde import KernelDensity

__all__ = ["OFFSET", "Standardize", "VectorStandardize", "hyper_variable", "offset_names", "random_variable"]

OFFSET = "_offset"
_STANDARD = ([SCALE], [RATE], [LOCATION, SCALE])

_NEGLIGIBLE = 1e-12
_Q16, _Q84 = 0.15865525393145707, 0.8413447460685429


class Standardize(Transform):
    r"""Value transform to an unbounded variable of order one.

    .. math::
        z = \frac{x - c}{s}, \quad
        z = \frac{1}{w} \ln\frac{x - a}{s}, \quad
        z = \frac{1}{w} \ln\frac{b - x}{s}, \quad
        z = \frac{1}{w} \left(\ln\frac{x - a}{b - x} - c\right)

    for no edge, a lower edge a, an upper edge b, and both.

    Parameters
    ----------
    lower, upper : float
        Edges of the support, infinite for none.
    center, scale, width : float
        The numbers c, s and w, those that the case needs.
    quantile : callable or None
        Quantiles of x under its prior, one number at a time; None where they depend on other unknowns, or the prior
        is improper.
    is_proper : bool
        Whether the prior can be integrated.
    """

    name = "standardize"
    ndim_supp = 0

    def __init__(
        self,
        lower: float = -np.inf,
        upper: float = np.inf,
        center: float = 0.0,
        scale: float = 1.0,
        width: float = 1.0,
        quantile: Callable[[float], float] | None = None,
        is_proper: bool = True,
    ) -> None:
        self.lower, self.upper, self.center, self.scale, self.width = lower, upper, center, scale, width
        self.quantile, self.is_proper = quantile, is_proper
        self.kind = (bool(np.isfinite(lower)), bool(np.isfinite(upper)))

    def forward(self, value: Tensor, *inputs: Tensor) -> Tensor:
        """Return z of x."""
        if self.kind == (True, True):
            return (pt.log(value - self.lower) - pt.log(self.upper - value) - self.center) / self.width
        if self.kind == (True, False):
            return pt.log((value - self.lower) / self.scale) / self.width
        if self.kind == (False, True):
            return pt.log((self.upper - value) / self.scale) / self.width
        return (value - self.center) / self.scale

    def backward(self, value: Tensor, *inputs: Tensor) -> Tensor:
        """Return x of z."""
        if self.kind == (True, True):
            return self.lower + (self.upper - self.lower) * pt.sigmoid(self.center + self.width * value)
        if self.kind == (True, False):
            return self.lower + self.scale * pt.exp(self.width * value)
        if self.kind == (False, True):
            return self.upper - self.scale * pt.exp(self.width * value)
        return self.center + self.scale * value

    def log_jac_det(self, value: Tensor, *inputs: Tensor) -> Tensor:
        """Return ln |dx/dz|."""
        if self.kind == (True, True):
            logit = self.center + self.width * value
            return np.log(self.width * (self.upper - self.lower)) - pt.softplus(logit) - pt.softplus(-logit)
        if self.kind == (False, False):
            return pt.zeros_like(value) + np.log(self.scale)
        return np.log(self.scale * self.width) + self.width * value

    @classmethod
    def from_prior(cls, prior: Prior, parameter: Parameter, lower: float, upper: float) -> "Standardize":
        """Return the transform in which a prior with support ``(lower, upper)`` is about a unit normal."""
        center, low, high = _quantiles(prior, parameter, lower, upper)
        bounded = bool(np.isfinite(lower) and np.isfinite(upper))
        about: dict[str, Any] = {"quantile": _quantile_function(prior, parameter, lower, upper)}
        about["is_proper"] = prior.distribution.scipy is not None or bounded
        if bounded:
            logits = [np.log((x - lower) / (upper - x)) for x in (center, low, high)]
            return cls(lower, upper, center=logits[0], width=0.5 * (logits[2] - logits[1]), **about)
        if np.isfinite(lower):
            width = 0.5 * np.log((high - lower) / (low - lower))
            return cls(lower, upper, scale=center - lower, width=width, **about)
        if np.isfinite(upper):
            width = 0.5 * np.log((upper - low) / (upper - high))
            return cls(lower, upper, scale=upper - center, width=width, **about)
        return cls(center=center, scale=0.5 * (high - low), **about)


class VectorStandardize(Standardize):
    """The same for all elements of a vector that has one density."""

    name = "vector_standardize"
    ndim_supp = 1

    def log_jac_det(self, value: Tensor, *inputs: Tensor) -> Tensor:
        """Return the sum of ln |dx/dz| over the elements."""
        return super().log_jac_det(value, *inputs).sum(axis=-1)


def _quantile_function(
    prior: Prior, parameter: Parameter, lower: float, upper: float
) -> Callable[[float], float] | None:
    """Quantiles of a prior between its edges; None if there are none, or they depend on hyperparameters."""
    if prior.depth:
        return None
    if prior.distribution.scipy is not None:
        return functools.partial(prior.quantile, unit=parameter.unit, lower=lower, upper=upper)
    if np.isfinite(lower) and np.isfinite(upper):
        return lambda q: float(lower + q * (upper - lower))
    return None


def _quantiles(prior: Prior, parameter: Parameter, lower: float, upper: float) -> tuple[float, float, float]:
    """Median and 68 % interval of the truncated prior; for an improper prior, a guess from the parameter."""
    if prior.distribution.scipy is not None:
        q = [prior.quantile(q, parameter.unit, lower=lower, upper=upper) for q in (0.5, _Q16, _Q84)]
        return q[0], q[1], q[2]
    if np.isfinite(lower) and np.isfinite(upper):
        return 0.5 * (lower + upper), lower + _Q16 * (upper - lower), lower + _Q84 * (upper - lower)
    value, error = float(np.median(parameter.value)), float(np.median(parameter.error))
    scale = error or abs(value) or 1.0
    if np.isfinite(lower):
        return lower + scale, lower + scale / np.e, lower + scale * np.e
    if np.isfinite(upper):
        return upper - scale, upper - scale * np.e, upper - scale / np.e
    return value, value - scale, value + scale


def _log_uniform(lower: Tensor, upper: Tensor, size: Tensor) -> Tensor:
    return pt.exp(pm.Uniform.dist(pt.log(lower), pt.log(upper), size=size))


def _log_middle(rv: Tensor, size: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    middle = pt.sqrt(lower) * pt.sqrt(upper)
    return pt.full(size, middle) if rv.ndim else middle


def _generalized_logp(value: Tensor, mu: Tensor, sigma: Tensor, eta: Tensor) -> Tensor:
    scale = np.sqrt(2) * sigma
    return -(pt.abs((value - mu) / scale) ** (1 / eta)) - pt.log(2 * scale * eta) - pt.gammaln(eta)


def _generalized_logcdf(value: Tensor, mu: Tensor, sigma: Tensor, eta: Tensor) -> Tensor:
    z = (value - mu) / (np.sqrt(2) * sigma)
    return pt.log(0.5 * (1 + pt.sign(z) * pt.gammainc(eta, pt.abs(z) ** (1 / eta))))


def _generalized_random(mu: Tensor, sigma: Tensor, eta: Tensor, rng: Tensor = None, size: Tensor = None) -> Tensor:
    sign = rng.choice([-1.0, 1.0], size=size)
    return mu + np.sqrt(2) * sigma * sign * rng.gamma(eta, size=size) ** eta


def _kernel_density(density: KernelDensity, shape: tuple[int, ...]) -> Tensor:
    """The variable of a kernel density; the arrays are constants of its graph."""
    samples, weights = density.samples, density.weights

    def logp(value: Tensor, width: Tensor) -> Tensor:
        z = (value[..., None] - samples) / width
        return pt.logsumexp(np.log(np.maximum(weights, 1e-300)) - 0.5 * z**2, axis=-1) - pt.log(
            width * np.sqrt(2 * np.pi)
        )

    def logcdf(value: Tensor, width: Tensor) -> Tensor:
        z = (value[..., None] - samples) / width
        return pt.log((weights * 0.5 * pt.erfc(-z / np.sqrt(2))).sum(axis=-1))

    def random(width: Tensor, rng: Tensor = None, size: Tensor = None) -> Tensor:
        return rng.choice(samples, size=size, p=weights) + width * rng.normal(size=size)

    median = float(density.ppf(0.5))
    return pm.CustomDist.dist(
        density.bandwidth,
        logp=logp,
        logcdf=logcdf,
        random=random,
        support_point=lambda rv, size, width: pt.full(shape, median),
        shape=shape,
    )


def _dist(prior: Prior, kwargs: dict[str, Any], shape: tuple[int, ...]) -> Tensor:
    """The unnamed PyMC variable."""
    if prior.dist == "LogUniform":
        return pm.CustomDist.dist(
            kwargs["lower"], kwargs["upper"], dist=_log_uniform, support_point=_log_middle, shape=shape
        )
    if prior.dist == "GeneralizedGaussian":
        functions: dict[str, Any] = {
            "logp": _generalized_logp,
            "logcdf": _generalized_logcdf,
            "random": _generalized_random,
            "support_point": lambda rv, size, mu, *others: mu + pt.zeros(shape),
        }
        return pm.CustomDist.dist(kwargs["mu"], kwargs["sigma"], kwargs["eta"], **functions, shape=shape)
    if prior.dist == "SamplesKDE":
        return _kernel_density(KernelDensity(**kwargs), shape)
    return getattr(pm, prior.dist).dist(**kwargs, shape=shape)


def _arguments(prior: Prior, name: str, parameter: Parameter, lower: float, upper: float) -> dict[str, Any]:
    """Arguments in the declared unit; hyperpriors as random variables, flat edges moved to the bounds."""
    result: dict[str, Any] = dict(prior.numbers(parameter.unit))
    for key, value in prior.kwargs.items():
        if isinstance(value, HyperParameter):
            variable = hyper_variable(value)
            result[key] = value.as_argument(variable, prior.distribution.roles[key], parameter.unit, pt.log)
        elif isinstance(value, Prior):
            hyper = _stand_in(f"{name}_{key}", result[key], prior.argument_unit(key, parameter.unit))
            result[key] = random_variable(value, hyper.name, hyper)
    if prior.dist in ("Uniform", "LogUniform"):
        result = {"lower": lower, "upper": upper}
    # PyTensor takes a float for single precision where it fits: its logarithm would be outside of the support.
    return {key: np.float64(value) if isinstance(value, float) else value for key, value in result.items()}


def _stand_in(name: str, value: float, unit: u.UnitBase, shape: tuple[int, ...] = ()) -> Parameter:
    """A parameter for a hyperprior, in any unit."""
    parameter = ArrayParameter(name, value, shape=shape) if shape else Parameter(name, value, "")
    parameter._unit = unit
    return parameter


def hyper_variable(hyper: HyperParameter) -> Tensor:
    """Return the variable of a hyperparameter in the model of the context; the first call creates it."""
    known = pm.modelcontext(None).named_vars.get(hyper.name)
    if known is not None:
        return known
    return random_variable(hyper.prior, hyper.name, _stand_in(hyper.name, hyper.prior.median(hyper.unit), hyper.unit))


def _from_standard(prior: Prior, name: str, arguments: dict[str, Any], shape: tuple[int, ...]) -> Tensor:
    """Return the variable of a prior with unknown location or scale from one of fixed distribution.

    A width that is unknown and a parameter of that width make a funnel, in which samplers get stuck; what is sampled
    is ``(x - location) / scale``, called ``"<name>_offset"``, and x follows from it. None if there is no such form.
    """
    roles = prior.distribution.roles
    if prior.dist == "LogNormal":
        return pt.exp(arguments["mu"] + arguments["sigma"] * _offset(Prior("Normal", mu=0, sigma=1), name, shape))
    unknown = {key for key, value in arguments.items() if isinstance(value, pt.TensorVariable)}
    shapes = {key: value for key, value in arguments.items() if roles[key] == SHAPE}
    moved = {key: roles[key] for key in arguments if key not in shapes}
    if unknown & shapes.keys() or len(moved) > 2 or sorted(moved.values()) not in _STANDARD:
        return None
    standard: dict[str, Any] = {key: 0.0 if role == LOCATION else 1.0 for key, role in moved.items()}
    value = _offset(Prior(prior.dist, **standard, **shapes), name, shape)
    for key, role in moved.items():
        value = value * arguments[key] if role == SCALE else value / arguments[key] if role == RATE else value
    location = [arguments[key] for key, role in moved.items() if role == LOCATION]
    return location[0] + value if location else value


def _from_standard_above(
    name: str, arguments: dict[str, Any], lower: float, upper: float, shape: tuple[int, ...]
) -> Tensor:
    r"""Return a normal variable that is cut on one side, from a standard normal one, z.

    .. math::
        x = \mu \pm \sigma \, Q^{-1}\left(Q(z) \, Q\left(\pm\frac{x_0 - \mu}{\sigma}\right)\right)

    for the edge :math:`x_0` below (upper signs) or above, with the upper tail probability Q of the standard normal.
    """
    mu, sigma = arguments["mu"], arguments["sigma"]
    z = _offset(Prior("Normal", mu=0, sigma=1), name, shape)
    sign, edge = (1.0, lower) if np.isfinite(lower) else (-1.0, upper)
    inside = 0.5 * pt.erfc(sign * (edge - mu) / (sigma * np.sqrt(2)))
    # Where the tails underflow, samplers must still see finite numbers.
    tail = pt.clip(pt.erfc(z / np.sqrt(2)) * inside, 1e-300, 2 - 4e-16)
    return mu + sign * sigma * np.sqrt(2) * pt.erfcinv(tail)


def offset_names(names: Iterable[str]) -> set[str]:
    """Return those of some variables' names that stand for the offset of another one."""
    names = set(names)
    ends = (OFFSET, f"_joint{OFFSET}")
    return {name for name in names for end in ends if name.endswith(end) and name.removesuffix(end) in names}


def _offset(standard: Prior, name: str, shape: tuple[int, ...]) -> Tensor:
    offset = f"{name}{OFFSET}"
    return random_variable(standard, offset, _stand_in(offset, 0.0, u.dimensionless_unscaled, shape))


def _edges(prior: Prior, parameter: Parameter) -> tuple[float, float]:
    """Edges of the prior inside the bounds; bounds outside which there is less than 1e-12 of it do not count.

    With hyperpriors any bound may count.
    """
    lower, upper = prior.support(parameter.unit)
    low, high = parameter.bounds
    if prior.distribution.scipy is not None and not prior.depth:
        dist = prior.quantiles(parameter.unit)
        low = low if dist.cdf(low) > _NEGLIGIBLE else -np.inf
        high = high if 1 - dist.cdf(high) > _NEGLIGIBLE else np.inf
    return max(lower, low), min(upper, high)


def random_variable(prior: Prior, name: str, parameter: Parameter) -> Tensor:
    """Create the random variable of a parameter in the model of the context; see `Prior.to_rv`."""
    parameter._check_prior(prior, parameter.min, parameter.max)
    support = prior.support(parameter.unit)
    lower, upper = _edges(prior, parameter)
    arguments = _arguments(prior, name, parameter, lower, upper)
    if prior.depth:
        value = _from_standard(prior, name, arguments, parameter.shape) if (lower, upper) == support else None
        if prior.dist == "Normal" and np.isfinite(lower) != np.isfinite(upper):
            value = _from_standard_above(name, arguments, lower, upper, parameter.shape)
        if value is not None:
            return pm.Deterministic(name, value)
    dist = _dist(prior, arguments, parameter.shape)
    if prior.dist == "Flat" and np.isfinite(lower) and np.isfinite(upper):
        dist = pm.Uniform.dist(lower, upper, shape=parameter.shape)
    elif prior.dist not in ("Flat", "Uniform", "LogUniform") and (lower, upper) != support:
        edges = {"lower": lower if lower > support[0] else None, "upper": upper if upper < support[1] else None}
        dist = pm.Truncated.dist(dist, **edges, shape=parameter.shape)
    transform = Standardize.from_prior(prior, parameter, lower, upper)
    # Only an improper prior needs an initial value, and `pymc.do` refuses models with one.
    middle = _quantiles(prior, parameter, lower, upper)[0] if prior.dist == "Flat" else None
    start = None if middle is None else np.full(parameter.shape, middle)
    return pm.modelcontext(None).register_rv(dist, name, transform=transform, default_transform=None, initval=start)
