"""Which terms of a prediction may become negative: the fast form of the likelihood holds only where none can."""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["negative_terms"]


def negative_terms(models: Sequence[Any], arrays: Any) -> list[str]:
    """Name what can become negative in the support of the priors, and what to do about it.

    Parameters
    ----------
    models : sequence of models
        Those that apply to a dataset; free parameters have priors.
    arrays : FoldArrays
        The dataset.

    Returns
    -------
    list of str
        One phrase per reason; empty if no term can be negative in any bin.
    """
    reasons = []
    if arrays.background is not None and arrays.background[arrays.mask].min() < 0:
        reasons.append("the background has negative bins inside the mask")
    for model in models:
        template = getattr(model, "map", None) or getattr(getattr(model, "spatial_model", None), "map", None)
        if template is not None and np.nanmin(template.data) < 0:
            reasons.append(f"the template of model {model.name!r} has negative values")
        reasons += _spatial_norms(model, arrays) + _time_dependence(model)
        for p in model.parameters:
            if not (p.name in ("amplitude", "const", "value") or p.name.startswith("norm")):
                continue
            if p.frozen and p.value < 0:
                reasons.append(f"{model.name}.{p.name} is frozen at a negative value")
            elif not p.frozen and max(p.bounds[0], p.prior.support(p.unit)[0]) < 0:
                reasons.append(f"the prior of {model.name}.{p.name} reaches below zero (set its min = 0)")
    return reasons


def _support(parameter: Any) -> tuple[float, float]:
    """Lowest and highest value that a parameter can have, in its declared unit."""
    if parameter.frozen:
        return parameter.value, parameter.value
    low, high = parameter.prior.support(parameter.unit)
    return max(low, parameter.bounds[0]), min(high, parameter.bounds[1])


def _time_dependence(model: Any) -> list[str]:
    temporal = getattr(model, "temporal_model", None)
    if temporal is None or not temporal.may_be_negative({p.name: _support(p) for p in temporal.parameters}):
        return []
    return [f"the {type(temporal).__name__} of model {model.name!r} can fall below zero"]


def _spatial_norms(model: Any, arrays: Any) -> list[str]:
    """Cubic interpolation between positive norms can overshoot below zero, where a weight is negative."""
    spatial: Any = getattr(model, "spatial_model", None)
    if "piecewise-norm" not in getattr(spatial, "tag", ()) or spatial.interp == "log" or arrays.is_region:
        return []
    coords = arrays.geom.to_image().get_coord().skycoord.transform_to(spatial.frame)
    lowest = np.nanmin(spatial.weights(coords.data.lon.deg, coords.data.lat.deg))
    if lowest >= -1e-9 or all(p.frozen for p in spatial.parameters):
        return []
    return [f"the cubic interpolation between the norms of model {model.name!r} can fall below zero (use interp='log')"]
