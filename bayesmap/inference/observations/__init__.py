"""Data of any kind under models: one file for each kind."""

from bayesmap.inference.observations.base import Facts, Observation, SkyImage, facts_of
from bayesmap.inference.observations.counts import ObservedCounts
from bayesmap.inference.observations.counts_facts import CountsFacts, OnOffFacts
from bayesmap.inference.observations.fluxes import FluxesFacts, ObservedFluxes
from bayesmap.inference.observations.images import ImageFacts, ObservedImage

__all__ = [
    "CountsFacts",
    "Facts",
    "FluxesFacts",
    "ImageFacts",
    "Observation",
    "ObservedCounts",
    "ObservedFluxes",
    "ObservedImage",
    "OnOffFacts",
    "SkyImage",
    "facts_of",
]
