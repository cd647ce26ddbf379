"""Values of an image in a region, as a map on that region."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np

from bayesmap._util import check_option
from bayesmap.maps.axes import MapAxis
from bayesmap.maps.map import Map
from bayesmap.maps.region import RegionGeom
from bayesmap.maps.region_tools import as_regions, simple_regions

if TYPE_CHECKING:
    from bayesmap.maps.wcs_map import WcsNDMap

__all__ = ["cutout_and_mask_region", "histogram_in_region", "mask_contains_region", "region_pixels", "to_region_nd_map"]


def to_region_nd_map(
    m: "WcsNDMap",
    region: object = None,
    func: Callable = np.nansum,
    weights: Map | None = None,
    method: str = "nearest",
) -> Map:
    """Return the map of `WcsNDMap.to_region_nd_map`."""
    check_option("method", method, ("nearest", "linear"))
    if weights is not None:
        m.check_geom(weights, "to_region_nd_map with weights")
    region = m.geom.footprint_rectangle_sky_region if region is None else region
    geom = RegionGeom.create(region, axes=m.geom.axes, wcs=m.geom.wcs)
    is_point = geom.is_all_point_sky_regions
    data = _at_points(m, geom, weights, method) if is_point else _in_region(m, geom, func, weights)
    return Map.from_geom(geom, data=data.reshape(geom.data_shape), unit=m.unit, meta=dict(m.meta))


def _at_points(m: "WcsNDMap", geom: RegionGeom, weights: Map | None, method: str) -> np.ndarray:
    """Values at the centre of points."""
    center = geom.center_skydir
    if not np.all(m.geom.to_image().contains(center)):
        raise ValueError(f"the position {center.to_string('decimal')} deg ({geom.frame}) is outside of {m.geom!r}")
    coords = geom.get_coord()
    data = m.interp_by_coord(coords, method=method)
    if weights is not None:
        data = data * weights.interp_by_coord(coords, method=method)
    return data.astype(m.data.dtype)


def _in_region(m: "WcsNDMap", geom: RegionGeom, func: Callable, weights: Map | None) -> np.ndarray:
    """A function of the values in all pixels with centres in the region; pixels where a mask is False are left out."""
    inside = region_pixels(m, geom.region)
    values = m.data[..., inside]
    keep = np.ones(values.shape, dtype=bool)
    if weights is not None and weights.is_mask:
        keep = weights.data[..., inside]
    elif weights is not None:
        values = values * weights.data[..., inside].astype(values.dtype)
    data = np.zeros(values.shape[:-1], dtype=m.data.dtype)
    for index in np.ndindex(data.shape):
        if keep[index].any():
            data[index] = func(values[index][keep[index]])
    return data


def region_pixels(m: "WcsNDMap", region: object) -> np.ndarray:
    """Return which pixels of an image have their centre in a region, shape ``(lat, lon)``.

    Raises
    ------
    ValueError
        If there is none.
    """
    inside = m.geom.to_image().region_mask(region).data
    if not inside.any():
        raise ValueError(f"no pixel of {m.geom!r} has its centre in the region {region!r}")
    return inside


def cutout_and_mask_region[M: WcsNDMap](m: M, region: object = None) -> tuple[M, Map]:
    """Return the maps of `WcsNDMap.cutout_and_mask_region`."""
    region = m.geom.footprint_rectangle_sky_region if region is None else region
    geom = RegionGeom.create(region, wcs=m.geom.wcs)
    part = m.cutout(position=geom.center_skydir, width=tuple(geom.width))
    return part, part.geom.to_image().region_mask([region])


def histogram_in_region(
    m: "WcsNDMap", region: object = None, bins_axis: MapAxis | None = None, nbin: int = 100, density: bool = False
) -> Map:
    """Return the map of `WcsNDMap.to_region_nd_map_histogram`."""
    region = m.geom.footprint_rectangle_sky_region if region is None else region
    geom = RegionGeom.create(region, axes=m.geom.axes, wcs=m.geom.wcs)
    if geom.is_all_point_sky_regions:
        raise ValueError("to_region_nd_map_histogram needs a region with an extent, got a point")
    values = m.data[..., region_pixels(m, geom.region)]
    if bins_axis is None:
        bound = np.abs(values).max()
        bins_axis = MapAxis.from_bounds(-bound, bound, nbin=nbin, interp="lin", unit=m.unit, name="bins")
    edges = bins_axis.edges.to_value(m.unit)
    data = np.apply_along_axis(_histogram, -1, values, edges, True if density else None)
    geom = RegionGeom(geom.region, axes=[bins_axis, *m.geom.axes], wcs=m.geom.wcs)
    return Map.from_geom(geom, data=data.reshape(geom.data_shape), unit=1 / m.unit if density else "")


def _histogram(values: np.ndarray, edges: np.ndarray, density: Literal[True] | None) -> np.ndarray:
    return np.histogram(values, bins=edges, density=density)[0]


def mask_contains_region(m: "WcsNDMap", region: object) -> bool:
    """Return the answer of `WcsNDMap.mask_contains_region`."""
    if not m.is_mask or not m.geom.is_image:
        raise ValueError(f"mask_contains_region needs a boolean image, got {m!r}")
    parts = [part for one in as_regions(region) for part in simple_regions(one)]
    wide = m.pad(1, mode="constant", cval=False)
    inside = wide.geom.region_mask(parts)
    return bool(np.all(wide.data[inside.data])) and bool(inside.data.any())
