"""An ordered collection of named axes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Self, overload

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.table import Table

from bayesmap._util import suggest
from bayesmap.maps.axes import MapAxis
from bayesmap.maps.coord import MapCoord

__all__ = ["MapAxes"]


class MapAxes(Sequence):
    """The non-spatial axes of a geometry; the first one varies fastest, so it is the last one of the data array.

    Parameters
    ----------
    axes : sequence of MapAxis
        Axes with distinct names.
    n_spatial_axes : int, optional
        Number of spatial axes that follow in the data array; `bin_volume` and `center_coord` get as many length-one
        dimensions at the end.

    Raises
    ------
    ValueError
        If two axes have the same name.
    """

    def __init__(self, axes: Sequence[MapAxis] = (), n_spatial_axes: int = 0) -> None:
        axes = [MapAxis.from_nodes(axis) if isinstance(axis, np.ndarray) else axis for axis in axes]
        for axis in axes:
            if not hasattr(axis, "coord_to_pix"):
                raise TypeError(f"axes must be MapAxis objects, got {axis!r}")
        names = [axis.name for axis in axes]
        if len(set(names)) != len(names):
            raise ValueError(f"axis names must be unique, got {names}")
        self._axes = tuple(axes)
        self._n_spatial_axes = n_spatial_axes

    # -- sequence -----------------------------------------------------------------------------------------------------
    @property
    def names(self) -> list[str]:
        """Names of the axes."""
        return [axis.name for axis in self._axes]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of bins of each axis, first axis first (the data array has the reverse order)."""
        return tuple(axis.nbin for axis in self._axes)

    @property
    def is_flat(self) -> bool:
        """Whether every axis has one bin."""
        return all(axis.nbin == 1 for axis in self._axes)

    @property
    def is_unidimensional(self) -> bool:
        """Whether exactly one axis has more than one bin."""
        return sum(axis.nbin > 1 for axis in self._axes) == 1

    @property
    def primary_axis(self) -> MapAxis:
        """The only axis with more than one bin (or the only axis).

        Raises
        ------
        ValueError
            If several axes have more than one bin, or there is no axis.
        """
        longer = [axis for axis in self._axes if axis.nbin > 1]
        candidates = longer or list(self._axes)
        if len(candidates) != 1:
            raise ValueError(f"there is no primary axis among {self.names} with shape {self.shape}")
        return candidates[0]

    @property
    def reverse(self) -> Self:
        """The axes in the order of the data array."""
        return type(self)(self._axes[::-1], self._n_spatial_axes)

    def __len__(self) -> int:
        return len(self._axes)

    def __iter__(self) -> Iterator[MapAxis]:
        return iter(self._axes)

    def __contains__(self, item: object) -> bool:
        return item in self.names if isinstance(item, str) else any(item == axis for axis in self._axes)

    @overload
    def __getitem__(self, key: str | int) -> MapAxis: ...
    @overload
    def __getitem__(self, key: slice | list | tuple) -> Self: ...
    def __getitem__(self, key: object) -> MapAxis | Self:
        if isinstance(key, str):
            return self._axes[self._index(key)]
        if isinstance(key, int | np.integer):
            return self._axes[key]
        if isinstance(key, slice):
            return type(self)(self._axes[key], self._n_spatial_axes)
        if isinstance(key, list | tuple):
            return type(self)([self[item] for item in key], self._n_spatial_axes)
        raise TypeError(f"an axis is taken by name or number, got {key!r}")

    def __add__(self, other: Sequence[MapAxis]) -> Self:
        return type(self)([*self._axes, *other], self._n_spatial_axes)

    def _index(self, name: str) -> int:
        for index, axis in enumerate(self._axes):
            if axis.name.upper() == name.upper():
                return index
        raise KeyError(f"there is no axis {name!r}{suggest(name, self.names)}")

    def index(self, axis_name: str) -> int:  # type: ignore[override]  # of a name, as in Gammapy
        """Return the number of an axis given its name."""
        return self._index(axis_name)

    def index_data(self, axis_name: str) -> int:
        """Return the dimension of the data array that belongs to the axis."""
        return len(self._axes) - 1 - self._index(axis_name)

    # -- coordinates --------------------------------------------------------------------------------------------------
    def _column(self, values: u.Quantity, position: int) -> u.Quantity:
        """Reshape one axis' values so that they broadcast against the data array."""
        shape = [1] * len(self._axes)
        shape[len(self._axes) - 1 - position] = -1
        return values.reshape(shape + [1] * self._n_spatial_axes)

    @property
    def center_coord(self) -> tuple[u.Quantity, ...]:
        """The coordinate in the middle of each axis."""
        return tuple(axis.pix_to_coord((float(axis.nbin) - 1.0) / 2.0) for axis in self._axes)

    def get_coord(self, mode: str = "center", axis_name: str | None = None) -> dict[str, u.Quantity]:
        """Return bin centres (or edges) of every axis, shaped to broadcast against the data array.

        Parameters
        ----------
        mode : {"center", "edges"}
            Which values.
        axis_name : str, optional
            With ``mode="edges"``: edges of this axis only and centres of the others.
        """
        coords = {}
        for position, axis in enumerate(self._axes):
            use_edges = mode == "edges" and axis_name in (None, axis.name)
            coords[axis.name] = self._column(axis.edges if use_edges else axis.center, position)
        return coords

    def bin_volume(self) -> u.Quantity:
        """Return the product of bin widths, shaped to broadcast against the data array."""
        volume = u.Quantity(1.0)
        for position, axis in enumerate(self._axes):
            volume = volume * self._column(axis.bin_width, position)
        return volume

    def coord_to_pix(self, coord: Mapping[str, object] | MapCoord) -> tuple[np.ndarray, ...]:
        """Return pixel positions of coordinates given by axis name, an array of their shape per axis."""
        return tuple(axis.coord_to_pix(coord[axis.name]) for axis in self._axes)

    def coord_to_idx(self, coord: Mapping[str, object] | MapCoord, clip: bool = False) -> tuple[np.ndarray, ...]:
        """Return bin numbers of coordinates given by axis name, an array of their shape per axis."""
        return tuple(axis.coord_to_idx(coord[axis.name], clip) for axis in self._axes)

    def pix_to_coord(self, pix: Sequence[object]) -> tuple[u.Quantity, ...]:
        """Return the coordinates at pixel positions, one array of their shape per axis."""
        return tuple(axis.pix_to_coord(p) for axis, p in zip(self._axes, pix, strict=True))

    def pix_to_idx(self, pix: Sequence[np.ndarray], clip: bool = False) -> tuple[np.ndarray, ...]:
        """Return `MapAxis.pix_to_idx` of every axis, an array of the shape of the positions each."""
        return tuple(axis.pix_to_idx(p, clip=clip) for axis, p in zip(self._axes, pix, strict=True))

    # -- new collections ----------------------------------------------------------------------------------------------
    def _map(self, axis_name: str, function: Callable[[MapAxis], MapAxis]) -> Self:
        position = self._index(axis_name)
        axes = [function(axis) if i == position else axis for i, axis in enumerate(self._axes)]
        return type(self)(axes, self._n_spatial_axes)

    def copy(self) -> Self:
        """Return a copy (axes are immutable and shared)."""
        return type(self)(self._axes, self._n_spatial_axes)

    def squash(self, axis_name: str) -> Self:
        """Return axes with one of them reduced to a single bin."""
        return self._map(axis_name, lambda axis: axis.squash())

    def drop(self, axis_name: str) -> Self:
        """Return axes without one of them."""
        position = self._index(axis_name)
        return type(self)([axis for i, axis in enumerate(self._axes) if i != position], self._n_spatial_axes)

    def replace(self, axis: MapAxis) -> Self:
        """Return axes in which ``axis`` takes the place of the one with its name."""
        return self._map(axis.name, lambda _: axis)

    def rename_axes(self, names: str | Sequence[str], new_names: str | Sequence[str]) -> Self:
        """Return axes with some of them renamed."""
        names, new_names = np.atleast_1d(names).tolist(), np.atleast_1d(new_names).tolist()
        axes = list(self._axes)
        for old, new in zip(names, new_names, strict=True):
            position = self._index(old)
            axes[position] = axes[position].rename(new)
        return type(self)(axes, self._n_spatial_axes)

    def resample(self, axis: MapAxis) -> Self:
        """Return axes with the one named like ``axis`` grouped to its edges."""
        return self._map(axis.name, lambda own: own.resample(axis))

    def upsample(self, factor: int, axis_name: str) -> Self:
        """Return axes with one of them upsampled."""
        return self._map(axis_name, lambda axis: axis.upsample(factor))

    def downsample(self, factor: int, axis_name: str) -> Self:
        """Return axes with one of them downsampled."""
        return self._map(axis_name, lambda axis: axis.downsample(factor))

    def pad(self, axis_name: str, pad_width: int | tuple[int, int]) -> Self:
        """Return axes with one of them padded."""
        return self._map(axis_name, lambda axis: axis.pad(pad_width))

    def slice_by_idx(self, slices: Mapping[str, slice | int]) -> Self:
        """Return axes cut by slices; an axis with an integer is dropped."""
        for name in slices:
            self._index(name)
        axes = []
        for axis in self._axes:
            cut = slices.get(axis.name, slice(None))
            if isinstance(cut, slice):
                axes.append(axis if cut == slice(None) else axis.slice(cut))
        return type(self)(axes, self._n_spatial_axes)

    # -- tables -------------------------------------------------------------------------------------------------------
    @classmethod
    def from_default(cls, axes: "Sequence[MapAxis] | None", n_spatial_axes: int = 0) -> Self:
        """Return axes from a list; bare arrays become axes of edges, and axes without a name "axis0", "axis1", ..."""
        members = [MapAxis.from_edges(axis) if isinstance(axis, np.ndarray) else axis for axis in axes or ()]
        named = [axis if axis.name else axis.rename(f"axis{i}") for i, axis in enumerate(members)]
        return cls(named, n_spatial_axes)

    @property
    def iter_with_reshape(self) -> Iterator[tuple[tuple[int, ...], MapAxis]]:
        """Pairs of the shape with which the values of an axis broadcast against the data, and the axis.

        With spatial axes the data have the last axis first; without (tables of responses) the first one.
        """
        for position, axis in enumerate(self._axes):
            shape = [1] * len(self._axes)
            shape[position] = -1
            yield (*shape[::-1], *(1,) * self._n_spatial_axes) if self._n_spatial_axes else tuple(shape), axis

    def to_table(self, format: str = "gadf") -> Table:
        """Return a table of all combinations of bins, the first axis varying fastest.

        Parameters
        ----------
        format : {"gadf", "fgst-ccube", "fgst-template", "gadf-dl3", "ogip", "ogip-sherpa", "ogip-arf"}
            Layout. "gadf-dl3" has one row of arrays; those of OGIP have the energy axis only.
        """
        from bayesmap.maps.axis_tables import axes_to_table

        return axes_to_table(self, format)

    def to_header(self, format: str = "gadf") -> fits.Header:
        """Return the FITS keywords of the axes; formats as for `MapAxis.to_header`."""
        from bayesmap.maps.axis_tables import axes_to_header

        return axes_to_header(self, format)

    def to_table_hdu(self, format: str = "gadf", hdu_bands: str | None = None) -> fits.BinTableHDU:
        """Return the table of `to_table` as a FITS HDU called ``hdu_bands`` ("BANDS") or as the format says."""
        from bayesmap.maps.axis_tables import axes_to_table_hdu

        return axes_to_table_hdu(self, format, hdu_bands)

    @classmethod
    def from_table(cls, table: Table, format: str = "gadf") -> Self:
        """Return the axes whose bins a table lists.

        Parameters
        ----------
        table : `~astropy.table.Table`
            Table, keywords in its ``meta``.
        format : str
            Layout: "gadf", "gadf-dl3", "gadf-sed", "profile", "ogip", "ogip-arf", "fgst-ccube", "fgst-template" or
            "fgst-bexpcube".

        Raises
        ------
        FormatError
            If the table has no axes in this layout.
        """
        from bayesmap.maps.axis_tables import axes_from_table

        return cls(axes_from_table(table, format))

    @classmethod
    def from_table_hdu(cls, hdu: fits.BinTableHDU | None, format: str = "gadf") -> Self:
        """Return the axes in a FITS table, none for None; see `from_table`."""
        return cls() if hdu is None else cls.from_table(Table.read(hdu), format=format)

    # -- checks -------------------------------------------------------------------------------------------------------
    def assert_names(self, required_names: Sequence[str], allow_extra: bool = False) -> None:
        """Raise a ValueError unless the axes have these names in this order.

        Raises
        ------
        ValueError
            If they have others.
        """
        required = list(required_names)
        given = self.names[: len(required)] if allow_extra else self.names
        if given != required:
            raise ValueError(f"axes {required} are needed, got {self.names}")

    def is_allclose(self, other: object, rtol: float = 1e-6, atol: float = 1e-6) -> bool:
        """Whether another collection has the same axes within tolerances."""
        if not isinstance(other, MapAxes) or len(self) != len(other):
            return False
        return all(a.is_allclose(b, rtol, atol) for a, b in zip(self, other, strict=True))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MapAxes):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<MapAxes {', '.join(f'{axis.name}: {axis.nbin}' for axis in self._axes)}>"

    def __str__(self) -> str:
        return "MapAxes\n-------\n\n" + "\n".join(str(axis) for axis in self._axes)
