"""Write ON/OFF spectra as OGIP files: PHA with its BKG, ARF and RMF beside it.

References
----------
See `bayesmap.io.ogip`.
"""

import os
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.io import fits

from bayesmap._files import checksum_of, write_set
from bayesmap._util import check_option, make_path
from bayesmap.io.ascii_text import to_ascii
from bayesmap.io.ogip_tables import CHECKSUMS
from bayesmap.irf import EDispKernel
from bayesmap.maps import Map, MapAxis
from bayesmap.maps.files import write_hdulist

__all__ = ["ogip_filenames", "write_ogip"]

#: units of energy and area that Sherpa and XSPEC expect
SHERPA_UNITS = {"energy": u.keV, "area": u.cm**2}
#: components whose loss changes what the likelihood says
MISSED = ("mask_fit", "psf")


def ogip_filenames(filename: str | os.PathLike) -> dict[str, Path]:
    """Paths of the four files: "pha", "arf", "rmf" and "bkg"; the last three have ``_arf``, ... before the suffix."""
    path = make_path(filename)
    suffix = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
    stem = path.name.removesuffix(suffix)
    return {"pha": path} | {key: path.with_name(f"{stem}_{key}{suffix}") for key in ("arf", "rmf", "bkg")}


def write_ogip(
    components: Mapping[str, Any],
    filename: str | os.PathLike,
    overwrite: bool = False,
    checksum: bool = False,
    format: str = "ogip",
) -> None:
    """Write the components of an ON/OFF spectrum to OGIP files.

    Parameters
    ----------
    components : Mapping[str, object]
        What `bayesmap.io.read_ogip` returns; maps are on one region, ``exposure.meta["livetime"]`` is needed.
    filename : path
        PHA file; the others are named after it, see `ogip_filenames`. ``.gz`` compresses.
    overwrite : bool
        Whether to replace existing files.
    checksum : bool
        Whether to write checksums.
    format : {"ogip", "ogip-sherpa"}
        The second writes energies in keV and areas in cm2, which Sherpa needs.

    Raises
    ------
    FileExistsError
        If one of the files exists and ``overwrite`` is False; nothing is written then.
    OSError
        If a file cannot be written; what was there before is left as it was.
    ValueError
        If counts, acceptance, exposure or live time are missing.

    Warns
    -----
    UserWarning
        If there is a PSF or a ``mask_fit``: the format has no place for them.

    Notes
    -----
    At any moment the PHA file names a complete set, old or new (see `bayesmap._files.write_set`). It holds checksums of
    the others in keywords of our own, so that files of different sets are noticed when they are read.
    """
    check_option("format", format, ("ogip", "ogip-sherpa"))
    name = components.get("name")
    missing = [key for key in ("counts", "acceptance", "exposure") if components.get(key) is None]
    if missing:
        raise ValueError(f"dataset {name!r}: {missing[0]} is needed to write OGIP files")
    units = SHERPA_UNITS if format == "ogip-sherpa" else {}
    files = ogip_filenames(filename)
    hdulists = {"arf": _arf(components["exposure"], livetime_of(components), units)}
    if components.get("counts_off") is not None:
        hdulists["bkg"] = _spectrum(components, "off", files, units)
    if components.get("edisp") is not None:
        energy_axis = components["counts"].geom.axes["energy"]
        hdulists["rmf"] = rmf_hdulist(components["edisp"].get_edisp_kernel(energy_axis=energy_axis), units)
    existing = [str(files[key]) for key in ("pha", *hdulists) if files[key].exists()]
    if existing and not overwrite:
        raise FileExistsError(f"{', '.join(existing)} exists; use overwrite=True to replace it")
    lost = [key for key in MISSED if components.get(key) is not None]
    if lost:
        warnings.warn(
            f"dataset {name!r}: OGIP files have no place for {' and '.join(lost)}; format='gadf' keeps everything",
            UserWarning,
            stacklevel=3,
        )

    def write_pha(part: Path, places: Mapping[Path, Path]) -> None:
        present = {key: places[files[key]] for key in hdulists}
        hdulist = _spectrum(components, "on", files | present, units)
        for key, place in present.items():
            hdulist["SPECTRUM"].header[CHECKSUMS[key]] = (checksum_of(place), f"CRC-32 of the {key.upper()} file")
        write_hdulist(hdulist, part, checksum=checksum)

    parts = {files[key]: partial(write_hdulist, hdulist, checksum=checksum) for key, hdulist in hdulists.items()}
    write_set(parts, files["pha"], write_pha)


def livetime_of(components: Mapping[str, Any]) -> u.Quantity:
    """Live time of the exposure.

    Raises
    ------
    ValueError
        If the exposure does not say it.
    """
    livetime = components["exposure"].meta.get("livetime")
    if livetime is None or not u.Quantity(livetime).to_value("s") > 0:
        raise ValueError(
            f"dataset {components.get('name')!r}: the OGIP format needs the live time; "
            "set dataset.exposure.meta['livetime'], for example to 1 * u.s if it is unknown"
        )
    return u.Quantity(livetime).to("s")


def _spectrum(
    components: Mapping[str, Any], which: str, files: Mapping[str, Path], units: Mapping[str, u.Unit]
) -> fits.HDUList:
    """PHA ("on") or BKG ("off") file."""
    counts, acceptance = (components["counts"], components["acceptance"])
    if which == "off":
        counts, acceptance = (components["counts_off"], components.get("acceptance_off"))
        if acceptance is None:
            raise ValueError(f"dataset {components.get('name')!r}: acceptance_off is needed to write OGIP files")
    mask, size = components.get("mask_safe"), counts.data.size
    number = np.asarray(counts.data).ravel()
    is_whole = bool(np.all(number == np.rint(number)) and np.all(np.abs(number) < 2**31))
    columns = [
        fits.Column("CHANNEL", "J", array=np.arange(size)),
        fits.Column("COUNTS", "J" if is_whole else "D", array=number, unit="" if is_whole else None),
        fits.Column("QUALITY", "I", array=np.zeros(size) if mask is None else ~mask.data.ravel()),
        fits.Column("BACKSCAL", "D", array=acceptance.data.ravel().astype("float64")),
    ]
    grouping = counts.meta.get("grouping")
    grouping = grouping if grouping is not None and len(grouping) == size else None  # another length: of other bins
    if grouping is not None:
        columns.append(fits.Column("GROUPING", "I", array=np.asarray(grouping)))
    hdu = fits.BinTableHDU.from_columns(columns, name="SPECTRUM")
    hdu.header.update(_spectrum_keywords(components, which, files, size))
    if grouping is None:
        hdu.header["GROUPING"] = 0
    hdus = [fits.PrimaryHDU(), hdu, _ebounds(counts.geom.axes["energy"], units)]
    if counts.geom.is_region and counts.geom.region is not None:
        hdus.append(counts.geom.to_hdulist(hdu_bands="BANDS", hdu_region="REGION")["REGION"])
    if which == "on" and components.get("gti") is not None:
        hdus.append(components["gti"].to_table_hdu())
    return fits.HDUList(hdus)


def _spectrum_keywords(
    components: Mapping[str, Any], which: str, files: Mapping[str, Path], size: int
) -> dict[str, Any]:
    """Header of the table SPECTRUM."""
    keywords = {
        "TELESCOP": "unknown",
        "INSTRUME": "unknown",
        "FILTER": "None",
        "EXPOSURE": livetime_of(components).value,
        "CORRFILE": "",
        "CORRSCAL": "",
        "ANCRFILE": to_ascii(files["arf"].name),
        "HDUCLASS": "OGIP",
        "HDUCLAS1": "SPECTRUM",
        "HDUVERS": "1.2.1",
        "POISSERR": True,
        "CHANTYPE": "PHA",
        "DETCHANS": size,
        "AREASCAL": 1,
        "HDUCLAS2": "TOTAL" if which == "on" else "BKG",
        "HDUCLAS3": "COUNT",
        "HDUCLAS4": "TYPE:1",
        "OBS_ID": to_ascii(components.get("name") or ""),
    }
    if components.get("counts_off") is not None:
        keywords["BACKFILE"] = to_ascii(files["bkg"].name)
    if components.get("edisp") is not None:
        keywords["RESPFILE"] = to_ascii(files["rmf"].name)
    return keywords


def _energy_columns(axis: MapAxis, names: tuple[str, str], units: Mapping[str, u.Unit]) -> list[fits.Column]:
    """Lower and upper edges."""
    unit = units.get("energy", axis.unit)
    edges = axis.edges.to(unit)
    return [
        fits.Column(name, "D", unit=unit.to_string("fits"), array=values.value)
        for name, values in zip(names, (edges[:-1], edges[1:]), strict=True)
    ]


def _ebounds(axis: MapAxis, units: Mapping[str, u.Unit]) -> fits.BinTableHDU:
    columns = [fits.Column("CHANNEL", "J", array=np.arange(axis.nbin))]
    hdu = fits.BinTableHDU.from_columns(columns + _energy_columns(axis, ("E_MIN", "E_MAX"), units), name="EBOUNDS")
    keywords = {"TELESCOP": "DUMMY", "INSTRUME": "DUMMY", "FILTER": "None", "CHANTYPE": "PHA", "DETCHANS": axis.nbin}
    hdu.header.update(keywords | _response("EBOUNDS", "1.2.0"))
    return hdu


def _response(kind: str, version: str) -> dict[str, str]:
    return {"HDUCLASS": "OGIP", "HDUCLAS1": "RESPONSE", "HDUCLAS2": kind, "HDUVERS": version}


def _arf(exposure: Map, livetime: u.Quantity, units: Mapping[str, u.Unit]) -> fits.HDUList:
    """Effective area: exposure over live time."""
    area = exposure.quantity.ravel() / livetime
    area = area.to(units.get("area", "cm2" if "cm" in str(exposure.unit) else "m2"))
    columns = _energy_columns(exposure.geom.axes["energy_true"], ("ENERG_LO", "ENERG_HI"), units)
    columns.append(fits.Column("SPECRESP", "D", unit=area.unit.to_string("fits"), array=area.value))
    hdu = fits.BinTableHDU.from_columns(columns, name="SPECRESP")
    keywords = {"TELESCOP": "unknown", "INSTRUME": "unknown", "FILTER": "None"}
    hdu.header.update(keywords | _response("SPECRESP", "1.1.0"))
    return fits.HDUList([fits.PrimaryHDU(), hdu])


def rmf_hdulist(kernel: EDispKernel, units: Mapping[str, u.Unit]) -> fits.HDUList:
    """Matrix with the zeros between groups of channels left out."""
    energy_true, energy = kernel.axes["energy_true"], kernel.axes["energy"]
    groups = [_groups(row) or [(0, 0)] for row in kernel.data]  # a row without values is a group of no channels
    starts = [[start for start, _ in group] for group in groups]
    sizes = [[stop - start for start, stop in group] for group in groups]
    values = [
        np.concatenate([row[start:stop] for start, stop in group])
        for row, group in zip(kernel.data, groups, strict=True)
    ]
    columns = _energy_columns(energy_true, ("ENERG_LO", "ENERG_HI"), units) + [
        fits.Column("N_GRP", "I", array=np.array([len(group) for group in groups])),
        fits.Column("F_CHAN", "PJ()", array=_ragged(starts, "int32")),
        fits.Column("N_CHAN", "PJ()", array=_ragged(sizes, "int32")),
        fits.Column("MATRIX", "PD()", array=_ragged(values, "float64")),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="MATRIX")
    numbers = {"DETCHANS": energy.nbin, "NUMGRP": sum(map(len, groups)), "NUMELT": sum(map(sum, sizes)), "TLMIN4": 0}
    hdu.header.update({"CHANTYPE": "PHA"} | _response("RSP_MATRIX", "1.3.0") | numbers)
    return fits.HDUList([fits.PrimaryHDU(), hdu, _ebounds(energy, units)])


def _ragged(rows: Sequence[Sequence[float] | np.ndarray], dtype: str) -> np.ndarray:
    """Rows of different length as FITS takes them."""
    array = np.empty(len(rows), dtype=object)
    for number, row in enumerate(rows):
        array[number] = np.asarray(row, dtype=dtype)
    return array


def _groups(row: np.ndarray) -> list[tuple[int, int]]:
    """Start and end of the stretches of non-zero values."""
    steps = np.diff(np.concatenate([[0], (row != 0).astype(int), [0]]))
    return list(zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True))
