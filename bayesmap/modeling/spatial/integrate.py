"""Integrals of spatial models over the pixels of a map, as numbers."""

from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from bayesmap.maps import Map, RegionGeom, WcsGeom
from bayesmap.modeling.spatial.base import SpatialModel
from bayesmap.modeling.spatial.point import PointSpatialModel

__all__ = ["integrate_geom"]

_MAX_FACTOR = 200
_REGION_PIXELS = 60  # across a region
_CHUNK = 500_000  # positions evaluated at once
_ROUGH = 8  # more sub-pixels along an axis where a template has an edge
_GAUSS = np.polynomial.legendre.leggauss(3)


def integrate_geom(model: SpatialModel, geom: WcsGeom | RegionGeom, oversampling_factor: int | None = None) -> Map:
    """Return a spatial model integrated over pixels or a region; see `SpatialModel.integrate_geom`."""
    if isinstance(geom, RegionGeom):
        return _over_region(model, geom, oversampling_factor)
    if isinstance(model, PointSpatialModel):
        return _on_geom(geom, _bilinear(model, geom), u.dimensionless_unscaled)
    values = model.evaluate_geom(geom)
    data = np.array(np.broadcast_to(values.value, (*values.shape[:-2], *geom.data_shape[-2:])))
    offsets, weights = _nodes(model, geom, oversampling_factor)
    if len(offsets) > 1:
        _refine(model, geom, data, offsets, weights, _near(model, geom.to_image()))
    rough = model._rough_pixels(geom.to_image()) if oversampling_factor is None else None
    if rough is not None:
        _refine(model, geom, data, *_sub_pixels(_number(model, geom) + _ROUGH), rough)
    data *= geom.to_image().solid_angle().to_value("sr")
    return _on_geom(geom, data, values.unit * u.sr)


def _over_region(model: SpatialModel, geom: RegionGeom, factor: int | None) -> Map:
    """Sum over a grid that covers the region, weighted with the share of each pixel that lies in it."""
    image = geom.to_image()
    if image.region is None or image.is_all_point_sky_regions:
        raise ValueError(f"{type(model).__name__}: a region without an area has no integral, got {image.region}")
    grid = image.to_binsz_wcs(image.width.min() / _REGION_PIXELS).to_wcs_geom()
    share: Any = grid.region_weights([image.region])
    weights = share.data
    if model.is_energy_dependent:
        grid = grid.to_cube([geom.axes["energy_true"]])
    values = integrate_geom(model, grid, factor)
    sums = np.where(weights > 0, values.data * weights, 0.0).sum(axis=(-2, -1), keepdims=True)
    return _on_geom(geom, sums, values.unit)


def _on_geom(geom: WcsGeom | RegionGeom, data: np.ndarray, unit: u.UnitBase) -> Map:
    data = np.array(np.broadcast_to(data, geom.data_shape))
    return Map.from_geom(geom, data=data, unit=unit)


def _nodes(model: SpatialModel, geom: WcsGeom, factor: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Positions in units of a pixel and weights along one axis of a pixel."""
    if factor is not None:
        if factor < 1:
            raise ValueError(f"oversampling_factor must be at least 1, got {factor!r}")
        return (np.arange(factor) + 0.5) / factor - 0.5, np.full(factor, 1 / factor)
    n = _number(model, geom)
    return _sub_pixels(n) if n else (np.zeros(1), np.ones(1))


def _number(model: SpatialModel, geom: WcsGeom) -> int:
    """Number of sub-pixels along one axis that resolve the model; zero if it has no structure."""
    structure = model._structure
    if structure is None:
        return 0
    pixel = geom.pixel_scales.to_value("deg").max()
    size = structure.to_value("deg")
    return int(np.clip(np.ceil(pixel / size), 1, _MAX_FACTOR)) if size > 0 else _MAX_FACTOR


def _sub_pixels(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights in n sub-pixels along one axis of a pixel."""
    centers = (np.arange(n) + 0.5) / n - 0.5
    return (centers[:, None] + 0.5 * _GAUSS[0] / n).ravel(), np.tile(0.5 * _GAUSS[1] / n, n)


def _refine(
    model: SpatialModel, geom: WcsGeom, data: np.ndarray, offsets: np.ndarray, weights: np.ndarray, where: np.ndarray
) -> None:
    """Replace, in place, the values of some pixels by their means over sub-pixels."""
    image = geom.to_image()
    dx, dy = (grid.ravel() for grid in np.meshgrid(offsets, offsets))
    weight = np.outer(weights, weights).ravel()
    axes = geom.axes
    energy = axes["energy_true"].center[:, None, None] if model.is_energy_dependent else None
    rows, columns = np.nonzero(where)
    size = max(1, _CHUNK // len(dx))
    for start in range(0, len(rows), size):
        y, x = rows[start : start + size], columns[start : start + size]
        lon, lat = image.pix_to_coord((x[:, None] + dx, y[:, None] + dy))
        lon, lat = model._lonlat(SkyCoord(lon, lat, frame=image.frame))
        values = model(lon * u.deg, lat * u.deg, energy).value
        data[..., y, x] = values @ weight


def _near(model: SpatialModel, image: WcsGeom) -> np.ndarray:
    """Pixels that the evaluation radius touches."""
    if model.evaluation_radius is None or model.position is None:
        return np.ones(image.data_shape, dtype=bool)
    reach = model.evaluation_radius + np.hypot(*image.pixel_scales)
    near: np.ndarray = image.get_coord().skycoord.separation(model.position) <= reach
    return near


def _bilinear(model: PointSpatialModel, geom: WcsGeom) -> Any:
    """Map that shares one count among the four pixels around the source."""
    image = geom.to_image()
    data = np.zeros(image.data_shape)
    x, y = (float(pix) for pix in image.coord_to_pix(model.position))
    if not (np.isfinite(x) and np.isfinite(y)):
        return data
    for i in (int(np.floor(x)), int(np.floor(x)) + 1):
        for j in (int(np.floor(y)), int(np.floor(y)) + 1):
            if 0 <= i < data.shape[1] and 0 <= j < data.shape[0]:
                data[j, i] = max(0.0, 1 - abs(x - i)) * max(0.0, 1 - abs(y - j))
    return data
