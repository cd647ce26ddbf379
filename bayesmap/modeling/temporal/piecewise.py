"""Integrals of straight lines between the rows of a table, symbolic."""

from bayesmap._lazy import pt
from bayesmap._types import Tensor

__all__ = ["between"]


def between(low: Tensor, high: Tensor, nodes: Tensor, values: Tensor, length: Tensor, stretch: Tensor = 1.0) -> Tensor:
    """Return the integral over intervals of the straight lines between nodes.

    Parameters
    ----------
    low, high : tensor
        Ends of the intervals, shape ``(m,)``. Beyond the outermost nodes the values are constant. Where ``high`` is
        the smaller, the integral changes its sign.
    nodes, values : array or tensor
        Increasing positions and the values there, shape ``(n,)``.
    length : tensor
        ``(high - low) * stretch`` as exactly as it is known.
    stretch : tensor
        Unit of the result in units of the positions.

    Returns
    -------
    TensorVariable
        Shape ``(m,)``, exact. An interval within one line is the mean of its ends times ``length``, so that short ones
        are free of cancellation.
    """
    nodes, values = pt.as_tensor_variable(nodes), pt.as_tensor_variable(values)
    areas = 0.5 * (values[1:] + values[:-1]) * (nodes[1:] - nodes[:-1])
    before = pt.concatenate([pt.zeros(1), pt.cumsum(areas)])
    first, first_value, start = _locate(low, nodes, values)
    last, last_value, stop = _locate(high, nodes, values)
    head = 0.5 * (first_value + values[first + 1]) * (nodes[first + 1] - start)
    tail = 0.5 * (values[last] + last_value) * (stop - nodes[last])
    outside = first_value * (start - low) + last_value * (high - stop)
    pieces = (head + (before[last] - before[first + 1]) + tail + outside) * stretch
    one_line = pt.eq(first, last) & pt.eq(low, start) & pt.eq(high, stop)
    return pt.switch(one_line, 0.5 * (first_value + last_value) * length, pieces)


def _locate(x: Tensor, nodes: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Number of the line that holds each position, its value there, and the nearest position inside of the nodes."""
    inside = pt.clip(x, nodes[0], nodes[-1])
    left = pt.clip(pt.searchsorted(nodes, inside) - 1, 0, nodes.shape[0] - 2)
    share = (inside - nodes[left]) / (nodes[left + 1] - nodes[left])
    return left, values[left] * (1 - share) + values[left + 1] * share, inside
