"""What users give to an axis: options, and checks."""

from typing import TypedDict

import astropy.units as u
import numpy as np
import numpy.typing as npt

__all__ = ["AxisOptions", "BoundsOptions", "check_energy", "check_factor", "nodes_quantity"]


class AxisOptions(TypedDict, total=False):
    """Arguments of `MapAxis` besides the nodes."""

    interp: str
    name: str
    unit: object


class BoundsOptions(AxisOptions, total=False):
    """Arguments of `MapAxis.from_bounds` besides bounds and number of bins."""

    node_type: str


def nodes_quantity(nodes: npt.ArrayLike, unit: object) -> u.Quantity:
    """Return nodes given as numbers (in ``unit``) or as a list of quantities."""
    items = list(np.atleast_1d(nodes)) if not isinstance(nodes, list | tuple) else nodes
    if any(isinstance(item, u.Quantity | str) for item in items):
        return u.Quantity(items)
    return u.Quantity(np.atleast_1d(np.asarray(nodes, dtype="float64")), unit)


def check_energy(value: u.Quantity) -> None:
    """Raise a UnitConversionError unless the quantity is an energy."""
    if not value.unit.is_equivalent("TeV", equivalencies=u.spectral()):
        raise u.UnitConversionError(f"an energy axis needs a unit of energy, got {value}")


def check_factor(factor: float) -> int:
    """Return a positive integer, or raise a ValueError."""
    if int(factor) != factor or factor < 1:
        raise ValueError(f"factor must be a positive integer, got {factor!r}")
    return int(factor)
