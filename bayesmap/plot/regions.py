"""Figures of maps on a region: values against an axis, histograms, masks, and the region itself."""

from collections.abc import Mapping
from itertools import groupby, product
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from astropy.visualization.wcsaxes import WCSAxes

from bayesmap._types import Axes
from bayesmap.maps.region_tools import is_point, simple_regions
from bayesmap.plot.axes import new_axes
from bayesmap.plot.settings import line_settings, patch_settings

if TYPE_CHECKING:
    from bayesmap.maps import MapAxis, RegionGeom, RegionNDMap

__all__ = ["plot_energy_mask", "plot_hist", "plot_region", "plot_region_map"]

#: patch arguments of `plot_region` and what they are called for the markers of points
POINT_ARGUMENTS = {"edgecolor": "color", "linewidth": "markeredgewidth", "alpha": "alpha", "zorder": "zorder"}


def plot_region_map(m: "RegionNDMap", ax: Axes | None = None, axis_name: str | None = None, **kwargs: object) -> Axes:
    """Plot the values of a map on a region against one of its axes.

    Parameters
    ----------
    m : RegionNDMap
        Map.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    axis_name : str, optional
        Axis along x; needed if several axes have more than one bin. There is one set of points per bin of the others.
    **kwargs : dict
        For `~matplotlib.axes.Axes.errorbar`; ``yerr`` (one array or a pair: lower, upper) and ``uplims`` have the shape
        of the data.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes, labelled with units; a logarithmic y scale for energies.

    Raises
    ------
    ValueError
        If ``axis_name`` is needed and not given.
    """
    ax = new_axes() if ax is None else ax
    axis = _axis(m, axis_name)
    errors_x = [error.value for error in axis.as_plot_xerr]
    settings = line_settings({"marker": "o", "markersize": 4, "linestyle": "None", "xerr": errors_x}, kwargs)
    yerr, uplims, label = (settings.pop(key, None) for key in ("yerr", "uplims", "label"))
    others = [other for other in m.geom.axes if other.name != axis.name]
    labels = product(*(other.as_plot_labels for other in reversed(others)))

    def rows(values: Any) -> np.ndarray:
        """One row per bin of the other axes."""
        values = np.asarray(values).reshape(m.geom.data_shape)
        return np.moveaxis(values, m.geom.axes.index_data(axis.name), -1).reshape(-1, axis.nbin)

    errors = [] if yerr is None else [rows(part) for part in (yerr if isinstance(yerr, tuple) else (yerr,))]
    for i, (values, text) in enumerate(zip(rows(m.data), labels, strict=True)):
        each = {} if uplims is None else {"uplims": rows(uplims)[i]}
        if errors:
            each["yerr"] = [part[i] for part in errors] if len(errors) == 2 else errors[0][i]
        name = " ".join(text) if label is None else label
        ax.errorbar(axis.as_plot_center.value, values, label=name or None, **each, **settings)
    _label(ax, m, axis)
    if axis.is_energy_axis:
        ax.set_yscale("log", nonpositive="clip")
    return ax


def plot_hist(m: "RegionNDMap", ax: Axes | None = None, **kwargs: object) -> Axes:
    """Plot a map on a region as a histogram along its only axis of more than one bin.

    Parameters
    ----------
    m : RegionNDMap
        Map.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    **kwargs : dict
        For `~matplotlib.axes.Axes.hist`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes, labelled with units, with a logarithmic y scale.
    """
    ax = new_axes() if ax is None else ax
    axis = _axis(m, None)
    settings = patch_settings({"histtype": "step", "linewidth": 1}, kwargs)
    ax.hist(axis.as_plot_center.value, bins=axis.as_plot_edges.value, weights=m.data.ravel(), **settings)
    _label(ax, m, axis)
    ax.set_yscale("log")
    return ax


def plot_energy_mask(m: "RegionNDMap", ax: Axes | None = None, **kwargs: object) -> Axes:
    """Shade the energies where a boolean map on a region is True.

    Parameters
    ----------
    m : RegionNDMap
        Boolean map with an axis "energy".
    ax : `~matplotlib.axes.Axes`, optional
        Axes; the current ones by default.
    **kwargs : dict
        For `~matplotlib.axes.Axes.axvspan`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes.

    Raises
    ------
    ValueError
        If the map is not boolean.
    """
    if not m.is_mask:
        raise ValueError(f"plot_mask needs a boolean map, got data of type {m.data.dtype}")
    ax = plt.gca() if ax is None else ax
    settings = patch_settings({"color": "k", "alpha": 0.05, "label": "mask"}, kwargs)
    edges = m.geom.axes["energy"].edges.value
    runs = groupby(enumerate(m.data.ravel()), key=lambda item: bool(item[1]))
    for inside, run in runs:
        bins = [i for i, _ in run]
        if inside:
            ax.axvspan(edges[bins[0]], edges[bins[-1] + 1], **settings)
            settings["label"] = None
    return ax


def plot_region(
    geom: "RegionGeom", ax: Axes | None = None, kwargs_point: Mapping[str, object] | None = None, **kwargs: object
) -> Axes:
    """Draw the outline of a region on celestial axes.

    Parameters
    ----------
    geom : RegionGeom
        Geometry with a region.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`, optional
        Axes; new ones in the projection of the geometry, just large enough, by default.
    kwargs_point : Mapping, optional
        Arguments for points, of `~matplotlib.lines.Line2D`.
    **kwargs : dict
        Arguments for outlines, of `~matplotlib.patches.Patch`; points share the colour and the line width.

    Returns
    -------
    `~astropy.visualization.wcsaxes.WCSAxes`
        The axes.

    Raises
    ------
    ValueError
        If there is no region.
    TypeError
        If the axes are not celestial.
    """
    if geom.region is None:
        raise ValueError(f"plot_region needs a region, {geom!r} has none")
    if ax is None:
        ax = _new_axes(geom)
    if not isinstance(ax, WCSAxes):
        raise TypeError(f"plot_region needs celestial axes (projection=map.geom.wcs), got {type(ax).__name__}")
    color = kwargs.pop("color", kwargs.pop("c", kwargs.pop("ec", "C0")))
    settings = {"facecolor": "none", "edgecolor": color} | kwargs
    shared = {new: settings[old] for old, new in POINT_ARGUMENTS.items() if old in settings}
    for part in simple_regions(geom.region):
        chosen = (
            {"marker": "*", "linestyle": "none"} | shared | dict(kwargs_point or {}) if is_point(part) else settings
        )
        ax.add_artist(part.to_pixel(ax.wcs).as_artist(**chosen))
    return ax


def _new_axes(geom: "RegionGeom") -> WCSAxes:
    """Axes that show the bounding box of the region."""
    image = geom.to_wcs_geom().to_image()
    ax = new_axes(image.wcs)
    ax.set_xlim(-0.5, image.npix[0] - 0.5)
    ax.set_ylim(-0.5, image.npix[1] - 0.5)
    ax.set_aspect("equal")
    return ax


def _axis(m: "RegionNDMap", axis_name: str | None) -> "MapAxis":
    """The axis along x."""
    if axis_name is not None:
        return m.geom.axes[axis_name]
    if len(m.geom.axes) != 1 and not m.geom.axes.is_unidimensional:
        raise ValueError(
            f"the axes {m.geom.axes!r} have more than one bin; say which with axis_name, or sum over others"
        )
    return m.geom.axes.primary_axis


def _label(ax: Axes, m: "RegionNDMap", axis: "MapAxis") -> None:
    unit = axis.unit.to_string("latex_inline")
    name = {"energy": "Energy", "energy_true": "True energy"}.get(axis.name, axis.name)
    ax.set_xlabel(f"{name} [{unit}]" if str(axis.unit) else name)
    ax.set_xscale(axis.as_plot_scale)
    if str(m.unit):
        ax.set_ylabel(f"[{m.unit.to_string('latex_inline')}]")
