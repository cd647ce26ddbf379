"""Spectra as points: fluxes per energy band with errors and limits."""

from bayesmap.estimators.absent import __getattr__  # noqa: F401
from bayesmap.estimators.flux_points import FluxPoints

__all__ = ["FluxPoints"]
