"""Expressions that several likelihoods share."""

from bayesmap._lazy import pt
from bayesmap._types import Tensor

__all__ = ["xlogy_graph"]


def xlogy_graph(x: Tensor, y: Tensor) -> Tensor:
    """Expression of ``x log y``, zero where x is zero, whatever y; with a gradient that is finite there too."""
    used = pt.gt(x, 0)
    return pt.switch(used, x * pt.log(pt.switch(used, y, 1.0)), 0.0)
