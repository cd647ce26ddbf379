"""One compiled function for many log-densities of one structure, and a loop over them that threads can share."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numba
import numpy as np
import pytensor
import pytensor.tensor as pt
from numba.core import cgutils, types
from numba.extending import intrinsic
from pytensor.compile.mode import Mode, get_mode
from pytensor.graph.replace import clone_replace
from pytensor.link.numba.cache import compile_numba_function_src
from pytensor.link.numba.dispatch.basic import numba_njit
from pytensor.link.numba.linker import NumbaLinker

from bayesmap._numba import strict_arithmetic
from bayesmap.inference.structure import Anatomy, Structure

__all__ = ["Loops", "Member", "available_threads"]

#: seconds of work below which threads cost more than they save
WORTHWHILE = 2e-4
#: calls in which that is found out
TRIALS = 4


@dataclass(frozen=True, eq=False)
class Member:
    """One of the log-densities.

    Attributes
    ----------
    anatomy : Anatomy
        Its expression.
    owner : object
        Its attribute ``revision`` changes whenever the shared variables get other arrays.
    """

    anatomy: Anatomy
    owner: Any


@intrinsic
def _pointer(typingctx, address):  # type: ignore[no-untyped-def]
    """An address as a pointer."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(address), codegen


class _LoopLinker(NumbaLinker):
    """Makes of a function of ``(variables, jacobian, arrays...)`` a loop over many calls of it.

    Numba's functions get arrays through Python objects, which costs a tenth of a microsecond each and holds the lock of
    the interpreter. The loop makes them itself, of addresses and lengths in a table.
    """

    def jit_compile(self, fn_and_cache: Any) -> Any:
        function, cache_key = fn_and_cache
        variables, jacobian, *arrays = self.fgraph.inputs
        lines, names = [], []
        for k, array in enumerate(arrays):
            n_axis = array.type.ndim
            lengths = ", ".join(f"lengths[i, {k}, {axis}]" for axis in range(n_axis)) or "1"
            lines.append(f"x{k} = carray(pointer(addresses[i, {k}]), ({lengths},), dtype{k})")
            if not n_axis:
                lines.append(f"x{k} = asarray(x{k}[0])")
            names.append(f"x{k}")
        body = "\n        ".join(lines)
        source = f"""
def looped(first, last, theta, places, starts, jacobian, addresses, lengths, values, gradients):
    for i in range(first, last):
        start, stop = starts[i], starts[i + 1]
        variables = theta[places[start:stop]]
        {body}
        value, gradient = function({", ".join(["variables", "jacobian", *names])})
        values[i] = value.item()
        gradients[start:stop] = gradient
"""
        names_of = {f"dtype{k}": np.dtype(array.type.dtype) for k, array in enumerate(arrays)}
        scope = globals() | {"carray": numba.carray, "pointer": _pointer, "asarray": np.asarray, "function": function, **names_of}
        kinds = ",".join(f"{array.type.dtype}{array.type.ndim}" for array in arrays)
        text = f"loop {source} {kinds} {cache_key} {pytensor.config.numba__fastmath}"
        key = None if cache_key is None else sha256(text.encode()).hexdigest()
        loop = compile_numba_function_src(source, "looped", scope, cache_key=key)
        return numba_njit(loop, final_function=True, cache=key is not None, nogil=True)


class Loop:
    """The sum of log-densities of one structure, and its gradient.

    Parameters
    ----------
    members : sequence of Member
        With anatomies of equal keys.
    places : mapping of TensorVariable to numpy.ndarray
        Of each variable its places in the vector of all.
    weight : TensorVariable
        A scalar that may be a leaf of the expressions, and is no variable.
    mode : str or Mode
        PyTensor mode.
    """

    def __init__(self, members: Sequence[Member], places: Any, weight: Any, mode: str | Mode) -> None:
        self.members = list(members)
        first = members[0].anatomy
        self._structure = structure = Structure.of([m.anatomy for m in members])
        own = [[x for x in m.anatomy.leaves if x is not weight] for m in members]
        at = [[places[x] for x in leaves] for leaves in own]
        self.places = np.concatenate([np.concatenate(row) for row in at])
        self._starts = np.concatenate([[0], np.cumsum([sum(map(len, row)) for row in at])])
        self._ends = [np.cumsum([len(p) for p in row]) for row in at]
        leaves = [x for x, old in zip(structure.leaves, first.leaves, strict=True) if old is not weight]
        jacobian = next((x for x, old in zip(structure.leaves, first.leaves, strict=True) if old is weight), weight)
        theta = pt.vector("variables", dtype="float64")
        numbers, ends = pt.vector("numbers", dtype="float64"), pt.vector("ends", dtype="int64")
        pieces = dict(self._pieces(theta, ends, leaves))
        pieces |= {x: numbers[i] for i, x in enumerate(structure.numbers)}
        gradients = pt.grad(structure.output, leaves, disconnected_inputs="ignore")
        scalars = all(g.ndim == 0 for g in gradients)
        gradient = pt.stack(gradients) if scalars else pt.concatenate([pt.atleast_1d(g) for g in gradients])
        outputs = clone_replace([structure.output, gradient], replace=pieces, rebuild_strict=False)
        inputs = [theta, jacobian, numbers, ends, *structure.arrays, *structure.shared]
        self._dtypes = [x.type.dtype for x in inputs[2:]]
        self._n_axis = max(x.type.ndim for x in inputs[2:])
        options: dict[str, Any] = {"trust_input": True, "on_unused_input": "ignore"}
        self._loop: Callable[..., None]
        if mode == "NUMBA":
            with strict_arithmetic():
                function = pytensor.function(
                    inputs, outputs, mode=Mode(_LoopLinker(), get_mode(mode).optimizer), **options
                )
            self._loop, self.chunk = function.vm.jit_fn, self._compiled_chunk
        else:
            self._function = pytensor.function(inputs, outputs, mode=mode, **options)
            self._turn, self.chunk = threading.Lock(), self._interpreted_chunk
        self._tables: tuple[list[int], Any] | None = None

    @staticmethod
    def _pieces(theta: Any, ends: Any, leaves: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        """Each variable, and the part of a vector that it is; scalars have places that are known."""
        start: Any = 0
        for i, x in enumerate(leaves):
            yield x, theta[start : ends[i]] if x.type.ndim else theta[start]
            start = ends[i] if x.type.ndim or not isinstance(start, int) else start + 1

    def _renewed(self) -> Any:
        """Arrays of all members and where they are; made again when they have been replaced."""
        revisions = [m.owner.revision for m in self.members]
        if self._tables is None or self._tables[0] != revisions:
            rows = zip(self.members, self._structure.values, self._ends, strict=True)
            arrays = [self._arrays(m, *values, ends) for m, values, ends in rows]
            addresses = np.array([[x.ctypes.data for x in row] for row in arrays], dtype="int64")
            lengths = np.ones((*addresses.shape, self._n_axis), dtype="int64")
            for i, row in enumerate(arrays):
                for k, x in enumerate(row):
                    lengths[i, k, : x.ndim] = x.shape
            self._tables = revisions, (arrays, addresses, lengths)
        return self._tables[1]

    def _arrays(self, member: Member, numbers: Any, arrays: list[Any], ends: Any) -> list[np.ndarray]:
        shared = [x.get_value(borrow=True) for x in member.anatomy.shared]
        given = zip([numbers, ends, *arrays, *shared], self._dtypes, strict=True)
        return [np.require(x, dtype, "C") for x, dtype in given]

    def task(self, theta: np.ndarray, jacobian: np.ndarray) -> "Task":
        """What is to be done at one point."""
        return Task(self, theta, jacobian, self._renewed(), np.empty(len(self.members)), np.empty(self._starts[-1]))

    def _compiled_chunk(self, task: "Task", first: int, last: int) -> None:
        _, addresses, lengths = task.arrays
        self._loop(
            first, last, task.theta, self.places, self._starts, task.jacobian, addresses, lengths, task.values,
            task.gradients,
        )  # fmt: skip

    def _interpreted_chunk(self, task: "Task", first: int, last: int) -> None:
        with self._turn, np.errstate(all="ignore"):
            for i in range(first, last):
                own = slice(self._starts[i], self._starts[i + 1])
                variables = task.theta[self.places[own]]
                task.values[i], task.gradients[own] = self._function(variables, task.jacobian, *task.arrays[0][i])


@dataclass(frozen=True, eq=False)
class Task:
    """A loop at one point; what it gives goes into ``values`` and ``gradients``."""

    loop: Loop
    theta: np.ndarray
    jacobian: np.ndarray
    arrays: Any
    values: np.ndarray
    gradients: np.ndarray

    def part(self, k: int, n: int) -> None:
        """Do the k-th of n parts."""
        number = len(self.values)
        self.loop.chunk(self, k * number // n, (k + 1) * number // n)

    def gradient(self) -> np.ndarray:
        """Gradient of the sum; members are added in their order, whoever did them."""
        return np.bincount(self.loop.places, self.gradients, len(self.theta))


class Loops:
    """The sum of several loops, in threads where that is worth it.

    Parameters
    ----------
    loops : sequence of Loop
        At least one.

    Attributes
    ----------
    threads : int
        How many threads may be used. The result does not depend on it, to the last bit.
    """

    def __init__(self, loops: Sequence[Loop]) -> None:
        self.loops, self.threads = list(loops), available_threads()
        self._seconds = np.inf
        self._calls = 0

    def __call__(self, theta: np.ndarray, jacobian: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient, shape of ``theta``."""
        tasks = [loop.task(theta, jacobian) for loop in self.loops]
        if self.threads > 1 and self._calls >= TRIALS and self._seconds > WORTHWHILE:
            self._in_threads(tasks, self.threads)
        else:
            started = time.perf_counter()
            _do(tasks, 0, 1)
            if self._calls < TRIALS:
                self._seconds = min(self._seconds, time.perf_counter() - started)
                self._calls += 1
        value = sum(float(task.values.sum()) for task in tasks)
        gradient = tasks[0].gradient()
        for task in tasks[1:]:
            gradient += task.gradient()
        return value, gradient

    @staticmethod
    def _in_threads(tasks: list[Task], n: int) -> None:
        others = [_pool().submit(_do, tasks, k, n) for k in range(1, n)]
        try:
            _do(tasks, 0, n)
        finally:
            for other in others:
                other.result()


def _do(tasks: list[Task], k: int, n: int) -> None:
    for task in tasks:
        task.part(k, n)


def available_threads() -> int:
    """Number of threads that this process may use: processors, or what NUMBA_NUM_THREADS says."""
    return int(numba.config.NUMBA_NUM_THREADS)


_pools: list[ThreadPoolExecutor] = []
os.register_at_fork(after_in_child=_pools.clear)


def _pool() -> ThreadPoolExecutor:
    """Threads that stay; a forked process has none and gets its own."""
    if not _pools:
        _pools.append(ThreadPoolExecutor(max(available_threads() - 1, 1), thread_name_prefix="bayesmap"))
    return _pools[0]
