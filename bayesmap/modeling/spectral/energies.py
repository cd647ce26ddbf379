"""Energies as numbers in the internal unit."""

import astropy.units as u
import numpy as np

from bayesmap.units import strip

__all__ = ["bands", "strip_energy"]


def strip_energy(energy: u.Quantity) -> np.ndarray:
    """Return energies in the internal unit; bare numbers are refused."""
    quantity = u.Quantity(energy)
    if not quantity.unit.is_equivalent("TeV"):
        raise u.UnitConversionError(f"energy must be an energy, got unit '{quantity.unit}'")
    return strip(quantity)


def bands(energy_min: u.Quantity, energy_max: u.Quantity) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges of energy bands in the internal unit, of one shape."""
    low, high = np.broadcast_arrays(strip_energy(energy_min), strip_energy(energy_max))
    if np.any(low <= 0) or np.any(high < low):
        raise ValueError(f"energy bands must be positive and ordered, got {energy_min} to {energy_max}")
    return low, high
