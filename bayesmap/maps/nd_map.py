"""What maps with a data array have in common: values at coordinates, images, sums over axes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, Self, Unpack

import astropy.units as u
import numpy as np
import numpy.typing as npt

from bayesmap.maps import access, reduce, reproject
from bayesmap.maps.axes import MapAxis
from bayesmap.maps.coord import MapCoord
from bayesmap.maps.geom import Geom
from bayesmap.maps.map import Map

__all__ = ["NDMap"]


class HasCoordinates(Protocol):
    """A list of events."""

    def map_coord(self, geom: Geom) -> MapCoord:
        """Return the coordinates of the events in a geometry."""


class NDMap(Map):
    """A map whose values are an array over pixels and axes; parameters as for `Map`."""

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

    def fill_by_coord(self, coords: object, weights: npt.ArrayLike | None = None) -> None:
        """Add one (or a weight) per point to the pixels that hold the points; points outside are left out."""
        self.fill_by_idx(self.geom.coord_to_idx(coords), weights)

    def fill_by_pix(self, pix: Sequence[object], weights: npt.ArrayLike | None = None) -> None:
        """Add one (or a weight) per pixel position; positions outside are left out."""
        self.fill_by_idx(self.geom.pix_to_idx(pix), weights)

    def fill_by_idx(self, idx: Sequence[object], weights: npt.ArrayLike | None = None) -> None:
        """Add one (or a weight) per index ``(x, y, axis...)``; indices of -1 are left out."""
        access.fill_at(self.data, idx, weights)

    def fill_events(self, events: "HasCoordinates", weights: npt.ArrayLike | None = None) -> None:
        """Add one per event of an event list with ``map_coord(geom)``."""
        self.fill_by_coord(events.map_coord(self.geom), weights)

    def set_by_coord(self, coords: object, vals: npt.ArrayLike) -> None:
        """Set the pixels that hold coordinates; points outside are left out."""
        self.set_by_idx(self.geom.coord_to_idx(coords), vals)

    def set_by_pix(self, pix: Sequence[object], vals: npt.ArrayLike) -> None:
        """Set the pixels that hold pixel positions; positions outside are left out."""
        self.set_by_idx(self.geom.pix_to_idx(pix), vals)

    def set_by_idx(self, idx: Sequence[object], vals: npt.ArrayLike) -> None:
        """Set the pixels with indices ``(x, y, axis...)``; indices of -1 are left out."""
        access.set_at(self.data, idx, vals)

    def coadd(self, map_in: Map, weights: Map | None = None) -> None:
        """Add the values of another map in place, each to the pixel that holds its pixel's centre.

        Parameters
        ----------
        map_in : Map
            Map with the same axes by name on any geometry; what lies outside of this map is left out.
        weights : Map, optional
            Factors of the values of ``map_in``, on its geometry.

        Raises
        ------
        astropy.units.UnitConversionError
            If the units do not convert.
        """
        reproject.coadd(self, map_in, weights)

    def sample_coord(self, n_events: int, random_state: object = 0) -> MapCoord:
        """Return random coordinates: pixels with probabilities by their values, and a uniform place in the pixel.

        Parameters
        ----------
        n_events : int
            Number of points.
        random_state : int, numpy.random.Generator or str
            See `bayesmap._util.get_random_state`; other draws than Gammapy's for the same number.
        """
        return reproject.sample_coord(self, n_events, random_state)

    # -- other geometries ---------------------------------------------------------------------------------------------
    def resample(
        self, geom: Geom, weights: Map | None = None, preserve_counts: bool = True, smooth: bool = False
    ) -> Map:
        """Return the map with each value moved to the pixel of another geometry that holds its pixel's centre.

        Parameters
        ----------
        geom : Geom
            Geometry with the same axes by name; what lies outside is left out.
        weights : Map or array_like, optional
            Factors of the values.
        preserve_counts : bool
            Whether values in one pixel are summed; otherwise averaged.
        smooth : bool
            With ``preserve_counts``: average, then scale so that the sum over the whole map is kept. That avoids
            patterns where few pixels fall into one.
        """
        return reproject.resample(self, geom, weights, preserve_counts, smooth)

    def reproject_to_geom(self, geom: Geom, preserve_counts: bool = False, precision_factor: int = 10) -> Map:
        """Return the map on another geometry, from samples finer than both.

        Parameters
        ----------
        geom : Geom
            Geometry: an image, which gets the axes of this map, or one with axes of the same names.
        preserve_counts : bool
            Whether the sum over all pixels that lie in ``geom`` is kept; otherwise values are averaged.
        precision_factor : int
            Smallest number of samples per pixel of ``geom`` and direction.

        Notes
        -----
        As in Gammapy a new pixel is the mean of the samples in it, so that with ``preserve_counts`` pixels across the
        border of this map are too high by the part outside, and the rest, by the common scale, too low.
        """
        return reproject.reproject_to_geom(self, geom, preserve_counts, precision_factor)

    def reproject_by_image(self, geom: Geom, preserve_counts: bool = False, precision_factor: int = 10) -> Map:
        """Return the map with each image reprojected to an image geometry; see `reproject_to_geom`."""
        return reproject.reproject_by_image(self, geom, preserve_counts, precision_factor)

    # -- images -------------------------------------------------------------------------------------------------------
    def get_image_by_coord(self, coords: Mapping[str, object] | Iterable[object]) -> Self:
        """Return the image of the bins that hold axis coordinates, given by name or in order."""
        axes = self.geom.axes
        values = [coords[name] for name in axes.names] if isinstance(coords, Mapping) else list(coords)
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

    def get_image_by_idx(self, idx: npt.ArrayLike) -> Self:
        """Return the image with the axis indices ``idx``, first axis first."""
        index = [int(np.squeeze(i)) for i in np.atleast_1d(idx)]
        return self.slice_by_idx(dict(zip(self.geom.axes.names, index, strict=True)))

    def iter_by_image_index(self) -> Iterator[tuple[int, ...]]:
        """Yield the index of every image, ``(last axis, ..., first axis)``."""
        yield from np.ndindex(self.geom.axes.shape[::-1])

    def split_by_axis(self, axis_name: str) -> list[Map]:
        """Return one map per bin of an axis, without that axis."""
        return list(self.iter_by_axis(axis_name))

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

    def reduce(
        self, axis_name: str, func: np.ufunc = np.add, keepdims: bool = False, weights: Map | None = None
    ) -> Self:
        """Return a reduction over one axis with a ufunc; see `reduce_over_axes`."""
        return reduce.reduce_over_axes(self, func, keepdims, [axis_name], weights)

    def dot(self, other: Map) -> Map:
        """Return the sum over the axis that this map and a map on a region have in common; also ``m @ other``.

        Parameters
        ----------
        other : RegionNDMap
            A matrix: its other axes take the place of the common one. The units are multiplied.

        Raises
        ------
        TypeError
            If the other map is not on a region.
        ValueError
            If there is not exactly one common axis, with equal bins.
        """
        return reproject.dot(self, other)

    def __matmul__(self, other: Map) -> Map:
        return self.dot(other)

    def resample_axis(self, axis: MapAxis, weights: Map | None = None, ufunc: np.ufunc = np.add) -> Self:
        """Return the map with the bins of an axis grouped between the edges of ``axis``.

        Edges move to the nearest edges of the map's axis; bins outside are left out.
        """
        return reduce.resample_axis(self, axis, weights, ufunc)

    def cumsum(self, axis_name: str) -> Self:
        """Return the cumulative integral along an axis, at its edges (an axis of nodes), starting from zero."""
        return reduce.cumsum(self, axis_name)

    def integral(self, axis_name: str, coords: object, **kwargs: Unpack[access.Interpolation]) -> u.Quantity:
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
