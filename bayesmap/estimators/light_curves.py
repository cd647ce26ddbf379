"""Light curves as tables: one row per interval of time, columns with one value per energy.

References
----------
https://gamma-astro-data-formats.readthedocs.io/en/latest/lightcurves/index.html, in the form of Gammapy's format
"lightcurve": start and stop of each interval as Modified Julian Dates.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.table import Table, vstack
from astropy.time import Time

from bayesmap.errors import FormatError
from bayesmap.irf.gti import reference_header
from bayesmap.maps import Map, RegionGeom, TimeMapAxis

if TYPE_CHECKING:
    from bayesmap.estimators import FluxPoints

__all__ = ["light_curve_rows", "light_curve_table", "stacked_data", "time_axis_of"]

#: what a table with one value per interval has instead of arrays
PER_TIME = ("time_min", "time_max")


def time_axis_of(table: Table) -> TimeMapAxis:
    """Return the intervals of a table: columns time_min and time_max, days since the reference time in the keywords.

    Raises
    ------
    FormatError
        If a column is missing, or intervals overlap or do not rise.
    """
    missing = [name for name in PER_TIME if name not in table.colnames]
    if missing:
        raise FormatError(f"a light curve needs the columns time_min and time_max, {missing} missing")
    unit = u.Unit(str(table.meta.get("TIMEUNIT", "d")))
    scale = str(table.meta.get("TIMESYS", "utc")).lower()
    try:
        zero = [float(table.meta.get(key, 0)) for key in ("MJDREFI", "MJDREFF")]
        days = [u.Quantity(np.asarray(table[name], dtype="float64"), unit).to_value("d") for name in PER_TIME]
        # the columns are differences of Modified Julian Dates: a sum of times would go through TAI
        start, stop = (Time(zero[0] + day, zero[1], format="mjd", scale=scale) for day in days)
        return TimeMapAxis.from_time_edges(start, stop)
    except ValueError as error:
        raise FormatError(f"the intervals of the light curve are wrong: {error}") from error


def light_curve_rows(table: Table) -> list[Table]:
    """Return the table of flux points of each interval.

    Raises
    ------
    FormatError
        If columns do not have one value per energy.
    """
    rows = []
    for row in table:
        columns = {name: np.atleast_1d(row[name]) for name in table.colnames if name not in PER_TIME}
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1 and set(lengths.values()) - {1, max(lengths.values())}:
            raise FormatError(f"columns of a light curve need one value per energy, got {lengths}")
        size = max(lengths.values())
        columns = {name: np.broadcast_to(v, (size, *v.shape[1:])) for name, v in columns.items()}
        points = Table(columns, meta={k: v for k, v in table.meta.items()})
        for name in points.colnames:
            points[name].unit = table[name].unit
        rows.append(points)
    return rows


def light_curve_table(points: "FluxPoints", sed_type: str | None) -> Table:
    """Return a light curve as a table, with times as Modified Julian Dates in the scale of its reference time."""
    axis: TimeMapAxis = points.geom.axes["time"]
    tables = []
    for number, (start, stop) in enumerate(axis.iter_by_time_edges):
        table = points.slice_by_idx({"time": number}).to_table(sed_type=sed_type, format="gadf-sed")
        columns = {"time_min": [start.mjd], "time_max": [stop.mjd]}
        tables.append(Table(columns | {name: table[name][np.newaxis] for name in table.colnames}, meta=table.meta))
    joined = vstack(tables, metadata_conflicts="silent")
    joined.meta |= reference_header(Time(0, format="mjd", scale=axis.reference_time.scale)) | {"TIMEUNIT": "d"}
    return joined


def stacked_data(points: Sequence[Any], axis: TimeMapAxis) -> dict[str, Any]:
    """Return the entries of flux points of the same energies, along a new axis of time.

    Raises
    ------
    ValueError
        If entries or energies differ, or there is not one interval for each.
    """
    first = points[0]
    if len(points) != axis.nbin:
        raise ValueError(f"{len(points)} sets of flux points need as many intervals, the axis has {axis.nbin}")
    geom = RegionGeom(first.geom.region, axes=[first.energy_axis, axis], wcs=first.geom.wcs)
    names = [key for key in first._data if all(key in other._data for other in points)]
    for other in points:
        if other.energy_axis != first.energy_axis:
            raise ValueError(f"flux points need equal energies, got {other.energy_axis!r} and {first.energy_axis!r}")
    data: dict[str, Any] = {}
    for name in names:
        values = [other._data[name] for other in points]
        if isinstance(values[0], Map):
            stacked = np.stack([value.data for value in values])
            data[name] = Map.from_geom(geom, data=stacked, unit=values[0].unit)
        else:
            data[name] = np.stack([np.asarray(value) for value in values])
    return data
