"""Maps on a region of the sky: spectra and the like."""

import os
from collections.abc import Sequence
from typing import Self

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from bayesmap.maps import resize
from bayesmap.maps.axes import MapAxis
from bayesmap.maps.map import Map
from bayesmap.maps.nd_map import NDMap
from bayesmap.maps.region import RegionGeom

__all__ = ["RegionNDMap"]


class RegionNDMap(NDMap):
    """A map on a `RegionGeom`: one value per bin of the axes; parameters as for `Map`.

    Data have shape ``(axis..., 1, 1)``; data of the shape of the axes alone are accepted too.
    """

    geom: RegionGeom

    @classmethod
    def create(
        cls,
        region: object,
        axes: Sequence[MapAxis] | None = None,
        dtype: object = "float32",
        meta: object = None,
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
    def read(
        cls, filename: str | os.PathLike, format: str = "gadf", hdu: str | None = None, checksum: bool = False
    ) -> Self:
        """Read a map on a region from a FITS file; see `Map.read`."""
        from bayesmap.maps.fits import read_map

        return read_map(filename, hdu=hdu, map_type="region", format=format, checksum=checksum)

    @classmethod
    def from_hdulist(cls, hdulist: fits.HDUList, format: str = "gadf", hdu: str | None = None) -> Self:
        """Return the map on a region in an open FITS file; see `Map.from_hdulist`."""
        from bayesmap.maps.fits import map_from_hdulist

        return map_from_hdulist(hdulist, hdu=hdu, map_type="region", format=format)

    def to_hdulist(
        self,
        hdu: str | None = None,
        hdu_bands: str | None = None,
        format: str = "gadf",
        hdu_region: str | None = None,
    ) -> fits.HDUList:
        """Return FITS HDUs: a table of the values, one of the bins of the axes, and one of the region.

        Parameters
        ----------
        hdu : str, optional
            Name of the first table, by default "SKYMAP".
        hdu_bands, hdu_region : str, optional
            Names of the others, by default ``<hdu>_BANDS`` and ``<hdu>_REGION``.
        format : {"gadf"}
            File layout.
        """
        from bayesmap.maps.region_fits import region_map_to_hdulist

        return region_map_to_hdulist(self, hdu=hdu, hdu_bands=hdu_bands, format=format, hdu_region=hdu_region)

    # -- cut and rebin ------------------------------------------------------------------------------------------------
    def cutout(self, *args: object, **kwargs: object) -> Self:
        """Return a copy: a region is not cut."""
        return self.copy()

    def to_region_nd_map(self, *args: object, **kwargs: object) -> Self:
        """Return a copy: the map is on a region already."""
        return self.copy()

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

    def interp_to_geom(self, geom: RegionGeom, **kwargs: object) -> Self:
        """Return the map interpolated at the bin centres of another region geometry with the same axes by name."""
        data = self.interp_by_coord(geom.get_coord(), **kwargs)
        return self.copy(geom=geom, data=np.reshape(data, geom.data_shape))

    # -- plots --------------------------------------------------------------------------------------------------------
    def plot(self, ax: object = None, axis_name: str | None = None, **kwargs: object) -> object:
        """Plot the values along an axis; see `bayesmap.plot.regions.plot_region_map`."""
        from bayesmap.plot.regions import plot_region_map

        return plot_region_map(self, ax=ax, axis_name=axis_name, **kwargs)

    def plot_hist(self, ax: object = None, **kwargs: object) -> object:
        """Plot the values as a histogram; see `bayesmap.plot.regions.plot_hist`."""
        from bayesmap.plot.regions import plot_hist

        return plot_hist(self, ax=ax, **kwargs)

    def plot_region(self, ax: object = None, **kwargs: object) -> object:
        """Draw the region; see `bayesmap.plot.regions.plot_region`."""
        return self.geom.plot_region(ax, **kwargs)

    def plot_mask(self, ax: object = None, **kwargs: object) -> object:
        """Shade the energies where a boolean map is True; see `bayesmap.plot.regions.plot_energy_mask`."""
        from bayesmap.plot.regions import plot_energy_mask

        return plot_energy_mask(self, ax=ax, **kwargs)
