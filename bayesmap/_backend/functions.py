"""Graphs as compiled functions: in no time for a few calls, or fast and for many threads."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor
import pytensor.scalar as ps
from pytensor.compile.mode import Mode, get_mode
from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter
from pytensor.link.numba.dispatch.basic import numba_njit
from pytensor.link.numba.linker import NumbaLinker
from pytensor.tensor.elemwise import Elemwise

from bayesmap._backend.kernels import strict_arithmetic

__all__ = ["QUICK", "Mode", "compile_for_threads"]

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


class _ParallelLinker(NumbaLinker):
    """Numba functions that let other threads run: chains are sampled at the same time."""

    def jit_compile(self, fn_and_cache: Any) -> Any:
        function, cache_key = fn_and_cache
        return numba_njit(function.py_func, final_function=True, cache=cache_key is not None, nogil=True)


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
