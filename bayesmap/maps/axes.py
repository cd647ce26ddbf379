"""One non-spatial axis of a map: edges or nodes, names, units, interpolation."""

import functools
from collections.abc import Sequence
from typing import Any, Self, Unpack

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.table import QTable

from bayesmap._util import KnownAttributes, check_option
from bayesmap.maps.axis_checks import AxisOptions, BoundsOptions, check_energy, check_factor, nodes_quantity
from bayesmap.maps.axis_views import AxisViews
from bayesmap.maps.grouping import group_table
from bayesmap.maps.scales import check_scale, from_scale, linear, to_scale

__all__ = ["MapAxis"]

NODE_TYPES = ("edges", "center")


class MapAxis(KnownAttributes, AxisViews):
    """A one-dimensional axis of bins or of nodes.

    Pixel coordinates count bins: the centre of bin ``i`` is at ``i``, its edges at ``i - 0.5`` and ``i + 0.5``. Between
    nodes the coordinate is linear in the scale ``interp``; the centre of a logarithmic bin is its geometric mean.

    Parameters
    ----------
    nodes : array_like or `~astropy.units.Quantity`
        Strictly increasing (or decreasing) edges (``nbin + 1`` numbers) or centres (``nbin`` numbers).
    interp : {"lin", "log", "sqrt"}
        Scale of the interpolation.
    name : str
        Name of the axis, for example "energy", "energy_true", "rad" or "migra".
    node_type : {"edges", "center"}
        What ``nodes`` are.
    unit : str or `~astropy.units.Unit`
        Unit of ``nodes`` where they are bare numbers.

    Raises
    ------
    ValueError
        If the nodes are too few, not finite, not strictly monotonic, or not positive on a logarithmic axis.
    """

    def __init__(
        self, nodes: npt.ArrayLike, interp: str = "lin", name: str = "", node_type: str = "edges", unit: object = ""
    ) -> None:
        check_scale("interp", interp)
        check_option("node_type", node_type, NODE_TYPES)
        if not isinstance(name, str):
            raise TypeError(f"the name of an axis must be a string, got {name!r}")
        quantity = u.Quantity(nodes, ndmin=1) if isinstance(nodes, u.Quantity) else nodes_quantity(nodes, unit)
        self._name = name
        self._interp = interp
        self._node_type = node_type
        self._unit = quantity.unit
        self._nodes = np.array(quantity.value, dtype="float64")
        self._check_nodes()
        self._scaled = to_scale(interp, self._nodes)

    def _check_nodes(self) -> None:
        nodes, what = self._nodes, f"axis {self._name!r}"
        if nodes.ndim != 1 or len(nodes) < 2:
            raise ValueError(f"{what}: at least two {self._node_type} are needed, got {nodes}")
        if not np.all(np.isfinite(nodes)):
            raise ValueError(f"{what}: nodes must be finite, got {nodes}")
        step = np.diff(nodes)
        if not (np.all(step > 0) or np.all(step < 0)):
            raise ValueError(f"{what}: nodes must be strictly increasing or decreasing, got {nodes}")
        if self._interp == "log" and np.any(nodes < 0):
            raise ValueError(f"{what}: a logarithmic axis needs positive nodes, got {nodes}")

    # -- what it is ---------------------------------------------------------------------------------------------------
    @property
    def name(self) -> str:
        """Name of the axis."""
        return self._name

    @property
    def interp(self) -> str:
        """Scale of the interpolation: "lin", "log" or "sqrt"."""
        return self._interp

    @property
    def node_type(self) -> str:
        """Kind of the nodes, "edges" or "center"."""
        return self._node_type

    @property
    def unit(self) -> u.UnitBase:
        """Unit of the axis."""
        return self._unit

    @property
    def nbin(self) -> int:
        """Number of bins."""
        return len(self._nodes) - (self._node_type == "edges")

    @property
    def nbin_per_decade(self) -> int:
        """Number of bins per decade, rounded."""
        low, high = self.edges.value[[0, -1]]
        return round(self.nbin / abs(np.log10(high / low)))

    @property
    def _offset(self) -> float:
        return -0.5 if self._node_type == "edges" else 0.0

    @functools.cached_property
    def edges(self) -> u.Quantity:
        """Bin edges, shape ``(nbin + 1,)``."""
        return self.pix_to_coord(np.arange(self.nbin + 1) - 0.5)

    @functools.cached_property
    def center(self) -> u.Quantity:
        """Bin centres in the interpolation scale, shape ``(nbin,)``."""
        return self.pix_to_coord(np.arange(self.nbin, dtype="float64"))

    @property
    def edges_min(self) -> u.Quantity:
        """Lower edges, shape ``(nbin,)``."""
        return self.edges[:-1]

    @property
    def edges_max(self) -> u.Quantity:
        """Upper edges, shape ``(nbin,)``."""
        return self.edges[1:]

    @property
    def bin_width(self) -> u.Quantity:
        """Absolute bin widths, shape ``(nbin,)``."""
        return np.abs(np.diff(self.edges))

    @property
    def bounds(self) -> tuple[u.Quantity, u.Quantity]:
        """First and last node: the outer edges for ``node_type="edges"``."""
        first, last = self.pix_to_coord(np.array([0, len(self._nodes) - 1]) + self._offset)
        return first, last

    @property
    def is_energy_axis(self) -> bool:
        """Whether the axis is an energy axis, by its name."""
        return self._name in ("energy", "energy_true")

    # -- construction -------------------------------------------------------------------------------------------------
    @classmethod
    def from_edges(cls, edges: npt.ArrayLike, **kwargs: Unpack[AxisOptions]) -> Self:
        """Return an axis from ``nbin + 1`` edges; other arguments as for the class.

        Raises
        ------
        ValueError
            If there are less than two edges.
        """
        if np.size(edges) < 2:
            raise ValueError(f"an axis needs at least two edges, got {edges!r}")
        return cls(edges, node_type="edges", **kwargs)

    @classmethod
    def from_nodes(cls, nodes: npt.ArrayLike, **kwargs: Unpack[AxisOptions]) -> Self:
        """Return an axis from ``nbin`` centres; other arguments as for the class."""
        return cls(nodes, node_type="center", **kwargs)

    @classmethod
    def from_bounds(cls, lo_bnd: float, hi_bnd: float, nbin: int, **kwargs: Unpack[BoundsOptions]) -> Self:
        """Return an axis of bins of equal width in the interpolation scale.

        Parameters
        ----------
        lo_bnd, hi_bnd : float
            Outer edges, or first and last centre for ``node_type="center"``.
        nbin : int
            Number of bins.
        **kwargs : dict
            ``interp`` (default "lin"), ``name``, ``node_type`` (default "edges") and ``unit``.

        Raises
        ------
        ValueError
            If there is no bin, or a bound of a logarithmic axis is not positive.
        """
        nbin = int(nbin)
        interp = kwargs.setdefault("interp", "lin")
        node_type = kwargs.setdefault("node_type", "edges")
        check_scale("interp", interp)
        if nbin < 1:
            raise ValueError(f"nbin must be at least 1, got {nbin}")
        if interp == "log" and min(lo_bnd, hi_bnd) <= 0:
            raise ValueError(f"bounds of a logarithmic axis must be positive, got {lo_bnd} and {hi_bnd}")
        scaled = to_scale(interp, np.array([lo_bnd, hi_bnd], dtype="float64"))
        nodes = from_scale(interp, np.linspace(scaled[0], scaled[1], nbin + (node_type == "edges")))
        return cls(nodes, **kwargs)

    @classmethod
    def from_energy_edges(
        cls, energy_edges: object, unit: object = None, name: str | None = None, interp: str = "log"
    ) -> Self:
        """Return an energy axis from edges.

        Parameters
        ----------
        energy_edges : `~astropy.units.Quantity` or array_like
            Edges; bare numbers need ``unit``.
        unit : str or `~astropy.units.Unit`, optional
            Unit of the axis.
        name : str, optional
            Default "energy".
        interp : {"log", "lin", "sqrt"}
            Interpolation scale.
        """
        edges = u.Quantity(energy_edges, unit) if unit is not None else u.Quantity(energy_edges)
        check_energy(edges)
        return cls.from_edges(edges, name=name or "energy", interp=interp)

    @classmethod
    def from_energy_bounds(
        cls,
        energy_min: object,
        energy_max: object,
        nbin: int,
        unit: object = None,
        per_decade: bool = False,
        name: str | None = None,
        node_type: str = "edges",
        strict_bounds: bool = True,
    ) -> Self:
        """Return a logarithmic energy axis.

        Parameters
        ----------
        energy_min, energy_max : `~astropy.units.Quantity`, str or float
            Bounds; bare numbers need ``unit``.
        nbin : int
            Number of bins, or of bins per decade.
        unit : str or `~astropy.units.Unit`, optional
            Unit of the axis; by default that of ``energy_min``.
        per_decade : bool
            Whether ``nbin`` counts per decade; the total is rounded up.
        name : str, optional
            Default "energy".
        node_type : {"edges", "center"}
            Whether the bounds are edges or centres.
        strict_bounds : bool
            With ``per_decade``: keep the upper bound (bins get narrower) or keep the bin width (the bound moves up).
        """
        low = u.Quantity(energy_min, unit) if unit is not None else u.Quantity(energy_min)
        check_energy(low)
        high = u.Quantity(energy_max, unit if unit is not None else None).to_value(low.unit)
        low, unit = low.value, low.unit
        if per_decade:
            decades = np.log10(high / low)
            per, nbin = nbin, int(np.ceil(decades * nbin))
            if not strict_bounds:
                high = low * 10 ** (nbin / per)
        return cls.from_bounds(low, high, nbin, unit=unit, interp="log", name=name or "energy", node_type=node_type)

    @classmethod
    def from_stack(cls, axes: Sequence["MapAxis"]) -> Self:
        """Return the axis that joins contiguous axes end to end."""
        stacked = axes[0]
        for other in axes[1:]:
            stacked = stacked.concatenate(other)
        return stacked  # type: ignore[return-value]  # of the class of the first

    # -- coordinates --------------------------------------------------------------------------------------------------
    def _values(self, coord: object) -> np.ndarray:
        """Coordinates as bare numbers in the unit of the axis."""
        if not isinstance(coord, u.Quantity) and not isinstance(coord, str):
            if isinstance(coord, list | tuple) and any(isinstance(c, u.Quantity | str) for c in coord):
                coord = u.Quantity(coord)
            else:
                return np.asarray(coord, dtype="float64")
        try:
            return np.asarray(u.Quantity(coord).to_value(self._unit), dtype="float64")
        except u.UnitConversionError as error:
            raise u.UnitConversionError(f"axis {self._name!r} has unit {str(self._unit)!r}: {error}") from None

    def pix_to_coord(self, pix: object) -> u.Quantity:
        """Return the coordinate at pixel positions (extrapolated outside)."""
        position = np.asarray(pix, dtype="float64") - self._offset
        scaled = linear(position, np.arange(len(self._nodes), dtype="float64"), self._scaled)
        # np.exp directly (not from_scale): an extrapolated energy must not become zero
        values = np.exp(scaled) if self._interp == "log" else from_scale(self._interp, scaled)
        return u.Quantity(values, self._unit)

    def coord_to_pix(self, coord: object) -> np.ndarray:
        """Return pixel positions of coordinates, of their shape, extrapolated outside; bare numbers are in its unit."""
        scaled = to_scale(self._interp, self._values(coord))
        index = np.arange(len(self._nodes), dtype="float64")
        if self._scaled[0] > self._scaled[-1]:
            return linear(scaled, self._scaled[::-1], index[::-1]) + self._offset
        return linear(scaled, self._scaled, index) + self._offset

    def coord_to_idx(self, coord: object, clip: bool = False) -> np.ndarray:
        """Return bin numbers of coordinates, of their shape; -1 outside, or the nearest bin with ``clip=True``.

        Bins include their lower edge and not their upper one. (Gammapy returns ``nbin``, which is no bin, for a
        coordinate exactly on the last edge; here it is outside.)
        """
        values, edges = self._values(coord), self.edges.value
        if edges[0] > edges[-1]:
            index = self.nbin - 1 - (np.searchsorted(edges[::-1], values, side="left") - 1)
        else:
            index = np.searchsorted(edges, values, side="right") - 1
        index = np.asarray(index)
        if clip:
            return np.clip(index, 0, self.nbin - 1)
        outside = (index < 0) | (index >= self.nbin) | ~np.isfinite(values)
        return np.where(outside, -1, index)

    def pix_to_idx(self, pix: object, clip: bool = False) -> np.ndarray:
        """Return the bins of pixel positions, of their shape; -1 below 0 and at ``nbin`` or above (or clipped)."""
        pix = np.asarray(pix)
        if clip:
            return np.clip(pix, 0, self.nbin - 1)
        return np.where((pix < 0) | (pix >= self.nbin), -1, pix)

    def wrap_coord(self, coord: object) -> u.Quantity:
        """Return coordinates as a quantity in the unit of the axis."""
        return u.Quantity(self._values(coord), self._unit)

    # -- new axes -----------------------------------------------------------------------------------------------------
    def _new(self, nodes: npt.ArrayLike, **kwargs: Any) -> Self:
        settings: dict[str, Any] = {"interp": self._interp, "name": self._name, "node_type": self._node_type} | kwargs
        return type(self)(u.Quantity(nodes, self._unit), **settings)

    def _from_edge_pix(self, pix: np.ndarray) -> Self:
        return self._new(self.pix_to_coord(pix), node_type="edges")

    def copy(self, **kwargs: object) -> Self:
        """Return a copy; ``nodes``, ``interp``, ``name``, ``node_type`` and ``unit`` can be replaced."""
        settings = {"nodes": self._nodes * self._unit, "interp": self._interp, "name": self._name}
        settings |= {"node_type": self._node_type} | kwargs
        if "unit" in kwargs and "nodes" not in kwargs:
            settings["nodes"] = u.Quantity(settings["nodes"]).to(settings.pop("unit"))
        return type(self)(**settings)

    def rename(self, new_name: str) -> Self:
        """Return a copy with another name."""
        return self.copy(name=new_name)

    def to_node_type(self, node_type: str) -> Self:
        """Return a copy whose nodes are edges or centres."""
        check_option("node_type", node_type, NODE_TYPES)
        nodes = self.edges if node_type == "edges" else self.center
        return self._new(nodes, node_type=node_type)

    def upsample(self, factor: int) -> Self:
        """Return an axis with every bin split into ``factor`` equal parts (in the interpolation scale)."""
        factor = check_factor(factor)
        if self._node_type == "edges":
            return self._from_edge_pix(np.arange(self.nbin * factor + 1) / factor - 0.5)
        return self._new(self.pix_to_coord(np.arange((self.nbin - 1) * factor + 1) / factor))

    def downsample(self, factor: int, strict: bool = True) -> Self:
        """Return an axis with ``factor`` bins joined into one.

        Parameters
        ----------
        factor : int
            Number of bins.
        strict : bool
            Whether a number of bins that is not a multiple of ``factor`` is an error; otherwise the last bin of the
            result is narrower.

        Raises
        ------
        ValueError
            If the number of bins is not a multiple of ``factor``.
        """
        factor = check_factor(factor)
        if self._node_type == "center":
            return self._new(self.center[::factor])
        if self.nbin % factor and strict:
            raise ValueError(f"axis {self._name!r}: {self.nbin} bins are not a multiple of the factor {factor}")
        edges = self.edges[: self.nbin : factor]
        return self._new(np.append(edges, self.edges[-1]))

    def slice(self, idx: slice | int) -> Self:
        """Return the part of the axis with the bins ``idx`` (a slice without a step, or a bin number).

        Raises
        ------
        ValueError
            If no bin is selected, or bins that are not neighbours in order.
        """
        selected = np.arange(self.nbin)[idx] if isinstance(idx, slice) else np.atleast_1d(np.arange(self.nbin)[idx])
        if selected.size == 0:
            raise ValueError(f"axis {self._name!r}: {idx} selects none of {self.nbin} bins")
        if np.any(np.diff(selected) != 1):
            raise ValueError(f"axis {self._name!r}: a slice must select neighbouring bins in order, got {idx}")
        if self._node_type == "center" and selected.size > 1:
            return self._new(self.center[selected])
        return self._new(self.edges[selected[0] : selected[-1] + 2], node_type="edges")

    def pad(self, pad_width: int | tuple[int, int]) -> Self:
        """Return an axis extended by ``pad_width`` bins on both sides (or by a pair of numbers)."""
        left, right = (pad_width, pad_width) if np.isscalar(pad_width) else pad_width
        if self._node_type == "edges":
            return self._from_edge_pix(np.arange(-left, self.nbin + right + 1) - 0.5)
        return self._new(self.pix_to_coord(np.arange(-left, self.nbin + right)))

    def squash(self) -> Self:
        """Return an axis with one bin over the whole range."""
        return self._new(self.edges[[0, -1]], node_type="edges")

    def round(self, coord: object, clip: bool = False) -> u.Quantity:
        """Return the axis edges that are nearest to the coordinates, in the interpolation scale."""
        pix = np.round(self.coord_to_pix(coord) + 0.5) - 0.5
        return self.pix_to_coord(np.clip(pix, -0.5, self.nbin - 0.5) if clip else pix)

    def concatenate(self, axis: "MapAxis") -> Self:
        """Return this axis followed by a contiguous one of the same name and node type.

        Raises
        ------
        ValueError
            If name, node type or interpolation differ, or the axes are not contiguous.
        """
        if axis.node_type != self._node_type or axis.name != self._name or axis.interp != self._interp:
            raise ValueError(f"cannot join {self!r} and {axis!r}: name, node type and interpolation must agree")
        other = u.Quantity(axis._nodes, axis.unit).to_value(self._unit)
        if self._node_type == "center":
            return self._new(np.append(self._nodes, other))
        if not np.isclose(self._nodes[-1], other[0]):
            raise ValueError(f"cannot join {self!r} and {axis!r}: they are not contiguous")
        return self._new(np.append(self._nodes, other[1:]))

    def resample(self, axis: "MapAxis") -> Self:
        """Return the coarser axis whose edges are those of this axis that are nearest to the edges of ``axis``."""
        groups = self.group_table(axis.edges)
        normal = groups[groups["bin_type"] == "normal   "]
        edges = np.append(normal[f"{self._name}_min"], normal[f"{self._name}_max"][-1:])
        return self._new(edges, node_type="edges")

    def group_table(self, edges: object) -> QTable:
        """Return which bins fall between the given edges, snapped to the edges of this axis.

        Parameters
        ----------
        edges : `~astropy.units.Quantity` or array_like
            Increasing edges of the groups.

        Returns
        -------
        `~astropy.table.QTable`
            Columns ``group_idx``, ``<name>_min``, ``<name>_max``, ``idx_min``, ``idx_max`` (inclusive) and
            ``bin_type``: "normal   ", or "underflow" and "overflow" for bins outside the given edges.

        Raises
        ------
        ValueError
            If no bin is left between the edges.
        """
        return group_table(self, edges)

    # -- comparison and text ------------------------------------------------------------------------------------------
    def is_allclose(self, other: object, rtol: float = 1e-6, atol: float = 1e-6) -> bool:
        """Whether another axis has the same name, type, interpolation, and nodes up to ``rtol`` and ``atol``."""
        if not isinstance(other, MapAxis):
            return False
        if self._node_type != other.node_type or self._interp != other.interp or self.nbin != other.nbin:
            return False
        if self._name.upper() != other.name.upper() or not self._unit.is_equivalent(other.unit):
            return False
        nodes = u.Quantity(other._nodes, other.unit).to_value(self._unit)
        return bool(np.allclose(nodes, self._nodes, rtol=rtol, atol=atol))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MapAxis):
            return NotImplemented
        scale = float(np.min(np.abs(np.diff(self._nodes))))
        return self.is_allclose(other, rtol=1e-6, atol=1e-6 * scale)

    def __hash__(self) -> int:
        return id(self)

    def is_aligned(self, other: "MapAxis", atol: float = 2e-2) -> bool:
        """Whether the bin centres of both axes lie at whole bins of each other, up to ``atol`` bins."""
        pix = np.append(self.coord_to_pix(other.center), other.coord_to_pix(self.center))
        return self._interp == other.interp and bool(np.allclose(np.round(pix), pix, rtol=0, atol=atol))

    def assert_name(self, required_name: str) -> None:
        """Raise a ValueError unless the axis has this name.

        Raises
        ------
        ValueError
            If it has another name.
        """
        if self._name != required_name:
            raise ValueError(f"an axis named {required_name!r} is needed, got {self._name!r}")

    def __repr__(self) -> str:
        low, high = self.edges.value[[0, -1]]
        return f"<MapAxis {self._name!r}: {self.nbin} {self._interp} bins, {low:.4g} to {high:.4g} {self._unit}>"
