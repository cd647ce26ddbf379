"""Instrument responses: point spread function, energy dispersion, good time intervals."""

from bayesmap.irf.edisp import EDispKernelMap, EDispMap
from bayesmap.irf.edisp_kernel import EDispKernel
from bayesmap.irf.gti import GTI
from bayesmap.irf.psf import PSFMap, RecoPSFMap
from bayesmap.irf.psf_kernel import PSFKernel

__all__ = ["GTI", "EDispKernel", "EDispKernelMap", "EDispMap", "PSFKernel", "PSFMap", "RecoPSFMap"]
