"""Energy dispersion matrices as files: OGIP (RMF) and the Fermi tools."""

import os
from typing import Any

import astropy.units as u
from astropy.io import fits
from astropy.table import Table

from bayesmap._util import check_option, suggest
from bayesmap.errors import FormatError
from bayesmap.io.ogip_tables import read_ebounds, read_matrix
from bayesmap.io.ogip_write import SHERPA_UNITS, rmf_hdulist
from bayesmap.irf import EDispKernel
from bayesmap.irf.fermi import kernel_from_gtdrm
from bayesmap.maps import MapAxis
from bayesmap.maps.files import named_errors, open_fits, write_hdulist

__all__ = ["kernel_from_hdulist", "kernel_to_hdulist", "kernel_to_table", "read_kernel", "write_kernel"]


def kernel_from_hdulist(hdulist: fits.HDUList, hdu1: str = "MATRIX", hdu2: str = "EBOUNDS") -> EDispKernel:
    """Return the kernel of `EDispKernel.from_hdulist`."""
    for name in (hdu1, hdu2):
        if name not in hdulist:
            raise FormatError(f"there is no HDU {name!r} in the file{suggest(name, [hdu.name for hdu in hdulist])}")
    channel, edges = read_ebounds(hdulist[hdu2])
    matrix = read_matrix(hdulist[hdu1], channel)
    axes = [MapAxis.from_energy_edges(matrix.edges, name="energy_true"), MapAxis.from_energy_edges(edges)]
    return EDispKernel(axes, matrix.data)


def read_kernel(
    filename: str | os.PathLike,
    hdu1: str = "MATRIX",
    hdu2: str = "EBOUNDS",
    checksum: bool = False,
    format: str = "gadf",
) -> EDispKernel:
    """Return the kernel of `EDispKernel.read`."""
    check_option("format", format, ("gadf", "gtdrm"))
    with open_fits(filename, checksum=checksum) as hdulist, named_errors(filename, hdu1):
        return kernel_from_gtdrm(hdulist) if format == "gtdrm" else kernel_from_hdulist(hdulist, hdu1, hdu2)


def kernel_to_hdulist(kernel: EDispKernel, format: str = "ogip") -> fits.HDUList:
    """Return the HDUs of `EDispKernel.to_hdulist`."""
    check_option("format", format, ("ogip", "ogip-sherpa"))
    units: dict[str, u.Unit] = SHERPA_UNITS if format == "ogip-sherpa" else {}
    return rmf_hdulist(kernel, units)


def kernel_to_table(kernel: EDispKernel, format: str = "ogip") -> Table:
    """Return the table of `EDispKernel.to_table`."""
    return Table.read(kernel_to_hdulist(kernel, format.replace("ogip-arf", "ogip"))["MATRIX"])


def write_kernel(
    kernel: EDispKernel, filename: str | os.PathLike, format: str = "ogip", checksum: bool = False, **kwargs: Any
) -> None:
    """Write the file of `EDispKernel.write`."""
    write_hdulist(kernel_to_hdulist(kernel, format), filename, checksum=checksum, **kwargs)
