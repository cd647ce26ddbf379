"""Data-related names where users of Gammapy look for them."""

from bayesmap.data.absent import __getattr__  # noqa: F401
from bayesmap.data.event_list import EventList
from bayesmap.irf.gti import GTI

__all__ = ["GTI", "EventList"]
