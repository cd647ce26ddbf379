"""IRFs that follow a moving source: tabulated around the prior centre, interpolated linearly inside the graph."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
from astropy.coordinates import SkyCoord

from bayesmap._backend.program import number
from bayesmap.graph.arrays import FoldArrays
from bayesmap.graph.pixel import SkyToPixel
from bayesmap.graph.psf.mixture import fit_weights, mixture_error, normalised_weights, sigma_range
from bayesmap.graph.psf.profile import psf_profile

__all__ = ["IRFNodes", "irf_nodes"]

STEP = 0.05  # between the logarithms of neighbouring widths; on CTA data 0.07 is 1.2e-3 off, 0.17 5e-3


@dataclass(frozen=True, eq=False)
class IRFNodes:
    """PSF and energy dispersion on a square grid of positions.

    Attributes
    ----------
    sky : SkyToPixel
        From a position to the grid; the reference is its middle.
    sigma : numpy.ndarray
        Widths in deg that all energies and positions share, shape ``(n_component,)``.
    weight : numpy.ndarray
        Their weights, ``(n_y, n_x, n_energy, n_component)``.
    edisp : numpy.ndarray
        ``(n_y, n_x, n_reco, n_true)``.
    error : float
        Half the L1 distance of the interpolated mixture from the PSF between nodes, at the worst energy.
    """

    sky: SkyToPixel
    sigma: np.ndarray
    weight: np.ndarray
    edisp: np.ndarray
    error: float


def irf_nodes(arrays: FoldArrays, reference: SkyCoord, reach: float) -> IRFNodes:
    """Tabulate the IRFs of a dataset around a position.

    Parameters
    ----------
    arrays : FoldArrays
        With a PSF in true energy.
    reference : `~astropy.coordinates.SkyCoord`
        Prior centre of the source.
    reach : float
        How far in deg the source may move; beyond, the IRFs of the edge are taken.

    Raises
    ------
    ValueError
        If the PSF map has a single position.

    Notes
    -----
    The nodes are the pixels of the PSF map. The weights of shared widths are linear in the PSF, so their interpolation
    is that of the map; interpolating widths would err by up to 3e-3.
    """
    image = arrays.psf.psf_map.geom.to_image()
    if min(image.data_shape) < 2:
        raise ValueError(
            f"dataset {arrays.name!r}: its PSF map has {image.data_shape} pixels, so nothing follows a source; use "
            "irf_position='prior'"
        )
    spacing = float(np.abs(image.pixel_scales.to_value("deg")).min())
    middle = [float(v) for v in reference.transform_to(image.frame).to_pixel(image.wcs)]
    half = int(np.ceil(reach / spacing))
    columns, rows = (_nodes(m, half, n) for m, n in zip(middle, image.data_shape[::-1], strict=True))
    nodes = [[SkyCoord.from_pixel(x, y, image.wcs) for x in columns] for y in rows]
    profiles = [[psf_profile(arrays.psf, node, arrays.energy_true) for node in row] for row in nodes]
    low, high = zip(*(sigma_range(p, min(arrays.pixel_scale)) for row in profiles for p in row), strict=True)
    sigma = np.geomspace(min(low), max(high), int(np.log(max(high) / min(low)) / STEP) + 2)
    weight = np.array([[fit_weights(p, sigma) for p in row] for row in profiles])
    keep = weight.max(axis=(0, 1, 2)) > 1e-6
    sigma, weight = sigma[keep], weight[..., keep]
    weight = normalised_weights(weight)
    edisp = np.array([[arrays.dispersion(node) for node in row] for row in nodes])
    grid = SkyToPixel.from_geom(image, image.center_skydir.transform_to(reference.frame))
    sky = dataclasses.replace(grid, origin=grid.origin - np.array([columns[0], rows[0]]))
    here = interpolate_nodes(pt.as_tensor_variable(weight), middle[0] - columns[0], middle[1] - rows[0])
    here = number(here)
    profile = psf_profile(arrays.psf, reference, arrays.energy_true)
    error = mixture_error(profile, np.broadcast_to(sigma, here.shape), here, arrays.pixel_scale)
    return IRFNodes(sky, sigma, weight, edisp, error)


def _nodes(middle: float, half: int, number: int) -> np.ndarray:
    """Pixels of the map around a position, at least two."""
    first = int(np.clip(np.floor(middle) - half, 0, number - 2))
    last = int(np.clip(np.floor(middle) + half + 1, first + 1, number - 1))
    return np.arange(first, last + 1)


def interpolate_nodes(table: Any, x: Any, y: Any) -> Any:
    """Bilinear interpolation of ``(n_y, n_x, ...)`` at one grid position (scalars), constant beyond the edge."""
    n_y, n_x = table.shape[0], table.shape[1]
    x, y = pt.clip(pt.as_tensor_variable(x), 0.0, n_x - 1.0), pt.clip(pt.as_tensor_variable(y), 0.0, n_y - 1.0)
    x0 = pt.minimum(pt.cast(pt.floor(x), "int64"), n_x - 2)
    y0 = pt.minimum(pt.cast(pt.floor(y), "int64"), n_y - 2)
    fx, fy = x - x0, y - y0
    low = table[y0, x0] * (1 - fx) + table[y0, x0 + 1] * fx
    high = table[y0 + 1, x0] * (1 - fx) + table[y0 + 1, x0 + 1] * fx
    return low * (1 - fy) + high * fy
