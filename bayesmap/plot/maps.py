"""Sky maps on celestial axes: one image, a grid of images, masks."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from astropy.visualization import simple_norm
from matplotlib.colors import Normalize
from matplotlib.ticker import Formatter, ScalarFormatter

from bayesmap._digits import power_of_ten
from bayesmap._types import Axes
from bayesmap._util import check_option
from bayesmap.plot.axes import new_axes, unit_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bayesmap.maps import Map

__all__ = ["plot_grid", "plot_map", "plot_mask"]

STRETCHES = ("linear", "sqrt", "log", "power", "asinh", "sinh")
LABELS = {"galactic": ("Galactic Longitude", "Galactic Latitude"), "icrs": ("Right Ascension", "Declination")}
#: what astropy writes by itself
AUTOMATIC_LABELS = (
    "",
    None,
    *(f"pos.{frame}.{name}" for frame in ("galactic", "eq") for name in ("lon", "lat", "ra", "dec")),
)
FIGURE_WIDTH = 12.0


def plot_map(
    m: "Map",
    ax: Axes | None = None,
    fig: "Figure | None" = None,
    add_cbar: bool = False,
    stretch: str = "linear",
    axes_loc: tuple[float, float, float, float] | None = None,
    kwargs_colorbar: Mapping[str, object] | None = None,
    **kwargs: object,
) -> Axes:
    """Plot a map with one image on celestial axes.

    Parameters
    ----------
    m : Map
        Map whose non-spatial axes have one bin each. Values that are not finite are left blank.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`, optional
        Axes with the map's projection (or any other celestial one); those of a new figure by default.
    fig : `~matplotlib.figure.Figure`, optional
        Figure for new axes.
    add_cbar : bool
        Whether to draw a colour bar, labelled with the unit; a map of pure numbers gets a label by
        ``kwargs_colorbar={"label": "counts per pixel"}``.
    stretch : {"linear", "sqrt", "log", "power", "asinh", "sinh"}
        Stretch of the colour scale.
    axes_loc : (left, bottom, width, height), optional
        Place of new axes in the figure, as fractions.
    kwargs_colorbar : Mapping, optional
        Arguments for the colour bar.
    **kwargs : dict
        For `~matplotlib.axes.Axes.imshow`; ``vmin`` and ``vmax`` limit the colours, ``norm`` replaces the stretch.

    Returns
    -------
    `~astropy.visualization.wcsaxes.WCSAxes`
        The axes.

    Raises
    ------
    ValueError
        If the map has more than one image.
    """
    if not m.geom.is_flat:
        raise ValueError(
            f"plot needs a map with one image, {m.geom!r} has axes; use plot_grid, or take one image first"
        )
    check_option("stretch", stretch, STRETCHES)
    ax = _celestial_axes(m, ax, fig, axes_loc)
    data = m.data.reshape(m.geom.data_shape_image).astype("float64")
    image = ax.imshow(np.ma.masked_invalid(data), **_image_settings(m, data, ax, stretch, kwargs))
    _label(ax, m.geom.frame)
    if add_cbar:
        add_colorbar(image, ax, m.unit, kwargs_colorbar)
    return ax


def _celestial_axes(m: "Map", ax: Axes, fig: "Figure", location: object) -> Any:
    if ax is None:
        if location is not None:
            return (fig or plt.figure()).add_axes(location, projection=m.geom.wcs)
        return new_axes(m.geom.wcs, fig)
    if not hasattr(ax, "wcs"):
        raise TypeError(f"a map needs axes made with projection=map.geom.wcs, got {type(ax).__name__}")
    return ax


def _image_settings(m: "Map", data: np.ndarray, ax: Axes, stretch: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    settings = {"origin": "lower", "interpolation": "nearest", "cmap": "afmhot"} | kwargs
    if ax.wcs is not m.geom.wcs and "transform" not in settings:
        settings["transform"] = ax.get_transform(m.geom.wcs)
    if "norm" not in settings:
        settings["norm"] = _norm(data, stretch, settings.pop("vmin", None), settings.pop("vmax", None))
    return settings


def _norm(data: np.ndarray, stretch: str, vmin: float | None, vmax: float | None) -> Normalize:
    finite = data[np.isfinite(data)]
    if finite.size == 0:
        return Normalize(vmin=vmin, vmax=vmax)
    return simple_norm(finite, stretch, vmin=vmin, vmax=vmax)


def _label(ax: Axes, frame: str) -> None:
    for coord, text in zip(ax.coords, LABELS[frame], strict=False):
        if coord.get_axislabel() in AUTOMATIC_LABELS:  # the name that astropy gives by itself
            coord.set_axislabel(text)
        coord.set_ticklabel(exclude_overlapping=True)


def add_colorbar(image: Any, ax: Axes, unit: u.UnitBase, settings: Mapping[str, object] | None = None) -> Any:
    """Draw a colour bar beside axes, as high as they are, labelled with a unit and the power of ten of its numbers.

    Parameters
    ----------
    image : `~matplotlib.cm.ScalarMappable`
        Coloured image.
    ax : `~matplotlib.axes.Axes`
        Axes of the image.
    unit : `~astropy.units.Unit`
        Unit of the values; none is written for pure numbers.
    settings : Mapping, optional
        Arguments of `matplotlib.figure.Figure.colorbar`; its ``label`` stands in place of the unit.

    Returns
    -------
    `~matplotlib.colorbar.Colorbar`
        The colour bar.
    """
    settings = dict(settings or {})
    if not {"ax", "cax"} & settings.keys():
        settings["cax"] = ax.inset_axes((1.02, 0, 0.04, 1))
    label = settings.pop("label", "")
    bar = ax.figure.colorbar(image, **settings)
    power = 0
    if type(bar.formatter) is ScalarFormatter:  # logarithmic ones write powers themselves
        power = power_of_ten(*image.get_clim())
        bar.formatter = _Scaled(power)
    bar.set_label(f"{label} {unit_label(None if label else unit, power)}".strip())
    return bar


class _Scaled(Formatter):
    """Numbers in units of a power of ten, all with as many decimals as one of them needs."""

    def __init__(self, power: int) -> None:
        self.factor, self.digits = 10.0**-power, 0

    def set_locs(self, locs: Sequence[float]) -> None:
        """Find the number of decimals for all ticks."""
        scaled = np.asarray(locs) * self.factor
        enough = (digits for digits in range(6) if np.allclose(np.round(scaled, digits), scaled, rtol=1e-6, atol=1e-9))
        self.digits = next(enough, 6)

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Text of a tick."""
        return self.fix_minus(f"{x * self.factor:.{self.digits}f}")


def plot_grid(m: "Map", figsize: Any = None, ncols: int = 3, **kwargs: Any) -> np.ndarray:
    """Plot every image of a map in a grid of panels, each titled with its bins.

    Parameters
    ----------
    m : Map
        Map.
    figsize : (float, float), optional
        Size of the figure in inches; by default as wide as a page and as high as needed.
    ncols : int
        Largest number of columns.
    **kwargs : dict
        For `plot_map`.

    Returns
    -------
    numpy.ndarray
        The axes, shape ``(rows, columns)``; None where there is no panel.

    Raises
    ------
    ValueError
        If there is no column.
    """
    images = list(m.iter_by_image(keepdims=True))
    if ncols < 1:
        raise ValueError(f"ncols must be at least 1, got {ncols}")
    ncols = min(ncols, len(images))
    nrows = int(np.ceil(len(images) / ncols))
    fig = plt.figure(figsize=figsize or _figure_size(m, nrows, ncols), layout="compressed")
    axes = np.full((nrows, ncols), None, dtype=object)
    for number, image in enumerate(images):
        row, column = divmod(number, ncols)
        ax = fig.add_subplot(nrows, ncols, number + 1, projection=m.geom.wcs)
        plot_map(image, ax=ax, **kwargs)
        ax.set_title(_title(image), fontsize="medium")
        _keep_outer_labels(ax, first_column=column == 0, last_row=number + ncols >= len(images))
        axes[row, column] = ax
    return axes


def _figure_size(m: "Map", nrows: int, ncols: int) -> tuple[float, float]:
    width = FIGURE_WIDTH * min(1.0, 0.25 + 0.25 * ncols)
    n_lon, n_lat = m.geom.npix
    return width, nrows * (width / ncols * min(n_lat / n_lon, 2.0) + 0.6)


def _title(image: "Map") -> str:
    return "\n".join(f"{axis.name.replace('_', ' ').capitalize()} {axis.as_plot_labels[0]}" for axis in image.geom.axes)


def _keep_outer_labels(ax: Axes, first_column: bool, last_row: bool) -> None:
    lon, lat = ax.coords
    if not first_column:
        lat.set_ticklabel_visible(False)
        lat.set_axislabel(" ")
    if not last_row:
        lon.set_ticklabel_visible(False)
        lon.set_axislabel(" ")


def plot_mask(m: "Map", ax: Axes | None = None, **kwargs: object) -> Axes:
    """Draw the edge of the True area of a boolean image and hatch what is outside.

    Parameters
    ----------
    m : Map
        Boolean map with one image.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`, optional
        Axes; new ones by default.
    **kwargs : dict
        For `~matplotlib.axes.Axes.contourf`, for example ``hatches`` and ``colors``.

    Returns
    -------
    `~astropy.visualization.wcsaxes.WCSAxes`
        The axes.

    Raises
    ------
    ValueError
        If the map is not boolean or has several images.
    """
    if not m.is_mask or not m.geom.is_flat:
        raise ValueError(f"plot_mask needs a boolean map with one image, got {m!r}")
    ax = _celestial_axes(m, ax, None, None)
    outside = (~m.data.reshape(m.geom.data_shape_image)).astype("float64")
    settings = {"colors": "white", "alpha": 0.7, "levels": [0.5, 1.5]} | kwargs
    if ax.wcs is not m.geom.wcs:
        settings.setdefault("transform", ax.get_transform(m.geom.wcs))
    ax.contourf(outside, **settings)
    ax.set_xlim(-0.5, outside.shape[1] - 0.5)
    ax.set_ylim(-0.5, outside.shape[0] - 0.5)
    _label(ax, m.geom.frame)
    return ax
