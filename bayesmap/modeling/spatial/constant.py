"""Constant surface brightness, and constant flux per pixel."""

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.spatial.base import SpatialModel

if TYPE_CHECKING:
    from bayesmap.maps import Map, WcsGeom

__all__ = ["ConstantFluxSpatialModel", "ConstantSpatialModel"]


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
    value = Parameter("value", "1 sr-1", frozen=True, role="scale")

    @staticmethod
    def evaluate(lon: Tensor, lat: Tensor, value: Tensor) -> Tensor:
        """Return the surface brightness in sr-1."""
        return value * pt.ones_like(lon + lat)


class ConstantFluxSpatialModel(SpatialModel):
    r"""The same flux in every pixel, whatever its size: for spectra that are given per pixel.

    .. math::
        \phi(l, b) = \frac{1}{\Omega_\mathrm{pixel}}

    Parameters
    ----------
    frame : {"icrs", "galactic"}
        Has no effect.

    Notes
    -----
    The model is defined on pixels only: outside of a geometry, as in Gammapy, its value is 1 sr-1. A region dataset is
    one pixel.
    """

    tag = "const-flux"
    is_per_pixel = True
    file_keys = ()

    @staticmethod
    def evaluate(lon: Tensor, lat: Tensor) -> Tensor:
        """Return ones, in sr-1."""
        return pt.ones_like(lon + lat)

    def evaluate_geom(self, geom: "WcsGeom") -> u.Quantity:
        """Return the inverse solid angle of the pixels, shape (lat, lon)."""
        return 1 / geom.to_image().solid_angle()

    def integrate_geom(self, geom: "WcsGeom", oversampling_factor: int | None = None) -> "Map":
        """Return ones on a geometry."""
        from bayesmap.maps import Map

        return Map.from_geom(geom, data=np.ones(geom.data_shape), unit="")
