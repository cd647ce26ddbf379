"""The table of prior distributions: what each argument is, and which SciPy distribution has the same density.

The role of an argument says how it changes with the unit of the parameter:

========== ==================================================================================
role       meaning
========== ==================================================================================
location   a value of the parameter; same unit
bound      an edge of the support; same unit, cannot have a prior of its own
scale      a width; same unit, positive
rate       an inverse width; inverse unit, positive
shape      a pure number, positive
log        the logarithm of a value; a quantity given here is the value itself (the median)
samples    values of the parameter, a list; same unit
weights    weights of the samples, a list; no unit
========== ==================================================================================

A row can be added for any univariate distribution of PyMC that has a ``logcdf`` (bounds of a parameter truncate its
prior); the tests run over the table.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bayesmap.modeling.priors.kde import KernelDensity
from bayesmap.modeling.priors.quantiles import Quantiles, half_normal, log_normal, log_uniform, normal, uniform

__all__ = ["DISTRIBUTIONS", "Distribution"]

LOCATION, BOUND, SCALE, RATE, SHAPE, LOG = "location", "bound", "scale", "rate", "shape", "log"
SAMPLES, WEIGHTS = "samples", "weights"
ARRAYS = (SAMPLES, WEIGHTS)
POSITIVE = (SCALE, RATE, SHAPE)


@dataclasses.dataclass(frozen=True)
class Distribution:
    """What the package knows about one univariate distribution.

    Parameters
    ----------
    roles : Mapping of str to str
        Role of each argument.
    scipy : callable or None
        Takes the module `scipy.stats` and the arguments, returns the frozen distribution; None if improper.
    forms : tuple of tuple of str
        The alternative sets of arguments; one of them has to be given.
    unitless : bool
        True where the support has a fixed size, so that the parameter must be dimensionless.
    quantiles : callable or None
        Takes the arguments, returns distribution function and quantiles without `scipy.stats`, where it can be done.
    """

    roles: Mapping[str, str]
    scipy: Callable[..., Any] | None
    forms: tuple[tuple[str, ...], ...] = ()
    unitless: bool = False
    quantiles: Callable[..., Quantiles] | None = None

    def __post_init__(self) -> None:
        if not self.forms:
            object.__setattr__(self, "forms", (tuple(self.roles),))


def _gamma(st: Any, alpha: Any = None, beta: Any = None, mu: Any = None, sigma: Any = None) -> Any:
    if alpha is None:
        alpha, beta = (mu / sigma) ** 2, mu / sigma**2
    return st.gamma(alpha, scale=1 / beta)


DISTRIBUTIONS: dict[str, Distribution] = {
    "Normal": Distribution(
        {"mu": LOCATION, "sigma": SCALE}, lambda st, mu, sigma: st.norm(mu, sigma), quantiles=normal
    ),
    "TruncatedNormal": Distribution(
        {"mu": LOCATION, "sigma": SCALE, "lower": BOUND, "upper": BOUND},
        lambda st, mu, sigma, lower=-np.inf, upper=np.inf: st.truncnorm(
            (lower - mu) / sigma, (upper - mu) / sigma, mu, sigma
        ),
        forms=(("mu", "sigma", "lower", "upper"), ("mu", "sigma", "lower"), ("mu", "sigma", "upper")),
    ),
    "HalfNormal": Distribution({"sigma": SCALE}, lambda st, sigma: st.halfnorm(0, sigma), quantiles=half_normal),
    "LogNormal": Distribution(
        {"mu": LOG, "sigma": SHAPE}, lambda st, mu, sigma: st.lognorm(sigma, scale=np.exp(mu)), quantiles=log_normal
    ),
    "Uniform": Distribution(
        {"lower": BOUND, "upper": BOUND}, lambda st, lower, upper: st.uniform(lower, upper - lower), quantiles=uniform
    ),
    "LogUniform": Distribution(
        {"lower": BOUND, "upper": BOUND}, lambda st, lower, upper: st.loguniform(lower, upper), quantiles=log_uniform
    ),
    "Triangular": Distribution(
        {"lower": BOUND, "c": BOUND, "upper": BOUND},
        lambda st, lower, c, upper: st.triang((c - lower) / (upper - lower), lower, upper - lower),
    ),
    "StudentT": Distribution(
        {"nu": SHAPE, "mu": LOCATION, "sigma": SCALE}, lambda st, nu, mu, sigma: st.t(nu, mu, sigma)
    ),
    "Cauchy": Distribution({"alpha": LOCATION, "beta": SCALE}, lambda st, alpha, beta: st.cauchy(alpha, beta)),
    "HalfCauchy": Distribution({"beta": SCALE}, lambda st, beta: st.halfcauchy(0, beta)),
    "Laplace": Distribution({"mu": LOCATION, "b": SCALE}, lambda st, mu, b: st.laplace(mu, b)),
    "Logistic": Distribution({"mu": LOCATION, "s": SCALE}, lambda st, mu, s: st.logistic(mu, s)),
    "Gumbel": Distribution({"mu": LOCATION, "beta": SCALE}, lambda st, mu, beta: st.gumbel_r(mu, beta)),
    "GeneralizedGaussian": Distribution(
        {"mu": LOCATION, "sigma": SCALE, "eta": SHAPE},
        lambda st, mu, sigma, eta: st.gennorm(1 / eta, mu, np.sqrt(2) * sigma),
    ),
    "Exponential": Distribution(
        {"lam": RATE, "scale": SCALE},
        lambda st, lam=None, scale=None: st.expon(scale=1 / lam if scale is None else scale),
        forms=(("lam",), ("scale",)),
    ),
    "Gamma": Distribution(
        {"alpha": SHAPE, "beta": RATE, "mu": SCALE, "sigma": SCALE}, _gamma, forms=(("alpha", "beta"), ("mu", "sigma"))
    ),
    "Weibull": Distribution({"alpha": SHAPE, "beta": SCALE}, lambda st, alpha, beta: st.weibull_min(alpha, scale=beta)),
    "Pareto": Distribution({"alpha": SHAPE, "m": BOUND}, lambda st, alpha, m: st.pareto(alpha, scale=m)),
    "Beta": Distribution({"alpha": SHAPE, "beta": SHAPE}, lambda st, alpha, beta: st.beta(alpha, beta), unitless=True),
    "ChiSquared": Distribution({"nu": SHAPE}, lambda st, nu: st.chi2(nu), unitless=True),
    "SamplesKDE": Distribution(
        {"samples": SAMPLES, "weights": WEIGHTS},
        lambda st, samples, weights=None: KernelDensity(samples, weights),
        forms=(("samples",), ("samples", "weights")),
    ),
    "Flat": Distribution({}, None),
}
