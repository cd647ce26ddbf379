"""Move the values of a map to other pixels and axes: resample, reproject, add, dot products, random positions."""

from typing import Any

import astropy.units as u
import numpy as np

from bayesmap._util import get_random_state
from bayesmap.maps.coord import MapCoord
from bayesmap.maps.geom import Geom
from bayesmap.maps.map import Map

__all__ = ["coadd", "dot", "reproject_by_image", "reproject_to_geom", "resample", "sample_coord"]


def _factors(m: Map, weights: Map | np.ndarray) -> np.ndarray:
    """Weights as an array that broadcasts against the data."""
    if isinstance(weights, Map):
        m.check_geom(weights, "weighting")
        return weights.data
    return np.asarray(weights)


def coadd(m: Map, map_in: Map, weights: Map | None = None) -> None:
    """Add another map in place; see `Map.coadd`."""
    if not m.unit.is_equivalent(map_in.unit):
        raise u.UnitConversionError(f"a map in '{map_in.unit}' cannot be added to one in '{m.unit}'")
    values = map_in.quantity.to_value(m.unit)
    if weights is not None:
        values = values * _factors(map_in, weights)
    m.fill_by_coord(map_in.geom.get_coord(), values)


def resample(m: Map, geom: Geom, weights: Map | None = None, preserve_counts: bool = True, smooth: bool = False) -> Map:
    """Return the map of `Map.resample`."""
    values = m.data
    if weights is not None:
        values = values * _factors(m, weights)
    idx = np.broadcast_arrays(*geom.coord_to_idx(m.geom.get_coord()))
    inside = np.all([i >= 0 for i in idx], axis=0)
    flat = np.ravel_multi_index(tuple(i[inside] for i in idx[::-1]), geom.data_shape)
    size = int(np.prod(geom.data_shape))
    total = np.bincount(flat, weights=values[inside].astype("float64"), minlength=size)
    number = np.bincount(flat, minlength=size)
    if smooth or not preserve_counts:
        mean = np.divide(total, number, out=np.zeros(size), where=number > 0)
        if preserve_counts and np.nansum(mean) != 0:
            mean *= np.nansum(total) / np.nansum(mean)
        total = mean
    if m.is_mask:
        return m.copy(geom=geom, data=(total > 0).reshape(geom.data_shape))
    return m.copy(geom=geom, data=total.reshape(geom.data_shape).astype(np.result_type(m.data.dtype, "float32")))


def _scale(geom: Any) -> float:
    """Size of the smallest pixel side in deg."""
    image = geom.to_wcs_geom() if geom.is_region else geom
    return float(np.min(image.pixel_scales.deg))


def reproject_to_geom(m: Map, geom: Geom, preserve_counts: bool = False, precision_factor: int = 10) -> Map:
    """Return the map of `Map.reproject_to_geom`."""
    own_axes = geom.to_image().to_cube(list(m.geom.axes))
    if not geom.is_image and geom.axes.names != m.geom.axes.names:
        raise ValueError(f"reproject_to_geom needs the axes {m.geom.axes.names} in this order, got {geom.axes.names}")
    ratio = _scale(geom) / _scale(m.geom)
    fine = m
    if ratio < precision_factor and not m.geom.is_region:
        fine = m.upsample(int(np.ceil(precision_factor / ratio)), preserve_counts=preserve_counts)
    result = resample(fine, own_axes, preserve_counts=preserve_counts, smooth=True)
    if geom.is_image or geom.axes == m.geom.axes:
        return result
    for own, wanted in zip(m.geom.axes, geom.axes, strict=True):
        ratio = float((own.bin_width.min() / wanted.bin_width.min()).to_value(""))
        if ratio < precision_factor:
            factor = int(np.ceil(precision_factor / ratio))
            result = result.upsample(factor, preserve_counts=preserve_counts, axis_name=own.name)
    return resample(result, geom, preserve_counts=preserve_counts, smooth=True)


def reproject_by_image(m: Map, geom: Geom, preserve_counts: bool = False, precision_factor: int = 10) -> Map:
    """Return the map of `Map.reproject_by_image`."""
    if not geom.is_image:
        raise TypeError(f"reproject_by_image needs an image geometry, got {geom!r}")
    cube = geom.to_cube(list(m.geom.axes))
    images = [reproject_to_geom(image, geom, preserve_counts, precision_factor).data for image in m.iter_by_image()]
    return m.copy(geom=cube, data=np.reshape(images, cube.data_shape))


def dot(m: Map, other: Map) -> Map:
    """Return the map of `Map.dot`."""
    if not other.geom.is_region:
        raise TypeError(f"a dot product needs a RegionNDMap on the right, got {type(other).__name__}")
    common = [name for name in m.geom.axes.names if name in other.geom.axes.names]
    if len(common) != 1:
        raise ValueError(
            f"a dot product needs one common axis, the axes are {m.geom.axes.names} and {other.geom.axes.names}"
        )
    name = common[0]
    if m.geom.axes[name] != other.geom.axes[name]:
        raise ValueError(f"a dot product needs equal axes, got {m.geom.axes[name]!r} and {other.geom.axes[name]!r}")
    position = m.geom.axes.index(name)
    inserted = list(other.geom.axes.drop(name))
    axes = [*m.geom.axes[:position], *inserted, *m.geom.axes[position + 1 :]]
    dimension = m.geom.axes.index_data(name)
    matrix = np.moveaxis(other.data[..., 0, 0], other.geom.axes.index_data(name), 0)
    product = np.tensordot(m.data, matrix, axes=(dimension, 0))
    new = range(product.ndim - len(inserted), product.ndim)
    product = np.moveaxis(product, list(new), [dimension + k for k in range(len(inserted))])
    return m.copy(geom=m.geom.to_image().to_cube(axes), data=product, unit=m.unit * other.unit)


def sample_coord(m: Map, n_events: int, random_state: Any = 0) -> MapCoord:
    """Return the coordinates of `Map.sample_coord`."""
    weights = np.nan_to_num(m.data.astype("float64")).ravel()
    if np.any(weights < 0) or not weights.sum() > 0:
        raise ValueError(f"positions are drawn from values that are positive or zero, {m!r} has others or no sum")
    rng = get_random_state(random_state)
    flat = rng.choice(weights.size, size=int(n_events), p=weights / weights.sum())
    idx = np.unravel_index(flat, m.data.shape)[::-1]
    pix = [i + rng.uniform(-0.5, 0.5, size=len(flat)) for i in idx]
    values = m.geom.pix_to_coord(pix)
    return MapCoord(dict(zip(m.geom.axes_names, values, strict=True)), frame=m.geom.frame)
