"""How the kernels of our Ops are compiled and registered."""

import functools
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import Cache
from pytensor.link.numba.dispatch.basic import register_funcify_and_cache_key, register_funcify_default_op_cache_key

__all__ = ["inner_kernel", "kernel", "register_kernel", "register_scalar_kernel"]

# As fast as full fastmath, but NaN and infinity keep their meaning.
FASTMATH = {"reassoc", "contract", "arcp", "nsz"}


def kernel(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a function when it is first called; machine code is kept on disk where there is a place for it."""
    jit = functools.partial(numba.njit, fastmath=FASTMATH, boundscheck=False, no_cfunc_wrapper=True, **options)
    try:
        return jit(cache=True)(function)
    except RuntimeError:  # neither the folder of the package nor one of the user can be written to
        return jit()(function)


#: for kernels that only other kernels call: half of their compile time and memory is the interface to Python
inner_kernel = functools.partial(kernel, no_cpython_wrapper=True)


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


def _version(op_type: type) -> int:
    module = sys.modules[op_type.__module__]
    return zlib.crc32(Path(str(module.__file__)).read_bytes())
