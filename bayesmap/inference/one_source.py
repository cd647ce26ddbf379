"""One source among the models of datasets: its amplitude, and the datasets without it."""

from collections.abc import Sequence
from typing import Any

from bayesmap._util import suggest
from bayesmap.inference.amplitudes import linear_parameter
from bayesmap.modeling import Models

__all__ = ["amplitude_name", "without_sources"]


def amplitude_name(models: Models, source: str) -> str:
    """Return the name of the variable of a source's amplitude.

    Raises
    ------
    KeyError
        If there is no such model.
    ValueError
        If it has no free amplitude.
    """
    if source not in models.names:
        raise KeyError(f"no model {source!r}{suggest(source, models.names)}")
    parameter = linear_parameter(models[source])
    if parameter is None:
        raise ValueError(f"{source!r} has no free amplitude to which its flux is proportional")
    return models.parameter_names[parameter]


def without_sources(datasets: Sequence[Any], sources: Sequence[str]) -> list[Any]:
    """Return copies of datasets under the same names, whose models lack some sources.

    Raises
    ------
    KeyError
        If a source is among the models of none of them.
    """
    names = {model.name for dataset in datasets for model in dataset.models or ()}
    for source in sources:
        if source not in names:
            raise KeyError(f"no model {source!r}{suggest(source, names)}")
    copies = [dataset.copy(name=dataset.name) for dataset in datasets]
    for own, copy in zip(datasets, copies, strict=True):
        copy.models = [model for model in own.models or () if model.name not in sources]
    return copies
