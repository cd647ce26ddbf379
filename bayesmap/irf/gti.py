"""Good time intervals."""

import copy
import os
from collections.abc import Sequence
from typing import Self

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time, TimeDelta

from bayesmap._util import check_option
from bayesmap.errors import FormatError
from bayesmap.maps.files import named_errors, open_fits, write_hdulist
from bayesmap.maps.fits_time import LONGEST, reference_time
from bayesmap.units import parse_unit

__all__ = ["GTI", "reference_header"]


class GTI:
    """Intervals in which data were taken.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Columns START and STOP: times (`~astropy.time.Time`), or durations since ``reference_time``.
    reference_time : `~astropy.time.Time` or str, optional
        Zero of the durations in files; by default the first start.

    Raises
    ------
    ValueError
        If a column is missing or an interval ends before it starts.
    """

    def __init__(self, table: Table, reference_time: Time | str | None = None) -> None:
        missing = {"START", "STOP"} - set(table.colnames)
        if missing:
            raise ValueError(f"a GTI table needs the columns START and STOP, got {table.colnames}")
        if reference_time is None:
            reference_time = table.meta.get("reference_time") or (_first_time(table) if len(table) else "2000-01-01")
        self._time_ref = Time(copy.deepcopy(reference_time))
        if self._time_ref.format != "mjd":
            self._time_ref.format = "mjd"
        self.table = Table(
            {name: _as_time(table[name], self._time_ref) for name in ("START", "STOP")}, meta=dict(table.meta)
        )
        if len(table) and np.any((self.time_stop - self.time_start).sec < 0):
            raise ValueError("a good time interval ends before it starts")

    @classmethod
    def create(cls, start: object, stop: object, reference_time: Time | str | None = None) -> Self:
        """Return intervals from start and stop.

        Parameters
        ----------
        start, stop : `~astropy.time.Time` or `~astropy.units.Quantity`
            Times, or durations since ``reference_time``.
        reference_time : `~astropy.time.Time` or str, optional
            Reference time, by default 2000-01-01; a string is UTC.
        """
        reference_time = Time("2000-01-01T00:00:00" if reference_time is None else reference_time)
        columns = {"START": _as_time(start, reference_time), "STOP": _as_time(stop, reference_time)}
        return cls(Table({name: np.atleast_1d(value) for name, value in columns.items()}), reference_time)

    @classmethod
    def from_time_intervals(
        cls, time_intervals: Sequence[Sequence[Time]], reference_time: Time | str | None = None
    ) -> Self:
        """Return intervals from a list of pairs of times."""
        start, stop = (Time([pair[i] for pair in time_intervals]) for i in (0, 1))
        return cls.create(start, stop, start[0] if reference_time is None else reference_time)

    # -- files --------------------------------------------------------------------------------------------------------
    @classmethod
    def from_table_hdu(cls, table_hdu: fits.BinTableHDU, format: str = "gadf") -> Self:
        """Return the intervals in a FITS table.

        Raises
        ------
        FormatError
            If columns or the reference time are missing or wrong.
        """
        check_option("format", format, ("gadf",))
        names = getattr(getattr(table_hdu, "columns", None), "names", [])
        if not {"START", "STOP"} <= set(names):
            raise FormatError(f"HDU {table_hdu.name!r} needs the columns START and STOP, it has {names}")
        with named_errors("", table_hdu.name):
            columns = {name: _seconds(table_hdu, name) for name in ("START", "STOP")}
            return cls(Table(columns), reference_time(table_hdu.header, "tt"))

    @classmethod
    def read(cls, filename: str | os.PathLike, hdu: str = "GTI", format: str = "gadf", checksum: bool = False) -> Self:
        """Read intervals from a FITS file.

        Parameters
        ----------
        filename : path
            File.
        hdu : str
            Name of the table.
        format : {"gadf"}
            File layout.
        checksum : bool
            Whether to verify checksums.

        Raises
        ------
        bayesmap.errors.FormatError
            If the file is damaged or has no such table.
        """
        with open_fits(filename, checksum=checksum) as hdulist:
            if hdu not in hdulist:
                raise FormatError(f"{filename} has no HDU {hdu!r}, its HDUs are {[h.name for h in hdulist]}")
            return cls.from_table_hdu(hdulist[hdu], format=format)

    def to_table_hdu(self, format: str = "gadf") -> fits.BinTableHDU:
        """Return a FITS table with START and STOP in s since the reference time."""
        check_option("format", format, ("gadf",))
        columns = [
            fits.Column(name, "D", unit="s", array=met.to_value("s"))
            for name, met in (("START", self.met_start), ("STOP", self.met_stop))
        ]
        hdu = fits.BinTableHDU.from_columns(columns, name="GTI")
        hdu.header.update(reference_header(self._time_ref))
        return hdu

    def write(self, filename: str | os.PathLike, overwrite: bool = False, checksum: bool = False) -> None:
        """Write the intervals to a FITS file, completely or not at all."""
        hdulist = fits.HDUList([fits.PrimaryHDU(), self.to_table_hdu()])
        write_hdulist(hdulist, filename, overwrite=overwrite, checksum=checksum)

    # -- times --------------------------------------------------------------------------------------------------------
    @property
    def time_ref(self) -> Time:
        """Reference time."""
        return self._time_ref

    @property
    def time_start(self) -> Time:
        """Start times."""
        return Time(self.table["START"])

    @property
    def time_stop(self) -> Time:
        """Stop times."""
        return Time(self.table["STOP"])

    @property
    def time_delta(self) -> TimeDelta:
        """Lengths of the intervals."""
        return self.time_stop - self.time_start

    @property
    def time_sum(self) -> u.Quantity:
        """Sum of the lengths, in s."""
        return u.Quantity(self.time_delta.to("s").sum() if len(self.table) else 0, "s")

    @property
    def met_start(self) -> u.Quantity:
        """Starts in s since the reference time."""
        return (self.time_start - self._time_ref).to("s")

    @property
    def met_stop(self) -> u.Quantity:
        """Stops in s since the reference time."""
        return (self.time_stop - self._time_ref).to("s")

    @property
    def time_intervals(self) -> list[tuple[Time, Time]]:
        """Pairs of start and stop."""
        return list(zip(self.time_start, self.time_stop, strict=True))

    # -- operations ---------------------------------------------------------------------------------------------------
    def _from_times(self, start: Time, stop: Time) -> Self:
        return type(self)(Table({"START": start, "STOP": stop}), self._time_ref)

    def copy(self) -> Self:
        """Return a deep copy."""
        return copy.deepcopy(self)

    def stack(self, other: "GTI") -> None:
        """Append the intervals of another GTI in place; overlaps stay (see `union`)."""
        joined = self.from_stack([self, other])
        self.table = joined.table

    @classmethod
    def from_stack(cls, gtis: Sequence["GTI"]) -> Self:
        """Return all intervals of several GTIs, with the reference time of the first."""
        first = gtis[0]
        scale = first.time_ref.scale
        start = np.concatenate([getattr(g.time_start, scale).jd1 for g in gtis])
        start2 = np.concatenate([getattr(g.time_start, scale).jd2 for g in gtis])
        stop = np.concatenate([getattr(g.time_stop, scale).jd1 for g in gtis])
        stop2 = np.concatenate([getattr(g.time_stop, scale).jd2 for g in gtis])
        times = (Time(a, b, format="jd", scale=scale) for a, b in ((start, start2), (stop, stop2)))
        return cls(Table(dict(zip(("START", "STOP"), times, strict=True))), first.time_ref)

    def select_time(self, time_interval: Sequence[Time], inverted: bool = False) -> Self:
        """Return the parts of the intervals inside ``(start, stop)``, or outside of it if ``inverted``."""
        if inverted:
            return self.delete_interval(time_interval)
        low, high = (getattr(Time(t), self._time_ref.scale) for t in time_interval)
        keep = (self.time_start < high) & (self.time_stop > low)
        start, stop = self.time_start[keep], self.time_stop[keep]
        start[start < low] = low
        stop[stop > high] = high
        return self._from_times(start, stop)

    def delete_interval(self, time_interval: Sequence[Time]) -> Self:
        """Return the parts of the intervals outside of ``(start, stop)``.

        (In Gammapy an interval that reaches beyond both ends loses its second part.)
        """
        low, high = (getattr(Time(t), self._time_ref.scale) for t in time_interval)
        parts = []
        for start, stop in self.time_intervals:
            pieces = ((start, min(stop, low)), (max(start, high), stop))
            parts += [(begin, end) for begin, end in pieces if begin < end]
        if not parts:
            return type(self)(self.table[:0], self._time_ref)
        return self._from_times(*(Time([part[k] for part in parts]) for k in (0, 1)))

    def group_table(self, time_intervals: Sequence[Sequence[Time]], atol: object = "1e-6 s") -> Table:
        """Return in which of some intervals each good time interval lies.

        Parameters
        ----------
        time_intervals : sequence of pairs of `~astropy.time.Time`
            Intervals.
        atol : `~astropy.units.Quantity` or str
            Tolerance at their ends.

        Returns
        -------
        `~astropy.table.Table`
            One row per good time interval: ``group_idx`` (the first interval that holds it, -1 for none), ``time_min``
            and ``time_max`` (MJD, UTC), and ``bin_type``: empty, "overflow" or "underflow" if one starts before it or
            ends after it, else "outflow".
        """
        tolerance = u.Quantity(atol).to("s")
        lows, highs = (Time([pair[k] for pair in time_intervals]) for k in (0, 1))
        rows = []
        for start, stop in self.time_intervals:
            after, before = start >= lows - tolerance, stop <= highs + tolerance
            index = int(np.argmax(after & before)) if np.any(after & before) else -1
            kind = "" if index >= 0 else "overflow" if after.any() else "underflow" if before.any() else "outflow"
            rows.append((index, start.utc.mjd, stop.utc.mjd, kind))
        names = ("group_idx", "time_min", "time_max", "bin_type")
        return Table(rows=rows or None, names=names, dtype=("i8", "f8", "f8", "U10"))

    def union(self, overlap_ok: bool = True, merge_equal: bool = True) -> Self:
        """Return sorted intervals without overlaps.

        Parameters
        ----------
        overlap_ok : bool
            Whether overlapping intervals are joined; otherwise they are an error.
        merge_equal : bool
            Whether intervals that touch are joined.

        Raises
        ------
        ValueError
            If intervals overlap and ``overlap_ok`` is False.
        """
        if not len(self.table):
            return self.copy()
        order = np.argsort(self.met_start.value, kind="stable")
        start, stop = self.met_start.value[order], self.met_stop.value[order]
        reach = np.maximum.accumulate(stop)
        overlaps = start[1:] < reach[:-1]
        if overlaps.any() and not overlap_ok:
            raise ValueError(f"good time intervals overlap, first at {self.time_start[order][1:][overlaps][0].iso}")
        joined = overlaps | (merge_equal & (start[1:] == reach[:-1]))
        first = np.concatenate([[True], ~joined])
        last = np.concatenate([~joined, [True]])
        begin = self._time_ref + start[first] * u.s
        return self._from_times(begin, self._time_ref + reach[last] * u.s)

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"<GTI: {len(self.table)} intervals, {self.time_sum:.6g}>"

    def __str__(self) -> str:
        rows = {"Number of GTIs": len(self.table), "Duration": self.time_sum}
        if len(self.table):
            rows |= {"Start": self.time_start.min().iso, "Stop": self.time_stop.max().iso}
        body = "\n".join(f"  {key:<15}: {value}" for key, value in rows.items())
        return f"GTI\n---\n\n{body}\n"


def _first_time(table: Table) -> Time:
    """The first start, if the column holds times."""
    column = table["START"]
    if not isinstance(column, Time):
        raise ValueError("a GTI table with durations needs a reference_time")
    return column.min()


def _as_time(value: object, reference_time: Time) -> Time:
    """Times from times or from durations since the reference time, in its scale."""
    if isinstance(value, Time):
        return getattr(value, reference_time.scale)
    column_unit = getattr(value, "unit", None)
    duration = u.Quantity(value) if column_unit is not None else u.Quantity(u.Quantity(value).value, "s")
    return reference_time + np.atleast_1d(duration.to("s"))


def reference_header(time: Time) -> dict[str, object]:
    """Return the keywords MJDREFI, MJDREFF, TIMESYS and TIMEUNIT (s) of a reference time."""
    day = np.floor(time.mjd)
    fraction = float(time.jd1 - 2400000.5 - day + time.jd2)
    return {"MJDREFI": int(day), "MJDREFF": fraction, "TIMESYS": time.scale, "TIMEUNIT": "s"}


def _seconds(hdu: fits.BinTableHDU, name: str) -> u.Quantity:
    """A column of durations."""
    unit = hdu.columns[name].unit or hdu.header.get("TIMEUNIT", "s")
    values = np.asarray(hdu.data[name], dtype="float64")
    if not np.all(np.isfinite(values)):
        raise FormatError(f"the column {name} has {int((~np.isfinite(values)).sum())} NaN or infinite values")
    try:
        times = u.Quantity(values, parse_unit(unit)).to("s")
    except ValueError as error:
        raise FormatError(f"the column {name} has the unit {unit!r}; right is a unit of time") from error
    if np.any(np.abs(times) > LONGEST * u.d):
        raise FormatError(f"the column {name} has times up to {np.abs(times).max():.3g} from the reference time")
    return times
