"""Gaussians on the sphere."""

from typing import Any

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import Region, Tensor
from bayesmap.modeling.formulas import sphere
from bayesmap.modeling.parameter import Parameter, Values
from bayesmap.modeling.spatial.base import SpatialModel, elliptical_axes
from bayesmap.modeling.spatial.views import ellipse

__all__ = ["GaussianSpatialModel"]

_NARROWEST = 0.64  # of the grid's step: a standard deviation below which sums over the grid jump from point to point


def _one_minus_cos(angle: Tensor) -> Tensor:
    """1 - cos of an angle in rad, without cancellation."""
    return 2 * pt.sin(0.5 * angle) ** 2


class GaussianSpatialModel(SpatialModel):
    r"""Gaussian on the sphere, round or elongated.

    .. math::
        \phi(l, b) = N \exp\left(-\frac{1}{2} \frac{1 - \cos s}{1 - \cos \sigma_\mathrm{eff}}\right)

    with the separation s from the centre. A round Gaussian (e = 0) has :math:`\sigma_\mathrm{eff} = \sigma` and

    .. math::
        N = \frac{1}{4 \pi a (1 - e^{-1/a})}, \quad a = 1 - \cos\sigma

    so that it integrates to one over the sphere. An elongated one has

    .. math::
        \sigma_\mathrm{eff}^{-2} = \frac{\cos^2\Delta}{\sigma^2} + \frac{\sin^2\Delta}{\sigma^2 (1 - e^2)}, \quad
        N = \frac{1}{2 \pi \sigma^2 \sqrt{1 - e^2}}

    with the angle :math:`\Delta` between the major axis and the direction from the centre (Gammapy's conventions; its
    norm differs from the round one by a part :math:`\sigma^2 / 12`, 3e-6 at 0.3 deg).

    Parameters
    ----------
    lon_0, lat_0 : `~astropy.units.Quantity`
        Centre. Default 0 deg.
    sigma : `~astropy.units.Quantity`
        Standard deviation along the major axis. Default 1 deg.
    e : `~astropy.units.Quantity`
        Eccentricity between 0 and 1, frozen. Default 0.
    phi : `~astropy.units.Quantity`
        Position angle of the major axis, from North to East in the frame of the model, frozen. Default 0 deg.
    frame : {"icrs", "galactic"}
        Frame of the position.

    Notes
    -----
    A round Gaussian blurred by a point spread function that is a sum of Gaussians has pixel integrals in closed form.
    An elongated one, or another point spread function, takes a table of its Fourier transform.
    """

    tag = "gauss"
    is_smooth = True
    lon_0 = Parameter("lon_0", "0 deg", role="position")
    lat_0 = Parameter("lat_0", "0 deg", min=-90, max=90, role="position")
    sigma = Parameter("sigma", "1 deg", min=0, role="extension")
    e = Parameter("e", 0.0, min=0, max=1, frozen=True, role="fraction")
    phi = Parameter("phi", "0 deg", min=-180, max=180, frozen=True, role="angle")

    @staticmethod
    def evaluate(
        lon: Tensor, lat: Tensor, lon_0: Tensor, lat_0: Tensor, sigma: Tensor, e: Tensor, phi: Tensor
    ) -> Tensor:
        """Return the surface brightness in sr-1."""
        w = sphere.one_minus_cos(lon, lat, lon_0, lat_0)
        major = sphere.RADIANS * sigma
        cos_square, sin_square = sphere.direction_cosines(lon, lat, lon_0, lat_0, phi, e)
        ratio_square = 1 - e**2
        sigma_eff = major * pt.sqrt(ratio_square / (ratio_square * cos_square + sin_square))
        round_a = _one_minus_cos(major)
        round_norm = 1 / (4 * np.pi * round_a * -pt.expm1(-1 / round_a))
        long_norm = 1 / (2 * np.pi * major**2 * pt.sqrt(ratio_square))
        norm = pt.switch(pt.eq(e, 0.0), round_norm, long_norm)
        return norm * pt.exp(-0.5 * w / _one_minus_cos(sigma_eff))

    @property
    def evaluation_radius(self) -> u.Quantity:
        """Five standard deviations."""
        return 5 * self.sigma.quantity

    @property
    def evaluation_bin_size_min(self) -> u.Quantity:
        """A third of the standard deviation."""
        return self.sigma.quantity / 3

    @property
    def _structure(self) -> u.Quantity:
        return 0.75 * self.sigma.quantity * np.sqrt(1 - self.e.value**2)

    def radius_graph(self, values: Values) -> Tensor:
        """Five widths of the major axis."""
        return 5 * values[self.sigma]

    def at_resolution(self, values: Values, step: float) -> Values:
        """Return values with a minor axis that a grid can see; see `SpatialModel.at_resolution`."""
        ratio = pt.sqrt(1 - pt.as_tensor_variable(values[self.e]) ** 2)
        return {**values, self.sigma: pt.maximum(values[self.sigma], _NARROWEST * step / ratio)}

    def axes_graph(self, values: Values) -> tuple[Tensor, Tensor]:
        """Return the ratio of the axes and the position angle; see `SpatialModel.axes_graph`."""
        return elliptical_axes(self, values)

    def transform_graph(self, waves: Tensor, values: Values, phase: float) -> Tensor:
        """Return the Fourier transform, a Gaussian; see `SpatialModel.transform_graph`."""
        return pt.exp(-0.5 * (waves * values[self.sigma]) ** 2)

    def gaussian_graph(self, values: Values) -> tuple[Tensor, Tensor, Tensor]:
        """Return the widths and the angle; see `SpatialModel.gaussian_graph`."""
        _, _, sigma, e, phi = self._arguments(values)
        is_round = isinstance(e, int | float) and e == 0
        return sigma, sigma if is_round else sigma * (1 - e**2) ** 0.5, phi

    def to_region(self, size_factor: float = 1.0, **kwargs: Any) -> Region:
        """Return the ellipse at some standard deviations as a `~regions.EllipseSkyRegion`.

        Parameters
        ----------
        size_factor : float
            Number of standard deviations.
        **kwargs : dict
            Passed to the region.
        """
        return ellipse(self, size_factor * self.sigma.quantity, **kwargs)

    @property
    def evaluation_region(self) -> Region | None:
        """Ellipse at five standard deviations."""
        return self.to_region(size_factor=5)
