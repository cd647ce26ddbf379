"""Checks of a whole dataset: what a single component cannot know."""

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmap._util import suggest
from bayesmap.datasets.acceptance import is_on_off
from bayesmap.stats.correlation import neighbours_share_counts

if TYPE_CHECKING:
    from bayesmap.datasets.map import MapDataset

__all__ = [
    "check_for_inference",
    "distance_outside",
    "warn_correlated_off",
    "warn_outside_field",
    "warn_unknown_datasets",
]

#: a region that holds less than this share of a source is no region for its spectrum
CONTAINED = 0.9
#: pixels across a region in which sources are added up for that
N_PIXEL = 40


def check_for_inference(dataset: "MapDataset") -> None:
    """Raise unless a posterior can be asked of the dataset.

    Parameters
    ----------
    dataset : `bayesmap.datasets.MapDataset`
        A dataset that is about to be sampled.

    Raises
    ------
    ValueError
        If it has no counts, if its mask excludes all bins, if components hold impossible values inside the mask
        (for example after a change in place), or if it has neither models nor a background.
    """
    if dataset.counts is None:
        raise ValueError(f"dataset {dataset.name!r} has no counts; assign or fake() them first")
    if dataset.mask is not None and not dataset.mask.data.any():
        raise ValueError(
            f"dataset {dataset.name!r}: the mask excludes all bins, nothing can be learnt from it; "
            "check mask_safe and mask_fit"
        )
    if not dataset.models and dataset.background is None:
        raise ValueError(f"dataset {dataset.name!r} has neither models nor a background; assign dataset.models first")
    for name, component in dataset.components.items():
        value = getattr(dataset, name)
        if value is not None:
            component.role.check(dataset, name, value)


def reach(dataset: "MapDataset", model: Any) -> float:
    """How far from its centre, in deg, a model predicts counts: its own radius and that of the PSF."""
    radius = model.spatial_model.evaluation_radius
    size = 0.0 if radius is None else float(radius.to_value("deg"))
    psf = dataset.psf
    if psf is None:
        return size
    energy = psf.psf_map.geom.axes[psf.energy_name].center
    containment = psf.containment_radius(0.99, energy, dataset._geom.center_skydir).to_value("deg")
    containment = containment[np.isfinite(containment)]
    return size + (float(containment.max()) if containment.size else 0.0)


def distance_outside(dataset: "MapDataset", model: Any) -> tuple[float, float] | None:
    """How far the source of a model lies outside the field if none of its counts can fall into it.

    Parameters
    ----------
    dataset : `bayesmap.datasets.MapDataset`
        The dataset.
    model : `bayesmap.modeling.SkyModel`
        A model; one without a position is never outside.

    Returns
    -------
    tuple of float or None
        Distance from the nearest pixel and reach of the source (its extent and the 99 % containment of the PSF), in
        deg; None if it may reach into the field, or if the dataset is a spectrum without PSF, which counts all of it.
    """
    spatial = getattr(model, "spatial_model", None)
    position = (
        getattr(spatial, "position", None) if spatial is not None and "lon_0" in spatial.parameters.names else None
    )
    if position is None or not dataset._geom.axes.names:
        return None
    image = dataset._geom.to_image()
    if image.is_region and (image.region is None or dataset.psf is None):
        return None
    if bool(np.all(image.contains(position))):
        return None
    distance = float(image.separation(position).min().to_value("deg"))
    limit = reach(dataset, model)
    return (distance, limit) if distance > limit else None


def _warn_unused_shape(dataset: "MapDataset", model: Any) -> None:
    """Warn if a spectrum without PSF, which counts all of a source, is of a region that holds but a part of it."""
    share = _share_inside(dataset._geom.to_image(), getattr(model, "spatial_model", None))
    if share < CONTAINED:
        warnings.warn(
            f"dataset {dataset.name!r}: its region holds {100 * share:.0f} % of the source of model {model.name!r}, "
            "but the dataset has no PSF, so the spatial model is not used and the whole flux is counted; leave out the "
            "model or its spatial model, or keep the PSF (to_region_map_dataset)",
            UserWarning,
            stacklevel=5,
        )


def _share_inside(image: Any, spatial: Any) -> float:
    """Share of a source inside a region, without PSF; one where there is no position or no region with an area."""
    position = getattr(spatial, "position", None)
    if position is None or image.region is None or image.is_all_point_sky_regions:
        return 1.0
    if spatial.evaluation_radius is None or "lon_0" not in spatial.parameters.names:
        return 1.0
    if not spatial.evaluation_radius > 0:
        return float(np.all(image.contains(position)))
    pixels = image.to_binsz_wcs(image.width.min() / N_PIXEL).to_wcs_geom()
    weights = pixels.region_weights([image.region]).data
    return float(np.sum(spatial.integrate_geom(pixels).quantity.to_value("") * weights))


def warn_outside_field(dataset: "MapDataset", model: Any) -> None:
    """Warn if no count of the model can fall into the dataset; see `distance_outside`.

    Parameters
    ----------
    dataset : `bayesmap.datasets.MapDataset`
        The dataset.
    model : `bayesmap.modeling.SkyModel`
        A model.

    Warns
    -----
    UserWarning
        If the source, with its extent and the 99 % containment of the PSF, lies outside the field. A spectrum without
        PSF does not use the spatial model; then, if the region holds less than 90 % of the source.
    """
    if dataset._geom.is_region and dataset.psf is None:
        _warn_unused_shape(dataset, model)
    outside = distance_outside(dataset, model)
    if outside is not None:
        position = model.spatial_model.position
        warnings.warn(
            f"dataset {dataset.name!r}: the source of model {model.name!r} at ({position.data.lon.deg:.3f}, "
            f"{position.data.lat.deg:.3f}) deg ({position.frame.name}) lies {outside[0]:.2f} deg outside the field and "
            f"reaches {outside[1]:.2f} deg; it predicts no counts here",
            UserWarning,
            stacklevel=4,
        )


def warn_correlated_off(dataset: "MapDataset", mask: np.ndarray | None = None, stacklevel: int = 3) -> None:
    """Warn if the OFF counts of neighbouring pixels are the same events, as those of a ring background.

    Parameters
    ----------
    dataset : `bayesmap.datasets.MapDatasetOnOff`
        The dataset.
    mask : numpy.ndarray, optional
        Bins to be looked at; by default those in ``mask_safe``.
    stacklevel : int
        As of `warnings.warn`, counted from here.

    Warns
    -----
    UserWarning
        Naming the dataset.
    """
    if not is_on_off(dataset) or dataset.counts_off is None or dataset._geom.is_region:
        return
    if mask is None and dataset.mask_safe is not None:
        mask = dataset.mask_safe.data
    if neighbours_share_counts(dataset.counts_off.data, mask):
        warnings.warn(
            f"dataset {dataset.name!r}: the OFF counts of neighbouring pixels are correlated, as those of a ring "
            "background, which counts each event in many pixels; sums over pixels are no Poisson numbers and the "
            "background seems better known than it is. Measure the background in an OFF region or with a model",
            UserWarning,
            stacklevel=stacklevel,
        )


def warn_unknown_datasets(models: Iterable[Any], names: Sequence[str]) -> None:
    """Warn of models that are for datasets which do not exist.

    Parameters
    ----------
    models : iterable of models
        Models that are assigned.
    names : sequence of str
        Names of the datasets that they are assigned to.

    Warns
    -----
    UserWarning
        Naming the models and the datasets that they are for.
    """
    for model in models:
        wanted = model.datasets_names or ()
        unknown = [name for name in wanted if name not in names]
        if not unknown:
            continue
        lost = "applies nowhere and is left out" if len(unknown) == len(wanted) else "applies to the others only"
        warnings.warn(
            f"model {model.name!r} is for the dataset(s) {', '.join(map(repr, unknown))}, which do not exist"
            f"{suggest(unknown[0], names)}; it {lost}",
            UserWarning,
            stacklevel=3,
        )
