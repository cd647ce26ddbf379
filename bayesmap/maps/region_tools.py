"""Functions on regions of the package `regions`: lists, unions, centres, bounding boxes.

That package is imported where it is used: maps without a region do not wait for it.
"""

import operator
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import CartesianRepresentation, SkyCoord
from astropy.wcs import WCS

from bayesmap.maps.coord import FRAMES
from bayesmap.maps.wcs_tools import make_wcs

if TYPE_CHECKING:
    from regions import PixelRegion, SkyRegion

__all__ = [
    "as_regions",
    "bounding_box",
    "contains_pixels",
    "is_compound",
    "is_point",
    "is_sky_region",
    "pixel_area_of",
    "projection_around",
    "region_center",
    "simple_regions",
    "union_of",
]


def as_regions(regions: object) -> "list[SkyRegion | PixelRegion]":
    """Return a list of regions from what users pass.

    Parameters
    ----------
    regions : region, `~astropy.coordinates.SkyCoord`, str, or a sequence of regions and positions
        A position stands for a point; a string is in DS9 format and may hold several regions.

    Raises
    ------
    TypeError
        If there is something else.
    ValueError
        If there is no region.
    """
    from regions import PixelRegion, PointSkyRegion, Regions, SkyRegion

    if isinstance(regions, str):
        regions = list(Regions.parse(regions, format="ds9"))
    if isinstance(regions, SkyRegion | PixelRegion | SkyCoord):
        regions = [regions]
    result = []
    for region in cast(Iterable[Any], regions):
        region = PointSkyRegion(region) if isinstance(region, SkyCoord) and region.isscalar else region
        if not isinstance(region, SkyRegion | PixelRegion):
            raise TypeError(f"a region of the package 'regions' is needed, got {region!r}")
        result.append(region)
    if not result:
        raise ValueError("at least one region is needed, got none")
    return result


def simple_regions(region: "SkyRegion | PixelRegion") -> "list[SkyRegion | PixelRegion]":
    """Return the parts of a union of regions.

    Raises
    ------
    ValueError
        If regions are combined in another way than by a union.
    """
    if not is_compound(region):
        return [region]
    if region.operator is not operator.or_:
        raise ValueError(f"only unions of regions are supported, got the operator {region.operator.__name__!r}")
    return [*simple_regions(region.region1), *simple_regions(region.region2)]


def union_of(regions: Sequence["SkyRegion"]) -> "SkyRegion":
    """Return the union of one or more regions."""
    result = regions[0]
    for region in regions[1:]:
        result = result.union(region)
    return result


def is_point(region: "SkyRegion | PixelRegion") -> bool:
    """Whether a region is a point."""
    from regions import PointPixelRegion, PointSkyRegion

    return isinstance(region, PointSkyRegion | PointPixelRegion)


def is_compound(region: "SkyRegion | PixelRegion") -> bool:
    """Whether a region is a combination of two."""
    from regions import CompoundPixelRegion, CompoundSkyRegion

    return isinstance(region, CompoundSkyRegion | CompoundPixelRegion)


def is_sky_region(region: object) -> bool:
    """Whether something is a region on the sky."""
    from regions import SkyRegion

    return isinstance(region, SkyRegion)


def contains_pixels(region: "SkyRegion | PixelRegion", wcs: WCS, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return whether pixel positions lie in a region or in a part of a union."""
    from regions import PixCoord

    parts = [part.to_pixel(wcs) if is_sky_region(part) else part for part in simple_regions(region)]
    return np.any([part.contains(PixCoord(x, y)) for part in parts], axis=0)


def region_center(region: "SkyRegion") -> SkyCoord:
    """Return the centre of a region; that of a union or a polygon is the mean direction of its parts or corners."""
    parts = simple_regions(region)
    if len(parts) == 1 and hasattr(region, "center"):
        return region.center
    points = [np.atleast_1d(part.center if hasattr(part, "center") else part.vertices)[0:] for part in parts]
    frame = points[0].frame.name
    mean = np.mean([p.transform_to(frame).cartesian.xyz.value.mean(axis=-1) for p in points], axis=0)
    sky = SkyCoord(CartesianRepresentation(mean / np.linalg.norm(mean)), frame=frame)
    return SkyCoord(sky.spherical.lon, sky.spherical.lat, frame=frame)


def bounding_box(region: "SkyRegion", wcs: WCS) -> tuple[tuple[float, float], tuple[int, int]]:
    """Return the centre (x, y) and the size of the smallest box of whole pixels that holds a region.

    A point has the size of one pixel.
    """
    parts = [part.to_pixel(wcs) for part in simple_regions(region)]
    box = parts[0].bounding_box
    for part in parts[1:]:
        box = box | part.bounding_box
    y, x = box.center
    height, width = (max(n, 1) for n in box.shape)
    return (float(x), float(y)), (int(width), int(height))


def pixel_area_of(wcs: WCS) -> u.Quantity:
    """Return the area of the pixel at the reference position in sr."""
    return (abs(np.linalg.det(wcs.pixel_scale_matrix)) * u.deg**2).to("sr")


def projection_around(region: "SkyRegion", binsz: tuple[float, float]) -> WCS:
    """Tangential projection around the centre of a region.

    A pixel corner is at the centre; the image of the bounding box starts at the first pixel.
    """
    center = region_center(region)
    center = center if center.frame.name in FRAMES else center.icrs
    frame, position = center.frame.name, (center.data.lon.deg, center.data.lat.deg)
    _, npix = bounding_box(region, make_wcs("TAN", frame, position, (0.5, 0.5), binsz))
    return make_wcs("TAN", frame, position, ((npix[0] + 1) / 2, (npix[1] + 1) / 2), binsz)
