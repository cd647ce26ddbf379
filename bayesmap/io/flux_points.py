"""Tables of flux points as files: FITS, or text in the ECSV format.

References
----------
https://gamma-astro-data-formats.readthedocs.io/en/latest/spectra/flux_points/index.html
"""

import os

from astropy.io import fits
from astropy.table import Table

from bayesmap._files import whole
from bayesmap._util import make_path
from bayesmap.errors import FormatError
from bayesmap.irf import GTI
from bayesmap.maps.files import named_errors, open_fits, write_hdulist
from bayesmap.maps.tables import is_fits, read_fits_table, read_text_table

__all__ = ["FLUX_POINTS_HDU", "read_flux_table", "write_flux_table"]

#: name of the table in files that we write
FLUX_POINTS_HDU = "FLUXPOINTS"


def read_flux_table(
    filename: str | os.PathLike, checksum: bool = False, table_format: str = "ascii.ecsv"
) -> tuple[Table, GTI | None]:
    """Read a table of flux points.

    Parameters
    ----------
    filename : path
        A FITS file, compressed or not, or text.
    checksum : bool
        Whether to verify the checksums of a FITS file.
    table_format : str
        Format of a text file, for `astropy.table.Table.read`.

    Returns
    -------
    tuple
        Table, in which keywords are upper case and units parsed, and GTI or None.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it holds no table of flux points; the message names the file.
    """
    path = make_path(filename)
    if not is_fits(path):
        return read_text_table(path, table_format), None
    with open_fits(path, checksum=checksum) as hdulist:
        with named_errors(path, FLUX_POINTS_HDU):
            hdu = _find(hdulist)
        with named_errors(path, hdu.name):
            table = _read_hdu(hdu)
        gti = None
        if "GTI" in hdulist:
            with named_errors(path, "GTI"):
                gti = GTI.from_table_hdu(hdulist["GTI"])
    return table, gti


def _find(hdulist: fits.HDUList) -> fits.BinTableHDU:
    """The table of flux points: that of our name, else the first with energies."""
    if FLUX_POINTS_HDU in hdulist:
        return hdulist[FLUX_POINTS_HDU]
    for hdu in hdulist:
        if isinstance(hdu, fits.BinTableHDU) and {"e_ref", "e_min"} & set(hdu.columns.names):
            return hdu
    raise FormatError(
        f"there are no flux points: no HDU {FLUX_POINTS_HDU!r}, and no table with a column e_ref or e_min; its HDUs "
        f"are {[hdu.name for hdu in hdulist]}"
    )


def _read_hdu(hdu: fits.BinTableHDU) -> Table:
    table = read_fits_table(hdu)
    table.meta.pop("EXTNAME", None)
    return table


def write_flux_table(
    table: Table, filename: str | os.PathLike, gti: GTI | None = None, overwrite: bool = False, checksum: bool = False
) -> None:
    """Write a table of flux points, completely or not at all.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table.
    filename : path
        ``.fits`` and ``.fits.gz`` give a FITS file, any other suffix text in the ECSV format.
    gti : GTI, optional
        Good time intervals; a text file has no place for them.
    overwrite : bool
        Whether to replace an existing file.
    checksum : bool
        Whether to write checksums to a FITS file.

    Raises
    ------
    FileExistsError
        If the file exists and ``overwrite`` is False.
    """
    path = make_path(filename)
    if ".fits" in path.suffixes:
        hdus = [fits.PrimaryHDU(), fits.BinTableHDU(table, name=FLUX_POINTS_HDU)]
        if gti is not None:
            hdus.append(gti.to_table_hdu())
        write_hdulist(fits.HDUList(hdus), path, overwrite=overwrite, checksum=checksum)
        return
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; use overwrite=True to replace it")
    with whole(path) as part:
        table.write(part, format="ascii.ecsv")
