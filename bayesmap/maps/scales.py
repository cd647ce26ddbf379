"""Interpolation scales of axes and map values, and linear interpolation with extrapolation."""

import numpy as np

from bayesmap._util import check_option

__all__ = ["SCALES", "check_scale", "from_scale", "linear", "to_scale"]

SCALES = ("lin", "log", "sqrt")
TINY = np.finfo(np.float32).tiny


def check_scale(what: str, name: str) -> None:
    """Raise a ValueError unless ``name`` is one of :data:`SCALES`."""
    check_option(what, name, SCALES)


def to_scale(name: str, values: np.ndarray) -> np.ndarray:
    """Transform values to the scale in which interpolation is linear.

    Values below the smallest positive single-precision number count as that number on the "log" scale.
    """
    if name == "log":
        return np.log(np.clip(values, TINY, np.inf))
    if name == "sqrt":
        return np.sqrt(np.clip(values, 0, np.inf))
    return np.asarray(values, dtype="float64")


def from_scale(name: str, values: np.ndarray) -> np.ndarray:
    """Invert :func:`to_scale`; what was clipped at the tiny number comes back as zero."""
    if name == "log":
        output = np.exp(values)
        return np.where(output > TINY * (1 + 1e-6), output, 0.0)
    if name == "sqrt":
        return np.asarray(values) ** 2
    return values


def linear(x: np.ndarray, nodes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Interpolate ``values`` given at increasing ``nodes`` linearly; the outer segments extrapolate."""
    x = np.asarray(x, dtype="float64")
    index = np.clip(np.searchsorted(nodes, x) - 1, 0, len(nodes) - 2)
    slope = (values[index + 1] - values[index]) / (nodes[index + 1] - nodes[index])
    return slope * (x - nodes[index]) + values[index]
