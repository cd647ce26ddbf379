"""Which sky models contribute to a part of the sky, their outlines, and templates made of several of them."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from bayesmap._lazy import coordinates
from bayesmap._types import QuantityLike, Region
from bayesmap.modeling.sky import SkyModel
from bayesmap.modeling.spatial import TemplateSpatialModel
from bayesmap.modeling.spectral import PowerLawNormSpectralModel, SpectralModel, TemplateSpectralModel

if TYPE_CHECKING:
    from astropy.wcs import WCS

    from bayesmap.maps import WcsGeom

__all__ = [
    "contributes",
    "in_mask",
    "in_region",
    "positions",
    "regions_of",
    "template_sky_model",
    "template_spectral_model",
]

#: what Gammapy adds to the width of the square around a source
CUTOUT_MARGIN = 0.1 * u.deg


def contributes(model: "SkyModel", mask: Any, margin: QuantityLike = "0 deg") -> bool:
    """Return the answer of `SkyModel.contributes`."""
    if model.spatial_model is None or model.position is None:
        return True
    if not mask.geom.is_image:
        mask = mask.reduce_over_axes(func=np.logical_or)
    geom = mask.geom
    if geom.is_region and geom.region is not None:
        if geom.is_all_point_sky_regions:
            return True
        mask = geom.to_wcs_geom().region_mask([geom.region])
    radius = model.evaluation_radius
    if radius is None:
        return bool(mask.data.any())
    try:
        part = mask.cutout(position=model.position, width=2 * radius + CUTOUT_MARGIN + u.Quantity(margin))
    except ValueError:  # no overlap
        return False
    return bool(part.data.any())


def _sky_models(models: Iterable[Any]) -> list[SkyModel]:
    return [model for model in models if "sky-model" in model.tag]


def in_mask(models: Iterable[Any], mask: Any, margin: QuantityLike, use_evaluation_region: bool) -> list[SkyModel]:
    """Return the models of `Models.select_mask`."""
    if not mask.geom.is_image:
        mask = mask.reduce_over_axes(func=np.logical_or)
    if use_evaluation_region:
        return [model for model in _sky_models(models) if model.contributes(mask=mask, margin=margin)]
    return [m for m in _sky_models(models) if m.position is not None and np.any(mask.get_by_coord(m.position, 0) == 1)]


def in_region(models: Iterable[Any], regions: Sequence[Region], wcs: "WCS | None" = None) -> list[SkyModel]:
    """Return the models of `Models.select_region`."""
    from bayesmap.maps import RegionGeom

    geom: RegionGeom = RegionGeom.from_regions(regions, wcs=wcs)
    return [m for m in _sky_models(models) if m.position is not None and np.all(geom.contains(m.position))]


def positions(models: Iterable[Any]) -> "coordinates.SkyCoord":
    """Return the positions of `Models.positions`."""
    found = [model.position.icrs for model in _sky_models(models) if model.position is not None]
    return coordinates.SkyCoord(found) if found else coordinates.SkyCoord([], [], unit="deg", frame="icrs")


def regions_of(models: Iterable[Any], size_factor: float | None = None, **kwargs: Any) -> list[SkyModel]:
    """Return the regions of `Models.to_regions`."""
    settings = kwargs if size_factor is None else kwargs | {"size_factor": size_factor}
    return [m.spatial_model.to_region(**settings) for m in _sky_models(models) if m.spatial_model is not None]


def template_sky_model(
    models: Iterable[Any], geom: "WcsGeom", spectral_model: SpectralModel | None = None, name: str | None = None
) -> SkyModel:
    """Return the model of `Models.to_template_sky_model`."""
    from bayesmap.maps import Map

    unit = u.Unit("cm-2 s-1 sr-1 TeV-1")
    total = np.zeros(geom.data_shape)
    for model in models:
        total = total + model.evaluate_geom(geom).to_value(unit)
    template = TemplateSpatialModel(Map.from_geom(geom, data=total, unit=unit), normalize=False)
    return SkyModel(spectral_model or PowerLawNormSpectralModel(), template, name=name)


def template_spectral_model(models: Iterable[Any], geom: "WcsGeom", mask: Any = None) -> TemplateSpectralModel:
    """Return the spectrum of `Models.to_template_spectral_model`."""
    axis = geom.axes[0]
    if mask is not None and mask.geom != geom:
        mask = mask.interp_to_geom(geom)
    inside = np.ones(geom.data_shape, dtype=bool) if mask is None else mask.data
    total = 0
    for model in models:
        image = model.spatial_model.integrate_geom(geom if model.spatial_model.is_energy_dependent else geom.to_image())
        share = np.where(np.isfinite(image.data), image.data, 0) * inside
        total = total + model.spectral_model(axis.center) * share.sum(axis=(1, 2)) * image.unit
    return TemplateSpectralModel(axis.center, total)
