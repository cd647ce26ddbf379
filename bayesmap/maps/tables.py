"""Tables from files: FITS, or text in the ECSV format."""

import os
import re
import warnings
from typing import Any

import astropy.units as u
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from bayesmap._lazy import tables
from bayesmap._util import make_path
from bayesmap._yaml.limits import check_yaml
from bayesmap.errors import FormatError
from bayesmap.maps.files import GZIP_MAGIC, named_errors, open_fits, open_regular, read_text

__all__ = ["is_fits", "read_fits_table", "read_table", "read_text_table"]

FITS_MAGIC = b"SIMPLE"
#: comment lines of the ECSV format, which hold YAML
_ECSV_HEADER = re.compile(r"^# (?!%ECSV)(.*)$", re.MULTILINE)


def is_fits(filename: str | os.PathLike) -> bool:
    """Whether a file is in the FITS format or compressed, not a text.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no regular file.
    """
    with open_regular(filename) as handle:
        start = handle.read(len(FITS_MAGIC))
    return start == FITS_MAGIC or start.startswith(GZIP_MAGIC)


def read_table(filename: str | os.PathLike) -> "tables.Table":
    """Return the first table of a FITS file, or a table in the ECSV format.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If the file is damaged or holds no table; the message names it.
    """
    path = make_path(filename)
    if not is_fits(path):
        return read_text_table(path)
    with open_fits(path) as hdulist:
        for hdu in hdulist:
            if isinstance(hdu, fits.BinTableHDU):
                return read_fits_table(hdu)
        raise FormatError(f"there is no table in the file, its HDUs are {[hdu.name for hdu in hdulist]}")


def read_fits_table(hdu: Any) -> "tables.Table":
    """Return a table of a FITS file.

    Raises
    ------
    FormatError
        If the HDU is none or is damaged; the message names it.
    """
    with named_errors("", hdu.name), warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        if not isinstance(hdu, fits.BinTableHDU | fits.TableHDU):
            raise FormatError("it should be a table")
        return tables.Table.read(hdu, format="fits")


def read_text_table(filename: str | os.PathLike, table_format: str = "ascii.ecsv") -> "tables.Table":
    """Return a table in a text file.

    Parameters
    ----------
    filename : path
        The file.
    table_format : str
        Format, for `astropy.table.Table.read`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no such table; the message names the file.
    """
    path = make_path(filename)
    text = read_text(path)
    with named_errors(path):
        try:
            if table_format == "ascii.ecsv":
                check_yaml("\n".join(_ECSV_HEADER.findall(text)))
            with warnings.catch_warnings():
                warnings.simplefilter("error", AstropyWarning)
                warnings.simplefilter("ignore", u.UnitsWarning)
                return tables.Table.read(text.splitlines(), format=table_format)
        except MemoryError:
            raise
        except Exception as error:
            raise FormatError(
                f"{path} is neither a FITS file nor a table in the format {table_format!r}: {error}"
            ) from error
