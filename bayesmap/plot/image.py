"""Images of flux: data, prediction and residuals."""

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np

from bayesmap._types import Axes
from bayesmap.maps import Map
from bayesmap.plot.maps import plot_map

if TYPE_CHECKING:
    from bayesmap.datasets.image import ImageDataset

__all__ = ["peek_image", "plot_image", "plot_image_residuals"]

#: standard deviations at the ends of the colour scale of residuals
LARGEST = 5.0


def plot_image(dataset: "ImageDataset", ax: Axes | None = None, **kwargs: Any) -> Axes:
    """Plot an image of flux in nJy; pixels outside of ``mask_safe`` are left blank.

    Parameters
    ----------
    dataset : ImageDataset
        The image.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw, with a sky projection; by default new axes with that of the image.
    **kwargs
        For `plot_map`; the stretch is "asinh" by default.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes.
    """
    values = np.where(dataset.mask_safe, dataset.data, np.nan)
    return _plot(dataset, values, "nJy", ax, {"stretch": "asinh", "cmap": "viridis"} | kwargs)


def plot_image_residuals(
    dataset: "ImageDataset", ax: Axes | None = None, method: str = "diff/sqrt(var)", **kwargs: Any
) -> Axes:
    """Plot data minus prediction; pixels outside of ``mask_safe`` are left blank.

    Parameters
    ----------
    dataset : ImageDataset
        The image, with models at the values to be looked at.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw, with a sky projection; by default new axes with that of the image.
    method : {"diff", "diff/sqrt(var)"}
        In nJy, or in standard deviations of the noise, of which the colours show 5 to either side.
    **kwargs
        For `plot_map`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes.
    """
    values = dataset.residuals(method).array
    finite = np.abs(values[np.isfinite(values)])
    largest = float(np.percentile(finite, 99)) if method == "diff" and finite.size else LARGEST
    settings = {"cmap": "coolwarm", "vmin": -largest, "vmax": largest} | kwargs
    return _plot(dataset, values, "nJy" if method == "diff" else "", ax, settings)


def peek_image(dataset: "ImageDataset", figsize: tuple[float, float] = (14, 4.2)) -> np.ndarray:
    """Plot data, prediction and residuals in standard deviations beside each other.

    Parameters
    ----------
    dataset : ImageDataset
        The image, with models at the values to be looked at.
    figsize : (float, float)
        Size of the figure in inches.

    Returns
    -------
    numpy.ndarray
        The axes, shape ``(3,)``. Data and prediction have the same colours.
    """
    fig = plt.figure(figsize=figsize, layout="constrained")
    wcs = dataset.geom.wcs
    axes = np.array([fig.add_subplot(1, 3, number + 1, projection=wcs) for number in range(3)])
    inside = dataset.data[dataset.mask_safe]
    limits = {"vmin": float(inside.min()), "vmax": float(inside.max())} if inside.size else {}
    plot_image(dataset, axes[0], **limits)
    settings = {"stretch": "asinh", "cmap": "viridis"} | limits
    _plot(dataset, dataset.npred().array, "nJy", axes[1], settings)
    plot_image_residuals(dataset, axes[2])
    for ax, title in zip(axes, ("data", "prediction", "residuals / standard deviation"), strict=True):
        ax.set_title(title)
    return axes


def _plot(dataset: "ImageDataset", values: np.ndarray, unit: str, ax: Axes | None, settings: dict[str, Any]) -> Axes:
    """Draw pixel values with a colour bar."""
    return plot_map(Map.from_geom(dataset.geom, data=values, unit=unit), ax, **{"add_cbar": True} | settings)
