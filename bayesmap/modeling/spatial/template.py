"""Templates: maps as spatial models."""

import copy
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import astropy.units as u
import numpy as np
import scipy

from bayesmap._lazy import coordinates, pt
from bayesmap._types import Axes, FileName, QuantityLike, Region, Tensor
from bayesmap._util import make_path, named_file
from bayesmap.maps.files import named_errors
from bayesmap.modeling.parameter import Parameter, ParameterLike, Values
from bayesmap.modeling.spatial.base import SpatialModel
from bayesmap.modeling.spatial.lookup import SkyTable, between
from bayesmap.units import internal_unit, plain_unit, scale_to_internal

if TYPE_CHECKING:
    from bayesmap.maps import Map, WcsGeom

__all__ = ["TemplateSpatialModel"]


class TemplateSpatialModel(SpatialModel):
    r"""A map as a spatial model.

    .. math::
        \phi(l, b, E) = \frac{M(l, b, E)}{\int M(l', b', E) \, \mathrm{d}\Omega'}

    with the surface brightness :math:`M` of the map; without ``normalize`` it is the model as it is.
    Between the centres of four positive pixels the logarithm of the map is interpolated linearly in pixels, beside a
    pixel without brightness the map itself. In the outer half of the outermost pixels it falls on as it does inside,
    but does not rise; a map that goes around the sky goes on at its other end. Between energies, and within the
    outermost bins, the logarithm is linear in the logarithm of the energy. Outside the pixels and the energy range of
    the map the model is zero.

    Parameters
    ----------
    map : Map
        Surface brightness, an image or a cube with an axis ``energy_true``. It is not copied.
    normalize : bool
        Divide by the integral over the map, at each energy.
    filename : str or None
        File that the map came from; needed to write a model file.
    lon_0, lat_0 : `~astropy.units.Quantity`
        Position of the centre of the map, frozen. By default where it is; another one moves the template on the
        sphere.

    Raises
    ------
    ValueError
        If the map has other axes, negative values, or no positive ones.

    Notes
    -----
    NaNs in the map count as zero, with a warning. The norm is the integral of what is interpolated, at each energy that
    is asked for, so that a template keeps its flux on any pixels. Gammapy divides by the sum of the values and by the
    solid angle of each pixel instead, which distorts maps whose pixels differ in size; interpolated logarithms then
    lose 1 % of a Gaussian, and most of a map with edges.
    """

    tag = "template"
    file_keys = ("frame", "filename", "normalize", "unit")
    fixed_positions: ClassVar[bool] = True
    lon_0 = Parameter("lon_0", "0 deg", frozen=True, role="position")
    lat_0 = Parameter("lat_0", "0 deg", min=-90, max=90, frozen=True, role="position")

    def __init__(
        self, map: "Map", *, normalize: bool = True, filename: FileName | None = None, **values: ParameterLike
    ) -> None:
        axes = map.geom.axes.names
        if axes not in ([], ["energy_true"]):
            raise ValueError(f"TemplateSpatialModel: the map may have an axis 'energy_true' only, it has {axes}")
        center = map.geom.center_skydir
        super().__init__(
            frame=map.geom.frame, **{"lon_0": center.data.lon.to("deg"), "lat_0": center.data.lat.to("deg")} | values
        )
        self.filename = None if filename is None else str(filename)
        self.normalize = bool(normalize)
        self._map: Any = _checked(map)
        self.is_energy_dependent = bool(axes)
        self._tables = self._make_tables()
        self._norms: dict[float, float] = {}
        if self.normalize:
            self._normalize()

    def _make_tables(self) -> list[SkyTable]:
        """One image per energy."""
        data = self._map.data
        return [SkyTable(image, self._map.geom) for image in data.reshape(-1, *data.shape[-2:])]

    def _normalize(self) -> None:
        """Divide the map by the integral at each of its energies."""
        total = np.array([table.integral() for table in self._tables])
        if np.any(total <= 0):
            raise ValueError("TemplateSpatialModel: the map has no positive values at some energy; cannot normalise")
        shape = self._map.data.shape
        self._map = self._map.copy(data=self._map.data / total.reshape(*shape[:-2], 1, 1), unit=u.Unit("sr-1"))
        self._tables = self._make_tables()

    @property
    def map(self) -> "Map":
        """The map, normalised if that was asked for."""
        return self._map

    @property
    def unit(self) -> str:  # type: ignore[override]
        """Unit of the surface brightness."""
        return self._map.unit.to_string()

    @property
    def map_center(self) -> "coordinates.SkyCoord":
        """Centre of the map as it was given."""
        return self._map.geom.center_skydir

    @property
    def evaluation_radius(self) -> u.Quantity:
        """Half of the larger width of the map."""
        return 0.5 * self._map.geom.width.max()

    @property
    def _structure(self) -> u.Quantity:
        return 0.5 * self._map.geom.pixel_scales.max()  # slopes change at the centres of the pixels

    def _rough_pixels(self, image: "WcsGeom") -> np.ndarray:
        """Pixels of an image in which the template has an edge, shape (lat, lon)."""
        geom = self._map.geom.to_image()
        rough = np.logical_or.reduce([table.rough() for table in self._tables])
        reach = float(np.max(image.pixel_scales.to_value("deg")) / np.min(geom.pixel_scales.to_value("deg")))
        rough = scipy.ndimage.maximum_filter(rough, 2 * int(np.ceil(0.75 * reach)) + 1, mode="nearest")
        x, y = geom.coord_to_pix(self._on_map(*self._lonlat(image.get_coord().skycoord)))
        near = np.isfinite(x) & (np.abs(2 * x - geom.npix[0] + 1) <= geom.npix[0] + 2 * reach)
        near &= np.isfinite(y) & (np.abs(2 * y - geom.npix[1] + 1) <= geom.npix[1] + 2 * reach)
        column, row = (
            np.clip(np.rint(np.where(near, pix, 0)).astype(int), 0, n - 1)
            for pix, n in zip((x, y), geom.npix, strict=True)
        )
        return near & rough[row, column]

    def _on_map(self, lon: np.ndarray, lat: np.ndarray) -> dict[str, Any]:
        """Coordinates on the map as it was given, in the frame of the model."""
        center = self.map_center.data
        if self.frame == self._map.geom.frame and (self.lon_0.internal, self.lat_0.internal) == (
            center.lon.deg,
            center.lat.deg,
        ):
            return {"lon": lon, "lat": lat}
        coords = coordinates.SkyCoord(lon, lat, unit="deg", frame=self.frame)
        position: Any = self.position
        if position.separation(self.map_center).deg >= 1e-9:
            apart, angle = position.separation(coords), position.position_angle(coords)
            coords = self.map_center.directional_offset_by(angle, apart)
        return {"skycoord": coords}

    def _evaluate_numbers(self, lon: np.ndarray, lat: np.ndarray, energy: QuantityLike | None = None) -> np.ndarray:
        geom = self._map.geom
        coords = self._on_map(np.asarray(lon), np.asarray(lat))
        if self.is_energy_dependent:
            if energy is None:
                raise ValueError("TemplateSpatialModel with an energy axis needs energies")
            coords["energy_true"] = energy
        x, y, *pix = np.broadcast_arrays(*geom.coord_to_pix(coords))
        sizes = zip((x, y, *pix), geom.data_shape[::-1], strict=True)
        inside = np.all([(p >= -0.5) & (p <= n - 0.5) for p, n in sizes], axis=0)
        values = np.zeros(x.shape)
        if self.is_energy_dependent:
            for node in np.unique(pix[0][inside]):
                here = inside & (pix[0] == node)
                values[here] = self._between_energies(x[here], y[here], float(node))
        else:
            values[inside] = self._tables[0].at(x[inside], y[inside])
        return values * scale_to_internal(self.unit)

    def _between_energies(self, x: np.ndarray, y: np.ndarray, node: float) -> np.ndarray:
        """Values at pixels, at a position on the energy axis in bins."""
        if len(self._tables) == 1:
            return self._tables[0].at(x, y)
        k = int(np.clip(np.floor(node), 0, len(self._tables) - 2))
        low, high = self._tables[k : k + 2]
        return between(low.at(x, y), high.at(x, y), node - k) / self._norm(k, node - k)

    def _norm(self, k: int, share: float) -> float:
        """Integral of what is interpolated between two energies, if the map is to be normalised."""
        if not self.normalize or share in (0.0, 1.0):
            return 1.0
        if k + share not in self._norms:
            image = between(self._map.data[k], self._map.data[k + 1], share)
            self._norms[k + share] = SkyTable(image, self._map.geom).integral()
        return self._norms[k + share]

    def evaluate_graph(
        self, lon: np.ndarray, lat: np.ndarray, values: Values, energy: u.Quantity | None = None
    ) -> Tensor:
        """Return the surface brightness at fixed positions, as a constant.

        Parameters
        ----------
        lon, lat : numpy.ndarray
            Positions in the frame of the model, in deg, of one shape.
        values : Mapping of Parameter to tensor or float
            Not used.
        energy : `~astropy.units.Quantity` or None
            Energies, for a template with an energy axis.

        Raises
        ------
        TypeError
            For symbolic positions, or if the position of the template is free.
        """
        fixed = all(isinstance(x, np.ndarray | float) for x in (lon, lat))
        if not fixed or not (self.lon_0.frozen and self.lat_0.frozen):
            raise TypeError("a template has fixed positions in a graph: freeze lon_0 and lat_0")
        return pt.as_tensor_variable(self._evaluate_numbers(lon, lat, energy))

    @classmethod
    def read(cls, filename: FileName, normalize: bool = True, **values: ParameterLike) -> Self:
        """Read the map from a FITS file.

        Parameters
        ----------
        filename : path
            File; environment variables are expanded.
        normalize : bool
            Divide by the integral over the map, at each energy.
        **values : str, `~astropy.units.Quantity` or Parameter
            Position, if it is not that of the map.
        """
        from bayesmap.maps import Map

        map = Map.read(make_path(filename))
        with named_errors(make_path(filename)):
            return cls(map, normalize=normalize, filename=filename, **values)

    @classmethod
    def from_file_data(
        cls, parameters: Mapping[str, Parameter], data: Mapping[str, object], folder: FileName | None = None
    ) -> Self:
        """Create the model as a model file describes it; see `ModelBase.from_file_data`.

        Raises
        ------
        ValueError
            If the data name no file.
        """
        name, path = named_file(data, folder, "a template")
        arguments: dict[str, Any] = {**parameters, "normalize": data.get("normalize", True)}
        model = cls.read(path, **arguments)
        model.filename = name
        return model

    def write(self, overwrite: bool = False) -> None:
        """Write the map to ``filename``.

        Raises
        ------
        ValueError
            If the model has no ``filename``.
        """
        if self.filename is None:
            raise ValueError("TemplateSpatialModel has no filename")
        self._map.write(make_path(self.filename), overwrite=overwrite)

    def file_data(self) -> dict[str, object]:
        """Return what a model file holds besides parameters.

        Raises
        ------
        ValueError
            If the model has no ``filename``.
        """
        if self.filename is None:
            raise ValueError("TemplateSpatialModel has no filename; set it before writing a model file")
        return super().file_data()

    def to_region(self, **kwargs: Any) -> Region:
        """Return the outline of the map as a `~regions.RectangleSkyRegion`."""
        from regions import RectangleSkyRegion

        kwargs.pop("size_factor", None)
        width, height = self._map.geom.width[:, 0]
        return RectangleSkyRegion(center=self.position, width=width, height=height, **kwargs)

    def plot(self, ax: Axes | None = None, geom: "WcsGeom | None" = None, **kwargs: object) -> Axes:
        """Plot the surface brightness, by default on the pixels of the map; see `SpatialModel.plot`."""
        return super().plot(ax, self._map.geom if geom is None else geom, **kwargs)

    def plot_grid(self, geom: "WcsGeom | None" = None, **kwargs: object) -> Axes:
        """Plot the surface brightness for every energy, by default on the map; see `SpatialModel.plot_grid`."""
        return super().plot_grid(self._map.geom if geom is None else geom, **kwargs)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Copy the parameters; the map, which nobody changes, is shared."""
        new = copy.copy(self)
        for name in self.parameter_names:
            new.__dict__[name] = copy.deepcopy(getattr(self, name), memo)
        return new


def _checked(map: "Map") -> "Map":
    """Return the map in float64, without NaN, in a unit per sr."""
    data = np.asarray(map.data, dtype="float64")
    unit = plain_unit(map.unit)
    if unit == u.dimensionless_unscaled:
        warnings.warn("TemplateSpatialModel: the map has no unit, taken as sr-1", UserWarning, stacklevel=4)
        unit = u.Unit("sr-1")
    if not np.all(np.isfinite(data)):
        warnings.warn("TemplateSpatialModel: the map has NaN or infinite values, taken as 0", UserWarning, stacklevel=4)
        data = np.where(np.isfinite(data), data, 0.0)
    if np.any(data < 0):
        raise ValueError(f"TemplateSpatialModel: the map has negative values, down to {data.min()} {unit}")
    internal_unit(unit)
    return map.copy(data=data, unit=unit)
