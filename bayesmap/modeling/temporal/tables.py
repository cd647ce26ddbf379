"""Tables of temporal templates: checks and units."""

from typing import Any

import astropy.units as u
import numpy as np

__all__ = ["checked_columns"]


def checked_columns(label: str, table: Any, first: str, second: str) -> tuple[u.Quantity, np.ndarray]:
    """Return two columns of a table: increasing positions and finite, non-negative values.

    Parameters
    ----------
    label : str
        What the table is, for messages.
    table : `~astropy.table.Table`
        The table.
    first, second : str
        Names of the columns, in upper case; any case is accepted in the table.

    Raises
    ------
    ValueError
        If a column is missing, or has too few, unsorted, negative or non-finite values.
    """
    names = {str(name).upper(): name for name in table.colnames}
    missing = [name for name in (first, second) if name not in names]
    if missing:
        raise ValueError(f"{label}: column(s) {missing} are missing, the table has {table.colnames}")
    positions = u.Quantity(np.asarray(table[names[first]], dtype="float64"), table[names[first]].unit or "")
    values = np.asarray(u.Quantity(table[names[second]], dtype="float64").value)
    if len(positions) < 2:
        raise ValueError(f"{label}: a template needs at least two rows, found {len(positions)}")
    for name, numbers in ((first, positions.value), (second, values)):
        if not np.all(np.isfinite(numbers)):
            raise ValueError(f"{label}: column {name} has {int((~np.isfinite(numbers)).sum())} NaN or infinite values")
    if np.any(np.diff(positions.value) <= 0):
        raise ValueError(f"{label}: column {first} must increase from row to row")
    if np.any(values < 0):
        raise ValueError(f"{label}: column {second} has negative values, down to {values.min()}")
    return positions, values
