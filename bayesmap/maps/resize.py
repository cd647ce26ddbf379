"""Cut, pad, rebin and resample the pixels of a map."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import scipy
from astropy.coordinates import SkyCoord

from bayesmap._util import check_option
from bayesmap.maps.access import interpolate
from bayesmap.maps.geom import Geom
from bayesmap.maps.map import Map
from bayesmap.maps.wcs_tools import int_pair

__all__ = ["crop", "cutout", "downsample", "interp_to_geom", "pad", "upsample"]


def cutout[M: Map](
    m: M, position: SkyCoord, width: object, mode: str = "trim", odd_npix: bool = False, min_npix: int = 1
) -> M:
    """Return the map of `WcsNDMap.cutout`."""
    geom = m.geom.cutout(position, width, mode, odd_npix, min_npix)
    slices = geom.cutout_slices(m.geom)
    data = np.zeros(geom.data_shape, dtype=m.data.dtype)
    data[(..., *slices["cutout-slices"])] = m.data[(..., *slices["parent-slices"])]
    return m.copy(geom=geom, data=data)


def pad[M: Map](
    m: M, pad_width: int | tuple[int, int], axis_name: str | None = None, mode: str = "constant", cval: float = 0
) -> M:
    """Return the map of `WcsNDMap.pad`."""
    check_option("mode", mode, ("constant", "edge", "reflect", "wrap", "symmetric"))
    geom = m.geom.pad(pad_width, axis_name)
    widths = [(0, 0)] * m.data.ndim
    pair = int_pair("pad_width", pad_width)
    if axis_name is None:
        widths[-1], widths[-2] = (pair[0], pair[0]), (pair[1], pair[1])
    else:
        widths[m.geom.axes.index_data(axis_name)] = pair
    kwargs: dict[str, Any] = {"constant_values": cval} if mode == "constant" else {}
    return m.copy(geom=geom, data=np.pad(m.data, widths, mode=cast(Any, mode), **kwargs))


def crop[M: Map](m: M, crop_width: int | tuple[int, int]) -> M:
    """Return the map of `WcsNDMap.crop`."""
    geom = m.geom.crop(crop_width)
    x, y = int_pair("crop_width", crop_width)
    n_lat, n_lon = m.geom.data_shape_image
    return m.copy(geom=geom, data=m.data[..., y : n_lat - y, x : n_lon - x].copy())


def downsample[M: Map](
    m: M, factor: int, preserve_counts: bool = True, axis_name: str | None = None, weights: Map | None = None
) -> M:
    """Return the map of `WcsNDMap.downsample`."""
    geom = m.geom.downsample(factor, axis_name)
    dimensions = (-1, -2) if axis_name is None else (m.geom.axes.index_data(axis_name),)
    factor = int(factor)
    weight = None if weights is None else _aligned_weights(m, weights)
    if m.is_mask:
        data = m.data if weight is None else m.data & weight.astype(bool)
        return m.copy(geom=geom, data=_blocks(data, factor, dimensions, np.any))
    data = m.data if weight is None else m.data * weight
    total = _blocks(data, factor, dimensions, np.nansum)
    if preserve_counts:
        return m.copy(geom=geom, data=total)
    norm = np.where(np.isnan(data), 0, 1 if weight is None else np.broadcast_to(weight, data.shape))
    with np.errstate(invalid="ignore", divide="ignore"):
        return m.copy(geom=geom, data=total / _blocks(norm, factor, dimensions, np.sum).astype(total.dtype))


def _aligned_weights(m: Map, weights: Map) -> np.ndarray:
    """Weights that broadcast against the data: same geometry, or an image of it."""
    if weights.geom.is_image and not m.geom.is_image:
        m.geom.to_image()
        if weights.geom != m.geom.to_image():
            m.check_geom(weights, "weighting")
        return weights.data
    m.check_geom(weights, "weighting")
    return weights.data


def _blocks(
    data: np.ndarray, factor: int, dimensions: tuple[int, ...], function: Callable[..., np.ndarray]
) -> np.ndarray:
    """Reduce blocks of ``factor`` elements along each of the dimensions."""
    joined = {d % data.ndim for d in dimensions}
    shape: list[int] = []
    axes: list[int] = []
    for dimension, size in enumerate(data.shape):
        if dimension in joined:
            shape += [size // factor, factor]
            axes.append(len(shape) - 1)
        else:
            shape.append(size)
    return function(data.reshape(shape), axis=tuple(axes))


def upsample[M: Map](
    m: M, factor: int, order: int = 0, preserve_counts: bool = True, axis_name: str | None = None
) -> M:
    """Return the map of `WcsNDMap.upsample`."""
    geom = m.geom.upsample(factor, axis_name)
    if axis_name is not None:
        divisor = factor if preserve_counts and not m.is_mask else 1
        dimension = m.geom.axes.index_data(axis_name)
        data = _split(m.data, geom.data_shape, factor, (dimension,), order)
        return m.copy(geom=geom, data=data / divisor if divisor > 1 else data)
    dimensions = (m.data.ndim - 1, m.data.ndim - 2)
    if not preserve_counts or m.is_mask:
        return m.copy(geom=geom, data=_split(m.data, geom.data_shape, factor, dimensions, order))
    density = _split(m.data / m.geom.solid_angle().value, geom.data_shape, factor, dimensions, order)
    return m.copy(geom=geom, data=density * geom.solid_angle().value)


def _split(
    data: np.ndarray, shape: tuple[int, ...], factor: int, dimensions: tuple[int, ...], order: int
) -> np.ndarray:
    """Repeat values (order 0, masks) or interpolate them."""
    if order > 0 and data.dtype != bool:
        return _spline(data, shape, factor, dimensions, order)
    for dimension in dimensions:
        data = np.repeat(data, factor, axis=dimension)
    return data


def _spline(
    data: np.ndarray, shape: tuple[int, ...], factor: int, dimensions: tuple[int, ...], order: int
) -> np.ndarray:
    """Spline interpolation at the centres of the smaller pixels; outside the outer centres the edge value."""
    grids = [np.arange(n, dtype="float64") for n in shape]
    for dimension in dimensions:
        grids[dimension] = (grids[dimension] + 0.5) / factor - 0.5
    coordinates = np.meshgrid(*grids, indexing="ij")
    return scipy.ndimage.map_coordinates(data.astype("float64"), coordinates, order=order, mode="nearest")


def interp_to_geom[M: Map](
    m: M,
    geom: Geom,
    preserve_counts: bool = False,
    fill_value: float = 0,
    method: str = "linear",
    values_scale: str = "lin",
) -> M:
    """Return the map of `WcsNDMap.interp_to_geom`."""
    coords = geom.get_coord()
    if m.is_mask:
        values = np.nan_to_num(m.get_by_coord(coords).astype("float64"), nan=fill_value).astype(bool)
        return m.copy(geom=geom, data=values.reshape(geom.data_shape))
    if not preserve_counts:
        return m.copy(
            geom=geom, data=m.interp_by_coord(coords, method, values_scale=values_scale).reshape(geom.data_shape)
        )
    density = m.data / m.geom.solid_angle().value
    values = interpolate(density, m.geom.coord_to_pix(coords), method, values_scale=values_scale).reshape(
        geom.data_shape
    )
    return m.copy(geom=geom, data=values * geom.solid_angle().value)
