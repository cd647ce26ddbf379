"""Maps on a WCS geometry."""

from collections.abc import Sequence
from typing import Self

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from bayesmap._util import check_option
from bayesmap.maps import access, filters, masks, reduce, resize
from bayesmap.maps.axes import MapAxis
from bayesmap.maps.coord import MapCoord
from bayesmap.maps.geom import Geom
from bayesmap.maps.map import Map
from bayesmap.maps.wcs import WcsGeom

__all__ = ["WcsNDMap", "create_map", "map_class"]

MAP_ARGUMENTS = ("dtype", "meta", "unit", "data")


def map_class(geom: Geom) -> type[Map]:
    """Return the map class that belongs to a geometry."""
    if isinstance(geom, WcsGeom):
        return WcsNDMap
    raise TypeError(f"there is no map on {geom!r}")


def create_map(map_type: str = "wcs", **kwargs: object) -> Map:
    """Return the map of `Map.create`."""
    check_option("map_type", map_type, ("wcs",))
    settings = {key: kwargs.pop(key) for key in MAP_ARGUMENTS if key in kwargs}
    return WcsNDMap(WcsGeom.create(**kwargs), **settings)


class WcsNDMap(Map):
    """A map on a `WcsGeom`; parameters as for `Map`."""

    geom: WcsGeom

    # -- values at positions ------------------------------------------------------------------------------------------
    def get_by_coord(self, coords: object, fill_value: float = np.nan) -> np.ndarray:
        """Return the values of the pixels that hold coordinates (see `MapCoord.create`), in the map's unit.

        Outside the geometry the result is ``fill_value``.
        """
        values = self.get_by_idx(self.geom.coord_to_idx(coords))
        return values if np.isnan(fill_value) else np.where(self.geom.contains(coords), values, fill_value)

    def get_by_pix(self, pix: Sequence[object], fill_value: float = np.nan) -> np.ndarray:
        """Return the values of the pixels that hold pixel positions ``(x, y, axis...)``."""
        values = self.get_by_idx(self.geom.pix_to_idx(pix))
        return values if np.isnan(fill_value) else np.where(self.geom.contains_pix(pix), values, fill_value)

    def get_by_idx(self, idx: Sequence[object]) -> np.ndarray:
        """Return the values at indices ``(x, y, axis...)``; NaN for an index of -1."""
        return access.values_at(self.data, idx)

    def interp_by_coord(
        self, coords: object, method: str = "linear", fill_value: float | None = None, values_scale: str = "lin"
    ) -> np.ndarray:
        """Return values interpolated at coordinates, in the map's unit.

        Parameters
        ----------
        coords : MapCoord, Mapping, tuple or `~astropy.coordinates.SkyCoord`
            Coordinates, see `MapCoord.create`. Axes with one bin are constant.
        method : {"linear", "nearest"}
            Interpolation, done in pixel positions.
        fill_value : float, optional
            Value outside the outermost pixel centres; None extrapolates.
        values_scale : {"lin", "log", "sqrt"}
            Scale in which values are linear.

        Returns
        -------
        numpy.ndarray
            Interpolated values. NaN and infinite map values count as zero.
        """
        return self.interp_by_pix(self.geom.coord_to_pix(coords), method, fill_value, values_scale)

    def interp_by_pix(
        self, pix: Sequence[object], method: str = "linear", fill_value: float | None = None, values_scale: str = "lin"
    ) -> np.ndarray:
        """Return values interpolated at pixel positions ``(x, y, axis...)``; see `interp_by_coord`."""
        return access.interpolate(self.data, pix, method, fill_value, values_scale)

    def fill_by_coord(self, coords: object, weights: object = None) -> None:
        """Add one (or a weight) per point to the pixels that hold the points; points outside are left out."""
        self.fill_by_idx(self.geom.coord_to_idx(coords), weights)

    def fill_by_pix(self, pix: Sequence[object], weights: object = None) -> None:
        """Add one (or a weight) per pixel position; positions outside are left out."""
        self.fill_by_idx(self.geom.pix_to_idx(pix), weights)

    def fill_by_idx(self, idx: Sequence[object], weights: object = None) -> None:
        """Add one (or a weight) per index ``(x, y, axis...)``; indices of -1 are left out."""
        access.fill_at(self.data, idx, weights)

    def fill_events(self, events: object, weights: object = None) -> None:
        """Add one per event of an event list with ``map_coord(geom)``."""
        self.fill_by_coord(events.map_coord(self.geom), weights)

    def set_by_coord(self, coords: object, vals: object) -> None:
        """Set the pixels that hold coordinates; points outside are left out."""
        self.set_by_idx(self.geom.coord_to_idx(coords), vals)

    def set_by_pix(self, pix: Sequence[object], vals: object) -> None:
        """Set the pixels that hold pixel positions; positions outside are left out."""
        self.set_by_idx(self.geom.pix_to_idx(pix), vals)

    def set_by_idx(self, idx: Sequence[object], vals: object) -> None:
        """Set the pixels with indices ``(x, y, axis...)``; indices of -1 are left out."""
        access.set_at(self.data, idx, vals)

    # -- images -------------------------------------------------------------------------------------------------------
    def get_image_by_coord(self, coords: object) -> Self:
        """Return the image of the bins that hold axis coordinates, given by name or in order."""
        axes = self.geom.axes
        values = [coords[name] for name in axes.names] if isinstance(coords, dict) else list(coords)
        center = self.geom.center_skydir
        point = MapCoord.create((center, *values), frame=self.geom.frame, axis_names=axes.names)
        return self.get_image_by_pix(self.geom.coord_to_pix(point)[2:])

    def get_image_by_pix(self, pix: Sequence[object]) -> Self:
        """Return the image of the bins that hold axis pixel positions."""
        center = self.geom.center_pix[:2]
        idx = self.geom.pix_to_idx((*center, *pix))[2:]
        if any(np.any(i < 0) for i in idx):
            raise ValueError(f"axis positions {list(pix)} are outside of the axes {self.geom.axes!r}")
        return self.get_image_by_idx(idx)

    def get_image_by_idx(self, idx: Sequence[int]) -> Self:
        """Return the image with the axis indices ``idx``, first axis first."""
        index = [int(np.squeeze(i)) for i in np.atleast_1d(idx)]
        return self.slice_by_idx(dict(zip(self.geom.axes.names, index, strict=True)))

    def to_cube(self, axes: Sequence[MapAxis]) -> Self:
        """Return the map with length-one axes appended."""
        if any(axis.nbin > 1 for axis in axes):
            raise ValueError(f"to_cube needs axes with one bin, got {[axis.nbin for axis in axes]}")
        geom = self.geom.to_cube(axes)
        return self.copy(geom=geom, data=self.data.reshape(geom.data_shape).copy())

    def rename_axes(self, names: str | Sequence[str], new_names: str | Sequence[str]) -> Self:
        """Return the map with axes renamed."""
        return self.copy(geom=self.geom.rename_axes(names, new_names))

    def reorder_axes(self, axes_names: Sequence[str]) -> Self:
        """Return the map with its axes in another order."""
        old = self.geom.axes.names[::-1]
        order = [old.index(name) for name in list(axes_names)[::-1]] + [self.data.ndim - 2, self.data.ndim - 1]
        return self.copy(geom=self.geom.reorder_axes(axes_names), data=self.data.transpose(order).copy())

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
        self, geom: WcsGeom, preserve_counts: bool = False, fill_value: float = 0, **kwargs: object
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
        **kwargs : dict
            For `interp_by_coord`.
        """
        return resize.interp_to_geom(self, geom, preserve_counts, fill_value, **kwargs)

    # -- over axes ----------------------------------------------------------------------------------------------------
    def sum_over_axes(
        self, axes_names: Sequence[str] | None = None, keepdims: bool = True, weights: Map | None = None
    ) -> Self:
        """Return the sum over axes (all by default), keeping them with one bin if ``keepdims``."""
        return reduce.sum_over_axes(self, axes_names, keepdims, weights)

    def reduce_over_axes(
        self,
        func: np.ufunc = np.add,
        keepdims: bool = False,
        axes_names: Sequence[str] | None = None,
        weights: Map | None = None,
    ) -> Self:
        """Return a reduction over axes with a ufunc, for example `numpy.logical_or`."""
        return reduce.reduce_over_axes(self, func, keepdims, axes_names, weights)

    def resample_axis(self, axis: MapAxis, weights: Map | None = None, ufunc: np.ufunc = np.add) -> Self:
        """Return the map with the bins of an axis grouped between the edges of ``axis``.

        Edges move to the nearest edges of the map's axis; bins outside are left out.
        """
        return reduce.resample_axis(self, axis, weights, ufunc)

    def cumsum(self, axis_name: str) -> Self:
        """Return the cumulative integral along an axis, at its edges (an axis of nodes), starting from zero."""
        return reduce.cumsum(self, axis_name)

    def integral(self, axis_name: str, coords: object, **kwargs: object) -> u.Quantity:
        """Return the integral along an axis up to coordinates, linear between bin edges in the axis' scale."""
        return reduce.integral(self, axis_name, coords, **kwargs)

    def normalize(self, axis_name: str | None = None) -> None:
        """Divide in place by the integral over an axis, or by the total."""
        result = reduce.normalized(self, axis_name)
        self._data, self._unit = result.data, result.unit

    def stack(self, other: Map, weights: Map | None = None, nan_to_num: bool = True) -> None:
        """Add another map to this one in place.

        Parameters
        ----------
        other : Map
            Map of the same geometry or of an aligned one that overlaps.
        weights : Map, optional
            Weights of the other map, on its geometry.
        nan_to_num : bool
            Whether NaN and infinite values of the other map count as zero.
        """
        reduce.stack_into(self, other, weights, nan_to_num)

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

    # -- plots --------------------------------------------------------------------------------------------------------
    def plot(self, ax: object = None, **kwargs: object) -> object:
        """Plot an image; see `bayesmap.plot.maps.plot_map`."""
        from bayesmap.plot.maps import plot_map

        return plot_map(self, ax=ax, **kwargs)

    def plot_grid(self, figsize: object = None, ncols: int = 3, **kwargs: object) -> object:
        """Plot every image in a grid; see `bayesmap.plot.maps.plot_grid`."""
        from bayesmap.plot.maps import plot_grid

        return plot_grid(self, figsize=figsize, ncols=ncols, **kwargs)

    def plot_mask(self, ax: object = None, **kwargs: object) -> object:
        """Shade the False pixels of a boolean image; see `bayesmap.plot.maps.plot_mask`."""
        from bayesmap.plot.maps import plot_mask

        return plot_mask(self, ax=ax, **kwargs)
