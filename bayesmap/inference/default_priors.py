"""Weakly informative priors made from the data and the geometry, for parameters that the user gave none.

They are computed once, stored on the parameters and marked as defaults. They never enter ``stat_sum``.
"""

from collections.abc import Sequence
from typing import Any

import astropy.units as u
import numpy as np

from bayesmap.graph import background_counts, signal_counts
from bayesmap.inference.listing import as_datasets, dataset_models, parameter_names
from bayesmap.modeling import FoVBackgroundModel, Parameter, Prior, TemplateNPredModel

__all__ = ["assign_default_priors", "default_priors"]

AMPLITUDE_WIDTH = 1.5  # in units of the natural logarithm: a factor 4.5 up or down is one standard deviation
INDEX, INDEX_WIDTH = 2.3, 0.5


def default_priors(datasets: Any) -> dict[str, Prior]:
    """Return the default prior of each free parameter that has none, without storing it.

    Parameters
    ----------
    datasets : MapDataset, Datasets or list of MapDataset
        With models set.

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
    lon_0, lat_0                normal around the present position; width a tenth of the field, at least twice the
                                pixel; times 1 / cos(lat) in longitude
    amplitude                   log-normal, factor 4.5, around the excess divided by what unit amplitude predicts
    index, alpha                normal 2.3 +- 0.5
    beta                        normal 0 +- 0.3
    lambda_                     half-normal, width one over the geometric mean energy
    norm                        log-normal around 1, factor 1.35
    tilt                        normal 0 +- 0.2
    sigma, r_0                  log-normal, factor 2.7, around the geometric mean of pixel and a quarter of the field
    e                           Beta(1, 2); bounded away from one
    phi                         uniform over the half circle around the present value
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
    priors: dict[Parameter, Prior] = {}
    for model in models:
        for parameter in model.parameters:
            if not parameter.frozen and parameter.prior is None and parameter not in priors:
                priors[parameter] = _inside_bounds(_default(parameter, model, listed), parameter)
    return {names[parameter]: prior for parameter, prior in priors.items()}


def assign_default_priors(datasets: Any) -> dict[str, Prior]:
    """Store the priors of :func:`default_priors` on the parameters, and return them."""
    listed = as_datasets(datasets)
    priors = default_priors(listed)
    for parameter, name in parameter_names(dataset_models(listed)).items():
        if name in priors:
            parameter.prior = priors[name]
    return priors


def _default(parameter: Parameter, model: Any, datasets: Sequence[Any]) -> Prior:
    own = [d for d in datasets if any(m is model for m in d.models or [])]
    name = parameter.name
    if name in ("lon_0", "lat_0"):
        return _position(parameter, model, own)
    if name == "amplitude":
        return _amplitude(parameter, model, own)
    if name in ("sigma", "r_0"):
        return _extension(parameter, own)
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
    is_ecpl = hasattr(getattr(model, "spectral_model", None), "lambda_")
    if name == "alpha" and is_ecpl:
        return Prior("LogNormal", mu=0.0, sigma=0.3)
    if name in simple and (name == "phi" or parameter.unit == u.dimensionless_unscaled):
        return simple[name]
    if name == "lambda_":
        edges = own[0].counts.geom.axes["energy"].edges
        inverse = 1 / np.sqrt(edges[0] * edges[-1])
        return Prior("HalfNormal", sigma=float(inverse.to_value(parameter.unit)))
    return Prior("Normal", mu=parameter.value, sigma=abs(parameter.value) or 1.0)


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
    moving = any(not p.frozen for p in spatial.parameters if p.name in ("lon_0", "lat_0"))
    if not moving or any(bool(np.all(d.counts.geom.to_image().contains(spatial.position))) for d in datasets):
        return
    position = spatial.position
    raise ValueError(
        f"model {model.name!r} is at {position.to_string('decimal')} ({position.frame.name}), outside of the field "
        f"of dataset(s) {[d.name for d in datasets]}: no default prior for its position; give lon_0 and lat_0 a "
        "prior, freeze them, or move the source"
    )


def _position(parameter: Parameter, model: Any, datasets: Sequence[Any]) -> Prior:
    geom = datasets[0].counts.geom.to_image()
    width = float(np.min(u.Quantity(geom.width).to_value("deg")))
    pixel = float(np.max(np.abs(geom.pixel_scales.to_value("deg"))))
    sigma = max(width / 10, 2 * pixel)
    _require_inside(model, datasets)
    if parameter.name == "lon_0":
        sigma /= max(float(np.cos(model.spatial_model.position.data.lat.rad)), 0.02)
    scale = float((1 * u.deg).to_value(parameter.unit))
    return Prior("Normal", mu=parameter.value, sigma=sigma * scale)


def _extension(parameter: Parameter, datasets: Sequence[Any]) -> Prior:
    geom = datasets[0].counts.geom.to_image()
    width = float(np.min(u.Quantity(geom.width).to_value("deg")))
    pixel = float(np.max(np.abs(geom.pixel_scales.to_value("deg"))))
    scale = float((1 * u.deg).to_value(parameter.unit))
    return Prior("LogNormal", mu=float(np.log(np.sqrt(pixel * width / 4) * scale)), sigma=1.0)


def _amplitude(parameter: Parameter, model: Any, datasets: Sequence[Any]) -> Prior:
    """Matched-filter estimate of the excess against unit amplitude, at least its own noise."""
    if any(p.name == "lon_0" and p.prior is None for p in model.spatial_model.parameters):
        _require_inside(model, datasets)
    excess = noise = expected = 0.0
    for dataset in datasets:
        before = parameter.value
        try:
            parameter.value = 1.0 / parameter.scale_to_internal
            unit = signal_counts(dataset, [model])[model.name]
        finally:
            parameter.value = before
        mask = np.ones(unit.shape, dtype=bool) if dataset.mask is None else np.asarray(dataset.mask.data, dtype=bool)
        fov = [m for m in dataset.models if isinstance(m, FoVBackgroundModel)]
        background = background_counts(dataset, fov)
        for other in dataset.models:
            if isinstance(other, TemplateNPredModel):
                background = background + signal_counts(dataset, [other])[other.name]
        counts = np.asarray(dataset.counts.data, dtype="float64")
        weight = np.where(mask, unit / (background + 1e-3 * max(unit.max(), 1e-300) + 1e-12), 0.0)
        excess += float((weight * (counts - background)).sum())
        noise += float((weight**2 * np.maximum(counts, background)).sum())
        expected += float((weight * unit).sum())
    if not expected > 0:
        raise ValueError(
            f"model {model.name!r} predicts no counts inside the masks of dataset(s) {[d.name for d in datasets]}: "
            "no default prior for its amplitude; move the source, enlarge the mask, or give the amplitude a prior"
        )
    centre = max(excess, np.sqrt(noise)) / expected / parameter.scale_to_internal
    return Prior("LogNormal", mu=float(np.log(centre)), sigma=AMPLITUDE_WIDTH)
