"""Open FITS files such that damage is an error."""

import contextlib
import gzip
import io
import os
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from bayesmap._util import make_path
from bayesmap.errors import FormatError

__all__ = ["DAMAGE", "damage_is_an_error", "named_errors", "open_fits"]

GZIP_MAGIC = b"\x1f\x8b"
#: what reading a damaged file can raise (FormatError is a ValueError)
DAMAGE = (ValueError, TypeError, KeyError, IndexError, OSError, EOFError, fits.VerifyError)
#: warnings of astropy that mean that a file is damaged
DAMAGE_WARNINGS = (
    ".*truncated.*",
    ".*[Cc]hecksum.*",
    ".*[Dd]atasum.*",
    ".*non-standard.*",
    ".*not enough.*",
    ".*Error validating header.*",
)


@contextlib.contextmanager
def named_errors(source: object, hdu: str) -> Iterator[None]:
    """Say in errors from reading which file and which HDU they belong to; all become a `FormatError`."""
    try:
        yield
    except DAMAGE as error:
        where = source if repr(hdu) in str(error) else f"{source}: HDU {hdu!r}"
        raise FormatError(f"{where}: {error}") from error


@contextlib.contextmanager
def damage_is_an_error() -> Iterator[None]:
    """Turn those of astropy's warnings into errors that mean a damaged file; silence the others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for message in DAMAGE_WARNINGS:
            warnings.filterwarnings("error", message=message)
        yield


@contextlib.contextmanager
def open_fits(filename: str | os.PathLike, checksum: bool = False) -> Iterator[fits.HDUList]:
    """Open a FITS file for reading; a context manager.

    Parameters
    ----------
    filename : path
        File, plain or compressed with gzip.
    checksum : bool
        Whether to verify the checksums in the file.

    Yields
    ------
    `~astropy.io.fits.HDUList`
        All HDUs. The data of a plain file are read when they are first used. A compressed file is unpacked in memory at
        once: astropy alone would take the readable part of a truncated one for the whole.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is not a FITS file, is truncated, or a checksum is wrong.
    """
    path = make_path(filename)
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    with contextlib.ExitStack() as stack:
        try:
            hdulist = stack.enter_context(_hdus(_content(path, stack), checksum))
        except (*DAMAGE, zlib.error, AstropyUserWarning) as error:
            raise FormatError(f"{path} is not a valid FITS file: {error}") from error
        try:
            with damage_is_an_error():
                yield hdulist
        except (fits.VerifyError, AstropyUserWarning) as error:
            raise FormatError(f"{path} is damaged: {error}") from error


def _content(path: Path, stack: contextlib.ExitStack) -> io.IOBase:
    """The file, or what is in it if it is compressed."""
    handle = stack.enter_context(path.open("rb"))
    start = handle.read(len(GZIP_MAGIC))
    handle.seek(0)
    if not start:
        raise FormatError("the file is empty")
    return io.BytesIO(gzip.decompress(handle.read())) if start == GZIP_MAGIC else handle


def _hdus(content: io.IOBase, checksum: bool) -> fits.HDUList:
    """All HDUs of an open file."""
    with damage_is_an_error():
        hdulist = fits.open(content, memmap=False, checksum=checksum)
        len(hdulist)  # finds all HDUs, so that a truncated file is noticed here
    return hdulist
