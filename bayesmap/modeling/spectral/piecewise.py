"""Factors at energies, with interpolation between them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import FileName, Tensor
from bayesmap._util import check_option
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

    def __call__(self, energy: Tensor, nodes: Tensor, *norms: Tensor) -> Tensor:
        """Return the factor."""
        values = pt.stack(pt.broadcast_arrays(*(pt.as_tensor_variable(n) for n in norms)), axis=-1)
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
    norms : sequence of float or Parameter, or None
        The factors :math:`f_k`, one per energy, dimensionless: the parameters ``norm_0``, ``norm_1``... Default 1.
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
    file_keys = ("energy", "interp")

    def __init__(self, energy: u.Quantity, norms: Any = None, interp: str = "log", **values: ParameterLike) -> None:
        label = type(self).__name__
        check_option("interp", interp, SCALES)
        self._energy = check_energies(label, energy)
        self._interp = interp
        given = [1.0] * len(self._energy) if norms is None else list(norms)
        if len(given) != len(self._energy):
            raise ValueError(f"{label}: {len(given)} norms for {len(self._energy)} energies")
        self._declare(self._declarations(len(given)))
        super().__init__(**dict(zip(self.parameter_names, given, strict=True)) | values)

    @staticmethod
    def _declarations(n: int) -> Parameters:
        return Parameters(Parameter(f"norm_{k}", 1.0, role="norm") for k in range(n))

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
        return u.Quantity([p.value for p in self.parameters])

    @property
    def output_unit(self) -> u.UnitBase:
        """Dimensionless."""
        return u.dimensionless_unscaled

    @property
    def _formula(self) -> Callable[..., Tensor]:
        return _Piecewise(self._interp)

    @property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        return (strip(self._energy),)

    def breaks(self, values: Values) -> Sequence[Tensor]:
        """Return the energies of the factors; see `SpectralModel.breaks`."""
        return tuple(strip(self._energy).tolist())

    def file_data(self) -> dict[str, Any]:
        """Return what a model file holds besides parameters."""
        return {"energy": array_to_file(self._energy), "interp": self._interp}

    @classmethod
    def declared_in_file(cls, data: Mapping[str, Any], folder: FileName | None = None) -> Parameters:
        """Return one declaration per energy; see `ModelBase.declared_in_file`."""
        return cls._declarations(len(np.atleast_1d(quantity_from_file(cls.__name__, data, "energy"))))

    @classmethod
    def from_file_data(
        cls, parameters: Mapping[str, Parameter], data: Mapping[str, Any], folder: FileName | None = None
    ) -> Self:
        """Create the model as a model file describes it; see `ModelBase.from_file_data`.

        Raises
        ------
        ValueError
            If there is not one parameter per energy.
        """
        energy = quantity_from_file(cls.__name__, data, "energy")
        missing = [p.name for p in cls._declarations(len(energy)) if p.name not in parameters]
        if missing:
            raise ValueError(f"{cls.__name__}: {len(energy)} energies, but no parameters {missing}")
        return cls(energy=energy, interp=data.get("interp", "log"), **parameters)

    @classmethod
    def from_parameters(cls, parameters: Parameters, **kwargs: Any) -> Self:
        """Create a model that shares the given parameters, one per energy; ``energy`` is needed too."""
        return cls(norms=list(parameters), **kwargs)
