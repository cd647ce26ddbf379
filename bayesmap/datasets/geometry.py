"""Comparison of the geometries of the components of a dataset."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmap.errors import GeometryMismatchError
from bayesmap.maps import MapAxis
from bayesmap.maps.geom import Geom
from bayesmap.maps.map_axes import MapAxes

if TYPE_CHECKING:
    from bayesmap.datasets.map import MapDataset

__all__ = ["axes_of", "check_edisp_axis", "compare_axis", "describe", "same_axis", "same_geometry"]

#: relative agreement asked of axes that must be equal
AXIS_TOLERANCE = 1e-6


def describe(geom: Geom) -> str:
    """One short text that tells two map geometries apart."""
    parts = [f"shape {tuple(int(n) for n in geom.data_shape)}"]
    center = getattr(geom, "center_skydir", None)
    if center is not None:
        parts.append(f"{geom.frame} centre ({center.data.lon.deg:.4f}, {center.data.lat.deg:.4f}) deg")
    for axis in geom.axes:
        edges = axis.edges
        parts.append(f"{axis.name} {edges[0].value:.4g} to {edges[-1].value:.4g} {edges.unit}")
    return ", ".join(parts)


def axes_of(value: Any) -> MapAxes:
    """Non-spatial axes of a map, or of the map of a response."""
    return getattr(value, "_irf_map", value).geom.axes


def same_geometry(one: Geom, other: Geom) -> bool:
    """Whether two geometries have equal shape, axes and sky coordinates."""
    return one is other or (tuple(one.data_shape) == tuple(other.data_shape) and one == other)


def same_axis(one: MapAxis, other: MapAxis) -> bool:
    """Whether two axes have the same edges."""
    if one.nbin != other.nbin:
        return False
    return np.allclose(one.edges.to_value(other.unit), other.edges.value, rtol=AXIS_TOLERANCE, atol=0)


def compare_axis(dataset: "MapDataset", name: str, axes: MapAxes, other: str, other_axes: MapAxes, axis: str) -> None:
    """Raise a GeometryMismatchError unless the named axis has the same edges in both components."""
    if axis not in other_axes.names or axis not in axes.names:
        return
    one, two = axes[axis], other_axes[axis]
    if not same_axis(one, two):
        text = [f"{a.nbin} bins from {a.edges[0]:.4g} to {a.edges[-1]:.4g}" for a in (one, two)]
        raise GeometryMismatchError(
            f"dataset {dataset.name!r}: the axis {axis!r} of {name} has {text[0]}, that of {other} has {text[1]}; "
            "they must be equal"
        )


def check_edisp_axis(dataset: "MapDataset", name: str, geom: Geom, axis: str) -> None:
    """Compare an axis of a map with that of the energy dispersion, if it is loaded."""
    edisp = dataset.loaded("edisp")
    if edisp is not None:
        compare_axis(dataset, name, geom.axes, "edisp", edisp.edisp_map.geom.axes, axis)
