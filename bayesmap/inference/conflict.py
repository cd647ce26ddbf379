"""Do prior and data agree? Where the posterior lies in the prior."""

import json
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr
from scipy.special import ndtri_exp

from bayesmap.modeling import Prior

__all__ = ["CONFLICT", "PriorPlace", "describe_prior", "prior_places"]

# A posterior median this many prior standard deviations out is told. If parameters come from their priors that happens
# to one parameter in 16,000.
CONFLICT = 4.0
# A tail in which the prior is as dense as at its median, as near the edge of a flat one, is no conflict.
THINNER = 1.0


@dataclass(frozen=True)
class PriorPlace:
    """Where the posterior of a parameter lies in its prior.

    Attributes
    ----------
    name, unit : str
        Name of the variable and its declared unit.
    distance : float
        Quantile of a standard normal distribution for the prior probability below the posterior median: for a normal
        prior the distance from its mean in standard deviations.
    thinner : float
        How much lower the logarithm of the prior density is there than at the prior median.
    prior : str
        The prior in short.
    mean, sd : float
        Of the posterior.
    """

    name: str
    unit: str
    distance: float
    thinner: float
    prior: str
    mean: float
    sd: float

    @property
    def in_conflict(self) -> bool:
        """Whether prior and data disagree."""
        return abs(self.distance) > CONFLICT and self.thinner > THINNER

    @property
    def sentence(self) -> str:
        """The conflict in words."""
        unit = f" {self.unit}" if self.unit else ""
        away = f"{abs(self.distance):.1f}" if abs(self.distance) < 30 else "more than 30"
        side = "above" if self.distance > 0 else "below"
        return (
            f"Prior and data disagree about {self.name}: its posterior, {self.mean:.5g} +- {self.sd:.2g}{unit}, lies "
            f"{away} prior standard deviations {side} the middle of its prior {self.prior}{unit}. Look at what the "
            "number means (unit, reference energy, frame), at the model, and at where the prior comes from."
        )


def describe_prior(parameter: Any) -> dict[str, str]:
    """Return the prior and the bounds of a parameter as an attribute of its draws, for :func:`prior_places`."""
    if parameter.prior is None or parameter.prior.depth:
        return {}
    bounds = [None if np.isinf(x) else float(x) for x in parameter.bounds]
    content = {"prior": parameter.prior.to_dict(), "bounds": bounds, "joint": parameter.prior.is_joint}
    return {"prior_data": json.dumps(content)}


def prior_places(tree: xr.DataTree) -> dict[str, PriorPlace]:
    """Return where the posterior of each scalar parameter lies in its prior.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`~bayesmap.inference.sample`. Variables whose attributes say nothing of a prior, or one that is
        improper or has hyperparameters, are left out.

    Returns
    -------
    dict of PriorPlace
        By the name of the variable.
    """
    places = {}
    for name, draws in tree["posterior"].data_vars.items():
        described = json.loads(draws.attrs.get("prior_data", "{}"))
        if not described or draws.ndim != 2:
            continue
        prior, unit = Prior.from_dict(described["prior"]), draws.attrs.get("units", "")
        if prior.distribution.scipy is None:
            continue
        lower, upper = (end if x is None else x for x, end in zip(described["bounds"], (-np.inf, np.inf), strict=True))
        values = np.ravel(draws.to_numpy())
        middle = float(np.median(values))
        distance, thinner = _place(prior.scipy(u.Unit(unit)), middle, lower, upper)
        places[str(name)] = PriorPlace(
            str(name), unit, distance, thinner, prior.summary, float(values.mean()), float(values.std())
        )
    return places


def _place(dist: Any, value: float, lower: float, upper: float) -> tuple[float, float]:
    """Normal quantile of a value in a distribution between bounds, and how much thinner it is there."""
    below, inside = dist.cdf(lower), dist.cdf(upper) - dist.cdf(lower)
    median = dist.ppf(below + 0.5 * inside)
    with np.errstate(divide="ignore", invalid="ignore"):
        thinner = float(dist.logpdf(median) - dist.logpdf(value))
        if value >= median:
            tail = dist.logsf(value) if np.isinf(upper) else np.log(dist.sf(value) - dist.sf(upper))
            sign = -1.0
        else:
            tail = dist.logcdf(value) if np.isinf(lower) else np.log(dist.cdf(value) - below)
            sign = 1.0
        distance = sign * float(ndtri_exp(np.clip(tail - np.log(inside), -1e8, 0.0)))
    return distance, np.inf if np.isnan(thinner) else thinner
