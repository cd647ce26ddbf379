"""Temporal models that are tables in files of their own."""

import copy
from typing import TYPE_CHECKING, Self

import astropy.units as u
import numpy as np

from bayesmap.modeling.temporal.base import TemporalModel
from bayesmap.units import parse_unit

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["TableTemporalModel", "checked_columns"]


class TableTemporalModel(TemporalModel):
    """A temporal model whose table is in a file.

    Attributes
    ----------
    filename : str or None
        The file, as a model file names it.
    """

    filename: str | None

    def file_data(self) -> dict[str, object]:
        """Return what a model file holds besides parameters.

        Raises
        ------
        ValueError
            If the model has no file name.
        """
        if self.filename is None:
            raise ValueError(f"{type(self).__name__} has no filename; set it before writing a model file")
        return super().file_data()

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Copy the parameters; the table, which nobody changes, is shared."""
        new = copy.copy(self)
        for name in self.parameter_names:
            new.__dict__[name] = copy.deepcopy(getattr(self, name), memo)
        return new


def checked_columns(label: str, table: "Table", first: str, second: str) -> tuple[u.Quantity, np.ndarray]:
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
    positions = u.Quantity(np.asarray(table[names[first]], dtype="float64"), parse_unit(table[names[first]].unit))
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
