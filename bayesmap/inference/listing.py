"""Datasets, models and parameters of an analysis, listed once each."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bayesmap.datasets.from_gammapy import from_gammapy, is_foreign
from bayesmap.modeling import Models, parameter_names

__all__ = [
    "as_dataset",
    "as_datasets",
    "dataset_models",
    "parameter_names",
    "prior_centre",
    "prior_median",
    "prior_quantile",
]


def as_datasets(datasets: Any) -> list[Any]:
    """Return a list of datasets with unique names from one dataset or several; those of Gammapy are converted.

    Raises
    ------
    ValueError
        If there is none, or two share a name.
    """
    listed = [datasets] if hasattr(datasets, "stat_sum") and not isinstance(datasets, Sequence) else list(datasets)
    if not listed:
        raise ValueError("no datasets given")
    if any(is_foreign(dataset) for dataset in listed):
        if own := [dataset.name for dataset in listed if not is_foreign(dataset)]:
            raise ValueError(
                f"the datasets {own} are bayesmap's, others are not: convert these with from_gammapy first"
            )
        listed = list(from_gammapy(listed))
    names = [dataset.name for dataset in listed]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"dataset names must be unique, {twice} occur more than once")
    return listed


def as_dataset(dataset: Any) -> Any:
    """Return the dataset, converted if it is one of Gammapy."""
    return from_gammapy(dataset)[0] if is_foreign(dataset) else dataset


def dataset_models(datasets: Sequence[Any]) -> Models:
    """Return the models of all datasets, each once."""
    models: dict[int, Any] = {}
    for dataset in datasets:
        for model in dataset.models or []:
            models[id(model)] = model
    return Models(list(models.values()))


def prior_median(parameter: Any) -> Any:
    """Median of a free parameter's prior inside its bounds, in its declared unit; its value where there is none.

    Of a parameter with a shape an array.
    """
    return prior_quantile(parameter, 0.5)


def prior_quantile(parameter: Any, q: float) -> Any:
    """The same for another quantile."""
    prior = parameter.prior
    if parameter.frozen or prior is None or prior.distribution.scipy is None:
        return parameter.value
    lower, upper = parameter.bounds
    quantile = float(prior.quantile(q, parameter.unit, lower=lower, upper=upper))
    return np.full(parameter.shape, quantile) if parameter.shape else quantile


def prior_centre(models: Sequence[Any]) -> dict[Any, float]:
    """Medians of the priors of all spatial parameters, in internal units; of frozen ones their values."""
    shapes = [m.spatial_model for m in models if getattr(m, "spatial_model", None) is not None]
    return {p: prior_median(p) * p.scale_to_internal for shape in shapes for p in shape.parameters}
