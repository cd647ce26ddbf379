"""Rows of catalogues: which are asked for, their cells with units, and priors from values and errors."""

import math
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeGuard

import astropy.units as u
import numpy as np

from bayesmap._lazy import coordinates, tables
from bayesmap._types import FileName, Region
from bayesmap._util import make_path, suggest
from bayesmap.errors import FormatError
from bayesmap.maps.files import open_fits
from bayesmap.maps.tables import read_fits_table
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.priors.base import Prior

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["Row", "apply_errors", "chosen_rows", "hdu_tables", "is_file"]

#: parameters that are positive, by what they declare: their priors are log-normal
POSITIVE = ("flux", "energy", "extension")


class Row:
    """One row of a catalogue.

    Parameters
    ----------
    row : `~astropy.table.Row`
        The row.
    name : str
        Of the source, for errors.
    """

    def __init__(self, row: "tables.Row", name: str) -> None:
        self._row, self.name = row, name

    def __contains__(self, column: str) -> bool:
        return column in self._row.colnames

    def text(self, column: str) -> str:
        """A cell as text without blanks around it; empty where it is masked or there is no such column."""
        value = self._row[column] if column in self else ""
        return "" if np.ma.is_masked(value) else str(value).strip()

    def number(self, column: str, unit: str) -> float:
        """A cell as a number in a unit, which is taken for that of the column if the table does not say.

        Raises
        ------
        ValueError
            If there is no such column, or no finite number in it.
        """
        value = self.optional(column, unit)
        if not math.isfinite(value):
            raise ValueError(f"source {self.name!r}: the catalogue has no finite number in the column {column!r}")
        return value

    def optional(self, column: str, unit: str) -> float:
        """As `number`, but NaN for a cell that is masked or not finite."""
        if column not in self:
            raise ValueError(
                f"source {self.name!r}: the table has no column {column!r}{suggest(column, self._row.colnames)}"
            )
        cell = self._row[column]
        if np.ma.is_masked(cell):
            return math.nan
        given = _without_photons(getattr(cell, "unit", None) or self._row.table[column].unit or u.Unit(unit))
        try:
            factor = given.to(unit)
        except u.UnitConversionError:
            raise ValueError(
                f"source {self.name!r}: the column {column!r} is in '{given}', which does not convert to '{unit}'"
            ) from None
        return float(getattr(cell, "value", cell)) * float(factor)

    def error(self, column: str, unit: str) -> float:
        """As `optional`, but NaN also for what is not positive: the parameter was held in the fit."""
        value = self.optional(column, unit)
        return value if math.isfinite(value) and value > 0 else math.nan


def _without_photons(unit: u.UnitBase) -> u.UnitBase:
    """The unit without photons, which files of catalogues count in."""
    for base, power in zip(unit.bases, unit.powers, strict=True):
        if base == u.ph:
            return unit / base**power
    return unit


def apply_errors(errors: dict[Parameter, float], widen: float) -> None:
    """Give parameters errors and priors: what has no error (NaN) is frozen.

    Parameters
    ----------
    errors : dict of Parameter to float
        Standard deviations in declared units.
    widen : float
        Factor of the widths of the priors.

    Notes
    -----
    The prior is normal, and log-normal with that mean and standard deviation where the parameter is a flux, an energy
    or an extension, which cannot be negative.
    """
    if not widen > 0 or not math.isfinite(widen):
        raise ValueError(f"widen must be a positive number, got {widen!r}")
    for parameter, error in errors.items():
        if not math.isfinite(error):
            parameter.frozen = True
            continue
        parameter.error = error
        value, width = float(parameter.value), widen * error
        if parameter.role in POSITIVE and value > 0:
            spread = math.sqrt(math.log1p((width / value) ** 2))
            parameter.prior = Prior("LogNormal", mu=math.log(value) - spread**2 / 2, sigma=spread)
        else:
            parameter.prior = Prior("Normal", mu=value, sigma=width)


def hdu_tables(filename: FileName, *hdus: str) -> "list[Table | None]":
    """Tables of a FITS file by the names of their HDUs; the first must be there, others are None if they are not.

    Raises
    ------
    FormatError
        If the first is not there.
    """
    path = make_path(filename)
    with open_fits(path) as hdulist:
        names = [hdu.name.upper() for hdu in hdulist]
        if hdus[0].upper() not in names:
            raise FormatError(f"{path} has no HDU {hdus[0]!r}, its HDUs are {names}")
        return [read_fits_table(hdulist[hdu]) if hdu.upper() in names else None for hdu in hdus]


def chosen_rows(
    table: "Table", names: str | Iterable[str] | None, region: Region | None, columns: tuple[str, ...]
) -> Iterator[Row]:
    """Yield the rows that are asked for: by name in the order of the names, or all in a region.

    Parameters
    ----------
    table : `~astropy.table.Table`
        With the columns RAJ2000 and DEJ2000.
    names : str, list of str or None
        Names of sources, as in any of ``columns``.
    region : `~regions.SkyRegion` or None
        Sources whose position lies inside.
    columns : tuple of str
        Columns with names, that of the source first.

    Raises
    ------
    KeyError
        If a name is not there, or the table lacks the column.
    ValueError
        If neither or both are given, several sources have a name, or none is in the region.
    """
    if (names is None) == (region is None):
        raise ValueError("give either names or a region, to say which sources")
    if columns[0] not in table.colnames:
        raise KeyError(f"the table has no column {columns[0]!r}, its columns are {table.colnames}")
    labels = [str(name).strip() for name in table[columns[0]]]
    if names is None:
        found = _inside(table, region)
        if not found:
            raise ValueError(f"no source of the catalogue lies in {region}")
        yield from (Row(table[i], labels[i]) for i in found)
        return
    others = {c: [str(name).strip() for name in table[c]] for c in columns if c in table.colnames}
    for name in [names] if isinstance(names, str) else names:
        rows = sorted({i for column in others.values() for i, label in enumerate(column) if label == name})
        if not rows:
            raise KeyError(f"the catalogue has no source {name!r}{suggest(name, labels)}")
        if len(rows) > 1:
            raise ValueError(f"{name!r} stands for the sources {[labels[i] for i in rows]}: give one of these names")
        yield Row(table[rows[0]], labels[rows[0]])


def _inside(table: "Table", region: Region | None) -> list[int]:
    from bayesmap.maps import RegionGeom

    sky = coordinates.SkyCoord(np.asarray(table["RAJ2000"]), np.asarray(table["DEJ2000"]), unit="deg", frame="icrs")
    inside = np.asarray(RegionGeom.create(region).contains(sky)).ravel()
    return [int(i) for i in np.nonzero(inside)[0]]


def is_file(given: object) -> TypeGuard[FileName]:
    """Whether a file is given, not a table."""
    return isinstance(given, str | os.PathLike)
