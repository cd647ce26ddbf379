"""Counts against what the posterior predicts."""

from typing import TYPE_CHECKING

import numpy as np

from bayesmap._types import Axes, RandomState, Region, Tree
from bayesmap.plot.axes import new_axes
from bayesmap.plot.posterior_numbers import PROBABILITIES, PredictiveBand, predictive_band
from bayesmap.plot.residuals import energy_errorbar, set_energy_axis

if TYPE_CHECKING:
    from bayesmap.datasets.map import MapDataset

__all__ = ["plot_posterior_predictive", "plot_predictive_band"]


def plot_posterior_predictive(
    tree: Tree,
    dataset: "MapDataset",
    region: Region | str | None = None,
    ax: Axes | None = None,
    *,
    relative: bool = False,
    num_draws: int = 200,
    random_state: RandomState = 0,
    **kwargs: object,
) -> Axes:
    """Plot counts per energy in a region over the 68 % and 95 % bands of the posterior predictive distribution.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    dataset : MapDataset
        With counts and the sampled models.
    region : `~regions.SkyRegion` or str, optional
        Region; the whole map by default.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    relative : bool
        Plot the differences from the mean prediction in units of its square root.
    num_draws : int
        Number of posterior draws.
    random_state : int, numpy.random.Generator or str
        Chooses the draws and draws the counts.
    **kwargs : dict
        For the points, `~matplotlib.axes.Axes.errorbar`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes. The numbers are those of `bayesmap.plot.predictive_band`.
    """
    band = predictive_band(tree, dataset, region, num_draws, random_state)
    return plot_predictive_band(band, ax, relative=relative, **kwargs)


def plot_predictive_band(
    band: PredictiveBand, ax: Axes | None = None, *, relative: bool = False, **kwargs: object
) -> Axes:
    """Plot a `bayesmap.plot.PredictiveBand`.

    Parameters
    ----------
    band : PredictiveBand
        Observed and drawn counts.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    relative : bool
        Plot the differences from the mean prediction in units of its square root.
    **kwargs : dict
        For the points, `~matplotlib.axes.Axes.errorbar`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes. The bands include Poisson noise, so the points carry no error bars of their own. Energies where
        nothing is counted and nothing predicted, as outside of the mask, are left out.
    """
    ax = new_axes() if ax is None else ax
    edges, mean = band.axis.edges.value, band.mean
    seen = (mean > 0) | ((band.counts > 0) & (not relative))

    def scaled(values: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(seen, (values - mean) / np.sqrt(mean) if relative else values, np.nan)

    for probability, alpha in zip(PROBABILITIES[::-1], (0.2, 0.4), strict=True):
        low, high = (scaled(values) for values in band.interval(probability))
        label = f"{100 * probability:.0f} % predicted"
        ax.stairs(high, edges, baseline=low, fill=True, color="tab:orange", alpha=alpha, label=label)
    ax.stairs(scaled(band.median), edges, baseline=None, color="tab:orange", linewidth=1)
    settings = {"color": "black", "linestyle": "none", "marker": "o", "markersize": 4, "label": "counts"} | kwargs
    energy_errorbar(ax, band.axis, scaled(band.counts), None, **settings)
    if relative:
        ax.axhline(0, color="black", linewidth=0.7)
        limit = max(3.5, 1.1 * float(np.nanmax(np.abs(scaled(band.counts)), initial=0.0)))
        ax.set_ylim(-limit, limit)
        ax.set_ylabel("residual\n/ \N{SQUARE ROOT}mean")
        return ax
    _set_counts_axis(ax, band)
    set_energy_axis(ax, band.axis)
    ax.legend(frameon=False)
    return ax


def _set_counts_axis(ax: Axes, band: PredictiveBand) -> None:
    """Logarithmic counts, linear below one if there are bins without counts."""
    low, high = band.interval(max(PROBABILITIES))
    lowest, highest = min(low.min(), band.counts.min()), max(high.max(), band.counts.max(), 1.0)
    if lowest > 0:
        ax.set_yscale("log")
        ax.set_ylim(lowest / 1.6, highest * 1.6)
    else:
        ax.set_yscale("symlog", linthresh=1.0)
        ax.set_ylim(0, highest * 1.6)
    ax.set_ylabel("counts")
