"""Predicted counts, residuals and fit statistic of a map dataset, as numbers.

The prediction is that of `bayesmap.graph`, evaluated at the current parameter values.
"""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmap import graph
from bayesmap._util import check_option, suggest
from bayesmap.maps import LabelMapAxis, Map
from bayesmap.modeling.sky import Component as ModelComponent

if TYPE_CHECKING:
    from bayesmap.datasets.map import MapDataset

__all__ = [
    "RESIDUALS",
    "compute_residuals",
    "npred",
    "npred_background",
    "npred_signal",
    "residuals",
    "stat_array",
]

#: predictions below this fraction of the largest count as rounding
ROUNDING = 1e-6

RESIDUALS = {
    "diff": lambda data, model: data - model,
    "diff/model": lambda data, model: (data - model) / model,
    "diff/sqrt(model)": lambda data, model: (data - model) / np.sqrt(model),
}


def signal_models(dataset: "MapDataset", model_names: Sequence[str] | str | None = None) -> list[Any]:
    """Models of the dataset that predict counts of their own, or those with the given names."""
    models = [m for m in dataset.models or () if m.contribution in ("flux", "counts")]
    if model_names is None:
        return models
    wanted = [model_names] if isinstance(model_names, str) else list(model_names)
    by_name = {model.name: model for model in models}
    for name in wanted:
        if name not in by_name:
            raise KeyError(f"dataset {dataset.name!r} has no sky model {name!r}{suggest(name, by_name)}")
    return [by_name[name] for name in wanted]


def npred_signal(
    dataset: "MapDataset", model_names: Sequence[str] | str | None = None, stack: bool = True, model: Any = None
) -> Map:
    """Predicted counts of the sky models; see `MapDataset.npred_signal`."""
    if isinstance(model_names, ModelComponent):
        model_names, model = None, model_names
    if model is not None and model_names is not None:
        raise ValueError(f"dataset {dataset.name!r}: give either the names of models or a model, not both")
    models = signal_models(dataset, model_names) if model is None else [model]
    geom = dataset._geom
    responses = [m for m in dataset.models or () if m.contribution == "response"]
    parts = graph.signal_counts(dataset, [*models, *responses]) if models else {}
    if not stack and models:
        names = [model.name for model in models]
        stacked = geom.to_image().to_cube([*geom.axes, LabelMapAxis(labels=names, name="models")])
        return Map.from_geom(stacked, data=np.stack([parts[name] for name in names]), unit="")
    total = np.zeros(geom.data_shape)
    for part in parts.values():
        total += part
    return Map.from_geom(geom, data=total, unit="")


def npred_background(dataset: "MapDataset") -> Map | None:
    """Predicted background counts, or None without a background; see `MapDataset.npred_background`."""
    if dataset.background is None:
        return None
    models = dataset.models or ()
    plain = not any(model.contribution == "background" for model in models)
    counts = dataset.background.data if plain else graph.background_counts(dataset, models)
    return Map.from_geom(dataset._geom, data=np.asarray(counts, dtype="float64"), unit="")


def npred(dataset: "MapDataset") -> Map:
    """Total predicted counts, negative values set to zero; see `MapDataset.npred`."""
    return clipped_total(dataset, npred_signal(dataset), dataset.npred_background())


def clipped_total(dataset: "MapDataset", signal: Map, background: Map | None) -> Map:
    """Sum of two predictions with negative values set to zero, and a warning if they are more than rounding.

    Where the likelihood of the dataset allows them they stay.
    """
    total = signal.data if background is None else signal.data + background.data
    if dataset.likelihood.allows_negative:
        return Map.from_geom(signal.geom, data=total, unit="")
    serious = total < -ROUNDING * np.abs(total).max(initial=0)
    if serious.any():
        warnings.warn(
            f"dataset {dataset.name!r}: the predicted counts are negative in {int(serious.sum())} bins (sum "
            f"{total[serious].sum():.4g}); npred() sets them to zero",
            UserWarning,
            stacklevel=4,
        )
    return Map.from_geom(signal.geom, data=np.where(total < 0, 0.0, total), unit="")


def compute_residuals(data: Map | np.ndarray, model: Map | np.ndarray, method: str = "diff") -> Map | np.ndarray:
    """Residuals of data and model, maps or arrays of equal shape.

    Parameters
    ----------
    data, model : `~bayesmap.maps.Map` or numpy.ndarray
        Counts and predicted counts.
    method : {"diff", "diff/model", "diff/sqrt(model)"}
        Normalisation.

    Returns
    -------
    `~bayesmap.maps.Map` or numpy.ndarray
        Residuals; not finite where the model is zero and the method divides by it.

    Raises
    ------
    ValueError
        If the method is unknown.
    """
    check_option("method", method, RESIDUALS)
    with np.errstate(invalid="ignore", divide="ignore"):
        if isinstance(data, Map):
            return Map.from_geom(data.geom, data=RESIDUALS[method](data.data, model.data), unit="")
        return RESIDUALS[method](data, model)


def residuals(dataset: "MapDataset", method: str = "diff", **kwargs: Any) -> Map:
    """Residual map, NaN outside the mask; see `MapDataset.residuals`."""
    check_option("method", method, RESIDUALS)
    require_counts(dataset, "residuals")
    mask = dataset.mask
    maps = {"counts": dataset.counts.data.astype("float64"), "npred": npred(dataset).data}
    if mask is not None:
        maps = {key: np.where(mask.data, data, 0.0) for key, data in maps.items()}
    maps_of: Any = (Map.from_geom(dataset._geom, data=maps[key], unit="") for key in ("counts", "npred"))
    counts, model = maps_of
    if kwargs:
        kwargs = {"mode": "constant", "width": "0.1 deg", "kernel": "gauss", **kwargs}
        counts, model = counts.smooth(**kwargs), model.smooth(**kwargs)
        if mask is not None:
            weights: Any = Map.from_geom(mask.geom, data=mask.data.astype("float64"), unit="")
            weight = weights.smooth(**kwargs).data
            with np.errstate(invalid="ignore", divide="ignore"):
                counts.data, model.data = counts.data / weight, model.data / weight
    result: Any = compute_residuals(counts, model, method)
    if mask is not None:
        result.data[~mask.data] = np.nan
    return result


def stat_array(dataset: "MapDataset", total: Map | None = None) -> np.ndarray:
    """Fit statistic per bin, of a total prediction if it is at hand; see `MapDataset.stat_array`."""
    require_counts(dataset, "the fit statistic")
    total = npred(dataset) if total is None else total
    return dataset.likelihood.stat_array(dataset.counts.data.astype("float64"), total.data)


def require_counts(dataset: "MapDataset", purpose: str) -> None:
    """Raise a ValueError that names the dataset unless it has counts."""
    if dataset.counts is None:
        raise ValueError(f"dataset {dataset.name!r} has no counts; {purpose} needs them (assign or fake() them first)")
