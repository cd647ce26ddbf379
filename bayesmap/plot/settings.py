"""Keyword arguments of matplotlib under their long names."""

from collections.abc import Mapping
from typing import Any

from matplotlib.cbook import normalize_kwargs
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

__all__ = ["line_settings", "patch_settings"]


def line_settings(*settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """Merge settings of lines and markers, later ones win; ``c``, ``ls``, ``lw``, ``ms`` and so on are spelled out."""
    return _merged(Line2D, settings)


def patch_settings(*settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """Merge settings of filled shapes and histograms, later ones win; short names are spelled out."""
    return _merged(Patch, settings)


def _merged(artist: Any, settings: tuple[Mapping[str, Any] | None, ...]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for each in settings:
        merged |= normalize_kwargs(dict(each or {}), artist)
    return merged
