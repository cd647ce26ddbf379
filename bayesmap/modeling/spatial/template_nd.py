"""Templates with more axes than the sky: their coordinates are parameters."""

import copy
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import astropy.units as u
import numpy as np

from bayesmap import maps
from bayesmap._lazy import pt, pytensor
from bayesmap._types import FileName, QuantityLike, Tensor
from bayesmap._util import make_path, named_file
from bayesmap.maps.files import named_errors
from bayesmap.modeling.parameter import Parameter, ParameterLike, Parameters, Values
from bayesmap.modeling.spatial.base import SpatialModel
from bayesmap.modeling.spatial.lookup import SkyTable
from bayesmap.modeling.spectral.interpolate import interpolate, scaled
from bayesmap.units import internal_unit, plain_unit, scale_to_internal

if TYPE_CHECKING:
    from bayesmap.maps import Map

__all__ = ["TemplateNDSpatialModel"]

ENERGIES = ("energy_true", "energy")
_ALL = 1 - 1e-9  # share of the nodes around that are positive, if all are
_ROUNDING = 1e-6  # of a pixel: what counts as on the outermost pixel centres


class TemplateNDSpatialModel(SpatialModel):
    r"""A map whose axes besides energy are parameters.

    .. math::
        \phi(l, b) = \exp\left(\sum_k w_k(\theta) \ln M_k(l, b)\right)

    The logarithm of the map is interpolated linearly in pixels, in the parameters :math:`\theta` (each on the scale of
    its axis) and in the logarithm of the energy; beside pixels that are zero, or zero at one of
    the nodes around, the map itself. The
    result is scaled such that the logarithm of its sum over pixels, too, is linear between nodes: a stack of normalised
    maps is normalised between its nodes. Outside of the pixel centres of the map the model is zero.

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

    def __init__(
        self, map: "Map", *, filename: FileName | None = None, frame: str | None = None, **values: ParameterLike
    ) -> None:
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

    @property
    def _structure(self) -> u.Quantity:
        return 0.5 * self._map.geom.pixel_scales.max()  # slopes change at the centres of the pixels

    def _sky_pixels(self, lon: u.Quantity, lat: u.Quantity) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixel positions on the map, and where they are between pixel centres."""
        geom = self._map.geom.to_image()
        x, y = geom.coord_to_pix(maps.MapCoord({"lon": lon, "lat": lat}, frame=self.frame))
        n_y, n_x = geom.data_shape
        inside = (np.abs(2 * x - (n_x - 1)) <= n_x - 1 + _ROUNDING) & (np.abs(2 * y - (n_y - 1)) <= n_y - 1 + _ROUNDING)
        return x, y, inside

    def _at_nodes(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values at pixel positions for all nodes, ``(..., node...)``, and whether the pixels around are positive."""
        image = self._map.geom.to_image()
        tables = [SkyTable(stack, image) for stack in self._map.data.reshape(-1, *image.data_shape)]
        shape = *np.shape(x), *self._map.data.shape[:-2]
        values, positive = ([getattr(table, name)(x, y) for table in tables] for name in ("at", "positive"))
        return np.stack(values, axis=-1).reshape(shape), np.stack(positive, axis=-1).reshape(shape)

    @functools.cached_property
    def _pixels(self) -> np.ndarray:
        """Values times solid angles for all nodes, ``(pixel, node...)``, of the pixels that are not always zero."""
        area = self._map.geom.to_image().solid_angle().to_value("sr")
        integrals = np.moveaxis(self._map.data * area, (-2, -1), (0, 1)).reshape(-1, *self._map.data.shape[:-2])
        return integrals[integrals.reshape(len(integrals), -1).any(axis=1)]

    @functools.cached_property
    def _sums(self) -> np.ndarray:
        """Sums over the pixels for all nodes, with one leading axis."""
        sums: np.ndarray = self._pixels.sum(axis=0, keepdims=True)
        return sums

    def _evaluate_numbers(self, lon: np.ndarray, lat: np.ndarray, energy: QuantityLike | None = None) -> np.ndarray:
        axes = self._map.geom.axes
        coords = {p.name: p.quantity for p in self.parameters}
        x, y, inside = self._sky_pixels(lon, lat)
        nodes = [np.asarray(axis.coord_to_pix(coords[axis.name])) if axis.name in coords else None for axis in axes]
        if not self.is_energy_dependent:
            return np.where(inside, self._blended(x, y, nodes), 0.0) * scale_to_internal(self.unit)
        if energy is None:
            raise ValueError(f"{type(self).__name__} with an energy axis needs energies")
        place = axes.names.index("energy_true")
        pix, x, y, inside = np.broadcast_arrays(axes["energy_true"].coord_to_pix(energy), x, y, inside)
        values = np.zeros(x.shape)
        for node in np.unique(pix[inside]):
            here = inside & (pix == node)
            nodes[place] = node
            values[here] = self._blended(x[here], y[here], nodes)
        return values * scale_to_internal(self.unit)

    def _blended(self, x: np.ndarray, y: np.ndarray, nodes: Sequence[Any]) -> np.ndarray:
        """Values at pixel positions, at a position in bins on each axis."""
        total = _blend(self._pixels, self._pixels > 0, nodes).sum()
        factor = _blend(self._sums, self._sums > 0, nodes)[0] / total if total > 0 else 1.0
        return _blend(*self._at_nodes(x, y), nodes) * factor

    def evaluate_graph(self, lon: Tensor, lat: Tensor, values: Values) -> Tensor:
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
        x, y, inside = self._sky_pixels(lon, lat)
        at_nodes, positive = self._at_nodes(x, y)
        outside = ~inside.reshape(*inside.shape, *(1,) * len(self.parameters))
        at_nodes, positive = np.where(outside, 0.0, at_nodes), positive & ~outside
        total = self._blend_graph(self._pixels, self._pixels > 0, values).sum()
        wanted = self._blend_graph(self._sums, self._sums > 0, values)[0]
        return self._blend_graph(at_nodes, positive, values) * (scale_to_internal(self.unit) * wanted / total)

    def _blend_graph(self, table: np.ndarray, positive: np.ndarray, values: Values) -> Tensor:
        """Symbolic `_blend` of values at all nodes, ``(..., node...)``."""

        def between_nodes(numbers: np.ndarray) -> Tensor:
            result: Any = pytensor.shared(numbers, shape=(None,) * numbers.ndim)
            for axis in self._map.geom.axes:
                value = pt.as_tensor_variable(values[getattr(self, axis.name)]) / scale_to_internal(axis.unit)
                result = interpolate(scaled(axis.center.value, axis.interp), result, scaled(value, axis.interp))
            return result

        by_logs = pt.exp(between_nodes(_logs(table)))
        if positive.all():
            return by_logs
        return pt.switch(between_nodes(positive.astype(float)) > _ALL, by_logs, between_nodes(table))

    # -- files ------------------------------------------------------------------------------------------------------
    @classmethod
    def read(cls, filename: FileName, **values: Any) -> Self:
        """Read the map from a FITS file.

        Parameters
        ----------
        filename : path
            File; environment variables are expanded.
        **values : str, `~astropy.units.Quantity` or Parameter
            As for the class.
        """
        map = _read(make_path(filename))
        with named_errors(make_path(filename)):
            return cls(map, filename=filename, **values)

    def write(self, overwrite: bool = False, filename: FileName | None = None) -> None:
        """Write the map to a FITS file; by default to ``filename`` of the model.

        Raises
        ------
        ValueError
            If there is neither a name nor `filename`.
        """
        if filename is not None:
            self.filename = str(filename)
        if self.filename is None:
            raise ValueError(f"{type(self).__name__} has no filename")
        self._map.write(make_path(self.filename), overwrite=overwrite)

    def file_data(self) -> dict[str, object]:
        """Return what a model file holds besides parameters.

        Raises
        ------
        ValueError
            If the model has no ``filename``.
        """
        if self.filename is None:
            raise ValueError(f"{type(self).__name__} has no filename; set it before writing a model file")
        return super().file_data()

    @classmethod
    def declared_in_file(cls, data: Mapping[str, object], folder: FileName | None = None) -> Parameters:
        """Return the parameters that the axes of the map are; see `ModelBase.declared_in_file`."""
        return Parameters(_declarations(_read(named_file(data, folder, "a template")[1])))

    @classmethod
    def from_file_data(
        cls, parameters: Mapping[str, Parameter], data: Mapping[str, object], folder: FileName | None = None
    ) -> Self:
        """Create the model as a model file describes it; see `ModelBase.from_file_data`."""
        name, path = named_file(data, folder, "a template")
        arguments: dict[str, Any] = {**parameters, "frame": data.get("frame")}
        return cls(_read(path), filename=name, **arguments)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Copy the parameters; the map, which nobody changes, is shared."""
        new = copy.copy(self)
        for name in self.parameter_names:
            new.__dict__[name] = copy.deepcopy(getattr(self, name), memo)
        return new


def _logs(table: np.ndarray) -> np.ndarray:
    """Logarithms; zeros, where they are not used, give the one of the least positive value."""
    logs: np.ndarray = np.log(np.maximum(table, np.min(table, where=table > 0, initial=np.inf)))
    return logs


def _blend(table: np.ndarray, positive: np.ndarray, nodes: Sequence[Any]) -> np.ndarray:
    """Interpolate values at nodes, ``(..., node...)``, at positions in bins on each axis, that of the last one first.

    Logarithms are interpolated where all nodes that matter are ``positive``, values elsewhere.
    """

    def between_nodes(result: np.ndarray) -> np.ndarray:
        for node in nodes:
            n = result.shape[-1]
            k = int(np.clip(np.floor(node), 0, max(n - 2, 0)))
            low, high = result[..., k], result[..., min(k + 1, n - 1)]
            result = low + (float(node) - k) * (high - low)
        return result

    if not positive.any():
        return between_nodes(table)
    by_logs = np.exp(between_nodes(_logs(table)))
    return np.where(between_nodes(positive.astype(float)) > _ALL, by_logs, between_nodes(table))


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
    return map.copy(data=data, unit=plain_unit(map.unit))


def _read(path: FileName) -> "Map":
    from bayesmap.maps import Map

    return Map.read(path)
