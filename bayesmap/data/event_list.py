"""Events with time, direction and energy, and their files."""

import contextlib
import os
from collections.abc import Mapping
from typing import Any, Self

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time

from bayesmap.errors import FormatError
from bayesmap.irf.gti import GTI
from bayesmap.maps import Geom, MapCoord
from bayesmap.maps.files import named_errors, open_fits
from bayesmap.maps.fits import write_hdulist
from bayesmap.maps.fits_time import LONGEST, reference_time
from bayesmap.maps.tables import read_fits_table
from bayesmap.units import parse_unit

__all__ = ["EventList"]

#: mandatory columns in the order of the file, with their units; formats are wider than the format asks for
COLUMNS = {"EVENT_ID": "", "TIME": "s", "RA": "deg", "DEC": "deg", "ENERGY": "TeV"}
#: agreement of reference times, in s
SAME_TIME = 1e-3


class EventList:
    """Events and the good time intervals in which they were taken.

    Parameters
    ----------
    table : `~astropy.table.Table`
        One row per event with the columns ``EVENT_ID``, ``TIME`` (s since the reference time of the intervals),
        ``RA``, ``DEC`` (deg, ICRS) and ``ENERGY`` (TeV), and any others. Its ``meta`` are the header keywords.
    gti : GTI
        Good time intervals.

    Raises
    ------
    ValueError
        If a column is missing or has a unit of the wrong kind.

    References
    ----------
    Data formats for gamma-ray astronomy 0.2 (GADF), section "EVENTS extension".
    """

    def __init__(self, table: Table, gti: GTI) -> None:
        missing = [name for name in COLUMNS if name not in table.colnames]
        if missing:
            raise ValueError(f"an event list needs the columns {list(COLUMNS)}, {missing} are missing")
        for name, unit in COLUMNS.items():
            if unit and not _is_equivalent(table[name].unit, unit):
                raise ValueError(f"the column {name} of an event list needs a unit like {unit}, got {table[name].unit}")
        self.table, self.gti = table, gti

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"<EventList: {len(self)} events>"

    @property
    def radec(self) -> SkyCoord:
        """Directions, ICRS."""
        return SkyCoord(self.table["RA"].quantity, self.table["DEC"].quantity, frame="icrs")

    @property
    def galactic(self) -> SkyCoord:
        """Directions in Galactic coordinates."""
        return self.radec.galactic

    @property
    def energy(self) -> u.Quantity:
        """Reconstructed energies."""
        return self.table["ENERGY"].quantity

    @property
    def time(self) -> Time:
        """Arrival times."""
        return self.gti.time_ref + self.table["TIME"].quantity.to("s")

    def map_coord(self, geom: Geom) -> MapCoord:
        """Coordinates of the events on the axes of a geometry, to fill a map with `~bayesmap.maps.Map.fill_by_coord`.

        Parameters
        ----------
        geom : Geom
            Geometry whose non-spatial axes are named like columns in small letters, for example ``energy``.

        Raises
        ------
        ValueError
            If there is no column for an axis.
        """
        coords: dict[str, Any] = {"skycoord": self.radec}
        for axis in geom.axes:
            if axis.name.upper() not in self.table.colnames:
                raise ValueError(f"the events have no column {axis.name.upper()!r} for the axis {axis.name!r}")
            coords[axis.name] = self.table[axis.name.upper()].quantity
        return MapCoord.create(coords, frame=geom.frame)

    def select_row_subset(self, row_specifier: Any) -> Self:
        """Return the events of some rows: a slice, an index array or a boolean array."""
        return type(self)(self.table[row_specifier], self.gti)

    def to_hdulist(self) -> fits.HDUList:
        """Return the HDUs EVENTS and GTI behind an empty primary one."""
        events = fits.table_to_hdu(self.table)
        events.name = "EVENTS"
        return fits.HDUList([fits.PrimaryHDU(), events, self.gti.to_table_hdu()])

    def write(self, filename: str | os.PathLike, overwrite: bool = False, checksum: bool = False) -> None:
        """Write events and intervals to a FITS file, completely or not at all.

        Parameters
        ----------
        filename : path
            File.
        overwrite : bool
            Whether to replace an existing file.
        checksum : bool
            Whether to write checksums.

        Raises
        ------
        FileExistsError
            If the file exists and ``overwrite`` is False.
        """
        write_hdulist(self.to_hdulist(), filename, overwrite=overwrite, checksum=checksum)

    @classmethod
    def read(cls, filename: str | os.PathLike, checksum: bool = False) -> Self:
        """Read a FITS file with the HDUs EVENTS and GTI.

        Parameters
        ----------
        filename : path
            File.
        checksum : bool
            Whether to verify checksums.

        Raises
        ------
        FormatError
            If an HDU or a column is missing, a unit is wrong, directions are in another frame than ICRS or FK5 of
            J2000, or the times of events and intervals have different reference times; the message names file and HDU.
        """
        with open_fits(filename, checksum=checksum) as hdulist:
            for name in ("EVENTS", "GTI"):
                if name not in hdulist:
                    raise FormatError(f"{filename} has no HDU {name!r}, its HDUs are {[h.name for h in hdulist]}")
            gti = GTI.from_table_hdu(hdulist["GTI"])
            table = read_fits_table(hdulist["EVENTS"])
            with named_errors(filename, "EVENTS"):
                _check_reference(hdulist["EVENTS"].header, gti)
                events = cls(_with_units(table), gti)
                if np.any(np.abs(events.table["DEC"].quantity) > 90 * u.deg):
                    raise FormatError("column 'DEC' has directions beyond the poles")
                if np.any(np.abs(events.table["TIME"].quantity) > LONGEST * u.d):
                    raise FormatError(f"column 'TIME' has times more than {LONGEST:g} d from the reference time")
                return events


def _with_units(table: Table) -> Table:
    """The table with units as `~bayesmap.units.parse_unit` reads them; unknown ones of further columns stay."""
    for name in table.colnames:
        with contextlib.suppress(ValueError):
            table[name].unit = parse_unit(table[name].unit) if table[name].unit else None
    return table


def _is_equivalent(given: Any, unit: str) -> bool:
    """Whether a unit, perhaps an unknown one, is of a kind."""
    try:
        return bool(parse_unit(given).is_equivalent(unit))
    except ValueError:
        return False


def _check_reference(header: fits.Header, gti: GTI) -> None:
    """Raise a FormatError unless directions and times are what the columns are read as."""
    frame = str(header.get("RADECSYS", header.get("RADESYS", ""))).strip().upper()
    if frame not in ("", "ICRS", "FK5") or float(header.get("EQUINOX", 2000.0)) != 2000:
        raise FormatError(
            f"RADECSYS is {frame!r}, EQUINOX {header.get('EQUINOX')}; directions in ICRS or in FK5 of 2000 can be read"
        )
    if "MJDREFI" not in header:
        return
    events, intervals = reference_time(header, "tt"), gti.time_ref
    difference = (events - intervals).to_value("s")
    if events.scale != intervals.scale or abs(difference) > SAME_TIME:
        raise FormatError(
            "the reference time (MJDREFI, MJDREFF, TIMEZERO, TIMESYS) differs from that of the HDU 'GTI' by "
            f"{difference:g} s ({events.scale}, {intervals.scale}); both must have one"
        )


def time_header(gti: GTI) -> Mapping[str, Any]:
    """Header keywords of the times of an observation that lasts from the first to the last good time."""
    start, stop = gti.time_start.min(), gti.time_stop.max()
    reference = {key: gti.to_table_hdu().header[key] for key in ("MJDREFI", "MJDREFF", "TIMEUNIT", "TIMESYS")}
    begin, end = ((time - gti.time_ref).to_value("s") for time in (start, stop))
    return reference | {
        "TIMEREF": "LOCAL",
        "TSTART": begin,
        "TSTOP": end,
        "TELAPSE": end - begin,
        "ONTIME": gti.time_sum.to_value("s"),
        "DATE-OBS": np.char.partition(start.utc.isot, ".")[0].item(),
        "DATE-END": np.char.partition(stop.utc.isot, ".")[0].item(),
    }
