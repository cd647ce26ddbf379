"""Expressions that several likelihoods share."""

from typing import Any

from bayesmap._lazy import pt

__all__ = ["xlogy_graph"]


def xlogy_graph(x: Any, y: Any) -> Any:
    """Expression of ``x log y``, zero where x is zero, whatever y; with a gradient that is finite there too."""
    used = pt.gt(x, 0)
    return pt.switch(used, x * pt.log(pt.switch(used, y, 1.0)), 0.0)
