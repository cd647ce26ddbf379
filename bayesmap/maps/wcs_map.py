"""Maps on a WCS geometry."""

from collections.abc import Callable, Mapping, Sequence
from typing import Self, cast

import numpy as np
import numpy.typing as npt
from astropy.coordinates import SkyCoord
from astropy.io import fits

from bayesmap._util import Absent, check_option
from bayesmap.maps import filters, masks, region_reduce, resize
from bayesmap.maps.axes import MapAxis
from bayesmap.maps.map import Map
from bayesmap.maps.nd_map import NDMap
from bayesmap.maps.wcs import WcsGeom

__all__ = ["WcsNDMap"]


class WcsNDMap(NDMap):
    """A map on a `WcsGeom`; parameters as for `Map`."""

    geom: WcsGeom

    # -- construction, files ------------------------------------------------------------------------------------------
    @classmethod
    def create(  # type: ignore[override]  # on a WCS
        cls,
        map_type: str = "wcs",
        npix: int | tuple[int, int] | None = None,
        binsz: object = 0.1,
        width: object = None,
        proj: str = "CAR",
        frame: str = "icrs",
        refpix: tuple[float, float] | None = None,
        axes: Sequence[MapAxis] | None = None,
        skydir: SkyCoord | tuple[float, float] | None = None,
        dtype: npt.DTypeLike = "float32",
        meta: Mapping[str, object] | None = None,
        unit: object = "",
    ) -> Self:
        """Return an empty map.

        Parameters
        ----------
        map_type : {"wcs"}
            Kind of geometry.
        npix, binsz, width, proj, frame, refpix, axes, skydir
            As for `WcsGeom.create`.
        dtype, meta, unit
            As for `Map`.
        """
        check_option("map_type", map_type, ("wcs",))
        geom = WcsGeom.create(npix, binsz, proj, frame, refpix, axes, skydir, width)
        return cls(geom, dtype=dtype, meta=meta, unit=unit)

    @classmethod
    def from_hdu(cls, hdu: object, hdu_bands: fits.BinTableHDU | None = None, format: str | None = None) -> Self:
        """Return the map in an image HDU, with the table of its axes.

        Parameters
        ----------
        hdu : `~astropy.io.fits.PrimaryHDU` or `~astropy.io.fits.ImageHDU`
            Image.
        hdu_bands : `~astropy.io.fits.BinTableHDU`, optional
            Table of the axes.
        format : str, optional
            As for `Map.from_hdulist`.
        """
        hdus = fits.HDUList([hdu] if hdu_bands is None else [hdu, hdu_bands])
        name = None if hdu_bands is None or hdu_bands.name in ("EBOUNDS", "ENERGIES") else hdu_bands.name
        return cast(Self, cls.from_hdulist(hdus, hdu=0, hdu_bands=name, format=format))

    def to_hdu(self, hdu: str = "SKYMAP", hdu_bands: str | None = None) -> object:
        """Return the image HDU alone, whose header names the table of the axes."""
        hdus = self.to_hdulist(hdu=hdu, hdu_bands=hdu_bands)
        return hdus[0] if hdu.upper() == "PRIMARY" else hdus[hdu]

    # -- cut and rebin ------------------------------------------------------------------------------------------------
    def cutout(
        self, position: SkyCoord, width: object, mode: str = "trim", odd_npix: bool = False, min_npix: int = 1
    ) -> Self:
        """Return the part of the map around a position; see `WcsGeom.cutout`. Under "partial", outside is zero."""
        return resize.cutout(self, position, width, mode, odd_npix=odd_npix, min_npix=min_npix)

    def pad(
        self,
        pad_width: int | tuple[int, int],
        axis_name: str | None = None,
        mode: str = "constant",
        cval: float = 0,
    ) -> Self:
        """Return the map with pixels added around it, or bins at the ends of an axis.

        Parameters
        ----------
        pad_width : int or (int, int)
            Number of pixels on each side: longitude, latitude (for an axis: low end, high end).
        axis_name : str, optional
            Axis to pad instead of the image.
        mode : {"constant", "edge", "reflect", "wrap", "symmetric"}
            What new pixels hold, as in `numpy.pad`. (Gammapy pads images with ``cval`` whatever the mode.)
        cval : float
            Value for "constant".
        """
        return resize.pad(self, pad_width, axis_name, mode, cval)

    def crop(self, crop_width: int | tuple[int, int]) -> Self:
        """Return the map without its outer pixels."""
        return resize.crop(self, crop_width)

    def downsample(
        self, factor: int, preserve_counts: bool = True, axis_name: str | None = None, weights: Map | None = None
    ) -> Self:
        """Return the map with pixels, or bins of an axis, joined.

        Parameters
        ----------
        factor : int
            Number of pixels in each direction (or of bins) that become one; must divide the shape.
        preserve_counts : bool
            Whether values are summed; otherwise averaged. NaN values are left out. A boolean map is True where any
            pixel is.
        axis_name : str, optional
            Axis to downsample instead of the image.
        weights : Map, optional
            Weights of the pixels before they are joined.
        """
        return resize.downsample(self, factor, preserve_counts, axis_name, weights)

    def upsample(self, factor: int, order: int = 0, preserve_counts: bool = True, axis_name: str | None = None) -> Self:
        """Return the map with every pixel, or bin of an axis, split.

        Parameters
        ----------
        factor : int
            Number of parts in each direction.
        order : int
            Order of the spline interpolation; 0 repeats values.
        preserve_counts : bool
            Whether values are divided among the parts, by solid angle (by number for an axis).
        axis_name : str, optional
            Axis to upsample instead of the image.
        """
        return resize.upsample(self, factor, order, preserve_counts, axis_name)

    def interp_to_geom(
        self,
        geom: WcsGeom,
        preserve_counts: bool = False,
        fill_value: float = 0,
        method: str = "linear",
        values_scale: str = "lin",
    ) -> Self:
        """Return the map interpolated at the pixel centres of another geometry.

        Parameters
        ----------
        geom : WcsGeom
            Geometry with the same axes by name.
        preserve_counts : bool
            Whether values per solid angle are interpolated, so that counts are about kept.
        fill_value : float
            For boolean maps (which take the value of the nearest pixel): value outside.
        method, values_scale : str
            As for `interp_by_coord`.
        """
        return resize.interp_to_geom(self, geom, preserve_counts, fill_value, method, values_scale)

    # -- regions ------------------------------------------------------------------------------------------------------
    def to_region_nd_map(
        self,
        region: object = None,
        func: Callable = np.nansum,
        weights: Map | None = None,
        method: str = "nearest",
    ) -> Map:
        """Return the values in a region as a map on that region.

        Parameters
        ----------
        region : `~regions.SkyRegion`, `~astropy.coordinates.SkyCoord`, str, or a list of them, optional
            Region (several count as their union) or position; by default the whole image.
        func : callable
            What becomes of the values of all pixels with centres in the region, for each bin of the axes: for example
            `numpy.nansum`, `numpy.mean`, and `numpy.any` for boolean maps.
        weights : Map, optional
            Factors of the same geometry. Pixels where a boolean one is False are left out; the result is zero where
            none is left.
        method : {"nearest", "linear"}
            Interpolation for positions.

        Returns
        -------
        RegionNDMap
            Map with the same axes, unit and data type.

        Raises
        ------
        ValueError
            If the position is outside of the image, or no pixel has its centre in the region.
        """
        return region_reduce.to_region_nd_map(self, region, func, weights, method)

    def get_spectrum(self, region: object = None, func: Callable = np.nansum, weights: Map | None = None) -> Map:
        """Return the values in a region; the same as `to_region_nd_map`."""
        return self.to_region_nd_map(region, func=func, weights=weights)

    def to_region_nd_map_histogram(
        self, region: object = None, bins_axis: MapAxis | None = None, nbin: int = 100, density: bool = False
    ) -> Map:
        """Return histograms of the values in a region, one per bin of the axes.

        Parameters
        ----------
        region : `~regions.SkyRegion`, optional
            Region, by default the whole image.
        bins_axis : MapAxis, optional
            Bins; by default ``nbin`` equal ones that are symmetric around zero and hold all values.
        nbin : int
            Number of bins.
        density : bool
            Whether histograms are normalised to an integral of one.

        Returns
        -------
        RegionNDMap
            Number of pixels; the axis of the bins comes first.
        """
        return region_reduce.histogram_in_region(self, region, bins_axis, nbin, density)

    def cutout_and_mask_region(self, region: object = None) -> tuple[Self, Map]:
        """Return the part of the map around a region and a boolean image of it that is True in the region.

        Parameters
        ----------
        region : `~regions.SkyRegion`, optional
            Region, by default the whole image.
        """
        return region_reduce.cutout_and_mask_region(self, region)

    def mask_contains_region(self, region: object) -> bool:
        """Return whether a boolean image is True in all pixels with centres in a region."""
        return region_reduce.mask_contains_region(self, region)

    # -- filters and masks --------------------------------------------------------------------------------------------
    def smooth(self, width: object, kernel: str = "gauss", **kwargs: object) -> Self:
        """Return the map smoothed image by image, in double precision.

        Parameters
        ----------
        width : `~astropy.units.Quantity`, str or float
            Gaussian sigma, disk radius or box size; a number counts pixels.
        kernel : {"gauss", "disk", "box"}
            Shape of the kernel.
        **kwargs : dict
            For `scipy.ndimage.gaussian_filter`, `scipy.ndimage.convolve` or `scipy.ndimage.uniform_filter`.
        """
        return filters.smooth(self, width, kernel, **kwargs)

    def convolve(self, kernel: object, method: str = "fft", mode: str = "same") -> Self:
        """Return the map convolved image by image.

        Parameters
        ----------
        kernel : numpy.ndarray, Map or PSFKernel
            Kernel of odd size: one image, or one per image of the map.
        method : {"fft", "direct"}
            How.
        mode : {"same", "full"}
            Whether the result keeps the size or grows by the kernel.
        """
        return filters.convolve(self, kernel, method, mode)

    def binary_erode(self, width: object, kernel: str = "disk") -> Self:
        """Return a mask whose True areas shrink by ``width``; outside the image counts as False."""
        return masks.binary_erode(self, width, kernel)

    def binary_dilate(self, width: object, kernel: str = "disk") -> Self:
        """Return a mask whose True areas grow by ``width``."""
        return masks.binary_dilate(self, width, kernel)

    def mask_nearest_position(self, position: SkyCoord) -> SkyCoord:
        """Return the centre of the True pixel that is nearest to a position."""
        return masks.nearest_position(self, position)

    plot_interactive = Absent("needs widgets of a notebook: use plot_grid, or plot of one image")

    # -- plots --------------------------------------------------------------------------------------------------------
    def plot(
        self,
        ax: object = None,
        fig: object = None,
        add_cbar: bool = False,
        stretch: str = "linear",
        axes_loc: tuple[float, float, float, float] | None = None,
        kwargs_colorbar: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> object:
        """Plot an image; see `bayesmap.plot.maps.plot_map`."""
        from bayesmap.plot.maps import plot_map

        return plot_map(self, ax, fig, add_cbar, stretch, axes_loc, kwargs_colorbar, **kwargs)

    def plot_grid(self, figsize: object = None, ncols: int = 3, **kwargs: object) -> object:
        """Plot every image in a grid; see `bayesmap.plot.maps.plot_grid`."""
        from bayesmap.plot.maps import plot_grid

        return plot_grid(self, figsize=figsize, ncols=ncols, **kwargs)

    def plot_mask(self, ax: object = None, **kwargs: object) -> object:
        """Shade the False pixels of a boolean image; see `bayesmap.plot.maps.plot_mask`."""
        from bayesmap.plot.maps import plot_mask

        return plot_mask(self, ax=ax, **kwargs)
