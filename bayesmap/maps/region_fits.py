"""Maps on a region as FITS tables: values (column DATA), axis bins (``_BANDS``) and the region (``_REGION``).

The region is stored in pixels of a projection that is in the header of its table, as in Gammapy.

References
----------
https://gamma-astro-data-formats.readthedocs.io/en/latest/skymaps/wcs/index.html
https://fits.gsfc.nasa.gov/registry/region.html
"""

import json
import warnings
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits
from astropy.table import QTable, Table

from bayesmap._util import check_option
from bayesmap.errors import FormatError
from bayesmap.maps.axes import MapAxis
from bayesmap.maps.bands import axes_from_bands, bands_hdu, bands_keywords
from bayesmap.maps.files import named_errors
from bayesmap.maps.region import RegionGeom
from bayesmap.maps.region_tools import simple_regions, union_of
from bayesmap.maps.wcs_tools import read_wcs

if TYPE_CHECKING:
    from bayesmap.maps.region_map import RegionNDMap

__all__ = [
    "read_region_geom",
    "region_geom_from_hdulist",
    "region_geom_to_hdulist",
    "region_hdu",
    "region_map_to_hdulist",
]

#: parts of a union in a file, which is nested as deeply
MOST_REGIONS = 300


def region_map_to_hdulist(
    m: "RegionNDMap",
    hdu: str | None = None,
    hdu_bands: str | None = None,
    format: str = "gadf",
    hdu_region: str | None = None,
) -> fits.HDUList:
    """Return the HDUs of `RegionNDMap.to_hdulist`."""
    name = "SKYMAP" if hdu is None else hdu.upper()
    bands, region = hdu_bands or f"{name}_BANDS", hdu_region or f"{name}_REGION"
    data = m.data.reshape(-1, 1, 1) if m.geom.is_image else m.data
    table = Table({"CHANNEL": np.arange(len(data), dtype="int16"), "DATA": data})
    table["DATA"].unit = m.unit
    values = fits.BinTableHDU(table, name=name)
    values.header.update(bands_keywords(m.geom.axes))
    if len(m.geom.axes):
        values.header["BANDSHDU"] = bands
    values.header["REGHDU"] = region
    if m.meta:
        values.header["META"] = json.dumps(m.meta, default=str)
    geom = region_geom_to_hdulist(m.geom, format=format, hdu_bands=bands, hdu_region=region)
    return fits.HDUList([fits.PrimaryHDU(), values, *geom[1:]])


def region_geom_to_hdulist(
    geom: RegionGeom, format: str = "gadf", hdu_bands: str | None = None, hdu_region: str | None = None
) -> fits.HDUList:
    """Return the HDUs of `RegionGeom.to_hdulist`."""
    check_option("format", format, ("gadf",))
    hdus = [fits.PrimaryHDU()]
    if len(geom.axes):
        hdus.append(bands_hdu(geom.axes, (hdu_bands or "HDU_BANDS").upper()))
    if geom.region is not None:
        hdus.append(region_hdu(geom, (hdu_region or "HDU_REGION").upper()))
    return fits.HDUList(hdus)


def region_hdu(geom: RegionGeom, name: str) -> fits.BinTableHDU:
    """Return the table of the region of a geometry, in pixels of its projection."""
    from regions import Regions

    parts = [part.to_pixel(geom.wcs) for part in simple_regions(geom.region)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            table = Regions(parts).serialize(format="fits")
        except Warning as warning:
            raise ValueError(f"the region {geom.region!r} cannot be written as FITS: {warning}") from warning
    hdu = fits.BinTableHDU(table, name=name)
    hdu.header.update(geom.wcs.to_header())
    hdu.header["WCSSHAPE"] = "(" + ",".join(str(n) for n in geom.to_wcs_geom().npix) + ")"
    return hdu


def region_geom_from_hdulist(hdulist: fits.HDUList, format: str = "gadf", hdu: str | None = None) -> RegionGeom:
    """Return the geometry of `RegionGeom.from_hdulist`."""
    check_option("format", format, ("gadf",))
    name = "HDU" if hdu is None else hdu.upper()
    bands = f"{name}_BANDS"
    if bands not in hdulist:
        raise FormatError(f"the table {bands!r} of axis bins is missing; HDUs are {[hdu.name for hdu in hdulist]}")
    return read_region_geom(hdulist, f"{name}_REGION", axes_from_bands(hdulist[bands]))


def read_region_geom(hdulist: fits.HDUList, hdu_region: str, axes: list[MapAxis]) -> RegionGeom:
    """Return the geometry with the region in a table, or with no region if there is no such table.

    Raises
    ------
    FormatError
        If the table is damaged or empty.
    """
    if hdu_region not in hdulist:
        return RegionGeom(None, axes=axes)
    from regions import Regions

    hdu = hdulist[hdu_region]
    with named_errors("", hdu.name):
        parts = Regions.parse(_region_table(hdu), format="fits")
        wcs = read_wcs(hdu.header)
        if not 0 < len(parts) <= MOST_REGIONS:
            raise FormatError(f"it holds {len(parts)} regions; right are one to {MOST_REGIONS}")
        for part in parts:
            part.meta["include"] = True
        return RegionGeom(union_of([part.to_sky(wcs) for part in parts]), axes=axes, wcs=wcs)


def _region_table(hdu: fits.BinTableHDU) -> Table:
    """The table with units; a table of one shape without the columns of others may have none."""
    try:
        return QTable.read(hdu)
    except TypeError:
        return Table.read(hdu)
