"""A component of a dataset that is still on disk."""

import os
from collections.abc import Callable
from pathlib import Path

from astropy.io import fits

from bayesmap._util import make_path
from bayesmap.errors import FormatError
from bayesmap.maps.files import named_errors, open_fits

__all__ = ["HDULocation"]


class HDULocation:
    """Where in a file a component is; `load` reads it.

    Parameters
    ----------
    path : path
        File, compressed or not. It is opened for each `load` and closed again.
    hdu : str
        Name of the HDU.
    reader : callable
        Function of an open file and of the name of the HDU that returns the component.
    cache : bool
        Whether a dataset keeps what it has loaded.
    checksum : bool
        Whether to verify checksums when loading.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        hdu: str,
        reader: Callable[[fits.HDUList, str], object],
        cache: bool = True,
        checksum: bool = False,
    ) -> None:
        self.path: Path = make_path(path)
        self.hdu = hdu
        self.cache = cache
        self.checksum = checksum
        self._reader = reader
        self.renew()

    def renew(self) -> None:
        """Take the file as it is now for the one that is meant; for a writer that has just replaced it by its like."""
        self._state = _state(self.path)

    def load(self) -> object:
        """Return the component.

        Only the needed HDUs of an uncompressed file are read; a compressed one is unpacked.

        Raises
        ------
        FormatError
            If the HDU is damaged, or the file was replaced or changed since it was opened first; the message names
            file and HDU.
        """
        if _state(self.path) not in (None, self._state):
            raise FormatError(
                f"{self.path}: HDU {self.hdu!r}: the file has changed since the dataset was opened, so its parts would "
                "not belong together; read the dataset again"
            )
        with open_fits(self.path, checksum=self.checksum) as hdulist, named_errors(self.path, self.hdu):
            return self._reader(hdulist, self.hdu)

    def __repr__(self) -> str:
        return f"<HDULocation {self.hdu!r} in {self.path.name!r}>"


def _state(path: Path) -> tuple[int, int] | None:
    """Size and time of the last change of a file; None if it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
