"""Numbers and regions that a paper states: fluxes, limits, positions, significances, sensitivities."""

from bayesmap.products.excess import ExcessMap, excess_map
from bayesmap.products.fluxes import FluxDraws, energy_flux, integral_flux, luminosity
from bayesmap.products.forecast import Fisher, fisher
from bayesmap.products.limits import UpperLimit, upper_limit
from bayesmap.products.regions import CredibleRegions, extension_regions, position_regions
from bayesmap.products.sensitivities import sensitivity
from bayesmap.products.significances import Significance, significance

__all__ = [
    "CredibleRegions",
    "ExcessMap",
    "Fisher",
    "FluxDraws",
    "Significance",
    "UpperLimit",
    "energy_flux",
    "excess_map",
    "extension_regions",
    "fisher",
    "integral_flux",
    "luminosity",
    "position_regions",
    "sensitivity",
    "significance",
    "upper_limit",
]
