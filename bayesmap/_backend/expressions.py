"""Element-wise operations of our own, and questions about expressions."""

from collections.abc import Callable, Sequence, Set
from typing import Any, ClassVar

from pytensor.compile.ops import ViewOp
from pytensor.graph.basic import equal_computations
from pytensor.graph.traversal import walk
from pytensor.scalar.basic import Cast, UnaryScalarOp, upgrade_to_float
from pytensor.tensor.elemwise import Elemwise

from bayesmap._backend.kernels import register_scalar_kernel

__all__ = ["ScalarFunction", "ViewOp", "elementwise", "equal_expressions", "is_cast_of", "parents", "reached"]


class ScalarFunction(UnaryScalarOp):
    """A function of one number.

    Subclasses define `impl`, which computes it in Python, and the operation `derivative` (or, for another gradient,
    `pullback`).
    """

    derivative: ClassVar[Elemwise]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """Gradient by the input, of numbers."""
        return [cotangents[0] * self.derivative.scalar_op(inputs[0])]


def elementwise(op_type: type[ScalarFunction], function: Callable[..., Any]) -> Elemwise:
    """Return an operation that applies a function of one number to each element of a tensor.

    Parameters
    ----------
    op_type : type
        Subclass of `ScalarFunction`.
    function : callable
        What computes the number in compiled code: an `~bayesmap._backend.kernels.inner_kernel`.
    """
    register_scalar_kernel(op_type, function)
    name = op_type.__name__.lower()
    return Elemwise(op_type(upgrade_to_float, name=name), name=name)


def is_cast_of(value: Any, variable: Any) -> bool:
    """Whether a tensor is a variable itself, or that variable in another integer or float type."""
    while (
        value.owner is not None and isinstance(value.owner.op, Elemwise) and isinstance(value.owner.op.scalar_op, Cast)
    ):
        value = value.owner.inputs[0]
    return value is variable


def equal_expressions(one: Any, other: Any, inputs: Sequence[Any]) -> bool:
    """Whether two expressions of the same inputs are written in the same way."""
    return one is other or bool(equal_computations([one], [other], list(inputs), list(inputs)))


def parents(variable: Any) -> list[Any]:
    """What a variable is computed, or drawn, from: the inputs of its operation."""
    return [] if variable.owner is None else list(variable.owner.inputs)


def reached(expressions: Sequence[Any], variables: Set[Any]) -> list[Any]:
    """Those of some variables that expressions need directly: what these depend on themselves is not looked at."""
    found = walk(list(expressions), lambda x: () if x in variables else parents(x))
    return [x for x in found if x in variables]
