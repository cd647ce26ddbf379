"""Log-densities that are alike: the same graph, with other data and other numbers in it."""

from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Apply, Constant
from pytensor.graph.replace import vectorize_graph
from pytensor.tensor.type import TensorType

from bayesmap._backend.functions import QUICK

__all__ = ["Anatomy", "Structure", "sum_of_alike"]


class Anatomy:
    """What a scalar expression consists of.

    Parameters
    ----------
    output : TensorVariable
        The expression.
    variables : collection of TensorVariable
        Those that may enter it, beside constants and shared variables.

    Attributes
    ----------
    key : hashable
        Equal for expressions that are the same function of other variables, shared variables and numbers: the same
        operations in the same order, on arrays of the same type and number of dimensions. Whole numbers that are not
        arrays count as part of the function: they are axes, places and lengths.
    leaves, shared, constants : list of Variable
        The variables and shared variables that occur, each once, and floating-point constants, each time they occur;
        in the order of their first places in the graph.

    Notes
    -----
    An operation is the same if PyTensor says so: of the same type, with the same properties. Operations without
    declared properties are only the same as themselves, so that nothing is ever taken for alike that is not.
    """

    def __init__(self, output: Any, variables: Collection[Any]) -> None:
        self.output, self.nodes = output, list(_ordered(output))
        self.leaves: list[Any] = []
        self.shared: list[Any] = []
        self.constants: list[Any] = []
        self._known: dict[Any, Hashable] = {}
        self._variables = variables
        parts: list[Hashable] = []
        live: set[Any] = set()
        for node in self.nodes:
            inputs = tuple([self._part(x) for x in node.inputs])
            if any(x in live or not (x.owner or isinstance(x, Constant)) for x in node.inputs):
                live.update(node.outputs)
            exactly = node.outputs[0] in live
            parts.append((node.op, inputs, tuple([_kind(x.type, exactly) for x in node.outputs])))
            for place, x in enumerate(node.outputs):
                self._known[x] = (len(parts), place)
        self.key: Hashable = (*parts, self._part(output))
        del self._known, self._variables

    def _part(self, x: Any) -> Hashable:
        """What stands for an input in the key."""
        if isinstance(x, Constant):
            if _is_number(x):
                self.constants.append(x)
                return "constant", ("float", ()) if x.type.ndim == 0 else _kind(x.type)
            return _signature(x)
        if x not in self._known:
            if not isinstance(x.type, TensorType):
                return object()  # a random generator, say: like nothing else
            if isinstance(x, SharedVariable):
                found = "shared", self.shared
            elif x in self._variables:
                found = "leaf", self.leaves
            else:
                raise ValueError(f"the log-density depends on {x}, which is no variable of the model")
            self._known[x] = (found[0], len(found[1]), _kind(x.type))
            found[1].append(x)
        return self._known[x]


def _ordered(output: Any) -> Iterator[Apply]:
    """Nodes of an expression, inputs first, in an order that depends on the graph alone."""
    done: set[Apply] = set()
    stack: list[tuple[Any, bool]] = [(output, False)]
    while stack:
        x, ready = stack.pop()
        if x.owner is None or x.owner in done:
            continue
        if ready:
            done.add(x.owner)
            yield x.owner
            continue
        stack.append((x, True))
        stack.extend([(i, False) for i in reversed(x.owner.inputs)])


def _kind(type_: Any, exactly: bool = True) -> Hashable:
    """A type without the lengths of axes, save those of length one: they are repeated along other arrays.

    PyTensor takes numbers that need no more for single precision; what they are part of is the same for other numbers.
    """
    if isinstance(type_, TensorType):
        dtype = "float" if not exactly and type_.dtype.startswith("float") else type_.dtype
        return dtype, tuple([n == 1 for n in type_.shape])
    return type_


def _is_number(x: Any) -> bool:
    """Whether a constant may be another number elsewhere: floating-point, or an array."""
    return isinstance(x.type, TensorType) and (x.type.dtype.startswith("float") or x.type.ndim > 0)


def _signature(x: Any) -> Hashable:
    if isinstance(x.data, np.ndarray):
        return x.type, x.data.tobytes()
    return x.signature()


@dataclass(frozen=True, eq=False)
class Structure:
    """An expression that stands for many: of variables, and of the numbers and arrays that are not the same for all.

    Attributes
    ----------
    output : TensorVariable
        The scalar.
    leaves, shared : list of TensorVariable
        They stand for the variables and shared variables of a member, in the order of `Anatomy`.
    numbers, arrays : list of TensorVariable
        Scalars of float64, and other arrays, that are not the same for all members.
    values : list of tuple
        Of each member the values of ``numbers``, an array ``(n_number,)``, and of ``arrays``, a list.
    """

    output: Any
    leaves: list[Any]
    shared: list[Any]
    numbers: list[Any]
    arrays: list[Any]
    values: list[tuple[np.ndarray, list[np.ndarray]]]

    @classmethod
    def of(cls, members: Sequence[Anatomy]) -> "Structure":
        """Return what members with equal keys have in common.

        Numbers that are the same for all are part of it. What can be computed from the others before any variable is
        known is computed here, once.
        """
        leaves = [_stand_in(column) for column in zip(*(m.leaves for m in members), strict=True)]
        shared = [_stand_in(column) for column in zip(*(m.shared for m in members), strict=True)]
        build = _Build(members, leaves, shared)
        output = build.output()
        is_number = [_is_scalar(x) for x in build.wanted]
        values = []
        for row in build.evaluated(len(members)):
            numbers = [float(x) for x, scalar in zip(row, is_number, strict=True) if scalar]
            arrays = [np.asarray(x) for x, scalar in zip(row, is_number, strict=True) if not scalar]
            values.append((np.array(numbers, dtype="float64"), arrays))
        stand_ins = list(zip(build.wanted.values(), is_number, strict=True))
        return cls(
            output,
            leaves,
            shared,
            [x for x, scalar in stand_ins if scalar],
            [x for x, scalar in stand_ins if not scalar],
            values,
        )


def sum_of_alike(members: Sequence[Anatomy]) -> Any:
    """Sum of scalar expressions as one expression of vectors, where that is possible.

    Parameters
    ----------
    members : sequence of Anatomy
        With equal keys.

    Returns
    -------
    TensorVariable or None
        A scalar; None if the expressions hold shared variables or different arrays.
    """
    structure = Structure.of(members)
    numbers, arrays = zip(*structure.values, strict=True)
    same = all(np.array_equal(x, y) for row in arrays for x, y in zip(row, arrays[0], strict=True))
    if structure.shared or any(x.type.ndim for x in structure.leaves) or not same:
        return None
    replaced = dict(zip(structure.arrays, map(pt.constant, arrays[0]), strict=True))
    replaced |= dict(zip(structure.numbers, map(pt.constant, np.transpose(numbers)), strict=True))
    for leaf, *column in zip(structure.leaves, *(m.leaves for m in members), strict=True):
        replaced[leaf] = column[0] if all(x is column[0] for x in column) else pt.stack(column)
    return vectorize_graph(structure.output, replaced).sum()


def _is_scalar(x: Any) -> bool:
    return x.type.ndim == 0 and x.type.dtype.startswith("float")


def _stand_in(column: Sequence[Any]) -> Any:
    """A variable for those of all members, with the lengths that all have."""
    shapes = zip(*(x.type.shape for x in column), strict=True)
    return pt.tensor(dtype=column[0].type.dtype, shape=tuple([n[0] if len(set(n)) == 1 else None for n in shapes]))


class _Build:
    """The graph of the first member, rebuilt with variables in the places of what is not the same for all.

    Of its variables, some are "live": they depend on a leaf or on shared data. Others depend on numbers only; if these
    are not the same for all members they have "moved".
    """

    def __init__(self, members: Sequence[Anatomy], leaves: list[Any], shared: list[Any]) -> None:
        self._first = members[0]
        self._new: dict[Any, Any] = dict(zip(self._first.leaves, leaves, strict=True))
        self._new |= dict(zip(self._first.shared, shared, strict=True))
        self._live: set[Any] = {*leaves, *shared}
        self._moved: set[Any] = set()
        #: what the live part of the graph needs of the moved one, and what stands for it there
        self.wanted: dict[Any, Any] = {}
        self._columns: dict[Hashable, tuple[Any, list[np.ndarray]]] = {}
        columns = zip(*([c.data for c in m.constants] for m in members), strict=True)
        self._constants = iter([self._symbol(c, x) for c, x in zip(self._first.constants, columns, strict=True)])

    def _symbol(self, constant: Any, column: Sequence[np.ndarray]) -> Any:
        """What stands for a constant: itself, or one variable for all places with the same numbers."""
        dtype = "float64" if constant.type.ndim == 0 else constant.type.dtype
        column = [np.asarray(x, dtype=dtype) for x in column]
        key = tuple([(x.shape, x.tobytes()) for x in column])
        if len(set(key)) == 1:
            return constant
        if key not in self._columns:
            shapes = zip(*(x.shape for x in column), strict=True)
            shape = tuple([n[0] if len(set(n)) == 1 else None for n in shapes])
            self._columns[key] = (pt.tensor(dtype=dtype, shape=shape), column)
            self._moved.add(self._columns[key][0])
        return self._columns[key][0]

    def output(self) -> Any:
        """The rebuilt expression."""
        for node in self._first.nodes:
            inputs = [self._input(x) for x in node.inputs]
            live = any(x in self._live for x in inputs)
            if live:
                inputs = [self._wanted(x) if x in self._moved else x for x in inputs]
            if all(x is y for x, y in zip(inputs, node.inputs, strict=True)):
                continue
            outputs = node.clone_with_new_inputs(inputs, strict=False).outputs
            self._new |= dict(zip(node.outputs, outputs, strict=True))
            (self._live if live else self._moved).update(outputs)
        output = self._new.get(self._first.output, self._first.output)
        return self._wanted(output) if output in self._moved else output

    def _input(self, x: Any) -> Any:
        if isinstance(x, Constant):
            return next(self._constants) if _is_number(x) else x
        return self._new.get(x, x)

    def _wanted(self, x: Any) -> Any:
        if x not in self.wanted:
            dtype = "float64" if _is_scalar(x) else x.type.dtype
            self.wanted[x] = pt.tensor(dtype=dtype, shape=x.type.shape)
        return self.wanted[x]

    def evaluated(self, number: int) -> list[list[np.ndarray]]:
        """Values of what is wanted, of each member."""
        symbols, columns = [x for x, _ in self._columns.values()], [column for _, column in self._columns.values()]
        rows = [list(row) for row in zip(*columns, strict=True)] or [[] for _ in range(number)]
        if all(x in symbols for x in self.wanted):
            places = [symbols.index(x) for x in self.wanted]
            return [[row[i] for i in places] for row in rows]
        function = pytensor.function(symbols, list(self.wanted), mode=QUICK, on_unused_input="ignore", trust_input=True)
        return [function(*row) for row in rows]
