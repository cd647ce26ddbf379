"""Which map class belongs to which geometry."""

from typing import Any

from bayesmap._util import check_option
from bayesmap.maps.geom import Geom
from bayesmap.maps.map import Map
from bayesmap.maps.region import RegionGeom
from bayesmap.maps.region_map import RegionNDMap
from bayesmap.maps.wcs import WcsGeom
from bayesmap.maps.wcs_map import WcsNDMap

__all__ = ["MapKind", "create_map", "map_class"]

#: a map on pixels or on regions
type MapKind = WcsNDMap | RegionNDMap

#: pixel size of maps in deg; that of geometries is 0.5, as in Gammapy
BINSZ = 0.1
MAP_ARGUMENTS = ("dtype", "meta", "unit", "data")


def map_class(geom: Geom) -> type[Map]:
    """Return the map class that belongs to a geometry."""
    if isinstance(geom, WcsGeom):
        return WcsNDMap
    if isinstance(geom, RegionGeom):
        return RegionNDMap
    raise TypeError(f"there is no map on {geom!r}")


def create_map(map_type: str = "wcs", **kwargs: Any) -> Map:
    """Return the map of `Map.create`."""
    check_option("map_type", map_type, ("wcs", "region"))
    settings = {key: kwargs.pop(key) for key in MAP_ARGUMENTS if key in kwargs}
    if map_type == "wcs":
        kwargs.setdefault("binsz", BINSZ)
    geom: Geom = RegionGeom.create(**kwargs) if map_type == "region" else WcsGeom.create(**kwargs)
    return map_class(geom)(geom, **settings)
