"""How much of a map lies inside a radius or a contour."""

from typing import Any

import numpy as np
from astropy.coordinates import Angle, SkyCoord

from bayesmap.maps.wcs_map import WcsNDMap

__all__ = ["containment_radius", "containment_region"]


def _image(m: Any, fraction: float) -> np.ndarray:
    """The values of one image, NaN counted as zero."""
    if not isinstance(m, WcsNDMap):
        raise TypeError(f"containment needs a WcsNDMap, got {type(m).__name__}")
    if not m.geom.is_flat:
        raise ValueError(f"containment needs a map with one image, got {m!r}")
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must be between 0 and 1, got {fraction}")
    data = np.nan_to_num(m.data.reshape(m.geom.data_shape_image).astype("float64"))
    if not data.max() > 0:
        raise ValueError(f"{m!r} has no positive values")
    return data


def _nearest(cumulative: np.ndarray, fraction: float) -> int:
    """Number of the pixel with which the sum is nearest to a fraction of the total."""
    return int(np.argmin(np.abs(cumulative / cumulative.max() - fraction)))


def containment_radius(map_: WcsNDMap, fraction: float = 0.393, position: SkyCoord | None = None) -> Angle:
    """Return the distance of pixel centres from a position within which a fraction of the sum of an image lies.

    Parameters
    ----------
    map_ : WcsNDMap
        Image of values per pixel.
    fraction : float
        Fraction of the sum; that of one sigma of a round Gaussian by default.
    position : `~astropy.coordinates.SkyCoord`, optional
        Position, by default the centre of the map.

    Returns
    -------
    `~astropy.coordinates.Angle`
        Distance of that pixel centre at which the sum is nearest to the fraction.

    Raises
    ------
    ValueError
        If the map has more than one image or no positive value.
    """
    data = _image(map_, fraction)
    position = map_.geom.center_skydir if position is None else position
    separation = map_.geom.separation(position).ravel()
    order = np.argsort(separation)
    return separation[order][_nearest(np.cumsum(data.ravel()[order]), fraction)]


def containment_region(map_: WcsNDMap, fraction: float = 0.393, apply_union: bool = True) -> Any:
    """Return the contour whose inside holds a fraction of the sum of an image, from the highest value down.

    Parameters
    ----------
    map_ : WcsNDMap
        Image of values per pixel.
    fraction : float
        Fraction of the sum.
    apply_union : bool
        Whether several contours become one compound region; otherwise a list is returned.

    Returns
    -------
    `~regions.PolygonSkyRegion`, `~regions.CompoundSkyRegion` or list of them
        The contours, linear between pixel centres.

    Raises
    ------
    ValueError
        If the map has more than one image or no positive value.
    """
    from contourpy import contour_generator
    from regions import PolygonSkyRegion

    data = _image(map_, fraction)
    ordered = np.sort(data.ravel())[::-1]
    level = ordered[_nearest(np.cumsum(ordered), fraction)]
    image = map_.geom.to_image()
    polygons = []
    for line in contour_generator(z=data).lines(level):
        x, y = np.asarray(line).T
        lon, lat = image.pix_to_coord((x, y))
        polygons.append(PolygonSkyRegion(SkyCoord(lon, lat, frame=map_.geom.frame)))
    if not apply_union:
        return polygons
    union = polygons[0]
    for polygon in polygons[1:]:
        union = union.union(polygon)
    return union
