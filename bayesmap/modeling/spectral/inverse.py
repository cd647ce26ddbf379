"""Energies at which a spectrum has a value."""

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
import scipy

if TYPE_CHECKING:
    from bayesmap.modeling.spectral.base import SpectralModel

__all__ = ["inverse", "inverse_all"]

_POINTS_PER_DECADE = 100


def inverse(
    model: "SpectralModel", value: u.Quantity, energy_min: u.Quantity = "0.1 TeV", energy_max: u.Quantity = "100 TeV"
) -> u.Quantity:
    """Return the energy at which a spectrum has a value, the lowest if there are several.

    Parameters
    ----------
    model : SpectralModel
        The spectrum.
    value : `~astropy.units.Quantity`
        Values of the differential flux, of any shape.
    energy_min, energy_max : `~astropy.units.Quantity`
        Where to look.

    Returns
    -------
    `~astropy.units.Quantity`
        Energies of the shape of ``value``, NaN where the spectrum does not reach it.

    Raises
    ------
    astropy.units.UnitConversionError
        If the value has the wrong unit.
    """
    values = u.Quantity(value)
    first = [found[0].value if len(found) else np.nan for found in inverse_all(model, values, energy_min, energy_max)]
    return np.reshape(first, values.shape) * u.Quantity(energy_min).unit


def inverse_all(
    model: "SpectralModel", values: u.Quantity, energy_min: u.Quantity = "0.1 TeV", energy_max: u.Quantity = "100 TeV"
) -> list[u.Quantity]:
    """Return all energies at which a spectrum has a value.

    Parameters
    ----------
    model : SpectralModel
        The spectrum.
    values : `~astropy.units.Quantity`
        Values of the differential flux, of any shape.
    energy_min, energy_max : `~astropy.units.Quantity`
        Where to look.

    Returns
    -------
    list of `~astropy.units.Quantity`
        Ascending energies for each value. Pairs closer than 1/100 of a decade are not found.
    """
    low, high = u.Quantity(energy_min), u.Quantity(energy_max)
    if not 0 < low < high:
        raise ValueError(f"energy_min and energy_max must be positive and ordered, got {low} and {high}")
    wanted = u.Quantity(values).to_value(model.output_unit).ravel()
    log_low, log_high = np.log(low.value), np.log(high.to_value(low.unit))
    grid = np.linspace(log_low, log_high, max(2, int(_POINTS_PER_DECADE * (log_high - log_low) / np.log(10))) + 1)
    flux = model(np.exp(grid) * low.unit).value
    return [np.exp(_roots(model, grid, flux - number, number, low.unit)) * low.unit for number in wanted]


def _roots(
    model: "SpectralModel", grid: np.ndarray, difference: np.ndarray, number: float, unit: u.UnitBase
) -> np.ndarray:
    """Logarithms of the energies at which the flux is a number."""

    def function(log_energy: float) -> float:
        return float(model(np.exp(log_energy) * unit).value - number) / (abs(number) or 1.0)

    roots = list(grid[difference == 0])
    for index in np.flatnonzero(difference[:-1] * difference[1:] < 0):
        roots.append(scipy.optimize.brentq(function, grid[index], grid[index + 1], xtol=1e-14, rtol=1e-14))
    return np.sort(np.array(roots))
