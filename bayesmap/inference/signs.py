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
        for p in model.parameters:
            if not (p.name in ("amplitude", "const", "value") or p.name.startswith("norm")):
                continue
            if p.frozen and p.value < 0:
                reasons.append(f"{model.name}.{p.name} is frozen at a negative value")
            elif not p.frozen and max(p.bounds[0], p.prior.support(p.unit)[0]) < 0:
                reasons.append(f"the prior of {model.name}.{p.name} reaches below zero (set its min = 0)")
    return reasons
