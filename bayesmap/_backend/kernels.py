"""How the kernels of our Ops are compiled and registered."""

import functools
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytensor
from numba.core.caching import Cache
from pytensor.link.numba.dispatch.basic import (
    generate_fallback_impl,
    numba_funcify,
    register_funcify_and_cache_key,
    register_funcify_default_op_cache_key,
)

__all__ = [
    "inner_kernel",
    "kernel",
    "python_kernel",
    "register_call_back",
    "register_kernel",
    "register_python_kernel",
    "register_scalar_kernel",
    "strict_arithmetic",
]


def strict_arithmetic() -> Any:
    """Context in which PyTensor's Numba back end compiles without "fastmath", for the reason given at `kernel`."""
    return pytensor.config.change_flags(numba__fastmath=False)


def kernel(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a function when it is first called; machine code is kept on disk where there is a place for it.

    Floating-point arithmetic is strict: with "fastmath" the last digits depend on what is inlined where, which
    is not the same in code that was just compiled and in code from the disk: a second run would draw other numbers.
    """
    jit = functools.partial(numba.njit, fastmath=False, boundscheck=False, no_cfunc_wrapper=True, **options)
    try:
        return jit(cache=True)(function)
    except RuntimeError:  # neither the folder of the package nor one of the user can be written to
        return jit()(function)


#: for kernels that only other kernels call: half of their compile time and memory is the interface to Python
inner_kernel = functools.partial(kernel, no_cpython_wrapper=True)


def python_kernel(function: Callable[..., np.ndarray], dtype: str, ndim: int) -> Any:
    """Let compiled code call a Python function of arrays whose result is one array in C order."""
    result_type = numba.types.Array(numba.from_dtype(np.dtype(dtype)), ndim, "C")

    def call(inputs: tuple[Any, ...]) -> np.ndarray:
        return function(*inputs)

    @numba.njit
    def kernel(*inputs: Any) -> Any:
        with numba.objmode(result=result_type):
            result = call(inputs)
        return result

    return kernel


def _forgiving(save: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(save)
    def save_overload(self: Any, sig: Any, data: Any) -> None:
        try:
            save(self, sig, data)
        except OSError as error:
            warnings.warn(
                f"compiled code could not be kept in {self.cache_path} ({error.strerror}): it will be compiled again",
                UserWarning,
                stacklevel=2,
            )

    return save_overload


# a cache that is full, or has become read-only, costs time later and not the analysis now
Cache.save_overload = _forgiving(Cache.save_overload)


def register_kernel(op_type: type, choose: Callable[[Any], Callable[..., Any]]) -> None:
    """Tell PyTensor's Numba back end which kernel computes ``op_type``.

    Parameters
    ----------
    op_type : type
        A subclass of `~pytensor.graph.op.Op`.
    choose : callable
        Takes the Op, returns the compiled function of its inputs.

    Notes
    -----
    PyTensor caches machine code on disk under a key that we supply: a checksum of the file that defines the Op, so that
    an edited kernel is never served from an old cache.
    """
    version = _version(op_type)

    @register_funcify_default_op_cache_key(op_type)
    def dispatch(op: Any, node: Any, **kwargs: Any) -> tuple[Callable[..., Any], int]:
        return choose(op), version


def register_scalar_kernel(op_type: type, function: Callable[..., Any]) -> None:
    """Tell PyTensor's Numba back end which function of numbers computes the scalar Op ``op_type``; cached likewise."""
    key = f"{op_type.__module__}.{op_type.__name__}-{_version(op_type)}"

    @register_funcify_and_cache_key(op_type)
    def dispatch(op: Any, node: Any, **kwargs: Any) -> tuple[Callable[..., Any], str]:
        return function, key


def register_python_kernel(op_type: type, choose: Callable[[Any], Callable[..., Any]]) -> None:
    """As `register_kernel`, for functions of `python_kernel`: no graph with one of them can be kept on disk."""

    @numba_funcify.register(op_type)
    def dispatch(op: Any, node: Any, **kwargs: Any) -> Callable[..., Any]:
        return choose(op)


def register_call_back(op_type: type) -> None:
    """Tell PyTensor's Numba back end to call the method `perform` of ``op_type``, on purpose and without a warning.

    For Ops that hold objects: nothing of them is kept on disk.
    """

    @numba_funcify.register(op_type)
    def dispatch(op: Any, node: Any, **kwargs: Any) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Numba will use object mode", UserWarning)
            return generate_fallback_impl(op, node, **kwargs)


def _version(op_type: type) -> int:
    module = sys.modules[op_type.__module__]
    return zlib.crc32(Path(str(module.__file__)).read_bytes())
