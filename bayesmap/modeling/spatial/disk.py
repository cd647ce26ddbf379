"""Disks on the sphere."""

from typing import Any, Self

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import Region, Tensor
from bayesmap.modeling.formulas import sphere
from bayesmap.modeling.parameter import Parameter, Values
from bayesmap.modeling.spatial.base import FRAMES, SpatialModel, elliptical_axes
from bayesmap.modeling.spatial.jinc import jinc
from bayesmap.modeling.spatial.views import ellipse

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
    Blurred by the point spread function a disk has no closed form. Predictions take it from a table of its Fourier
    transform times that of the point spread function, which is right for any radius, down to that of a point.
    """

    tag = "disk"
    lon_0 = Parameter("lon_0", "0 deg", role="position")
    lat_0 = Parameter("lat_0", "0 deg", min=-90, max=90, role="position")
    r_0 = Parameter("r_0", "1 deg", min=0, role="extension")
    e = Parameter("e", 0.0, min=0, max=1, frozen=True, role="fraction")
    phi = Parameter("phi", "0 deg", min=-180, max=180, frozen=True, role="angle")
    edge_width = Parameter("edge_width", 0.01, min=0, max=1, frozen=True)

    @staticmethod
    def evaluate(
        lon: Tensor, lat: Tensor, lon_0: Tensor, lat_0: Tensor, r_0: Tensor, e: Tensor, phi: Tensor, edge_width: Tensor
    ) -> Tensor:
        """Return the surface brightness in sr-1."""
        cos_square, sin_square = sphere.direction_cosines(lon, lat, lon_0, lat_0, phi, e)
        ratio_square = 1 - e**2
        radius = r_0 * pt.sqrt(ratio_square / (ratio_square * cos_square + sin_square))
        step = (sphere.separation(lon, lat, lon_0, lat_0) - radius) / (radius * edge_width)
        return _norm(sphere.RADIANS * r_0, ratio_square) * 0.5 * pt.erfc(_EDGE * step)

    def axes_graph(self, values: Values) -> tuple[Tensor, Tensor]:
        """Return the ratio of the axes and the position angle; see `SpatialModel.axes_graph`."""
        return elliptical_axes(self, values)

    def transform_graph(self, waves: Tensor, values: Values, phase: float) -> Tensor:
        """Return the Fourier transform, 2 J1(q) / q of a sharp disk; see `SpatialModel.transform_graph`.

        A soft edge is an average over disks whose radii have a normal distribution.
        """
        _, _, r_0, *_, edge_width = self._arguments(values)
        softest = self.edge_width.value if self.edge_width.frozen else 1.0
        radii, weights = _soft_edge(edge_width, phase * softest / (np.sqrt(2) * _EDGE))
        size, ratio = pt.maximum(sphere.RADIANS * r_0, 1e-8), self.axes_graph(values)[0]
        curved = _norm(size, ratio**2) * np.pi * size**2 * ratio  # the norm is that of the sphere
        return curved * (weights * radii**2 * jinc(waves[:, None] * r_0 * radii)).sum(axis=-1)

    def radius_graph(self, values: Values) -> Tensor:
        """The semi-major axis with the edge, and a tenth more."""
        return 1.1 * values[self.r_0] * (1 + values[self.edge_width])

    def at_resolution(self, values: Values, step: float) -> Values:
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

    def to_region(self, size_factor: float = 1.0, **kwargs: Any) -> Region:
        """Return the outline as a `~regions.EllipseSkyRegion`, perhaps with ``size_factor`` times the semi-axes."""
        return ellipse(self, size_factor * self.r_0.quantity, **kwargs)

    @classmethod
    def from_region(cls, region: Region, **kwargs: Any) -> Self:
        """Create a disk that fills a region.

        Parameters
        ----------
        region : `~regions.CircleSkyRegion` or `~regions.EllipseSkyRegion`
            Region. Its frame (ICRS or Galactic) becomes that of the model.
        **kwargs : dict
            Values of other parameters.

        Raises
        ------
        TypeError
            For another kind of region.
        """
        from regions import CircleSkyRegion, EllipseSkyRegion

        if isinstance(region, CircleSkyRegion):
            return cls.from_position(region.center, **{"r_0": region.radius, "e": 0.0} | kwargs)
        if not isinstance(region, EllipseSkyRegion):
            raise TypeError(f"a disk needs a circle or an ellipse, got {type(region).__name__}")
        if region.center.frame.name not in FRAMES:
            raise TypeError(f"the ellipse must be in one of the frames {FRAMES}, got {region.center.frame.name!r}")
        is_upright = region.height >= region.width
        major, minor = (region.height, region.width) if is_upright else (region.width, region.height)
        shape = {
            "r_0": major / 2,
            "e": float(np.sqrt(1 - (minor / major).to_value("") ** 2)),
            "phi": region.angle if is_upright else region.angle + 90 * u.deg,
        }
        return cls.from_position(region.center, **shape | kwargs)


def _soft_edge(edge_width: Tensor, phase: float) -> tuple[Tensor, Tensor]:
    """Relative radii and weights of the disks that a soft edge is made of.

    ``phase`` is how far in rad the fastest oscillation turns within one standard deviation of the edge.
    """
    sigma = edge_width / (np.sqrt(2) * _EDGE)
    if phase < 1:  # Gauss-Hermite: exact to 1e-6 of the flux
        nodes, weights = np.polynomial.hermite_e.hermegauss(3 if phase < 0.3 else 7)
        return 1 + sigma * nodes, weights / weights.sum()
    nodes, weights = np.polynomial.legendre.leggauss(int(20 + 4 * phase))
    low = pt.maximum(-5.0, -1 / pt.as_tensor_variable(sigma))  # no negative radii
    place = 0.5 * (5 + low) + 0.5 * (5 - low) * nodes
    return 1 + sigma * place, 0.5 * (5 - low) * weights * pt.exp(-0.5 * place**2) / np.sqrt(2 * np.pi)


def _norm(r_0: Tensor, ratio_square: Tensor) -> Tensor:
    """Inverse solid angle of a spherical ellipse with semi-major axis ``r_0`` in rad.

    The solid angle is the integral of 1 - cos r(x) over the angle x; sin(r)^2 follows from the two semi-axes, and
    1 - sqrt(1 - y) is written without cancellation.
    """
    sin_major = pt.sin(r_0) ** 2
    sin_minor = pt.sin(r_0 * pt.sqrt(ratio_square)) ** 2
    y = sin_major * sin_minor / (sin_minor * np.cos(_ANGLES) ** 2 + sin_major * np.sin(_ANGLES) ** 2)
    return 1 / (2 * np.pi * (y / (1 + pt.sqrt(1 - y))).mean())
