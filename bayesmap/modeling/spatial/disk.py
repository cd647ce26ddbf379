"""Disks on the sphere."""

from collections.abc import Mapping
from typing import Any

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap.modeling import sphere
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.spatial.base import SpatialModel

__all__ = ["DiskSpatialModel"]

_EDGE = 2.326174307353347  # Gammapy's constant; 90 % of the fall lies within a relative distance of edge_width / 2
_ANGLES = np.pi * (np.arange(256) + 0.5) / 256  # the integrand is periodic: equal steps converge exponentially


class DiskSpatialModel(SpatialModel):
    r"""Disk of constant surface brightness, round or elongated, with a soft edge.

    .. math::
        \phi(l, b) = \frac{N}{2} \left[1 - \mathrm{erf}\left(c \frac{s - r}{r\, w}\right)\right]

    with the separation s from the centre, the relative edge width w and c = 2.326 (90 % of the fall is inside
    the edge width). The radius in the direction of the position, at the angle :math:`\Delta` from the major axis, is

    .. math::
        r^{-2} = \frac{\cos^2\Delta}{r_0^2} + \frac{\sin^2\Delta}{r_0^2 (1 - e^2)}

    and the norm is the inverse solid angle of the ellipse with a sharp edge (Gammapy's conventions).

    Parameters
    ----------
    lon_0, lat_0 : `~astropy.units.Quantity`
        Centre. Default 0 deg.
    r_0 : `~astropy.units.Quantity`
        Semi-major axis. Default 1 deg.
    e : `~astropy.units.Quantity`
        Eccentricity between 0 and 1, frozen. Default 0.
    phi : `~astropy.units.Quantity`
        Position angle of the major axis, from North to East in the frame of the model, frozen. Default 0 deg.
    edge_width : `~astropy.units.Quantity`
        Width of the edge relative to the radius, between 0 and 1, frozen. Default 0.01.
    frame : {"icrs", "galactic"}
        Frame of the position.

    Notes
    -----
    A gradient of the log-posterior costs 4 times that of a round Gaussian of the same footprint
    (``benchmarks/model_types.py``): a disk blurred by the point spread function has no closed form, so half of the time
    are its Fourier transforms, the rest the samples that resolve the edge.
    """

    tag = "disk"
    lon_0 = Parameter("lon_0", "0 deg")
    lat_0 = Parameter("lat_0", "0 deg", min=-90, max=90)
    r_0 = Parameter("r_0", "1 deg", min=0)
    e = Parameter("e", 0.0, min=0, max=1, frozen=True)
    phi = Parameter("phi", "0 deg", min=-180, max=180, frozen=True)
    edge_width = Parameter("edge_width", 0.01, min=0, max=1, frozen=True)

    @staticmethod
    def evaluate(lon: Any, lat: Any, lon_0: Any, lat_0: Any, r_0: Any, e: Any, phi: Any, edge_width: Any) -> Any:
        """Return the surface brightness in sr-1."""
        cos_square, sin_square = sphere.direction_cosines(lon, lat, lon_0, lat_0, phi, e)
        ratio_square = 1 - e**2
        radius = r_0 * pt.sqrt(ratio_square / (ratio_square * cos_square + sin_square))
        step = (sphere.separation(lon, lat, lon_0, lat_0) - radius) / (radius * edge_width)
        return _norm(sphere.RADIANS * r_0, ratio_square) * 0.5 * pt.erfc(_EDGE * step)

    def radius_graph(self, values: Mapping[Parameter, Any]) -> Any:
        """The semi-major axis with the edge, and a tenth more."""
        return 1.1 * values[self.r_0] * (1 + values[self.edge_width])

    def at_resolution(self, values: Mapping[Parameter, Any], step: float) -> Mapping[Parameter, Any]:
        """Widen the edge to the step of the grid: sums over the grid are then smooth in radius and position."""
        # An edge with a standard deviation of half a step; narrower ones make the sum jump from point to point.
        minor = values[self.r_0] * pt.sqrt(1 - pt.as_tensor_variable(values[self.e]) ** 2)
        return {**values, self.edge_width: pt.maximum(values[self.edge_width], 0.5 * step * np.sqrt(2) * _EDGE / minor)}

    @property
    def evaluation_radius(self) -> u.Quantity:
        """The semi-major axis with the edge, and a tenth more."""
        return 1.1 * self.r_0.quantity * (1 + self.edge_width.value)

    @property
    def evaluation_bin_size_min(self) -> u.Quantity:
        """A tenth of the flat part."""
        return self.r_0.quantity * (1 - self.edge_width.value) / 10

    @property
    def _structure(self) -> u.Quantity:
        minor = self.r_0.quantity * np.sqrt(1 - self.e.value**2)
        return minor * max(2 * self.edge_width.value, 0.02)

    def to_region(self, **kwargs: Any) -> Any:
        """Return the outline as a `~regions.EllipseSkyRegion`."""
        from regions import EllipseSkyRegion

        height = 2 * self.r_0.quantity
        width = height * np.sqrt(1 - self.e.value**2)
        return EllipseSkyRegion(center=self.position, height=height, width=width, angle=self.phi.quantity, **kwargs)


def _norm(r_0: Any, ratio_square: Any) -> Any:
    """Inverse solid angle of a spherical ellipse with semi-major axis ``r_0`` in rad.

    The solid angle is the integral of 1 - cos r(x) over the angle x; sin(r)^2 follows from the two semi-axes, and
    1 - sqrt(1 - y) is written without cancellation.
    """
    sin_major = pt.sin(r_0) ** 2
    sin_minor = pt.sin(r_0 * pt.sqrt(ratio_square)) ** 2
    y = sin_major * sin_minor / (sin_minor * np.cos(_ANGLES) ** 2 + sin_major * np.sin(_ANGLES) ** 2)
    return 1 / (2 * np.pi * (y / (1 + pt.sqrt(1 - y))).mean())
