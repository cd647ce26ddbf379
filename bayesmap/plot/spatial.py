"""Figures of spatial models on sky axes: positions and extensions with their errors, outlines of several models."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import matplotlib.pyplot as plt
import numpy as np

from bayesmap._types import Axes
from bayesmap._util import check_option
from bayesmap.plot.maps import plot_map

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

    from bayesmap.modeling import Models
    from bayesmap.modeling.spatial.base import SpatialModel

__all__ = ["plot_position", "plot_positions", "plot_shape_error"]

#: parameter that a model is scaled with to show the error of its size
SIZES = ("sigma", "r_0", "radius")


def _sky_axes(ax: Axes) -> Any:
    ax = plt.gca() if ax is None else ax
    if not hasattr(ax, "wcs"):
        raise TypeError(f"positions need axes made with projection=map.geom.wcs, got {type(ax).__name__}")
    return ax


def plot_position(model: "SpatialModel", ax: Axes | None = None, **kwargs: object) -> Axes:
    """Plot the position of a spatial model, and the 95 % ellipse of its error if it has one.

    Parameters
    ----------
    model : SpatialModel
        Model with a position.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`, optional
        Sky axes; the current ones by default.
    **kwargs : dict
        For `~matplotlib.axes.Axes.scatter`.

    Returns
    -------
    `~astropy.visualization.wcsaxes.WCSAxes`
        The axes.
    """
    ax = _sky_axes(ax)
    settings = {"marker": "x", "color": "red", "label": "position"} | kwargs
    center = cast("SkyCoord", model.position).data
    ax.scatter(center.lon.deg, center.lat.deg, transform=ax.get_transform(model.frame), **settings)
    if model.lon_0.error > 0 or model.lat_0.error > 0:
        region = model.position_error.to_pixel(ax.wcs)
        ax.add_artist(region.as_artist(facecolor="none", edgecolor=settings["color"]))
    return ax


def plot_shape_error(
    model: "SpatialModel",
    ax: Axes | None = None,
    which: str = "position",
    size_factor: float = 1.0,
    kwargs_position: Mapping[str, object] | None = None,
    kwargs_extension: Mapping[str, object] | None = None,
) -> Axes:
    """Plot the error of the position of a spatial model, and of its extension.

    Parameters
    ----------
    model : SpatialModel
        Model with a position.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`, optional
        Sky axes; the current ones by default.
    which : {"position", "extension", "all"}
        What to show. The extension is two outlines, at the size plus and minus its error.
    size_factor : float
        Factor of the outlines.
    kwargs_position : Mapping, optional
        For `plot_position`.
    kwargs_extension : Mapping, optional
        For the outlines, arguments of `matplotlib.patches.Patch`.

    Returns
    -------
    `~astropy.visualization.wcsaxes.WCSAxes`
        The axes.

    Raises
    ------
    ValueError
        If the extension is asked for and the model has none.
    """
    check_option("which", which, ("position", "extension", "all"))
    ax = _sky_axes(ax)
    if which in ("position", "all"):
        plot_position(model, ax, **(kwargs_position or {}))
    sizes = [name for name in SIZES if name in model.parameter_names]
    if which == "extension" and not sizes:
        raise ValueError(f"{type(model).__name__} has no extension")
    if which in ("extension", "all") and sizes:
        size = getattr(model, sizes[0])
        settings = {"edgecolor": "red", "facecolor": "none", "alpha": 0.5} | dict(kwargs_extension or {})
        for step in (-1, 1):
            other = model.copy()
            getattr(other, sizes[0]).value = max(size.value + step * size.error, np.nextafter(0, 1))
            ax.add_artist(other.to_region(size_factor=size_factor).to_pixel(ax.wcs).as_artist(**settings))
    return ax


def plot_positions(models: "Models", ax: Axes | None = None, **kwargs: object) -> Axes:
    """Plot the positions of sky models.

    Parameters
    ----------
    models : Models
        Models; those without a position are left out.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`, optional
        Sky axes; by default new ones that hold the outlines of all models.
    **kwargs : dict
        For `~matplotlib.axes.Axes.scatter`.

    Returns
    -------
    `~astropy.visualization.wcsaxes.WCSAxes`
        The axes.
    """
    from bayesmap.maps import Map

    ax = plot_map(Map.from_geom(models.wcs_geom.to_image())) if ax is None else _sky_axes(ax)
    positions = models.positions
    settings = {"marker": "*", "color": "tab:blue"} | kwargs
    ax.scatter(positions.ra.deg, positions.dec.deg, transform=ax.get_transform("icrs"), **settings)
    return ax
