"""The internal units: the one place where a quantity becomes a bare number.

Inside bayesmap every array is float64 in a unit of :data:`INTERNAL`. The table is chosen so that typical values are
near one; a flux times an exposure is a number of counts without a factor.
"""

import functools
from typing import Any

import astropy.units as u
import numpy as np

__all__ = ["INTERNAL", "attach", "internal_unit", "scale_to_internal", "strip"]

INTERNAL = tuple(
    u.Unit(s)
    for s in (
        "",
        "TeV",
        "deg",
        "s",
        "sr",
        "sr-1",
        "TeV-1",
        "TeV-2",
        "s-1",
        "d-1",
        "s-2",
        "s-3",
        "rad s-1",
        "m2",
        "1e12 cm2 s",
        "1e-12 cm-2 s-1 TeV-1",
        "1e-12 cm-2 s-1",
        "1e-12 TeV cm-2 s-1",
        "1e-12 cm-2 s-1 TeV-1 sr-1",
        "1e-12 cm-2 s-1 sr-1",
        "1e-12 TeV cm-2 s-1 sr-1",
        "nJy",
    )
)


@functools.cache
def _internal_unit(unit: u.UnitBase | str) -> tuple[u.UnitBase, float]:
    """Return the internal unit and the factor to it."""
    unit = u.Unit(unit)
    alike = [c for c in INTERNAL if unit.is_equivalent(c)]
    for candidate in [c for c in alike if c.physical_type == unit.physical_type] + alike:
        return candidate, float(unit.to(candidate))
    raise u.UnitConversionError(
        f"unit {unit.to_string()!r} has no internal unit; bayesmap knows {[str(c) for c in INTERNAL]} and what "
        "converts to them. Add a line to bayesmap.units.INTERNAL to extend the table."
    )


def internal_unit(unit: u.UnitBase | str) -> u.UnitBase:
    """Return the unit of the internal table that ``unit`` converts to.

    Parameters
    ----------
    unit : `~astropy.units.Unit` or str
        Any unit that converts to a row of :data:`INTERNAL`.

    Returns
    -------
    `~astropy.units.Unit`
        The internal unit.

    Raises
    ------
    astropy.units.UnitConversionError
        If the table has no row for this kind of quantity.
    """
    return _internal_unit(unit)[0]


def scale_to_internal(unit: u.UnitBase | str) -> float:
    """Return the factor that takes a number in ``unit`` to its internal unit."""
    return _internal_unit(unit)[1]


@functools.cache
def _from_internal(unit: str, internal: u.UnitBase) -> tuple[float, u.UnitBase]:
    return float(internal.to(unit)), u.Unit(unit)


def attach(numbers: Any, unit: str) -> u.Quantity:
    """Return numbers in the internal unit of ``unit`` as a quantity in ``unit``, given as text."""
    factor, parsed = _from_internal(unit, internal_unit(unit))
    return u.Quantity(np.asarray(numbers) * factor, parsed)


def strip(quantity: Any) -> np.ndarray:
    """Return float64 values of a quantity in its internal unit.

    Parameters
    ----------
    quantity : `~astropy.units.Quantity` or anything it accepts
        For example ``"1 TeV"``; a bare number is dimensionless.

    Returns
    -------
    numpy.ndarray
        The values, native-endian float64.

    Raises
    ------
    astropy.units.UnitConversionError
        If the unit is not in the internal table.
    """
    quantity = u.Quantity(quantity)
    return np.asarray(quantity.to_value(internal_unit(quantity.unit)), dtype="float64")
