"""Models of an analysis from its result."""

import json
import math
from typing import TYPE_CHECKING

import numpy as np

from bayesmap._types import Tree
from bayesmap.errors import FormatError, ModelFileError
from bayesmap.modeling.files.yaml import models_from_text

if TYPE_CHECKING:
    from bayesmap.modeling.collection import Models
    from bayesmap.modeling.sky import Component

__all__ = ["models_from_result"]


def models_from_result[M: "Models"](cls: type[M], tree: Tree, statistic: str = "mean") -> M:
    """Return the models that a result describes, at its values; see `Models.from_posterior`."""
    models = cls(_described(tree))
    names = models.parameter_names
    if not any(not p.frozen for p in names):
        return models
    models.set_values(tree, statistic)
    sizes = [math.prod(p.shape) for p in names]
    free = np.concatenate([np.full(size, not p.frozen) for p, size in zip(names, sizes, strict=True)])
    matrix = np.zeros((len(free), len(free)))
    matrix[np.ix_(free, free)] = models.covariance_from(tree).data
    models.covariance = matrix
    return models


def _described(tree: Tree) -> list["Component"]:
    """The models as they were when they were sampled."""
    text = tree.attrs.get("models")
    if not isinstance(text, str):
        raise FormatError(
            "the result does not describe its models: it has no attribute 'models', which bayesmap.sample writes. Set "
            "them up again and use models.set_values(tree)"
        )
    if text.startswith("# not stored"):
        reason = text.removeprefix("# not stored").strip(" :\n")
        raise FormatError(
            f"the result does not hold its models ({reason}). Set them up again and use models.set_values(tree)"
        )
    try:
        return list(models_from_text(text))
    except ModelFileError as error:
        raise FormatError(f"the models of the result{_writer(tree)} cannot be read here: {error}") from error


def _writer(tree: Tree) -> str:
    """Which bayesmap wrote a result, in words."""
    try:
        version = json.loads(tree.attrs.get("versions", "{}")).get("bayesmap")
    except (ValueError, AttributeError):
        version = None
    return f", written by bayesmap {version}," if version else ""
