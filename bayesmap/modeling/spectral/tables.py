"""Arrays of models: what is given is checked, once, with the name of the model in the message."""

from collections.abc import Mapping

import astropy.units as u
import numpy as np

from bayesmap.units import as_quantity, parse_unit

__all__ = ["array_to_file", "check_energies", "check_finite", "quantity_from_file"]


def check_finite(label: str, what: str, values: np.ndarray, positive: bool = False) -> np.ndarray:
    """Return numbers as float64; complain if one is not finite, or (on demand) not positive.

    Raises
    ------
    ValueError
        With the name of the model, of the array, and the first bad element.
    """
    try:
        data = np.asarray(values, dtype="float64")
    except (TypeError, ValueError):
        raise ValueError(f"{label}: {what} must be numbers, got {values!r:.80}") from None
    bad = ~np.isfinite(data) | (data <= 0 if positive else np.zeros(data.shape, dtype=bool))
    if np.any(bad):
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        wanted = "finite and positive" if positive else "finite"
        place = index[0] if len(index) == 1 else index
        raise ValueError(f"{label}: {what} must be {wanted}; element {place} is {data[index]}")
    return data


def check_energies(label: str, energy: u.Quantity, minimum: int = 2) -> u.Quantity:
    """Return the energies of a table; complain unless they are positive, ascending and enough.

    Raises
    ------
    astropy.units.UnitConversionError
        If they are no energies.
    ValueError
        If they are too few, not finite, not positive or not ascending.
    """
    energy = as_quantity(energy)
    if not energy.unit.is_equivalent("TeV"):
        raise u.UnitConversionError(f"{label}: energy must be an energy, got unit '{energy.unit}'")
    if energy.ndim != 1 or len(energy) < minimum:
        raise ValueError(f"{label}: needs at least {minimum} energies in one dimension, got shape {energy.shape}")
    data = check_finite(label, "energy", energy.value, positive=True)
    steps = np.diff(data)
    if np.any(steps <= 0):
        index = int(np.argmax(steps <= 0))
        raise ValueError(
            f"{label}: energies must ascend, but element {index + 1} ({energy[index + 1]}) follows {energy[index]}"
        )
    return data * energy.unit


def array_to_file(quantity: u.Quantity) -> dict[str, object]:
    """Return a quantity as the plain data of a model file."""
    unit = quantity.unit
    return {"data": quantity.value.tolist(), "unit": "" if unit == u.dimensionless_unscaled else unit.to_string()}


def quantity_from_file(label: str, data: Mapping[str, object], key: str) -> u.Quantity:
    """Return the quantity of a model file, or complain about what is missing.

    Raises
    ------
    ValueError
        If the entry is missing or not of the form ``{data: [...], unit: ...}``.
    """
    entry = data.get(key)
    if not isinstance(entry, Mapping) or "data" not in entry:
        raise ValueError(f"{label}: '{key}' must be a mapping with 'data' and 'unit', found {entry!r:.60}")
    try:
        unit = parse_unit(entry.get("unit"))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{label}: unit of '{key}': {error}") from None
    return check_finite(label, f"'{key}'", entry["data"]) * unit
