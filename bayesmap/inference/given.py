"""What users give for datasets: one thing for a single dataset, or a mapping by name."""

from collections.abc import Mapping
from typing import Any

import astropy.units as u
import numpy as np

from bayesmap._util import suggest
from bayesmap.inference.observations import Observation

__all__ = ["as_cubes", "by_dataset", "chosen_bins"]


def by_dataset(given: Any, observed: Mapping[str, Observation], what: str) -> Mapping[str, Any]:
    """What was given for each dataset, by name.

    Raises
    ------
    KeyError
        If a name is unknown.
    ValueError
        If a single thing is given for several datasets.
    """
    if not isinstance(given, Mapping):
        if len(observed) != 1:
            raise ValueError(f"give {what} by dataset name, one of {sorted(observed)}")
        return {next(iter(observed)): given}
    for name in given:
        if name not in observed:
            raise KeyError(f"unknown dataset {name!r}{suggest(name, observed)}")
    return given


def as_cubes(given: Any, observed: Observation) -> dict[str, np.ndarray]:
    """Arguments of `Observation.set_counts`, in its unit, from a cube or a pair of them.

    Raises
    ------
    UnitConversionError
        If a unit is that of other data.
    """
    pair = given if isinstance(given, tuple | list) else (given,)
    named = zip(("counts", "counts_off"), pair, strict=False)
    return {key: _numbers(cube, observed) for key, cube in named}


def _numbers(given: Any, observed: Observation) -> np.ndarray:
    """A map, an image, a quantity or an array as numbers in the unit of an observation."""
    image = getattr(given, "image", given)  # of a masked image
    if hasattr(image, "values_in"):
        return np.asarray(image.values_in(u.Unit(observed.unit)), dtype="float64")
    if not isinstance(given, u.Quantity):
        return np.asarray(getattr(given, "data", given), dtype="float64")
    try:
        return given.to_value(observed.unit)
    except u.UnitConversionError:
        raise u.UnitConversionError(
            f"dataset {observed.name!r} holds {observed.content} in '{observed.unit}', got '{given.unit}'"
        ) from None


def chosen_bins(given: Any, observed: Mapping[str, Observation]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What is looked at now, and what is given, of each dataset; see `CompiledFit.masks`."""
    masks = {}
    for name, one in by_dataset(given, observed, "groups").items():
        chosen, mask = np.asarray(getattr(one, "data", one)), observed[name].mask
        if mask is None or chosen.dtype != bool or chosen.shape != mask.shape:
            shape = "no mask that can be replaced" if mask is None else f"the shape {mask.shape}"
            raise ValueError(f"dataset {name!r} has {shape}, got {chosen.dtype} of the shape {chosen.shape}")
        masks[name] = (mask, chosen)
    return masks
