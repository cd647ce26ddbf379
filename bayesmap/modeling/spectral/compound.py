"""Spectra made of spectra."""

import functools
import numbers
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import FileName, Tensor
from bayesmap._util import check_option
from bayesmap.modeling.parameter import Parameter, ParameterLike, Parameters, Values
from bayesmap.modeling.spectral.base import SpectralModel
from bayesmap.modeling.spectral.constant import ConstantSpectralModel
from bayesmap.modeling.spectral.formulas import OPERATORS, Combined, Scaled
from bayesmap.modeling.spectral.interpolate import at_least, at_most
from bayesmap.modeling.spectral.power_law import PowerLawNormSpectralModel
from bayesmap.units import internal_unit

__all__ = ["CompoundSpectralModel", "ScaleSpectralModel", "as_spectrum"]


def as_spectrum(other: object) -> SpectralModel | None:
    """Return an operand as a spectrum, or None if it cannot be one.

    A number is a frozen factor (`PowerLawNormSpectralModel` without tilt), a quantity a frozen constant flux.
    """
    if isinstance(other, SpectralModel):
        return other
    if isinstance(other, u.Quantity) and other.isscalar:
        if other.unit.is_equivalent(u.dimensionless_unscaled):
            other = other.to_value("")
        else:
            constant = ConstantSpectralModel(const=other)
            constant.freeze()
            return constant
    if isinstance(other, numbers.Real) and not isinstance(other, bool):
        factor = PowerLawNormSpectralModel(norm=float(other))
        factor.freeze()
        return factor
    return None


def combine(model: SpectralModel, other: object, operator: str, swap: bool) -> "CompoundSpectralModel":
    """Return the sum, difference, ... of a spectrum and an operand (the first one if ``swap``)."""
    other = as_spectrum(other)
    if other is None:
        return NotImplemented
    first, second = (other, model) if swap else (model, other)
    return CompoundSpectralModel(first, second, operator)


class CompoundSpectralModel(SpectralModel):
    r"""Sum, difference, product or ratio of two spectra, which may be compounds themselves.

    .. math::
        \phi(E) = \phi_1(E) \circ \phi_2(E), \quad \circ \in \{+, -, \times, /\}

    It is made by operators: ``PowerLawSpectralModel() * EBLAbsorptionNormSpectralModel.read(...)``.

    Parameters
    ----------
    model1, model2 : SpectralModel
        The operands. They are not copied; a parameter may belong to both.
    operator : {"add", "sub", "mul", "truediv"} or function of `operator`
        What joins them.

    Raises
    ------
    ValueError
        For another operator.
    astropy.units.UnitConversionError
        If the units do not allow the operation, or the result is neither a flux nor a number.

    Notes
    -----
    A parameter whose name occurs once is called by it; others are called ``model1.<name>`` and ``model2.<name>``.
    The integral of a sum is the sum of the integrals. Products are integrated in panels that end where one of the
    operands breaks.
    """

    tag = "compound"
    file_parts = ("model1", "model2")
    file_keys = ("operator",)

    def __init__(self, model1: SpectralModel, model2: SpectralModel, operator: str | Callable[..., object]) -> None:
        name = operator if isinstance(operator, str) else getattr(operator, "__name__", repr(operator))
        check_option("operator", name, OPERATORS)
        for key, model in (("model1", model1), ("model2", model2)):
            if not isinstance(model, SpectralModel):
                raise TypeError(f"CompoundSpectralModel: {key} must be a SpectralModel, got {model!r}")
        self.model1, self.model2, self.operator = model1, model2, name
        self.unit = _joined_unit(model1, model2, name)

    # -- parameters -------------------------------------------------------------------------------------------------
    @property
    def _complete(self) -> bool:
        """Whether both operands are there, which they are not while a copy is made."""
        return {"model1", "model2"} <= self.__dict__.keys()

    def _named(self) -> Iterator[tuple[str, SpectralModel, str]]:
        """Name of each parameter, the operand that has it, and its name there."""
        for name, model, local, _ in self._entries():
            yield name, model, local

    def _entries(self) -> list[tuple[str, SpectralModel, str, Parameter]]:
        """What `_named` yields, and the parameter: each operand is asked once, however deep it is."""
        parts = [
            (key, model, _own_parameters(model)) for key, model in (("model1", self.model1), ("model2", self.model2))
        ]
        (one, two), count = (dict(own) for _, _, own in parts), Counter(name for _, _, own in parts for name, _ in own)
        shared = {name for name, parameter in one.items() if two.get(name) is parameter}
        return [
            (name if count[name] == 1 or name in shared else f"{key}.{name}", model, name, parameter)
            for key, model, own in parts
            for name, parameter in own
        ]

    @property
    def parameter_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names of the parameters, those of the first operand first."""
        return tuple(name for name, _, _ in self._named())

    @property
    def parameters(self) -> Parameters:
        """Parameters of both operands."""
        return self.model1.parameters + self.model2.parameters

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not self._complete:
            raise AttributeError(name)
        for known, model, local in self._named():
            if known == name:
                return getattr(model, local)
        raise AttributeError(f"CompoundSpectralModel has no attribute or parameter {name!r}: {self.parameter_names}")

    def __setattr__(self, name: str, value: object) -> None:
        owners = [(model, local) for known, model, local in self._named() if known == name] if self._complete else []
        for model, local in owners:
            setattr(model, local, value)
        if not owners:
            super().__setattr__(name, value)

    def unfreeze(self) -> None:
        """Give all parameters the frozen status of their class default."""
        self.model1.unfreeze()
        self.model2.unfreeze()

    def reassign_unit(self) -> None:
        """Express all parameters in the unit of their class default."""
        self.model1.reassign_unit()
        self.model2.reassign_unit()

    # -- evaluation -------------------------------------------------------------------------------------------------
    @property
    def output_unit(self) -> u.UnitBase:
        """Unit of what a call returns."""
        if self.operator in ("add", "sub"):
            return self.model1.output_unit
        if self.is_norm_spectral_model:
            return u.dimensionless_unscaled
        return _output_unit(self.operator, self.model1.output_unit, self.model2.output_unit)

    @property
    def _formula(self) -> Callable[..., Tensor]:
        n_first = len(self.model1._inputs(self.model1.values))
        return Combined(self.model1._formula, self.model2._formula, n_first, self.operator)

    @property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        return (*self.model1._arrays, *self.model2._arrays)

    def _inputs(self, values: Values) -> tuple[Tensor, ...]:
        return (*self.model1._inputs(values), *self.model2._inputs(values))

    def breaks(self, values: Values) -> Sequence[Tensor]:
        """Return the energies where one of the operands breaks; see `SpectralModel.breaks`."""
        return (*self.model1.breaks(values), *self.model2.breaks(values))

    def may_be_negative(self, supports: Mapping[str, tuple[float, float]]) -> bool:
        """Return whether this is a difference; the operands answer for themselves."""
        return self.operator == "sub"

    def integral_graph(self, energy_min: Tensor, energy_max: Tensor, values: Values) -> Tensor:
        """Return the symbolic integral over each energy bin; see `SpectralModel.integral_graph`."""
        if self.operator not in ("add", "sub"):
            return super().integral_graph(energy_min, energy_max, values)
        one, two = (m.integral_graph(energy_min, energy_max, values) for m in (self.model1, self.model2))
        return OPERATORS[self.operator](one, two)

    def _steps(self, values: Values) -> tuple[SpectralModel, np.ndarray, Tensor] | None:
        """For a product with a factor that is constant in bands: the other operand, where it jumps, the factor."""
        if self.operator == "mul":
            for factor, other in ((self.model2, self.model1), (self.model1, self.model2)):
                if (steps := factor.steps(values)) is not None:
                    return other, *steps
        return None

    def _bands_graph(self, energy_min: Tensor, energy_max: Tensor, values: Values, power: int) -> Tensor:
        found = self._steps(values)
        if found is None:
            return super()._bands_graph(energy_min, energy_max, values, power)
        other, jumps, factor = found
        if all(isinstance(edge, np.ndarray) for edge in (energy_min, energy_max)):
            low, high, shape = _parts(energy_min, energy_max, jumps, np.clip)
        else:
            edges = pt.as_tensor_variable(energy_min), pt.as_tensor_variable(energy_max)
            low, high, shape = _parts(edges[0], edges[1], jumps, _clip)
        parts = (other.energy_flux_graph if power else other.integral_graph)(low, high, values)
        return (parts.reshape(shape) * factor).sum(axis=-1)

    def _integrate(self, low: np.ndarray, high: np.ndarray, values: Values, power: int = 0) -> np.ndarray:
        if (found := self._steps(values)) is not None:
            other, jumps, factor = found
            start, stop, shape = _parts(low, high, jumps, np.clip)
            parts = other._integrate(start, stop, values, power)
            sums: np.ndarray = (parts.reshape(*parts.shape[:-1], *shape) * np.asarray(factor)).sum(axis=-1)
            return sums
        if self.operator not in ("add", "sub"):
            return super()._integrate(low, high, values, power)
        one, two = (m._integrate(low, high, values, power) for m in (self.model1, self.model2))
        total: np.ndarray = OPERATORS[self.operator](one, two)
        return total

    @classmethod
    def from_file_data(
        cls, parameters: Mapping[str, Parameter], data: Mapping[str, object], folder: FileName | None = None
    ) -> Self:
        """Create the model as a model file describes it; see `ModelBase.from_file_data`.

        Raises
        ------
        ValueError
            If there is no such operator.
        """
        if "operator" not in data:
            raise ValueError(f"a compound model needs an operator, one of {list(OPERATORS)}")
        arguments: dict[str, Any] = {**data}
        return cls(**arguments)

    def copy(self, **values: ParameterLike) -> Self:
        """Return a deep copy, with other values for some parameters; names as in ``parameter_names``.

        Raises
        ------
        TypeError
            If there is no such parameter.
        """
        for name in values.keys() - set(self.parameter_names):
            raise TypeError(f"CompoundSpectralModel has no parameter {name!r}; it has {self.parameter_names}")
        return super().copy(**values)

    def __repr__(self) -> str:
        return f"CompoundSpectralModel({self.model1!r}, {self.model2!r}, {self.operator!r})"


def _clip(energy: Tensor, low: np.ndarray, high: np.ndarray) -> Tensor:
    """Energies inside of limits; at a limit the gradient is that of the energy."""
    return at_most(at_least(energy, low), high)


def _parts(
    energy_min: Tensor, energy_max: Tensor, jumps: np.ndarray, clip: Callable[..., Tensor]
) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Edges of the parts of each bin between some energies, in one row, and the shape (bins, parts)."""
    first, last = np.append(0.0, jumps), np.append(jumps, np.inf)
    low, high = (clip(edge[:, None], first, last).ravel() for edge in (energy_min, energy_max))
    return low, high, (-1, len(first))


def _own_parameters(model: SpectralModel) -> list[tuple[str, Parameter]]:
    """Parameters with the names that a model gives them."""
    if isinstance(model, CompoundSpectralModel):
        return [(name, parameter) for name, _, _, parameter in model._entries()]
    return [(name, getattr(model, name)) for name in model.parameter_names]


@functools.cache
def _output_unit(operator: str, one: u.UnitBase, two: u.UnitBase) -> u.UnitBase:
    """Unit of a product or ratio."""
    return u.Unit(OPERATORS[operator](one, two))


def _joined_unit(model1: SpectralModel, model2: SpectralModel, operator: str) -> str:
    """Unit of the result, one that the models here have: a differential flux or a number."""
    one, two = u.Unit(model1.unit), u.Unit(model2.unit)
    label = f"{type(model1).__name__} {operator} {type(model2).__name__}"
    if operator in ("add", "sub"):
        if not one.is_equivalent(two):
            raise u.UnitConversionError(f"{label}: cannot join units '{one}' and '{two}'")
        return model1.unit
    if operator == "mul" and u.dimensionless_unscaled in (one, two):
        return model2.unit if one == u.dimensionless_unscaled else model1.unit
    if operator == "truediv" and two == u.dimensionless_unscaled:
        return model1.unit
    if operator == "truediv" and internal_unit(one) == internal_unit(two):
        return ""
    raise u.UnitConversionError(f"{label}: units '{one}' and '{two}' give neither a flux nor a number")


class ScaleSpectralModel(SpectralModel):
    r"""A spectrum times a free factor, with all its own parameters fixed.

    .. math::
        \phi(E) = f \, \phi_0(E)

    Parameters
    ----------
    model : SpectralModel
        The spectrum :math:`\phi_0`. It is not copied; its parameters are not among those of this model.
    norm : `~astropy.units.Quantity`
        :math:`f`, dimensionless. Default 1.

    Raises
    ------
    TypeError
        If the model is no spectrum.
    """

    tag = "scale"
    file_parts = ("model",)
    norm = Parameter("norm", 1.0, role="norm")

    def __init__(self, model: SpectralModel, **values: ParameterLike) -> None:
        if not isinstance(model, SpectralModel):
            raise TypeError(f"ScaleSpectralModel: model must be a SpectralModel, got {model!r}")
        super().__init__(**values)
        self.model = model
        self.unit = model.unit

    @property
    def output_unit(self) -> u.UnitBase:
        """Unit of what a call returns."""
        return self.model.output_unit

    @property
    def _formula(self) -> Callable[..., Tensor]:
        return Scaled(self.model._formula)

    @property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        return tuple(np.asarray(x, dtype="float64") for x in self.model._inputs(self.model.values))

    def breaks(self, values: Values) -> Sequence[Tensor]:
        """Return the energies where the spectrum breaks; see `SpectralModel.breaks`."""
        return self.model.breaks(self.model.values)

    def integral_graph(self, energy_min: Tensor, energy_max: Tensor, values: Values) -> Tensor:
        """Return the symbolic integral over each energy bin; see `SpectralModel.integral_graph`."""
        return values[self.norm] * self.model.integral_graph(energy_min, energy_max, self.model.values)

    def _integrate(self, low: np.ndarray, high: np.ndarray, values: Values, power: int = 0) -> np.ndarray:
        return values[self.norm] * self.model._integrate(low, high, self.model.values, power)
