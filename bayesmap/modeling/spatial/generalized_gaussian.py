"""Generalised Gaussians on the sphere."""

from typing import Any

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import Region, Tensor
from bayesmap.modeling.formulas import sphere
from bayesmap.modeling.parameter import Parameter, Values
from bayesmap.modeling.spatial.base import SpatialModel, elliptical_axes
from bayesmap.modeling.spatial.jinc import jinc
from bayesmap.modeling.spatial.views import ellipse

__all__ = ["GeneralizedGaussianSpatialModel"]

_TINY = 1e-30
_LAYERS = 1e-7, 18.0  # of exp(-v): below and above there is nothing
_GONE = np.log(700.0)  # exp(-700) is nothing, and not yet zero
# Widths below which sums over a grid jump from point to point, in steps of the grid: about half a step as a standard
# deviation, which is r_0 / sqrt(2) for the Gaussian (eta = 0.5) and about 1.28 eta r_0 for the edge of a small eta.
_NARROWEST, _STEEPEST = 0.9, 0.39


class GeneralizedGaussianSpatialModel(SpatialModel):
    r"""Generalised Gaussian, from a disk over a Gaussian to an exponential, round or elongated.

    .. math::
        \phi(l, b) = N \exp\left[-\left(\frac{s}{r_\mathrm{eff}}\right)^{1 / \eta}\right], \quad
        N = \frac{1}{2 \pi\, r_0^2 \sqrt{1 - e^2}\; \eta\, \Gamma(2 \eta)}

    with the separation s from the centre and

    .. math::
        r_\mathrm{eff}^{-2} = \frac{\cos^2\Delta}{r_0^2} + \frac{\sin^2\Delta}{r_0^2 (1 - e^2)}

    with the angle :math:`\Delta` between the major axis and the direction from the centre. The norm is that of the
    plane (Gammapy's convention): the integral over the sphere is one up to a part of order :math:`r_0^2`, 1e-5 at
    0.3 deg.

    Parameters
    ----------
    lon_0, lat_0 : `~astropy.units.Quantity`
        Centre. Default 0 deg.
    r_0 : `~astropy.units.Quantity`
        Semi-major axis, where the brightness is 1/e of the centre's. Default 1 deg.
    eta : float
        Shape between 0.01 and 1: towards 0 a disk, 0.5 a Gaussian with :math:`\sigma = r_0 / \sqrt{2}`, 1 an
        exponential. Default 0.5.
    e : `~astropy.units.Quantity`
        Eccentricity between 0 and 1, frozen. Default 0.
    phi : `~astropy.units.Quantity`
        Position angle of the major axis, from North to East in the frame of the model, frozen. Default 0 deg.
    frame : {"icrs", "galactic"}
        Frame of the position.

    Notes
    -----
    Predictions take the blurred shape from a table of its Fourier transform, a sum of those of disks, times that of the
    point spread function.
    """

    tag = "gauss-general"
    is_smooth = True
    lon_0 = Parameter("lon_0", "0 deg", role="position")
    lat_0 = Parameter("lat_0", "0 deg", min=-90, max=90, role="position")
    r_0 = Parameter("r_0", "1 deg", role="extension")
    eta = Parameter("eta", 0.5, min=0.01, max=1)
    e = Parameter("e", 0.0, min=0, max=1, frozen=True, role="fraction")
    phi = Parameter("phi", "0 deg", min=-180, max=180, frozen=True, role="angle")

    @staticmethod
    def evaluate(
        lon: Tensor, lat: Tensor, lon_0: Tensor, lat_0: Tensor, r_0: Tensor, eta: Tensor, e: Tensor, phi: Tensor
    ) -> Tensor:
        """Return the surface brightness in sr-1."""
        cos_square, sin_square = sphere.direction_cosines(lon, lat, lon_0, lat_0, phi, e)
        ratio_square = 1 - e**2
        z_square = (sphere.separation(lon, lat, lon_0, lat_0) / r_0) ** 2 * (cos_square + sin_square / ratio_square)
        power = pt.minimum(0.5 * pt.log(z_square + _TINY) / eta, _GONE)
        area = 2 * np.pi * (sphere.RADIANS * r_0) ** 2 * pt.sqrt(ratio_square) * eta * pt.gamma(2 * eta)
        return pt.exp(-pt.exp(power)) / area

    def axes_graph(self, values: Values) -> tuple[Tensor, Tensor]:
        """Return the ratio of the axes and the position angle; see `SpatialModel.axes_graph`."""
        return elliptical_axes(self, values)

    def transform_graph(self, waves: Tensor, values: Values, phase: float) -> Tensor:
        """Return the Fourier transform; see `SpatialModel.transform_graph`.

        The shape is a sum of disks: exp(-t^(1/eta)) is the integral of exp(-v) over all v above t^(1/eta).
        """
        _, _, r_0, eta, _, _ = self._arguments(values)
        eta = pt.as_tensor_variable(eta)
        nodes, weights = np.polynomial.legendre.leggauss(int(max(40, 20 + 0.55 * phase)))
        low, high = (pt.exp(eta * np.log(v)) for v in _LAYERS)
        t = 0.5 * (low + high) + 0.5 * (high - low) * nodes
        v = pt.exp(pt.log(t) / eta)
        weights = 0.5 * (high - low) * weights * v * t * pt.exp(-v) / (eta * pt.gamma(1 + 2 * eta))
        return pt.dot(jinc(r_0 * waves[:, None] * t), weights)

    def radius_graph(self, values: Values) -> Tensor:
        """The semi-major axis times 1 + 8 eta: all but 1e-3 of the flux for eta = 1, much less below."""
        return values[self.r_0] * (1 + 8 * values[self.eta])

    def at_resolution(self, values: Values, step: float) -> Values:
        """Keep size and edge wide enough for the grid: sums over it are then smooth in all parameters."""
        ratio = pt.sqrt(1 - pt.as_tensor_variable(values[self.e]) ** 2)
        r_0 = pt.maximum(values[self.r_0], _NARROWEST * step / ratio)
        return {**values, self.r_0: r_0, self.eta: pt.maximum(values[self.eta], _STEEPEST * step / (r_0 * ratio))}

    @property
    def evaluation_radius(self) -> u.Quantity:
        """The semi-major axis times 1 + 8 eta."""
        return self.r_0.quantity * (1 + 8 * self.eta.value)

    @property
    def evaluation_bin_size_min(self) -> u.Quantity:
        """The semi-major axis over (3 + 8 eta)(1 + e)."""
        return self.r_0.quantity / (3 + 8 * self.eta.value) / (1 + self.e.value)

    @property
    def _structure(self) -> u.Quantity:
        double = 2 * self.eta.value
        return 0.5 * self.r_0.quantity * np.sqrt(1 - self.e.value**2) * min(double, 1 / double**3)

    def to_region(self, size_factor: float = 1.0, **kwargs: Any) -> Region:
        """Return the ellipse at some number of semi-axes as a `~regions.EllipseSkyRegion`.

        Parameters
        ----------
        size_factor : float
            Number of semi-axes.
        **kwargs : dict
            Passed to the region.
        """
        return ellipse(self, size_factor * self.r_0.quantity, **kwargs)

    @property
    def evaluation_region(self) -> Region | None:
        """Ellipse with the evaluation radius as its semi-major axis."""
        return ellipse(self, self.evaluation_radius)
