"""Which parts of models may become negative: the fast form of a likelihood holds only where no term can."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmap.graph.arrays import FoldArrays
from bayesmap.modeling import CompoundSpectralModel, Parameter
from bayesmap.modeling.roles import role_of

if TYPE_CHECKING:
    from bayesmap.modeling import SkyModel
    from bayesmap.modeling.spectral.base import SpectralModel

__all__ = ["Support", "negative_parts", "prior_support"]

#: lowest and highest value that a parameter can have, in its declared unit
Support = Callable[[Parameter], tuple[float, float]]


def prior_support(parameter: Parameter) -> tuple[float, float]:
    """Return where the prior of a parameter (or its value, if it is frozen) lies within its bounds: a `Support`."""
    if parameter.frozen:
        return ends(parameter)
    assert parameter.prior is not None
    low, high = parameter.prior.support(parameter.unit)
    return max(low, parameter.bounds[0]), min(high, parameter.bounds[1])


def negative_parts(model: "SkyModel", arrays: FoldArrays, support: Support) -> list[str]:
    """Name what of a model can become negative, and what to do about it.

    Parameters
    ----------
    model : SkyModel, FoVBackgroundModel or TemplateNPredModel
        The model.
    arrays : FoldArrays
        The dataset that it applies to.
    support : callable
        Lowest and highest value of a parameter, see `Support`.

    Returns
    -------
    list of str
        One phrase per reason; empty if the model predicts no negative counts in any bin.
    """
    reasons = []
    template = getattr(model, "map", None) or getattr(getattr(model, "spatial_model", None), "map", None)
    if template is not None and np.nanmin(template.data) < 0:
        reasons.append(f"the template of model {model.name!r} has negative values")
    reasons += _spatial_norms(model, arrays) + _time_dependence(model, support) + _spectrum(model, support)
    spectra = _parts(getattr(model, "spectral_model", None))
    fluxes = [p for part, fixed in spectra if not fixed for p in _flux_parameters(part)]
    spatial = getattr(model, "spatial_model", None)
    fluxes += [] if spatial is None else [p for p in spatial.parameters if role_of(p, spatial) in ("norm", "scale")]
    for p in model.parameters:
        if p not in fluxes:
            continue
        if p.frozen and np.any(p.value < 0):
            reasons.append(f"{model.name}.{p.name} is frozen at a negative value")
        elif not p.frozen and support(p)[0] < 0:
            reasons.append(f"the prior of {model.name}.{p.name} reaches below zero (set its min = 0)")
    return reasons


def _parts(spectrum: "SpectralModel | None", fixed: bool = False) -> "Iterator[tuple[SpectralModel, bool]]":
    """A spectrum and those that it is made of, and whether their parameters are fixed by one above them."""
    if spectrum is None:
        return
    yield spectrum, fixed
    own = set(spectrum.parameters)
    for key in spectrum.file_parts:
        part = getattr(spectrum, key)
        yield from _parts(part, fixed or not own.issuperset(part.parameters))


def _flux_parameters(spectrum: "SpectralModel") -> list[Parameter]:
    """The parameters to which a spectrum is proportional, and norms."""
    if isinstance(spectrum, CompoundSpectralModel):
        return []
    main = getattr(spectrum, spectrum.flux_parameter, None)
    return [p for p in spectrum.parameters if p is main or role_of(p, spectrum) == "norm"]


def _spectrum(model: "SkyModel", support: Support) -> list[str]:
    """Differences can be negative whatever they are made of, and so can formulas that say so."""
    reasons = []
    for part, fixed in _parts(getattr(model, "spectral_model", None)):
        supports = {p.name: ends(p) if fixed else support(p) for p in part.parameters}
        if part.may_be_negative(supports) or (fixed and any(np.any(p.value < 0) for p in _flux_parameters(part))):
            what = "difference of spectra" if isinstance(part, CompoundSpectralModel) else type(part).__name__
            reasons.append(f"the {what} in model {model.name!r} can fall below zero")
    return reasons


def ends(parameter: Any) -> tuple[float, float]:
    """The present value twice; of a parameter with a shape the lowest and the highest."""
    return float(np.min(parameter.value)), float(np.max(parameter.value))


def _time_dependence(model: "SkyModel", support: Support) -> list[str]:
    temporal = getattr(model, "temporal_model", None)
    if temporal is None or not temporal.may_be_negative({p.name: support(p) for p in temporal.parameters}):
        return []
    return [f"the {type(temporal).__name__} of model {model.name!r} can fall below zero"]


def _spatial_norms(model: "SkyModel", arrays: Any) -> list[str]:
    """Cubic interpolation between positive norms can overshoot below zero, where a weight is negative."""
    spatial: Any = getattr(model, "spatial_model", None)
    if spatial is None or arrays.is_region or all(p.frozen for p in spatial.parameters):
        return []
    coords = arrays.geom.to_image().get_coord().skycoord.transform_to(spatial.frame)
    if not spatial.overshoots(coords.data.lon.deg, coords.data.lat.deg):
        return []
    return [f"the cubic interpolation between the norms of model {model.name!r} can fall below zero (use interp='log')"]
