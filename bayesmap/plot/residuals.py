"""Residual figures of a dataset at its current parameter values, or against any other prediction."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np

from bayesmap._types import Axes, QuantityLike, Region
from bayesmap.maps import Map
from bayesmap.plot.axes import new_axes
from bayesmap.plot.maps import plot_map
from bayesmap.plot.masks import shade_masks
from bayesmap.plot.residual_numbers import residual_image, significance_image, spectrum_residuals
from bayesmap.plot.settings import line_settings, patch_settings

if TYPE_CHECKING:
    from bayesmap.datasets.map import MapDataset
    from bayesmap.maps import MapAxis

__all__ = [
    "plot_residuals",
    "plot_residuals_spatial",
    "plot_residuals_spectral",
    "plot_significance",
    "plot_significance_distribution",
]

METHOD_LABELS = {
    "diff": "data - model",
    "diff/model": "(data - model) / model",
    "diff/sqrt(model)": "(data - model) / sqrt(model)",
}


def plot_residuals(
    dataset: "MapDataset",
    ax_spatial: Axes | None = None,
    ax_spectral: Axes | None = None,
    kwargs_spatial: Mapping[str, object] | None = None,
    kwargs_spectral: Mapping[str, object] | None = None,
    *,
    npred: Map | None = None,
) -> tuple[Any, Any]:
    """Plot spatial and spectral residuals side by side.

    Parameters
    ----------
    dataset : MapDataset
        With counts and models.
    ax_spatial : `~astropy.visualization.wcsaxes.WCSAxes`, optional
        Axes of the image; new ones by default.
    ax_spectral : `~matplotlib.axes.Axes`, optional
        Axes of the spectrum; new ones by default.
    kwargs_spatial, kwargs_spectral : Mapping, optional
        Arguments of `plot_residuals_spatial` and `plot_residuals_spectral`. The entry ``region`` of the latter is the
        region of the spectrum, and its outline is drawn into the image; without it the spectrum is that of the map.
    npred : Map, optional
        Prediction to compare with, for example `bayesmap.inference.posterior_npred`; ``dataset.npred()`` by default.

    Returns
    -------
    ax_spatial, ax_spectral
        The axes.
    """
    of_image: dict[str, Any] = dict(kwargs_spatial or {})
    of_spectrum: dict[str, Any] = dict(kwargs_spectral or {})
    npred = dataset.npred() if npred is None else npred
    if ax_spatial is None and ax_spectral is None:
        fig = plt.figure(figsize=(12, 4.5), layout="constrained")
        ax_spatial = fig.add_subplot(1, 2, 1, projection=dataset.counts.geom.to_image().wcs)
        ax_spectral = fig.add_subplot(1, 2, 2)
    ax_spatial = plot_residuals_spatial(dataset, ax_spatial, npred=npred, **of_image)
    ax_spectral = plot_residuals_spectral(dataset, ax_spectral, npred=npred, **of_spectrum)
    if of_spectrum.get("region") is not None:
        _outline(ax_spatial, of_spectrum["region"])
    return ax_spatial, ax_spectral


def _outline(ax: Axes, region: Region) -> None:
    """Draw the edge of a sky region."""
    if hasattr(region, "to_pixel"):
        region.to_pixel(ax.wcs).plot(ax=ax, facecolor="none", edgecolor="black", linewidth=1.2)


def plot_residuals_spatial(
    dataset: "MapDataset",
    ax: Axes | None = None,
    method: str = "diff",
    smooth_kernel: str = "gauss",
    smooth_radius: QuantityLike = "0.1 deg",
    *,
    npred: Map | None = None,
    **kwargs: object,
) -> Axes:
    """Plot the smoothed residuals of the image summed over energy.

    Parameters
    ----------
    dataset : MapDataset
        With counts and models.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`, optional
        Axes; new ones by default.
    method : {"diff", "diff/model", "diff/sqrt(model)"}
        Normalisation.
    smooth_kernel : {"gauss", "box", "disk"}
        Kernel shape.
    smooth_radius : `~astropy.units.Quantity`, str or float
        Width of the kernel, in pixels if a number.
    npred : Map, optional
        Prediction to compare with; ``dataset.npred()`` by default.
    **kwargs : dict
        For `~bayesmap.plot.plot_map`. By default colours are symmetric around zero, up to the 99.5 % quantile of the
        absolute residuals, and a colour bar is drawn.

    Returns
    -------
    `~astropy.visualization.wcsaxes.WCSAxes`
        The axes. The numbers are those of `bayesmap.plot.residual_image`.
    """
    image = residual_image(dataset, method, smooth_kernel, smooth_radius, npred)
    finite = np.abs(image.data[np.isfinite(image.data)])
    limit = float(np.quantile(finite, 0.995)) if finite.size and finite.any() else 1.0
    settings: dict[str, Any] = {"add_cbar": True, "cmap": "RdBu_r", "vmin": -limit, "vmax": limit} | kwargs
    settings.setdefault("kwargs_colorbar", {"label": METHOD_LABELS[method]})
    return plot_map(image, ax=ax, **settings)


def plot_significance(
    dataset: "MapDataset",
    ax: Axes | None = None,
    *,
    radius: QuantityLike = "0.1 deg",
    npred: Map | None = None,
    **kwargs: object,
) -> Axes:
    """Plot the significance of the residuals in a disk around each pixel; see `bayesmap.plot.significance_image`.

    Parameters
    ----------
    dataset : MapDataset
        With counts and models.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`, optional
        Axes; new ones by default.
    radius : `~astropy.units.Quantity`, str or float
        Radius of the disk, in pixels if a number.
    npred : Map, optional
        Prediction to compare with, for example the posterior mean; ``dataset.npred()`` by default.
    **kwargs : dict
        For `~bayesmap.plot.plot_map`; colours run from -5 to 5 standard deviations by default.

    Returns
    -------
    `~astropy.visualization.wcsaxes.WCSAxes`
        The axes.
    """
    image = significance_image(dataset, radius, npred)
    settings: dict[str, Any] = {"add_cbar": True, "cmap": "RdBu_r", "vmin": -5, "vmax": 5} | kwargs
    settings.setdefault("kwargs_colorbar", {"label": r"significance [$\sigma$]"})
    return plot_map(image, ax=ax, **settings)


def plot_significance_distribution(
    dataset: "MapDataset",
    ax: Axes | None = None,
    *,
    radius: QuantityLike = "0.1 deg",
    npred: Map | None = None,
    **kwargs: object,
) -> Axes:
    """Plot the distribution of the pixels of `bayesmap.plot.significance_image` beside a standard normal.

    Parameters
    ----------
    dataset : MapDataset
        With counts and models.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    radius : `~astropy.units.Quantity`, str or float
        Radius of the disk.
    npred : Map, optional
        Prediction to compare with; ``dataset.npred()`` by default.
    **kwargs : dict
        For `~matplotlib.axes.Axes.hist`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes, with a logarithmic scale.
    """
    ax = new_axes() if ax is None else ax
    values = significance_image(dataset, radius, npred).data
    values = values[np.isfinite(values)]
    limit = max(5.0, float(np.abs(values).max(initial=0)) * 1.05)
    bins = np.linspace(-limit, limit, 51)
    label = f"mean {values.mean():.2f}, width {values.std():.2f}"
    settings = patch_settings({"color": "tab:blue", "alpha": 0.5, "density": True, "label": label}, kwargs)
    ax.hist(values, bins=bins, **settings)
    x = np.linspace(-limit, limit, 400)
    ax.plot(x, np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi), color="black", label="standard normal")
    ax.set_yscale("log")
    ax.set_ylim(0.3 / (len(values) * (bins[1] - bins[0])), 10.0)  # with room for the legend
    ax.set_xlabel(r"significance [$\sigma$]")
    ax.set_ylabel("pixels (density)")
    ax.legend(frameon=False, loc="upper left")
    return ax


def plot_residuals_spectral(
    dataset: "MapDataset",
    ax: Axes | None = None,
    method: str = "diff",
    region: Region | str | None = None,
    kwargs_fit: Mapping[str, object] | None = None,
    kwargs_safe: Mapping[str, object] | None = None,
    *,
    npred: Map | None = None,
    **kwargs: object,
) -> Axes:
    """Plot residuals against energy in a region, and shade the energies inside the masks.

    Parameters
    ----------
    dataset : MapDataset
        With counts and models.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    method : {"diff", "diff/sqrt(model)"}
        Normalisation.
    region : `~regions.SkyRegion` or str, optional
        Region; the whole map by default.
    kwargs_fit, kwargs_safe : Mapping, optional
        For the shading of the fit mask and of the safe mask, `~matplotlib.axes.Axes.axvspan`.
    npred : Map, optional
        Prediction to compare with; ``dataset.npred()`` by default.
    **kwargs : dict
        For `~matplotlib.axes.Axes.errorbar`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes. The numbers are those of `bayesmap.plot.spectrum_residuals`.
    """
    ax = new_axes() if ax is None else ax
    numbers = spectrum_residuals(dataset, method, region, npred)
    settings = line_settings({"color": "black", "linestyle": "none", "marker": "o", "markersize": 4}, kwargs)
    nothing = (numbers.counts == 0) & (numbers.npred == 0)  # outside of the mask
    energy_errorbar(ax, numbers.axis, np.where(nothing, np.nan, numbers.residuals), numbers.error, **settings)
    ax.axhline(0, color="black", linewidth=0.7)
    top = np.abs(numbers.residuals) + numbers.error
    top = 1.05 * float(np.max(top[np.isfinite(top)], initial=0.0)) or 1.0
    ax.set_ylim(-top, top)
    ax.set_ylabel(f"residuals\n{METHOD_LABELS[method]}")
    return shade_masks(dataset, ax, region, kwargs_fit, kwargs_safe)


def energy_errorbar(ax: Axes, axis: "MapAxis", values: np.ndarray, error: Any, **settings: Any) -> Any:
    """Draw points with horizontal bars over their energy bins on a logarithmic axis."""
    center, (low, high) = axis.center.value, axis.as_plot_xerr
    points = ax.errorbar(center, values, xerr=(low.value, high.value), yerr=error, **settings)
    set_energy_axis(ax, axis)
    return points


def set_energy_axis(ax: Axes, axis: "MapAxis") -> None:
    """Scale, limits and label of a horizontal energy axis."""
    ax.set_xscale(axis.as_plot_scale)
    ax.set_xlim(axis.edges.value.min(), axis.edges.value.max())
    name = "true energy" if axis.name == "energy_true" else "energy"
    ax.set_xlabel(f"{name} [{axis.unit}]")
