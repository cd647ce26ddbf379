"""The interface of spatial models: position, evaluation on maps, pixel integrals."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

import astropy.units as u
import numpy as np

from bayesmap._lazy import coordinates, pt
from bayesmap._types import QuantityLike, Region, Tensor
from bayesmap._util import check_option
from bayesmap.modeling.formulas.evaluate import evaluate
from bayesmap.modeling.model import ModelBase
from bayesmap.modeling.parameter import Parameter, ParameterLike, Values
from bayesmap.modeling.spatial.views import SpatialViews
from bayesmap.units import attach

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

    from bayesmap.maps import Map, WcsGeom

__all__ = ["FRAMES", "SpatialModel"]

FRAMES = ("icrs", "galactic")


class SpatialModel(SpatialViews, ModelBase):
    """Interface of spatial models.

    A subclass declares parameters (positions are called ``lon_0`` and ``lat_0``) and the static formula
    ``evaluate(lon, lat, *parameters)`` with angles in deg, returning sr-1. What it declares besides decides how it
    meets a point spread function:

    - ``is_point``: all flux is at the position;
    - ``gaussian_graph``: a Gaussian, fastest where it is round;
    - ``is_smooth``: a shape without edges, for which fewer samples do;
    - ``fixed_positions``: a table, ``evaluate_graph`` takes positions as arrays only;
    - ``is_per_pixel``: the same flux in every pixel, whatever its size.

    Default priors go by the roles of parameters, ``Parameter("r_e", "0.1 deg", min=0, role="extension")``.

    Parameters
    ----------
    frame : {"icrs", "galactic"}
        Frame of the positions.
    **values : str, `~astropy.units.Quantity`, float or Parameter
        Values of parameters.
    """

    kind = "spatial"
    unit: ClassVar[str] = "sr-1"
    file_keys: ClassVar[tuple[str, ...]] = ("frame",)
    is_energy_dependent: bool = False
    is_smooth: ClassVar[bool] = False  # no edges: sums over samples at centres are accurate to fourth order
    fixed_positions: ClassVar[bool] = False
    is_point: ClassVar[bool] = False
    is_per_pixel: ClassVar[bool] = False
    evaluate: ClassVar[Callable[..., Tensor]]
    lon_0: Parameter
    lat_0: Parameter

    def __init__(self, *, frame: str = "icrs", **values: ParameterLike) -> None:
        super().__init__(**values)
        self.frame = frame

    @property
    def frame(self) -> str:
        """Frame of the positions, "icrs" or "galactic"."""
        return self._frame

    @frame.setter
    def frame(self, frame: str) -> None:
        check_option(f"{type(self).__name__}: frame", frame, FRAMES)
        self._frame = frame

    @classmethod
    def from_position(cls, position: "coordinates.SkyCoord", **values: ParameterLike) -> Self:
        """Create a model at a position; its frame is that of the position, if possible.

        Parameters
        ----------
        position : `~astropy.coordinates.SkyCoord`
            A single position.
        **values : str, `~astropy.units.Quantity`, float or Parameter
            Values of the other parameters.
        """
        frame = position.frame.name if position.frame.name in FRAMES else "icrs"
        model = cls(frame=frame, **values)
        model.position = position
        return model

    # -- position ---------------------------------------------------------------------------------------------------
    @property
    def position(self) -> "SkyCoord | None":
        """Position in the frame of the model, a `~astropy.coordinates.SkyCoord`; None for models without one.

        Raises
        ------
        AttributeError
            If it is set and the model has none.
        """
        if "lon_0" not in self.parameter_names:
            return None
        return coordinates.SkyCoord(self.lon_0.quantity, self.lat_0.quantity, frame=self.frame)

    @position.setter
    def position(self, position: "coordinates.SkyCoord") -> None:
        if "lon_0" not in self.parameter_names:
            raise AttributeError(f"{type(self).__name__} has no position")
        coord = position.transform_to(self.frame).spherical
        self.lon_0.value = coord.lon.to_value(self.lon_0.unit)
        self.lat_0.value = coord.lat.to_value(self.lat_0.unit)

    @property
    def position_lonlat(self) -> tuple[float, float]:
        """Longitude and latitude in rad."""
        return self.lon_0.quantity.to_value("rad"), self.lat_0.quantity.to_value("rad")

    @property
    def evaluation_radius(self) -> u.Quantity | None:
        """Radius that holds practically all flux; None if there is none."""
        return None

    @property
    def evaluation_bin_size_min(self) -> u.Quantity | None:
        """Size of the smallest structure that has to be resolved; None if there is none."""
        return None

    @property
    def _structure(self) -> u.Quantity | None:
        """Size over which the model is smooth, the largest sub-pixel of pixel integrals; None for no sub-pixels."""
        return None

    def _rough_pixels(self, image: "WcsGeom") -> np.ndarray | None:
        """Pixels of an image with edges that `_structure` does not resolve, shape (lat, lon); None for none."""
        return None

    # -- symbolic ---------------------------------------------------------------------------------------------------
    def radius_graph(self, values: Values) -> Tensor:
        """Return the radius in deg outside of which the shape is negligible, symbolic; None if it has no edge.

        Parameters
        ----------
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.
        """
        return None

    def at_resolution(self, values: Values, step: float) -> Values:
        """Return values for an evaluation on a grid that cannot resolve a sharp edge.

        Parameters
        ----------
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.
        step : float
            Distance of the grid points in deg.

        Returns
        -------
        Mapping
            The values, with edges widened to the grid where a shape has them.
        """
        return values

    def evaluate_graph(self, lon: Tensor, lat: Tensor, values: Values) -> Tensor:
        """Return the symbolic surface brightness.

        Parameters
        ----------
        lon, lat : tensor or array
            Positions in the frame of the model, in deg.
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.

        Returns
        -------
        TensorVariable
            In sr-1.
        """
        return pt.as_tensor_variable(self.evaluate(lon, lat, *self._arguments(values)))

    def resolved_graph(self, lon: Tensor, lat: Tensor, values: Values, step: float) -> Tensor:
        """Return the symbolic surface brightness for sums over a grid, which are then smooth in all parameters.

        Parameters
        ----------
        lon, lat : tensor or array
            Positions in the frame of the model, in deg.
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.
        step : float
            Distance of the grid points in deg.

        Returns
        -------
        TensorVariable
            In sr-1.
        """
        return self.evaluate_graph(lon, lat, self.at_resolution(values, step))

    def axes_graph(self, values: Values) -> tuple[Tensor, Tensor] | None:
        """Return the axes of a shape that is a function of an elliptical radius, and has a `transform_graph`.

        Parameters
        ----------
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.

        Returns
        -------
        tuple of tensor or float, or None
            Ratio of the minor to the major axis, the number one for a shape that is always round, and position angle
            of the major axis in deg from North to East; None for other shapes.
        """
        return None

    def transform_graph(self, waves: Tensor, values: Values, phase: float) -> Tensor:
        """Return the Fourier transform along the major axis, which has no edges and is smooth in all parameters.

        Parameters
        ----------
        waves : tensor
            Wave numbers in rad / deg, ascending, shape ``(n,)``.
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.
        phase : float
            The product of a wave number and the radius of the shape, in rad, is never larger.

        Returns
        -------
        TensorVariable
            Of the shape of ``waves``; one, the flux, at wave number zero.

        Raises
        ------
        TypeError
            If it is not known, see `axes_graph`.
        """
        raise TypeError(f"{type(self).__name__} has no Fourier transform in closed form")

    def gaussian_graph(self, values: Values) -> tuple[Tensor, Tensor, Tensor] | None:
        """Return the widths of a model that is a Gaussian on the sky.

        Parameters
        ----------
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.

        Returns
        -------
        tuple of tensor or float, or None
            Standard deviation along the major and the minor axis and position angle of the major axis from North to
            East in the frame of the model, all in deg; None if the model is no Gaussian. It is round if the two widths
            are the same number or the same expression.
        """
        return None

    @property
    def is_round_gaussian(self) -> bool:
        """Whether `gaussian_graph` gives one width, zero for a point, whatever the free parameters are."""
        from bayesmap._backend.expressions import equal_expressions

        values = {p: p.internal if p.frozen else pt.dscalar() for p in self.parameters}
        widths = self.gaussian_graph(values)
        if widths is None:
            return False
        major, minor = (pt.as_tensor_variable(width) for width in widths[:2])
        inputs = [v for v in values.values() if not isinstance(v, float)]
        return equal_expressions(major, minor, inputs)

    def overshoots(self, lon: np.ndarray, lat: np.ndarray) -> bool:
        """Whether the model can be negative at positions (deg, of one shape) while all its parameters are positive."""
        return False

    # -- numbers ----------------------------------------------------------------------------------------------------
    def _evaluate_numbers(self, lon: np.ndarray, lat: np.ndarray, energy: QuantityLike | None = None) -> np.ndarray:
        """Surface brightness in the internal unit at positions in deg."""
        return evaluate(type(self).evaluate, lon, lat, *self._numbers)

    def __call__(self, lon: u.Quantity, lat: u.Quantity, energy: u.Quantity | None = None) -> u.Quantity:
        """Return the surface brightness.

        Parameters
        ----------
        lon, lat : `~astropy.units.Quantity`
            Positions in the frame of the model.
        energy : `~astropy.units.Quantity` or None
            Energies, for energy-dependent models only.

        Returns
        -------
        `~astropy.units.Quantity`
            In sr-1.
        """
        lon, lat = u.Quantity(lon).to_value("deg"), u.Quantity(lat).to_value("deg")
        return attach(self._evaluate_numbers(lon, lat, energy), self.unit)

    def _lonlat(self, coords: "coordinates.SkyCoord") -> tuple[np.ndarray, np.ndarray]:
        """Positions in the frame of the model, in deg."""
        spherical = coords.transform_to(self.frame).spherical
        return spherical.lon.to_value("deg"), spherical.lat.to_value("deg")

    def evaluate_geom(self, geom: "WcsGeom") -> u.Quantity:
        """Return the surface brightness at the pixel centres of a geometry.

        Parameters
        ----------
        geom : WcsGeom
            Geometry; its energy axis matters for energy-dependent models only.

        Returns
        -------
        `~astropy.units.Quantity`
            Shape (lat, lon), or (energy, lat, lon) for an energy-dependent model.
        """
        lon, lat = self._lonlat(geom.to_image().get_coord().skycoord)
        if not self.is_energy_dependent:
            return self(lon * u.deg, lat * u.deg)
        axis = geom.axes["energy_true"]
        return self(lon * u.deg, lat * u.deg, energy=axis.center[:, None, None])

    def integrate_geom(self, geom: "WcsGeom", oversampling_factor: int | None = None) -> "Map":
        """Return the model integrated over the pixels of a geometry.

        Parameters
        ----------
        geom : WcsGeom
            Geometry.
        oversampling_factor : int or None
            Number of sub-pixels per axis, each taken at its centre, as in Gammapy. By default the sub-pixels resolve
            the model, and 3 x 3 Gauss-Legendre nodes are used in each.

        Returns
        -------
        Map
            The integral per pixel, on the given geometry.

        Notes
        -----
        By default pixels within the evaluation radius are integrated with Gauss-Legendre nodes, others are their
        central value times the solid angle. The error is below 1e-5 of the peak for a Gaussian, so the result does
        not visibly jump where the number of sub-pixels changes.
        """
        from bayesmap.modeling.spatial.integrate import integrate_geom

        return integrate_geom(self, geom, oversampling_factor)

    def to_region(self, **kwargs: Any) -> Region:
        """Return the outline of the model as a `~regions.SkyRegion`; the whole sky where there is none.

        Models with a size take its factor as ``size_factor``; others leave it out.
        """
        from regions import RectangleSkyRegion

        kwargs.pop("size_factor", None)
        center = coordinates.SkyCoord(0 * u.deg, 0 * u.deg, frame=self.frame)
        return RectangleSkyRegion(center=center, width=360 * u.deg, height=180 * u.deg, **kwargs)


def elliptical_axes(model: Any, values: Values) -> tuple[Tensor, Tensor]:
    """Return `SpatialModel.axes_graph` of a shape with eccentricity ``e`` and position angle ``phi``."""
    if model.e.frozen and model.e.value == 0:
        return 1.0, 0.0
    return pt.sqrt(pt.maximum(1 - pt.as_tensor_variable(values[model.e]) ** 2, 1e-8)), values[model.phi]
