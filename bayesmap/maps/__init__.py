"""Maps: axes, geometries, and values on them."""

from bayesmap.maps.absent import __getattr__  # noqa: F401
from bayesmap.maps.axes import MapAxis
from bayesmap.maps.containment import containment_radius, containment_region
from bayesmap.maps.coord import MapCoord
from bayesmap.maps.geom import Geom
from bayesmap.maps.label_axis import LabelMapAxis
from bayesmap.maps.map import Map
from bayesmap.maps.map_axes import MapAxes
from bayesmap.maps.region import RegionGeom
from bayesmap.maps.region_map import RegionNDMap
from bayesmap.maps.time_axis import TimeMapAxis
from bayesmap.maps.wcs import WcsGeom
from bayesmap.maps.wcs_map import WcsNDMap

__all__ = [
    "Geom",
    "LabelMapAxis",
    "Map",
    "MapAxes",
    "MapAxis",
    "MapCoord",
    "RegionGeom",
    "RegionNDMap",
    "TimeMapAxis",
    "WcsGeom",
    "WcsNDMap",
    "containment_radius",
    "containment_region",
]
