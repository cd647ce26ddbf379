"""Projected shells."""

from typing import Any

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import Region, Tensor
from bayesmap.modeling.formulas import sphere
from bayesmap.modeling.parameter import Parameter, Values
from bayesmap.modeling.spatial.base import SpatialModel

__all__ = ["Shell2SpatialModel", "ShellSpatialModel"]

_EDGE = 1 - 1e-12  # the slope of an arc sine is infinite at one


class _Shell(SpatialModel):
    """What both parametrisations share."""

    @classmethod
    def _radii(cls, *shape: Tensor) -> tuple[Tensor, Tensor]:
        """Inner radius and thickness."""
        inner, width = shape
        return inner, width

    def axes_graph(self, values: Values) -> tuple[Tensor, Tensor]:
        """Return the axes of a round shape; see `SpatialModel.axes_graph`."""
        return 1.0, 0.0

    def transform_graph(self, waves: Tensor, values: Values, phase: float) -> Tensor:
        """Return the Fourier transform; see `SpatialModel.transform_graph`.

        That of a projection is that of the body: a sum of spheres of no thickness, of which each has sin(q) / q.
        """
        inner, width = self._radii(*self._arguments(values)[2:])
        nodes, weights = np.polynomial.legendre.leggauss(int(12 + 0.55 * phase))
        radii = inner + 0.5 * width * (1 + nodes)
        turns = waves[:, None] * radii
        safe = pt.switch(abs(turns) > 1e-6, turns, 1.0)
        sphere_of = pt.switch(abs(turns) > 1e-6, pt.sin(safe) / safe, 1.0)
        share = weights * radii**2
        return pt.dot(sphere_of, share) / pt.maximum(share.sum(), 1e-300)

    def resolved_graph(self, lon: Tensor, lat: Tensor, values: Values, step: float) -> Tensor:
        """Return the symbolic mean of the surface brightness over one grid step along the radius.

        The brightness has infinite slopes on both edges; the mean, in closed form, has not, so sums over a grid are
        smooth in radius, width and position.
        """
        _, _, lon_0, lat_0, *shape = (None, None, *self._arguments(values))
        inner, width = self._radii(*shape)
        separation = sphere.separation(lon, lat, lon_0, lat_0)
        low, high = separation - 0.5 * step, separation + 0.5 * step
        outer = inner + width
        mean = sum(
            sign * (_chord_integral(high, radius) - _chord_integral(low, radius))
            for sign, radius in ((1, outer), (-1, pt.maximum(inner, 1e-6 * outer)))
        )
        return _norm(inner, width) / sphere.RADIANS**2 * mean / step

    @property
    def radii(self) -> tuple[u.Quantity, u.Quantity]:
        """Inner radius and thickness of the shell."""
        inner, width = self._radii(*self._numbers[2:])
        return inner * u.deg, width * u.deg

    @property
    def _structure(self) -> u.Quantity:
        inner, width = self.radii
        return min(width, 0.1 * (inner + width)) / 4

    def to_region(self, size_factor: float = 1.0, **kwargs: Any) -> Region:
        """Return the shell as a `~regions.CircleAnnulusSkyRegion`; a circle if it is filled.

        Parameters
        ----------
        size_factor : float
            Factor of both radii.
        **kwargs : dict
            Passed to the region.
        """
        from regions import CircleAnnulusSkyRegion, CircleSkyRegion

        inner, width = (size_factor * x for x in self.radii)
        if not inner > 0:
            return CircleSkyRegion(center=self.position, radius=inner + width, **kwargs)
        return CircleAnnulusSkyRegion(center=self.position, inner_radius=inner, outer_radius=inner + width, **kwargs)


def _chord(square: Tensor) -> Tensor:
    """Square root of what is positive, zero elsewhere; its gradient is finite but on the edge."""
    inside = square > 0
    return pt.switch(inside, pt.sqrt(pt.switch(inside, square, 1.0)), 0.0)


def _chord_integral(s: Tensor, radius: Tensor) -> Tensor:
    """Integral of the half chord sqrt(radius**2 - s**2) from zero to s, constant outside."""
    angle = pt.arcsin(pt.clip(s / radius, -_EDGE, _EDGE))
    return 0.5 * radius**2 * (angle + 0.5 * pt.sin(2 * angle))


def _norm(inner: Tensor, width: Tensor) -> Tensor:
    """3 / (2 pi (outer^3 - inner^3)), without cancellation."""
    return 3 / (2 * np.pi * width * (3 * inner * (inner + width) + width**2))


def _brightness(lon: Tensor, lat: Tensor, lon_0: Tensor, lat_0: Tensor, inner: Tensor, width: Tensor) -> Tensor:
    """Surface brightness in sr-1; all angles in deg."""
    square = sphere.separation(lon, lat, lon_0, lat_0) ** 2
    chord = _chord((inner + width) ** 2 - square) - _chord(inner**2 - square)
    return _norm(inner, width) / sphere.RADIANS**2 * chord


class ShellSpatialModel(_Shell):
    r"""Shell that emits uniformly, seen in projection; inner radius and width are parameters.

    .. math::
        \phi(l, b) = \frac{3}{2 \pi (r_\mathrm{out}^3 - r_\mathrm{in}^3)}
        \left[\sqrt{r_\mathrm{out}^2 - s^2} - \sqrt{r_\mathrm{in}^2 - s^2}\right]

    with the separation s from the centre; roots of negative numbers are zero. The norm is that of the plane (Gammapy's
    convention): the integral over the sphere is one up to a part of order :math:`r_\mathrm{out}^2`, 1e-5 at 0.5 deg.

    Parameters
    ----------
    lon_0, lat_0 : `~astropy.units.Quantity`
        Centre. Default 0 deg.
    radius : `~astropy.units.Quantity`
        Inner radius :math:`r_\mathrm{in}`. Default 1 deg.
    width : `~astropy.units.Quantity`
        Thickness :math:`r_\mathrm{out} - r_\mathrm{in}`. Default 0.2 deg.
    frame : {"icrs", "galactic"}
        Frame of the position.

    Notes
    -----
    Predictions take the blurred shape from a table of its Fourier transform times that of the point spread function.
    """

    tag = "shell"
    lon_0 = Parameter("lon_0", "0 deg", role="position")
    lat_0 = Parameter("lat_0", "0 deg", min=-90, max=90, role="position")
    radius = Parameter("radius", "1 deg", role="extension")
    width = Parameter("width", "0.2 deg", role="thickness")

    @classmethod
    def _radii(cls, *shape: Tensor) -> tuple[Tensor, Tensor]:
        radius, width = shape
        return radius, width

    @staticmethod
    def evaluate(lon: Tensor, lat: Tensor, lon_0: Tensor, lat_0: Tensor, radius: Tensor, width: Tensor) -> Tensor:
        """Return the surface brightness in sr-1."""
        return _brightness(lon, lat, lon_0, lat_0, radius, width)

    def radius_graph(self, values: Values) -> Tensor:
        """The outer radius."""
        return values[self.radius] + values[self.width]

    @property
    def evaluation_radius(self) -> u.Quantity:
        """The outer radius."""
        return self.radius.quantity + self.width.quantity

    @property
    def evaluation_bin_size_min(self) -> u.Quantity:
        """The width."""
        return self.width.quantity


class Shell2SpatialModel(_Shell):
    r"""Shell that emits uniformly, seen in projection; outer radius and relative width are parameters.

    The formula is that of `ShellSpatialModel` with :math:`r_\mathrm{out} = r_0` and
    :math:`r_\mathrm{in} = (1 - \eta) r_0`:

    .. math::
        \phi(l, b) = \frac{3}{2 \pi (r_\mathrm{out}^3 - r_\mathrm{in}^3)}
        \left[\sqrt{r_\mathrm{out}^2 - s^2} - \sqrt{r_\mathrm{in}^2 - s^2}\right]

    Parameters
    ----------
    lon_0, lat_0 : `~astropy.units.Quantity`
        Centre. Default 0 deg.
    r_0 : `~astropy.units.Quantity`
        Outer radius. Default 1 deg.
    eta : float
        Thickness relative to the outer radius, between 0.02 and 1 (a filled sphere). Default 0.2.
    frame : {"icrs", "galactic"}
        Frame of the position.

    Notes
    -----
    Predictions take the blurred shape from a table of its Fourier transform times that of the point spread function.
    """

    tag = "shell2"
    lon_0 = Parameter("lon_0", "0 deg", role="position")
    lat_0 = Parameter("lat_0", "0 deg", min=-90, max=90, role="position")
    r_0 = Parameter("r_0", "1 deg", role="extension")
    eta = Parameter("eta", 0.2, min=0.02, max=1)

    @classmethod
    def _radii(cls, *shape: Tensor) -> tuple[Tensor, Tensor]:
        r_0, eta = shape
        return (1 - eta) * r_0, eta * r_0

    @staticmethod
    def evaluate(lon: Tensor, lat: Tensor, lon_0: Tensor, lat_0: Tensor, r_0: Tensor, eta: Tensor) -> Tensor:
        """Return the surface brightness in sr-1."""
        return _brightness(lon, lat, lon_0, lat_0, (1 - eta) * r_0, eta * r_0)

    @property
    def r_in(self) -> u.Quantity:
        """Inner radius."""
        return (1 - self.eta.value) * self.r_0.quantity

    def radius_graph(self, values: Values) -> Tensor:
        """The outer radius."""
        return values[self.r_0]

    @property
    def evaluation_radius(self) -> u.Quantity:
        """The outer radius."""
        return self.r_0.quantity

    @property
    def evaluation_bin_size_min(self) -> u.Quantity:
        """The thickness."""
        return self.eta.value * self.r_0.quantity
