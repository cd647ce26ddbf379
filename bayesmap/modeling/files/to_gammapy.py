"""Models as Gammapy's objects, with what was learnt about their parameters; the one module that imports Gammapy."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from bayesmap._types import Tree
from bayesmap.modeling.collection import Models
from bayesmap.modeling.files.yaml import models_to_dict

__all__ = ["models_to_gammapy"]


def models_to_gammapy(models: Models, tree: Tree | None = None) -> Any:
    """Return Gammapy's models; see `Models.to_gammapy`."""
    try:
        from gammapy.modeling.models import Models as GammapyModels
    except ImportError as error:
        raise ImportError(f"to_gammapy needs Gammapy, which cannot be imported here: {error}") from error
    covariance = None
    if tree is not None:
        models = models.copy()
        models.set_values(tree)
        covariance = models.covariance_from(tree)
    data: dict[str, Any] = models_to_dict(models, full_output=True)
    try:
        made = GammapyModels.from_dict({"components": data["components"]})
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"Gammapy cannot take over the models {models.names}: {error}") from error
    names = [_name(parameter, left) for model, left in _pairs(made, models) for parameter in model.parameters]
    if left := [model.name for model in models if not model.in_gammapy]:
        warnings.warn(f"Gammapy has no counterpart of the models {', '.join(left)}", UserWarning, stacklevel=3)
    if lost := sorted(set(data["bayesmap"].get("priors", {}))):
        warnings.warn(f"Gammapy has no counterpart of the priors of {', '.join(lost)}", UserWarning, stacklevel=3)
    if covariance is not None:
        index = [covariance.names.index(name) if name in covariance.names else -1 for name in names]
        free = np.array(index) >= 0
        matrix = np.zeros((len(names), len(names)))
        matrix[np.ix_(free, free)] = covariance.data[np.ix_(np.array(index)[free], np.array(index)[free])]
        made.covariance = matrix
    return made


def _pairs(made: Any, models: Models) -> Iterator[tuple[Any, list[tuple[str, str]]]]:
    """Each of Gammapy's models, and of its counterpart the parameters' own and full names."""
    for model in made:
        yield model, [(p.name, models.parameter_names[p]) for p in models[model.name].parameters]


def _name(parameter: Any, left: list[tuple[str, str]]) -> str:
    """Full name of the first parameter with this name that is left, which is taken away."""
    found = next(pair for pair in left if pair[0] == parameter.name)
    left.remove(found)
    return found[1]
