"""Symbolic interpolation in tables, linear in scaled coordinates."""

from collections.abc import Callable

import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import Tensor

__all__ = ["SCALES", "TINY", "at_least", "at_most", "interpolate", "on_scale", "scaled", "unscaled"]

# Smallest number whose logarithm is taken.
TINY = float(np.finfo("float64").tiny)
SCALES = ("lin", "log", "sqrt")


def at_least(x: Tensor, floor: Tensor) -> Tensor:
    """Return the larger of two tensors, whose gradient is without products of truth values (PyTensor rejects them)."""
    return pt.switch(x > floor, x, floor)


def at_most(x: Tensor, ceiling: Tensor) -> Tensor:
    """Return the smaller of two tensors; see `at_least`."""
    return pt.switch(x < ceiling, x, ceiling)


def scaled(values: Tensor, scale: str, floor: float = TINY) -> Tensor:
    """Return numbers or tensors on a scale, one of `SCALES`; logarithms are those of at least ``floor``."""
    if scale == "lin":
        return values
    symbolic = not isinstance(values, np.ndarray | float)
    floor = floor if scale == "log" else 0.0
    positive = at_least(values, floor) if symbolic else np.maximum(values, floor)
    if scale == "log":
        return pt.log(positive) if symbolic else np.log(positive)
    return pt.sqrt(positive) if symbolic else np.sqrt(positive)


def unscaled(values: Tensor, scale: str) -> Tensor:
    """Return the tensor that has these values on a scale."""
    return values if scale == "lin" else pt.exp(values) if scale == "log" else values**2


def interpolate(nodes: Tensor, values: Tensor, x: Tensor, extrapolate: bool = True) -> Tensor:
    """Return the piecewise linear function of x through given points.

    Parameters
    ----------
    nodes : tensor
        Ascending coordinates of the points, shape ``(n,)``, at least two.
    values : tensor
        Values at the points on the last axis, shape ``(n,)`` or ``(..., n)``; the leading axes broadcast with ``x``.
    x : tensor
        Coordinates.
    extrapolate : bool
        Continue the outermost pieces; otherwise the outermost values.

    Returns
    -------
    TensorVariable
        Values at the coordinates; gradients reach both the values and the coordinates.
    """
    nodes, values, x = (pt.as_tensor_variable(t) for t in (nodes, values, x))
    flat = x.flatten()
    left = pt.searchsorted(nodes[1:-1], flat, side="right")
    share = (flat - nodes[left]) / (nodes[left + 1] - nodes[left])
    share = share if extrapolate else at_most(at_least(share, 0.0), 1.0)
    if values.ndim == 1:
        return (values[left] + share * (values[left + 1] - values[left])).reshape(x.shape, ndim=x.ndim)
    if all(x.type.broadcastable):  # one coordinate for all
        low, high = values[..., left[0]], values[..., left[0] + 1]
        return low + share[0] * (high - low)
    inside = pt.eq(pt.arange(nodes.shape[0]), left.reshape(x.shape, ndim=x.ndim)[..., None]).astype("float64")
    low = (values * inside).sum(axis=-1)
    high = (values[..., 1:] * inside[..., :-1]).sum(axis=-1)
    return low + share.reshape(x.shape, ndim=x.ndim) * (high - low)


def on_scale(along: Callable[[Tensor, bool], Tensor], values: Tensor, scale: str, extrapolate: bool = True) -> Tensor:
    """Return values interpolated on a scale, with pieces on the scale "log" that may begin or end at zero.

    Where a node of a piece is not positive, the values themselves are interpolated, which end at zero, and the piece is
    not extrapolated: a logarithm would fall from the positive node like a cliff, or rise beyond it without end.

    Parameters
    ----------
    along : callable
        Interpolates numbers at the nodes linearly: ``along(numbers, extrapolate)``.
    values : tensor
        Values at the nodes.
    scale : str
        One of `SCALES`.
    extrapolate : bool
        Continue the outermost pieces.

    Returns
    -------
    TensorVariable
        The values.
    """
    if scale != "log":
        return unscaled(along(scaled(values, scale), extrapolate), scale)
    values = pt.as_tensor_variable(values)
    positive = abs(along((values > 0).astype("float64"), True) - 1) < 1e-9  # all that have a weight
    logs = along(scaled(values, "log"), extrapolate)
    plain = along(at_least(values, 0.0), False)
    plain = pt.switch(plain < 0, 0.0, plain)  # keeps NaN
    return pt.switch(positive, pt.exp(pt.switch(positive, logs, 0.0)), plain)
