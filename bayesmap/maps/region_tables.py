"""Maps on a region as tables: GADF, OGIP spectra and effective areas, flux points."""

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits
from astropy.table import Table

from bayesmap._util import check_option, suggest
from bayesmap.errors import FormatError
from bayesmap.maps.map import Map
from bayesmap.maps.map_axes import MapAxes
from bayesmap.maps.region import RegionGeom
from bayesmap.maps.region_fits import read_region_geom, region_hdu

if TYPE_CHECKING:
    from bayesmap.maps.region_map import RegionNDMap

__all__ = ["ogip_to_hdulist", "region_map_from_ogip", "region_map_from_table", "region_map_to_table"]

OGIP = ("ogip", "ogip-sherpa")
OGIP_ARF = ("ogip-arf", "ogip-arf-sherpa")
#: HDU and column of the values, table of the energies
PLACES = {"ogip": ("SPECTRUM", "COUNTS", "EBOUNDS"), "ogip-arf": ("SPECRESP", "SPECRESP", "SPECRESP")}
#: axes of the columns of flux points besides the energy
COLUMN_AXES = {"stat_scan": ["norm"], "counts": ["dataset"], "npred": ["dataset"], "npred_excess": ["dataset"]}
SPECTRUM_KEYWORDS = {
    "EXTNAME": "SPECTRUM",
    "telescop": "unknown",
    "instrume": "unknown",
    "filter": "None",
    "exposure": 0,
    "corrfile": "",
    "corrscal": "",
    "ancrfile": "",
    "hduclass": "OGIP",
    "hduclas1": "SPECTRUM",
    "hduvers": "1.2.1",
    "poisserr": True,
    "chantype": "PHA",
    "quality": 0,
    "backscal": 0,
    "grouping": 0,
    "areascal": 1,
}
SPECRESP_KEYWORDS = {
    "EXTNAME": "SPECRESP",
    "telescop": "unknown",
    "instrume": "unknown",
    "filter": "None",
    "hduclass": "OGIP",
    "hduclas1": "RESPONSE",
    "hduclas2": "SPECRESP",
    "hduvers": "1.1.0",
}


def region_map_to_table(m: Map, format: str = "gadf") -> Table:
    """Return the table of `RegionNDMap.to_table`."""
    check_option("format", format, ("gadf", "ogip", *OGIP_ARF))
    if format == "gadf":
        quantity = m.quantity if m.data.ndim > 2 else m.quantity.reshape(-1, 1, 1)
        return Table({"CHANNEL": np.arange(len(quantity), dtype="int16"), "DATA": quantity})
    if len(m.geom.axes) != 1:
        raise ValueError(f"the format {format!r} needs one energy axis, the map has {m.geom.axes.names}")
    axis = m.geom.axes[0]
    if format == "ogip":
        axis.assert_name("energy")
        counts = np.nan_to_num(m.data[:, 0, 0])
        if np.any(counts != np.round(counts)):
            raise ValueError("the format 'ogip' keeps whole counts; the values are not whole numbers")
        table = Table({"CHANNEL": np.arange(axis.nbin, dtype="int16"), "COUNTS": counts.astype("int32")})
        return _with_keywords(table, SPECTRUM_KEYWORDS | {"detchans": axis.nbin}, m)
    table = axis.to_table(format)
    area = np.nan_to_num(m.quantity[:, 0, 0])
    table["SPECRESP"] = area.to("cm2") if format == "ogip-arf-sherpa" else area
    return _with_keywords(table, SPECRESP_KEYWORDS, m)


def _with_keywords(table: Table, keywords: dict[str, Any], m: Map) -> Table:
    """The table with keywords, those in the ``meta`` of the map instead where it has them."""
    table.meta = {key: m.meta.get(key, value) for key, value in keywords.items()}
    return table


def ogip_to_hdulist(m: "RegionNDMap", format: str) -> fits.HDUList:
    """Return the HDUs of `RegionNDMap.to_hdulist` in the formats of OGIP."""
    values = fits.BinTableHDU(region_map_to_table(m, "ogip" if format in OGIP else format))
    if format in OGIP_ARF:
        return fits.HDUList([fits.PrimaryHDU(), values])
    hdus = [fits.PrimaryHDU(), values, m.geom.axes.to_table_hdu(format=format)]
    if m.geom.region is not None:
        hdus.append(region_hdu(m.geom, "REGION"))
    return fits.HDUList(hdus)


def region_map_from_ogip(
    hdulist: fits.HDUList, format: str, column: str | None = None, hdu: str | None = None
) -> tuple[RegionGeom, Any, dict[str, Any]]:
    """Return geometry, values as a quantity and keywords of a map in an OGIP file; see `RegionNDMap.from_hdulist`."""
    check_option("format", format, PLACES)
    name, default, energies = PLACES[format]
    name, column = hdu or name, column or default
    for key in (name, energies):
        if key not in hdulist:
            raise FormatError(f"there is no HDU {key!r} in the file{suggest(key, [h.name for h in hdulist])}")
    table = Table.read(hdulist[name])
    if column not in table.colnames:
        raise FormatError(f"HDU {name!r} has no column {column!r}{suggest(column, table.colnames)}")
    axes = MapAxes.from_table_hdu(hdulist[energies], format=format)
    geom = read_region_geom(hdulist, "REGION", list(axes))
    values = table[column].quantity.reshape(geom.data_shape)
    # QUALITY is zero for good channels
    return geom, values.value == 0 if column == "QUALITY" else values, dict(table.meta)


def region_map_from_table(table: Table, format: str = "", colname: str | None = None) -> tuple[RegionGeom, Any, str]:
    """Return geometry, values and unit of a map in a table; see `RegionNDMap.from_table`."""
    check_option("format", format, ("gadf-sed", "profile"))
    if colname is None or colname not in table.colnames:
        raise ValueError(f"colname must be one of the columns of the table{suggest(colname, table.colnames)}")
    axes = MapAxes.from_table(table, format=format)
    names = [*COLUMN_AXES.get(colname, []), "energy", *(["projected-distance"] if format == "profile" else [])]
    geom = RegionGeom.create(None, axes=axes[names])
    column = table[colname]
    return geom, np.asarray(column).reshape(geom.data_shape), str(column.unit or "")
