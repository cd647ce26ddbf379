"""The table of axis bins that goes with a map image in FITS files (``_BANDS``)."""

from collections.abc import Sequence

import astropy.units as u
import numpy as np
from astropy.io import fits

from bayesmap.errors import FormatError
from bayesmap.maps.axes import MapAxis
from bayesmap.maps.label_axis import LabelMapAxis
from bayesmap.maps.map_axes import MapAxes
from bayesmap.units import parse_unit

__all__ = ["axes_from_bands", "bands_columns", "bands_hdu", "bands_keywords"]


def _columns_of(axis: MapAxis) -> tuple[str, str, str]:
    """Names of the columns of centres, lower and upper edges."""
    name = axis.name.upper()
    if name == "ENERGY":
        return name, "E_MIN", "E_MAX"
    return name, f"{name}_MIN", f"{name}_MAX"


def bands_keywords(axes: Sequence[MapAxis]) -> dict[str, str]:
    """Return the keywords AXCOLSn and INTERPn that describe axes."""
    keywords = {}
    for number, axis in enumerate(axes, start=1):
        center, low, high = _columns_of(axis)
        has_edges = axis.node_type == "edges" and not isinstance(axis, LabelMapAxis)
        keywords[f"AXCOLS{number}"] = f"{low},{high}" if has_edges else center
        keywords[f"INTERP{number}"] = axis.interp
    return keywords


def bands_columns(axes: MapAxes) -> list[fits.Column]:
    """Return a channel number and, for every axis, centre, lower and upper edge of every combination of bins.

    The first axis varies fastest. An axis of labels has one column, of text.
    """
    shape = axes.shape[::-1]
    columns = [fits.Column("CHANNEL", "K", array=np.arange(np.prod(shape)))]
    index = np.indices(shape)[::-1]
    for axis, number in zip(axes, index, strict=True):
        if isinstance(axis, LabelMapAxis):
            labels = np.array(axis.labels)[number.ravel()]
            columns.append(fits.Column(axis.name.upper(), f"{labels.dtype.itemsize // 4}A", array=labels))
            continue
        for name, values in zip(_columns_of(axis), (axis.center, axis.edges_min, axis.edges_max), strict=True):
            array = values.value[number.ravel()]
            columns.append(fits.Column(name, "D", unit=axis.unit.to_string("fits") or None, array=array))
    return columns


def bands_hdu(axes: MapAxes, name: str) -> fits.BinTableHDU:
    """Return the table of axis bins."""
    hdu = fits.BinTableHDU.from_columns(bands_columns(axes), name=name)
    hdu.header.update(bands_keywords(axes))
    return hdu


def axes_from_bands(hdu: fits.BinTableHDU) -> list[MapAxis]:
    """Return the axes described by a table of axis bins.

    Raises
    ------
    FormatError
        If the table does not describe axes.
    """
    if not isinstance(hdu, fits.BinTableHDU):
        raise FormatError(f"HDU {hdu.name!r} should be a table of axis bins, it is an image")
    axes = []
    number = 1
    while f"AXCOLS{number}" in hdu.header:
        axes.append(_axis(hdu, number))
        number += 1
    if not axes:
        raise FormatError(f"table {hdu.name!r} has no AXCOLS keyword, so its axes are unknown")
    if np.prod([axis.nbin for axis in axes]) != len(hdu.data):
        raise FormatError(f"table {hdu.name!r} has {len(hdu.data)} rows, its axes have {[a.nbin for a in axes]} bins")
    return axes


def _axis(hdu: fits.BinTableHDU, number: int) -> MapAxis:
    columns = [name.strip() for name in str(hdu.header[f"AXCOLS{number}"]).split(",")]
    interp = str(hdu.header.get(f"INTERP{number}", "lin")).strip()
    missing = [name for name in columns if name not in hdu.columns.names]
    if missing or len(columns) not in (1, 2):
        raise FormatError(f"table {hdu.name!r}: AXCOLS{number} names {columns}, its columns are {hdu.columns.names}")
    if hdu.data[columns[0]].dtype.kind in "US":
        return LabelMapAxis(list(dict.fromkeys(str(label) for label in hdu.data[columns[0]])), name=columns[0].lower())
    unit = _unit(hdu, columns[0])
    values = [_unique(hdu.data[name]) for name in columns]
    try:
        if len(columns) == 1 and len(values[0]) > 1:
            return MapAxis.from_nodes(values[0], unit=unit, interp=interp, name=_axis_name(columns[0]))
        if len(columns) == 1:
            return _one_node(hdu, columns[0], unit, interp)
        edges = np.append(values[0], values[1][-1])
        return MapAxis.from_edges(edges, unit=unit, interp=interp, name=_axis_name(columns[0]))
    except (ValueError, IndexError) as error:
        raise FormatError(f"table {hdu.name!r}: {error}") from error


def _one_node(hdu: fits.BinTableHDU, column: str, unit: u.UnitBase, interp: str) -> MapAxis:
    """A single centre says no bin width; the columns of edges do."""
    low, high = ("E_MIN", "E_MAX") if column == "ENERGY" else (f"{column}_MIN", f"{column}_MAX")
    if low not in hdu.columns.names:
        raise FormatError(f"table {hdu.name!r}: one node in {column!r} and no column {low!r}")
    edges = [hdu.data[low][0], hdu.data[high][0]]
    return MapAxis.from_edges(edges, unit=unit, interp=interp, name=_axis_name(column))


def _axis_name(column: str) -> str:
    if column in ("E_MIN", "ENERGY"):
        return "energy"
    name = column.removesuffix("_MIN").lower()
    return "rad" if name == "theta" else name  # files written before the name "rad" was chosen


def _unit(hdu: fits.BinTableHDU, column: str) -> u.UnitBase:
    text = hdu.columns[column].unit or ""
    try:
        return parse_unit(text)
    except ValueError as error:
        raise FormatError(f"table {hdu.name!r}: column {column!r} has the unknown unit {text!r}") from error


def _unique(values: np.ndarray) -> np.ndarray:
    """Distinct values in order of appearance."""
    values = np.asarray(values, dtype="float64")
    _, first = np.unique(values, return_index=True)
    return values[np.sort(first)]
