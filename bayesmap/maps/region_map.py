"""Maps on a region of the sky: spectra and the like."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Self, Unpack, cast

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from bayesmap._util import Absent
from bayesmap.maps import resize
from bayesmap.maps.access import Interpolation
from bayesmap.maps.axes import MapAxis
from bayesmap.maps.files import open_fits, write_hdulist
from bayesmap.maps.fits import map_from_hdulist
from bayesmap.maps.map import Map
from bayesmap.maps.nd_map import NDMap
from bayesmap.maps.region import RegionGeom
from bayesmap.maps.region_fits import region_map_to_hdulist
from bayesmap.maps.region_tables import (
    ogip_to_hdulist,
    region_map_from_ogip,
    region_map_from_table,
    region_map_to_table,
)

__all__ = ["RegionNDMap"]


class RegionNDMap(NDMap):
    """A map on a `RegionGeom`: one value per bin of the axes; parameters as for `Map`.

    Data have shape ``(axis..., 1, 1)``; data of the shape of the axes alone are accepted too.
    """

    geom: RegionGeom

    @classmethod
    def create(  # type: ignore[override]  # on a region
        cls,
        region: object,
        axes: Sequence[MapAxis] | None = None,
        dtype: npt.DTypeLike = "float32",
        meta: Mapping[str, object] | None = None,
        unit: object = "",
        wcs: WCS | None = None,
        binsz_wcs: object = "0.1 deg",
        data: object = None,
    ) -> Self:
        """Return a map on a region.

        Parameters
        ----------
        region, axes, wcs, binsz_wcs
            As for `RegionGeom.create`.
        dtype, meta, unit, data
            As for `Map`.
        """
        geom = RegionGeom.create(region, axes=axes, wcs=wcs, binsz_wcs=binsz_wcs)
        return cls(geom, data=data, dtype=dtype, meta=meta, unit=unit)

    # -- files --------------------------------------------------------------------------------------------------------
    @classmethod
    def read(  # type: ignore[override]  # as in Gammapy
        cls,
        filename: str | os.PathLike,
        format: str = "gadf",
        ogip_column: str | None = None,
        hdu: str | None = None,
        checksum: bool = False,
    ) -> Self:
        """Read a map on a region from a FITS file; arguments as for `from_hdulist`.

        Parameters
        ----------
        filename : path
            File.
        format, ogip_column, hdu
            As for `from_hdulist`.
        checksum : bool
            Whether to verify the checksums in the file.
        """
        with open_fits(filename, checksum=checksum) as hdulist:
            return cls.from_hdulist(hdulist, format=format, ogip_column=ogip_column, hdu=hdu)

    @classmethod
    def from_hdulist(  # type: ignore[override]
        cls, hdulist: fits.HDUList, format: str = "gadf", ogip_column: str | None = None, hdu: str | None = None
    ) -> Self:
        """Return the map on a region in an open FITS file.

        Parameters
        ----------
        hdulist : `~astropy.io.fits.HDUList`
            FITS file.
        format : {"gadf", "ogip", "ogip-arf"}
            File layout: of `to_hdulist`, a spectrum of counts, or an effective area.
        ogip_column : str, optional
            Column of the values in the formats of OGIP, by default COUNTS or SPECRESP; of QUALITY, a boolean map of the
            good channels is made.
        hdu : str, optional
            Table of the values.

        Raises
        ------
        FormatError
            If a table or column is missing or damaged.
        """
        if format != "gadf":
            geom, values, meta = region_map_from_ogip(hdulist, format, ogip_column, hdu)
            return cls(geom, data=np.asarray(values), unit=getattr(values, "unit", ""), meta=meta)
        return cast(Self, map_from_hdulist(hdulist, hdu=hdu, map_type="region", format=format))

    def to_hdulist(  # type: ignore[override]
        self,
        format: str = "gadf",
        hdu: str = "SKYMAP",
        hdu_bands: str | None = None,
        hdu_region: str | None = None,
    ) -> fits.HDUList:
        """Return FITS HDUs: a table of the values, one of the bins of the axes, and one of the region.

        Parameters
        ----------
        format : {"gadf", "ogip", "ogip-sherpa", "ogip-arf", "ogip-arf-sherpa"}
            File layout; those of OGIP are a spectrum of counts and an effective area.
        hdu : str
            Name of the first table.
        hdu_bands, hdu_region : str, optional
            Names of the others, by default ``<hdu>_BANDS`` and ``<hdu>_REGION``.
        """
        if format != "gadf":
            return ogip_to_hdulist(self, format)
        return region_map_to_hdulist(self, hdu=hdu, hdu_bands=hdu_bands, format=format, hdu_region=hdu_region)

    def write(  # type: ignore[override]
        self,
        filename: str | os.PathLike,
        overwrite: bool = False,
        format: str = "gadf",
        hdu: str = "SKYMAP",
        checksum: bool = False,
    ) -> None:
        """Write the map to a FITS file, completely or not at all.

        Parameters
        ----------
        filename : path
            File.
        overwrite : bool
            Whether to replace an existing file.
        format, hdu
            As for `to_hdulist`.
        checksum : bool
            Whether to write checksums.
        """
        write_hdulist(self.to_hdulist(format=format, hdu=hdu), filename, overwrite=overwrite, checksum=checksum)

    def to_table(self, format: str = "gadf") -> Table:
        """Return the values as a table, one row per bin of the last axis.

        Parameters
        ----------
        format : {"gadf", "ogip", "ogip-arf", "ogip-arf-sherpa"}
            Layout: CHANNEL and DATA, CHANNEL and COUNTS, or energies and SPECRESP; the last with keV and cm2.

        Raises
        ------
        ValueError
            If a format of OGIP meets more than one axis, or counts that are not whole numbers.
        """
        return region_map_to_table(self, format)

    @classmethod
    def from_table(cls, table: Table, format: str = "", colname: str | None = None) -> Self:
        """Return the map of one column of a table of flux points.

        Parameters
        ----------
        table : `~astropy.table.Table`
            Table with columns of energies.
        format : {"gadf-sed", "profile"}
            Layout.
        colname : str
            Column of the values.
        """
        geom, data, unit = region_map_from_table(table, format, colname)
        return cls(geom, data=data, unit=unit, meta=table.meta)

    def iter_by_axis_data(self, axis_name: str) -> Iterator[tuple[tuple[int | slice, ...], u.Quantity]]:
        """Yield the values along an axis for each combination of the other bins, with their index in the data."""
        dimension = self.geom.axes.index_data(axis_name)
        shape = list(self.data.shape)
        shape[dimension] = 1
        for idx in np.ndindex(*shape):
            index = (*idx[:dimension], slice(None), *idx[dimension + 1 :])
            yield index, self.quantity[index]

    # -- cut and rebin ------------------------------------------------------------------------------------------------
    def cutout(self, *args: object, **kwargs: object) -> Self:
        """Return a copy: a region is not cut."""
        return self.copy()

    def to_region_nd_map(self, *args: object, **kwargs: object) -> Self:
        """Return a copy: the map is on a region already."""
        return self.copy()

    def get_spectrum(self, *args: object, **kwargs: object) -> Self:
        """Return a copy: the map is on a region already."""
        return self.to_region_nd_map()

    def pad(
        self, pad_width: int | tuple[int, int], axis_name: str | None = None, mode: str = "constant", cval: float = 0
    ) -> Self:
        """Return the map with bins added at the ends of an axis; see `WcsNDMap.pad`. A region cannot be padded."""
        return resize.pad(self, pad_width, axis_name, mode, cval)

    def downsample(
        self, factor: int, preserve_counts: bool = True, axis_name: str | None = None, weights: Map | None = None
    ) -> Self:
        """Return the map with bins of an axis joined.

        Parameters
        ----------
        factor : int
            Number of bins that become one; must divide the number of bins.
        preserve_counts : bool
            Whether values are summed; otherwise averaged. NaN values are left out. A boolean map is True where any bin
            is.
        axis_name : str, optional
            Axis, by default the first.
        weights : Map, optional
            Weights of the bins before they are joined.
        """
        return resize.downsample(self, factor, preserve_counts, self._axis_name(axis_name), weights)

    def upsample(self, factor: int, order: int = 0, preserve_counts: bool = True, axis_name: str | None = None) -> Self:
        """Return the map with every bin of an axis split.

        Parameters
        ----------
        factor : int
            Number of parts.
        order : int
            Order of the spline interpolation; 0 repeats values.
        preserve_counts : bool
            Whether values are divided among the parts.
        axis_name : str, optional
            Axis, by default the first.

        Notes
        -----
        Gammapy ignores ``order``, interpolates linearly and so does not preserve counts.
        """
        return resize.upsample(self, factor, order, preserve_counts, self._axis_name(axis_name))

    def _axis_name(self, axis_name: str | None) -> str:
        if axis_name is None and self.geom.is_image:
            raise ValueError(f"{self!r} has no axis to be rebinned")
        return self.geom.axes[0].name if axis_name is None else axis_name

    def interp_to_geom(self, geom: RegionGeom, **kwargs: Unpack[Interpolation]) -> Self:
        """Return the map interpolated at the bin centres of another region geometry with the same axes by name."""
        data = self.interp_by_coord(geom.get_coord(), **kwargs)
        return self.copy(geom=geom, data=np.reshape(data, geom.data_shape))

    crop = Absent("has no effect on a region, which has no pixels: cut an axis with slice_by_idx")
    mask_nearest_position = Absent("needs pixels, a region has one value: use a WcsNDMap")
    plot_grid = Absent("needs images, a region has one value: use plot")
    plot_interactive = Absent("needs widgets of a notebook: use plot")

    # -- plots --------------------------------------------------------------------------------------------------------
    def plot(self, ax: object = None, axis_name: str | None = None, **kwargs: object) -> object:
        """Plot the values along an axis; see `bayesmap.plot.regions.plot_region_map`."""
        from bayesmap.plot.regions import plot_region_map

        return plot_region_map(self, ax=ax, axis_name=axis_name, **kwargs)

    def plot_hist(self, ax: object = None, **kwargs: object) -> object:
        """Plot the values as a histogram; see `bayesmap.plot.regions.plot_hist`."""
        from bayesmap.plot.regions import plot_hist

        return plot_hist(self, ax=ax, **kwargs)

    def plot_region(self, ax: object = None, kwargs_point: Mapping | None = None, **kwargs: object) -> object:
        """Draw the region; see `bayesmap.plot.regions.plot_region`."""
        return self.geom.plot_region(ax, kwargs_point, **kwargs)

    def plot_mask(self, ax: object = None, **kwargs: object) -> object:
        """Shade the energies where a boolean map is True; see `bayesmap.plot.regions.plot_energy_mask`."""
        from bayesmap.plot.regions import plot_energy_mask

        return plot_energy_mask(self, ax=ax, **kwargs)
