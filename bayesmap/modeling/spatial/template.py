"""Templates: maps as spatial models."""

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from bayesmap._lazy import pt
from bayesmap._util import make_path
from bayesmap.maps.access import interpolate
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.spatial.base import SpatialModel
from bayesmap.units import internal_unit, scale_to_internal

if TYPE_CHECKING:
    from bayesmap.maps import Map

__all__ = ["TemplateSpatialModel"]


class TemplateSpatialModel(SpatialModel):
    r"""A map as a spatial model.

    .. math::
        \phi(l, b, E) = \frac{M(l, b, E)}{\int M(l', b', E) \, \mathrm{d}\Omega'}

    with the surface brightness :math:`M` of the map; without ``normalize`` it is the model as it is.
    The logarithm of the map is interpolated linearly in pixels and in the logarithm of the energy, and extrapolated
    within the outermost pixels; outside the pixels and the energy range of the map the model is zero.

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
    NaNs in the map count as zero, with a warning. The norm is the integral of the map over its pixels; Gammapy divides
    by the sum of the values and by the solid angle of each pixel instead, which distorts maps whose pixels differ in
    size.
    """

    tag = "template"
    file_keys = ("frame", "filename", "normalize", "unit")
    fixed_positions: ClassVar[bool] = True
    lon_0 = Parameter("lon_0", "0 deg", frozen=True)
    lat_0 = Parameter("lat_0", "0 deg", min=-90, max=90, frozen=True)

    def __init__(self, map: "Map", *, normalize: bool = True, filename: Any = None, **values: Any) -> None:
        axes = map.geom.axes.names
        if axes not in ([], ["energy_true"]):
            raise ValueError(f"TemplateSpatialModel: the map may have an axis 'energy_true' only, it has {axes}")
        center = map.geom.center_skydir
        super().__init__(
            frame=map.geom.frame, **{"lon_0": center.data.lon.to("deg"), "lat_0": center.data.lat.to("deg")} | values
        )
        self.filename = None if filename is None else str(filename)
        self.normalize = bool(normalize)
        self._map: Any = _checked(map, self.normalize)
        self.is_energy_dependent = bool(axes)

    @property
    def map(self) -> "Map":
        """The map, normalised if that was asked for."""
        return self._map

    @property
    def unit(self) -> str:  # type: ignore[override]
        """Unit of the surface brightness."""
        return self._map.unit.to_string()

    @property
    def map_center(self) -> SkyCoord:
        """Centre of the map as it was given."""
        return self._map.geom.center_skydir

    @property
    def evaluation_radius(self) -> u.Quantity:
        """Half of the larger width of the map."""
        return 0.5 * self._map.geom.width.max()

    @property
    def _structure(self) -> u.Quantity:
        return self._map.geom.pixel_scales.max()

    def _on_map(self, lon: np.ndarray, lat: np.ndarray) -> dict[str, Any]:
        """Coordinates on the map as it was given, in the frame of the model."""
        center = self.map_center.data
        if self.frame == self._map.geom.frame and (self.lon_0.internal, self.lat_0.internal) == (
            center.lon.deg,
            center.lat.deg,
        ):
            return {"lon": lon, "lat": lat}
        coords, position = SkyCoord(lon, lat, unit="deg", frame=self.frame), self.position
        if position.separation(self.map_center).deg >= 1e-9:
            apart, angle = position.separation(coords), position.position_angle(coords)
            coords = self.map_center.directional_offset_by(angle, apart)
        return {"skycoord": coords}

    def _evaluate_numbers(self, lon: np.ndarray, lat: np.ndarray, energy: Any = None) -> np.ndarray:
        geom = self._map.geom
        coords = self._on_map(np.asarray(lon), np.asarray(lat))
        if self.is_energy_dependent:
            if energy is None:
                raise ValueError("TemplateSpatialModel with an energy axis needs energies")
            coords["energy_true"] = energy
        pix = np.broadcast_arrays(*geom.coord_to_pix(coords))
        inside = np.all([(p >= -0.5) & (p <= n - 0.5) for p, n in zip(pix, geom.data_shape[::-1], strict=True)], axis=0)
        values = interpolate(self._map.data, pix, values_scale="log")
        return np.where(inside, values, 0.0) * scale_to_internal(self.unit)

    def evaluate_graph(self, lon: Any, lat: Any, values: Mapping[Parameter, Any], energy: Any = None) -> Any:
        """Return the surface brightness at fixed positions, as a constant.

        Parameters
        ----------
        lon, lat : numpy.ndarray
            Positions in the frame of the model, in deg.
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
    def read(cls, filename: Any, normalize: bool = True, **values: Any) -> Self:
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

        return cls(Map.read(make_path(filename)), normalize=normalize, filename=filename, **values)

    @classmethod
    def from_file_data(cls, parameters: Mapping[str, Parameter], data: Mapping[str, Any], folder: Any = None) -> Self:
        """Create the model as a model file describes it; see `ModelBase.from_file_data`."""
        if not isinstance(data.get("filename"), str):
            raise ValueError(f"a template needs the name of a file, found filename: {data.get('filename')!r}")
        path = make_path(data["filename"])
        if folder is not None and not path.is_absolute() and not path.exists():
            path = Path(folder) / path
        model = cls.read(path, normalize=data.get("normalize", True), **parameters)
        model.filename = data["filename"]
        return model

    def write(self, overwrite: bool = False) -> None:
        """Write the map to ``filename``."""
        if self.filename is None:
            raise ValueError("TemplateSpatialModel has no filename")
        self._map.write(make_path(self.filename), overwrite=overwrite)

    def file_data(self) -> dict[str, Any]:
        """Return what a model file holds besides parameters."""
        if self.filename is None:
            raise ValueError("TemplateSpatialModel has no filename; set it before writing a model file")
        return super().file_data()

    def to_region(self, **kwargs: Any) -> Any:
        """Return the outline of the map as a `~regions.RectangleSkyRegion`."""
        from regions import RectangleSkyRegion

        width, height = self._map.geom.width[:, 0]
        return RectangleSkyRegion(center=self.position, width=width, height=height, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy the parameters; the map, which nobody changes, is shared."""
        new = copy.copy(self)
        for name in self.parameter_names:
            new.__dict__[name] = copy.deepcopy(getattr(self, name), memo)
        return new


def _checked(map: "Map", normalize: bool) -> "Map":
    """Return the map in float64, without NaN, in a unit per sr, normalised if asked for."""
    data = np.asarray(map.data, dtype="float64")
    unit = map.unit
    if unit == u.dimensionless_unscaled:
        warnings.warn("TemplateSpatialModel: the map has no unit, taken as sr-1", UserWarning, stacklevel=4)
        unit = u.Unit("sr-1")
    if not np.all(np.isfinite(data)):
        warnings.warn("TemplateSpatialModel: the map has NaN or infinite values, taken as 0", UserWarning, stacklevel=4)
        data = np.where(np.isfinite(data), data, 0.0)
    if np.any(data < 0):
        raise ValueError(f"TemplateSpatialModel: the map has negative values, down to {data.min()} {unit}")
    if normalize:
        total = (data * map.geom.solid_angle().to_value("sr")).sum(axis=(-2, -1), keepdims=True)
        if np.any(total <= 0):
            raise ValueError("TemplateSpatialModel: the map has no positive values at some energy; cannot normalise")
        data, unit = data / total, u.Unit("sr-1")
    internal_unit(unit)
    return map.copy(data=data, unit=unit)
