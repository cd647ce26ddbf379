"""Maps: a geometry, data and a unit."""

import copy as copy_module
import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.coordinates import SkyCoord
from astropy.io import fits

from bayesmap._html import html_table
from bayesmap._util import KnownAttributes
from bayesmap.errors import GeometryMismatchError
from bayesmap.maps.arithmetic import Arithmetic
from bayesmap.maps.axes import MapAxis
from bayesmap.maps.files import write_hdulist
from bayesmap.maps.geom import Geom

__all__ = ["Map"]


class Map(KnownAttributes, Arithmetic):
    """Values on the pixels of a geometry.

    Parameters
    ----------
    geom : Geom
        Geometry.
    data : array_like or scalar, optional
        Values of shape ``geom.data_shape``, in numpy order ``(axis..., lat, lon)``; zeros by default. The data type is
        kept, in native byte order.
    dtype : str or numpy.dtype
        Data type of the zeros.
    meta : Mapping, optional
        Any information that can be written as JSON.
    unit : str or `~astropy.units.Unit`
        Unit of the values.

    Raises
    ------
    ValueError
        If the data do not fit the geometry.
    """

    #: what Gammapy calls this kind of object
    tag = "map"

    def __init__(
        self,
        geom: Geom,
        data: object = None,
        dtype: npt.DTypeLike = "float32",
        meta: Mapping[str, object] | None = None,
        unit: object = "",
    ) -> None:
        if not isinstance(geom, Geom):
            raise TypeError(f"a map needs a geometry, got {geom!r}")
        self._geom = geom
        self._unit = u.Unit(unit)
        self.meta: dict[str, Any] = dict(meta) if meta is not None else {}
        self.data = np.zeros(geom.data_shape, dtype=dtype) if data is None else data

    # -- construction -------------------------------------------------------------------------------------------------
    @staticmethod
    def create(map_type: str = "wcs", **kwargs: Any) -> "Map":
        """Return an empty map.

        Parameters
        ----------
        map_type : {"wcs", "region"}
            Kind of geometry.
        **kwargs : dict
            ``dtype``, ``meta``, ``unit`` and ``data`` of the map; everything else goes to `WcsGeom.create` (with a
            ``binsz`` of 0.1 deg by default) or `RegionGeom.create`.
        """
        from bayesmap.maps.kinds import create_map

        return create_map(map_type, **kwargs)

    @staticmethod
    def from_geom(
        geom: Geom,
        meta: Mapping[str, object] | None = None,
        data: object = None,
        unit: object = "",
        dtype: npt.DTypeLike = "float32",
    ) -> "Map":
        """Return a map on a geometry, of the class that belongs to it."""
        from bayesmap.maps.kinds import map_class

        return map_class(geom)(geom, data=data, meta=meta, unit=unit, dtype=dtype)

    @staticmethod
    def from_stack(maps: Sequence["Map"], axis: MapAxis | None = None, axis_name: str | None = None) -> "Map":
        """Return maps joined along a new or an existing axis.

        Parameters
        ----------
        maps : sequence of Map
            Maps of the same geometry up to that axis.
        axis : MapAxis, optional
            New axis with one bin per map.
        axis_name : str, optional
            Name of an existing axis, along which the maps follow each other.
        """
        from bayesmap.maps.reduce import stack_maps

        return stack_maps(maps, axis, axis_name)

    @staticmethod
    def from_hdulist(
        hdulist: fits.HDUList,
        hdu: str | int | None = None,
        hdu_bands: str | None = None,
        map_type: str = "auto",
        format: str | None = None,
    ) -> "Map":
        """Return the map in an open FITS file.

        Parameters
        ----------
        hdulist : `~astropy.io.fits.HDUList`
            FITS file.
        hdu : str or int, optional
            HDU of the values; by default the first image, or else the first table with a column DATA.
        hdu_bands : str, optional
            Table of the axes; by default the one named in the image header, or ``<hdu>_BANDS``.
        map_type : {"auto", "wcs", "region"}
            Kind of geometry; "auto" goes by what is in the file.
        format : {"gadf", "fgst-ccube", "fgst-template", "fgst-bexpcube"}, optional
            File layout; by default by what is in the file. The others are of the Fermi tools, with a table EBOUNDS of
            the bins or ENERGIES of the true energies.

        Raises
        ------
        FormatError
            If an HDU is missing or damaged.
        """
        from bayesmap.maps.fits import map_from_hdulist

        return map_from_hdulist(hdulist, hdu=hdu, hdu_bands=hdu_bands, format=format, map_type=map_type)

    @staticmethod
    def read(
        filename: str | os.PathLike,
        hdu: str | int | None = None,
        hdu_bands: str | None = None,
        map_type: str = "auto",
        format: str | None = None,
        checksum: bool = False,
    ) -> "Map":
        """Read a map from a FITS file.

        Parameters
        ----------
        filename : path
            File; environment variables and ``~`` are expanded.
        hdu, hdu_bands, map_type, format
            As for `Map.from_hdulist`.
        checksum : bool
            Whether to verify the checksums in the file.

        Raises
        ------
        FormatError
            If the file is no FITS file, is truncated or lacks an HDU.
        """
        from bayesmap.maps.fits import read_map

        return read_map(filename, hdu=hdu, hdu_bands=hdu_bands, map_type=map_type, format=format, checksum=checksum)

    def to_hdulist(self, hdu: str | None = None, hdu_bands: str | None = None, format: str = "gadf") -> fits.HDUList:
        """Return FITS HDUs: an image and, if there are axes, a table of their bins.

        Parameters
        ----------
        hdu : str, optional
            Name of the image HDU; by default it is the primary one.
        hdu_bands : str, optional
            Name of the table, by default ``<hdu>_BANDS``.
        format : {"gadf"}
            File layout.
        """
        from bayesmap.maps.fits import map_to_hdulist

        return map_to_hdulist(self, hdu=hdu, hdu_bands=hdu_bands, format=format)

    def write(
        self,
        filename: str | os.PathLike,
        overwrite: bool = False,
        hdu: str | None = None,
        hdu_bands: str | None = None,
        format: str = "gadf",
        checksum: bool = False,
    ) -> None:
        """Write a map to a FITS file; an interrupted write leaves an old file intact.

        Parameters
        ----------
        filename : path
            File.
        overwrite : bool
            Whether to replace an existing file.
        hdu, hdu_bands, format
            As for `Map.to_hdulist`.
        checksum : bool
            Whether to write checksums.
        """
        write_hdulist(self.to_hdulist(hdu=hdu, hdu_bands=hdu_bands, format=format), filename, overwrite, checksum)

    # -- data ---------------------------------------------------------------------------------------------------------
    @property
    def geom(self) -> Geom:
        """Geometry."""
        return self._geom

    @property
    def unit(self) -> u.UnitBase:
        """Unit of the values."""
        return self._unit

    @property
    def data(self) -> np.ndarray:
        """Values, shape ``geom.data_shape``, native byte order.

        Raises
        ------
        TypeError
            If a quantity is assigned.
        ValueError
            If the shape is not that of the geometry.
        """
        return self._data

    @data.setter
    def data(self, value: object) -> None:
        if isinstance(value, u.Quantity):
            raise TypeError("map data must be a bare array; set 'quantity', or give the unit separately")
        value = np.asarray(value)
        if not value.dtype.isnative:
            value = value.astype(value.dtype.newbyteorder("="))
        shape = self._geom.data_shape
        if value.ndim == 0:
            value = np.full(shape, value)
        if value.shape != shape:
            if [n for n in value.shape if n > 1] != [n for n in shape if n > 1]:
                raise ValueError(f"map data have shape {value.shape}, the geometry {self._geom!r} needs {shape}")
            value = value.reshape(shape)
        self._data = value

    @property
    def quantity(self) -> u.Quantity:
        """Values with their unit (a view where possible)."""
        return u.Quantity(self._data, self._unit, copy=None, dtype=None if self._data.dtype.kind == "f" else float)

    @quantity.setter
    def quantity(self, value: object) -> None:
        quantity = u.Quantity(value)
        self.data = quantity.value
        self._unit = quantity.unit

    @property
    def is_mask(self) -> bool:
        """Whether the values are boolean."""
        return self._data.dtype == bool

    def rename(self, name: str) -> Self:
        """Return a copy with ``meta["name"]`` set."""
        return self.copy(meta=self.meta | {"name": name})

    def copy(self, **kwargs: Any) -> Self:
        """Return a deep copy with ``geom``, ``data``, ``unit`` or ``meta`` replaced (the geometry is shared).

        Raises
        ------
        ValueError
            If the new geometry has another shape and there are no new data.
        """
        if "geom" in kwargs and "data" not in kwargs and kwargs["geom"].data_shape != self._geom.data_shape:
            raise ValueError("a map copied to a geometry of another shape needs new data")
        if "data" not in kwargs:
            kwargs["data"] = self._data.copy()
        return self._init_copy(**kwargs)

    def _init_copy(self, **kwargs: Any) -> Self:
        settings: dict[str, Any] = {
            "geom": self._geom,
            "data": self._data,
            "unit": self._unit,
            "meta": self.meta,
        } | kwargs
        settings["meta"] = copy_module.deepcopy(settings["meta"])
        if type(settings["geom"]) is type(self._geom):
            return type(self)(**settings)
        return Map.from_geom(**settings)  # type: ignore[return-value]  # a map of another kind

    def to_unit(self, unit: object) -> Self:
        """Return the map in another unit.

        Raises
        ------
        astropy.units.UnitConversionError
            If the units are not convertible.
        """
        unit = u.Unit(unit)
        factor = self._unit.to(unit)
        data = self._data * np.array(factor, dtype=self._data.dtype) if self._data.dtype.kind == "f" else None
        return self.copy(data=self._data * factor if data is None else data, unit=unit)

    def check_geom(self, other: "Map", what: str) -> None:
        """Raise a GeometryMismatchError unless another map has the same geometry.

        Raises
        ------
        bayesmap.errors.GeometryMismatchError
            If the geometries differ.
        """
        if self._geom is not other.geom and self._geom != other.geom:
            raise GeometryMismatchError(f"{what} needs maps of equal geometry, got {self._geom!r} and {other.geom!r}")

    def is_allclose(
        self, other: "Map", rtol_axes: float = 1e-3, atol_axes: float = 1e-6, rtol: float = 1e-5, atol: float = 1e-8
    ) -> bool:
        """Whether another map has the same geometry and unit, and close values (``rtol``, ``atol`` as numpy).

        Raises
        ------
        TypeError
            If the other object is no map.
        """
        if not isinstance(other, Map):
            raise TypeError(f"is_allclose needs a map, got {other!r}")
        if not self._geom.is_allclose(other.geom, rtol_axes=rtol_axes, atol_axes=atol_axes):
            return False
        same_unit = self._unit.is_equivalent(other.unit)
        return same_unit and bool(
            np.allclose(self.quantity.value, other.quantity.to_value(self._unit), rtol=rtol, atol=atol)
        )

    # -- images -------------------------------------------------------------------------------------------------------
    @abstractmethod
    def interp_by_coord(
        self, coords: object, method: str = "linear", fill_value: float | None = None, values_scale: str = "lin"
    ) -> np.ndarray:
        """Return values interpolated at coordinates, of their common shape."""

    @abstractmethod
    def get_by_coord(self, coords: object, fill_value: float = np.nan) -> np.ndarray:
        """Return the values of the pixels that hold coordinates, of their common shape."""

    @abstractmethod
    def fill_by_coord(self, coords: object, weights: npt.ArrayLike | None = None) -> None:
        """Add one (or a weight, of the shape of the coordinates) per point to the pixels that hold the points."""

    @abstractmethod
    def get_image_by_idx(self, idx: npt.ArrayLike) -> Self:
        """Return the image with the axis indices ``idx``, first axis first."""

    @abstractmethod
    def cutout(
        self, position: SkyCoord, width: object, mode: str = "trim", odd_npix: bool = False, min_npix: int = 1
    ) -> Self:
        """Return the part of the map around a position."""

    @abstractmethod
    def pad(
        self, pad_width: int | tuple[int, int], axis_name: str | None = None, mode: str = "constant", cval: float = 0
    ) -> Self:
        """Return the map with pixels, or bins of an axis, added on both sides."""

    @abstractmethod
    def downsample(
        self, factor: int, preserve_counts: bool = True, axis_name: str | None = None, weights: "Map | None" = None
    ) -> Self:
        """Return the map with pixels, or bins of an axis, joined."""

    @abstractmethod
    def upsample(self, factor: int, order: int = 0, preserve_counts: bool = True, axis_name: str | None = None) -> Self:
        """Return the map with every pixel, or bin of an axis, split."""

    @abstractmethod
    def sum_over_axes(
        self, axes_names: Sequence[str] | None = None, keepdims: bool = True, weights: "Map | None" = None
    ) -> Self:
        """Return the sum over axes."""

    @abstractmethod
    def reduce_over_axes(
        self,
        func: np.ufunc = np.add,
        keepdims: bool = False,
        axes_names: Sequence[str] | None = None,
        weights: "Map | None" = None,
    ) -> Self:
        """Return a reduction over axes with a ufunc."""

    @abstractmethod
    def resample_axis(self, axis: MapAxis, weights: "Map | None" = None, ufunc: np.ufunc = np.add) -> Self:
        """Return the map with the bins of an axis grouped."""

    @abstractmethod
    def stack(self, other: "Map", weights: "Map | None" = None, nan_to_num: bool = True) -> None:
        """Add another map of the same pixel grid in place."""

    @abstractmethod
    def plot_mask(self, ax: object = None, **kwargs: object) -> object:
        """Shade the pixels that a boolean map leaves out."""

    def iter_by_image(self, keepdims: bool = False) -> Iterator[Self]:
        """Yield one map per image, with length-one axes if ``keepdims``."""
        for idx in np.ndindex(self._geom.axes.shape[::-1]):
            index = dict(zip(self._geom.axes.names[::-1], idx, strict=True))
            slices = {name: slice(i, i + 1) if keepdims else i for name, i in index.items()}
            yield self.slice_by_idx(slices)

    def iter_by_image_data(self) -> Iterator[tuple[np.ndarray, tuple[int, ...]]]:
        """Yield every image as an array with its index ``(last axis, ..., first axis)``."""
        for idx in np.ndindex(self._geom.axes.shape[::-1]):
            yield self._data[idx], idx

    def iter_by_axis(self, axis_name: str, keepdims: bool = False) -> Iterator[Self]:
        """Yield one map per bin of an axis."""
        for i in range(self._geom.axes[axis_name].nbin):
            yield self.slice_by_idx({axis_name: slice(i, i + 1) if keepdims else i})

    def slice_by_idx(self, slices: Mapping[str, slice | int]) -> Self:
        """Return the part of the map selected by slices per axis; an axis given an integer is dropped."""
        geom = self._geom.slice_by_idx(slices)
        index = tuple(slices.get(name, slice(None)) for name in self._geom.axes.names[::-1])
        return self.copy(geom=geom, data=self._data[index].copy())

    def __repr__(self) -> str:
        unit = f" {self._unit}" if str(self._unit) else ""
        return f"<{type(self).__name__} {self._data.dtype}{unit} on {self._geom!r}>"

    def _repr_html_(self) -> str:
        return html_table((), self._rows().items(), type(self).__name__)

    def __str__(self) -> str:
        title = type(self).__name__
        return f"{title}\n{'-' * len(title)}\n\n" + "".join(
            f"  {k:<5} : {value} \n" for k, value in self._rows().items()
        )

    def _rows(self) -> dict[str, object]:
        """What a map says of itself, by name."""
        return {
            "geom": type(self._geom).__name__,
            "axes": self._geom.axes_names,
            "shape": self._geom.data_shape[::-1],
            "ndim": self._geom.ndim,
            "unit": repr(str(self._unit)),
            "dtype": self._data.dtype,
        }
