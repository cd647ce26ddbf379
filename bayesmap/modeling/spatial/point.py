"""The point source."""

from typing import TYPE_CHECKING, Any

import astropy.units as u

from bayesmap._lazy import pt
from bayesmap._types import QuantityLike, Region, Tensor
from bayesmap.modeling.parameter import Parameter, Values
from bayesmap.modeling.spatial.base import SpatialModel

if TYPE_CHECKING:
    from bayesmap.maps import WcsGeom

__all__ = ["PointSpatialModel"]


class PointSpatialModel(SpatialModel):
    r"""Point source.

    .. math::
        \phi(l, b) = \delta(l - l_0, b - b_0)

    Parameters
    ----------
    lon_0, lat_0 : `~astropy.units.Quantity`
        Position. Default 0 deg.
    frame : {"icrs", "galactic"}
        Frame of the position.

    Notes
    -----
    Predictions take a point source as it is: the point spread function, integrated over pixels, at the position.
    Only the *maps* of `evaluate_geom` and `integrate_geom` share the flux among the four nearest pixels with bilinear
    weights, as Gammapy does; flux that falls outside the map is lost there.
    """

    tag = "point"
    is_point = True
    lon_0 = Parameter("lon_0", "0 deg", role="position")
    lat_0 = Parameter("lat_0", "0 deg", min=-90, max=90, role="position")

    @property
    def evaluation_radius(self) -> u.Quantity:
        """Zero."""
        return 0 * u.deg

    @property
    def evaluation_bin_size_min(self) -> u.Quantity:
        """Zero."""
        return 0 * u.deg

    def gaussian_graph(self, values: Values) -> tuple[Tensor, Tensor, Tensor]:
        """Return zero widths."""
        return 0.0, 0.0, 0.0

    def axes_graph(self, values: Values) -> tuple[Tensor, Tensor]:
        """Return the axes of a round shape; see `SpatialModel.axes_graph`."""
        return 1.0, 0.0

    def transform_graph(self, waves: Tensor, values: Values, phase: float) -> Tensor:
        """Return ones; see `SpatialModel.transform_graph`."""
        return pt.ones(waves.shape)

    def evaluate_graph(self, lon: Tensor, lat: Tensor, values: Values) -> Tensor:
        """Raise a TypeError: a point source has no surface brightness.

        Raises
        ------
        TypeError
            Always; see `gaussian_graph`.
        """
        raise TypeError("a point source has no surface brightness; use gaussian_graph, which gives it width zero")

    def __call__(self, lon: u.Quantity, lat: u.Quantity, energy: QuantityLike | None = None) -> u.Quantity:
        """Raise a TypeError: a point source has no surface brightness."""
        raise TypeError("a point source has no surface brightness; use evaluate_geom or integrate_geom")

    def evaluate_geom(self, geom: "WcsGeom") -> u.Quantity:
        """Return the bilinear map of the source divided by the solid angle of the pixels, shape (lat, lon)."""
        image = geom.to_image()
        return self.integrate_geom(image).quantity / image.solid_angle()

    def to_region(self, **kwargs: Any) -> Region:
        """Return a `~regions.PointSkyRegion`."""
        from regions import PointSkyRegion

        kwargs.pop("size_factor", None)
        return PointSkyRegion(center=self.position, **kwargs)
