"""Axes as tables, one row per bin, in the layouts of OGIP, GADF and the Fermi tools.

References
----------
OGIP memo CAL/GEN/92-002 (EBOUNDS, SPECRESP); data formats for gamma-ray astronomy (GADF): sky maps, IRF axes,
flux points; Fermi Science Tools (gtpsf, gtexpcube2, template cubes). Formats are named as in Gammapy.
"""

from typing import Any

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.table import Table

from bayesmap._util import check_option, suggest
from bayesmap.errors import FormatError
from bayesmap.maps.axes import MapAxis
from bayesmap.maps.bands import axes_from_bands, bands_hdu, bands_keywords
from bayesmap.maps.label_axis import LabelMapAxis
from bayesmap.maps.map_axes import MapAxes

__all__ = [
    "axes_from_table",
    "axes_to_header",
    "axes_to_table",
    "axes_to_table_hdu",
    "axis_from_table",
    "axis_to_header",
    "axis_to_table",
    "axis_to_table_hdu",
]

#: column prefixes of GADF instrument responses: name and scale of the axis
DL3_AXES = {
    "THETA": ("offset", "lin"),
    "ENERG": ("energy_true", "log"),
    "ETRUE": ("energy_true", "log"),
    "RAD": ("rad", "lin"),
    "DETX": ("fov_lon", "lin"),
    "DETY": ("fov_lat", "lin"),
    "MIGRA": ("migra", "lin"),
}
OGIP = ("ogip", "ogip-sherpa")
OGIP_ARF = ("ogip-arf", "ogip-arf-sherpa")
BANDS = ("gadf", "fgst-ccube", "fgst-template")
TO_TABLE = (*OGIP, *OGIP_ARF, "gadf-sed", "gadf-dl3", "gtpsf")
FROM_TABLE = (
    "ogip",
    "ogip-arf",
    "fgst-ccube",
    "fgst-template",
    "fgst-bexpcube",
    "gadf",
    "gadf-dl3",
    "gadf-sed-energy",
    "gadf-sed-norm",
    "gadf-sed-counts",
    "gtpsf",
    "profile",
)


# -- one axis ---------------------------------------------------------------------------------------------------------
def axis_to_table(axis: MapAxis, format: str = "ogip") -> Table:
    """Return the table of `MapAxis.to_table`."""
    check_option("format", format, TO_TABLE)
    edges = axis.edges.to("keV") if format.endswith("-sherpa") else axis.edges
    if format in OGIP:
        axis.assert_name("energy")
        channel = np.arange(axis.nbin, dtype="int16")
        return Table({"CHANNEL": channel, "E_MIN": edges[:-1], "E_MAX": edges[1:]})
    if format in OGIP_ARF:
        axis.assert_name("energy_true")
        return Table({"ENERG_LO": edges[:-1], "ENERG_HI": edges[1:]})
    if format == "gadf-sed":
        columns = {"e_ref": axis.center, "e_min": axis.edges_min, "e_max": axis.edges_max}
        return Table(columns if axis.is_energy_axis else None)
    if format == "gtpsf":
        if axis.name not in ("energy_true", "rad"):
            raise ValueError(f"the format 'gtpsf' has the axes 'energy_true' and 'rad', got {axis.name!r}")
        is_energy = axis.name == "energy_true"
        return Table({"Energy": axis.center.to("MeV")} if is_energy else {"Theta": axis.center.to("deg")})
    prefix = _dl3_prefix(axis.name)
    low, high = (axis.edges_min, axis.edges_max) if axis.node_type == "edges" else (axis.center, axis.center)
    return Table({f"{prefix}_LO": low[np.newaxis], f"{prefix}_HI": high[np.newaxis]})


def _dl3_prefix(name: str) -> str:
    if name == "energy":
        return "ENERG"
    prefixes = [prefix for prefix, (axis_name, _) in DL3_AXES.items() if axis_name == name]
    if not prefixes:
        raise ValueError(
            f"the format 'gadf-dl3' has no axis {name!r}{suggest(name, {n for n, _ in DL3_AXES.values()})}"
        )
    return prefixes[0]


def axis_to_header(axis: MapAxis, format: str = "ogip", idx: int = 0) -> fits.Header:
    """Return the keywords of `MapAxis.to_header`."""
    check_option("format", format, (*OGIP, *BANDS))
    if format in BANDS:
        keywords = bands_keywords([axis])
        return fits.Header({f"AXCOLS{idx}": keywords["AXCOLS1"], f"INTERP{idx}": keywords["INTERP1"]})
    return fits.Header(
        {
            "EXTNAME": "EBOUNDS",
            "TELESCOP": "DUMMY",
            "INSTRUME": "DUMMY",
            "FILTER": "None",
            "CHANTYPE": "PHA",
            "DETCHANS": axis.nbin,
            "HDUCLASS": "OGIP",
            "HDUCLAS1": "RESPONSE",
            "HDUCLAS2": "EBOUNDS",
            "HDUVERS": "1.2.0",
        }
    )


def axis_to_table_hdu(axis: MapAxis, format: str = "ogip") -> fits.BinTableHDU:
    """Return the HDU of `MapAxis.to_table_hdu`."""
    hdu = fits.BinTableHDU(axis_to_table(axis, format), name="THETA" if format == "gtpsf" else None)
    if format in OGIP:
        hdu.header.update(axis_to_header(axis, format))
    return hdu


def axis_from_table(table: Table, format: str = "ogip", idx: int = 0, column_prefix: str = "") -> MapAxis:
    """Return the axis of `MapAxis.from_table`."""
    check_option("format", format, FROM_TABLE)
    try:
        return _axis_from_table(table, format, idx, column_prefix)
    except (KeyError, ValueError, IndexError, u.UnitsError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"no axis in the format {format!r} in a table with {table.colnames}: {error}") from error


def _axis_from_table(table: Table, format: str, idx: int, prefix: str) -> MapAxis:
    if format in ("ogip", "fgst-ccube"):
        return MapAxis.from_energy_edges(_edges(table, "E_MIN", "E_MAX"))
    if format == "ogip-arf":
        return MapAxis.from_energy_edges(_edges(table, "ENERG_LO", "ENERG_HI"), name="energy_true")
    if format in ("fgst-template", "fgst-bexpcube"):
        name = next(name for name in (*table.colnames, "Energy") if name.lower() == "energy")
        return MapAxis.from_nodes(np.asarray(table[name]), name="energy_true", unit="MeV", interp="log")
    if format == "gadf":
        return axes_from_bands(_hdu(table))[idx]
    if format == "gadf-dl3":
        return _dl3_axis(table, prefix)
    if format == "gtpsf":
        if "Energy" in table.colnames:
            return MapAxis.from_nodes(np.asarray(table["Energy"]), unit="MeV", name="energy_true", interp="log")
        return MapAxis.from_nodes(np.asarray(table["Theta"]), unit="deg", name="rad")
    if format == "gadf-sed-energy":
        if "e_min" in table.colnames and "e_max" in table.colnames:
            return MapAxis.from_energy_edges(_edges(table, "e_min", "e_max"))
        return MapAxis.from_nodes(_first_row(table["e_ref"].quantity), name="energy", interp="log")
    if format == "gadf-sed-norm":
        return MapAxis.from_nodes(_first_row(np.asarray(table["norm_scan"])[0]), name="norm")
    if "datasets" in table.colnames:
        return LabelMapAxis(np.unique(table["datasets"]).tolist(), name="dataset")
    if format == "gadf-sed-counts":
        return MapAxis.from_edges(np.arange(table["counts"].shape[-1] + 1) - 0.5, name="dataset")
    return MapAxis.from_nodes(table["x_ref"].quantity, name="projected-distance")


def _hdu(table: Table) -> fits.BinTableHDU:
    """A table with its keywords as an HDU."""
    hdu = fits.BinTableHDU(table, name=table.meta.get("EXTNAME", "BANDS"))
    hdu.header.update({key: table.meta[key] for key in table.meta if key.startswith(("AXCOLS", "INTERP"))})
    return hdu


def _first_row(values: Any) -> Any:
    """The values along the last dimension if they are the same in all rows."""
    rows = values.reshape(-1, values.shape[-1])
    if np.any(rows != rows[:1]):
        raise ValueError("the bins differ from row to row")
    return rows[0]


def _edges(table: Table, low: str, high: str) -> u.Quantity:
    """Edges from columns of lower and upper ones, in rising order."""
    lower, upper = (_first_row(table[name].quantity) for name in (low, high))
    gaps = np.abs(lower[1:] - upper[:-1]) > 1e-4 * (upper[:-1] - lower[:-1])
    if np.any(gaps):
        raise ValueError(f"the bins of {low!r} and {high!r} leave gaps or overlap")
    return u.Quantity([*lower, upper[-1]])


def _dl3_axis(table: Table, prefix: str) -> MapAxis:
    check_option("column_prefix", prefix, DL3_AXES)
    name, interp = DL3_AXES[prefix]
    if prefix == "ENERG" and table.meta.get("HDUCLAS2") in ("BKG", "RAD_MAX"):
        name = "energy"
    low, high = (np.atleast_1d(table[f"{prefix}_{end}"].quantity[0]) for end in ("LO", "HI"))
    if np.allclose(low.value, high.value):
        return MapAxis.from_nodes(low, interp=interp, name=name)
    return MapAxis.from_edges(u.Quantity([*low, high[-1]]), interp=interp, name=name)


# -- several axes -----------------------------------------------------------------------------------------------------
def axes_to_table(axes: MapAxes, format: str = "gadf") -> Table:
    """Return the table of `MapAxes.to_table`."""
    check_option("format", format, (*BANDS, "gadf-dl3", *OGIP, "ogip-arf"))
    if format in BANDS:
        return Table.read(bands_hdu(axes, "BANDS"))
    if format != "gadf-dl3":
        return axis_to_table(axes["energy_true" if format == "ogip-arf" else "energy"], format)
    tables = [axis_to_table(axis, format) for axis in axes]
    return Table({name: table[name] for table in tables for name in table.colnames})


def axes_to_header(axes: MapAxes, format: str = "gadf") -> fits.Header:
    """Return the keywords of `MapAxes.to_header`."""
    header = fits.Header()
    for number, axis in enumerate(axes, start=1):
        header.update(axis_to_header(axis, format, number))
    return header


def axes_to_table_hdu(axes: MapAxes, format: str = "gadf", hdu_bands: str | None = None) -> fits.BinTableHDU:
    """Return the HDU of `MapAxes.to_table_hdu`."""
    check_option("format", format, (*BANDS, *OGIP))
    if format in OGIP:
        return axis_to_table_hdu(axes["energy"], format)
    name = {"fgst-ccube": "EBOUNDS", "fgst-template": "ENERGIES"}.get(format, hdu_bands or "BANDS")
    return bands_hdu(axes, name)


def axes_from_table(table: Table, format: str = "gadf") -> MapAxes:
    """Return the axes of `MapAxes.from_table`."""
    single = ("fgst-ccube", "fgst-template", "fgst-bexpcube", "ogip", "ogip-arf")
    check_option("format", format, (*single, "gadf", "gadf-dl3", "gadf-sed", "profile"))
    if format in single:
        return MapAxes([axis_from_table(table, format)])
    if format == "gadf":
        return MapAxes(axes_from_bands(_hdu(table)))
    if format == "gadf-dl3":
        return MapAxes(
            [axis_from_table(table, format, column_prefix=p) for p in DL3_AXES if f"{p}_LO" in table.colnames]
        )
    kinds = {"norm": "norm_scan" in table.colnames, "energy": True}
    kinds["counts"] = bool({"datasets", "counts"} & set(table.colnames))
    axes = [axis_from_table(table, f"gadf-sed-{kind}") for kind, exists in kinds.items() if exists]
    return MapAxes([*axes, axis_from_table(table, "profile")] if format == "profile" else axes)
