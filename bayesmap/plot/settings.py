"""Keyword arguments of matplotlib under their long names, and figure axes as map axes say."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import astropy.units as u
from matplotlib.cbook import normalize_kwargs
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bayesmap._types import Axes

if TYPE_CHECKING:
    from bayesmap.maps import MapAxis

__all__ = ["format_axis", "line_settings", "patch_settings"]


def line_settings(*settings: Mapping[str, object] | None) -> dict[str, Any]:
    """Merge settings of lines and markers, later ones win; ``c``, ``ls``, ``lw``, ``ms`` and so on are spelled out."""
    return _merged(Line2D, settings)


def patch_settings(*settings: Mapping[str, object] | None) -> dict[str, Any]:
    """Merge settings of filled shapes and histograms, later ones win; short names are spelled out."""
    return _merged(Patch, settings)


def _merged(artist: Any, settings: tuple[Mapping[str, Any] | None, ...]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for each in settings:
        merged |= normalize_kwargs(dict(each or {}), artist)
    return merged


def format_axis(ax: Axes, which: str, axis: "MapAxis") -> Axes:
    """Set scale, label and limits of one direction of a figure to those of a map axis.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        Axes. Where they show quantities, limits are in their unit; otherwise in that of the map axis.
    which : {"x", "y"}
        Direction.
    axis : MapAxis
        The map axis; one of labels gets a tick for each.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes.
    """
    name = {"energy_true": "True energy"}.get(axis.name, axis.name.replace("_", " ").capitalize())
    if hasattr(axis, "labels"):
        ax.set(**{f"{which}ticks": axis.center.value, f"{which}label": name})
        ax.set(**{f"{which}ticklabels": axis.as_plot_labels})
        return ax
    shown = getattr(ax, f"{which}axis").get_units()
    unit = shown if isinstance(shown, u.UnitBase) else axis.unit
    low, high = (float(bound.to_value(unit)) for bound in axis.bounds)
    label = f"{name} [{unit}]" if str(unit) else name
    ax.set(**{f"{which}scale": axis.as_plot_scale, f"{which}label": label})
    if low != high:
        ax.set(**{f"{which}lim": (low, high)})
    return ax
