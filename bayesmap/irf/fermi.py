"""Responses in the layout of the Fermi tools: gtpsf (profiles at one position) and gtdrm (redistribution matrix).

References
----------
https://fermi.gsfc.nasa.gov/ssc/data/analysis/scitools/help/gtpsf.txt and gtdrm.txt; the reading follows Gammapy's
formats "gtpsf" and "gtdrm".
"""

import numpy as np
from astropy.io import fits
from astropy.table import Table

from bayesmap._util import suggest
from bayesmap.errors import FormatError
from bayesmap.irf.edisp_kernel import EDispKernel
from bayesmap.maps import Map, MapAxis, RegionGeom

__all__ = ["kernel_from_gtdrm", "psf_from_gtpsf", "psf_to_gtpsf"]


def _table(hdulist: fits.HDUList, name: str, columns: tuple[str, ...]) -> Table:
    if name not in hdulist:
        raise FormatError(f"there is no HDU {name!r} in the file{suggest(name, [hdu.name for hdu in hdulist])}")
    table = Table.read(hdulist[name])
    missing = [column for column in columns if column not in table.colnames]
    if missing:
        raise FormatError(f"HDU {name!r} lacks the columns {missing}, it has {table.colnames}")
    return table


def psf_from_gtpsf(hdulist: fits.HDUList) -> tuple[Map, Map]:
    """Return the profiles (sr-1) and the exposure (cm2 s) in a file of gtpsf, as maps on no particular region.

    Raises
    ------
    FormatError
        If a table or column is missing or has another shape.
    """
    table = _table(hdulist, "PSF", ("Energy", "Exposure", "Psf"))
    rad = MapAxis.from_table(_table(hdulist, "THETA", ("Theta",)), format="gtpsf")
    geom = RegionGeom.create(None, axes=[rad, MapAxis.from_table(table, format="gtpsf")])
    values = np.asarray(table["Psf"], dtype="float64")
    if values.shape != geom.axes.shape[::-1]:
        raise FormatError(f"HDU 'PSF' holds {values.shape} values for {geom.axes.shape[::-1]} energies and angles")
    exposure = geom.squash("rad")
    return (
        Map.from_geom(geom, data=values.reshape(geom.data_shape), unit="sr-1"),
        Map.from_geom(exposure, data=np.asarray(table["Exposure"]).reshape(exposure.data_shape), unit="cm2 s"),
    )


def psf_to_gtpsf(psf_map: Map, exposure_map: Map | None) -> fits.HDUList:
    """Return profiles and exposure at one position as a file of gtpsf.

    Raises
    ------
    ValueError
        If there are several positions or no exposure.
    """
    if psf_map.geom.data_shape_image != (1, 1) or exposure_map is None:
        raise ValueError(
            "the format 'gtpsf' holds the PSF and the exposure at one position: use to_region_nd_map first"
        )
    axes = psf_map.geom.axes
    table = axes["energy_true"].to_table(format="gtpsf")
    table["Exposure"] = exposure_map.quantity[..., 0, 0].to("cm2 s")
    table["Psf"] = psf_map.quantity[..., 0, 0].to("sr-1")
    return fits.HDUList([fits.PrimaryHDU(), axes["rad"].to_table_hdu("gtpsf"), fits.BinTableHDU(table, name="PSF")])


def kernel_from_gtdrm(hdulist: fits.HDUList) -> EDispKernel:
    """Return the redistribution matrix in a file of gtdrm.

    Raises
    ------
    FormatError
        If table or columns are missing, or the matrix has another shape.

    Notes
    -----
    Energies are in MeV. Where there are more true than reconstructed ones, half of the difference is left out on either
    side.
    """
    table = _table(hdulist, "DRM", ("ENERG_LO", "ENERG_HI", "MATRIX"))
    for name in ("ENERG_LO", "ENERG_HI"):
        table[name].unit = "MeV"
    true = MapAxis.from_table(table, format="ogip-arf")
    margin = (true.nbin - int(table.meta.get("DETCHANS", true.nbin))) // 2
    energy = (true.slice(slice(margin, true.nbin - margin)) if margin > 0 else true).copy(name="energy")
    rows = [np.asarray(row, dtype="float64") for row in table["MATRIX"]]
    if any(row.shape != (energy.nbin,) for row in rows):
        raise FormatError(f"HDU 'DRM': each row of MATRIX needs {energy.nbin} probabilities")
    return EDispKernel([true, energy], np.stack(rows))
