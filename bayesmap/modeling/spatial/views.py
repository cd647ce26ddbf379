"""How spatial models are shown: images, positions with errors, regions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from bayesmap._types import Axes, Region
from bayesmap._util import Absent

if TYPE_CHECKING:
    from bayesmap.maps import WcsGeom

__all__ = ["SpatialViews", "ellipse", "position_ellipse"]

#: radius of 95 % containment of a round Gaussian in standard deviations
SCALE_95 = float(np.sqrt(-2 * np.log(0.05)))
#: pixels over the width of the default image of a model
IMAGE_PIXELS = 200


def ellipse(model: Any, semi_axis: u.Quantity, ratio: float | None = None, **kwargs: object) -> Region:
    """Return the `~regions.EllipseSkyRegion` of a model with ``phi``, given its semi-major axis and the ratio of both.

    Without the ratio the model has ``e``.
    """
    from regions import EllipseSkyRegion

    height = 2 * semi_axis
    width = height * (np.sqrt(1 - model.e.value**2) if ratio is None else ratio)
    return EllipseSkyRegion(center=model.position, height=height, width=width, angle=model.phi.quantity, **kwargs)


def position_ellipse(model: Any) -> Region:
    """Return the region of `SpatialModel.position_error`."""
    from regions import EllipseSkyRegion

    lon, lat = model.lon_0, model.lat_0
    to_deg = np.array([lon.unit.to("deg") * np.cos(lat.quantity.to_value("rad")), lat.unit.to("deg")])
    matrix = model.covariance.subset(["lon_0", "lat_0"]).data * np.outer(to_deg, to_deg)
    values, vectors = np.linalg.eigh(matrix)
    small, large = np.sqrt(np.clip(values, 0, None)) * SCALE_95 * u.deg
    # the major axis points to the east by x and to the north by y; angles count from the height, which points north
    x, y = vectors[:, 1] * (1 if vectors[1, 1] >= 0 else -1)
    angle = np.degrees(np.arctan2(x, y)) * u.deg
    return EllipseSkyRegion(center=model.position, height=2 * large, width=2 * small, angle=angle)


class SpatialViews:
    """Members of `SpatialModel` for figures and regions."""

    if TYPE_CHECKING:
        position: Any
        evaluation_radius: Any
        evaluation_bin_size_min: Any
        frame: str
        is_energy_dependent: bool
        parameter_names: tuple[str, ...]
        evaluate_geom: Any
        to_region: Any

    phi_0 = Absent("rotates the ellipse of position_error, which has the angle of the covariance here")
    plot_interactive = Absent("needs widgets of a notebook: use plot_grid, or plot of one image")

    @property
    def position_error(self) -> Region:
        """Ellipse that holds the position with a probability of 95 %, from `covariance`; `~regions.EllipseSkyRegion`.

        Its angle is that of the major axis from North to East in the frame of the model. (Gammapy mirrors it.)

        Raises
        ------
        ValueError
            If the model has no position.
        """
        if "lon_0" not in self.parameter_names:
            raise ValueError(f"{type(self).__name__} has no position, so no error of it")
        return position_ellipse(self)

    @property
    def evaluation_region(self) -> Region | None:
        """Region that holds most of the flux: the outline, for Gaussians at several widths."""
        return self.to_region()

    def _image(self, geom: "WcsGeom | None") -> Any:
        """The surface brightness on a geometry, by default one that holds the model."""
        from bayesmap.maps import Map, WcsGeom

        if geom is None:
            radius = self.evaluation_radius
            if radius is None or self.is_energy_dependent or not radius > 0:
                raise ValueError(f"{type(self).__name__}: a figure needs a geometry 'geom', with axes if it has some")
            width = 2 * radius.to_value("deg")
            geom = WcsGeom.create(
                skydir=self.position, width=width, binsz=width / IMAGE_PIXELS, frame=self.frame, proj="TAN"
            )
        values = self.evaluate_geom(geom)
        return Map.from_geom(geom, data=np.broadcast_to(values.value, geom.data_shape).copy(), unit=values.unit)

    def plot(self, ax: Axes | None = None, geom: "WcsGeom | None" = None, **kwargs: object) -> Axes:
        """Plot the surface brightness; see `bayesmap.plot.plot_map`.

        Parameters
        ----------
        ax : `~astropy.visualization.wcsaxes.WCSAxes`, optional
            Axes; new ones by default.
        geom : WcsGeom, optional
            Image; by default the circle of the evaluation radius, over 200 pixels.
        **kwargs : dict
            For `bayesmap.plot.plot_map`.
        """
        return self._image(geom).plot(ax=ax, **kwargs)

    def plot_grid(self, geom: "WcsGeom | None" = None, **kwargs: object) -> Axes:
        """Plot the surface brightness for every bin of the axes of a geometry; see `bayesmap.plot.plot_grid`."""
        image = self._image(geom)
        return image.plot_grid(**kwargs)

    def plot_position_error(self, ax: Axes | None = None, **kwargs: object) -> Axes:
        """Plot the position, and its error if there is one; see `bayesmap.plot.plot_position`."""
        from bayesmap.plot.spatial import plot_position

        return plot_position(self, ax, **kwargs)  # type: ignore[arg-type]

    def plot_error(
        self,
        ax: Axes | None = None,
        which: str = "position",
        size_factor: float = 1.0,
        kwargs_position: Mapping[str, object] | None = None,
        kwargs_extension: Mapping[str, object] | None = None,
    ) -> Axes:
        """Plot position and extension with their errors; see `bayesmap.plot.plot_shape_error`."""
        from bayesmap.plot.spatial import plot_shape_error

        return plot_shape_error(self, ax, which, size_factor, kwargs_position, kwargs_extension)  # type: ignore[arg-type]
