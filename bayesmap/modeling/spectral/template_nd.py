"""Tables of fluxes with parameters as spectra."""

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import FileName, Tensor
from bayesmap._util import make_path, named_file
from bayesmap.maps.files import named_errors
from bayesmap.modeling.parameter import ROLES, Parameter, ParameterLike, Parameters, Values
from bayesmap.modeling.spectral.base import SpectralModel
from bayesmap.modeling.spectral.interpolate import at_least, interpolate, on_scale, scaled, unscaled
from bayesmap.modeling.spectral.tables import check_finite
from bayesmap.modeling.spectral.template import _checked_unit, _values_scale
from bayesmap.units import internal_unit, plain_unit, strip

if TYPE_CHECKING:
    from bayesmap.maps import Map

__all__ = ["TemplateNDSpectralModel"]

_ENERGIES = ("energy_true", "energy")


@dataclass(frozen=True)
class _TemplateND:
    """The formula; its inputs are the nodes of the axes, energy first, the table, and the parameters.

    The table is on its scale, or as it is if it has zeros on the scale "log".
    """

    scales: tuple[str, ...]
    values_scale: str
    zeros: bool

    def __call__(self, energy: Tensor, *inputs: Tensor) -> Tensor:
        """Return the differential flux."""
        n = len(self.scales)
        nodes, table, parameters = inputs[:n], inputs[n], inputs[n + 1 :]
        points = [scaled(pt.as_tensor_variable(x), s) for x, s in zip(nodes, self.scales, strict=True)]
        xs = [scaled(pt.as_tensor_variable(v), s) for v, s in zip((energy, *parameters), self.scales, strict=True)]

        def along(numbers: Tensor, extrapolate: bool) -> Any:
            for k in range(1, n):
                # the axis in question is the first; the others wait behind it
                rows = numbers.T.reshape((-1, points[k].shape[0]))
                rows = interpolate(points[k], rows, xs[k][..., None], extrapolate)
                numbers = rows.reshape(tuple(numbers.shape[1:])[::-1]).T
            return interpolate(points[0], numbers, xs[0], extrapolate)

        table = pt.as_tensor_variable(table)
        if self.zeros:
            flux = on_scale(along, table, self.values_scale)
        else:
            flux = unscaled(along(table, True), self.values_scale)
        return at_least(flux, 0.0)


class TemplateNDSpectralModel(SpectralModel):
    r"""A table of fluxes over energy and parameters, such as the grid of a numerical model.

    .. math::
        \phi(E, p_1, p_2, \ldots)

    The logarithm of the flux is interpolated linearly in all axes, each on its own scale (the logarithm of the
    energy), and extrapolated beyond the table; beside nodes that are zero the flux itself, which is not extrapolated.

    Parameters
    ----------
    map : Map
        Region map with an axis ``energy_true`` and one axis per parameter. It is not copied.
    interp_kwargs : dict or None
        ``{"values_scale": "lin"}`` (or "sqrt") interpolates the flux itself.
    meta : dict or None
        Anything about the table.
    filename : str or None
        File that the map came from; needed to write a model file.
    **values : str, `~astropy.units.Quantity`, float or Parameter
        One per axis, named after it. By default the middle of the axis; its ends are the bounds.

    Raises
    ------
    ValueError
        If there is no energy axis, more than one pixel, or values are not finite or negative.
    astropy.units.UnitConversionError
        If the values are neither a differential flux nor dimensionless.
    """

    tag = "templateND"
    file_keys = ("filename", "unit")

    def __init__(
        self,
        map: "Map",
        interp_kwargs: Mapping[str, object] | None = None,
        meta: Mapping[str, object] | None = None,
        filename: FileName | None = None,
        **values: ParameterLike,
    ) -> None:
        label = type(self).__name__
        self._map: Map = map if plain_unit(map.unit) is map.unit else map.copy(unit=plain_unit(map.unit))
        self.meta = {} if meta is None else dict(meta)
        self.filename = None if filename is None else str(filename)
        self.values_scale = _values_scale(label, interp_kwargs)
        self._energy_name = next((name for name in map.geom.axes.names if name in _ENERGIES), "")
        if not self._energy_name:
            raise ValueError(f"{label}: the map needs an axis 'energy_true', it has {map.geom.axes.names}")
        if map.data.shape[-2:] != (1, 1):
            raise ValueError(f"{label}: the map must be a region map, one pixel wide, got shape {map.data.shape}")
        self.unit = _checked_unit(label, self._map.unit)
        data = check_finite(label, "the map", map.data)
        if np.any(data < 0):
            raise ValueError(f"{label}: the map must not be negative, the least is {data.min()} {map.unit}")
        self._declare(_axis_parameters(map))
        super().__init__(**values)

    @property
    def map(self) -> "Map":
        """The table."""
        return self._map

    @property
    def output_unit(self) -> u.UnitBase:
        """Unit of the table."""
        return self._map.unit

    @property
    def _axes(self) -> list[Any]:
        """Axes in the order of the formula: energy first."""
        axes = self._map.geom.axes
        return [axes[name] for name in (self._energy_name, *self.parameter_names)]

    @property
    def _formula(self) -> Callable[..., Tensor]:
        return _TemplateND(tuple(axis.interp for axis in self._axes), self.values_scale, self._zeros)

    @functools.cached_property
    def _zeros(self) -> bool:
        """Whether the logarithm is interpolated of a table that has zeros."""
        return self.values_scale == "log" and bool(np.any(self._map.data == 0))

    @functools.cached_property
    def _table(self) -> np.ndarray:
        """Values in the internal unit, on their scale; parameters first, in their order, energy last."""
        names = list(self._map.geom.axes.names)[::-1]
        order = [names.index(name) for name in (*self.parameter_names, self._energy_name)]
        values = self._map.quantity[..., 0, 0].transpose(order).to_value(internal_unit(self.unit))
        values = np.asarray(values, dtype="float64")
        table: np.ndarray = values if self._zeros else scaled(values, self.values_scale)
        return table

    @functools.cached_property
    def _nodes(self) -> tuple[np.ndarray, ...]:
        """Nodes of the axes in internal units, energy first."""
        return tuple(strip(axis.center) for axis in self._axes)

    @property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        return (*self._nodes, self._table)

    def _inputs(self, values: Values) -> tuple[Tensor, ...]:
        """Nodes, table and parameters; of axes whose parameter is a number the two nodes around it."""
        (energies, *nodes), table = self._nodes, self._table
        for k, parameter in enumerate(self.parameters):
            if isinstance(values[parameter], int | float):
                row = int(np.clip(np.searchsorted(nodes[k], values[parameter], side="right") - 1, 0, len(nodes[k]) - 2))
                nodes[k] = nodes[k][row : row + 2]
                table = table[(*(slice(None),) * k, slice(row, row + 2))]
        return (energies, *nodes, table, *self._arguments(values))

    def breaks(self, values: Values) -> Sequence[Tensor]:
        """Return the energies of the table; see `SpectralModel.breaks`."""
        return tuple(strip(self._axes[0].center).tolist())

    @classmethod
    def read(cls, filename: FileName, **values: Any) -> Self:
        """Read the map from a FITS file; ``values`` as for the class.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        """
        map = _read(make_path(filename))
        with named_errors(make_path(filename)):
            return cls(map, filename=filename, **values)

    def write(self, overwrite: bool = False, filename: FileName | None = None) -> None:
        """Write the map to ``filename``.

        Raises
        ------
        ValueError
            If there is neither a name nor `filename`.
        """
        self.filename = str(filename) if filename is not None else self.filename
        if self.filename is None:
            raise ValueError("TemplateNDSpectralModel has no filename")
        self._map.write(make_path(self.filename), overwrite=overwrite)

    def file_data(self) -> dict[str, object]:
        """Return what a model file holds besides parameters.

        Raises
        ------
        ValueError
            If the model has no ``filename``, or is not interpolated in logarithms, which files cannot say.
        """
        if self.filename is None:
            raise ValueError("TemplateNDSpectralModel has no filename; set it before writing a model file")
        if self.values_scale != "log":
            raise ValueError("TemplateNDSpectralModel: model files hold templates with values_scale 'log' only")
        return {"filename": self.filename, "unit": self._map.unit.to_string()}

    @classmethod
    def declared_in_file(cls, data: Mapping[str, object], folder: FileName | None = None) -> Parameters:
        """Return one declaration per axis of the map; see `ModelBase.declared_in_file`."""
        return _axis_parameters(_read(named_file(data, folder, "a template")[1]))

    @classmethod
    def from_file_data(
        cls, parameters: Mapping[str, Parameter], data: Mapping[str, object], folder: FileName | None = None
    ) -> Self:
        """Create the model as a model file describes it; see `ModelBase.from_file_data`."""
        name, path = named_file(data, folder, "a template")
        arguments: dict[str, Any] = {**parameters}
        return cls(_read(path), filename=name, **arguments)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Copy the parameters; the map, which nobody changes, is shared."""
        memo[id(self._map)] = self._map
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        for key, value in self.__dict__.items():
            new.__dict__[key] = value if key in ("_map", "_table", "_nodes") else copy.deepcopy(value, memo)
        return new


def _axis_parameters(map: "Map") -> Parameters:
    """One parameter per axis that is no energy: the middle of the axis, between its ends."""
    declared = []
    for axis in map.geom.axes:
        if axis.name not in _ENERGIES:
            low, high = axis.bounds[0].to_value(axis.unit), axis.bounds[-1].to_value(axis.unit)
            middle = 0.5 * (low + high)
            role = axis.name if axis.name in ROLES else None
            declared.append(Parameter(axis.name, middle, unit=axis.unit, min=float(low), max=float(high), role=role))
    return Parameters(declared)


def _read(path: Path) -> "Map":
    from bayesmap.maps import Map

    if not path.exists():
        hint = "; an environment variable in it is not set" if "$" in str(path) else ""
        raise FileNotFoundError(f"template {path} not found{hint}")
    return Map.read(path)
