"""Profiles of galaxies."""

import abc
from typing import Any, ClassVar

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import Region, Tensor
from bayesmap.modeling.formulas import sphere
from bayesmap.modeling.parameter import Parameter, Values
from bayesmap.modeling.spatial.base import SpatialModel
from bayesmap.modeling.spatial.views import ellipse

__all__ = ["DeVaucouleursSpatialModel", "ExponentialSpatialModel", "SersicSpatialModel"]

#: indices whose Fourier transform is known
SMALLEST_INDEX, LARGEST_INDEX = 0.5, 8.0
#: a part of the half-light radius below which the cusp is cut
_CORE = 1e-3


def _scale(n: Tensor) -> Tensor:
    """The number b for which half of the flux is inside of the half-light radius (Ciotti & Bertin 1999, eq. 18)."""
    series = 4 / (405 * n) + 46 / (25515 * n**2) + 131 / (1148175 * n**3) - 2194697 / (30690717750 * n**4)
    return 2 * n - 1 / 3 + series


def _brightness(distance_square: Tensor, cos_square: Tensor, sin_square: Tensor, size: tuple[Tensor, ...]) -> Tensor:
    """Brightness in sr-1 at a squared distance in rad2; ``size`` is the half-light radius in rad, n and q."""
    r_eff, n, q = size
    b = _scale(n)
    square = distance_square * (cos_square + sin_square / q**2) / r_eff**2 + _CORE**2
    log_norm = 2 * n * pt.log(b) - pt.gammaln(2 * n) - pt.log(2 * np.pi * n * q * r_eff**2)
    return pt.exp(log_norm - b * square ** (0.5 / n))


class _Profile(SpatialModel):
    """What the profiles have in common."""

    in_gammapy = False
    lon_0 = Parameter("lon_0", "0 deg", role="position")
    lat_0 = Parameter("lat_0", "0 deg", min=-90, max=90, role="position")
    r_eff = Parameter("r_eff", "1 arcsec", min=0, role="extension")
    q = Parameter("q", 1.0, min=0.01, max=1.0)
    phi = Parameter("phi", "0 deg", min=-180, max=180, role="angle")

    @abc.abstractmethod
    def _index(self, values: Values) -> Any:
        """The index of the profile."""

    @property
    def _index_value(self) -> float:
        return float(self._index({p: p.internal for p in self.parameters}))

    @property
    def evaluation_radius(self) -> u.Quantity:
        """Major axis of the ellipse that holds 99.9 % of the flux."""
        from scipy import special

        n = self._index_value
        ratio = special.gammaincinv(2 * n, 0.999) / special.gammaincinv(2 * n, 0.5)
        return self.r_eff.quantity * ratio**n

    @property
    def evaluation_bin_size_min(self) -> u.Quantity:
        """A third of the half-light radius of the minor axis."""
        return self.r_eff.quantity * self.q.value / 3

    @property
    def _structure(self) -> u.Quantity:
        return 0.3 * self.r_eff.quantity * self.q.value

    def radius_graph(self, values: Values) -> Tensor:
        """Radius of 99.9 % of the flux, for the present index."""
        return float(self.evaluation_radius / self.r_eff.quantity) * values[self.r_eff]

    def axes_graph(self, values: Values) -> tuple[Tensor, Tensor]:
        """Return the ratio of the axes and the position angle; see `SpatialModel.axes_graph`."""
        return values[self.q], values[self.phi]

    def transform_graph(self, waves: Tensor, values: Values, phase: float) -> Tensor:
        """Return the Fourier transform, from a table; see `SpatialModel.transform_graph`."""
        from bayesmap.modeling.spatial.sersic_op import sersic_transform

        return sersic_transform(self._index(values), waves * values[self.r_eff])

    def to_region(self, size_factor: float = 1.0, **kwargs: Any) -> Region:
        """Return the ellipse at some half-light radii as a `~regions.EllipseSkyRegion`.

        Parameters
        ----------
        size_factor : float
            Number of half-light radii.
        **kwargs : dict
            Passed to the region.
        """
        return ellipse(self, size_factor * self.r_eff.quantity, self.q.value, **kwargs)


class SersicSpatialModel(_Profile):
    r"""Elliptical profile of a galaxy (Sersic 1963).

    .. math::
        \phi(r) = \frac{b^{2n}}{2 \pi n \Gamma(2n)\, q\, r_\mathrm{eff}^2}
        \exp\left(-b\, (r / r_\mathrm{eff})^{1/n}\right), \quad
        r^2 = s^2 \left(\cos^2\Delta + \sin^2\Delta / q^2\right)

    with the separation s from the centre, its angle :math:`\Delta` to the major axis, and b(n) such that half of the
    flux is within :math:`r_\mathrm{eff}` (Ciotti & Bertin 1999, A&A 352, 447, eq. 18; 1e-6 for n from 0.5). There is
    no cut at large radii.

    Parameters
    ----------
    lon_0, lat_0 : `~astropy.units.Quantity`
        Centre. Default 0 deg.
    r_eff : `~astropy.units.Quantity`
        Half-light radius along the major axis. Default 1 arcsec.
    q : `~astropy.units.Quantity`
        Ratio of the minor to the major axis. Default 1.
    phi : `~astropy.units.Quantity`
        Position angle of the major axis, from North to East in the frame of the model. Default 0 deg.
    n : `~astropy.units.Quantity`
        Index, 0.5 (a Gaussian) to 8; the bounds of the parameter may be narrower, not wider. Default 1.
    frame : {"icrs", "galactic"}
        Frame of the position.

    Notes
    -----
    Images (`~bayesmap.datasets.ImageDataset`) take its Fourier transform, which is exact at the cusp too. On maps of
    counts it is a shape as any other.
    """

    tag = "sersic"
    n = Parameter("n", 1.0, min=0.5, max=8.0)

    @staticmethod
    def evaluate(
        lon: Tensor, lat: Tensor, lon_0: Tensor, lat_0: Tensor, r_eff: Tensor, q: Tensor, phi: Tensor, n: Tensor
    ) -> Tensor:
        """Return the surface brightness in sr-1."""
        distance = 2 * sphere.one_minus_cos(lon, lat, lon_0, lat_0)
        cos_square, sin_square = sphere.direction_cosines(lon, lat, lon_0, lat_0, phi, 1.0)
        return _brightness(distance, cos_square, sin_square, (sphere.RADIANS * r_eff, n, q))

    def _index(self, values: Values) -> Any:
        lower, upper = (self.n.value,) * 2 if self.n.frozen else self.n.bounds
        if not SMALLEST_INDEX <= lower <= upper <= LARGEST_INDEX:
            raise ValueError(
                f"SersicSpatialModel: n goes from {lower:g} to {upper:g}; the Fourier transform is known from "
                f"{SMALLEST_INDEX:g} to {LARGEST_INDEX:g}: set n.min and n.max within these"
            )
        return values[self.n]


class _FixedIndex(_Profile):
    """A profile whose index is no parameter."""

    index: ClassVar[float]

    @classmethod
    def evaluate(
        cls, lon: Tensor, lat: Tensor, lon_0: Tensor, lat_0: Tensor, r_eff: Tensor, q: Tensor, phi: Tensor
    ) -> Tensor:
        """Return the surface brightness in sr-1."""
        return SersicSpatialModel.evaluate(lon, lat, lon_0, lat_0, r_eff, q, phi, pt.constant(cls.index))

    def _index(self, values: Values) -> Any:
        return self.index


class ExponentialSpatialModel(_FixedIndex):
    r"""Elliptical exponential disk, a Sersic profile with n = 1.

    Parameters
    ----------
    lon_0, lat_0, r_eff, q, phi, frame
        See `SersicSpatialModel`.
    """

    tag = "exponential"
    index = 1.0


class DeVaucouleursSpatialModel(_FixedIndex):
    r"""Elliptical profile of de Vaucouleurs (1948), a Sersic profile with n = 4.

    Parameters
    ----------
    lon_0, lat_0, r_eff, q, phi, frame
        See `SersicSpatialModel`.
    """

    tag = "de-vaucouleurs"
    index = 4.0
