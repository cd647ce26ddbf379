"""Which events of a list lie in ranges of energy, time or offset, in regions and masks."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import astropy.units as u
import numpy as np
from astropy.time import Time
from astropy.wcs import WCS

from bayesmap._types import Region
from bayesmap._util import Absent, suggest
from bayesmap.maps import Map, RegionGeom

if TYPE_CHECKING:
    from astropy.coordinates import Angle, SkyCoord
    from astropy.table import Table

    from bayesmap.irf.gti import GTI
    from bayesmap.maps import Geom, MapCoord

__all__ = ["EventSelection"]


def _pair[T](what: str, values: Sequence[object], kind: Callable[[object], T]) -> tuple[T, T]:
    """Lower and upper end of a range."""
    if len(values) != 2:
        raise ValueError(f"{what} must have a lower and an upper end, got {len(values)} values")
    return kind(values[0]), kind(values[1])


class EventSelection:
    """Members of `EventList` that return some of the events; ranges include their lower end and not their upper one."""

    if TYPE_CHECKING:
        table: Table
        gti: GTI | None
        energy: u.Quantity
        time: Time
        radec: SkyCoord
        offset: Angle

        def __init__(self, table: Table, gti: GTI | None = None, meta: Mapping[str, object] | None = None) -> None: ...

        def map_coord(self, geom: Geom) -> MapCoord:
            """Coordinates in a geometry."""

        def select_row_subset(self, row_specifier: object) -> Self:
            """Some rows."""

    select_rad_max = Absent("needs a table RAD_MAX of DL3, which stays out: use select_mask or select_offset")
    check = Absent("checks a file of DL3, which stays out: reading an event list checks its columns and units")

    def select_energy(self, energy_range: Sequence[object]) -> Self:
        """Return the events in a range of energies, two quantities or strings."""
        low, high = _pair("energy_range", energy_range, u.Quantity)
        return self.select_row_subset((self.energy >= low) & (self.energy < high))

    def select_time(self, time_interval: Sequence[object], inverted: bool = False) -> Self:
        """Return the events in an interval; the good time intervals are cut to it too.

        Parameters
        ----------
        time_interval : pair of `~astropy.time.Time`
            Start and stop.
        inverted : bool
            Whether the events and times outside are returned.
        """
        low, high = _pair("time_interval", time_interval, Time)
        inside = (self.time >= low) & (self.time < high)
        gti = None if self.gti is None else self.gti.select_time((low, high), inverted=inverted)
        return type(self)(self.table[~inside if inverted else inside], gti)

    def select_region(self, regions: Sequence[Region], wcs: WCS | None = None) -> Self:
        """Return the events in a region.

        Parameters
        ----------
        regions : `~regions.SkyRegion`, str, or a list of them
            Regions, of which the union counts; a string is in DS9 format.
        wcs : `~astropy.wcs.WCS`, optional
            Projection in which the region is drawn, by default a tangential one around its centre.
        """
        return self.select_row_subset(RegionGeom.from_regions(regions, wcs=wcs).contains(self.radec))

    def select_offset(self, offset_band: Sequence[object]) -> Self:
        """Return the events in a range of angles from the direction of the instrument."""
        low, high = _pair("offset_band", offset_band, u.Quantity)
        return self.select_row_subset((self.offset >= low) & (self.offset < high))

    def select_mask(self, mask: Map) -> Self:
        """Return the events in the True pixels of a map; its axes are named like columns."""
        return self.select_row_subset(mask.get_by_coord(self.map_coord(mask.geom)) > 0)

    def select_parameter(self, parameter: str, values: Sequence[Any], is_range: bool = True) -> Self:
        """Return the events with some values in a column.

        Parameters
        ----------
        parameter : str
            Column.
        values : sequence
            Lower and upper end of a range; or, without ``is_range``, the values, of which NaN is one.
        is_range : bool
            Whether a range is meant.

        Raises
        ------
        KeyError
            If there is no such column.
        """
        if parameter not in self.table.colnames:
            raise KeyError(f"the event list has no column {parameter!r}{suggest(parameter, self.table.colnames)}")
        column = self.table[parameter]
        if is_range:
            low, high = _pair("values", values, lambda value: value)
            return self.select_row_subset(np.asarray((column >= low) & (column < high)))
        chosen = np.zeros(len(column), dtype=bool)
        for value in values:
            is_nan = isinstance(value, float) and np.isnan(value)
            chosen |= np.isnan(np.asarray(column, dtype="float64")) if is_nan else np.asarray(column == value)
        return self.select_row_subset(chosen)
