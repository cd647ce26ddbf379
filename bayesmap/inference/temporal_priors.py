"""Default priors of temporal models, from the good time intervals of the datasets."""

from collections.abc import Sequence
from typing import Any

import astropy.units as u
import numpy as np

from bayesmap.modeling import Parameter, Prior
from bayesmap.modeling.roles import role_of

__all__ = ["temporal_prior"]

POWERS = (1, 2, 3)  # of inverse time: a frequency and its derivatives


def temporal_prior(parameter: Parameter, role: str | None, temporal: Any, gtis: Sequence[Any]) -> Prior:
    """Return the default prior of a parameter of a temporal model.

    Parameters
    ----------
    parameter : Parameter
        One of the model's.
    role : str or None
        What it stands for.
    temporal : TemporalModel
        The model.
    gtis : sequence of GTI or None
        Good time intervals of the datasets that the model applies to; the time from their first start to their last
        stop is the scale.

    Returns
    -------
    Prior
        See `bayesmap.inference.default_priors` for the table.
    """
    value, unit, span = parameter.value, parameter.unit, _span(gtis)
    if role == "time":
        half, wide = _half_period(temporal).to_value(unit), span.to_value(unit)
        if half < wide:  # further away there is a copy of each mode per period
            return Prior("Uniform", lower=value - half, upper=value + half)
        return Prior("Normal", mu=value, sigma=0.5 * wide)
    if role == "duration":
        return Prior("LogNormal", mu=float(np.log(span.to_value(unit) / 4)), sigma=1.5)
    widths = [rate for n in POWERS for rate in (span**-n, span**-n * u.rad) if unit.is_equivalent(rate.unit)]
    if role == "rate" and widths:
        return Prior("Normal", mu=value, sigma=float(widths[0].to_value(unit)))
    if role == "fraction":
        return Prior("Uniform", lower=0.0, upper=1.0)
    if role == "norm":
        return Prior("LogNormal", mu=0.0, sigma=0.3)
    if role == "shape" and value > 0:
        return Prior("LogNormal", mu=float(np.log(value)), sigma=0.3)
    if role == "angle":
        return Prior("Uniform", lower=value - 0.5, upper=value + 0.5)
    return Prior("Normal", mu=value, sigma=1.0 if unit == u.dimensionless_unscaled else abs(value) or 1.0)


def _half_period(temporal: Any) -> u.Quantity:
    """Half the period of a model with an angular frequency; infinite for any other."""
    for p in temporal.parameters:
        if role_of(p, temporal) == "rate" and p.unit.is_equivalent("rad d-1") and p.value != 0:
            return np.pi * u.rad / abs(p.quantity)
    return np.inf * u.d


def _span(gtis: Sequence[Any]) -> u.Quantity:
    """Time from the first start to the last stop; a day where there is none."""
    there = [gti for gti in gtis if gti is not None and len(gti)]
    if not there:
        return 1 * u.d
    first = min(gti.time_start.utc.mjd.min() for gti in there)
    last = max(gti.time_stop.utc.mjd.max() for gti in there)
    return float(last - first) * u.d if last > first else 1 * u.d
