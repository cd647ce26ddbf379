"""Factors at energies, with interpolation between them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import FileName, Tensor
from bayesmap._util import check_option
from bayesmap.modeling.array_parameter import ArrayParameter, as_norms, declared_norms, node_norms, norms_of
from bayesmap.modeling.parameter import Parameter, ParameterLike, Parameters, Values
from bayesmap.modeling.spectral.base import SpectralModel
from bayesmap.modeling.spectral.interpolate import SCALES, interpolate, on_scale, scaled
from bayesmap.modeling.spectral.tables import array_to_file, check_energies, quantity_from_file
from bayesmap.units import strip

__all__ = ["PiecewiseNormSpectralModel"]


@dataclass(frozen=True)
class _Piecewise:
    """The formula; its inputs are the energies and the norms there."""

    interp: str
    is_array: bool = False

    def __call__(self, energy: Tensor, nodes: Tensor, *norms: Tensor) -> Tensor:
        """Return the factor."""
        numbers = [pt.as_tensor_variable(n) for n in norms]
        values = numbers[0] if self.is_array else pt.stack(pt.broadcast_arrays(*numbers), axis=-1)
        x = scaled(pt.as_tensor_variable(energy), self.interp)
        points = scaled(pt.as_tensor_variable(nodes), self.interp)
        return on_scale(lambda numbers, on: interpolate(points, numbers, x, on), values, self.interp, extrapolate=False)


class PiecewiseNormSpectralModel(SpectralModel):
    r"""Free factors at given energies, interpolated between them, constant beyond: a correction to another spectrum.

    .. math::
        \ln f(E) = \ln f_k + \frac{\ln(E / E_k)}{\ln(E_{k + 1} / E_k)} \ln\frac{f_{k + 1}}{f_k},
        \quad E_k \le E \le E_{k + 1}

    for ``interp="log"``; for ``"lin"`` and ``"sqrt"`` the logarithms are the numbers and their square roots.

    Parameters
    ----------
    energy : `~astropy.units.Quantity`
        The energies :math:`E_k`, ascending, at least two.
    norms : sequence of float or Parameter, ArrayParameter, or None
        The factors :math:`f_k`, one per energy, dimensionless: the parameters ``norm_0``, ``norm_1``... Default 1. An
        `ArrayParameter` is one parameter ``norm`` for all of them.
    interp : {"log", "lin", "sqrt"}
        Scale of energies and factors between which interpolation is linear.

    Raises
    ------
    ValueError
        If the energies do not ascend, or the number of norms is not theirs.

    Notes
    -----
    On the scale "log" a factor that is not positive counts as zero, and pieces that begin or end at zero are linear in
    the factor (in Gammapy it counts as the smallest positive number, and the piece is zero but at its other end).
    Give the norms a positive prior.
    """

    tag = "piecewise-norm"
    unit = ""
    file_keys = ("energy", "interp", "array")

    def __init__(self, energy: u.Quantity, norms: Any = None, interp: str = "log", **values: ParameterLike) -> None:
        label = type(self).__name__
        check_option("interp", interp, SCALES)
        self._energy = check_energies(label, energy)
        self._interp = interp
        self._declare(node_norms(len(self._energy), norms))
        self._is_array = isinstance(norms, ArrayParameter)
        given = [norms] if self._is_array else [1.0] * len(self._energy) if norms is None else list(norms)
        if len(given) != len(self.parameter_names):
            raise ValueError(f"{label}: {len(given)} norms for {len(self._energy)} energies")
        super().__init__(**dict(zip(self.parameter_names, given, strict=True)) | values)

    @property
    def energy(self) -> u.Quantity:
        """Energies of the factors."""
        return self._energy

    @property
    def interp(self) -> str:
        """Scale of the interpolation."""
        return self._interp

    @property
    def norms(self) -> u.Quantity:
        """The factors."""
        return u.Quantity(self.parameters.value)

    @property
    def output_unit(self) -> u.UnitBase:
        """Dimensionless."""
        return u.dimensionless_unscaled

    @property
    def _formula(self) -> Callable[..., Tensor]:
        return _Piecewise(self._interp, self._is_array)

    @property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        return (strip(self._energy),)

    def breaks(self, values: Values) -> Sequence[Tensor]:
        """Return the energies of the factors; see `SpectralModel.breaks`."""
        return tuple(strip(self._energy).tolist())

    def file_data(self) -> dict[str, object]:
        """Return what a model file holds besides parameters."""
        data: dict[str, object] = {"energy": array_to_file(self._energy), "interp": self._interp}
        return data | {"array": True} if self._is_array else data

    @classmethod
    def declared_in_file(cls, data: Mapping[str, object], folder: FileName | None = None) -> Parameters:
        """Return one declaration per energy, or one for all; see `ModelBase.declared_in_file`."""
        number = len(np.atleast_1d(quantity_from_file(cls.__name__, data, "energy")))
        return Parameters(declared_norms(data, number))

    @classmethod
    def from_file_data(
        cls, parameters: Mapping[str, Parameter], data: Mapping[str, object], folder: FileName | None = None
    ) -> Self:
        """Create the model as a model file describes it; see `ModelBase.from_file_data`.

        Raises
        ------
        ValueError
            If there is not one parameter per energy.
        """
        energy = quantity_from_file(cls.__name__, data, "energy")
        missing = [p.name for p in declared_norms(data, len(energy)) if p.name not in parameters]
        if missing:
            raise ValueError(f"{cls.__name__}: {len(energy)} energies, but no parameters {missing}")
        arguments: dict[str, Any] = {**as_norms(parameters), "interp": data.get("interp", "log")}
        return cls(energy=energy, **arguments)

    @classmethod
    def from_parameters(cls, parameters: Parameters, **kwargs: Any) -> Self:
        """Create a model that shares the given parameters, one per energy or one for all; ``energy`` is needed too."""
        return cls(norms=norms_of(parameters), **kwargs)
