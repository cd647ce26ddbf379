"""Loops over many calls of one compiled function, each with arrays of its own."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numba
import numpy as np
import pytensor
from numba.core import cgutils, types
from numba.extending import intrinsic
from pytensor.compile.mode import Mode, get_mode
from pytensor.link.numba.cache import compile_numba_function_src
from pytensor.link.numba.dispatch.basic import numba_funcify_and_cache_key, numba_njit
from pytensor.link.numba.linker import NumbaLinker

from bayesmap._backend.kernels import strict_arithmetic

__all__ = ["available_threads", "compile_loop"]


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

    def fgraph_convert(self, fgraph: Any, **kwargs: Any) -> Any:
        return numba_funcify_and_cache_key(fgraph, **kwargs)

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
        scope = globals() | {
            "carray": numba.carray,
            "pointer": _pointer,
            "asarray": np.asarray,
            "function": function,
            **names_of,
        }
        kinds = ",".join(f"{array.type.dtype}{array.type.ndim}" for array in arrays)
        text = f"loop {source} {kinds} {cache_key} {pytensor.config.numba__fastmath}"
        key = None if cache_key is None else sha256(text.encode()).hexdigest()
        loop = compile_numba_function_src(source, "looped", scope, cache_key=key)
        return numba_njit(loop, final_function=True, cache=key is not None, nogil=True)


def compile_loop(inputs: list[Any], outputs: list[Any]) -> Callable[..., None]:
    """Compile a loop over calls of a function, with Numba; other threads run meanwhile.

    Parameters
    ----------
    inputs : list of TensorVariable
        A vector of variables, a scalar that is the same in all calls, and arrays.
    outputs : list of TensorVariable
        A scalar and a vector, one number per variable.

    Returns
    -------
    callable
        ``loop(first, last, theta, places, starts, scalar, addresses, lengths, values, gradients)`` does the calls from
        ``first`` to before ``last`` and fills ``values``, shape ``(n_call,)``, and ``gradients``. Variables of call i
        are the elements ``places[starts[i]:starts[i + 1]]`` of ``theta``; its gradient gets the places
        ``starts[i]:starts[i + 1]`` of ``gradients``. Array k of call i, in C order, begins at ``addresses[i, k]`` and
        has the lengths ``lengths[i, k]``, int64, of which as many count as it has axes.
    """
    mode = Mode(_LoopLinker(), get_mode("NUMBA").optimizer)
    with strict_arithmetic():
        function = pytensor.function(inputs, outputs, mode=mode, trust_input=True, on_unused_input="ignore")
    loop: Callable[..., None] = function.vm.jit_fn
    return loop


def available_threads() -> int:
    """Number of threads that this process may use: its processors, or what ``NUMBA_NUM_THREADS`` says."""
    return int(numba.config.NUMBA_NUM_THREADS)
