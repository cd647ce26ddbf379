"""A symbolic formula as a list of NumPy calls: nothing is rewritten or compiled, so the first number comes at once."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytensor
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.op import Op
from pytensor.graph.traversal import graph_inputs, io_toposort
from pytensor.link.c.op import COp
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.subtensor import Subtensor, unflatten_index_variables

__all__ = ["compile_numbers", "number", "shared_inputs"]

#: NumPy functions for what PyTensor evaluates number by number in Python, by the name of the scalar Op.
_VECTORIZED: dict[str, Callable[..., Any]] = {
    "Second": lambda x, y: np.broadcast_to(y, np.broadcast_shapes(x.shape, y.shape)),
    "Clip": np.clip,
    "Softplus": lambda x: np.logaddexp(0.0, x),
}


def compile_numbers(inputs: Sequence[Variable], output: Variable) -> Callable[..., np.ndarray]:
    """Return a function that computes one symbolic output from numerical inputs.

    Parameters
    ----------
    inputs : sequence of TensorVariable
        Inputs of the graph.
    output : TensorVariable
        Result of the graph.

    Returns
    -------
    callable
        Takes one array per input, of its type, and returns an array of its own. Threads may call it at the same time.

    Raises
    ------
    ValueError
        If the output depends on something that is not among the inputs.

    Notes
    -----
    Each Op is evaluated as PyTensor does in Python, element-wise ones by their NumPy or SciPy function. A graph with
    loops, branches or functions inside is compiled by PyTensor.
    """
    nodes = list(io_toposort(inputs, [output]))
    if all(_is_plain(node.op) for node in nodes):
        return _Program(inputs, output, nodes)
    return pytensor.function(list(inputs), output, mode="FAST_COMPILE", trust_input=True, on_unused_input="ignore")


def number(output: Variable) -> np.ndarray:
    """Present value of an expression of constants and shared variables, as an array of its shape."""
    shared = shared_inputs(output)
    return compile_numbers(shared, output)(*(x.get_value(borrow=True) for x in shared))


def shared_inputs(output: Variable) -> list[SharedVariable]:
    """Shared variables that an expression depends on, such as data that can be replaced."""
    return [x for x in graph_inputs([output]) if isinstance(x, SharedVariable)]


class _Program:
    """Steps that fill a list of values: inputs first, then constants and results in the order of their nodes.

    Equal nodes are computed once, those of constants when the program is made. Results are dropped after their last
    use. Nothing is kept between calls.
    """

    def __init__(self, inputs: Sequence[Variable], output: Variable, nodes: Sequence[Apply]) -> None:
        self._values: list[Any] = [None] * len(inputs)
        self._constant: set[int] = set()
        self._steps: list[tuple[Callable[..., Any], tuple[int, ...], int]] = []
        slots: dict[Variable, int] = {variable: i for i, variable in enumerate(inputs)}
        known: dict[Any, list[int]] = {}
        for node in nodes:
            arguments = tuple(self._slot(variable, slots) for variable in node.inputs)
            key = (node.op, arguments)
            if key not in known:
                known[key] = self._results(node, arguments)
            slots.update(zip(node.outputs, known[key], strict=True))
        self._result = self._slot(output, slots)
        self._drops = self._last_uses()

    def _slot(self, variable: Variable, slots: dict[Variable, int]) -> int:
        """Place of a variable among the values; constants get theirs here."""
        if variable not in slots:
            if not isinstance(variable, Constant):
                raise ValueError(f"a formula depends on {variable}, which is not among its arguments")
            slots[variable] = len(self._values)
            self._constant.add(slots[variable])
            self._values.append(variable.data)
        return slots[variable]

    def _results(self, node: Apply, arguments: tuple[int, ...]) -> list[int]:
        """Enter a node; of several outputs, the whole and each by itself."""
        whole = self._enter(_step(node), arguments)
        if len(node.outputs) == 1:
            return [whole]
        return [self._enter(operator.itemgetter(i), (whole,)) for i in range(len(node.outputs))]

    def _enter(self, step: Callable[..., Any], arguments: tuple[int, ...]) -> int:
        slot = len(self._values)
        self._values.append(None)
        if self._constant.issuperset(arguments):
            with np.errstate(all="ignore"):
                self._values[slot] = step(*(self._values[i] for i in arguments))
            self._constant.add(slot)
        else:
            self._steps.append((step, arguments, slot))
        return slot

    def _last_uses(self) -> list[tuple[int, ...]]:
        """What is needed no more after each step."""
        keep = self._constant | {self._result}
        last = {slot: number for number, (_, _, slot) in enumerate(self._steps)}
        for number, (_, arguments, _) in enumerate(self._steps):
            last.update(dict.fromkeys(arguments, number))
        drops: list[list[int]] = [[] for _ in self._steps]
        for slot, number in last.items():
            if slot not in keep:
                drops[number].append(slot)
        return [tuple(drop) for drop in drops]

    def __call__(self, *inputs: np.ndarray) -> np.ndarray:
        """Return the number for arrays of the types of the inputs."""
        values = self._values.copy()
        values[: len(inputs)] = inputs
        with np.errstate(all="ignore"):
            for (step, arguments, slot), drop in zip(self._steps, self._drops, strict=True):
                values[slot] = step(*[values[i] for i in arguments])
                for i in drop:
                    values[i] = None
        return np.array(values[self._result])  # results may be views of inputs or constants


def _is_plain(op: Op) -> bool:
    """Whether an Op is evaluated by its method ``perform`` alone."""
    first = next(cls for cls in type(op).__mro__ if "make_thunk" in vars(cls))
    return first in (Op, COp)


def _step(node: Apply) -> Callable[..., Any]:
    """A function of the inputs of a node that returns its output, or the list of its outputs."""
    if isinstance(node.op, Elemwise) and len(node.outputs) == 1 and not node.op.inplace_pattern:
        return _elementwise(node)
    if isinstance(node.op, DimShuffle):
        return _shuffle(node.op)
    if type(node.op) is Subtensor and all(isinstance(index, Constant) for index in node.inputs[1:]):
        return _pick(node)
    n_output = len(node.outputs)

    def perform(*inputs: Any) -> Any:
        storage: list[list[Any]] = [[None] for _ in range(n_output)]
        node.op.perform(node, list(inputs), storage)
        return storage[0][0] if n_output == 1 else [cell[0] for cell in storage]

    return perform


def _elementwise(node: Apply) -> Callable[..., Any]:
    """The NumPy function of an element-wise Op; results have the type of the output."""
    op: Any = node.op
    dtype = np.dtype(node.outputs[0].dtype)
    own = _VECTORIZED.get(type(op.scalar_op).__name__)
    if own is not None:
        return lambda *inputs: np.asarray(own(*inputs), dtype=dtype)
    op.prepare_node(node, None, None, "py")
    ufunc = op.nfunc if op.nfunc is not None and len(node.inputs) == op.nfunc_spec[1] else op.ufunc
    ufunc = ufunc or node.tag.ufunc
    if hasattr(node.tag, "sig"):
        return lambda *inputs: np.asarray(ufunc(*inputs, sig=node.tag.sig), dtype=dtype)
    if dtype == "float64" and all(x.dtype == "float64" for x in node.inputs) and isinstance(op.nfunc, np.ufunc):
        return ufunc
    return lambda *inputs: np.asarray(ufunc(*inputs), dtype=dtype)


def _pick(node: Apply) -> Callable[..., Any]:
    """Elements at fixed places."""
    op: Any = node.op
    numbers = [index.data for index in node.inputs[1:] if isinstance(index, Constant)]
    place = unflatten_index_variables(numbers, op.idx_list)
    return lambda x, *_: np.asarray(x[place])


def _shuffle(op: DimShuffle) -> Callable[..., Any]:
    """Permuted, new and dropped dimensions."""
    order = op.new_order
    kept = [i for i in order if i != "x"]
    pick = tuple(slice(None) if i in kept else 0 for i in range(op.input_ndim))
    ranks = [sorted(kept).index(i) for i in kept]
    expand = tuple(None if i == "x" else slice(None) for i in order)
    dropped, moved, new = len(kept) < op.input_ndim, ranks != sorted(ranks), "x" in order

    def shuffle(x: Any) -> Any:
        x = x[pick] if dropped else x
        x = x.transpose(ranks) if moved else x
        return x[expand] if new else x

    return shuffle
