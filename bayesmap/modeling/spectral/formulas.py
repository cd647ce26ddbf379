"""Formulas made of formulas: hashable, so that equal ones are compiled once."""

import operator
from collections.abc import Callable
from dataclasses import dataclass

from bayesmap._lazy import pt
from bayesmap._types import Tensor

__all__ = ["OPERATORS", "Combined", "Scaled", "Slope"]

type Formula = Callable[..., Tensor]
OPERATORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
}


@dataclass(frozen=True)
class Combined:
    """Two formulas joined by an operator.

    Attributes
    ----------
    first, second : callable
        Formulas of energy and inputs.
    n_first : int
        Number of inputs that belong to the first; the others are the second's.
    operator : str
        One of `OPERATORS`.
    """

    first: Formula
    second: Formula
    n_first: int
    operator: str

    def __call__(self, energy: Tensor, *inputs: Tensor) -> Tensor:
        """Return the tensor of the combination."""
        one, two = self.first(energy, *inputs[: self.n_first]), self.second(energy, *inputs[self.n_first :])
        return OPERATORS[self.operator](one, two)


@dataclass(frozen=True)
class Scaled:
    """A formula times its last input."""

    formula: Formula

    def __call__(self, energy: Tensor, *inputs: Tensor) -> Tensor:
        """Return the tensor of the product."""
        return self.formula(energy, *inputs[:-1]) * inputs[-1]


@dataclass(frozen=True)
class Slope:
    """Minus the logarithmic derivative of a formula in energy."""

    formula: Formula

    def __call__(self, energy: Tensor, *inputs: Tensor) -> Tensor:
        """Return the tensor of the slope."""
        flux = self.formula(energy, *inputs) * pt.ones_like(energy)
        return -energy * pt.grad(flux.sum(), energy, disconnected_inputs="ignore") / flux
