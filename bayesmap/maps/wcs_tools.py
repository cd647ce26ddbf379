"""Functions on astropy WCS objects: build, shift, rescale, compare, pixel areas."""

import warnings
from collections.abc import Sequence
from typing import Any, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from astropy.wcs.utils import wcs_to_celestial_frame

from bayesmap._util import check_option
from bayesmap.errors import FormatError

__all__ = [
    "degrees_pair",
    "first_pixel",
    "frame_of",
    "int_pair",
    "make_wcs",
    "npix_of",
    "npix_pair",
    "pixel_areas",
    "read_wcs",
    "reference_position",
    "rescaled",
    "round_up_to_odd",
    "same_projection",
    "shifted",
]

#: agreement of an equinox with J2000, in years
SAME_EQUINOX = 1e-3
COORDINATE_TYPES = {"icrs": ("RA---", "DEC--"), "galactic": ("GLON-", "GLAT-")}


def degrees_pair(what: str, value: Any) -> tuple[float, float]:
    """Return (x, y) in deg from one or two numbers (deg), strings or quantities."""
    single = isinstance(value, str) or (not isinstance(value, tuple | list) and np.ndim(value) == 0)
    items = [value, value] if single else list(value)
    if len(items) != 2:
        raise ValueError(f"{what} must be one value or a pair (lon, lat), got {value!r}")
    pair = (_degrees(items[0]), _degrees(items[1]))
    if not np.all(np.isfinite(pair)) or min(pair) <= 0:
        raise ValueError(f"{what} must be positive, got {value!r}")
    return pair


def _degrees(item: u.Quantity | str | float) -> float:
    if isinstance(item, str):
        return float(Angle(item, unit="deg").deg)
    if isinstance(item, u.Quantity):
        return float(np.squeeze(item.to_value("deg")))
    return float(np.squeeze(item))


def make_wcs(
    proj: str, frame: str, crval: tuple[float, float], crpix: tuple[float, float], cdelt: tuple[float, float]
) -> WCS:
    """Return a two-dimensional celestial WCS with longitude increasing to the left."""
    check_option("frame", frame, COORDINATE_TYPES)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [prefix + proj.upper() for prefix in COORDINATE_TYPES[frame]]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.crval, wcs.wcs.crpix = crval, crpix
    wcs.wcs.cdelt = [-cdelt[0], cdelt[1]]
    if frame == "icrs":
        wcs.wcs.radesys = "ICRS"
    try:
        wcs.wcs.set()
    except ValueError as error:
        raise ValueError(f"proj must be the three-letter code of a FITS projection, got {proj!r} ({error})") from None
    return wcs


def npix_of(header: fits.Header) -> tuple[int, int]:
    """Return the number of pixels in longitude and latitude that a FITS header says.

    Raises
    ------
    FormatError
        If it says none.
    """
    numbers = str(header.get("WCSSHAPE", "")).strip(" ()").split(",")
    if len(numbers) < 2:
        numbers = [header.get("NAXIS1"), header.get("NAXIS2")]
    try:
        return int(numbers[0]), int(numbers[1])
    except (TypeError, ValueError):
        raise FormatError(
            f"the header says no number of pixels (WCSSHAPE, or NAXIS1 and NAXIS2), got {numbers}"
        ) from None


def read_wcs(header: fits.Header) -> WCS:
    """Return the celestial part of the WCS in a FITS header."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        return WCS(header, naxis=2).sub(2)


def frame_of(wcs: WCS) -> str:
    """Return "icrs" or "galactic".

    Equatorial coordinates of J2000 (FK5) count as ICRS; they differ by less than 0.1 arcsec.

    Raises
    ------
    ValueError
        If the WCS is in another frame (RADESYS FK4, or an EQUINOX other than 2000), not celestial, or distorted (SIP or
        tables): such maps would be misplaced.

    References
    ----------
    Calabretta & Greisen 2002, A&A 395, 1077 (RADESYS and EQUINOX); the rules for missing keywords are in
    `astropy.wcs.utils.wcs_to_celestial_frame`.
    """
    _check_undistorted(wcs)
    prefix = wcs.wcs.ctype[0][:4]
    if prefix == "GLON":
        return "galactic"
    if prefix.startswith("RA"):
        frame = wcs_to_celestial_frame(wcs)
        if frame.name != "icrs" and not (frame.name == "fk5" and abs(frame.equinox.jyear - 2000) < SAME_EQUINOX):
            equinox = f" of equinox {frame.equinox.value}" if hasattr(frame, "equinox") else ""
            raise ValueError(
                f"a WCS in the frame {frame.name.upper()}{equinox} (RADESYS, EQUINOX) would be misplaced; right are "
                "ICRS, FK5 of J2000 and Galactic coordinates: reproject the map"
            )
        return "icrs"
    raise ValueError(f"a WCS in equatorial or galactic coordinates is needed, got axes {list(wcs.wcs.ctype)}")


def _check_undistorted(wcs: WCS) -> None:
    """Raise a ValueError if positions depend on more than the projection."""
    sip = wcs.sip is not None and any(np.any(m) for m in (wcs.sip.a, wcs.sip.b) if m is not None)
    if sip or any(table is not None for table in (wcs.cpdis1, wcs.cpdis2, wcs.det2im1, wcs.det2im2)):
        kind = "SIP polynomials" if sip else "distortion tables"
        raise ValueError(f"a WCS with {kind} would be misplaced: distortions are not used here; reproject the map")


def shifted(wcs: WCS, x: float, y: float) -> WCS:
    """Return the WCS of an image whose first pixel is the pixel ``(x, y)`` of the given one."""
    new = wcs.deepcopy()
    new.wcs.crpix = wcs.wcs.crpix - np.array([x, y])
    new.wcs.set()
    return new


def rescaled(wcs: WCS, factor: float) -> WCS:
    """Return the WCS of an image with pixels larger by ``factor`` and the same lower left corner."""
    new = wcs.deepcopy()
    new.wcs.crpix = (wcs.wcs.crpix - 0.5) / factor + 0.5
    if wcs.wcs.has_cd():
        new.wcs.cd = wcs.wcs.cd * factor
    else:
        new.wcs.cdelt = wcs.wcs.cdelt * factor
    new.wcs.set()
    return new


def same_projection(first: WCS, second: WCS, tolerance: float = 1e-6) -> bool:
    """Whether two WCS differ at most in their reference pixel."""
    a, b = first.wcs, second.wcs
    if list(a.ctype) != list(b.ctype):
        return False
    pairs = [
        (a.crval, b.crval),
        (first.pixel_scale_matrix, second.pixel_scale_matrix),
        ([a.lonpole, a.latpole], [b.lonpole, b.latpole]),
    ]
    return all(np.allclose(x, y, rtol=tolerance, atol=tolerance * 1e-3, equal_nan=True) for x, y in pairs)


def pixel_areas(corners: SkyCoord) -> u.Quantity:
    """Return pixel areas from the sky positions of the pixel corners.

    Each pixel is cut along its diagonal; each half counts as a planar triangle from two sides and the angle between
    them (the convention of Gammapy's ``WcsGeom.solid_angle``; relative error of the order of the area in sr).

    Parameters
    ----------
    corners : `~astropy.coordinates.SkyCoord`
        Corners, shape ``(n_lat + 1, n_lon + 1)``.

    Returns
    -------
    `~astropy.units.Quantity`
        Areas in sr, shape ``(n_lat, n_lon)``; NaN where a corner is not on the sky.
    """
    a, b = corners[:-1, :-1], corners[1:, :-1]
    c, d = corners[:-1, 1:], corners[1:, 1:]
    side_ab, side_ac, side_cd, side_bd = a.separation(b), a.separation(c), c.separation(d), b.separation(d)
    angle_b = b.position_angle(d) - b.position_angle(a)
    # the direction of the side a-c, taken at its start; at its end it differs by the convergence of the meridians
    angle_c = c.position_angle(d) - a.position_angle(c)
    area = 0.5 * side_ab.rad * side_bd.rad * np.sin(angle_b) + 0.5 * side_cd.rad * side_ac.rad * np.sin(angle_c)
    return u.Quantity(np.abs(area.value), "sr")


def npix_pair(npix: Any) -> tuple[int, int]:
    """Return (n_lon, n_lat) from one or two numbers of pixels."""
    values = [int(np.squeeze(n)) for n in (npix if np.ndim(npix) else (npix, npix))]
    if len(values) != 2 or min(values) < 1:
        raise ValueError(f"npix must be a positive number or a pair of them, got {npix}")
    return values[0], values[1]


def int_pair(what: str, value: int | Sequence[int], lowest: int = 0) -> tuple[int, int]:
    """Return a pair of integers not below ``lowest`` from one or two."""
    values: list[Any] = [value, value] if np.ndim(value) == 0 else list(cast(Sequence[int], value))
    if len(values) != 2 or any(int(v) != v or v < lowest for v in values):
        raise ValueError(f"{what} must be an integer not below {lowest}, or a pair of them, got {value!r}")
    return int(values[0]), int(values[1])


def reference_position(skydir: object, frame: str) -> tuple[float, float]:
    """Return lon and lat in deg of a position given as a SkyCoord or a pair; (0, 0) for None."""
    if skydir is None:
        return 0.0, 0.0
    if isinstance(skydir, SkyCoord):
        position = skydir.transform_to(frame)
        return float(position.data.lon.deg), float(position.data.lat.deg)
    if isinstance(skydir, tuple | list) and len(skydir) == 2:
        lon, lat = (Angle(x, unit="deg").deg for x in skydir)
        return float(lon), float(lat)
    raise TypeError(f"skydir must be a SkyCoord or a pair (lon, lat) in deg, got {skydir!r}")


def first_pixel(position: float, npix: int) -> int:
    """Return the first pixel of a cutout; half-way positions go down, with a margin for round-off in the projection."""
    return int(np.ceil(np.round(position - npix / 2, 9)))


def round_up_to_odd(value: float) -> int:
    """Return the smallest odd integer not below a value (with a margin for round-off)."""
    return int(np.ceil(np.round(value, 9)) // 2 * 2 + 1)
