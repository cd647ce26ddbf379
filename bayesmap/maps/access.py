"""Read and write map values at coordinates, pixel positions and indices.

Functions on a data array in numpy order ``(axis..., lat, lon)``; positions and indices are tuples in the order
``(x, y, axis...)``.
"""

from collections.abc import Callable, Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from bayesmap._util import check_option
from bayesmap.maps.scales import check_scale, from_scale, to_scale

__all__ = ["fill_at", "interpolate", "set_at", "values_at"]


class Interpolation(TypedDict, total=False):
    """Arguments of `interpolate` besides data and positions."""

    method: str
    fill_value: float | None
    values_scale: str


def _broadcast(indices: Sequence[object]) -> tuple[np.ndarray, ...]:
    return np.broadcast_arrays(*(np.asarray(i) for i in indices))


def values_at(data: np.ndarray, idx: Sequence[object]) -> np.ndarray:
    """Return data at integer indices; NaN (so float) where an index is -1."""
    idx = _broadcast(idx)
    outside = np.any([i < 0 for i in idx], axis=0)
    values = data[tuple(np.where(outside, 0, i) for i in idx[::-1])]
    if not np.any(outside):
        return values
    return np.where(outside, np.nan, values.astype(np.promote_types(values.dtype, np.float32)))


def set_at(data: np.ndarray, idx: Sequence[object], values: npt.ArrayLike) -> None:
    """Set data in place at integer indices; indices of -1 are left out."""
    idx = _broadcast(idx)
    inside = np.all([i >= 0 for i in idx], axis=0)
    data[tuple(i[inside] for i in idx[::-1])] = np.broadcast_to(values, inside.shape)[inside]


def fill_at(data: np.ndarray, idx: Sequence[object], weights: npt.ArrayLike | None = None) -> None:
    """Add one (or a weight) to data in place for every index; indices of -1 are left out."""
    idx = _broadcast(idx)
    inside = np.all([i >= 0 for i in idx], axis=0)
    flat = np.ravel_multi_index(tuple(i[inside] for i in idx[::-1]), data.shape)
    weights = None if weights is None else np.broadcast_to(weights, inside.shape)[inside]
    total = np.bincount(flat, weights=weights, minlength=data.size).reshape(data.shape)
    np.add(data, total, out=data, casting="unsafe")


def interpolate(
    data: np.ndarray,
    pix: Sequence[object],
    method: str = "linear",
    fill_value: float | None = None,
    values_scale: str = "lin",
) -> np.ndarray:
    """Return data interpolated at pixel positions.

    Parameters
    ----------
    data : numpy.ndarray
        Values; NaN and infinite ones count as zero. Dimensions of length one are constant.
    pix : sequence of array_like
        Positions ``(x, y, axis...)``.
    method : {"linear", "nearest"}
        Interpolation in pixel positions.
    fill_value : float, optional
        Value outside the pixel centres; None extrapolates.
    values_scale : {"lin", "log", "sqrt"}
        Scale in which values are linear.

    Returns
    -------
    numpy.ndarray
        Values; NaN where a position is NaN.
    """
    check_option("method", method, ("linear", "nearest"))
    check_scale("values_scale", values_scale)
    pix = _broadcast(pix)[::-1]
    active = [dimension for dimension, size in enumerate(data.shape) if size > 1]
    if not active:
        values = np.full(pix[0].shape, _finite(data.ravel()[0]))
        return np.where(np.any([np.isnan(p) for p in pix], axis=0), np.nan, values)
    data = data.reshape([data.shape[i] for i in active])
    points = np.stack([pix[i].ravel() for i in active], axis=-1)

    def prepare(values: np.ndarray) -> np.ndarray:
        return values if prepared else to_scale(values_scale, _finite(values))

    prepared = False
    if points.shape[0] * 2**data.ndim > data.size:  # cheaper once for all values than for each one used
        data, prepared = prepare(data), True
    evaluate = _linear if method == "linear" else _nearest
    values = from_scale(values_scale, evaluate(data, points, prepare))
    if fill_value is not None:
        limits = np.array(data.shape) - 1
        outside = np.any((points < 0) | (points > limits), axis=-1)
        values = np.where(outside, fill_value, values)
    return np.where(np.any(np.isnan(points), axis=-1), np.nan, values).reshape(pix[0].shape)


def _finite(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(np.asarray(values, dtype="float64"), nan=0.0, posinf=0.0, neginf=0.0)


def _linear(data: np.ndarray, points: np.ndarray, prepare: Callable) -> np.ndarray:
    """Multilinear interpolation and extrapolation on a grid of integers; NaN positions give any number."""
    points = np.nan_to_num(points)
    lower = np.clip(np.floor(points).astype(int), 0, np.array(data.shape) - 2)
    fraction = points - lower
    result = np.zeros(len(points))
    for corner in np.ndindex(*(2,) * data.ndim):
        offset = np.array(corner)
        weight = np.prod(np.where(offset, fraction, 1 - fraction), axis=-1)
        result += weight * prepare(data[tuple((lower + offset).T)])
    return result


def _nearest(data: np.ndarray, points: np.ndarray, prepare: Callable) -> np.ndarray:
    """Nearest grid value; half-way positions belong to the lower one."""
    index = np.clip(np.ceil(np.nan_to_num(points) - 0.5).astype(int), 0, np.array(data.shape) - 1)
    return prepare(data[tuple(index.T)])
