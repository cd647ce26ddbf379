"""Events with time, direction and energy, and their files."""

import contextlib
import copy
import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table, vstack
from astropy.time import Time

from bayesmap._types import Axes
from bayesmap._util import check_option
from bayesmap.data.event_info import EventInfo
from bayesmap.data.event_selection import EventSelection
from bayesmap.errors import FormatError
from bayesmap.irf.gti import GTI, reference_header
from bayesmap.maps import Geom, MapCoord
from bayesmap.maps.files import named_errors, open_fits, write_hdulist
from bayesmap.maps.fits_time import LONGEST, reference_time
from bayesmap.maps.tables import read_fits_table
from bayesmap.units import parse_unit

__all__ = ["EventList"]

#: mandatory columns in the order of the file, with their units; formats are wider than the format asks for
COLUMNS = {"EVENT_ID": "", "TIME": "s", "RA": "deg", "DEC": "deg", "ENERGY": "TeV"}
#: agreement of reference times, in s
SAME_TIME = 1e-3


class EventList(EventInfo, EventSelection):
    """Events and the good time intervals in which they were taken.

    Parameters
    ----------
    table : `~astropy.table.Table`
        One row per event with the columns ``EVENT_ID``, ``TIME`` (s since the reference time of the intervals),
        ``RA``, ``DEC`` (deg, ICRS) and ``ENERGY`` (TeV), and any others. Its ``meta`` are the header keywords.
    gti : GTI, optional
        Good time intervals. Without them the keywords of the table must say the reference time (MJDREFI, MJDREFF).

    Raises
    ------
    ValueError
        If a column is missing or has a unit of the wrong kind.

    References
    ----------
    Data formats for gamma-ray astronomy 0.2 (GADF), section "EVENTS extension".
    """

    def __init__(self, table: Table, gti: GTI | None = None) -> None:
        missing = [name for name in COLUMNS if name not in table.colnames]
        if missing:
            raise ValueError(f"an event list needs the columns {list(COLUMNS)}, {missing} are missing")
        for name, unit in COLUMNS.items():
            if table[name].ndim != 1:
                raise ValueError(
                    f"the column {name} of an event list needs one number per event, got shape {table[name].shape[1:]}"
                )
            if unit and not _is_equivalent(table[name].unit, unit):
                raise ValueError(f"the column {name} of an event list needs a unit like {unit}, got {table[name].unit}")
        if gti is None and "MJDREFI" not in table.meta:
            raise ValueError(
                "an event list without good time intervals needs the keyword MJDREFI of the reference time"
            )
        self.table, self.gti = table, gti

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"<EventList: {len(self)} events>"

    def __str__(self) -> str:
        meta = self.table.meta
        rows: dict[str, Any] = {"Instrument": meta.get("INSTRUME"), "Telescope": meta.get("TELESCOP")}
        rows |= {"Obs. ID": meta.get("OBS_ID", ""), "Number of events": len(self)}
        if {"TSTART", "TSTOP"} <= meta.keys():
            rows["Event rate"] = f"{len(self) / self.observation_time_duration:.3f}"
            rows |= {"Time start": self.observation_time_start.isot, "Time stop": self.observation_time_stop.isot}
        if len(self):
            numbers: dict[str, Any] = {"Min.": np.min, "Max.": np.max, "Median": np.median}
            rows |= {f"{name} energy": f"{function(self.energy):.2e}" for name, function in numbers.items()}
            if self.is_pointed_observation:
                rows["Max. offset"] = f"{self.offset.max().deg:.1f} deg"
        body = "".join(f"  {key:<16} : {value}\n" for key, value in rows.items())
        return f"EventList\n---------\n\n{body}"

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
    def time_ref(self) -> Time:
        """Reference time of the column TIME: as the keywords of the table say, or that of the intervals."""
        if "MJDREFI" in self.table.meta or self.gti is None:
            return reference_time(self.table.meta, "tt")  # says which keyword is missing
        return self.gti.time_ref

    @property
    def time(self) -> Time:
        """Arrival times."""
        return self.time_ref + self.table["TIME"].quantity.to("s")

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

    def select_row_subset(self, row_specifier: object) -> Self:
        """Return the events of some rows: a slice, an index array or a boolean array."""
        return type(self)(self.table[row_specifier], self.gti)

    # -- several lists ------------------------------------------------------------------------------------------------
    def copy(self) -> Self:
        """Return a deep copy."""
        return copy.deepcopy(self)

    @classmethod
    def from_stack(cls, event_lists: Sequence["EventList"], **kwargs: object) -> Self:
        """Return the events of several lists, with times since the reference time of the first and all intervals.

        Parameters
        ----------
        event_lists : sequence of EventList
            Lists. Of the keywords only those of the reference time are kept.
        **kwargs : dict
            For `astropy.table.vstack`, such as ``join_type``.
        """
        first = event_lists[0]
        tables = [_since(events, first.time_ref) for events in event_lists]
        table = vstack(tables, metadata_conflicts="silent", **kwargs)
        table.meta = reference_header(first.time_ref)
        gtis = [events.gti for events in event_lists if events.gti is not None]
        return cls(table, GTI.from_stack(gtis) if len(gtis) == len(event_lists) else None)

    def stack(self, other: "EventList") -> None:
        """Append the events and intervals of another list in place."""
        joined, meta = self.from_stack([self, other]), self.table.meta
        self.table, self.gti = joined.table, joined.gti
        self.table.meta = meta

    # -- figures ------------------------------------------------------------------------------------------------------
    def plot_energy(self, ax: Axes | None = None, **kwargs: object) -> Axes:
        """Plot a histogram of energies; see `bayesmap.plot.events.plot_event_energies`."""
        from bayesmap.plot.events import plot_event_energies

        return plot_event_energies(self, ax, **kwargs)

    def plot_time(self, ax: Axes | None = None, **kwargs: object) -> Axes:
        """Plot counts against time; see `bayesmap.plot.events.plot_event_times`."""
        from bayesmap.plot.events import plot_event_times

        return plot_event_times(self, ax, **kwargs)

    def plot_offset2_distribution(
        self, ax: Axes | None = None, center: SkyCoord | None = None, max_percentile: float = 98, **kwargs: object
    ) -> Axes:
        """Plot a histogram of squared offsets; see `bayesmap.plot.events.plot_event_offsets`."""
        from bayesmap.plot.events import plot_event_offsets

        return plot_event_offsets(self, ax, center, max_percentile, **kwargs)

    def plot_energy_offset(self, ax: Axes | None = None, center: SkyCoord | None = None, **kwargs: object) -> Axes:
        """Plot counts against energy and offset; see `bayesmap.plot.events.plot_event_energy_offset`."""
        from bayesmap.plot.events import plot_event_energy_offset

        return plot_event_energy_offset(self, ax, center, **kwargs)

    def plot_image(self, ax: Axes | None = None, allsky: bool = False) -> Axes:
        """Plot an image of the counts; see `bayesmap.plot.events.plot_event_image`."""
        from bayesmap.plot.events import plot_event_image

        return plot_event_image(self, ax, allsky)

    def peek(self, allsky: bool = False) -> object:
        """Plot image, offsets, energies and times; see `bayesmap.plot.events.peek_events`."""
        from bayesmap.plot.events import peek_events

        return peek_events(self, allsky)

    # -- files --------------------------------------------------------------------------------------------------------
    def to_table_hdu(self, format: str = "gadf") -> fits.BinTableHDU:
        """Return the events as the HDU EVENTS; the only format is "gadf"."""
        check_option("format", format, ("gadf",))
        events = fits.table_to_hdu(self.table)
        events.name = "EVENTS"
        return events

    def to_hdulist(self) -> fits.HDUList:
        """Return the HDUs EVENTS and, if there are intervals, GTI behind an empty primary one."""
        hdus = [fits.PrimaryHDU(), self.to_table_hdu()]
        return fits.HDUList(hdus if self.gti is None else [*hdus, self.gti.to_table_hdu()])

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
    def read(cls, filename: str | os.PathLike, hdu: str = "EVENTS", checksum: bool = False) -> Self:
        """Read a FITS file with a table of events and, if it is there, the table GTI of the intervals.

        Parameters
        ----------
        filename : path
            File.
        hdu : str
            Table of the events.
        checksum : bool
            Whether to verify checksums.

        Raises
        ------
        FormatError
            If an HDU or a column is missing, a unit is wrong, directions are in another frame than ICRS or FK5 of
            J2000, or the times of events and intervals have different reference times; the message names file and HDU.
        """
        with open_fits(filename, checksum=checksum) as hdulist:
            if hdu not in hdulist:
                raise FormatError(f"{filename} has no HDU {hdu!r}, its HDUs are {[h.name for h in hdulist]}")
            gti = GTI.from_table_hdu(hdulist["GTI"]) if "GTI" in hdulist else None
            table = read_fits_table(hdulist[hdu])
            with named_errors(filename, hdu):
                _check_reference(hdulist[hdu].header, gti)
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


def _is_equivalent(given: object, unit: str) -> bool:
    """Whether a unit, perhaps an unknown one, is of a kind."""
    try:
        return bool(parse_unit(given).is_equivalent(unit))
    except ValueError:
        return False


def _check_reference(header: fits.Header, gti: GTI | None) -> None:
    """Raise a FormatError unless directions and times are what the columns are read as."""
    frame = str(header.get("RADECSYS", header.get("RADESYS", ""))).strip().upper()
    if frame not in ("", "ICRS", "FK5") or float(header.get("EQUINOX", 2000.0)) != 2000:
        raise FormatError(
            f"RADECSYS is {frame!r}, EQUINOX {header.get('EQUINOX')}; directions in ICRS or in FK5 of 2000 can be read"
        )
    if "MJDREFI" not in header or gti is None:
        return
    events, intervals = reference_time(header, "tt"), gti.time_ref
    difference = (events - intervals).to_value("s")
    if events.scale != intervals.scale or abs(difference) > SAME_TIME:
        raise FormatError(
            "the reference time (MJDREFI, MJDREFF, TIMEZERO, TIMESYS) differs from that of the HDU 'GTI' by "
            f"{difference:g} s ({events.scale}, {intervals.scale}); both must have one"
        )


def _since(events: EventList, time_ref: Time) -> Table:
    """The table of events with times since another reference time."""
    shift = (events.time_ref - time_ref).to(events.table["TIME"].unit)
    table = events.table.copy()
    table["TIME"] = table["TIME"].quantity + shift
    return table


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
