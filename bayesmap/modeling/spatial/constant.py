"""The constant surface brightness."""

from typing import Any

import pytensor.tensor as pt

from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.spatial.base import SpatialModel

__all__ = ["ConstantSpatialModel"]


class ConstantSpatialModel(SpatialModel):
    r"""Constant surface brightness over the whole sky.

    .. math::
        \phi(l, b) = k

    Parameters
    ----------
    value : `~astropy.units.Quantity`
        :math:`k`, frozen. Default 1 sr-1.
    frame : {"icrs", "galactic"}
        Has no effect.
    """

    tag = "const"
    value = Parameter("value", "1 sr-1", frozen=True)

    @staticmethod
    def evaluate(lon: Any, lat: Any, value: Any) -> Any:
        """Return the surface brightness in sr-1."""
        return value * pt.ones_like(lon + lat)
