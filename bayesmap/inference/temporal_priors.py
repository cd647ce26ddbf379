"""Default priors of temporal models, from the good time intervals of the datasets."""

from collections.abc import Sequence
from typing import Any

import astropy.units as u
import numpy as np

from bayesmap.modeling import Parameter, Prior

__all__ = ["temporal_prior"]

TIMES = ("t0", "sigma", "t_rise", "t_decay")
RATES = {"beta": 1, "omega": 1, "f0": 1, "f1": 2, "f2": 3}


def temporal_prior(parameter: Parameter, temporal: Any, datasets: Sequence[Any]) -> Prior:
    """Return the default prior of a parameter of a temporal model.

    Parameters
    ----------
    parameter : Parameter
        One of the model's.
    temporal : TemporalModel
        The model.
    datasets : sequence of Dataset
        Those that the model applies to; the time from their first start to their last stop is the scale.

    Returns
    -------
    Prior
        See `bayesmap.inference.default_priors` for the table.
    """
    name, value, unit, span = parameter.name, parameter.value, parameter.unit, _span(datasets)
    if name == "t_ref" and "omega" in temporal.parameter_names:
        # further away there is a copy of each mode per period
        half = float((np.pi * u.rad / abs(temporal.omega.quantity)).to_value(unit)) if temporal.omega.value else np.inf
        if half < span.to_value(unit):
            return Prior("Uniform", lower=value - half, upper=value + half)
    if name == "t_ref":
        return Prior("Normal", mu=value, sigma=0.5 * span.to_value(unit))
    if name in TIMES:
        return Prior("LogNormal", mu=float(np.log(span.to_value(unit) / 4)), sigma=1.5)
    if name in RATES and unit.is_equivalent(_rate(name, span).unit):
        return Prior("Normal", mu=value, sigma=float(_rate(name, span).to_value(unit)))
    if name == "amp":
        return Prior("Uniform", lower=0.0, upper=1.0)
    if name == "alpha" and "beta" in temporal.parameter_names:
        return Prior("LogNormal", mu=0.0, sigma=0.3)
    if name == "eta" and value > 0:
        return Prior("LogNormal", mu=float(np.log(value)), sigma=0.3)
    if name == "phi_ref":
        return Prior("Uniform", lower=value - 0.5, upper=value + 0.5)
    return Prior("Normal", mu=value, sigma=1.0 if unit == u.dimensionless_unscaled else abs(value) or 1.0)


def _rate(name: str, span: u.Quantity) -> u.Quantity:
    rate = 1 / span ** RATES[name]
    return rate * u.rad if name == "omega" else rate


def _span(datasets: Sequence[Any]) -> u.Quantity:
    """Time from the first start to the last stop; a day where there is none."""
    gtis = [gti for gti in (getattr(dataset, "gti", None) for dataset in datasets) if gti is not None and len(gti)]
    if not gtis:
        return 1 * u.d
    first = min(gti.time_start.utc.mjd.min() for gti in gtis)
    last = max(gti.time_stop.utc.mjd.max() for gti in gtis)
    return float(last - first) * u.d if last > first else 1 * u.d
