"""A dataset at a glance: exposure, responses, counts and prediction."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np

from bayesmap._types import Axes
from bayesmap.plot.axes import new_axes, unit_label
from bayesmap.plot.irf import FRACTIONS, plot_psf_containment
from bayesmap.plot.maps import add_colorbar, plot_map
from bayesmap.plot.residuals import set_energy_axis
from bayesmap.plot.settings import line_settings

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from matplotlib.figure import Figure

    from bayesmap.datasets.map import MapDataset
    from bayesmap.irf import EDispKernel
    from bayesmap.maps import Map

__all__ = ["peek", "plot_containment_radius", "plot_edisp_kernel", "plot_edisp_matrix", "plot_exposure_profile"]


def peek(dataset: "MapDataset", figsize: tuple[float, float] = (12, 8), *, npred: "Map | None" = None) -> np.ndarray:
    """Plot six panels: exposure, containment radius and energy dispersion at the centre; exposure, counts, prediction.

    Parameters
    ----------
    dataset : MapDataset
        Dataset; panels of missing components stay empty.
    figsize : (float, float)
        Size of the figure in inches.
    npred : Map, optional
        Predicted counts, of the geometry of the counts; ``dataset.npred()`` by default.

    Returns
    -------
    numpy.ndarray
        The axes, shape ``(2, 3)``.

    Notes
    -----
    The prediction is shown inside ``mask_safe``, the counts are all; images are summed over energy.
    """
    fig = plt.figure(figsize=figsize, layout="constrained")
    axes = np.full((2, 3), None, dtype=object)
    profiles = (
        ("Exposure (at FoV center)", dataset.exposure, plot_exposure_profile),
        ("Containment radius (at FoV center)", dataset.psf, plot_containment_radius),
        ("Energy dispersion (at FoV center)", dataset.edisp, plot_edisp_matrix),
    )
    for column, (title, component, function) in enumerate(profiles):
        axes[0, column] = _panel(fig, column, title, component is not None, None, partial(function, dataset))
    for column, (title, image, label) in enumerate(_images(dataset, npred)):
        wcs = None if image is None else image.geom.to_image().wcs
        settings: dict[str, Any] = {"add_cbar": True, "stretch": "sqrt" if column else "linear"}
        settings["kwargs_colorbar"] = {"label": label} if label else None
        axes[1, column] = _panel(fig, 3 + column, title, image is not None, wcs, partial(plot_map, image, **settings))
    return axes


def _panel(fig: "Figure", number: int, title: str, exists: bool, wcs: Any, draw: Callable[[Any], Any]) -> Any:
    """One panel, with a note in place of a missing component."""
    ax = fig.add_subplot(2, 3, number + 1, projection=wcs)
    ax.set_title(title)
    if not exists:
        ax.set_axis_off()
        ax.text(0.5, 0.5, "none", ha="center", va="center", transform=ax.transAxes)
        return ax
    draw(ax)
    return ax


def _images(dataset: "MapDataset", npred: "Map | None") -> list[tuple[str, Any, str]]:
    """Titles, maps and labels of the lower row; None where there is nothing to show."""
    exposure, title = None, "Exposure map"
    if dataset.exposure is not None:
        axis = dataset.exposure.geom.axes[0]
        index = axis.nbin // 2
        exposure = dataset.exposure.get_image_by_idx([index])
        title = f"Exposure map at {axis.center[index]:.3g}"
    counts = None if dataset.counts is None else dataset.counts.sum_over_axes(keepdims=False)
    if npred is None and (dataset.models or dataset.background is not None):
        npred = dataset.npred()
    predicted: Any = None
    if npred is not None:
        inside: Any = npred if dataset.mask_safe is None else npred * dataset.mask_safe
        predicted = inside.sum_over_axes(keepdims=False)
    per_pixel = "counts per pixel"
    return [(title, exposure, ""), ("Counts map", counts, per_pixel), ("Model npred", predicted, per_pixel)]


def plot_exposure_profile(
    dataset: "MapDataset", ax: Axes | None = None, *, position: "SkyCoord | None" = None, **kwargs: object
) -> Axes:
    """Plot exposure against true energy at a position.

    Parameters
    ----------
    dataset : MapDataset
        With an exposure.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    position : `~astropy.coordinates.SkyCoord`, optional
        Position; the centre of the map by default.
    **kwargs : dict
        For `~matplotlib.axes.Axes.plot`.
    """
    ax = new_axes() if ax is None else ax
    exposure = dataset.exposure
    position = exposure.geom.center_skydir if position is None else position
    axis = exposure.geom.axes["energy_true"]
    values = exposure.interp_by_coord({"skycoord": position, "energy_true": axis.center})
    values = np.ravel(values)
    ax.set_yscale("log")
    if np.allclose(values, values[0], rtol=1e-9) and values[0] > 0:  # matplotlib would find no limits
        ax.set_ylim(0.5 * values[0], 2 * values[0])
    ax.plot(axis.center.value, values, **line_settings({"marker": "o", "markersize": 3}, kwargs))
    set_energy_axis(ax, axis)
    ax.set_ylabel(f"exposure {unit_label(exposure.unit)}")
    ax.grid(visible=True, alpha=0.2)
    return ax


def plot_containment_radius(
    dataset: "MapDataset",
    ax: Axes | None = None,
    *,
    position: "SkyCoord | None" = None,
    fractions: tuple[float, ...] = FRACTIONS,
    **kwargs: object,
) -> Axes:
    """Plot the radii that contain fractions of the events of a point source, against energy.

    Parameters
    ----------
    dataset : MapDataset
        With a PSF.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    position : `~astropy.coordinates.SkyCoord`, optional
        Position; the centre of the map by default.
    fractions : sequence of float
        Containment fractions.
    **kwargs : dict
        For `~matplotlib.axes.Axes.plot`.
    """
    position = dataset._geom.center_skydir if position is None else position
    return plot_psf_containment(dataset.psf, ax, fractions, position=position, **kwargs)


def plot_edisp_matrix(
    dataset: "MapDataset", ax: Axes | None = None, *, position: "SkyCoord | None" = None, **kwargs: Any
) -> Axes:
    """Plot the probabilities of reconstructed energies for each true energy, at a position.

    Parameters
    ----------
    dataset : MapDataset
        With an energy dispersion.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    position : `~astropy.coordinates.SkyCoord`, optional
        Position; the centre of the map by default.
    **kwargs : dict
        For `~matplotlib.axes.Axes.pcolormesh`.
    """
    reco = dataset._geom.axes["energy"]
    position = dataset._geom.center_skydir if position is None else position
    kernel = dataset.edisp.get_edisp_kernel(position=position, energy_axis=reco)
    return plot_edisp_kernel(kernel, ax, add_cbar=True, **kwargs)


def plot_edisp_kernel(
    kernel: "EDispKernel",
    ax: Axes | None = None,
    add_cbar: bool = False,
    axes_loc: tuple[float, float, float, float] | None = None,
    kwargs_colorbar: Mapping[str, object] | None = None,
    **kwargs: object,
) -> Axes:
    """Plot the probabilities of reconstructed energies for each true energy.

    Parameters
    ----------
    kernel : EDispKernel
        Energy dispersion matrix; probabilities of zero are left blank.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    add_cbar : bool
        Whether to draw a colour bar.
    axes_loc : (left, bottom, width, height), optional
        Place of the colour bar, as fractions of the axes; by default beside them.
    kwargs_colorbar : Mapping, optional
        For `matplotlib.figure.Figure.colorbar`.
    **kwargs : dict
        For `~matplotlib.axes.Axes.pcolormesh`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes.
    """
    ax = new_axes() if ax is None else ax
    true, reco = kernel.axes["energy_true"], kernel.axes["energy"]
    matrix = np.ma.masked_less_equal(np.asarray(kernel.pdf_matrix, dtype="float64"), 0)
    settings = {"cmap": "GnBu", "norm": "linear", "vmin": 0, "shading": "flat"} | kwargs
    mesh = ax.pcolormesh(true.edges.value, reco.edges.to_value(true.unit), matrix.T, **settings)
    set_energy_axis(ax, true)
    ax.set_yscale(reco.as_plot_scale)
    ax.set_ylabel(f"energy [{true.unit}]")
    if add_cbar:
        place = {} if axes_loc is None else {"cax": ax.inset_axes(axes_loc)}
        settings = {"label": "probability"} | place | dict(kwargs_colorbar or {})
        add_colorbar(mesh, ax, u.dimensionless_unscaled, settings)
    return ax
