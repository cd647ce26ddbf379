"""Instrument responses: point spread function, energy dispersion, good time intervals."""

from bayesmap.irf.absent import __getattr__  # noqa: F401
from bayesmap.irf.base import IRFMap
from bayesmap.irf.edisp import EDispKernelMap, EDispMap
from bayesmap.irf.edisp_kernel import EDispKernel
from bayesmap.irf.gti import GTI
from bayesmap.irf.psf import PSFMap, RecoPSFMap
from bayesmap.irf.psf_kernel import PSFKernel

__all__ = ["GTI", "EDispKernel", "EDispKernelMap", "EDispMap", "IRFMap", "PSFKernel", "PSFMap", "RecoPSFMap"]
