"""Numbers and regions that a paper states: fluxes, limits, positions, significances, sensitivities."""

from bayesmap.products.fluxes import FluxDraws, energy_flux, integral_flux, luminosity
from bayesmap.products.limits import UpperLimit, upper_limit
from bayesmap.products.regions import CredibleRegions, extension_regions, position_regions

__all__ = [
    "CredibleRegions",
    "FluxDraws",
    "UpperLimit",
    "energy_flux",
    "extension_regions",
    "integral_flux",
    "luminosity",
    "position_regions",
    "upper_limit",
]
