"""Times in FITS headers.

References
----------
FITS Standard 4.0, section 9 and table 30;
https://gamma-astro-data-formats.readthedocs.io/en/latest/general/time.html
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.time import Time

from bayesmap.errors import FormatError

__all__ = ["LONGEST", "reference_time"]

#: days, positive or negative, of a reference time in MJD, and of a time since it; Earth's rotation is known for less
LONGEST = 1e6

#: time scales, and names that the FITS standard has for some of them
SCALES = {scale: scale for scale in ("tai", "tcb", "tcg", "tdb", "tt", "ut1", "utc")}
SCALES |= {"tdt": "tt", "et": "tt", "iat": "tai", "gmt": "utc"}


def reference_time(header: Mapping[str, Any], default_scale: str) -> Time:
    """Return the reference time of the keywords MJDREFI, MJDREFF and TIMESYS.

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
    numbers = []
    for key, default in (("MJDREFI", 0.0), ("MJDREFF", 0.0)):
        try:
            numbers.append(float(header.get(key, default)))
        except (TypeError, ValueError):
            numbers.append(np.nan)
        if not abs(numbers[-1]) <= LONGEST:
            raise FormatError(f"the keyword {key} is {header[key]!r}; right is a Modified Julian Date")
    stated = header.get("TIMESYS")
    text = stated.strip().lower() if isinstance(stated, str) else ""
    scale = SCALES.get(text or default_scale)
    if scale is None or stated is not None and not isinstance(stated, str) and str(stated).strip():
        raise FormatError(f"the keyword TIMESYS is {stated!r}; known time scales are {sorted(SCALES)}")
    return Time(*numbers, format="mjd", scale=scale)
