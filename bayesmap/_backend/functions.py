"""Graphs as compiled functions: in no time for a few calls, or fast and for many threads."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import numpy as np
import pytensor
import pytensor.scalar as ps
from pytensor.compile.mode import Mode, get_mode
from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter
from pytensor.link.numba.cache import CACHED_SRC_FUNCTIONS
from pytensor.link.numba.dispatch.basic import numba_funcify_and_cache_key, numba_njit
from pytensor.link.numba.linker import NumbaLinker
from pytensor.tensor.elemwise import Elemwise

from bayesmap._backend.kernels import strict_arithmetic
from bayesmap._garbage import seldom_collected

__all__ = ["QUICK", "Mode", "compile_for_threads", "making_graphs"]

_LIMIT = 31  # operands of a universal function of NumPy, less the result
BEFORE_INPLACE = 49.4  # place among the rewrites of PyTensor


@node_rewriter([Elemwise])
def _halve(fgraph: Any, node: Any) -> Any:
    """Write a sum or product of many terms, of which PyTensor has made one operation, as one of two halves."""
    if not isinstance(node.op.scalar_op, ps.Add | ps.Mul) or len(node.inputs) <= _LIMIT:
        return False

    def joined(terms: list[Any]) -> Any:
        if len(terms) <= _LIMIT:
            return node.op(*terms)
        half = len(terms) // 2
        return node.op(joined(terms[:half]), joined(terms[half:]))

    return [joined(list(node.inputs))]


#: compiled in no time and run by NumPy: PyTensor's "FAST_COMPILE", which fails at sums of more than 31 terms, as those
#: over many datasets or sources are
QUICK = get_mode("FAST_COMPILE").register((dfs_rewriter(_halve), BEFORE_INPLACE))


@contextlib.contextmanager
def making_graphs() -> Iterator[None]:
    """Context, or decorator, in which expressions are made, rewritten and compiled in half of the time.

    Nodes take no note of the line of code that made them, and Python looks for garbage more seldom.
    """
    with seldom_collected(), pytensor.config.change_flags(traceback__limit=0):
        yield


class _ParallelLinker(NumbaLinker):
    """Numba functions that let other threads run: chains are sampled at the same time.

    PyTensor's own linker puts a second function around that of the graph, to find its machine code on the disk: numba
    would optimise and translate all of the graph twice.
    """

    def fgraph_convert(self, fgraph: Any, **kwargs: Any) -> Any:
        return numba_funcify_and_cache_key(fgraph, **kwargs)

    def jit_compile(self, fn_and_cache: Any) -> Any:
        function, key = fn_and_cache
        written = function.py_func
        # the file on the disk is called after the function's own, which is a new one each time
        code = written.__code__.replace(co_filename="<string>")
        graph = FunctionType(code, written.__globals__, written.__name__)
        kept = key is not None and pytensor.config.numba__cache
        if kept:
            CACHED_SRC_FUNCTIONS[graph] = f"{key}_nogil_fastmath{int(pytensor.config.numba__fastmath)}"
        return numba_njit(graph, final_function=True, cache=kept, nogil=True)


def compile_for_threads(inputs: list[Any], outputs: list[Any], mode: str | Mode = "NUMBA") -> Callable[..., Any]:
    """Compile a function that threads may call at the same time.

    Parameters
    ----------
    inputs, outputs : list of TensorVariable
        Arguments, which are not checked and must be arrays of their types, and results.
    mode : str or Mode
        "NUMBA" for speed, `QUICK` for a few calls.

    Notes
    -----
    A function of PyTensor keeps its arguments in storage of its own. The Numba function inside does not: it is called
    with the arguments and the present values of the shared variables. In other modes threads take turns, and NumPy is
    as silent as Numba about far points, where infinities meet: the value says it.
    """
    if mode != "NUMBA":
        turn = threading.Lock()
        function = pytensor.function(inputs, outputs, mode=mode, trust_input=True, on_unused_input="ignore")

        def one_at_a_time(*arguments: np.ndarray) -> Any:
            with turn, np.errstate(all="ignore"):
                return function(*arguments)

        return one_at_a_time
    parallel = Mode(_ParallelLinker(), get_mode(mode).optimizer)
    with strict_arithmetic():
        function = pytensor.function(inputs, outputs, mode=parallel, trust_input=True, on_unused_input="ignore")
    kernel, shared = function.vm.jit_fn, function.vm.inputs[len(inputs) :]

    def at_once(*arguments: np.ndarray) -> Any:
        return kernel(*arguments, *(container[0] for container in shared))

    return at_once
