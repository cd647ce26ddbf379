"""The door through which files come in: only regular ones, of bounded size, and damage is a `FormatError`.

Every reader opens its file with `open_fits` or `read_text`, and says by `named_errors` which file and which part of it
an error belongs to. FITS files go out by `write_hdulist`.
"""

import contextlib
import gzip
import io
import os
import stat
import struct
import traceback
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import astropy.units as u
from astropy.io import fits

from bayesmap._files import whole
from bayesmap._lazy import wcs
from bayesmap._util import make_path
from bayesmap.errors import WRONG_DATA, FormatError, GeometryMismatchError, ModelFileError
from bayesmap.maps.fits_layout import MEMORY_LIMIT, check_layout

__all__ = [
    "DAMAGE",
    "GZIP_MAGIC",
    "damage_is_an_error",
    "named_errors",
    "open_fits",
    "open_regular",
    "read_text",
    "write_hdulist",
]

GZIP_MAGIC = b"\x1f\x8b"
#: a compressed file may grow to this multiple of its size, or to `MEMORY_LIMIT` if that is more
UNPACKED_RATIO = 20
CHUNK = 2**20
#: bytes of a text file: what is made of a character takes up to 300 bytes
TEXT_LIMIT = 2**23
#: what reading a damaged file raises, in whichever package
DAMAGE = (*WRONG_DATA, fits.VerifyError, zlib.error, struct.error)
#: errors that say enough about a file
DOCUMENTED = (FormatError, ModelFileError, GeometryMismatchError)
#: warnings of astropy that mean that a file is damaged
DAMAGE_WARNINGS = (
    ".*truncated.*",
    ".*[Cc]hecksum.*",
    ".*[Dd]atasum.*",
    ".*non-standard.*",
    ".*not enough.*",
    ".*Error validating header.*",
)
PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep


@contextlib.contextmanager
def named_errors(source: object, hdu: str = "", error: type[ValueError] = FormatError) -> Iterator[None]:
    """Turn whatever reading raises into an error that says which file and which part of it are wrong.

    Parameters
    ----------
    source : path or str
        The file; empty if it is not known here.
    hdu : str
        Name of the HDU that is read, if it is known.
    error : type
        Class of the error, `FormatError` or `ModelFileError`.

    Raises
    ------
    FormatError
        Or the class that is asked for, with what was raised as its cause: for every exception of what lies below, that
        is of other packages, and for those of this one that wrong data cause (`DAMAGE`). An AttributeError or
        AssertionError of a line of this package is a mistake here and passes, as MemoryError does, and errors of the
        operating system such as FileNotFoundError.
    """
    try:
        yield
    except DOCUMENTED as caught:
        text = _placed(str(caught), source, hdu)
        if text == str(caught):
            raise
        raise type(caught)(text) from caught
    except Exception as caught:
        if not _is_damage(caught):
            raise
        raise error(_placed(_text(caught), source, hdu)) from caught


def _is_damage(error: Exception) -> bool:
    """Whether an exception tells about a file, not about this package or the machine."""
    if isinstance(error, MemoryError) or isinstance(error, OSError) and (error.errno is not None or _is_missing(error)):
        return False
    if isinstance(error, DAMAGE):
        return True
    innermost = traceback.extract_tb(error.__traceback__, limit=-1)
    return bool(innermost) and not innermost[0].filename.startswith(PACKAGE)


def _is_missing(error: OSError) -> bool:
    return isinstance(error, FileNotFoundError | PermissionError)


def _text(error: Exception) -> str:
    """What an exception says, with its name where that does not speak for itself."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if isinstance(error, LookupError) and " " not in text:
        return f"{text!r} is missing"
    if isinstance(error, ValueError | TypeError | OSError | LookupError | Warning) and text:
        return text
    return f"it cannot be read: {type(error).__name__}: {text}"


def _placed(text: str, source: object, hdu: str) -> str:
    """A message with the file and the HDU in front, unless it has them."""
    if hdu and repr(hdu) not in text:
        text = f"HDU {hdu!r}: {text}"
    return text if str(source) in text else f"{source}: {text}"


@contextlib.contextmanager
def damage_is_an_error(source: object = "") -> Iterator[None]:
    """Turn those of astropy's warnings into errors that mean a damaged file; repeat the others afterwards.

    Warnings about what is understood all the same are left out.

    Parameters
    ----------
    source : path or str
        The file, put in front of the warnings that are repeated.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for category in (u.UnitsWarning, wcs.FITSFixedWarning):  # spellings of units, old keywords of projections
            warnings.simplefilter("ignore", category)
        for message in DAMAGE_WARNINGS:
            warnings.filterwarnings("error", message=message)
        yield
    for warning in caught:
        text = _placed(str(warning.message), source, "")
        warnings.warn_explicit(text, warning.category, warning.filename, warning.lineno)


def open_regular(filename: str | os.PathLike) -> BinaryIO:
    """Open a file for reading if it is a regular one.

    Parameters
    ----------
    filename : path
        File; environment variables and ``~`` are expanded.

    Returns
    -------
    binary file object
        The open file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is a folder, a pipe, a socket or a device: reading these may wait for ever.
    """
    path = make_path(filename)
    _check_regular(path, _status(path))
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _check_regular(path, os.fstat(handle))  # it may have been replaced
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a name with a null character
        hint = "; an environment variable in it is not set" if "$" in str(path) else ""
        raise FileNotFoundError(f"no such file: {path}{hint}") from None


def _check_regular(path: Path, status: os.stat_result) -> None:
    kinds = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket"}
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for test, name in kinds.items() if test(status.st_mode)), "a device")
        raise FormatError(f"{path} is {kind}, not a file; only regular files are read")


def read_text(filename: str | os.PathLike, error: type[ValueError] = FormatError) -> str:
    """Return the text of a regular file.

    Parameters
    ----------
    filename : path
        File in UTF-8, of at most 8 MiB.
    error : type
        Class of errors about what is in the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        Or the class that is asked for, if it is no regular file, too large, or no text.
    """
    path = make_path(filename)
    with named_errors(path, error=error), open_regular(path) as handle:
        content = handle.read(TEXT_LIMIT + 1)
        if len(content) > TEXT_LIMIT:
            raise error(f"the file is longer than {TEXT_LIMIT >> 20} MiB, too long for a text")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as caught:
            raise error(f"not a text file: {caught}") from None


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
        If it is not a regular file or not a FITS file, is truncated, a header promises more data than there are, a
        checksum is wrong, a compressed file grows beyond 1 GiB and 20 times its size, or if anything that is done with
        the HDUs inside the context raises an error about them; the message names the file.
    """
    path = make_path(filename)
    with contextlib.ExitStack() as stack:
        try:
            hdulist = stack.enter_context(_hdus(stack.enter_context(_content(path)), path, checksum))
        except Exception as error:
            if not _is_damage(error):
                raise
            reason = str(error) if str(path) in str(error) else f"{path} is not a valid FITS file: {_text(error)}"
            raise FormatError(reason) from error
        with named_errors(path), damage_is_an_error(path):
            yield hdulist


def _content(path: Path) -> BinaryIO:
    """The file, or what is in it if it is compressed."""
    handle = open_regular(path)
    start = handle.read(len(GZIP_MAGIC))
    handle.seek(0)
    if start == GZIP_MAGIC:
        with handle:
            return _unpacked(handle)
    if not start:
        handle.close()
        raise FormatError("the file is empty")
    return handle


def _unpacked(handle: BinaryIO) -> io.BytesIO:
    """What is in a compressed file, if that is not too much."""
    limit = max(MEMORY_LIMIT, UNPACKED_RATIO * os.fstat(handle.fileno()).st_size)
    content = io.BytesIO()
    with gzip.open(handle) as packed:
        while chunk := packed.read(CHUNK):
            if content.tell() + len(chunk) > limit:
                raise FormatError(
                    f"it unpacks to more than {limit >> 20} MiB; if it should, unpack it with gunzip first"
                )
            content.write(chunk)
    return content


def _hdus(content: BinaryIO, path: Path, checksum: bool) -> fits.HDUList:
    """All HDUs of an open file."""
    check_layout(content)
    with damage_is_an_error(path):
        hdulist = fits.open(content, memmap=False, checksum=checksum)
        len(hdulist)  # finds all HDUs, so that a truncated file is noticed here
    return hdulist


def write_hdulist(
    hdulist: fits.HDUList, filename: str | os.PathLike, overwrite: bool = False, checksum: bool = False
) -> None:
    """Write a FITS file completely or not at all.

    An interrupted or failed write leaves an old file intact.

    Parameters
    ----------
    hdulist : `~astropy.io.fits.HDUList`
        What to write.
    filename : path
        File; ``.gz`` compresses.
    overwrite : bool
        Whether to replace an existing file.
    checksum : bool
        Whether to write checksums.

    Raises
    ------
    FileExistsError
        If the file exists and ``overwrite`` is False.
    OSError
        If it cannot be written, for instance on a full disk; nothing is left then.
    """
    path = make_path(filename)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; use overwrite=True to replace it")
    with whole(path) as part:
        if path.suffix != ".gz":
            hdulist.writeto(part, checksum=checksum)
            return
        with gzip.open(part, "wb") as stream:  # astropy would pass over a disk that is full
            hdulist.writeto(stream, checksum=checksum)
