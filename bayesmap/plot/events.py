"""Figures of event lists: image, energies, offsets, times."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm

from bayesmap._types import Axes
from bayesmap.maps import MapAxis, WcsNDMap
from bayesmap.plot.axes import new_axes
from bayesmap.plot.maps import plot_map
from bayesmap.plot.settings import format_axis, patch_settings

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

    from bayesmap.data.event_list import EventList

__all__ = [
    "event_image",
    "peek_events",
    "plot_event_energies",
    "plot_event_energy_offset",
    "plot_event_image",
    "plot_event_offsets",
    "plot_event_times",
]

ENERGY_BINS = 50
OFFSET_BINS = 30
TIME_BINS = 20


def _energy_axis(events: "EventList") -> MapAxis:
    """Bins from the lowest to the highest energy."""
    if not len(events):
        raise ValueError("there are no events to plot")
    low, high = events.energy.min(), events.energy.max()
    if low == high:
        low, high = 0.9 * low, 1.1 * high
    return MapAxis.from_energy_bounds(low, high, nbin=ENERGY_BINS)


def plot_event_energies(events: "EventList", ax: Axes | None = None, **kwargs: object) -> Axes:
    """Plot a histogram of energies.

    Parameters
    ----------
    events : EventList
        Events.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    **kwargs : dict
        For `~matplotlib.axes.Axes.hist`, by default 50 bins from the lowest to the highest energy.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes, both logarithmic.
    """
    ax = new_axes() if ax is None else ax
    axis = _energy_axis(events)
    settings = patch_settings({"histtype": "step", "bins": axis.edges.value, "log": True}, kwargs)
    ax.hist(events.energy.to_value(axis.unit), **settings)
    format_axis(ax, "x", axis)
    ax.set_ylabel("counts")
    return ax


def plot_event_times(events: "EventList", ax: Axes | None = None, **kwargs: object) -> Axes:
    """Plot the counts in 20 intervals of time since the first event, with their square roots as errors.

    Parameters
    ----------
    events : EventList
        Events.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    **kwargs : dict
        For `~matplotlib.axes.Axes.errorbar`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes, times in s.
    """
    ax = new_axes() if ax is None else ax
    seconds = events.table["TIME"].quantity.to_value("s")
    counts, edges = np.histogram(seconds - seconds.min(), bins=TIME_BINS)
    width = np.diff(edges) / 2
    ax.errorbar(edges[:-1] + width, counts, xerr=width, yerr=np.sqrt(counts), **{"fmt": "none"} | kwargs)
    ax.set_xlabel("time [s]")
    ax.set_ylabel("counts")
    return ax


def plot_event_offsets(
    events: "EventList",
    ax: Axes | None = None,
    center: "SkyCoord | None" = None,
    max_percentile: float = 98,
    **kwargs: object,
) -> Axes:
    """Plot a histogram of the squared angles from a position, which is flat for a flat distribution on the sky.

    Parameters
    ----------
    events : EventList
        Events.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    center : `~astropy.coordinates.SkyCoord`, optional
        Position, by default where the instrument pointed, or the median of the events.
    max_percentile : float
        Percentage of the events that the default range holds.
    **kwargs : dict
        For `~matplotlib.axes.Axes.hist`, by default 30 bins.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes, squared offsets in deg2.
    """
    ax = new_axes() if ax is None else ax
    center = events.center if center is None else center
    square = center.separation(events.radec).deg ** 2
    settings = {"histtype": "step", "bins": OFFSET_BINS, "range": (0, np.percentile(square, max_percentile))}
    ax.hist(square, **patch_settings(settings, kwargs))
    ax.set_xlabel("squared offset [deg2]")
    ax.set_ylabel("counts")
    return ax


def plot_event_energy_offset(
    events: "EventList", ax: Axes | None = None, center: "SkyCoord | None" = None, **kwargs: object
) -> Axes:
    """Plot counts against energy and the angle from a position.

    Parameters
    ----------
    events : EventList
        Events.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    center : `~astropy.coordinates.SkyCoord`, optional
        Position, by default where the instrument pointed, or the median of the events.
    **kwargs : dict
        For `~matplotlib.axes.Axes.pcolormesh`; colours are logarithmic by default.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes, offsets in deg.
    """
    ax = new_axes() if ax is None else ax
    offset = (events.center if center is None else center).separation(events.radec).deg
    energy_axis = _energy_axis(events)
    offset_axis = MapAxis.from_bounds(0, max(offset.max(), 1e-6), nbin=OFFSET_BINS, unit="deg", name="offset")
    edges = energy_axis.edges.value, offset_axis.edges.value
    counts, _, _ = np.histogram2d(events.energy.to_value(energy_axis.unit), offset, bins=edges)
    ax.pcolormesh(*edges, counts.T, **{"norm": LogNorm()} | kwargs)
    format_axis(ax, "x", energy_axis)
    return format_axis(ax, "y", offset_axis)


def event_image(events: "EventList", allsky: bool = False) -> WcsNDMap:
    """Return an image of the counts, smoothed by half a pixel.

    Parameters
    ----------
    events : EventList
        Events.
    allsky : bool
        Whether the image is of the whole sky, with pixels of 1 deg; otherwise it holds all events, with 0.05 deg.

    Returns
    -------
    WcsNDMap
        Image in Galactic coordinates.
    """
    if allsky:
        image = WcsNDMap.create(npix=(360, 180), binsz=1.0, proj="AIT", frame="galactic")
    else:
        width = max(2 * events.center.separation(events.radec).deg.max(), 0.1)
        image = WcsNDMap.create(skydir=events.center, width=width, binsz=0.05, proj="TAN", frame="galactic")
    image.fill_by_coord(events.radec)
    return image.smooth(0.5)


def plot_event_image(events: "EventList", ax: Axes | None = None, allsky: bool = False) -> Axes:
    """Plot an image of the counts; see `event_image`.

    Parameters
    ----------
    events : EventList
        Events.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`, optional
        Sky axes; new ones by default.
    allsky : bool
        Whether the image is of the whole sky.

    Returns
    -------
    `~astropy.visualization.wcsaxes.WCSAxes`
        The axes.
    """
    return plot_map(event_image(events, allsky), ax, stretch="sqrt", vmin=0)


def peek_events(events: "EventList", allsky: bool = False) -> np.ndarray:
    """Plot an event list at a glance: image, squared offsets, energy against offset, energies, times.

    Parameters
    ----------
    events : EventList
        Events.
    allsky : bool
        Whether the image is of the whole sky, without panels of offsets.

    Returns
    -------
    numpy.ndarray
        The axes, first the image.
    """
    fig = plt.figure(figsize=(8, 8) if allsky else (12, 8), layout="constrained")
    grid = fig.add_gridspec(nrows=2, ncols=2 if allsky else 3)
    image = event_image(events, allsky)
    place = grid[0, :] if allsky else grid[0, 0]
    axes = [plot_map(image, fig.add_subplot(place, projection=image.geom.wcs), stretch="sqrt", vmin=0)]
    if not allsky:
        axes.append(plot_event_offsets(events, fig.add_subplot(grid[0, 1])))
        axes.append(plot_event_energy_offset(events, fig.add_subplot(grid[0, 2])))
    axes.append(plot_event_energies(events, fig.add_subplot(grid[1, 0])))
    axes.append(plot_event_times(events, fig.add_subplot(grid[1, 1])))
    return np.array(axes, dtype=object)
