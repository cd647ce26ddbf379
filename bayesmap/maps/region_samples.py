"""Positions in a region, and how much each counts."""

from typing import TYPE_CHECKING

import numpy as np
from astropy.coordinates import SkyCoord

from bayesmap.maps.coord import MapCoord
from bayesmap.maps.region_tools import simple_regions

if TYPE_CHECKING:
    from bayesmap.maps.region import RegionGeom

__all__ = ["positions_in"]


def positions_in(geom: "RegionGeom", factor: int) -> tuple[MapCoord, np.ndarray]:
    """Return what `RegionGeom.get_wcs_coord_and_weights` does, of a geometry that has a region."""
    assert geom.region is not None
    axes = {name: value[..., 0] for name, value in geom.axes.get_coord().items()}
    if geom.is_all_point_sky_regions:
        points = SkyCoord([part.center.transform_to(geom.frame) for part in simple_regions(geom.region)])
        return MapCoord.create({"skycoord": points} | axes, frame=geom.frame), np.ones(len(points))
    image = geom.to_wcs_geom().to_image()
    weights = image.region_weights(geom.region, oversampling_factor=factor)
    inside = weights.data > 0
    sky = image.get_coord().apply_mask(inside)
    return MapCoord({"lon": sky.lon, "lat": sky.lat} | axes, frame=geom.frame), weights.data[inside]
