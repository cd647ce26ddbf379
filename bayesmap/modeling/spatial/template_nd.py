"""Templates with more axes than the sky: their coordinates are parameters."""

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt, pytensor
from bayesmap._util import make_path
from bayesmap.maps import MapCoord
from bayesmap.maps.access import interpolate as interpolate_map
from bayesmap.modeling.parameter import Parameter, Parameters
from bayesmap.modeling.spatial.base import SpatialModel
from bayesmap.modeling.spectral.interpolate import interpolate, scaled, unscaled
from bayesmap.units import internal_unit, scale_to_internal

if TYPE_CHECKING:
    from bayesmap.maps import Map

__all__ = ["TemplateNDSpatialModel"]

ENERGIES = ("energy_true", "energy")
_ROUNDING = 1e-6  # of a pixel: what counts as on the outermost pixel centres


class TemplateNDSpatialModel(SpatialModel):
    r"""A map whose axes besides energy are parameters.

    .. math::
        \phi(l, b) = \exp\left(\sum_k w_k(\theta) \ln M_k(l, b)\right)

    The logarithm of the map is interpolated linearly in pixels, in the parameters :math:`\theta` (each on the scale of
    its axis) and in the logarithm of the energy. Outside of the pixel centres of the map the model is zero.

    Parameters
    ----------
    map : Map
        Surface brightness. Each axis but ``energy_true`` is a parameter of its name and unit, bounded by the first and
        last node; it starts in the middle. It is not copied, and not normalised.
    filename : str or None
        File that the map came from; needed to write a model file.
    frame : {"icrs", "galactic"} or None
        Frame of the model; by default that of the map. (Gammapy takes "icrs" whatever the map.)
    **values : str, `~astropy.units.Quantity`, float or Parameter
        Values of parameters.

    Raises
    ------
    ValueError
        If the map has no axis that could be a parameter, one with a single node, or negative or non-finite values.

    Notes
    -----
    With free parameters a gradient of the log-posterior costs 6 times that of a Gaussian as wide as the field
    (``benchmarks/model_types.py``): the whole map is interpolated in each sub-pixel and blurred by Fourier transforms.
    With all parameters frozen it is folded once.
    """

    tag = "templateND"
    file_keys = ("frame", "filename", "unit")
    fixed_positions: ClassVar[bool] = True

    def __init__(self, map: "Map", *, filename: Any = None, frame: str | None = None, **values: Any) -> None:
        label = type(self).__name__ if filename is None else f"{type(self).__name__} of {filename}"
        self.filename = None if filename is None else str(filename)
        self._map: Any = _checked(label, map)
        self.is_energy_dependent = "energy_true" in map.geom.axes.names
        self._declare(_declarations(map))
        super().__init__(frame=map.geom.frame if frame is None else frame, **values)

    @property
    def map(self) -> "Map":
        """The map."""
        return self._map

    @property
    def unit(self) -> str:  # type: ignore[override]
        """Unit of the surface brightness."""
        return self._map.unit.to_string()

    @property
    def evaluation_bin_size_min(self) -> u.Quantity:
        """The pixels of the map."""
        return self._map.geom.pixel_scales.max()

    def _sky_pixels(self, lon: Any, lat: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixel positions on the map, and where they are between pixel centres."""
        geom = self._map.geom.to_image()
        x, y = geom.coord_to_pix(MapCoord({"lon": lon, "lat": lat}, frame=self.frame))
        n_y, n_x = geom.data_shape
        inside = (np.abs(2 * x - (n_x - 1)) <= n_x - 1 + _ROUNDING) & (np.abs(2 * y - (n_y - 1)) <= n_y - 1 + _ROUNDING)
        return x, y, inside

    def _values_at(self, lon: Any, lat: Any, coords: Mapping[str, Any]) -> np.ndarray:
        """Surface brightness in the internal unit for coordinates of all axes."""
        x, y, inside = self._sky_pixels(lon, lat)
        pix = [x, y, *(axis.coord_to_pix(coords[axis.name]) for axis in self._map.geom.axes)]
        values = interpolate_map(self._map.data, np.broadcast_arrays(*pix), values_scale="log")
        return np.where(inside, values, 0.0) * scale_to_internal(self.unit)

    def _evaluate_numbers(self, lon: np.ndarray, lat: np.ndarray, energy: Any = None) -> np.ndarray:
        coords = {p.name: p.quantity for p in self.parameters}
        if self.is_energy_dependent:
            if energy is None:
                raise ValueError(f"{type(self).__name__} with an energy axis needs energies")
            coords["energy_true"] = energy
        return self._values_at(lon, lat, coords)

    def evaluate_graph(self, lon: Any, lat: Any, values: Mapping[Parameter, Any]) -> Any:
        """Return the symbolic surface brightness at fixed positions; see `SpatialModel.evaluate_graph`.

        Raises
        ------
        TypeError
            For symbolic positions, or if the map depends on energy.
        """
        if not all(isinstance(x, np.ndarray | float) for x in (lon, lat)):
            raise TypeError(f"{type(self).__name__}: positions in a graph must be fixed")
        if self.is_energy_dependent:
            raise TypeError(
                f"{type(self).__name__}: the parameters of a map that depends on energy cannot be free in a "
                "prediction: freeze them"
            )
        axes = list(self._map.geom.axes)
        nodes = [self._map.geom.axes[axis.name].center for axis in axes]
        grid = np.meshgrid(*(node.value for node in nodes), indexing="ij")
        x = np.asarray(lon)[(..., *(None,) * len(axes))], np.asarray(lat)[(..., *(None,) * len(axes))]
        coords = {axis.name: g * node.unit for axis, g, node in zip(axes, grid, nodes, strict=True)}
        numbers = scaled(self._values_at(*x, coords), "log")
        table: Any = pytensor.shared(numbers, shape=(None,) * numbers.ndim)
        for axis, node in reversed(list(zip(axes, nodes, strict=True))):
            parameter = getattr(self, axis.name)
            value = pt.as_tensor_variable(values[parameter]) / scale_to_internal(axis.unit)
            table = interpolate(scaled(node.value, axis.interp), table, scaled(value, axis.interp))
        inside = self._sky_pixels(lon, lat)[2]
        return unscaled(table, "log") * pytensor.shared(inside.astype(float), shape=(None,) * inside.ndim)

    # -- files ------------------------------------------------------------------------------------------------------
    @classmethod
    def read(cls, filename: Any, **values: Any) -> Self:
        """Read the map from a FITS file.

        Parameters
        ----------
        filename : path
            File; environment variables are expanded.
        **values : str, `~astropy.units.Quantity` or Parameter
            As for the class.
        """
        return cls(_read(make_path(filename)), filename=filename, **values)

    def write(self, overwrite: bool = False, filename: Any = None) -> None:
        """Write the map to a FITS file; by default to ``filename`` of the model."""
        if filename is not None:
            self.filename = str(filename)
        if self.filename is None:
            raise ValueError(f"{type(self).__name__} has no filename")
        self._map.write(make_path(self.filename), overwrite=overwrite)

    def file_data(self) -> dict[str, Any]:
        """Return what a model file holds besides parameters."""
        if self.filename is None:
            raise ValueError(f"{type(self).__name__} has no filename; set it before writing a model file")
        return super().file_data()

    @classmethod
    def declared_in_file(cls, data: Mapping[str, Any], folder: Any = None) -> Parameters:
        """Return the parameters that the axes of the map are; see `ModelBase.declared_in_file`."""
        return Parameters(_declarations(_read(_file(data, folder))))

    @classmethod
    def from_file_data(cls, parameters: Mapping[str, Parameter], data: Mapping[str, Any], folder: Any = None) -> Self:
        """Create the model as a model file describes it; see `ModelBase.from_file_data`."""
        return cls(_read(_file(data, folder)), filename=data["filename"], frame=data.get("frame"), **parameters)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy the parameters; the map, which nobody changes, is shared."""
        new = copy.copy(self)
        for name in self.parameter_names:
            new.__dict__[name] = copy.deepcopy(getattr(self, name), memo)
        return new


def _declarations(map: "Map") -> list[Parameter]:
    """One parameter per axis that is no energy."""
    parameters = []
    for axis in map.geom.axes:
        if axis.name not in ENERGIES:
            low, high = sorted(float(x.to_value(axis.unit)) for x in axis.bounds)
            parameters.append(Parameter(axis.name, 0.5 * (low + high), axis.unit, min=low, max=high))
    return parameters


def _checked(label: str, map: "Map") -> "Map":
    """Return the map in float64, in a unit per sr."""
    names = map.geom.axes.names
    single = [axis.name for axis in map.geom.axes if axis.name not in ENERGIES and axis.nbin < 2]
    if "energy" in names or not set(names) - set(ENERGIES):
        raise ValueError(f"{label}: the map needs axes that are parameters, besides 'energy_true'; it has {names}")
    if single:
        raise ValueError(f"{label}: axes {single} have one node only, so they cannot be parameters")
    data = np.asarray(map.data, dtype="float64")
    if not np.all(np.isfinite(data)):
        raise ValueError(f"{label}: the map has {int((~np.isfinite(data)).sum())} NaN or infinite values")
    if np.any(data < 0):
        raise ValueError(f"{label}: the map has negative values, down to {data.min()} {map.unit}")
    internal_unit(map.unit)
    return map.copy(data=data)


def _read(path: Any) -> "Map":
    from bayesmap.maps import Map

    return Map.read(path)


def _file(data: Mapping[str, Any], folder: Any) -> Any:
    from bayesmap.modeling.yaml import find_file

    if not isinstance(data.get("filename"), str):
        raise ValueError(f"a template needs the name of a file, found filename: {data.get('filename')!r}")
    return find_file(data["filename"], folder)
