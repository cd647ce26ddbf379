"""Figures of counts in a region against energy: spectrum datasets."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import matplotlib.pyplot as plt
import numpy as np

from bayesmap._types import Axes
from bayesmap.maps import RegionNDMap
from bayesmap.plot.axes import new_axes
from bayesmap.plot.masks import shade_masks
from bayesmap.plot.peek import plot_edisp_matrix, plot_exposure_profile
from bayesmap.plot.residual_numbers import counts_statistic
from bayesmap.plot.residuals import energy_errorbar, plot_residuals_spectral
from bayesmap.plot.settings import line_settings, patch_settings

if TYPE_CHECKING:
    from bayesmap.datasets.map import MapDataset

__all__ = ["peek_spectrum", "plot_counts", "plot_excess", "plot_fit", "plot_masks"]

type Settings = Mapping[str, Any] | None


def plot_counts(
    dataset: "MapDataset",
    ax: Axes | None = None,
    kwargs_counts: Settings = None,
    kwargs_background: Settings = None,
    **kwargs: object,
) -> Axes:
    """Plot counts and background per energy bin.

    Parameters
    ----------
    dataset : SpectrumDataset or SpectrumDatasetOnOff
        With counts; the background is left out if there is none. For ON/OFF data it is ``alpha * counts_off``.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    kwargs_counts, kwargs_background : Mapping, optional
        Arguments for the two histograms, `~bayesmap.maps.RegionNDMap.plot_hist`.
    **kwargs : dict
        Arguments for both.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes.

    Raises
    ------
    ValueError
        If the dataset has neither counts nor a background, or is not one of a region.
    """
    _require_region(dataset)
    ax = new_axes() if ax is None else ax
    parts = (("Counts", dataset.counts, kwargs_counts), ("Background", dataset.background, kwargs_background))
    if all(values is None for _, values, _ in parts):
        raise ValueError(f"dataset {dataset.name!r} has neither counts nor a background to plot")
    for label, values, settings in parts:
        if values is not None:
            values.plot_hist(ax=ax, **patch_settings({"label": label}, kwargs, settings))
    ax.legend()
    return ax


def plot_excess(
    dataset: "MapDataset",
    ax: Axes | None = None,
    kwargs_excess: Settings = None,
    kwargs_npred_signal: Settings = None,
    **kwargs: object,
) -> Axes:
    """Plot the excess counts with errors, and the predicted signal.

    Parameters
    ----------
    dataset : SpectrumDataset or SpectrumDatasetOnOff
        With counts.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    kwargs_excess : Mapping, optional
        Arguments for the points, `~matplotlib.axes.Axes.errorbar`.
    kwargs_npred_signal : Mapping, optional
        Arguments for the histogram of the prediction, `~bayesmap.maps.RegionNDMap.plot_hist`.
    **kwargs : dict
        Arguments for both.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes.

    Notes
    -----
    Excess and errors are those of `bayesmap.stats`: counts minus background with symmetric errors, the square root
    of the counts, and for ON/OFF data of ``n_on + alpha ** 2 * n_off``. Masks are not applied, see `plot_masks`.
    """
    _require_region(dataset)
    ax = new_axes() if ax is None else ax
    statistic = counts_statistic(dataset)
    defaults = {"label": "Excess counts", "linestyle": "none", "marker": "o", "markersize": 4}
    settings = line_settings(defaults, kwargs, kwargs_excess)
    axis = dataset._geom.axes["energy"]
    energy_errorbar(ax, axis, np.ravel(statistic.n_sig), np.ravel(statistic.error), **settings)
    settings = patch_settings({"label": "Predicted signal counts"}, kwargs, kwargs_npred_signal)
    cast(RegionNDMap, dataset.npred_signal()).plot_hist(ax=ax, **settings)
    ax.set_yscale("log", nonpositive="clip")
    if (statistic.n_sig > 0).any():  # the prediction may fall by many decades more
        ax.set_ylim(bottom=0.1 * statistic.n_sig[statistic.n_sig > 0].min())
    ax.set_ylabel("counts")
    ax.legend()
    return ax


def plot_masks(
    dataset: "MapDataset", ax: Axes | None = None, kwargs_fit: Settings = None, kwargs_safe: Settings = None
) -> Axes:
    """Shade the energies inside the fit mask and inside the safe mask.

    Parameters
    ----------
    dataset : SpectrumDataset or SpectrumDatasetOnOff
        Dataset; masks that are not set are left out.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; the current ones by default.
    kwargs_fit, kwargs_safe : Mapping, optional
        Arguments for the two masks, `~bayesmap.maps.RegionNDMap.plot_mask`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes.
    """
    _require_region(dataset)
    ax = plt.gca() if ax is None else ax
    return shade_masks(dataset, ax, None, kwargs_fit, kwargs_safe)


def plot_fit(
    dataset: "MapDataset",
    ax_spectrum: Axes | None = None,
    ax_residuals: Axes | None = None,
    kwargs_spectrum: Settings = None,
    kwargs_residuals: Settings = None,
) -> tuple[Any, Any]:
    """Plot excess and predicted signal above their residuals.

    Parameters
    ----------
    dataset : SpectrumDataset or SpectrumDatasetOnOff
        With counts and models.
    ax_spectrum, ax_residuals : `~matplotlib.axes.Axes`, optional
        Axes; two new panels by default.
    kwargs_spectrum : Mapping, optional
        Arguments of `plot_excess`.
    kwargs_residuals : Mapping, optional
        Arguments of `bayesmap.plot.plot_residuals_spectral`.

    Returns
    -------
    ax_spectrum, ax_residuals
        The axes.
    """
    if ax_spectrum is None and ax_residuals is None:
        fig = plt.figure(figsize=(8, 7), layout="constrained")
        ax_spectrum, ax_residuals = fig.subplots(2, 1, sharex=True, height_ratios=(5, 2))
    plot_excess(dataset, ax_spectrum, **dict(kwargs_spectrum or {}))
    plot_masks(dataset, ax_spectrum)
    plot_residuals_spectral(dataset, ax_residuals, **dict(kwargs_residuals or {}))
    if ax_spectrum is not None and ax_residuals is not None and ax_spectrum.figure is ax_residuals.figure:
        ax_spectrum.label_outer()
        if ax_residuals.get_legend():  # the masks are named in the upper panel
            ax_residuals.get_legend().remove()
    return ax_spectrum, ax_residuals


def peek_spectrum(dataset: "MapDataset", figsize: tuple[float, float] = (16, 4)) -> np.ndarray:
    """Plot counts with masks, exposure and energy dispersion of a region.

    Parameters
    ----------
    dataset : SpectrumDataset or SpectrumDatasetOnOff
        Dataset; panels of missing components stay empty.
    figsize : (float, float)
        Size of the figure in inches.

    Returns
    -------
    numpy.ndarray
        The axes, shape ``(3,)``.
    """
    _require_region(dataset)
    axes = plt.figure(figsize=figsize, layout="constrained").subplots(1, 3)
    panels = (
        ("Counts", dataset.counts if dataset.counts is not None else dataset.background, _counts_and_masks),
        ("Exposure", dataset.exposure, plot_exposure_profile),
        ("Energy Dispersion", dataset.edisp, plot_edisp_matrix),
    )
    for ax, (title, component, function) in zip(axes, panels, strict=True):
        ax.set_title(title)
        if component is None:
            ax.set_axis_off()
            ax.text(0.5, 0.5, "none", ha="center", va="center", transform=ax.transAxes)
            continue
        function(dataset, ax)
    return axes


def _counts_and_masks(dataset: "MapDataset", ax: Axes) -> None:
    plot_counts(dataset, ax)
    plot_masks(dataset, ax)


def _require_region(dataset: "MapDataset") -> None:
    if not dataset._geom.is_region:
        raise ValueError(
            f"dataset {dataset.name!r} has sky pixels, this figure is for a region; "
            "use to_spectrum_dataset(region) first"
        )
