"""What Gammapy's collections of parameters know: bounds as arrays, selections, plain data, a status to come back to."""

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from bayesmap.modeling.parameter import Parameter

__all__ = ["ParametersTools", "restored"]


@contextmanager
def restored(parameters: Iterable["Parameter"], restore_values: bool = True) -> Iterator[None]:
    """Give parameters back their frozen status, and by default their values, when a ``with`` block ends."""
    before = [(parameter, parameter.value, parameter.frozen) for parameter in parameters]
    try:
        yield
    finally:
        for parameter, value, frozen in before:
            if restore_values:
                parameter.value = value
            parameter.frozen = frozen


class ParametersTools(Sequence["Parameter"]):
    """Members of `Parameters` beside those of a sequence."""

    def _set(self, name: str, values: Sequence[float]) -> None:
        sizes = [math.prod(parameter.shape) for parameter in self]
        if len(values) != sum(sizes):
            raise ValueError(f"{name} needs one number for each of {sum(sizes)} parameters, got {len(values)}")
        for parameter, part in zip(self, np.split(np.asarray(values), np.cumsum(sizes)[:-1]), strict=True):
            own = np.unique(part) if name != "value" else part
            setattr(parameter, name, np.reshape(own, parameter.shape) if len(own) > 1 else own[0])

    def _array(self, name: str) -> np.ndarray:
        return np.array([getattr(p, name) for parameter in self for p in parameter.elements()], dtype="float64")

    @property
    def value(self) -> np.ndarray:
        """Values in the declared units, shape ``(n,)``; those of a parameter with a shape one after the other."""
        return self._array("value")

    @value.setter
    def value(self, values: Sequence[float]) -> None:
        self._set("value", values)

    @property
    def min(self) -> np.ndarray:
        """Lower bounds in the declared units, NaN for none."""
        return self._array("min")

    @min.setter
    def min(self, values: Sequence[float]) -> None:
        self._set("min", values)

    @property
    def max(self) -> np.ndarray:
        """Upper bounds in the declared units, NaN for none."""
        return self._array("max")

    @max.setter
    def max(self, values: Sequence[float]) -> None:
        self._set("max", values)

    @property
    def types(self) -> list[str | None]:
        """Parts of sky models that the parameters belong to, such as "spectral"."""
        return [parameter.type for parameter in self]

    @property
    def prior(self) -> list[Any]:
        """Priors, None where there is none."""
        return [parameter.prior for parameter in self]

    def prior_stat_sum(self) -> float:
        """Return the sum of minus two times the logarithms of the prior densities; see `Parameter.prior_stat_sum`."""
        return float(sum(p.prior_stat_sum() or 0.0 for p in self if p.prior is not None))

    def check_limits(self) -> None:
        """Warn of values outside of their bounds."""
        for parameter in self:
            parameter.check_limits()

    def autoscale(self) -> None:
        """Choose the scale of every parameter by its value."""
        for parameter in self:
            parameter.autoscale()

    def set_parameter_factors(self, factors: Sequence[float]) -> None:
        """Set the factors of the free parameters, in order."""
        free = [parameter for parameter in self if not parameter.frozen]
        for parameter, factor in zip(free, factors, strict=True):
            parameter.factor = factor

    def select(
        self, name: str | Sequence[str] | None = None, type: str | None = None, frozen: bool | None = None
    ) -> Self:
        """Return the parameters that meet all conditions.

        Parameters
        ----------
        name : str or list of str, optional
            Names.
        type : {"spectral", "spatial", "temporal"}, optional
            Part of a sky model.
        frozen : bool, optional
            Whether they are frozen.
        """
        names = [name] if isinstance(name, str) else name
        return self.__class__(
            p
            for p in self
            if (names is None or p.name in names)
            and (type is None or p.type == type)
            and (frozen is None or p.frozen == frozen)
        )

    @classmethod
    def from_stack(cls, parameters_list: Iterable[Iterable["Parameter"]]) -> Self:
        """Return the parameters of several collections, one after the other."""
        return cls(parameter for parameters in parameters_list for parameter in parameters)

    def copy(self) -> Self:
        """Return copies of the parameters; what was linked stays so."""
        return copy.deepcopy(self)

    def to_dict(self) -> list[dict[str, object]]:
        """Return plain data, one entry per parameter; see `Parameter.to_dict`."""
        return [parameter.to_dict() for parameter in self]

    def restore_status(self, restore_values: bool = True) -> Any:
        """Return a context manager that gives back frozen status and values at the end of its ``with`` block."""
        return restored(self, restore_values)

    if TYPE_CHECKING:

        def __init__(self, parameters: Iterable["Parameter"] = ()) -> None: ...
