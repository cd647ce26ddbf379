"""Priors of several parameters together, and the marginal of one that stands at its parameter."""

import abc
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import astropy.units as u

from bayesmap._types import Tensor
from bayesmap._util import suggest
from bayesmap.modeling.priors.base import Prior

if TYPE_CHECKING:
    from bayesmap.modeling.parameter import Parameter

__all__ = ["JointMember", "JointPrior"]


class JointPrior(abc.ABC):
    """Interface of priors of several parameters, as data.

    Parameters
    ----------
    parameters : sequence of str
        Names of the random variables, ``"<model>.<parameter>"``.

    Raises
    ------
    ValueError
        If there are fewer than two names, or names repeat.
    """

    def __init__(self, parameters: Sequence[str]) -> None:
        self.names = tuple(parameters)
        if isinstance(parameters, str) or len(set(self.names)) != len(self.names) or len(self.names) < 2:
            raise ValueError(f"a joint prior needs at least two different names of parameters, got {parameters!r}")

    @abc.abstractmethod
    def member(self, index: int) -> "JointMember":
        """Return the prior that stands at one of the parameters."""

    def resolved(self, targets: Sequence["Parameter"]) -> Self:
        """Return the prior for certain parameters, in their units."""
        return self

    @abc.abstractmethod
    def part(self, names: Mapping[int, str]) -> Self:
        """Return the marginal of some members (at least two), under new names by position."""

    @abc.abstractmethod
    def to_dict(self) -> dict[str, object]:
        """Return plain data."""

    @abc.abstractmethod
    def variables(
        self, free: "Sequence[Parameter]", frozen: "Sequence[Parameter]", names: "Mapping[Parameter, str]"
    ) -> "dict[Parameter, Tensor]":
        """Return the variables of the free members in the `pymc.Model` of the context, given the frozen ones."""

    def assign(self, parameters: Mapping[str, Any]) -> None:
        """Give the parameters this prior; see `Models.set_joint_prior`.

        Parameters
        ----------
        parameters : Mapping of str to Parameter
            Parameters by the name of their random variable.

        Raises
        ------
        KeyError
            If a name is unknown.
        ValueError
            If two names are one parameter, or a parameter's bounds cut the prior.
        """
        for name in self.names:
            if name not in parameters:
                raise KeyError(f"no parameter {name!r}{suggest(name, parameters)}")
        targets = [parameters[name] for name in self.names]
        if len(set(targets)) != len(targets):
            raise ValueError(f"two of {list(self.names)} are the same (linked) parameter")
        resolved = self.resolved(targets)
        members = [resolved.member(index) for index in range(len(targets))]
        for member, parameter in zip(members, targets, strict=True):
            member.check_bounds(parameter)
            parameter._check_prior(member, parameter.min, parameter.max)
        for member, parameter in zip(members, targets, strict=True):
            parameter.prior = member

    @staticmethod
    def _check_keys(data: Mapping[str, Any], needed: Sequence[str], others: Sequence[str]) -> None:
        """Raise a ValueError if plain data have an unknown key, or lack one."""
        valid = (*needed, *others)
        for key in data:
            if key not in valid:
                raise ValueError(f"unknown key {key!r}{suggest(key, valid)}")
        for key in needed:
            if key not in data:
                raise ValueError(f"key {key!r} is missing; found {sorted(map(str, data))}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, JointPrior):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(repr(self.to_dict()))


class JointMember(Prior):
    """The marginal of a joint prior, at one of its parameters; it remembers the others.

    Parameters
    ----------
    joint : JointPrior
        The joint prior, with units.
    index : int
        Position of the parameter in it.
    dist : str
        Distribution of the marginal.
    **kwargs : float or `~astropy.units.Quantity`
        Its arguments.
    """

    __slots__ = ("index", "joint")

    def __init__(self, joint: JointPrior, index: int, dist: str, **kwargs: Any) -> None:
        super().__init__(dist, **kwargs)
        self.joint, self.index = joint, index

    @property
    def is_joint(self) -> bool:
        """True: it describes several parameters together."""
        return True

    def check_bounds(self, parameter: "Parameter") -> None:
        """Raise a ValueError if the bounds of a parameter cut the prior."""

    def as_default(self) -> Self:
        """Return itself: a joint prior is never a default."""
        return self

    def rescaled(self, factor: float, unit: u.UnitBase | str = "") -> Self:
        """Return itself: its numbers have units."""
        return self

    @property
    def _others(self) -> str:
        """Names of the other parameters; of many only their number."""
        others = [name for i, name in enumerate(self.joint.names) if i != self.index]
        return ", ".join(others) if len(others) < 4 else f"{len(others)} others"

    @property
    def summary(self) -> str:
        """Marginal distribution, and the names of the other parameters."""
        return f"{super().summary[:-1]}, joint with {self._others})".replace("(, ", "(")

    def __reduce__(self) -> Any:
        return _member, (self.joint, self.index)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, JointMember):
            return NotImplemented
        return self.joint == other.joint and self.index == other.index

    def __hash__(self) -> int:
        return hash((self.joint, self.index))

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, joint with {self._others})"


def _member(joint: JointPrior, index: int) -> JointMember:
    """For `JointMember.__reduce__`: what copies and pickles are made of."""
    return joint.member(index)
