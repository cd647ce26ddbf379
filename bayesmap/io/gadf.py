"""Map datasets as FITS files in the layout of Gammapy and the gamma-ray data formats (GADF).

An image HDU and a table of axis bins per map (COUNTS and COUNTS_BANDS, ...), the responses with their exposure, masks
as integers, GTI, META_TABLE; the name of the dataset is the keyword NAME of the first HDU.

References
----------
https://gamma-astro-data-formats.readthedocs.io/en/latest/skymaps/wcs/index.html
"""

import contextlib
import functools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from astropy.io import fits

from bayesmap._util import check_option
from bayesmap.errors import FormatError
from bayesmap.io.ascii_text import from_ascii, table_from_ascii, table_to_ascii, to_ascii
from bayesmap.io.checks import check_unit, check_values
from bayesmap.io.location import HDULocation
from bayesmap.irf import GTI, EDispKernelMap, EDispMap, PSFMap, RecoPSFMap
from bayesmap.maps import Map
from bayesmap.maps.files import named_errors, open_fits, write_hdulist
from bayesmap.maps.tables import read_fits_table
from bayesmap.units import as_quantity

__all__ = ["FORMAT_VERSION", "components_to_hdulist", "read_components", "write_components"]

#: version of the layout, in the keyword BMVERS of files that we write; readers accept all up to it
FORMAT_VERSION = 1


def _read_map(key: str) -> Callable[[fits.HDUList, str], Map]:
    # no function inside of a function: what is still on disk is pickled with its reader
    return functools.partial(_read_map_of, key)


def _read_map_of(key: str, hdulist: fits.HDUList, hdu: str) -> Map:
    m = check_unit(key, Map.from_hdulist(hdulist, hdu=hdu))
    if key == "exposure" and "livetime" in m.meta:
        m.meta["livetime"] = as_quantity(m.meta["livetime"])
    return m


def _read_mask(hdulist: fits.HDUList, hdu: str) -> Map:
    """Masks are stored as integers, 0 or 1."""
    m = Map.from_hdulist(hdulist, hdu=hdu)
    if bad := int(np.count_nonzero(~np.isfinite(m.data))):
        raise FormatError(
            f"HDU {hdu!r}: {bad} of {m.data.size} values are NaN or infinite; those of a mask are 0 and 1"
        )
    return Map.from_geom(m.geom, data=m.data.astype(bool), unit="", meta=m.meta)


def _read_psf(hdulist: fits.HDUList, hdu: str) -> PSFMap:
    """In reconstructed energy if there is an axis "energy", otherwise in true energy."""
    axes = _bands_columns(hdulist, hdu)
    return (RecoPSFMap if "E_MIN" in axes or "ENERGY" in axes else PSFMap).from_hdulist(hdulist, hdu=hdu)


def _read_edisp(hdulist: fits.HDUList, hdu: str) -> EDispKernelMap | EDispMap:
    """A map of kernels if there is an axis "energy", otherwise one of migrations."""
    axes = _bands_columns(hdulist, hdu)
    return (EDispKernelMap if "E_MIN" in axes or "ENERGY" in axes else EDispMap).from_hdulist(hdulist, hdu=hdu)


def _bands_columns(hdulist: fits.HDUList, hdu: str) -> set[str]:
    """Names of the columns that hold axes."""
    bands = hdulist[hdu].header.get("BANDSHDU", f"{hdu}_BANDS")
    if bands not in hdulist:
        raise FormatError(f"the table {bands!r} of its axes is missing")
    header = hdulist[bands].header
    return {name.strip() for key in header if key.startswith("AXCOLS") for name in str(header[key]).split(",")}


#: name of the component, in the order in which they are written, and its reader
READERS: dict[str, Callable[[fits.HDUList, str], Any]] = {
    "counts": _read_map("counts"),
    "exposure": _read_map("exposure"),
    "background": _read_map("background"),
    "edisp": _read_edisp,
    "psf": _read_psf,
    "mask_safe": _read_mask,
    "mask_fit": _read_mask,
    "counts_off": _read_map("counts_off"),
    "acceptance": _read_map("acceptance"),
    "acceptance_off": _read_map("acceptance_off"),
}


def read_components(
    source: str | os.PathLike | fits.HDUList,
    *,
    lazy: bool = False,
    cache: bool = True,
    format: str = "gadf",
    checksum: bool = False,
) -> dict[str, Any]:
    """Read the components of a map dataset.

    Parameters
    ----------
    source : path or `~astropy.io.fits.HDUList`
        File, compressed or not, or its open HDUs.
    lazy : bool
        Whether maps and responses stay on disk; then an `HDULocation` stands for each of them.
    cache : bool
        Whether a dataset keeps what it loads lazily.
    format : {"gadf"}
        File layout.
    checksum : bool
        Whether to verify the checksums in the file.

    Returns
    -------
    dict
        As far as they are in the file: "counts", "exposure", "background", "mask_safe", "mask_fit", "counts_off",
        "acceptance", "acceptance_off" (maps; masks are boolean), "edisp", "psf", "gti", "meta_table", "meta" (a dict)
        and "name" (a str).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If the file is no FITS file, is truncated, holds no map dataset, lacks a table, has a wrong unit, or counts,
        background or exposure are impossible inside the safe mask; the message names file and HDU.
    ValueError
        If open HDUs are to be read lazily.
    """
    check_option("format", format, ("gadf",))
    is_open = isinstance(source, fits.HDUList)
    if lazy and is_open:
        raise ValueError("HDUs that are open already cannot be read lazily; give the path of the file")
    with _opened(source, checksum) as hdulist:
        where = (hdulist.filename() or "open HDUs") if is_open else source
        _check_file(hdulist, where)
        components = _side_components(hdulist, where)
        for key, reader in READERS.items():
            hdu = key.upper()
            if hdu not in hdulist:
                continue
            if lazy:
                components[key] = HDULocation(source, hdu, reader, cache=cache, checksum=checksum)
                continue
            with named_errors(where, hdu):
                components[key] = reader(hdulist, hdu)
        _check_complete(hdulist, where)
    check_values(components, where)
    return components


@contextlib.contextmanager
def _opened(source: str | os.PathLike | fits.HDUList, checksum: bool) -> Iterator[fits.HDUList]:
    if isinstance(source, fits.HDUList):
        yield source
        return
    with open_fits(source, checksum=checksum) as hdulist:
        yield hdulist


def _check_file(hdulist: fits.HDUList, where: object) -> None:
    """Raise a FormatError unless there is a component of a version that we know."""
    names = [hdu.name for hdu in hdulist]
    if not {key.upper() for key in READERS} & set(names):
        wanted = [key.upper() for key in READERS]
        raise FormatError(f"{where} holds no map dataset: none of the HDUs {wanted} is there, only {names}")
    version = hdulist[0].header.get("BMVERS", FORMAT_VERSION)
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise FormatError(
            f"{where}: HDU 'PRIMARY': BMVERS is {version!r}, this version of bayesmap reads files up to version "
            f"{FORMAT_VERSION}; a newer one wrote it"
        )


def _check_complete(hdulist: fits.HDUList, where: object) -> None:
    """Raise a FormatError if HDUs are missing, as far as the file says how many there were.

    A file cut between two HDUs is valid FITS; it may lack the masks that come last.
    """
    written = hdulist[0].header.get("BMNHDU", 0)
    if len(hdulist) < written:
        raise FormatError(
            f"{where}: the file was written with {written} HDUs and has {len(hdulist)}: it is truncated, or HDUs were "
            f"removed; left are {[hdu.name for hdu in hdulist]}"
        )


def _side_components(hdulist: fits.HDUList, where: object) -> dict[str, Any]:
    """Name, meta data and tables."""
    header = hdulist[0].header
    components: dict[str, Any] = {}
    if header.get("NAME"):
        components["name"] = from_ascii(str(header["NAME"]))
    if "META" in header:
        with named_errors(where, "PRIMARY"):
            components["meta"] = json.loads(header["META"])
    if "GTI" in hdulist:
        with named_errors(where, "GTI"):
            components["gti"] = GTI.from_table_hdu(hdulist["GTI"])
    if "META_TABLE" in hdulist:
        with named_errors(where, "META_TABLE"):
            components["meta_table"] = table_from_ascii(read_fits_table(hdulist["META_TABLE"]))
    return components


def components_to_hdulist(components: Mapping[str, Any]) -> fits.HDUList:
    """Return the HDUs of a dataset; see `write_components`."""
    known = {*READERS, "gti", "meta_table", "meta", "name"}
    if unknown := components.keys() - known:
        raise ValueError(f"unknown components {sorted(unknown)}, known are {sorted(known)}")
    primary = fits.PrimaryHDU()
    primary.header["BMVERS"] = (FORMAT_VERSION, "version of the bayesmap file layout")
    primary.header["CREATOR"] = "bayesmap"
    if components.get("name"):
        primary.header["NAME"] = to_ascii(components["name"])
    if components.get("meta"):
        primary.header["META"] = json.dumps(components["meta"], default=str)
    hdulist = fits.HDUList([primary])
    for key in READERS:
        if components.get(key) is not None:
            value = components[key].load() if isinstance(components[key], HDULocation) else components[key]
            hdulist.extend(value.to_hdulist(hdu=key.upper())[1:])
    if components.get("gti") is not None:
        hdulist.append(components["gti"].to_table_hdu())
    if components.get("meta_table") is not None:
        hdulist.append(fits.BinTableHDU(table_to_ascii(components["meta_table"]), name="META_TABLE"))
    primary.header["BMNHDU"] = (len(hdulist), "number of HDUs in this file")
    return hdulist


def write_components(
    components: Mapping[str, Any], path: str | os.PathLike, overwrite: bool = False, checksum: bool = False
) -> None:
    """Write the components of a map dataset to a FITS file, completely or not at all.

    Parameters
    ----------
    components : Mapping[str, object]
        What `read_components` returns; None is left out.
    path : path
        File; ``.gz`` compresses.
    overwrite : bool
        Whether to replace an existing file. An interrupted write leaves it intact.
    checksum : bool
        Whether to write checksums.

    Raises
    ------
    FileExistsError
        If the file exists and ``overwrite`` is False.
    ValueError
        If a component is unknown.
    """
    write_hdulist(components_to_hdulist(components), path, overwrite=overwrite, checksum=checksum)
