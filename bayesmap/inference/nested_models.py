"""Two models of which one is the other with a parameter that has a certain value, or without a source."""

import json
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from scipy.special import ndtr

from bayesmap._util import get_random_state
from bayesmap.inference.evidences import FEWEST, BayesFactor, refuse_default_priors
from bayesmap.inference.fit import CompiledFit, compile_fit
from bayesmap.modeling import Prior
from bayesmap.modeling.posterior import Posterior
from bayesmap.modeling.priors.kde import KernelDensity
from bayesmap.units import as_quantity

__all__ = ["savage_dickey", "ts"]

#: parts into which each chain is cut for the error
CUTS = 4
#: further out than this many standard deviations few draws are near
TAIL = 2.5


def savage_dickey(tree: xr.DataTree, name: str, value: Any) -> BayesFactor:
    r"""Bayes factor of the model in which a parameter has a certain value, over the one in which it is free.

    .. math::
        B = \frac{p(x = x_0 | \mathrm{data})}{p(x = x_0)}

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`~bayesmap.inference.sample`, with the parameter free.
    name : str
        Name of the variable, ``"<model>.<parameter>"``.
    value : float, str or `~astropy.units.Quantity`
        The value; a bare number is in the declared unit.

    Returns
    -------
    BayesFactor
        The error is that of the spread between parts of the chains, and the bias of the kernel density, added in
        squares. The number itself is not corrected for the bias: at a maximum of the posterior it is too small.

    Raises
    ------
    KeyError
        If the posterior has no such variable.
    ValueError
        If the parameter has no proper prior of its own, a joint or a default one, or no density at the value; if there
        are fewer than 100 draws, or none near the value.

    Notes
    -----
    The prior density is exact, that of the posterior a kernel density, locally linear at the edges of the prior. Its
    bias, of the order of the square of the width of the kernel, is estimated from a second width, smaller by the square
    root of two. It is right where draws are dense: further out than 2.5 standard deviations a remark says so, and two
    evidences (:func:`~bayesmap.inference.evidence`) are better. The priors of the other parameters are taken to be the
    same in both models; a hyperparameter or a joint prior of the parameter is conditioned on the value in the simpler
    one.

    References
    ----------
    Dickey 1971, Annals of Mathematical Statistics 42, 204; Verdinelli & Wasserman 1995, JASA 90, 614.
    """
    posterior = Posterior(tree)
    draws, variable = posterior.chains(name), posterior.find(name)
    if draws.ndim != 2:
        raise ValueError(f"{name!r} is an array: a value of one number says nothing about it")
    if draws.size < FEWEST:
        raise ValueError(f"the tree has {draws.size} draws, a density needs at least {FEWEST}, better some thousands")
    unit = posterior.unit(name) or u.dimensionless_unscaled
    number = _number(value, unit)
    prior, lower, upper = _prior(tree["posterior"][variable].attrs, variable)
    dist = prior.scipy(unit)
    inside = float(dist.cdf(upper) - dist.cdf(lower))
    log_prior = float(dist.logpdf(number)) - np.log(inside) if lower <= number <= upper else -np.inf
    if not np.isfinite(log_prior):
        raise ValueError(f"the prior of {variable!r}, {prior.summary}, has no density at {number:.5g}")
    low, high = (max(lower, dist.support()[0]), min(upper, dist.support()[1]))
    width = KernelDensity(draws.ravel()).bandwidth
    density = _density(draws, number, low, high, width)
    if np.abs(draws - number).min() > width or density <= 0:
        raise ValueError(
            f"no draw of {variable!r} is near {number:.5g}: the posterior density there is too small for this method. "
            "Compute the evidence of both models"
        )
    parts = np.array([_density(part, number, low, high, width) for part in np.array_split(draws, CUTS, axis=1)])
    away = abs(number - draws.mean()) / draws.std()
    at_edge = low < draws.min() < low + width
    rough = (
        f"{number:.5g} is {away:.1f} standard deviations from the mean, where few draws are: the Bayes factor is rough."
    )
    remarks = (f"{rough} Compute the evidence of both models.",) if away > TAIL and not at_edge else ()
    # a kernel is biased by its width squared, to leading order: half of that is what a narrower one changes
    bias = 2 * (density - _density(draws, number, low, high, width / np.sqrt(2)))
    error = float(np.hypot(parts.std(ddof=1) / np.sqrt(CUTS), bias) / density)
    names = (f"the model with {variable} = {number:.5g}", f"the one with {variable} free")
    return BayesFactor(float(np.log(density) - log_prior), error, remarks, names)


def ts(free: Any, null: Any, random_state: Any = 0, **options: Any) -> float:
    r"""Test statistic of two nested models of the same data.

    .. math::
        \mathrm{TS} = 2 \ln \frac{L(\mathrm{free})}{L(\mathrm{null})}

    Parameters
    ----------
    free, null : Dataset, Datasets, list of Dataset or CompiledFit
        The same data with the larger and with the smaller model.
    random_state : int, numpy.random.Generator or str
        Draws the starts of the searches.
    **options
        For :func:`~bayesmap.inference.compile_fit`.

    Returns
    -------
    float
        Likelihoods are those at the modes of the posterior density of the parameters, which are the maxima of the
        likelihood under flat priors.

    Raises
    ------
    ValueError
        If the two are of different data.
    RuntimeError
        If no mode is found.
    """
    fits = [fit if isinstance(fit, CompiledFit) else compile_fit(fit, **options) for fit in (free, null)]
    if fits[0].data_hash != fits[1].data_hash:
        raise ValueError("the two models are of different data or masks, and their likelihoods cannot be compared")
    rng = get_random_state(random_state)
    first, second = (fit.log_likelihood_at_mode(rng) for fit in fits)
    return 2 * (first - second)


def _number(value: Any, unit: u.UnitBase) -> float:
    """A value in a unit."""
    if isinstance(value, u.Quantity | str):
        return float(as_quantity(value).to_value(unit))
    return float(value)


def _prior(attributes: dict[str, Any], name: str) -> tuple[Prior, float, float]:
    """Prior and bounds of a variable of a result."""
    described = json.loads(attributes.get("prior_data", "{}"))
    prior = Prior.from_dict(described["prior"]) if described else None
    if prior is None or prior.distribution.scipy is None:
        raise ValueError(
            f"{name!r} has no proper prior of its own whose density is known: {attributes.get('prior', 'none')}"
        )
    if described.get("joint"):
        raise ValueError(
            f"{name!r} has a joint prior, which is another one where its other parameters are frozen or known: compare "
            "two evidences"
        )
    refuse_default_priors([name] if prior.is_default else [])
    lower, upper = (end if x is None else x for x, end in zip(described["bounds"], (-np.inf, np.inf), strict=True))
    return prior, lower, upper


def _density(draws: np.ndarray, value: float, low: float, high: float, width: float) -> float:
    """Kernel density at a value, locally linear, so that a slope at an edge of the prior does not enter.

    The kernel K(t) is multiplied by (a2 - a1 t) / (a0 a2 - a1 a1), with a_k the integral of t^k K(t) between the
    edges (Jones 1993, Statistics and Computing 3, 135).
    """
    a, b = (low - value) / width, (high - value) / width
    at_a, at_b = (float(np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)) for x in (a, b))
    a0, a1 = float(ndtr(b) - ndtr(a)), at_a - at_b
    a2 = a0 + (a * at_a if at_a else 0.0) - (b * at_b if at_b else 0.0)
    t = (draws - value) / width
    kernels = np.exp(-0.5 * t**2) / np.sqrt(2 * np.pi) * (a2 - a1 * t) / (a0 * a2 - a1**2)
    return float(kernels.sum() / draws.size / width)
