"""Models at other values than their own: what is computed at a place leaves shared parameters alone."""

import copy
from collections.abc import Mapping
from typing import Any

from bayesmap.modeling import Parameter

__all__ = ["model_at"]


def model_at(model: Any, values: Mapping[Parameter, float]) -> Any:
    """Return a copy of a model in which some parameters have other values.

    Parameters
    ----------
    model : ModelBase
        A spectral, spatial or temporal model; it and its parameters are not changed. Its data (maps, tables) are shared
        with the copy.
    values : Mapping of Parameter to float
        In internal units; parameters that the model does not have are ignored.

    Returns
    -------
    ModelBase
        The model itself if it has none of the parameters.
    """
    own = {p: values[p] for p in model.parameters if p in values}
    if not own:
        return model
    # What a deep copy finds in its memo it takes as it is.
    memo: dict[int, Any] = {id(p): p.at(value / p.scale_to_internal) for p, value in own.items()}
    kept = [x for x in vars(model).values() if not (hasattr(x, "parameters") or isinstance(x, Parameter))]
    return copy.deepcopy(model, memo | {id(x): x for x in kept})
