"""Names of Gammapy's maps that are not here, and why."""

from bayesmap._util import absent_names

__all__: list[str] = []

_HEALPIX = "is for HEALPix pixels, which stay out: reproject to a WcsGeom with Gammapy or healpy first"

__getattr__ = absent_names(
    "bayesmap.maps",
    {
        "HpxGeom": _HEALPIX,
        "HpxMap": _HEALPIX,
        "HpxNDMap": _HEALPIX,
        "Maps": "is a dictionary of maps on one geometry: use a dict",
        "WcsMap": "is an abstract class: use WcsNDMap or Map",
    },
)
