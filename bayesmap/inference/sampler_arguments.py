"""Checks of the arguments of a sampler, which come before anything is compiled."""

import importlib
import inspect
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bayesmap._garbage import seldom_collected
from bayesmap._util import check_option, check_whole, get_random_state, suggest

__all__ = ["SAMPLERS", "check_sampler_arguments", "load_nutpie"]

SAMPLERS = ("whitened", "nutpie", "pymc", "numpyro")
#: arguments of `bayesmap.sample` itself, which a misspelt one may mean
OWN = (
    *("draws", "tune", "chains", "random_state", "sampler", "cores", "searches", "progress_bar"),
    *("psf_route", "psf_tolerance", "irf_position"),
)
#: settings of nutpie 0.16 that are no arguments of ``nutpie.sample``
NUTPIE_SETTINGS = (
    *("target_accept", "maxdepth", "mindepth", "max_energy_error", "check_turning", "extra_doublings"),
    *("target_integration_time", "initial_step", "max_step_size", "step_size_jitter", "step_size_adapt_method"),
    *("use_grad_based_mass_matrix", "mass_matrix_switch_freq", "window_switch_freq", "early_window_switch_freq"),
    *("mass_matrix_eigval_cutoff", "mass_matrix_gamma", "store_divergences", "store_gradient", "store_mass_matrix"),
)
#: arguments of the back ends that are set here
TAKEN = {
    *("compiled_model", "seed", "save_warmup", "return_raw_trace", "blocking", "kwargs"),
    *("random_seed", "progressbar", "nuts_sampler", "nuts_sampler_kwargs", "model", "compute_convergence_checks"),
    *("discard_tuned_samples", "return_inferencedata", "trace", "self", "args", "pytensor_kwargs", "potential_fn"),
}


def check_sampler_arguments(
    sampler: Any,
    *,
    draws: Any = 1,
    tune: Any = None,
    chains: Any = 1,
    cores: Any = None,
    searches: Any = 1,
    random_state: Any = None,
    options: Mapping[str, Any],
) -> None:
    """Raise unless a sampler takes its arguments.

    Parameters
    ----------
    sampler : {"whitened", "nutpie", "pymc", "numpyro"}
        Name of the sampler.
    draws, tune, chains, cores, searches, random_state
        As for :func:`~bayesmap.inference.sample`.
    options : Mapping of str to object
        Further arguments, for the back end.

    Raises
    ------
    ValueError
        If a number is none, a name is unknown, or ``target_accept`` is not between 0 and 1.
    TypeError
        If the back end does not know an argument; the message lists those that it knows.
    ImportError
        If the back end is not installed.
    """
    check_option("sampler", sampler, SAMPLERS)
    counted = [("draws", draws, 1), ("chains", chains, 1), ("searches", searches, 1)]
    counted += [
        (what, value, least) for what, value, least in (("tune", tune, 0), ("cores", cores, 1)) if value is not None
    ]
    for what, value, least in counted:
        check_whole(what, value, least)
    if isinstance(random_state, str):
        check_option("random_state", random_state, ("random-seed", "global-rng"))
    elif not isinstance(random_state, np.random.RandomState):
        get_random_state(random_state)
    known = _known(sampler)
    for name in options:
        if name not in known:
            raise TypeError(f"sampler {sampler!r} takes no argument {name!r}{suggest(name, {*known, *OWN})}")
    accept = options.get("target_accept", options.get("target_accept_prob", 0.5))
    if not isinstance(accept, int | float | np.number) or not 0 < accept < 1:
        raise ValueError(f"target_accept must be a number between 0 and 1, got {accept!r}")


def _known(sampler: str) -> set[str]:
    """Names of the arguments of a back end that users may give."""
    if sampler == "pymc":
        import pymc as pm

        functions = [pm.sample, *(cls.__init__ for cls in pm.NUTS.__mro__[:-1] if "__init__" in vars(cls))]
        return _arguments(*functions) | {"nuts"}
    if sampler == "numpyro":
        return _arguments(numpyro_nuts().__init__)
    return (_arguments(load_nutpie().sample) | {*NUTPIE_SETTINGS}) - {"sampler"}


def _arguments(*functions: Callable[..., Any]) -> set[str]:
    names = {name for function in functions for name in inspect.signature(function).parameters}
    return names - TAKEN - {*OWN}


def load_nutpie() -> Any:
    """The module `nutpie`, without figures.

    It imports `arviz` for two functions that are those of `arviz_base`; all of ArviZ loads Matplotlib and takes 2.7 s.
    So it gets a module that loads ArviZ when it is asked for anything else. It is out of `sys.modules` at once; whoever
    imported `arviz` in another thread meanwhile has it too, and finds all of ArviZ in it.
    """
    if "nutpie" in sys.modules or "arviz" in sys.modules:
        return importlib.import_module("nutpie")
    stand_in = sys.modules["arviz"] = _ArvizOnDemand("arviz")
    try:
        with seldom_collected():
            return importlib.import_module("nutpie")
    finally:
        if sys.modules.get("arviz") is stand_in:
            del sys.modules["arviz"]


class _ArvizOnDemand(types.ModuleType):
    """ArviZ, of which only `arviz_base` is loaded until something else is asked for."""

    def __getattr__(self, name: str) -> Any:
        base = importlib.import_module("arviz_base")
        if hasattr(base, name):
            return getattr(base, name)
        if sys.modules.get("arviz") is self:
            del sys.modules["arviz"]
        return getattr(importlib.import_module("arviz"), name)


def numpyro_nuts() -> Any:
    """The class ``numpyro.infer.NUTS``.

    Raises
    ------
    ImportError
        If JAX or NumPyro is not installed.
    """
    try:
        import jax  # noqa: F401 (NumPyro fails without it in words that do not say so)
        from numpyro.infer import NUTS
    except ImportError as error:
        raise ImportError("sampler='numpyro' needs jax and numpyro: install bayesmap with the extra 'jax'") from error
    return NUTS
