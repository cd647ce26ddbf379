"""Maps as FITS HDUs in the layout of the gamma-ray data formats (GADF): an image and a table of axis bins.

References
----------
https://gamma-astro-data-formats.readthedocs.io/en/latest/skymaps/wcs/index.html
https://fermi.gsfc.nasa.gov/ssc/data/analysis/scitools/binned_likelihood_tutorial.html (cubes with EBOUNDS or ENERGIES)
"""

import json
import os

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.table import Table

from bayesmap._util import check_option, suggest
from bayesmap.errors import FormatError
from bayesmap.maps.axes import MapAxis
from bayesmap.maps.axis_tables import axis_from_table
from bayesmap.maps.bands import axes_from_bands, bands_hdu, bands_keywords
from bayesmap.maps.files import damage_is_an_error, named_errors, open_fits
from bayesmap.maps.map import Map
from bayesmap.maps.region_fits import read_region_geom
from bayesmap.maps.wcs import WcsGeom
from bayesmap.units import parse_unit

#: layouts of files; those of the Fermi tools differ in the table of energies
FORMATS = ("gadf", "fgst-ccube", "fgst-template", "fgst-bexpcube")
#: tables of energies of the Fermi tools
FERMI_ENERGIES = {"EBOUNDS": "fgst-ccube", "ENERGIES": "fgst-template"}

__all__ = ["map_from_hdulist", "map_to_hdulist", "open_fits", "read_map", "wcs_geom_from_hdulist"]


def read_map(
    filename: str | os.PathLike,
    hdu: str | int | None = None,
    hdu_bands: str | None = None,
    map_type: str = "auto",
    format: str | None = None,
    checksum: bool = False,
) -> Map:
    """Return the map of `Map.read`."""
    _check_options(format, map_type)
    with open_fits(filename, checksum=checksum) as hdulist:
        return map_from_hdulist(hdulist, hdu=hdu, hdu_bands=hdu_bands, format=format, map_type=map_type)


def map_from_hdulist(
    hdulist: fits.HDUList,
    hdu: str | int | None = None,
    hdu_bands: str | None = None,
    format: str | None = None,
    map_type: str = "auto",
) -> Map:
    """Return the map of `Map.from_hdulist`."""
    _check_options(format, map_type)
    image = _find_hdu(hdulist, hdu) if hdu is not None else _first_map(hdulist, map_type)
    with named_errors("", image.name):
        if map_type != "auto" and image.is_image != (map_type == "wcs"):
            kind = "an image" if image.is_image else "a table"
            raise FormatError(f"HDU {image.name!r} is {kind}, not a map of type {map_type!r}")
        if image.is_image:
            return _image_map(hdulist, image, hdu_bands, format)
        return _region_map(hdulist, image, hdu_bands)


def _check_options(format: str | None, map_type: str) -> None:
    check_option("format", format, (None, *FORMATS))
    check_option("map_type", map_type, ("auto", "wcs", "region"))


def _image_map(hdulist: fits.HDUList, image: fits.ImageHDU, hdu_bands: str | None, format: str | None) -> Map:
    """The map in an image."""
    data = _read_data(image)
    axes = _read_axes(hdulist, image, hdu_bands, format)
    expected = tuple(axis.nbin for axis in axes[::-1])
    if data.ndim < 2 or data.shape[:-2] != expected:
        raise FormatError(f"HDU {image.name!r} has an image of shape {data.shape}, its axes have {expected} bins")
    geom = WcsGeom.from_header(image.header, npix=data.shape[:-3:-1], axes=axes)
    of_fermi = _table_of_energies(hdulist, image, format) == "ENERGIES"
    unit = _fermi_unit(hdulist, image) if of_fermi else _read_unit(image)
    return Map.from_geom(geom, data=data, unit=unit, meta=_read_meta(image))


def wcs_geom_from_hdulist(
    hdulist: fits.HDUList, hdu: str | int | None = None, hdu_bands: str | None = None, format: str | None = None
) -> WcsGeom:
    """Return the geometry of `WcsGeom.from_hdulist`."""
    check_option("format", format, (None, *FORMATS))
    image = _find_hdu(hdulist, hdu) if hdu is not None else _first_map(hdulist, "wcs")
    return WcsGeom.from_header(image.header, axes=_read_axes(hdulist, image, hdu_bands, format))


def _region_map(hdulist: fits.HDUList, table: fits.BinTableHDU, hdu_bands: str | None) -> Map:
    """The map on a region in a table; the region is None if there is no table of it."""
    name = f"HDU {table.name!r}"
    if not isinstance(table, fits.BinTableHDU) or "DATA" not in table.columns.names:
        raise FormatError(f"{name} is a table without the column DATA, so it is not a map")
    axes = _read_axes(hdulist, table, hdu_bands)
    geom = read_region_geom(hdulist, table.header.get("REGHDU", f"{table.name}_REGION"), axes)
    values = np.asarray(_read_data(table)["DATA"])
    if values.size != np.prod(geom.data_shape):
        raise FormatError(f"{name} has {values.size} values, its axes have {geom.data_shape[:-2]} bins")
    data = values.astype(values.dtype.newbyteorder("=")).reshape(geom.data_shape)
    unit = _parse_unit(table, table.columns["DATA"].unit or "")
    return Map.from_geom(geom, data=data, unit=unit, meta=_read_meta(table))


def _find_hdu(hdulist: fits.HDUList, key: str | int) -> fits.ImageHDU:
    try:
        return hdulist[key]
    except (KeyError, IndexError):
        names = [hdu.name for hdu in hdulist]
        raise FormatError(f"there is no HDU {key!r} in the file{suggest(key, names)}") from None


def _first_map(hdulist: fits.HDUList, map_type: str) -> fits.ImageHDU:
    """The first image with data, or else the first table of values on a region."""
    for hdu in hdulist:
        if map_type != "region" and hdu.is_image and hdu.header.get("NAXIS", 0) > 0:
            return hdu
    for hdu in hdulist:
        if map_type != "wcs" and isinstance(hdu, fits.BinTableHDU) and "DATA" in hdu.columns.names:
            return hdu
    raise FormatError(f"there is no map in the file, its HDUs are {[hdu.name for hdu in hdulist]}")


def _read_data(image: fits.ImageHDU) -> np.ndarray:
    with damage_is_an_error():
        data = getattr(image, "data", None)  # an HDU of an unknown kind has none
    if data is None:
        raise FormatError(f"HDU {image.name!r} holds no data")
    return data if data.dtype.isnative or not image.is_image else data.astype(data.dtype.newbyteorder("="))


def _table_of_energies(hdulist: fits.HDUList, image: fits.ImageHDU, format: str | None) -> str | None:
    """Name of the table of energies in a file of the Fermi tools; None in other files."""
    if not image.is_image or "BANDSHDU" in image.header or format == "gadf":
        return None
    tables = [name for name, layout in FERMI_ENERGIES.items() if format in (None, layout) or format == "fgst-bexpcube"]
    return next((name for name in tables if name in hdulist), None)


def _read_axes(
    hdulist: fits.HDUList, image: fits.ImageHDU, hdu_bands: str | None, format: str | None = None
) -> list[MapAxis]:
    is_flat = not image.is_image or image.header["NAXIS"] <= 2
    if is_flat and hdu_bands is None and "AXCOLS1" not in image.header and "BANDSHDU" not in image.header:
        return []
    key = hdu_bands or image.header.get("BANDSHDU") or f"{image.name}_BANDS"
    energies = _table_of_energies(hdulist, image, format)
    if hdu_bands is None and energies is not None and key not in hdulist:
        return [axis_from_table(Table.read(hdulist[energies]), FERMI_ENERGIES[energies])]
    if key not in hdulist:
        names = [hdu.name for hdu in hdulist]
        raise FormatError(f"HDU {image.name!r} needs the table {key!r} of its axes{suggest(key, names)}")
    return axes_from_bands(hdulist[key])


def _fermi_unit(hdulist: fits.HDUList, image: fits.ImageHDU) -> u.UnitBase:
    """Unit of a Fermi cube at energies: as it says, or that of an exposure (with a table GTI) or a diffuse model."""
    unit = _read_unit(image)
    if unit != u.dimensionless_unscaled:
        return unit
    return u.Unit("cm2 s") if "GTI" in hdulist else u.Unit("cm-2 s-1 MeV-1 sr-1")


def _read_unit(image: fits.ImageHDU) -> u.UnitBase:
    return _parse_unit(image, image.header.get("BUNIT", image.header.get("UNIT", "")))


def _parse_unit(hdu: fits.ImageHDU, text: str) -> u.UnitBase:
    try:
        return parse_unit(text)
    except ValueError as error:
        raise FormatError(f"HDU {hdu.name!r} has the unknown unit {text!r}: {error}") from error


def _read_meta(image: fits.ImageHDU) -> dict[str, object]:
    text = image.header.get("META", "{}")
    try:
        meta = json.loads(text)
    except (json.JSONDecodeError, TypeError) as error:
        raise FormatError(f"HDU {image.name!r} has a META keyword that is not JSON: {text!r}") from error
    return meta if isinstance(meta, dict) else {"meta": meta}


def map_to_hdulist(m: Map, hdu: str | None = None, hdu_bands: str | None = None, format: str = "gadf") -> fits.HDUList:
    """Return the HDUs of `Map.to_hdulist`."""
    check_option("format", format, ("gadf",))
    name = "PRIMARY" if hdu is None else hdu.upper()
    bands = (hdu_bands or f"{name}_BANDS").upper()
    header = _header(m, name, bands)
    data = m.data.astype("int64") if m.is_mask else m.data
    hdus = (
        [fits.PrimaryHDU(data, header)]
        if name == "PRIMARY"
        else [
            fits.PrimaryHDU(),
            fits.ImageHDU(data, header, name=name),
        ]
    )
    if len(m.geom.axes):
        hdus.append(bands_hdu(m.geom.axes, bands))
    return fits.HDUList(hdus)


def _header(m: Map, name: str, bands: str) -> fits.Header:
    header = m.geom.wcs.to_header()
    header.update(bands_keywords(m.geom.axes))
    header["WCSSHAPE"] = "(" + ",".join(str(n) for n in m.geom.data_shape[::-1]) + ")"
    if len(m.geom.axes):
        header["BANDSHDU"] = bands
    if name != "PRIMARY":
        header["EXTNAME"] = name
    header["META"] = json.dumps(m.meta, default=str)
    header["BUNIT"] = m.unit.to_string("fits")
    return header
