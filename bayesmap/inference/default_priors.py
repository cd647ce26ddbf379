"""Weakly informative priors made from the data and the geometry, for parameters that the user gave none.

They are computed once, stored on the parameters and marked as defaults. They never enter ``stat_sum``.
"""

from collections.abc import Sequence
from typing import Any

import astropy.units as u
import numpy as np

from bayesmap.inference.amplitudes import estimate_amplitudes
from bayesmap.inference.listing import as_datasets, dataset_models, parameter_names
from bayesmap.inference.observations import Facts, facts_of
from bayesmap.inference.temporal_priors import temporal_prior
from bayesmap.modeling import Parameter, Prior
from bayesmap.modeling.roles import part_of, role_of

__all__ = ["assign_default_priors", "default_priors"]

AMPLITUDE_WIDTH = 1.5  # in units of the natural logarithm: a factor 4.5 up or down is one standard deviation
INDEX, INDEX_WIDTH = 2.3, 0.5
CALIBRATION_WIDTH = 0.1  # of exposure and energy scale of Cherenkov telescopes: 10 to 15 %
AROUND = {"energy": 1.0, "scale": 1.0, "shape": 0.3}  # width in ln of priors around present values


def default_priors(datasets: Any) -> dict[str, Prior]:
    """Return the default prior of each free parameter that has none, without storing it.

    Parameters
    ----------
    datasets : Dataset, Datasets or list of Dataset
        Of any types, with models set. Positions need a field: without one (flux points only) it is 1 deg wide.

    Returns
    -------
    dict of Prior
        By the name of the random variable, ``"<model>.<parameter>"``. Bare numbers are in the declared unit.

    Raises
    ------
    ValueError
        If a dataset has no counts, or a source lies outside of the field or predicts no counts.

    Notes
    -----
    A default goes by the role that a parameter declares, ``Parameter(..., role="extension")``; of a parameter that
    declares none by its unit, see `bayesmap.modeling.roles.role_of`.

    ==========================  ===================================================================================
    role                        default
    ==========================  ===================================================================================
    position                    normal around the present position; width a tenth of the field (of the region), at
                                least twice the pixel; times 1 / cos(lat) in longitude
    extension                   log-normal, factor 2.7, around the geometric mean of pixel and a quarter of the field
                                (around a quarter of the region); a thickness around a third of that
    flux                        log-normal, factor 4.5, around a rough non-negative fit of all sources together to the
                                counts (of flux points: the median ratio to unit amplitude), at least its noise
    index                       normal 2.3 +- 0.5; of a factor to another spectrum or a background normal 0 +- 0.2; two
                                of one spectrum, at a break: normal, width 0.5, around the present values if these
                                differ, else around 2.05 and 2.55
    curvature                   normal 0 +- 0.3
    norm, exponent              log-normal around 1, factor 1.35
    energy                      log-normal, factor 2.7, around the present value; an inverse energy half-normal, width
                                one over the geometric mean energy
    scale                       log-normal, factor 2.7, around the present value
    shape                       log-normal, factor 1.35, around the present value
    fraction                    Beta(1, 2); bounded away from one
    angle                       uniform over the half circle around the present value
    none, with two bounds       uniform between the bounds (eta of a shape, the axes of a template)
    none                        normal around the present value, width its size or one
    temporal: duration          log-normal, factor 4.5, around a quarter of the time from the first start to the last
                                stop of the good time intervals
    temporal: time              normal around its value, width half that time; where a rate is an angle per time of a
                                shorter period uniform over one period around its value
    temporal: rate              normal around the present value, width one over that time (or a power of it)
    temporal: norm, fraction,   log-normal around 1, factor 1.35; uniform from 0 to 1; log-normal around its value,
    shape, angle, others        factor 1.35; uniform over one turn around its value; normal around its value, width 1
    ==========================  ===================================================================================
    """
    listed = as_datasets(datasets)
    facts = [facts_of(dataset) for dataset in listed]
    for one in facts:
        one.require_data()
    models = dataset_models(listed)
    names = parameter_names(models)
    wanted: dict[Parameter, Any] = {}
    for model in models:
        for parameter in model.parameters:
            if not parameter.frozen and parameter.prior is None:
                wanted.setdefault(parameter, model)
    for parameter, model in wanted.items():
        if role_of(parameter, part_of(model, parameter)) == "position":
            _require_inside(model, _facts_of_model(model, facts))
    amplitudes = estimate_amplitudes(facts, [p for p, m in wanted.items() if _is_flux(p, m)])
    priors = {}
    for parameter, model in wanted.items():
        if parameter in amplitudes:
            prior = Prior("LogNormal", mu=float(np.log(amplitudes[parameter])), sigma=AMPLITUDE_WIDTH)
        else:
            prior = _default(parameter, model, _facts_of_model(model, facts))
        priors[names[parameter]] = _inside_bounds(prior, parameter)
    return priors


def assign_default_priors(datasets: Any) -> dict[str, Prior]:
    """Store the priors of :func:`default_priors` on the parameters, and return them."""
    listed = as_datasets(datasets)
    priors = default_priors(listed)
    for parameter, name in parameter_names(dataset_models(listed)).items():
        if name in priors:
            parameter.prior = priors[name]
    return priors


def _facts_of_model(model: Any, facts: Sequence[Facts]) -> list[Facts]:
    """Facts of the datasets that a model applies to."""
    return [one for one in facts if any(m is model for m in one.models)]


def _is_flux(parameter: Parameter, model: Any) -> bool:
    return role_of(parameter, part_of(model, parameter)) == "flux"


def _default(parameter: Parameter, model: Any, facts: Sequence[Facts]) -> Prior:
    part = part_of(model, parameter)
    role, value = role_of(parameter, part), float(np.median(parameter.value))
    if part is not None and part.kind == "temporal":
        return temporal_prior(parameter, role, part, [one.gti for one in facts])
    if role == "position":
        return _position(parameter, model, facts)
    if role in ("extension", "thickness") and not _has_bounds(parameter):
        return _extension(parameter, facts, 1 if role == "extension" else 3)
    if role == "index":
        return _index(parameter, part)
    if role == "curvature":
        return Prior("Normal", mu=0.0, sigma=0.3)
    if role in ("norm", "exponent"):
        return Prior("LogNormal", mu=0.0, sigma=0.3)
    if role == "calibration":
        return Prior("LogNormal", mu=0.0, sigma=CALIBRATION_WIDTH)
    if role == "fraction":
        return Prior("Beta", alpha=1.0, beta=2.0)
    if role == "angle":
        return Prior("Uniform", lower=value - _half_circle(parameter), upper=value + _half_circle(parameter))
    if role == "energy" and parameter.unit.is_equivalent("TeV-1"):
        return Prior("HalfNormal", sigma=float((1 / _mean_energy(facts)).to_value(parameter.unit)))
    if role in AROUND and value > 0:
        return Prior("LogNormal", mu=float(np.log(value)), sigma=AROUND[role])
    if _has_bounds(parameter):
        return Prior("Uniform", lower=parameter.min, upper=parameter.max)
    return Prior("Normal", mu=value, sigma=abs(value) or 1.0)


def _index(parameter: Parameter, part: Any) -> Prior:
    """Prior of an index of a spectrum, of a factor to one, and of two beside a break."""
    if part is not None and part.kind == "response":
        return Prior("Normal", mu=0.0, sigma=CALIBRATION_WIDTH)
    if part is not None and part.is_norm_spectral_model:
        return Prior("Normal", mu=0.0, sigma=0.2)
    indices = [] if part is None else [p for p in part.parameters if role_of(p, part) == "index"]
    if len(indices) != 2:
        return Prior("Normal", mu=INDEX, sigma=INDEX_WIDTH)
    one, two = indices
    beside = INDEX + (-0.25 if parameter is one else 0.25)  # where they are equal there is no break to start from
    return Prior("Normal", mu=float(parameter.value) if one.value != two.value else beside, sigma=INDEX_WIDTH)


def _has_bounds(parameter: Parameter) -> bool:
    return bool(np.all(np.isfinite(parameter.bounds)))


def _half_circle(parameter: Parameter) -> float:
    return float((90 * u.deg).to_value(parameter.unit)) if parameter.unit.is_equivalent("deg") else 1.0


def _inside_bounds(prior: Prior, parameter: Parameter) -> Prior:
    """A default must agree with the parameter's bounds; if it does not, be flat between them."""
    lower, upper = parameter.bounds
    inside = prior.scipy(parameter.unit)
    if inside.cdf(upper) - inside.cdf(lower) < 1e-3 and np.isfinite(upper - lower):
        prior = Prior("Uniform", lower=lower, upper=upper)
    return prior.as_default()


def _require_inside(model: Any, facts: Sequence[Facts]) -> None:
    """Raise if a source that may move starts outside of all fields."""
    spatial = model.spatial_model
    fields = _fields(facts)
    anywhere = not fields or any(g.is_region and g.region is None for g in fields)
    if anywhere or any(bool(np.all(g.contains(spatial.position))) for g in fields):
        return
    position = spatial.position
    raise ValueError(
        f"model {model.name!r} is at {position.to_string('decimal')} ({position.frame.name}), outside of the field "
        f"of dataset(s) {[one.name for one in facts]}: no default prior for its position; give lon_0 and lat_0 a "
        "prior, freeze them, or move the source"
    )


def _mean_energy(facts: Sequence[Facts]) -> u.Quantity:
    """Geometric mean of the ends of the energy range."""
    first = next((one for one in facts if one.field() is not None), facts[0])
    low, high = first.energy_range()
    return np.sqrt(low * high)


def _fields(facts: Sequence[Facts]) -> list[Any]:
    """Geometries of the images and regions in which positions are seen."""
    return [field for one in facts if (field := one.field()) is not None]


def _field(facts: Sequence[Facts]) -> tuple[float, float]:
    """Width of the field and of what can be resolved in it, in deg: one pixel, or the whole of a region."""
    fields = _fields(facts)
    sizes = [(float(np.min(g.width.to_value("deg"))), float(np.max(np.abs(g.pixel_scales.to_value("deg"))))) for g in
             sorted(fields, key=lambda g: g.is_region) if not (g.is_region and g.region is None)]  # fmt: skip
    width, pixel = sizes[0] if sizes else (1.0, 0.1)
    return (width, pixel) if width > 0 else (1.0, 0.1)


def _position(parameter: Parameter, model: Any, facts: Sequence[Facts]) -> Prior:
    width, pixel = _field(facts)
    sigma = max(width / 10, 2 * pixel) if pixel < width else width / 10
    usual = [found for one in facts if (found := one.position_width()) is not None]
    if usual:
        sigma = min(usual)
    if parameter is model.spatial_model.lon_0:
        sigma /= max(float(np.cos(model.spatial_model.position.data.lat.rad)), 0.02)
    scale = float((1 * u.deg).to_value(parameter.unit))
    return Prior("Normal", mu=parameter.value, sigma=sigma * scale)


def _extension(parameter: Parameter, facts: Sequence[Facts], parts: int) -> Prior:
    width, pixel = _field(facts)
    middle = np.sqrt(pixel * width / 4) if pixel < width else width / 4
    scale = float((1 * u.deg).to_value(parameter.unit)) / parts
    return Prior("LogNormal", mu=float(np.log(middle * scale)), sigma=1.0)
