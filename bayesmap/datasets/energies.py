"""Reconstructed energies that a safe mask excludes, in the energy dispersion."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmap.irf import EDispKernelMap, EDispMap
from bayesmap.maps import Map

if TYPE_CHECKING:
    from bayesmap.maps import MapAxis
    from bayesmap.maps.geom import Geom

__all__ = ["edisp_mask", "edisp_pair", "excludes_energies", "with_energies"]


def excludes_energies(mask: Map | None) -> bool:
    """Whether some pixel of a safe mask is safe at some reconstructed energies and not at others."""
    if mask is None:
        return False
    return bool((mask.data.any(axis=0) & ~mask.data.all(axis=0)).any())


def with_energies(edisp: Any, energy_axis: "MapAxis") -> EDispKernelMap:
    """Return an energy dispersion as a kernel map.

    Parameters
    ----------
    edisp : `~bayesmap.irf.EDispKernelMap` or `~bayesmap.irf.EDispMap`
        A kernel map is returned as it is.
    energy_axis : `~bayesmap.maps.MapAxis`
        Reconstructed energies of the counts.
    """
    return edisp.to_edisp_kernel_map(energy_axis) if isinstance(edisp, EDispMap) else edisp


def edisp_pair(dataset: Any, other: Any) -> tuple[Any, Any]:
    """Return the energy dispersions of two datasets in the form in which the second can be stacked on the first.

    Migration maps stay what they are if both are and the mask of the second excludes no energies.
    """
    own, theirs = dataset.edisp, other.edisp
    if isinstance(own, EDispMap) and isinstance(theirs, EDispMap) and not excludes_energies(other.mask_safe):
        return own, theirs
    return tuple(with_energies(e, d._geom.axes["energy"]) for e, d in ((own, dataset), (theirs, other)))  # type: ignore[return-value]


def edisp_mask(mask: Map, edisp: Any) -> Map:
    """Return the mask of `MapDataset.mask_safe_edisp` for a safe mask and an energy dispersion."""
    geom = edisp.edisp_map.geom.squash("energy_true")
    data = mask.data
    if "migra" in geom.axes.names:
        geom = geom.squash("migra")
        data = data.any(axis=0, keepdims=True)
    one_pixel = geom.data_shape_image == (1, 1)
    data = data.any(axis=(-2, -1)) if one_pixel else _any_around(data, mask.geom.to_image(), geom.to_image())
    return Map.from_geom(geom, data=data.reshape(geom.data_shape).copy(), unit="")


def _any_around(mask: np.ndarray, own: "Geom", image: "Geom") -> np.ndarray:
    """Whether any of the up to four pixels of a mask, with the geometry ``own``, around the pixels of an image is True.

    Pixels of weight below 1e-6 in a bilinear interpolation do not count.
    """
    ny, nx = mask.shape[-2:]
    result = np.zeros((*mask.shape[:-2], *image.data_shape[-2:]), dtype=bool)
    y_nodes, x_nodes = (_nodes(p, n) for p, n in zip(own.coord_to_pix(image.get_coord())[::-1], (ny, nx), strict=True))
    for y, y_counts in y_nodes:
        for x, x_counts in x_nodes:
            result = result | (mask[..., y, x] & y_counts & x_counts)
    return result


def _nodes(pix: np.ndarray, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The two pixels around each position, inside the image, and whether each has weight."""
    pix = np.where(np.isfinite(pix), pix, 0.0)
    if size == 1:
        return [(np.zeros(pix.shape, dtype=int), np.ones(pix.shape, dtype=bool))]
    lower = np.clip(np.floor(pix), 0, size - 2).astype(int)
    fraction = pix - lower
    return [(lower, np.abs(1 - fraction) > 1e-6), (lower + 1, np.abs(fraction) > 1e-6)]
