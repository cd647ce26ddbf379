"""Times in FITS headers.

References
----------
FITS Standard 4.0, section 9 and table 30;
https://gamma-astro-data-formats.readthedocs.io/en/latest/general/time.html
"""

from collections.abc import Mapping
from typing import Any

import astropy.units as u
import numpy as np
from astropy.time import Time

from bayesmap.errors import FormatError
from bayesmap.units import parse_unit

__all__ = ["LONGEST", "reference_time"]

#: days, positive or negative, of a reference time in MJD, and of a time since it; Earth's rotation is known for less
LONGEST = 1e6

#: time scales, and names that the FITS standard has for some of them
SCALES = {scale: scale for scale in ("tai", "tcb", "tcg", "tdb", "tt", "ut1", "utc")}
SCALES |= {"tdt": "tt", "et": "tt", "iat": "tai", "gmt": "utc"}


def reference_time(header: Mapping[str, Any], default_scale: str) -> Time:
    """Return the reference time of the keywords MJDREFI, MJDREFF, TIMESYS and TIMEZERO, which FITS adds to all times.

    Parameters
    ----------
    header : Mapping
        Header of a table.
    default_scale : str
        Scale if TIMESYS is missing or blank.

    Raises
    ------
    FormatError
        If MJDREFI is missing, a number is none, or TIMESYS names no time scale.
    """
    if "MJDREFI" not in header:
        raise FormatError("the keyword MJDREFI is missing")
    day, fraction = (_number(header, key, LONGEST) for key in ("MJDREFI", "MJDREFF"))
    stated = header.get("TIMESYS")
    text = stated.strip().lower() if isinstance(stated, str) else ""
    scale = SCALES.get(text or default_scale)
    if scale is None or stated is not None and not isinstance(stated, str) and str(stated).strip():
        raise FormatError(f"the keyword TIMESYS is {stated!r}; known time scales are {sorted(SCALES)}")
    time = Time(day, fraction, format="mjd", scale=scale)
    if not header.get("TIMEZERO"):
        return time
    unit = parse_unit(header.get("TIMEUNIT") or "s")
    return time + _number(header, "TIMEZERO", LONGEST * u.d.to(unit)) * unit


def _number(header: Mapping[str, Any], key: str, largest: float) -> float:
    """A number of days, or of another unit for TIMEZERO; 0 if it is missing."""
    try:
        number = float(header.get(key, 0.0))
    except (TypeError, ValueError):
        number = np.nan
    if not abs(number) <= largest:
        kind = "a duration" if key == "TIMEZERO" else "a Modified Julian Date"
        raise FormatError(f"the keyword {key} is {header[key]!r}; right is {kind}")
    return number
