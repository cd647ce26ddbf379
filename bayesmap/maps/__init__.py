"""Maps: axes, geometries, and values on them."""

from bayesmap.maps.axes import MapAxis
from bayesmap.maps.coord import MapCoord
from bayesmap.maps.geom import Geom
from bayesmap.maps.map import Map
from bayesmap.maps.map_axes import MapAxes
from bayesmap.maps.wcs import WcsGeom
from bayesmap.maps.wcs_map import WcsNDMap

__all__ = ["Geom", "Map", "MapAxes", "MapAxis", "MapCoord", "WcsGeom", "WcsNDMap"]
