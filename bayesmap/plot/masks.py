"""Energies inside the masks of a dataset, shaded in figures against energy."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bayesmap._types import Axes, Region
from bayesmap.maps import Map, RegionGeom
from bayesmap.plot.residual_numbers import region_pixels
from bayesmap.plot.settings import patch_settings

if TYPE_CHECKING:
    from bayesmap.datasets.map import MapDataset

__all__ = ["shade_masks"]


def shade_masks(
    dataset: "MapDataset",
    ax: Axes,
    region: Region | str | None = None,
    kwargs_fit: Mapping[str, object] | None = None,
    kwargs_safe: Mapping[str, object] | None = None,
) -> Axes:
    """Shade the energies at which some pixel of a region is inside the fit mask, and inside the safe mask.

    Parameters
    ----------
    dataset : MapDataset
        Dataset; masks that are not set are left out.
    ax : `~matplotlib.axes.Axes`
        Axes with a horizontal energy axis.
    region : `~regions.SkyRegion` or str, optional
        Region; all pixels by default.
    kwargs_fit, kwargs_safe : Mapping, optional
        For `~matplotlib.axes.Axes.axvspan`, for the two masks.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes, with a legend if anything in them has a label.
    """
    geom = dataset._geom
    inside = region_pixels(geom, region)
    flat = RegionGeom.create(None, axes=[geom.axes["energy"]])
    parts = (
        (dataset.mask_fit, {"label": "Mask fit", "color": "tab:green"}, kwargs_fit),
        (dataset.mask_safe, {"label": "Mask safe", "color": "black"}, kwargs_safe),
    )
    for mask, defaults, settings in parts:
        if mask is not None:
            keep = mask.data[:, inside].any(axis=1).reshape(flat.data_shape)
            Map.from_geom(flat, data=np.asarray(keep, dtype=bool), unit="").plot_mask(
                ax=ax, **patch_settings(defaults, settings)
            )
    if ax.get_legend_handles_labels()[0]:
        ax.legend()
    return ax
