"""How an axis is shown and written: text, labels, plots, tables."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import astropy.units as u
from astropy.io import fits
from astropy.table import Table

if TYPE_CHECKING:
    from bayesmap.maps.axes import MapAxis

__all__ = ["AxisViews"]


class AxisViews:
    """Labels, plot limits and tables of an axis, for the class that holds the nodes."""

    _name: str
    _interp: str
    _node_type: str
    _unit: u.UnitBase
    _use_center_as_plot_labels: bool | None = None
    edges: u.Quantity
    center: u.Quantity
    edges_min: u.Quantity
    edges_max: u.Quantity

    @property
    def iter_by_edges(self) -> Iterator[tuple[u.Quantity, u.Quantity]]:
        """Pairs of lower and upper edge, bin by bin."""
        yield from zip(self.edges[:-1], self.edges[1:], strict=True)

    def __str__(self) -> str:
        rule = "-" * len(type(self).__name__)
        first, last = (self.edges if self._node_type == "edges" else self.center)[[0, -1]]
        rows = {
            "Name": self._name,
            "Unit": repr(str(self._unit)),
            "N bins": len(self.center),
            "Node type": self._node_type,
            f"{self._node_type.capitalize()} min": f"{first:.1e}",
            f"{self._node_type.capitalize()} max": f"{last:.1e}",
            "Interpolation": self._interp,
        }
        body = "\n".join(f"  {key:<11}: {value}" for key, value in rows.items())
        return f"{type(self).__name__}\n{rule}\n\n{body}\n"

    # -- for plotting -------------------------------------------------------------------------------------------------
    @property
    def as_plot_scale(self) -> str:
        """The name that matplotlib gives to the scale of the axis."""
        return {"lin": "linear", "sqrt": "linear", "log": "log"}[self._interp]

    @property
    def as_plot_edges(self) -> u.Quantity:
        """Edges for plotting."""
        return self.edges

    @property
    def as_plot_center(self) -> u.Quantity:
        """Centres for plotting."""
        return self.center

    @property
    def use_center_as_plot_labels(self) -> bool:
        """Whether labels say centres, by default on axes of nodes."""
        chosen = self._use_center_as_plot_labels
        return self._node_type == "center" if chosen is None else chosen

    @use_center_as_plot_labels.setter
    def use_center_as_plot_labels(self, value: bool) -> None:
        self._use_center_as_plot_labels = bool(value)

    @property
    def as_plot_labels(self) -> list[str]:
        """One label per bin: its edges, or its centre for node axes."""
        if self.use_center_as_plot_labels:
            return [f"{value:.3g} {self._unit}".strip() for value in self.center.value]
        edges = self.edges.value
        return [f"{a:.3g} {self._unit} - {b:.3g} {self._unit}" for a, b in zip(edges[:-1], edges[1:], strict=True)]

    @property
    def as_plot_xerr(self) -> tuple[u.Quantity, u.Quantity]:
        """Distances from the centres to the lower and the upper edges."""
        return self.center - self.edges_min, self.edges_max - self.center

    def format_plot_xaxis(self, ax: Any) -> Any:
        """Set scale, label and limits of the x axis of `~matplotlib.axes.Axes` to those of this axis; return them."""
        from bayesmap.plot.settings import format_axis

        return format_axis(ax, "x", cast("MapAxis", self))

    def format_plot_yaxis(self, ax: Any) -> Any:
        """Set scale, label and limits of the y axis of `~matplotlib.axes.Axes` to those of this axis; return them."""
        from bayesmap.plot.settings import format_axis

        return format_axis(ax, "y", cast("MapAxis", self))

    # -- tables -------------------------------------------------------------------------------------------------------
    def to_table(self, format: str = "ogip") -> Table:
        """Return a table of the bins.

        Parameters
        ----------
        format : {"ogip", "ogip-sherpa", "ogip-arf", "ogip-arf-sherpa", "gadf-sed", "gadf-dl3", "gtpsf"}
            Layout; those called "sherpa" have keV.

        Raises
        ------
        ValueError
            If the layout does not have an axis of this name.
        """
        from bayesmap.maps.axis_tables import axis_to_table

        return axis_to_table(cast("MapAxis", self), format)

    def to_header(self, format: str = "ogip", idx: int = 0) -> fits.Header:
        """Return the FITS keywords of the axis.

        Parameters
        ----------
        format : {"ogip", "ogip-sherpa", "gadf", "fgst-ccube", "fgst-template"}
            Layout.
        idx : int
            Number in the keywords of the GADF layout.
        """
        from bayesmap.maps.axis_tables import axis_to_header

        return axis_to_header(cast("MapAxis", self), format, idx)

    def to_table_hdu(self, format: str = "ogip") -> fits.BinTableHDU:
        """Return the table of `to_table` as a FITS HDU."""
        from bayesmap.maps.axis_tables import axis_to_table_hdu

        return axis_to_table_hdu(cast("MapAxis", self), format)

    @classmethod
    def from_table(cls, table: Table, format: str = "ogip", idx: int = 0, column_prefix: str = "") -> "MapAxis":
        """Return the axis whose bins a table lists.

        Parameters
        ----------
        table : `~astropy.table.Table`
            Table, keywords in its ``meta``.
        format : str
            Layout: "ogip", "ogip-arf", "fgst-ccube", "fgst-template", "fgst-bexpcube", "gadf", "gadf-dl3", "gtpsf",
            "gadf-sed-energy", "gadf-sed-norm", "gadf-sed-counts" or "profile".
        idx : int
            Number of the axis in the layout "gadf", from zero.
        column_prefix : {"THETA", "ENERG", "ETRUE", "RAD", "DETX", "DETY", "MIGRA"}
            Which columns in the layout "gadf-dl3".

        Raises
        ------
        FormatError
            If columns are missing or bins leave gaps.
        """
        from bayesmap.maps.axis_tables import axis_from_table

        return axis_from_table(table, format, idx, column_prefix)

    @classmethod
    def from_table_hdu(cls, hdu: fits.BinTableHDU, format: str = "ogip", idx: int = 0) -> "MapAxis":
        """Return the axis in a FITS table; see `from_table`."""
        return cls.from_table(Table.read(hdu), format=format, idx=idx)
