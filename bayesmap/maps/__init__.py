"""Maps: axes, geometries, and values on them. Its modules are loaded when one of these names is first used."""

from typing import TYPE_CHECKING

from bayesmap._lazy import lazy_names
from bayesmap.maps.absent import __getattr__ as absent_names

if TYPE_CHECKING:
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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Geom": "geom",
        "LabelMapAxis": "label_axis",
        "Map": "map",
        "MapAxes": "map_axes",
        "MapAxis": "axes",
        "MapCoord": "coord",
        "RegionGeom": "region",
        "RegionNDMap": "region_map",
        "TimeMapAxis": "time_axis",
        "WcsGeom": "wcs",
        "WcsNDMap": "wcs_map",
        "containment_radius": "containment",
        "containment_region": "containment",
    },
    otherwise=absent_names,
)
