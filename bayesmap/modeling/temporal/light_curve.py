"""Light curves from tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.time import Time

from bayesmap._lazy import tables
from bayesmap._types import FileName, QuantityLike, Tensor, TimeLike
from bayesmap._util import check_option, make_path, named_file
from bayesmap.errors import FormatError
from bayesmap.maps.files import named_errors, open_fits, write_hdulist
from bayesmap.maps.fits_time import reference_time
from bayesmap.maps.tables import read_fits_table, read_table
from bayesmap.modeling.parameter import Parameter, ParameterLike
from bayesmap.modeling.spectral.interpolate import interpolate
from bayesmap.modeling.temporal.piecewise import between
from bayesmap.modeling.temporal.tables import TableTemporalModel, checked_columns
from bayesmap.units import parse_unit, strip

__all__ = ["LightCurveTemplateTemporalModel"]

FORMATS = ("table", "map")


class LightCurveTemplateTemporalModel(TableTemporalModel):
    r"""Light curve from a table, straight lines between its rows.

    .. math::
        F(t) = N_i + (N_{i+1} - N_i) \frac{t - t_i}{t_{i+1} - t_i}

    Parameters
    ----------
    table : `~astropy.table.Table`
        Columns TIME (a duration since the reference time) and NORM (dimensionless, not negative). The reference time
        is that of the keywords MJDREFI, MJDREFF and TIMESYS, or ``t_ref``.
    t_ref : `~astropy.time.Time`, `~astropy.units.Quantity` or None
        Reference time, frozen: a time, or a Modified Julian Date.
    filename : str or None
        File that the table came from; needed to write a model file.
    scale : str
        Time scale of the reference time.

    Raises
    ------
    ValueError
        If columns or the reference time are missing, times do not increase, or values are negative or not finite.

    Notes
    -----
    A time outside of the table is an error in calls and integrals. (Gammapy extrapolates the outermost lines.)

    Light curves that depend on energy, which Gammapy stores as maps with an energy axis, are refused: a temporal model
    is one factor to all energies here. (Gammapy 2.1 can draw events from them, but has no integral of them, and so does
    not fit them.) Give a model with a light curve of its own for each band of energy.
    """

    tag = "template"
    file_keys = ("scale", "filename", "format", "unit")
    t_ref = Parameter("t_ref", "51544 d", frozen=True, role="time")

    def __init__(
        self,
        table: "tables.Table",
        t_ref: TimeLike | None = None,
        filename: FileName | None = None,
        *,
        scale: str = "utc",
        **values: ParameterLike,
    ) -> None:
        label = type(self).__name__ if filename is None else f"{type(self).__name__} of {filename}"
        time, self._norm = checked_columns(label, table, "TIME", "NORM")
        self._time = strip(_with_unit(label, time, table.meta))
        self.filename = None if filename is None else str(filename)
        is_time = isinstance(t_ref, Time) or t_ref is None
        super().__init__(scale=scale, **({} if is_time else {"t_ref": t_ref}), **values)
        if is_time:
            self.reference_time = _reference(label, table.meta) if t_ref is None else t_ref

    format = "table"
    unit = ""

    @property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        return self._time, self._norm

    @staticmethod
    def evaluate(time: Tensor, nodes: Tensor, norms: Tensor, t_ref: Tensor) -> Tensor:
        """Return the value; nodes are in the internal unit of time."""
        return interpolate(nodes, norms, time - t_ref, extrapolate=False)

    @staticmethod
    def evaluate_integral(t_min: Tensor, t_max: Tensor, nodes: Tensor, norms: Tensor, t_ref: Tensor) -> Tensor:
        """Return the exact integral in the internal unit of time."""
        return between(t_min - t_ref, t_max - t_ref, nodes, norms, t_max - t_min)

    def check_times(self, start: np.ndarray, stop: np.ndarray) -> None:
        """Raise a ValueError outside of the table; see `TemporalModel.check_times`.

        Raises
        ------
        ValueError
            If times lie outside of the table.
        """
        low, high = self._time[[0, -1]] + self.t_ref.internal
        if np.min(start) < low or np.max(stop) > high:
            mjd = [f"{u.Quantity(t, 's').to_value('d'):.6f}" for t in (low, high, np.min(start), np.max(stop))]
            raise ValueError(
                f"{type(self).__name__}{'' if self.filename is None else ' of ' + self.filename}: the light curve "
                f"covers MJD {mjd[0]} to {mjd[1]}, asked for {mjd[2]} to {mjd[3]}"
            )

    def __call__(self, time: Time, energy: QuantityLike | None = None) -> u.Quantity:
        """Return the value at some times inside the table; see `TemporalModel`."""
        numbers = self.strip_time(time)
        self.check_times(numbers, numbers)
        return super().__call__(time)

    # -- files ------------------------------------------------------------------------------------------------------
    @classmethod
    def from_table(cls, table: "tables.Table", filename: FileName | None = None) -> Self:
        """Create the model from a table; see the class."""
        return cls(table, filename=filename)

    @classmethod
    def read(cls, filename: FileName, format: str = "table", **values: Any) -> Self:
        """Read the light curve from a FITS file.

        Parameters
        ----------
        filename : path
            File; environment variables are expanded.
        format : {"table", "map"}
            Layout of the file: a table, or a map of Gammapy with a time axis (HDUs SKYMAP and SKYMAP_BANDS).
        **values : Parameter or object
            As for the class.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file has another layout, or the light curve depends on energy.
        """
        check_option("format of a light curve", format, FORMATS)
        path = make_path(filename)
        if not path.exists():
            raise FileNotFoundError(f"light curve {path} does not exist")
        table = read_table(path) if format == "table" else _table_of_map(path)
        with named_errors(path):
            model = cls(table, filename=filename, **values)
        model.format = format
        return model

    def to_table(self) -> "tables.Table":
        """Return the table, with the reference time in its header."""
        reference = self.reference_time
        day = np.floor(reference.mjd)
        meta = {"MJDREFI": int(day), "MJDREFF": float(reference.mjd - day), "TIMESYS": self.scale, "TIMEUNIT": "s"}
        return tables.Table({"TIME": u.Quantity(self._time, "s"), "NORM": self._norm}, meta=meta)

    def write(self, filename: FileName | None = None, format: str = "table", overwrite: bool = False) -> None:
        """Write the table to a FITS file, completely or not at all; by default to ``filename`` of the model.

        Raises
        ------
        ValueError
            If there is neither a name nor `filename`.
        """
        check_option("format of a light curve", format, FORMATS[:1])
        self.format = format
        if filename is not None:
            self.filename = str(filename)
        if self.filename is None:
            raise ValueError(f"{type(self).__name__} has no filename")
        hdu = fits.table_to_hdu(self.to_table())
        write_hdulist(fits.HDUList([fits.PrimaryHDU(), hdu]), make_path(self.filename), overwrite=overwrite)

    @classmethod
    def from_file_data(
        cls, parameters: Mapping[str, Parameter], data: Mapping[str, object], folder: FileName | None = None
    ) -> Self:
        """Create the model as a model file describes it; see `ModelBase.from_file_data`.

        Raises
        ------
        ValueError
            If the data name no file.
        """
        name, path = named_file(data, folder, "a light curve")
        settings = {"scale": data.get("scale", "utc"), "format": data.get("format", "table")}
        arguments: dict[str, Any] = {**parameters, **settings}
        model = cls.read(path, **arguments)
        model.filename = name
        return model


def _table_of_map(path: Path) -> "tables.Table":
    """Return the table that is in a map of Gammapy, whose only axis must be one of times."""
    with open_fits(path) as hdus:
        missing = [name for name in ("SKYMAP", "SKYMAP_BANDS") if name not in hdus]
        if missing:
            raise FormatError(
                f"{path} is no light curve of format 'map': HDUs {missing} are missing; try format 'table'"
            )
        header, nodes = hdus["SKYMAP_BANDS"].header, read_fits_table(hdus["SKYMAP_BANDS"])
        norm = np.asarray(read_fits_table(hdus["SKYMAP"])["DATA"], dtype="float64")
        return _light_curve(path, header, nodes, norm)


def _light_curve(path: Path, header: fits.Header, nodes: "tables.Table", norm: np.ndarray) -> "tables.Table":
    """Return the table of the values in a map."""
    columns = [str(value).lower() for value in header["AXCOLS*"].values()]
    axes = [name.split(",")[0].removesuffix("_min") for name in columns]
    if axes != ["time"]:
        raise FormatError(
            f"{path}: the light curve has the axes {axes}, only 'time' can be read: a factor that depends on energy is "
            "no temporal model here; give one model with its own light curve for each band of energy"
        )
    if header.get("INTERP1", "lin") != "lin":
        raise FormatError(f"{path}: the time axis is interpolated {header['INTERP1']!r}, only 'lin' can be read")
    time, norm = u.Quantity(nodes["TIME"]), norm.ravel()
    if "," in columns[0]:  # bins: Gammapy interpolates in pixels, which puts means of neighbours at their edges
        edges, means = u.Quantity(nodes["TIME_MAX"])[:-1], 0.5 * (norm[1:] + norm[:-1])
        time, norm = _alternate(time.value, edges.value) * time.unit, _alternate(norm, means)
    keys = ("MJDREFI", "MJDREFF", "TIMESYS", "TIMEZERO", "TIMEUNIT")
    meta = {key: header[key] for key in keys if key in header}
    return tables.Table({"TIME": time, "NORM": norm}, meta=meta)


def _alternate(values: np.ndarray, between: np.ndarray) -> np.ndarray:
    """Put the second numbers between the first."""
    return np.insert(values, np.arange(1, len(values)), between)


def _with_unit(label: str, time: u.Quantity, meta: Mapping[str, object]) -> u.Quantity:
    """Times with the unit of the column, or of the header."""
    if time.unit == u.dimensionless_unscaled:
        if "TIMEUNIT" not in meta:
            raise ValueError(f"{label}: column TIME has no unit, and the table no keyword TIMEUNIT")
        time = u.Quantity(time.value, parse_unit(str(meta["TIMEUNIT"])))
    if not time.unit.is_equivalent("s"):
        raise u.UnitConversionError(f"{label}: column TIME must be in a unit of time, found '{time.unit}'")
    return time


def _reference(label: str, meta: Mapping[str, object]) -> Time:
    if "MJDREFI" not in meta:
        raise ValueError(f"{label}: the table has no keyword MJDREFI; give the reference time as t_ref")
    with named_errors(label):
        return reference_time(meta, "utc")
