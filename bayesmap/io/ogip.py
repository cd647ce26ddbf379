"""Spectra in the OGIP format: a PHA file and the BKG, ARF and RMF files that it names.

The counts of the ON region are in PHA, those of the OFF region in BKG; BACKSCAL is the acceptance, bins with QUALITY 0
are safe. The exposure is EXPOSURE (live time) times SPECRESP, the energy dispersion is MATRIX.

References
----------
https://gamma-astro-data-formats.readthedocs.io/en/latest/spectra/ogip/index.html
"""

import contextlib
import os
import warnings
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.io import fits

from bayesmap._files import checksum_of
from bayesmap._util import make_name, make_path
from bayesmap.errors import FormatError
from bayesmap.io.ascii_text import from_ascii
from bayesmap.io.checks import check_values
from bayesmap.io.ogip_tables import (
    CHECKSUMS,
    Spectrum,
    column_unit,
    energy_edges,
    read_ebounds,
    read_matrix,
    read_spectrum,
)
from bayesmap.irf import GTI, EDispKernel, EDispKernelMap
from bayesmap.maps import Map, MapAxis, RegionGeom
from bayesmap.maps.files import named_errors, open_fits
from bayesmap.maps.region_fits import read_region_geom

__all__ = ["grouped_axis", "is_ogip", "read_ogip"]

#: keyword of the PHA file that names a companion, and what that file is called in messages
COMPANIONS = {"ANCRFILE": "ARF", "RESPFILE": "RMF", "BACKFILE": "BKG"}
#: relative agreement of energies that several files repeat
SAME_ENERGY = 1e-5


def is_ogip(filename: str | os.PathLike) -> bool:
    """Whether a FITS file is an OGIP spectrum; otherwise it should be in the layout of maps (GADF).

    Raises
    ------
    FormatError
        If it is neither.
    """
    with open_fits(filename) as hdulist:
        if "SPECTRUM" in hdulist and "OGIP" in str(hdulist["SPECTRUM"].header.get("HDUCLASS", "")):
            return True
        if "COUNTS_BANDS" in hdulist:
            return False
        names = [hdu.name for hdu in hdulist]
    raise FormatError(
        f"{filename} holds no spectrum: neither an HDU 'SPECTRUM' with HDUCLASS = OGIP (format 'ogip') nor "
        f"'COUNTS_BANDS' (format 'gadf') is there, only {names}"
    )


def read_ogip(filename: str | os.PathLike, checksum: bool = False) -> dict[str, Any]:
    """Read the components of an ON/OFF spectrum from OGIP files.

    Parameters
    ----------
    filename : path
        The PHA file, compressed or not; the files that it names are looked for beside it.
    checksum : bool
        Whether to verify the checksums in the files.

    Returns
    -------
    dict
        "counts", "acceptance", "mask_safe", "exposure" and "name"; "counts_off" and "acceptance_off" if BACKFILE is
        given, "edisp" if RESPFILE is, "gti" if there is one. ``exposure.meta["livetime"]`` is EXPOSURE;
        ``counts.meta["grouping"]`` is the column GROUPING, if there is one: the channels are not merged.

    Raises
    ------
    FileNotFoundError
        If there is no such PHA file.
    FormatError
        If a companion is missing or was written with another PHA file, a file is damaged, a column or unit is missing
        or wrong, channels do not correspond, values are impossible, or counts are no Poisson numbers; the message names
        file and HDU.

    Warns
    -----
    UserWarning
        If the keywords ask for systematic errors or a correction file, which are not used, or say that errors are not
        Poisson's and do not state them.

    Notes
    -----
    OGIP scales the background by BACKSCAL, AREASCAL and EXPOSURE of both files. Where the last two differ between PHA
    and BKG, their ratio goes into ``acceptance_off``.
    """
    path = make_path(filename)
    with named_errors(path):
        return _read_components(path, checksum)


def _read_components(path: Path, checksum: bool) -> dict[str, Any]:
    """What `read_ogip` returns."""
    with open_fits(path, checksum=checksum) as hdulist:
        header = _hdu(hdulist, "SPECTRUM", path).header
        files = {key: _companion(header, key, path) for key in COMPANIONS}
        spectrum = _read_spectrum(hdulist, path)
        region = _read_region(hdulist, path)
        ebounds = _read_ebounds(hdulist, path) if "EBOUNDS" in hdulist else None
        components: dict[str, Any] = {"name": _name(header, path)}
        if "GTI" in hdulist:
            with named_errors(path, "GTI"):
                components["gti"] = GTI.from_table_hdu(hdulist["GTI"])
    _say(spectrum, path)
    if spectrum.exposure is None or not spectrum.exposure > 0:
        raise FormatError(f"{path}: HDU 'SPECTRUM': EXPOSURE is {spectrum.exposure}; right is a live time in s")
    rmf, arf, kernel = files["RESPFILE"], files["ANCRFILE"], None
    if rmf is not None:
        kernel, ebounds = _read_rmf(rmf, ebounds, path, checksum)
    if ebounds is None:
        raise FormatError(f"{path} has no HDU 'EBOUNDS' and names no RMF (RESPFILE), so its energies are unknown")
    _check_channels(spectrum, ebounds[0], path)
    axis = MapAxis.from_energy_edges(ebounds[1])
    components |= _spectrum_maps(spectrum, region.copy(axes=[axis]), ("counts", "acceptance", "mask_safe"))
    components["exposure"] = _read_arf(arf, spectrum, region, path, checksum)
    if kernel is not None and rmf is not None and arf is not None:
        components["edisp"] = _edisp_map(kernel, components["exposure"], rmf, arf)
    if files["BACKFILE"] is not None:
        components |= _read_bkg(files["BACKFILE"], spectrum, axis, checksum)
    check_values(components, path)
    return components


def grouped_axis(counts: Map) -> MapAxis:
    """Energy axis with channels joined as ``counts.meta["grouping"]`` says: -1 continues a group.

    Without grouping it is the axis of the counts.
    """
    axis = counts.geom.axes["energy"]
    grouping = np.asarray(counts.meta.get("grouping", np.ones(axis.nbin)))
    starts = np.flatnonzero(grouping != -1)
    return MapAxis.from_energy_edges(u.Quantity([*axis.edges[np.union1d(starts, 0)], axis.edges[-1]]))


# --- the PHA file


def _hdu(hdulist: fits.HDUList, name: str, path: Path) -> fits.BinTableHDU:
    if name not in hdulist:
        raise FormatError(f"{path} has no HDU {name!r}; its HDUs are {[hdu.name for hdu in hdulist]}")
    return hdulist[name]


def _companion(header: fits.Header, key: str, path: Path) -> Path | None:
    """Path of a file that the header names: beside the PHA file, or as it stands."""
    name = from_ascii(str(header.get(key, "")).strip())
    if name.lower() in ("", "none"):
        return None
    found = next((file for file in (path.parent / name, make_path(name)) if file.is_file()), None)
    if found is None:
        raise FormatError(
            f"{path}: HDU 'SPECTRUM': {key} names the {COMPANIONS[key]} file {name!r}, which is neither in "
            f"{path.parent} nor at that path"
        )
    keyword = CHECKSUMS[COMPANIONS[key].lower()]
    stored = header.get(keyword)
    if stored is not None and str(stored) != (present := checksum_of(found)):
        raise FormatError(
            f"{path}: HDU 'SPECTRUM': {found.name} has the checksum {present}, not {stored} ({keyword}): it is "
            f"not the {COMPANIONS[key]} file that was written with this one; write the set again, or delete the "
            "keyword if the file was replaced on purpose"
        )
    return found


def _name(header: fits.Header, path: Path) -> str:
    """OBS_ID, a list if it is given several times (stacked spectra); the name of the file where that is no name."""
    values = [card.value for card in header.cards if card.keyword == "OBS_ID"]
    text = from_ascii(str(values if len(values) > 1 else values[0]).strip()) if values else ""
    for name in (text.replace("/", "_"), path.name.split(".")[0]):
        with contextlib.suppress(ValueError):
            return make_name(name)
    return make_name()


def _read_spectrum(hdulist: fits.HDUList, path: Path) -> Spectrum:
    hdu = _hdu(hdulist, "SPECTRUM", path)
    with named_errors(path, "SPECTRUM"):
        return read_spectrum(hdu)


def _say(spectrum: Spectrum, path: Path) -> None:
    """Warn of what the keywords of a spectrum ask for and is not done."""
    for note in spectrum.notes:
        warnings.warn(f"{path}: HDU 'SPECTRUM': {note}", UserWarning, stacklevel=4)


def _read_ebounds(hdulist: fits.HDUList, path: Path) -> tuple[np.ndarray, u.Quantity]:
    hdu = _hdu(hdulist, "EBOUNDS", path)
    with named_errors(path, "EBOUNDS"):
        return read_ebounds(hdu)


def _read_region(hdulist: fits.HDUList, path: Path) -> RegionGeom:
    """Geometry without axes; its region is None if the file has none."""
    with named_errors(path, "REGION"):
        return read_region_geom(hdulist, "REGION", [])


def _check_channels(spectrum: Spectrum, channel: np.ndarray, path: Path) -> None:
    if not np.array_equal(spectrum.channel, channel):
        text = [f"{len(c)} from {c[0]} on" for c in (spectrum.channel, channel)]
        raise FormatError(f"{path}: HDU 'SPECTRUM' has the channels {text[0]}, EBOUNDS has {text[1]}")


def _spectrum_maps(spectrum: Spectrum, geom: RegionGeom, names: tuple[str, ...]) -> dict[str, Map]:
    """Maps of counts, BACKSCAL and QUALITY, in this order, under the given names."""
    maps = {
        name: Map.from_geom(geom, data=data.reshape(geom.data_shape), unit="")
        for name, data in zip(names, (spectrum.counts, spectrum.backscal, spectrum.good), strict=False)
    }
    if spectrum.grouping is not None:
        maps[names[0]].meta["grouping"] = spectrum.grouping.tolist()
    return maps


# --- its companions


def _read_arf(path: Path | None, spectrum: Spectrum, region: RegionGeom, pha: Path, checksum: bool) -> Map:
    """Exposure: effective area times live time (times AREASCAL)."""
    if path is None:
        raise FormatError(f"{pha}: HDU 'SPECTRUM' names no ARF (ANCRFILE), so the exposure is unknown")
    scale = np.unique(spectrum.areascal)
    if len(scale) != 1:
        raise FormatError(f"{pha}: HDU 'SPECTRUM': AREASCAL differs between channels; only a constant can be used")
    with open_fits(path, checksum=checksum) as hdulist:
        hdu = _hdu(hdulist, "SPECRESP", path)
        with named_errors(path, "SPECRESP"):
            axis = MapAxis.from_energy_edges(energy_edges(hdu, "ENERG_LO", "ENERG_HI"), name="energy_true")
            if "SPECRESP" not in hdu.columns.names:
                raise FormatError(f"HDU 'SPECRESP' lacks the column 'SPECRESP'; it has {hdu.columns.names}")
            unit = column_unit(hdu, "SPECRESP", "cm2") * u.s
            data = np.asarray(hdu.data["SPECRESP"], dtype="float64") * (spectrum.exposure * scale[0])
            if not np.all(np.isfinite(data) & (data >= 0)):
                raise FormatError("HDU 'SPECRESP': areas are negative or not finite")
    geom = region.copy(axes=[axis])
    livetime = u.Quantity(spectrum.exposure, "s")
    return Map.from_geom(geom, data=data.reshape(geom.data_shape), unit=unit, meta={"livetime": livetime})


def _read_rmf(
    path: Path, ebounds: tuple[np.ndarray, u.Quantity] | None, pha: Path, checksum: bool
) -> tuple[EDispKernel, tuple[np.ndarray, u.Quantity]]:
    """Kernel, and the channels and energies that hold for the spectrum."""
    with open_fits(path, checksum=checksum) as hdulist:
        own = _read_ebounds(hdulist, path)
        if ebounds is not None:
            _check_same(own[1], ebounds[1], f"{path}: HDU 'EBOUNDS'", f"EBOUNDS of {pha.name}")
        hdu = _hdu(hdulist, "SPECRESP MATRIX" if "SPECRESP MATRIX" in hdulist else "MATRIX", path)
        with named_errors(path, hdu.name):
            matrix = read_matrix(hdu, own[0])
    axes = [MapAxis.from_energy_edges(matrix.edges, name="energy_true"), MapAxis.from_energy_edges(own[1])]
    return EDispKernel(axes, matrix.data), own if ebounds is None else ebounds


def _edisp_map(kernel: EDispKernel, exposure: Map, rmf: Path, arf: Path) -> EDispKernelMap:
    own, other = kernel.axes["energy_true"], exposure.geom.axes["energy_true"]
    _check_same(own.edges, other.edges, f"{rmf}: HDU 'MATRIX'", f"SPECRESP of {arf.name}")
    edisp = EDispKernelMap.from_edisp_kernel(kernel, geom=exposure.geom)
    weight: Any = edisp.exposure_map
    weight.quantity = u.Quantity(exposure.quantity[:, np.newaxis], "m2 s")
    return edisp


def _read_bkg(path: Path, source: Spectrum, axis: MapAxis, checksum: bool) -> dict[str, Map]:
    """Counts and acceptance of the OFF region."""
    with open_fits(path, checksum=checksum) as hdulist:
        spectrum = _read_spectrum(hdulist, path)
        region = _read_region(hdulist, path)
        if "EBOUNDS" in hdulist:
            edges = _read_ebounds(hdulist, path)[1]
            _check_same(edges, axis.edges, f"{path}: HDU 'EBOUNDS'", "EBOUNDS of the PHA file")
    _say(spectrum, path)
    _check_channels(spectrum, source.channel, path)
    own, on = spectrum.exposure, source.exposure
    ratio = 1.0 if own is None or on is None else own / on
    backscal = spectrum.backscal * spectrum.areascal / source.areascal * ratio
    scaled = Spectrum(**{**vars(spectrum), "backscal": backscal})
    return _spectrum_maps(scaled, region.copy(axes=[axis]), ("counts_off", "acceptance_off"))


def _check_same(one: u.Quantity, other: u.Quantity, what: str, reference: str) -> None:
    """Raise unless two sets of edges are equal."""
    if len(one) != len(other) or not np.allclose(one.to_value(other.unit), other.value, rtol=SAME_ENERGY, atol=0):
        text = [f"{len(e) - 1} bins from {e[0]:g} to {e[-1]:g}" for e in (one, other)]
        raise FormatError(f"{what} has {text[0]}, {reference} has {text[1]}; they must be equal")
