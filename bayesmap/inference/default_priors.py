"""Weakly informative priors made from the data and the geometry, for parameters that the user gave none.

They are computed once, stored on the parameters and marked as defaults. They never enter ``stat_sum``.
"""

from collections.abc import Sequence
from typing import Any

import astropy.units as u
import numpy as np

from bayesmap.inference.amplitudes import estimate_amplitudes
from bayesmap.inference.listing import as_datasets, dataset_models, is_flux_points, parameter_names
from bayesmap.inference.temporal_priors import temporal_prior
from bayesmap.modeling import Parameter, Prior

__all__ = ["assign_default_priors", "default_priors"]

AMPLITUDE_WIDTH = 1.5  # in units of the natural logarithm: a factor 4.5 up or down is one standard deviation
INDEX, INDEX_WIDTH = 2.3, 0.5


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
    ==========================  ===================================================================================
    parameter                   default
    ==========================  ===================================================================================
    lon_0, lat_0                normal around the present position; width a tenth of the field (of the region), at
                                least twice the pixel; times 1 / cos(lat) in longitude
    amplitude                   log-normal, factor 4.5, around a rough non-negative fit of all sources together to the
                                counts (of flux points: the median ratio to unit amplitude), at least its noise
    index, alpha                normal 2.3 +- 0.5; of a factor to another spectrum or a background normal 0 +- 0.2
    beta                        normal 0 +- 0.3
    lambda_                     half-normal, width one over the geometric mean energy
    norm                        log-normal around 1, factor 1.35
    tilt                        normal 0 +- 0.2
    sigma, r_0, radius          log-normal, factor 2.7, around the geometric mean of pixel and a quarter of the field
                                (around a quarter of the region); ``width`` around a third of that
    e                           Beta(1, 2); bounded away from one
    phi                         uniform over the half circle around the present value
    norm_0, norm_1, ...         as norm
    index_1                     normal 2.3 +- 0.5
    index1, index2              normal, width 0.5, around the present values if these differ, else around 2.05 and 2.55
    energies, expfactor, L,
    const, value                log-normal, factor 2.7, around the present value
    index_2, redshift, w        log-normal, factor 1.35, around the present value; ``alpha_norm`` and the ``beta`` of a
                                smooth break likewise
    temporal: times             log-normal, factor 4.5, around a quarter of the time from the first start to the last
                                stop of the good time intervals; t_ref normal around its value, width half that time;
                                of a sine of a shorter period uniform over one period around its value
    temporal: alpha, amp, eta   of a line: log-normal around 1, factor 1.35; of a power law: normal around its value,
                                width 1; amp uniform from 0 to 1; eta log-normal around its value, factor 1.35
    temporal: rates             normal around the present value, width one over that time (to the second and third
                                power for ``f1`` and ``f2``)
    others, with two bounds     uniform between the bounds (eta of a shape, the axes of a template)
    others                      normal around the present value, width its size or one
    ==========================  ===================================================================================
    """
    listed = as_datasets(datasets)
    for dataset in listed:
        if getattr(dataset, "counts", 0) is None:
            raise ValueError(
                f"dataset {dataset.name!r} has no counts: default priors are made from them; set the priors"
            )
    models = dataset_models(listed)
    names = parameter_names(models)
    wanted: dict[Parameter, Any] = {}
    for model in models:
        for parameter in model.parameters:
            if not parameter.frozen and parameter.prior is None:
                wanted.setdefault(parameter, model)
    for parameter, model in wanted.items():
        if parameter.name == "lon_0":
            _require_inside(model, _datasets_of(model, listed))
    amplitudes = estimate_amplitudes(listed, [p for p in wanted if p.name == "amplitude"])
    priors = {}
    for parameter, model in wanted.items():
        if parameter in amplitudes:
            prior = Prior("LogNormal", mu=float(np.log(amplitudes[parameter])), sigma=AMPLITUDE_WIDTH)
        else:
            prior = _default(parameter, model, _datasets_of(model, listed))
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


def _datasets_of(model: Any, datasets: Sequence[Any]) -> list[Any]:
    return [d for d in datasets if any(m is model for m in d.models or [])]


def _default(parameter: Parameter, model: Any, datasets: Sequence[Any]) -> Prior:
    name = parameter.name
    temporal = getattr(model, "temporal_model", None)
    if temporal is not None and any(p is parameter for p in temporal.parameters):
        return temporal_prior(parameter, temporal, datasets)
    if name in ("lon_0", "lat_0"):
        return _position(parameter, model, datasets)
    part = _spectral_part(parameter, getattr(model, "spectral_model", None))
    angle = parameter.unit.is_equivalent("deg") and not _has_bounds(parameter)
    if name in ("sigma", "r_0", "radius", "width") and angle:
        return _extension(parameter, datasets)
    simple = {
        "index": Prior("Normal", mu=INDEX, sigma=INDEX_WIDTH),
        "alpha": Prior("Normal", mu=INDEX, sigma=INDEX_WIDTH),
        "beta": Prior("Normal", mu=0.0, sigma=0.3),
        "norm": Prior("LogNormal", mu=0.0, sigma=0.3),
        "tilt": Prior("Normal", mu=0.0, sigma=0.2),
        "e": Prior("Beta", alpha=1.0, beta=2.0),
        "phi": Prior(
            "Uniform", lower=parameter.value - _half_circle(parameter), upper=parameter.value + _half_circle(parameter)
        ),
    }
    if name == "alpha" and hasattr(part, "lambda_"):
        return Prior("LogNormal", mu=0.0, sigma=0.3)
    if name in ("index", "alpha") and part is not None and part.is_norm_spectral_model:
        return simple["tilt"]
    if name.startswith("norm_"):
        return simple["norm"]
    if name in ("index1", "index2"):
        return Prior("Normal", mu=_index_beside_break(parameter, part), sigma=INDEX_WIDTH)
    if name == "index_1":
        return simple["index"]
    positive = _positive_width(parameter, part)
    if positive is not None and parameter.value > 0:
        return Prior("LogNormal", mu=float(np.log(parameter.value)), sigma=positive)
    if name in simple and (name == "phi" or parameter.unit == u.dimensionless_unscaled):
        return simple[name]
    if name == "lambda_":
        inverse = 1 / _mean_energy(datasets)
        return Prior("HalfNormal", sigma=float(inverse.to_value(parameter.unit)))
    if _has_bounds(parameter):
        return Prior("Uniform", lower=parameter.min, upper=parameter.max)
    return Prior("Normal", mu=parameter.value, sigma=abs(parameter.value) or 1.0)


def _spectral_part(parameter: Parameter, spectrum: Any) -> Any:
    """The innermost spectral model with a parameter; None if it is not one of the spectrum's."""
    if spectrum is None or not any(p is parameter for p in spectrum.parameters):
        return None
    parts = (_spectral_part(parameter, getattr(spectrum, key)) for key in spectrum.file_parts)
    return next((part for part in parts if part is not None), spectrum)


def _index_beside_break(parameter: Parameter, part: Any) -> float:
    """Centre of the prior of an index; where two are equal there is no break to start from."""
    one, two = part.index1, part.index2
    if one.value != two.value:
        return float(parameter.value)
    return INDEX + (-0.25 if parameter is one else 0.25)


def _positive_width(parameter: Parameter, part: Any) -> float | None:
    """Width in ln of the prior of a parameter that only positive values make sense for."""
    if parameter.unit.is_equivalent("TeV") or parameter.name in ("expfactor", "L", "const", "value"):
        return 1.0
    is_bend = parameter.name == "beta" and hasattr(part, "ebreak")
    return 0.3 if is_bend or parameter.name in ("index_2", "redshift", "alpha_norm", "w") else None


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


def _require_inside(model: Any, datasets: Sequence[Any]) -> None:
    """Raise if a source that may move starts outside of all fields."""
    spatial = model.spatial_model
    fields = [d.counts.geom.to_image() for d in datasets if not is_flux_points(d)]
    anywhere = not fields or any(g.is_region and g.region is None for g in fields)
    if anywhere or any(bool(np.all(g.contains(spatial.position))) for g in fields):
        return
    position = spatial.position
    raise ValueError(
        f"model {model.name!r} is at {position.to_string('decimal')} ({position.frame.name}), outside of the field "
        f"of dataset(s) {[d.name for d in datasets]}: no default prior for its position; give lon_0 and lat_0 a "
        "prior, freeze them, or move the source"
    )


def _mean_energy(datasets: Sequence[Any]) -> u.Quantity:
    """Geometric mean of the ends of the energy range."""
    first = next((d for d in datasets if not is_flux_points(d)), datasets[0])
    energy = first.data.energy_ref if is_flux_points(first) else first.counts.geom.axes["energy"].edges
    return np.sqrt(energy.min() * energy.max())


def _field(datasets: Sequence[Any]) -> tuple[float, float]:
    """Width of the field and of what can be resolved in it, in deg: one pixel, or the whole of a region."""
    fields = [d.counts.geom.to_image() for d in datasets if not is_flux_points(d)]
    sizes = [(float(np.min(g.width.to_value("deg"))), float(np.max(np.abs(g.pixel_scales.to_value("deg"))))) for g in
             sorted(fields, key=lambda g: g.is_region) if not (g.is_region and g.region is None)]  # fmt: skip
    width, pixel = sizes[0] if sizes else (1.0, 0.1)
    return (width, pixel) if width > 0 else (1.0, 0.1)


def _position(parameter: Parameter, model: Any, datasets: Sequence[Any]) -> Prior:
    width, pixel = _field(datasets)
    sigma = max(width / 10, 2 * pixel) if pixel < width else width / 10
    if parameter.name == "lon_0":
        sigma /= max(float(np.cos(model.spatial_model.position.data.lat.rad)), 0.02)
    scale = float((1 * u.deg).to_value(parameter.unit))
    return Prior("Normal", mu=parameter.value, sigma=sigma * scale)


def _extension(parameter: Parameter, datasets: Sequence[Any]) -> Prior:
    width, pixel = _field(datasets)
    middle = np.sqrt(pixel * width / 4) if pixel < width else width / 4
    scale = float((1 * u.deg).to_value(parameter.unit)) / (3 if parameter.name == "width" else 1)
    return Prior("LogNormal", mu=float(np.log(middle * scale)), sigma=1.0)
