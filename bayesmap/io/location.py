"""A component of a dataset that is still on disk."""

import os
from collections.abc import Callable
from pathlib import Path

from astropy.io import fits

from bayesmap._util import make_path
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

    def load(self) -> object:
        """Return the component.

        Only the needed HDUs of an uncompressed file are read; a compressed one is unpacked.

        Raises
        ------
        FormatError
            If the HDU is damaged; the message names file and HDU.
        """
        with open_fits(self.path, checksum=self.checksum) as hdulist, named_errors(self.path, self.hdu):
            return self._reader(hdulist, self.hdu)

    def __repr__(self) -> str:
        return f"<HDULocation {self.hdu!r} in {self.path.name!r}>"
