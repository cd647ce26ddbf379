"""How far sources may be from where their priors are centred."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bayesmap.graph import model_at
from bayesmap.inference.listing import prior_median
from bayesmap.modeling.roles import role_of

__all__ = ["reach_of"]


def reach_of(models: Sequence[Any], centre: Mapping[Any, float]) -> dict[str, float]:
    """How far in deg each model may move and grow from the prior centre (99.9 % of each prior).

    Parameters
    ----------
    models : sequence of models
        Those without a shape are left out; parameters without a prior stay.
    centre : mapping of Parameter to float
        See `bayesmap.inference.listing.prior_centre`.

    Returns
    -------
    dict of float
        By the name of the model.
    """
    reach = {}
    for model in models:
        spatial = getattr(model, "spatial_model", None)
        if spatial is None:
            continue
        reach[model.name] = 0.0
        for p in spatial.parameters:
            if not _varies(p) or role_of(p, spatial) != "position":
                continue
            scale = p.scale_to_internal
            if p is spatial.lon_0:
                scale *= float(np.cos(model_at(spatial, centre).position.data.lat.rad))
            reach[model.name] += abs(_upper_end(p) - prior_median(p)) * scale
        reach[model.name] += _growth(spatial, centre)
    return reach


def _varies(parameter: Any) -> bool:
    """Whether a prior says how far a parameter may go."""
    return not parameter.frozen and parameter.prior is not None and parameter.prior.distribution.scipy is not None


def _upper_end(parameter: Any) -> float:
    """99.9 % quantile of a prior within the bounds, in the declared unit."""
    lower, upper = parameter.bounds
    return float(parameter.prior.quantile(0.999, parameter.unit, lower=lower, upper=upper))


def _growth(spatial: Any, centre: Mapping[Any, float]) -> float:
    """How much the evaluation radius (deg) grows when the whole shape goes to the upper ends of its priors."""
    start = model_at(spatial, centre).evaluation_radius
    if start is None:
        return 0.0
    shape = [p for p in spatial.parameters if _varies(p) and role_of(p, spatial) not in ("position", "angle")]
    upper = {p: _upper_end(p) * p.scale_to_internal for p in shape}
    grown = model_at(spatial, {**centre, **upper}).evaluation_radius
    return max(float((grown - start).to_value("deg")), 0.0)
