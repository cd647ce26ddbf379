"""Reduce maps over axes, group their bins, integrate, stack."""

from collections.abc import Sequence
from typing import Unpack

import astropy.units as u
import numpy as np

from bayesmap.errors import GeometryMismatchError
from bayesmap.maps.access import Interpolation
from bayesmap.maps.axes import MapAxis
from bayesmap.maps.geom import Geom
from bayesmap.maps.map import Map

__all__ = [
    "cumsum",
    "integral",
    "normalized",
    "reduce_over_axes",
    "resample_axis",
    "stack_into",
    "stack_maps",
    "stack_slices",
    "sum_over_axes",
]


def reduce_over_axes[M: Map](
    m: M,
    func: np.ufunc = np.add,
    keepdims: bool = False,
    axes_names: Sequence[str] | None = None,
    weights: Map | None = None,
) -> M:
    """Return the map of `WcsNDMap.reduce_over_axes`."""
    names = list(m.geom.axes.names) if axes_names is None else list(axes_names)
    geom, data = m.geom, m.data
    if weights is not None:
        m.check_geom(weights, "weighting")
        data = np.where(weights.data, data, data.dtype.type(0)) if weights.is_mask else data * weights.data
    dimensions = tuple(m.geom.axes.index_data(name) for name in names)
    for name in names:
        geom = geom.squash(name) if keepdims else geom.drop(name)
    return m.copy(geom=geom, data=_reduce(func, data, dimensions, keepdims))


def _reduce(func: np.ufunc, data: np.ndarray, dimensions: tuple[int, ...], keepdims: bool) -> np.ndarray:
    """Reduce one dimension after the other (not every ufunc can do several at once); sums leave out NaN."""
    for dimension in sorted(dimensions, reverse=True):
        reduced = func.reduce(data, axis=dimension, keepdims=keepdims)
        if func.identity is not None and reduced.dtype.kind == "f" and np.isnan(reduced).any():
            reduced = func.reduce(data, axis=dimension, keepdims=keepdims, where=~np.isnan(data))
        data = reduced
    return data


def sum_over_axes[M: Map](
    m: M, axes_names: Sequence[str] | None = None, keepdims: bool = True, weights: Map | None = None
) -> M:
    """Return the map of `WcsNDMap.sum_over_axes`."""
    return reduce_over_axes(m, np.add, keepdims=keepdims, axes_names=axes_names, weights=weights)


def resample_axis[M: Map](m: M, axis: MapAxis, weights: Map | None = None, ufunc: np.ufunc = np.add) -> M:
    """Return the map of `WcsNDMap.resample_axis`."""
    own = m.geom.axes[axis.name]
    groups = own.group_table(axis.edges)
    dimension = m.geom.axes.index_data(axis.name)
    data = m.data
    if weights is not None:
        m.check_geom(weights, "weighting")
        data = np.where(weights.data, data, data.dtype.type(0)) if weights.is_mask else data * weights.data
    parts = []
    for row in groups[groups["bin_type"] == "normal   "]:
        part = np.take(data, range(row["idx_min"], row["idx_max"] + 1), axis=dimension)
        parts.append(ufunc.reduce(part, axis=dimension))
    return m.copy(geom=m.geom.resample_axis(axis), data=np.stack(parts, axis=dimension))


def cumsum[M: Map](m: M, axis_name: str) -> M:
    """Return the map of `WcsNDMap.cumsum`."""
    axis = m.geom.axes[axis_name]
    dimension = m.geom.axes.index_data(axis_name)
    shape = [1] * m.data.ndim
    shape[dimension] = -1
    steps = m.data * axis.bin_width.value.reshape(shape)
    start = np.zeros_like(np.take(steps, [0], axis=dimension))
    data = np.concatenate([start, np.cumsum(steps, axis=dimension)], axis=dimension)
    nodes = MapAxis.from_nodes(axis.edges, name=axis.name, interp=axis.interp)
    return m.copy(geom=m.geom.replace_axis(nodes), data=data, unit=m.unit * axis.unit)


def integral(m: Map, axis_name: str, coords: object, **kwargs: Unpack[Interpolation]) -> u.Quantity:
    """Return the values of `WcsNDMap.integral`."""
    total = cumsum(m, axis_name).pad(1, axis_name=axis_name, mode="edge")
    return u.Quantity(total.interp_by_coord(coords, **kwargs), total.unit)


def normalized[M: Map](m: M, axis_name: str | None = None) -> M:
    """Return a map divided by its integral over an axis, or by its sum; where that is zero, values stay zero."""
    if axis_name is None:
        return m.copy(data=m.data / np.nansum(m.data))
    dimension = m.geom.axes.index_data(axis_name)
    total = np.take(cumsum(m, axis_name).data, [-1], axis=dimension)
    with np.errstate(invalid="ignore", divide="ignore"):
        return m.copy(data=m.data * np.nan_to_num(1 / total, posinf=0.0), unit=1 / m.geom.axes[axis_name].unit)


def stack_into(m: Map, other: Map, weights: Map | None = None, nan_to_num: bool = True) -> None:
    """Add another map of the same pixel grid to a map in place; see `WcsNDMap.stack`."""
    parent, cut = stack_slices(m.geom, other.geom)
    if weights is not None and weights.geom.to_image() != other.geom.to_image():
        raise GeometryMismatchError(f"weights have {weights.geom!r}, the stacked map {other.geom!r}")
    view, data = m.data[(..., *parent)], other.data[(..., *cut)]
    factor = np.array(other.unit.to(m.unit), dtype=m.data.dtype) if m.data.dtype.kind == "f" else None
    weight = np.broadcast_to(True if weights is None else weights.data[(..., *cut)], data.shape)
    for own, part, part_weight in zip(*(np.atleast_3d(a) for a in (view, data, weight)), strict=True):
        _add(own, part if factor is None or factor == 1 else part * factor, part_weight, nan_to_num)


def stack_slices(geom: Geom, other: Geom) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the pixels of a geometry that another one covers, and those of the other that lie inside.

    Raises
    ------
    GeometryMismatchError
        If axes or pixel grids differ, or nothing overlaps.
    """
    if geom == other:
        return (slice(None), slice(None)), (slice(None), slice(None))
    if not geom.is_aligned(other):
        raise GeometryMismatchError(f"cannot stack {other!r} on {geom!r}: axes or pixel grid differ")
    slices = other.cutout_slices(geom)
    return slices["parent-slices"], slices["cutout-slices"]


def _add(own: np.ndarray, part: np.ndarray, weight: np.ndarray, nan_to_num: bool) -> None:
    """Add weighted values in place; those of weight False are not looked at."""
    keep = weight if weight.dtype == bool else np.ones(part.shape, dtype=bool)
    if nan_to_num and part.dtype.kind == "f":
        keep = keep & np.isfinite(part)
    if weight.dtype != bool:
        part = part * weight
    np.add(own, part, out=own, where=keep, casting="unsafe")


def stack_maps(maps: Sequence[Map], axis: MapAxis | None = None, axis_name: str | None = None) -> Map:
    """Return the map of `Map.from_stack`."""
    first = maps[0]
    data = [m.quantity.to_value(first.unit) if first.data.dtype.kind == "f" else m.data for m in maps]
    if axis_name is not None:
        joined = MapAxis.from_stack([m.geom.axes[axis_name] for m in maps])
        dimension = first.geom.axes.index_data(axis_name)
        geom = first.geom.replace_axis(joined)
        return first.copy(geom=geom, data=np.concatenate(data, axis=dimension))
    if axis is None:
        raise ValueError("from_stack needs 'axis' or 'axis_name'")
    for m in maps[1:]:
        first.check_geom(m, "from_stack")
    return first.copy(geom=first.geom.to_cube([axis]), data=np.stack(data))
