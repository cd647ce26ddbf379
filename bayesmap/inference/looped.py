"""One compiled function for many log-densities of one structure, and a loop over them that threads can share."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.replace import clone_replace

from bayesmap._backend.functions import Mode, compile_for_threads
from bayesmap._backend.loops import available_threads, compile_loop
from bayesmap._backend.structure import Anatomy, Structure

__all__ = ["Loops", "Member", "available_threads"]

#: seconds of work below which threads cost more than they save
WORTHWHILE = 2e-4
#: calls in which that is found out
TRIALS = 4
#: seconds until a thread that sleeps is at work
WAKE = 3e-5


@dataclass(frozen=True, eq=False)
class Member:
    """One of the log-densities.

    Attributes
    ----------
    anatomy : Anatomy
        Its expression.
    source : object
        Its attribute ``revision`` changes whenever the shared variables get other arrays.
    """

    anatomy: Anatomy
    source: Any


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
        self._loop: Callable[..., None] | None = compile_loop(inputs, outputs) if mode == "NUMBA" else None
        self._function = None if mode == "NUMBA" else compile_for_threads(inputs, outputs, mode)
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
        revisions = [m.source.revision for m in self.members]
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

    def chunk(self, task: "Task", first: int, last: int) -> None:
        """Do some members, from the first to before the last."""
        arrays, addresses, lengths = task.arrays
        results = task.values, task.gradients
        if self._loop is not None:
            where = self.places, self._starts
            self._loop(first, last, task.theta, *where, task.jacobian, addresses, lengths, *results)
            return
        assert self._function is not None
        for i in range(first, last):
            own = slice(self._starts[i], self._starts[i + 1])
            results[0][i], results[1][own] = self._function(task.theta[self.places[own]], task.jacobian, *arrays[i])


@dataclass(frozen=True, eq=False)
class Task:
    """A loop at one point; what it gives goes into ``values`` and ``gradients``."""

    loop: Loop
    theta: np.ndarray
    jacobian: np.ndarray
    arrays: Any
    values: np.ndarray
    gradients: np.ndarray

    def part(self, start: float, stop: float) -> None:
        """Do the members between two fractions of their number."""
        number = len(self.values)
        self.loop.chunk(self, round(start * number), round(stop * number))

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
            _in_threads(tasks, self._ends(self.threads))
        else:
            started = time.perf_counter()
            _do(tasks, 0.0, 1.0)
            if self._calls < TRIALS:
                self._seconds = min(self._seconds, time.perf_counter() - started)
                self._calls += 1
        value = sum(float(task.values.sum()) for task in tasks)
        gradient = tasks[0].gradient()
        for task in tasks[1:]:
            gradient += task.gradient()
        return value, gradient

    def _ends(self, n: int) -> np.ndarray:
        """Fractions of the work where the parts of threads end; the first has more to do until the others are awake."""
        first = (1 + (n - 1) * WAKE / self._seconds) / n
        return np.linspace(first, 1.0, n)


def _in_threads(tasks: list[Task], ends: np.ndarray) -> None:
    others = [_pool().submit(_do, tasks, *part) for part in pairwise(ends.tolist())]
    try:
        _do(tasks, 0.0, ends[0])
    finally:
        for other in others:
            other.result()


def _do(tasks: list[Task], start: float, stop: float) -> None:
    for task in tasks:
        task.part(start, stop)


_pools: list[ThreadPoolExecutor] = []
os.register_at_fork(after_in_child=_pools.clear)


def _pool() -> ThreadPoolExecutor:
    """Threads that stay; a forked process has none and gets its own."""
    if not _pools:
        _pools.append(ThreadPoolExecutor(max(available_threads() - 1, 1), thread_name_prefix="bayesmap"))
    return _pools[0]
