"""Factors at energies, with interpolation between them, and factors in bands."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

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

__all__ = ["PiecewiseNormSpectralModel", "StepNormSpectralModel"]


def _stacked(norms: Sequence[Tensor], is_array: bool) -> Tensor:
    """Norms on a last axis."""
    numbers = [pt.as_tensor_variable(n) for n in norms]
    return numbers[0] if is_array else pt.stack(pt.broadcast_arrays(*numbers), axis=-1)


@dataclass(frozen=True)
class _Piecewise:
    """The formula; its inputs are the energies and the norms there."""

    interp: str
    is_array: bool = False

    def __call__(self, energy: Tensor, nodes: Tensor, *norms: Tensor) -> Tensor:
        """Return the factor."""
        values = _stacked(norms, self.is_array)
        x = scaled(pt.as_tensor_variable(energy), self.interp)
        points = scaled(pt.as_tensor_variable(nodes), self.interp)
        return on_scale(lambda numbers, on: interpolate(points, numbers, x, on), values, self.interp, extrapolate=False)


class NormsAtEnergies(SpectralModel):
    """What spectra of norms at given energies have in common: the energies, one norm each or one for all, files.

    Parameters
    ----------
    energy : `~astropy.units.Quantity`
        Energies, ascending, at least two.
    norms : sequence of float or Parameter, ArrayParameter, or None
        Norms, dimensionless: the parameters ``norm_0``, ``norm_1``... Default 1. An `ArrayParameter` is one parameter
        ``norm`` for all of them.

    Raises
    ------
    ValueError
        If the energies do not ascend, or the number of norms is not theirs.
    """

    unit = ""
    file_keys: ClassVar[tuple[str, ...]] = ("energy", "array")

    def __init__(self, energy: u.Quantity, norms: Any = None, **values: ParameterLike) -> None:
        label = type(self).__name__
        self._energy = check_energies(label, energy)
        number = self._number_of_norms(len(self._energy))
        self._declare(node_norms(number, norms))
        self._is_array = isinstance(norms, ArrayParameter)
        given = [norms] if self._is_array else [1.0] * number if norms is None else list(norms)
        if len(given) != len(self.parameter_names):
            raise ValueError(f"{label}: {len(given)} norms for {len(self._energy)} energies, {number} are needed")
        super().__init__(**dict(zip(self.parameter_names, given, strict=True)) | values)

    @staticmethod
    def _number_of_norms(n_energy: int) -> int:
        """How many norms belong to some energies."""
        return n_energy

    @property
    def energy(self) -> u.Quantity:
        """The energies."""
        return self._energy

    @property
    def norms(self) -> u.Quantity:
        """The norms."""
        return u.Quantity(self.parameters.value)

    @property
    def output_unit(self) -> u.UnitBase:
        """Dimensionless."""
        return u.dimensionless_unscaled

    @property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        return (strip(self._energy),)

    def breaks(self, values: Values) -> Sequence[Tensor]:
        """Return the energies; see `SpectralModel.breaks`."""
        return tuple(strip(self._energy).tolist())

    def file_data(self) -> dict[str, object]:
        """Return what a model file holds besides parameters."""
        data: dict[str, object] = {"energy": array_to_file(self._energy)}
        return data | {"array": True} if self._is_array else data

    @classmethod
    def declared_in_file(cls, data: Mapping[str, object], folder: FileName | None = None) -> Parameters:
        """Return one declaration per norm, or one for all; see `ModelBase.declared_in_file`."""
        number = len(np.atleast_1d(quantity_from_file(cls.__name__, data, "energy")))
        return Parameters(declared_norms(data, cls._number_of_norms(number)))

    @classmethod
    def from_file_data(
        cls, parameters: Mapping[str, Parameter], data: Mapping[str, object], folder: FileName | None = None
    ) -> Self:
        """Create the model as a model file describes it; see `ModelBase.from_file_data`.

        Raises
        ------
        ValueError
            If there is not one parameter per norm.
        """
        energy = quantity_from_file(cls.__name__, data, "energy")
        declared = declared_norms(data, cls._number_of_norms(len(energy)))
        missing = [p.name for p in declared if p.name not in parameters]
        if missing:
            raise ValueError(f"{cls.__name__}: {len(energy)} energies, but no parameters {missing}")
        arguments: dict[str, Any] = {key: data[key] for key in cls.file_keys if key in data}
        arguments.pop("array", None)
        return cls(**arguments | {**as_norms(parameters), "energy": energy})

    @classmethod
    def from_parameters(cls, parameters: Parameters, **kwargs: Any) -> Self:
        """Create a model that shares the given parameters, one per norm or one for all; ``energy`` is needed too."""
        return cls(norms=norms_of(parameters), **kwargs)


class PiecewiseNormSpectralModel(NormsAtEnergies):
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
    file_keys = ("energy", "interp", "array")

    def __init__(self, energy: u.Quantity, norms: Any = None, interp: str = "log", **values: ParameterLike) -> None:
        check_option("interp", interp, SCALES)
        self._interp = interp
        super().__init__(energy, norms, **values)

    @property
    def interp(self) -> str:
        """Scale of the interpolation."""
        return self._interp

    @property
    def _formula(self) -> Callable[..., Tensor]:
        return _Piecewise(self._interp, self._is_array)

    def file_data(self) -> dict[str, object]:
        """Return what a model file holds besides parameters."""
        return super().file_data() | {"interp": self._interp}


@dataclass(frozen=True)
class _Step:
    """The formula; its inputs are the edges and the norms between them."""

    is_array: bool = False

    def __call__(self, energy: Tensor, edges: Tensor, *norms: Tensor) -> Tensor:
        """Return the factor."""
        values = _stacked(norms, self.is_array)
        inner, e = pt.as_tensor_variable(edges)[1:-1], pt.as_tensor_variable(energy)[..., None]
        above = pt.concatenate([pt.ones_like(e), pt.cast(e >= inner, "float64")], axis=-1)
        below = pt.concatenate([pt.cast(e < inner, "float64"), pt.ones_like(e)], axis=-1)
        return (values * above * below).sum(axis=-1)


class StepNormSpectralModel(NormsAtEnergies):
    r"""Free factors in energy bands, constant in each: the flux points of the spectrum that it multiplies.

    .. math::
        f(E) = f_k, \quad E_k \le E < E_{k + 1}

    Below the first energy the first factor holds, above the last one the last factor.

    Parameters
    ----------
    energy : `~astropy.units.Quantity`
        Edges of the bands, ascending, shape ``(n + 1,)``, at least two.
    norms : sequence of float or Parameter, ArrayParameter, or None
        The factors :math:`f_k`, one per band, dimensionless: the parameters ``norm_0``, ``norm_1``... Default 1. An
        `ArrayParameter` is one parameter ``norm`` for all of them.

    Raises
    ------
    ValueError
        If the edges do not ascend, or the number of norms is not that of the bands.

    Notes
    -----
    The integral of its product with a spectrum is the sum of the integrals of that spectrum over the parts of a bin.
    """

    tag = "step-norm"

    @staticmethod
    def _number_of_norms(n_energy: int) -> int:
        return n_energy - 1

    @property
    def _formula(self) -> Callable[..., Tensor]:
        return _Step(self._is_array)

    def steps(self, values: Values) -> tuple[np.ndarray, Tensor]:
        """Return where the factor jumps, and the factors; see `SpectralModel.steps`."""
        norms = self._arguments(values)
        if all(isinstance(n, np.ndarray | float | int | np.number) for n in norms):
            numbers = norms[0] if self._is_array else np.stack(np.broadcast_arrays(*norms), axis=-1)
            return strip(self._energy)[1:-1], numbers
        return strip(self._energy)[1:-1], _stacked(norms, self._is_array)
