"""The ways to state a flux, and how a table says which one it uses.

References
----------
https://gamma-astro-data-formats.readthedocs.io/en/latest/spectra/flux_points/index.html
"""

from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table

from bayesmap._util import check_option
from bayesmap.errors import FormatError
from bayesmap.maps import MapAxis
from bayesmap.units import parse_unit

__all__ = ["COMMON", "SED_UNITS", "SUFFIXES", "EnergyBins", "column", "flags", "guess_sed_type"]

#: unit of each way to state a flux; "likelihood" is in units of a reference flux
SED_UNITS: dict[str, u.UnitBase] = {
    "dnde": u.Unit("TeV-1 s-1 cm-2"),
    "e2dnde": u.Unit("erg s-1 cm-2"),
    "flux": u.Unit("s-1 cm-2"),
    "eflux": u.Unit("erg s-1 cm-2"),
    "likelihood": u.dimensionless_unscaled,
}
#: what a table must have
REQUIRED = {
    "dnde": ("e_ref", "dnde"),
    "e2dnde": ("e_ref", "e2dnde"),
    "flux": ("e_min", "e_max", "flux"),
    "eflux": ("e_min", "e_max", "eflux"),
    "likelihood": ("e_min", "e_max", "e_ref", "ref_dnde", "ref_flux", "ref_eflux", "norm"),
}
#: what may follow the name of a flux in the name of a column: errors, upper limit, sensitivity
SUFFIXES = ("", "_err", "_errp", "_errn", "_ul", "_sensitivity")
#: further columns, the same for all
COMMON = (
    "ts",
    "sqrt_ts",
    "npred",
    "npred_excess",
    "stat",
    "stat_null",
    "stat_scan",
    "niter",
    "is_ul",
    "counts",
    "success",
    "n_dof",
    "norm_scan",
    "dnde_scan_values",
    "alpha",
    "acceptance_on",
    "acceptance_off",
    "prior_share",
)
#: relative agreement of an energy with the centre of its bin, and of neighbouring edges
SAME_ENERGY = 1e-6


def guess_sed_type(table: Table, sed_type: str | None = None) -> str:
    """Way in which a table states fluxes: as given, as its keyword SED_TYPE says, or by its columns.

    Raises
    ------
    ValueError
        If the given type is unknown.
    FormatError
        If the table does not say, or lacks a column.
    """
    if sed_type is not None:
        check_option("sed_type", sed_type, SED_UNITS)
    if "x_min" in table.colnames:
        raise FormatError("the table has the column 'x_min': a profile; only spectra and light curves can be read")
    stated = sed_type or table.meta.get("SED_TYPE")
    if stated is None:
        stated = next((key for key, names in REQUIRED.items() if set(names) <= set(table.colnames)), None)
    if stated not in SED_UNITS:
        raise FormatError(
            f"the table has SED_TYPE {stated!r} and the columns {table.colnames}; known types are {list(SED_UNITS)}, "
            "give one as sed_type"
        )
    missing = [name for name in REQUIRED[stated] if name not in table.colnames]
    if missing:
        raise FormatError(
            f"SED type {stated!r} needs the columns {list(REQUIRED[stated])}; {missing} missing, "
            f"the table has {table.colnames}"
        )
    return stated


def column(table: Table, name: str, unit: u.UnitBase | str | None = None) -> u.Quantity:
    """Column as a quantity; photons and counts in its unit count as plain numbers.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table.
    name : str
        Name of the column. Masked entries become NaN.
    unit : `~astropy.units.Unit`, optional
        Unit to convert to.

    Raises
    ------
    FormatError
        If the unit is missing, unknown or of another kind.
    """
    data = table[name]
    given = getattr(data, "unit", None)
    try:
        values = np.ma.filled(np.ma.asarray(data, dtype="float64"), np.nan)
    except (ValueError, TypeError) as error:
        raise FormatError(f"column {name!r} holds {data.dtype.name}, not numbers: {error}") from error
    try:
        parsed = parse_unit(given)
        quantity = u.Quantity(np.asarray(values, dtype="float64"), parsed)
        return quantity if unit is None else quantity.to(unit)
    except (ValueError, TypeError) as error:
        raise FormatError(
            f"column {name!r} has the unit {str(given)!r}; right is one that converts to {unit}"
        ) from error


#: what stands for true and false in columns of text
WORDS = {"true": True, "t": True, "yes": True, "y": True, "1": True}
WORDS |= {"false": False, "f": False, "no": False, "n": False, "0": False, "": False}


def flags(table: Table, name: str) -> np.ndarray:
    """Column of truth values: booleans, the numbers 0 and 1, or words such as "True" and "no".

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table.
    name : str
        Name of the column. Masked entries are false.

    Returns
    -------
    numpy.ndarray
        Booleans.

    Raises
    ------
    FormatError
        If there is anything else.
    """
    data = np.ma.asarray(table[name])
    if data.dtype.kind in "SU":
        texts = data.filled("").ravel().tolist()
        words = [text.decode("latin-1") if isinstance(text, bytes) else text for text in texts]
        values = [WORDS.get(text.strip().lower()) for text in words]
        if None in values:
            raise FormatError(
                f"column {name!r} must say true or false for each point, found {words[values.index(None)]!r}"
            )
        return np.array(values, dtype=bool).reshape(data.shape)
    numbers = data.filled(0) if data.dtype.kind in "biuf" else None
    if numbers is None or not np.all((numbers == 0) | (numbers == 1)):
        raise FormatError(f"column {name!r} must say true or false for each point, found {list(data[:3])}")
    return np.asarray(numbers, dtype=bool)


@dataclass(frozen=True)
class EnergyBins:
    """Energies of flux points.

    Parameters
    ----------
    ref : `~astropy.units.Quantity`
        Reference energies, rising.
    low, high : `~astropy.units.Quantity` or None
        Edges of the bins, if known; bins may leave gaps.
    """

    ref: u.Quantity
    low: Any = None
    high: Any = None

    @classmethod
    def from_table(cls, table: Table) -> "EnergyBins":
        """Read the columns e_ref, e_min, e_max; without e_ref it is the geometric mean of the edges.

        Raises
        ------
        FormatError
            If units are wrong or energies do not rise.
        """
        low: Any = None
        high: Any = None
        if {"e_min", "e_max"} <= set(table.colnames):
            low = column(table, "e_min", "TeV").to(parse_unit(table["e_min"].unit))
            high = column(table, "e_max", "TeV").to(low.unit)
        if "e_ref" in table.colnames:
            ref = column(table, "e_ref", "TeV").to(parse_unit(table["e_ref"].unit))
        else:
            ref = np.sqrt(low * high)
        if not np.all(np.isfinite(ref.value)) or np.any(ref.value <= 0) or np.any(np.diff(ref.value) <= 0):
            raise FormatError(f"energies of flux points must be positive and rise, got {ref}")
        if low is not None and not np.all((low <= ref * (1 + SAME_ENERGY)) & (ref * (1 - SAME_ENERGY) <= high)):
            raise FormatError("an energy e_ref lies outside its bin from e_min to e_max")
        return cls(ref, low, high)

    @classmethod
    def from_axis(cls, axis: Any) -> "EnergyBins":
        """Bins of an axis; without edges if the axis has nodes at its centres."""
        if axis.node_type == "edges":
            return cls(axis.center, axis.edges_min, axis.edges_max)
        return cls(axis.center)

    def to_axis(self) -> MapAxis:
        """Return the axis ``energy``: with edges if the bins touch and have the reference at their centre."""
        if self.low is not None:
            touch = np.allclose(self.low[1:].value, self.high[:-1].value, rtol=SAME_ENERGY, atol=0)
            center = np.sqrt(self.low.value * self.high.value) * self.low.unit
            if (touch and np.allclose(center.to_value(self.ref.unit), self.ref.value, rtol=SAME_ENERGY, atol=0)) or len(
                self.ref
            ) == 1:
                return MapAxis.from_energy_edges(u.Quantity([*self.low, self.high[-1]]))
        if len(self.ref) == 1:
            raise FormatError("a single flux point needs the edges of its bin, e_min and e_max")
        return MapAxis.from_nodes(self.ref, name="energy", interp="log")

    def between(self, energy_min: u.Quantity, energy_max: u.Quantity) -> np.ndarray:
        """Return where the reference energies lie in a range, up to rounding; its lower end belongs to it."""
        low, high = (
            u.Quantity(energy).to_value(self.ref.unit) * (1 - SAME_ENERGY) for energy in (energy_min, energy_max)
        )
        return (self.ref.value >= low) & (self.ref.value < high)

    def __getitem__(self, key: Any) -> "EnergyBins":
        return EnergyBins(*(None if values is None else values[key] for values in (self.ref, self.low, self.high)))
