"""Draws of parameters from a posterior."""

from typing import Any

import astropy.units as u
import numpy as np

from bayesmap._util import suggest

__all__ = ["parameter_draws"]


def parameter_draws(tree: Any, name: str) -> u.Quantity:
    """All posterior draws of a parameter, chains joined.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    name : str
        Name of the variable, ``"<model>.<parameter>"``. A parameter that models share may be called by each of them.

    Returns
    -------
    `~astropy.units.Quantity`
        Shape ``(chains * draws,)``, in the declared unit.

    Raises
    ------
    KeyError
        If the posterior has no such variable.
    """
    posterior = tree["posterior"]
    if name not in posterior.data_vars:
        name = _linked_name(posterior, name)
    values = posterior[name]
    return np.ravel(values.to_numpy()) * u.Unit(values.attrs.get("units", ""))


def _linked_name(posterior: Any, name: str) -> str:
    """The variable under which a shared parameter was sampled."""
    model, _, parameter = name.partition(".")
    for other, values in posterior.data_vars.items():
        if other.endswith(f".{parameter}") and model in values.attrs.get("linked_models", "").split(", "):
            return str(other)
    raise KeyError(f"the posterior has no variable {name!r}{suggest(name, map(str, posterior.data_vars))}")
