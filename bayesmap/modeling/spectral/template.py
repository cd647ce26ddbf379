"""Tables of fluxes as spectra."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import FileName, Tensor
from bayesmap._util import check_option, make_path
from bayesmap.maps.files import named_errors
from bayesmap.modeling.parameter import Parameter, Values
from bayesmap.modeling.spectral.base import SpectralModel
from bayesmap.modeling.spectral.interpolate import SCALES, at_least, interpolate, on_scale
from bayesmap.modeling.spectral.tables import array_to_file, check_energies, check_finite, quantity_from_file
from bayesmap.modeling.spectral.xspec import read_table_model
from bayesmap.units import as_quantity, internal_unit, strip

if TYPE_CHECKING:
    from bayesmap.maps import Map

__all__ = ["TemplateSpectralModel"]


@dataclass(frozen=True)
class _Template:
    """The formula; its inputs are the energies and the fluxes there."""

    values_scale: str

    def __call__(self, energy: Tensor, nodes: Tensor, values: Tensor) -> Tensor:
        """Return the differential flux."""
        points, x = (pt.log(pt.as_tensor_variable(e)) for e in (nodes, energy))
        flux = on_scale(lambda numbers, on: interpolate(points, numbers, x, on), values, self.values_scale)
        return at_least(flux, 0.0)


class TemplateSpectralModel(SpectralModel):
    r"""A table of fluxes, without parameters; multiply it by a norm model to fit it.

    The logarithm of the flux is interpolated linearly in the logarithm of the energy, and extrapolated with the slope
    of the outermost pieces:

    .. math::
        \ln \phi(E) = \ln \phi_k + \frac{\ln(E / E_k)}{\ln(E_{k + 1} / E_k)} \ln\frac{\phi_{k + 1}}{\phi_k}

    Beside a node that is zero the flux itself is interpolated, and not extrapolated.

    Parameters
    ----------
    energy : `~astropy.units.Quantity`
        The energies :math:`E_k`, ascending, at least two.
    values : `~astropy.units.Quantity`
        The differential fluxes :math:`\phi_k`, not negative, or dimensionless factors.
    interp_kwargs : dict or None
        ``{"values_scale": "lin"}`` (or "sqrt") interpolates the flux itself (its square root). Negative results of an
        extrapolation are zero then.
    meta : dict or None
        Anything about the table.

    Raises
    ------
    ValueError
        If energies do not ascend, values are not finite or negative, or the two have different lengths.
    astropy.units.UnitConversionError
        If the values are neither a differential flux, counts per energy (for a `~bayesmap.modeling.SkyModel` to which
        no exposure applies), nor dimensionless.
    """

    tag = "template"
    file_keys = ("energy", "values")

    def __init__(
        self,
        energy: u.Quantity,
        values: u.Quantity,
        interp_kwargs: Mapping[str, object] | None = None,
        meta: Mapping[str, object] | None = None,
    ) -> None:
        label = type(self).__name__
        self.energy = check_energies(label, energy)
        self.values_scale = _values_scale(label, interp_kwargs)
        quantity = as_quantity(values)
        self.unit = _checked_unit(label, quantity.unit)
        data = check_finite(label, "values", quantity.value)
        if data.shape != self.energy.shape:
            raise ValueError(f"{label}: {data.size} values for {len(self.energy)} energies")
        if np.any(data < 0):
            raise ValueError(
                f"{label}: values must not be negative; element {int(np.argmax(data < 0))} is {data.min()}"
            )
        self.flux = data * quantity.unit
        self.meta = {} if meta is None else dict(meta)
        super().__init__()

    @property
    def output_unit(self) -> u.UnitBase:
        """Unit of the table."""
        return self.flux.unit

    @property
    def _formula(self) -> Callable[..., Tensor]:
        return _Template(self.values_scale)

    @property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        return strip(self.energy), self.flux.to_value(internal_unit(self.unit))

    def breaks(self, values: Values) -> Sequence[Tensor]:
        """Return the energies of the table; see `SpectralModel.breaks`."""
        return tuple(strip(self.energy).tolist())

    def file_data(self) -> dict[str, object]:
        """Return what a model file holds besides parameters.

        Raises
        ------
        ValueError
            If the model is not interpolated in logarithms, which files cannot say.
        """
        if self.values_scale != "log":
            raise ValueError("TemplateSpectralModel: model files hold templates with values_scale 'log' only")
        return {"energy": array_to_file(self.energy), "values": array_to_file(self.flux)}

    @classmethod
    def from_file_data(
        cls, parameters: Mapping[str, Parameter], data: Mapping[str, object], folder: FileName | None = None
    ) -> Self:
        """Create the model as a model file describes it; see `ModelBase.from_file_data`."""
        energy, values = (quantity_from_file(cls.__name__, data, key) for key in cls.file_keys)
        return cls(energy=energy, values=values)

    @classmethod
    def from_region_map(cls, map: "Map", **kwargs: Any) -> Self:
        """Create the model from a region map with an axis ``energy_true``; ``kwargs`` as for the class.

        Raises
        ------
        ValueError
            If the map has other axes.
        """
        if map.geom.axes.names != ["energy_true"] or map.data.shape[1:] != (1, 1):
            raise ValueError(f"{cls.__name__}: needs a region map with the axis 'energy_true' only, got {map.geom}")
        return cls(energy=map.geom.axes["energy_true"].center, values=map.quantity[:, 0, 0], **kwargs)

    @classmethod
    def read_xspec_model(cls, filename: FileName, param: float, **kwargs: Any) -> Self:
        """Read one spectrum of an XSPEC table model: that of the nearest parameter value.

        Parameters
        ----------
        filename : path
            FITS file with the HDUs PARAMETERS, ENERGIES and SPECTRA.
        param : float
            Value of its parameter.
        **kwargs : dict
            As for the class. By default values are interpolated linearly.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the parameter is outside of the table.
        """
        values, energy, table = read_table_model(filename)
        if not values[0] <= param <= values[-1]:
            raise ValueError(f"{filename}: parameter {param} is outside of the table, {values[0]} to {values[-1]}")
        kwargs.setdefault("interp_kwargs", {"values_scale": "lin"})
        with named_errors(make_path(filename), "SPECTRA"):
            return cls(energy=energy, values=table[np.abs(values - param).argmin()].astype("float64"), **kwargs)


def _values_scale(label: str, interp_kwargs: Mapping[str, object] | None) -> str:
    options = dict(interp_kwargs or {})
    scale = options.pop("values_scale", "log")
    check_option("values_scale", scale, SCALES)
    if options:
        raise TypeError(f"{label}: interp_kwargs has the key 'values_scale' only, got {sorted(options)}")
    return str(scale)


def _checked_unit(label: str, unit: u.UnitBase) -> str:
    """Unit of a table, one of those that spectra have."""
    for known in (SpectralModel.unit, "TeV-1", ""):
        if unit.is_equivalent(known):
            return known
    raise u.UnitConversionError(
        f"{label}: values must be a differential flux such as 'cm-2 s-1 TeV-1', counts per energy such as 'TeV-1', or "
        f"dimensionless, got '{unit}'"
    )
