"""Integrals of straight lines between the rows of a table, symbolic."""

from typing import Any

import pytensor.tensor as pt

__all__ = ["cumulative"]


def cumulative(x: Any, nodes: Any, values: Any) -> Any:
    """Return the integral from the first node to x of the straight lines between nodes.

    Parameters
    ----------
    x : tensor
        Positions, shape ``(m,)``. Beyond the outermost nodes the values are constant.
    nodes, values : array or tensor
        Increasing positions and the values there, shape ``(n,)``.

    Returns
    -------
    TensorVariable
        Shape ``(m,)``, exact.
    """
    nodes, values = pt.as_tensor_variable(nodes), pt.as_tensor_variable(values)
    areas = 0.5 * (values[1:] + values[:-1]) * (nodes[1:] - nodes[:-1])
    before = pt.concatenate([pt.zeros(1), pt.cumsum(areas)])
    inside = pt.clip(x, nodes[0], nodes[-1])
    left = pt.clip(pt.searchsorted(nodes, inside) - 1, 0, nodes.shape[0] - 2)
    share = (inside - nodes[left]) / (nodes[left + 1] - nodes[left])
    value = values[left] * (1 - share) + values[left + 1] * share
    return before[left] + 0.5 * (values[left] + value) * (inside - nodes[left]) + value * (x - inside)
