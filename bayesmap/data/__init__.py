"""Data-related names where users of Gammapy look for them."""

from bayesmap.irf.gti import GTI

__all__ = ["GTI"]
