"""Boolean maps from regions, energies and distances, and their erosion and dilation."""

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
import scipy
from astropy.coordinates import SkyCoord

from bayesmap._types import Region
from bayesmap._util import check_option
from bayesmap.maps.axes import MapAxis
from bayesmap.maps.geom import Geom
from bayesmap.maps.map import Map
from bayesmap.maps.region_tools import as_regions, contains_pixels, is_point, is_sky_region, simple_regions

if TYPE_CHECKING:
    from bayesmap.maps.wcs import WcsGeom

__all__ = [
    "axis_mask",
    "binary_dilate",
    "binary_erode",
    "binary_structure",
    "boundary_mask",
    "energy_mask",
    "nearest_position",
    "region_mask",
    "region_weights",
]

#: relative agreement of a bound with an edge of the axis, whose numbers come from logarithms or single precision
SAME_EDGE = 1e-6


def region_mask(geom: "WcsGeom", regions: object, inside: bool = True) -> Map:
    """Return the map of `WcsGeom.region_mask`."""
    image = np.zeros(geom.data_shape_image, dtype=bool)
    for region in as_regions(regions):
        for part in simple_regions(region):
            image |= _image_mask(geom.to_image(), part)
    image = image if inside else ~image
    return Map.from_geom(geom, data=np.broadcast_to(image, geom.data_shape).copy())


def _image_mask(image: "WcsGeom", region: Region) -> np.ndarray:
    if not is_point(region):
        return contains_pixels(region, image.wcs, *np.broadcast_arrays(*image.get_pix()))
    mask = np.zeros(image.data_shape, dtype=bool)
    center = (region.to_pixel(image.wcs) if is_sky_region(region) else region).center
    x, y = image.pix_to_idx((center.x, center.y))
    if x >= 0 and y >= 0:
        mask[y, x] = True
    return mask


def region_weights(geom: "WcsGeom", regions: object, oversampling_factor: int = 10) -> Map:
    """Return the map of `WcsGeom.region_weights`."""
    fine = region_mask(geom.upsample(oversampling_factor), regions)
    weights = Map.from_geom(fine.geom, data=fine.data.astype("float64"))
    return weights.downsample(oversampling_factor, preserve_counts=False)


def energy_mask(geom: Geom, energy_min: object = None, energy_max: object = None, round_to_edge: bool = False) -> Map:
    """Return the map of `Geom.energy_mask`."""
    names = [axis.name for axis in geom.axes if axis.is_energy_axis]
    if not names:
        raise ValueError(f"energy_mask needs an energy axis, {geom!r} has {geom.axes.names}")
    low, high = (None if bound is None else u.Quantity(bound) for bound in (energy_min, energy_max))
    return axis_mask(geom, geom.axes[names[0]], low, high, round_to_edge)


def axis_mask(geom: Geom, axis: MapAxis, edge_min: object, edge_max: object, round_to_edge: bool) -> Map:
    """Return the map of `Geom.create_mask`."""
    low = axis.edges[0] if edge_min is None else axis.wrap_coord(edge_min)
    high = axis.edges[-1] if edge_max is None else axis.wrap_coord(edge_max)
    low, high = (axis.round(end) if round_to_edge else _at_edge(axis, end) for end in (low, high))
    inside = (axis.edges_min >= low) & (axis.edges_max <= high)
    shape = [1] * geom.ndim
    shape[geom.axes.index_data(axis.name)] = -1
    return Map.from_geom(geom, data=np.broadcast_to(inside.reshape(shape), geom.data_shape).copy())


def _at_edge(axis: MapAxis, energy: u.Quantity) -> u.Quantity:
    """The edge of the axis that an energy is up to rounding, else the energy itself."""
    same = np.isclose(axis.edges.value, energy.to_value(axis.unit), rtol=SAME_EDGE, atol=0)
    return axis.edges[np.argmax(same)] if same.any() else energy


def boundary_mask(geom: "WcsGeom", width: object) -> Map:
    """Return the map of `WcsGeom.boundary_mask`."""
    x, y = (int(np.ceil(np.round(w, 9))) for w in _pixels(geom, width))
    image = np.zeros(geom.data_shape_image, dtype=bool)
    n_lat, n_lon = image.shape
    image[y : n_lat - y, x : n_lon - x] = True
    return Map.from_geom(geom, data=np.broadcast_to(image, geom.data_shape).copy())


def _pixels(geom: Geom, width: object) -> np.ndarray:
    """Width in longitude and latitude as numbers of pixels; bare numbers are pixels."""
    size = u.Quantity(width)
    if size.unit.is_equivalent("deg"):
        size = size / geom.pixel_scales
    values = np.broadcast_to(size.to_value(""), (2,))
    if np.any(values < 0):
        raise ValueError(f"width must not be negative, got {width}")
    return values


def binary_structure(geom: Geom, width: object, kernel: str = "disk") -> np.ndarray:
    """Return the array of `WcsGeom.binary_structure`.

    The width counts in pixels, rounded up to an odd number: radius of the disk, or size of the box.
    """
    check_option("kernel", kernel, ("disk", "box"))
    sizes = [int(np.ceil(np.round(w, 9)) // 2 * 2 + 1) for w in _pixels(geom, width)]
    if kernel == "box":
        structure = np.ones(sizes[::-1], dtype=bool)
    else:
        y, x = np.indices((2 * sizes[0] + 1, 2 * sizes[0] + 1)) - sizes[0]
        structure = x**2 + y**2 <= sizes[0] ** 2
    return structure.reshape((1,) * len(geom.axes) + structure.shape)


def binary_erode[M: Map](mask: M, width: object, kernel: str = "disk") -> M:
    """Return a mask whose True areas shrink; what is outside the image counts as False."""
    _check_mask(mask, "binary_erode")
    structure = binary_structure(mask.geom, width, kernel)
    return mask.copy(data=scipy.ndimage.binary_erosion(mask.data, structure=structure))


def binary_dilate[M: Map](mask: M, width: object, kernel: str = "disk") -> M:
    """Return a mask whose True areas grow."""
    _check_mask(mask, "binary_dilate")
    structure = binary_structure(mask.geom, width, kernel)
    return mask.copy(data=scipy.ndimage.binary_dilation(mask.data, structure=structure))


def nearest_position(mask: Map, position: SkyCoord) -> SkyCoord:
    """Return the centre of the True pixel nearest to a position (the position itself where the mask is True).

    Raises
    ------
    ValueError
        If the map is not a boolean image or has no True pixel.
    """
    _check_mask(mask, "mask_nearest_position")
    if not mask.geom.is_image:
        raise ValueError(f"mask_nearest_position needs an image without axes, got {mask.geom!r}")
    if not mask.data.any():
        raise ValueError("mask_nearest_position: the mask is False everywhere")
    coords = mask.geom.get_coord().skycoord
    separation = np.where(mask.data, coords.separation(position).deg, np.inf)
    return coords[np.unravel_index(np.argmin(separation), separation.shape)]


def _check_mask(mask: Map, what: str) -> None:
    if not mask.is_mask:
        raise ValueError(f"{what} needs a boolean map, got data of type {mask.data.dtype}")
