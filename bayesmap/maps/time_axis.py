"""An axis of intervals of time, which may leave gaps."""

from collections.abc import Iterator
from typing import Any, Self

import astropy.units as u
import numpy as np
from astropy.table import Table
from astropy.time import Time

from bayesmap._util import Absent
from bayesmap.maps.axes import MapAxis

__all__ = ["TimeMapAxis"]

_NUMBERED = "needs bins without gaps; intervals of time are counted: slice the axis, or make a new one"


class TimeMapAxis(MapAxis):
    """An axis of intervals of time; bin ``i`` is centred at the number ``i`` and intervals may leave gaps.

    Parameters
    ----------
    edges_min, edges_max : `~astropy.units.Quantity`
        Starts and stops of the intervals since the reference time; they rise and do not overlap.
    reference_time : `~astropy.time.Time`
        Reference time; its scale is that of the axis.
    name : str
        Name of the axis.

    Raises
    ------
    ValueError
        If numbers of starts and stops differ, an interval is empty, or intervals overlap or descend.
    """

    def __init__(self, edges_min: Any, edges_max: Any, reference_time: Any, name: str = "time") -> None:
        start, stop = (np.atleast_1d(u.Quantity(edge)) for edge in (edges_min, edges_max))
        stop = stop.to(start.unit)
        if start.shape != stop.shape or not len(start):
            raise ValueError(f"axis {name!r}: {len(start)} starts and {len(stop)} stops; each interval needs both")
        gaps = (start[1:] - stop[:-1]).to_value("s")
        if np.any(stop <= start) or np.any(gaps < -1e-6):
            raise ValueError(f"axis {name!r}: intervals must have a length, rise and not overlap")
        super().__init__(np.arange(len(start) + 1) - 0.5, name=name, node_type="edges")
        self._start, self._stop = start, stop
        self.reference_time = Time(reference_time)

    # -- construction -------------------------------------------------------------------------------------------------
    @classmethod
    def from_time_edges(cls, time_min: Any, time_max: Any, unit: Any = "d", reference_time: Any = None) -> Self:
        """Return an axis from start and stop times; the reference time is the first start by default."""
        start, stop = (Time(np.atleast_1d(Time(t))) for t in (time_min, time_max))
        reference = start[0] if reference_time is None else Time(reference_time)
        return cls((start - reference).to(unit), (stop - reference).to(unit), reference)

    @classmethod
    def from_gti(cls, gti: Any, name: str = "time") -> Self:
        """Return the axis of good time intervals."""
        return cls(gti.met_start, gti.met_stop, gti.time_ref, name=name)

    # -- times --------------------------------------------------------------------------------------------------------
    @property
    def edges_min(self) -> u.Quantity:
        """Starts since the reference time."""
        return self._start

    @property
    def edges_max(self) -> u.Quantity:
        """Stops since the reference time."""
        return self._stop

    @property
    def time_min(self) -> Time:
        """Start times."""
        return self.reference_time + self._start

    @property
    def time_max(self) -> Time:
        """Stop times."""
        return self.reference_time + self._stop

    @property
    def time_mid(self) -> Time:
        """Times in the middle of the intervals."""
        return self.time_min + 0.5 * self.time_delta

    @property
    def time_delta(self) -> Any:
        """Lengths of the intervals."""
        return self.time_max - self.time_min

    @property
    def time_edges(self) -> Time:
        """Starts of the intervals and the last stop; they are the edges of intervals without gaps."""
        return self.reference_time + u.Quantity([*self._start, self._stop[-1]])

    #: how times are written
    time_format = "iso"

    @property
    def time_bounds(self) -> tuple[Time, Time]:
        """First start and last stop."""
        return self.time_min[0], self.time_max[-1]

    @property
    def is_contiguous(self) -> bool:
        """Whether the intervals leave no gaps."""
        return bool(np.all(np.abs((self._start[1:] - self._stop[:-1]).to_value("s")) < 1e-6))

    @property
    def iter_by_time_edges(self) -> Iterator[tuple[Time, Time]]:
        """Pairs of start and stop time."""
        yield from zip(self.time_min, self.time_max, strict=True)

    @property
    def as_plot_labels(self) -> list[str]:
        """Start and stop of each interval, ISO."""
        return [f"{start.iso} - {stop.iso}" for start, stop in self.iter_by_time_edges]

    def to_table(self, format: str = "gti") -> Table:
        """Return a table with the columns START and STOP, times."""
        return Table({"START": self.time_min, "STOP": self.time_max})

    def _values(self, coord: Any) -> np.ndarray:
        """Positions of times, or of durations since the reference time, in the middle of a bin; NaN in gaps."""
        if isinstance(coord, Time):
            coord = (coord - self.reference_time).to(self._start.unit)
        if not isinstance(coord, u.Quantity) or coord.unit == u.dimensionless_unscaled:
            return super()._values(coord)
        value = np.asarray(coord.to_value(self._start.unit), dtype="float64")
        index = np.searchsorted(self._start.value, value, side="right") - 1
        inside = (index >= 0) & (value < self._stop.value[np.clip(index, 0, None)])
        return np.where(inside, index, np.nan)

    # -- new axes -----------------------------------------------------------------------------------------------------
    def slice(self, idx: slice | int) -> Self:
        """Return the axis of the selected intervals (a slice, or a bin number)."""
        index = np.atleast_1d(np.arange(self.nbin)[idx])
        return type(self)(self._start[index], self._stop[index], self.reference_time, self.name)

    def squash(self) -> Self:
        """Return an axis with one interval, from the first start to the last stop."""
        return type(self)(self._start[:1], self._stop[-1:], self.reference_time, self.name)

    def concatenate(self, axis: "TimeMapAxis") -> Self:  # type: ignore[override]  # times follow times
        """Return this axis followed by later intervals."""
        shift = (axis.reference_time - self.reference_time).to(self._start.unit)
        start, stop = (
            u.Quantity([*a, *(b + shift)]) for a, b in ((self._start, axis._start), (self._stop, axis._stop))
        )
        return type(self)(start, stop, self.reference_time, self.name)

    def copy(self, **kwargs: Any) -> Self:
        """Return a copy; ``edges_min``, ``edges_max``, ``reference_time`` and ``name`` can be replaced."""
        own = {"edges_min": self._start, "edges_max": self._stop, "reference_time": self.reference_time}
        return type(self)(**{**own, "name": self.name, **kwargs})

    def is_allclose(self, other: object, rtol: float = 1e-6, atol: float = 1e-6) -> bool:
        """Whether another axis has the same name and intervals, up to a microsecond."""
        if not isinstance(other, TimeMapAxis) or (self.name, self.nbin) != (other.name, other.nbin):
            return False
        pairs = ((self.time_min, other.time_min), (self.time_max, other.time_max))
        return all(bool(np.all(np.abs((one - two).to_value("s")) < 1e-6)) for one, two in pairs)

    __eq__ = MapAxis.__eq__
    __hash__ = MapAxis.__hash__

    from_gti_bounds = Absent("makes contiguous bins between intervals: use from_time_edges")
    from_time_bounds = Absent("makes contiguous bins of one length: use from_time_edges")
    to_contiguous = Absent("fills the gaps between intervals with bins, for which there are no data")
    to_gti = Absent("makes good time intervals: use GTI.from_time_intervals(list(axis.iter_by_time_edges))")
    upsample = Absent(_NUMBERED)
    downsample = Absent(_NUMBERED)
    pad = Absent(_NUMBERED)
    resample = Absent(_NUMBERED)
    group_table = Absent(_NUMBERED)

    def __repr__(self) -> str:
        start, stop = self.time_bounds
        return f"<TimeMapAxis {self.name!r}: {self.nbin} intervals, {start.iso} to {stop.iso}>"

    def __str__(self) -> str:
        start, stop = self.time_bounds
        rows = {
            "Name": self.name,
            "N bins": self.nbin,
            "Reference time": self.reference_time.iso,
            "Scale": self.reference_time.scale,
            "Time min": start.iso,
            "Time max": stop.iso,
            "Contiguous": self.is_contiguous,
        }
        body = "\n".join(f"  {key:<14}: {value}" for key, value in rows.items())
        return f"TimeMapAxis\n-----------\n\n{body}\n"
