"""The interface that every map geometry has, and what follows from its axes alone."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Self

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.coordinates import Angle, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from bayesmap._util import KnownAttributes
from bayesmap.maps.axes import MapAxis
from bayesmap.maps.coord import MapCoord
from bayesmap.maps.map_axes import MapAxes

__all__ = ["Geom"]


class Geom(KnownAttributes):
    """Shape, coordinates and pixel sizes of a map.

    A subclass says what the spatial part is; non-spatial axes are common to all. Geometries are immutable.
    """

    is_region = False
    is_hpx = False
    is_regular = True
    axes: MapAxes

    # -- what a subclass provides -------------------------------------------------------------------------------------
    @property
    @abstractmethod
    def frame(self) -> str:
        """Name of the celestial frame."""

    @property
    @abstractmethod
    def data_shape_image(self) -> tuple[int, ...]:
        """Shape of one image, ``(lat, lon)``."""

    @property
    @abstractmethod
    def center_skydir(self) -> SkyCoord:
        """Position of the centre."""

    @abstractmethod
    def solid_angle(self) -> u.Quantity:
        """Return the solid angle of every pixel in sr, broadcastable against the data."""

    @abstractmethod
    def get_coord(self, *, frame: str | None = None, sparse: bool = False) -> MapCoord:
        """Return the coordinates of every pixel."""

    @abstractmethod
    def coord_to_pix(self, coords: object) -> tuple[np.ndarray, ...]:
        """Return pixel positions ``(x, y, axis...)`` of coordinates."""

    @abstractmethod
    def pix_to_coord(self, pix: Sequence[object]) -> tuple[object, ...]:
        """Return coordinates ``(lon, lat, axis...)`` of pixel positions."""

    @property
    @abstractmethod
    def wcs(self) -> WCS:
        """Projection of the image."""

    @property
    @abstractmethod
    def npix(self) -> tuple[int, int]:
        """Number of pixels in longitude and latitude."""

    @property
    @abstractmethod
    def pixel_scales(self) -> Angle:
        """Pixel sizes in longitude and latitude at the centre."""

    @property
    @abstractmethod
    def center_pix(self) -> tuple[float, ...]:
        """Pixel position of the centre."""

    @abstractmethod
    def cutout(
        self, position: SkyCoord, width: object, mode: str = "trim", odd_npix: bool = False, min_npix: int = 1
    ) -> Self:
        """Return the part of the geometry around a position."""

    @abstractmethod
    def cutout_slices(self, geom: "Geom", mode: str = "partial") -> dict[str, tuple[slice, slice]]:
        """Return which pixels this geometry and its aligned parent have in common."""

    @abstractmethod
    def pad(self, pad_width: int | tuple[int, int], axis_name: str | None = None) -> Self:
        """Return the geometry with pixels, or bins of an axis, added on both sides."""

    @abstractmethod
    def crop(self, crop_width: int | tuple[int, int]) -> Self:
        """Return the geometry with pixels removed on every side."""

    @abstractmethod
    def downsample(self, factor: int, axis_name: str | None = None) -> Self:
        """Return the geometry with pixels, or bins of an axis, joined."""

    @abstractmethod
    def upsample(self, factor: int, axis_name: str | None = None) -> Self:
        """Return the geometry with every pixel, or bin of an axis, split."""

    @abstractmethod
    def is_aligned(self, other: "Geom", tolerance: float = 1e-6) -> bool:
        """Whether another geometry has the same axes and its pixels lie on the same grid."""

    @abstractmethod
    def is_allclose(self, other: object, rtol_axes: float = 1e-3, atol_axes: float = 1e-6) -> bool:
        """Whether another geometry has the same image and close axes."""

    def copy(self, **kwargs: object) -> Self:
        """Return a copy with ``axes``, ``wcs``, and ``npix`` of an image or ``region`` of a region, replaced."""
        return self._init_copy(**kwargs)

    @abstractmethod
    def _init_copy(self, **kwargs: object) -> Self:
        """Return a copy with some properties replaced."""

    # -- shape --------------------------------------------------------------------------------------------------------
    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of the data array: last axis first, then latitude, then longitude."""
        return self.axes.shape[::-1] + self.data_shape_image

    @property
    def data_shape_axes(self) -> tuple[int, ...]:
        """Shape of the data array with length-one spatial dimensions."""
        return self.axes.shape[::-1] + (1,) * len(self.data_shape_image)

    @property
    def shape_axes(self) -> tuple[int, ...]:
        """Number of bins of the axes, last axis first."""
        return self.axes.shape[::-1]

    def _facts(self) -> dict[str, object]:
        """What is printed, by its label."""
        return {"axes": self.axes_names, "shape": self.data_shape[::-1], "ndim": self.ndim, "frame": self.frame}

    def __str__(self) -> str:
        rows = "".join(f"\t{key:<10} : {value}\n" for key, value in self._facts().items())
        return f"{type(self).__name__}\n\n{rows}"

    @property
    def axes_names(self) -> list[str]:
        """All axis names, "lon" and "lat" first."""
        return ["lon", "lat", *self.axes.names]

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.data_shape)

    @property
    def is_image(self) -> bool:
        """Whether there are no non-spatial axes."""
        return len(self.axes) == 0

    @property
    def is_flat(self) -> bool:
        """Whether every non-spatial axis has one bin."""
        return self.axes.is_flat

    @property
    def has_energy_axis(self) -> bool:
        """Whether exactly one of "energy" and "energy_true" is an axis."""
        return ("energy" in self.axes.names) ^ ("energy_true" in self.axes.names)

    def data_nbytes(self, dtype: npt.DTypeLike = "float32") -> u.Quantity:
        """Return the memory that data of this geometry take, in MB."""
        return (np.prod(self.data_shape) * np.dtype(dtype).itemsize * u.byte).to("MB")

    # -- coordinates --------------------------------------------------------------------------------------------------
    def bin_volume(self) -> u.Quantity:
        """Return solid angle times bin widths of every pixel, broadcastable against the data."""
        return self.solid_angle() * self.axes.bin_volume()

    def pix_to_idx(self, pix: Sequence[object], clip: bool = False) -> tuple[np.ndarray, ...]:
        """Return the indices of the pixels that hold pixel positions; -1 outside (or clipped to the nearest).

        One array per axis, of the common shape of the positions.
        """
        sizes = (*self.data_shape_image[::-1], *self.axes.shape)
        return tuple(_nearest_index(p, size, clip) for p, size in zip(pix, sizes, strict=True))

    def coord_to_idx(self, coords: object, clip: bool = False) -> tuple[np.ndarray, ...]:
        """Return the indices ``(x, y, axis...)`` of the pixels that hold coordinates; -1 outside (or clipped)."""
        return self.pix_to_idx(self.coord_to_pix(coords), clip=clip)

    def contains(self, coords: object) -> np.ndarray:
        """Return whether coordinates lie inside the geometry, booleans of their common shape."""
        return self.contains_pix(self.coord_to_pix(coords))

    def contains_pix(self, pix: Sequence[object]) -> np.ndarray:
        """Return whether pixel positions lie inside the geometry, booleans of their common shape."""
        index = np.broadcast_arrays(*self.pix_to_idx(pix))
        return np.all([i != -1 for i in index], axis=0)

    def separation(self, center: SkyCoord) -> Angle:
        """Return the angular distance of every pixel centre from a position, shape ``(lat, lon)``."""
        return center.separation(self.to_image().get_coord().skycoord)

    # -- new geometries with other axes -------------------------------------------------------------------------------
    def to_image(self) -> Self:
        """Return the geometry without non-spatial axes."""
        return self._init_copy(axes=[])

    def to_cube(self, axes: Sequence[MapAxis]) -> Self:
        """Return the geometry with further axes appended."""
        return self._init_copy(axes=[*self.axes, *axes])

    def squash(self, axis_name: str) -> Self:
        """Return the geometry with one axis reduced to a single bin."""
        return self._init_copy(axes=self.axes.squash(axis_name))

    def drop(self, axis_name: str) -> Self:
        """Return the geometry without one axis."""
        return self._init_copy(axes=self.axes.drop(axis_name))

    def replace_axis(self, axis: MapAxis) -> Self:
        """Return the geometry with the axis of the same name replaced."""
        return self._init_copy(axes=self.axes.replace(axis))

    def resample_axis(self, axis: MapAxis) -> Self:
        """Return the geometry with the axis of the same name grouped to the edges of ``axis``."""
        return self._init_copy(axes=self.axes.resample(axis))

    def rename_axes(self, names: str | Sequence[str], new_names: str | Sequence[str]) -> Self:
        """Return the geometry with axes renamed."""
        return self._init_copy(axes=self.axes.rename_axes(names, new_names))

    def reorder_axes(self, names: Sequence[str]) -> Self:
        """Return the geometry with its axes in another order.

        Raises
        ------
        ValueError
            If the names are not those of the axes.
        """
        if sorted(names) != sorted(self.axes.names):
            raise ValueError(f"reorder_axes needs the names {self.axes.names} in some order, got {list(names)}")
        return self._init_copy(axes=self.axes[list(names)])

    def slice_by_idx(self, slices: Mapping[str, slice | int]) -> Self:
        """Return the geometry with axes cut by slices; an axis given an integer is dropped."""
        return self._init_copy(axes=self.axes.slice_by_idx(slices))

    @property
    def as_energy_true(self) -> Self:
        """The geometry with the axis "energy" renamed to "energy_true"."""
        return self.rename_axes("energy", "energy_true") if "energy" in self.axes.names else self

    def create_mask(
        self, axis_name: str, edge_min: object = None, edge_max: object = None, round_to_edge: bool = False
    ) -> object:
        """Return a boolean map of the bins of an axis that lie fully inside a range.

        Parameters
        ----------
        axis_name : str
            Axis.
        edge_min, edge_max : `~astropy.units.Quantity`, float or str, optional
            Bounds; numbers are in the unit of the axis. Without one, the range is open on that side.
        round_to_edge : bool
            Whether bounds move to the nearest bin edges first.
        """
        from bayesmap.maps.masks import axis_mask

        return axis_mask(self, self.axes[axis_name], edge_min, edge_max, round_to_edge)

    def to_bands_hdu(self, hdu_bands: str | None = None, format: str = "gadf") -> fits.BinTableHDU:
        """Return the bins of the axes as a FITS table; see `MapAxes.to_table_hdu`."""
        return self.axes.to_table_hdu(format=format, hdu_bands=hdu_bands)

    def energy_mask(self, energy_min: object = None, energy_max: object = None, round_to_edge: bool = False) -> object:
        """Return a boolean map of the energy bins inside a range.

        Parameters
        ----------
        energy_min, energy_max : `~astropy.units.Quantity`, optional
            Bounds; without one, the range is open on that side.
        round_to_edge : bool
            Whether bounds move to the nearest bin edges first. Otherwise only bins fully inside are kept.

        Returns
        -------
        Map
            True inside.
        """
        from bayesmap.maps.masks import energy_mask

        return energy_mask(self, energy_min, energy_max, round_to_edge)


def _nearest_index(pix: object, size: int, clip: bool) -> np.ndarray:
    """Index of the pixel whose half-open range holds ``pix``; a point on an edge belongs to the upper pixel."""
    pix = np.asarray(pix, dtype="float64")
    finite = np.isfinite(pix)
    index = np.floor(np.where(finite, pix, -1.0) + 0.5)
    if clip:
        return np.clip(index, 0, size - 1).astype(int)
    return np.where((index < 0) | (index >= size) | ~finite, -1, index).astype(int)
