"""What a paper states: flux points, light curves, fluxes, limits, positions, significances, sensitivities."""

from bayesmap.products.estimate import flux_points, light_curve
from bayesmap.products.excess import ExcessMap, excess_map
from bayesmap.products.fluxes import FluxDraws, energy_flux, integral_flux, luminosity
from bayesmap.products.forecast import Fisher, fisher
from bayesmap.products.limits import UpperLimit, upper_limit
from bayesmap.products.points import PosteriorPoints
from bayesmap.products.regions import CredibleRegions, extension_regions, position_regions
from bayesmap.products.sensitivities import sensitivity
from bayesmap.products.significances import Significance, significance

__all__ = [
    "CredibleRegions",
    "ExcessMap",
    "Fisher",
    "FluxDraws",
    "PosteriorPoints",
    "Significance",
    "UpperLimit",
    "energy_flux",
    "excess_map",
    "extension_regions",
    "fisher",
    "flux_points",
    "integral_flux",
    "light_curve",
    "luminosity",
    "position_regions",
    "sensitivity",
    "significance",
    "upper_limit",
]
