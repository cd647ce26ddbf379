"""Periodic light curves from tables of phases."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from astropy.io import fits

from bayesmap._lazy import pt, tables
from bayesmap._types import Axes, FileName, Tensor
from bayesmap._util import make_path, named_file
from bayesmap.maps.files import named_errors, write_hdulist
from bayesmap.maps.tables import read_table
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.spectral.interpolate import interpolate
from bayesmap.modeling.temporal.piecewise import between
from bayesmap.modeling.temporal.tables import TableTemporalModel, checked_columns

__all__ = ["TemplatePhaseCurveTemporalModel"]


class TemplatePhaseCurveTemporalModel(TableTemporalModel):
    r"""Light curve that repeats with the phase of a timing solution, straight lines between the rows of a table.

    .. math::
        F(t) = N(\phi - \lfloor\phi\rfloor), \quad
        \phi(t) = \phi_\mathrm{ref} + f_0 \Delta t + \frac{f_1}{2} \Delta t^2 + \frac{f_2}{6} \Delta t^3, \quad
        \Delta t = t - t_\mathrm{ref}

    Parameters
    ----------
    table : `~astropy.table.Table`
        Columns PHASE, between 0 and 1, and NORM (dimensionless, not negative). A line joins the last row with the first
        one of the next period (Gammapy continues the outermost lines instead, which can fall below zero).
    filename : str or None
        File that the table came from; needed to write a model file.
    normalize : bool
        Divide by the integral over one period.
    t_ref : `~astropy.units.Quantity`
        Reference time, a Modified Julian Date, frozen. Default 48442.5 d.
    phi_ref : float
        Phase at the reference time, frozen. Default 0.
    f0 : `~astropy.units.Quantity`
        Frequency at the reference time, frozen. Default 29.946923 s-1.
    f1, f2 : `~astropy.units.Quantity`
        Its first and second derivative, frozen. Default 0 s-2 and 0 s-3.
    scale : str
        Time scale of the reference time.

    Raises
    ------
    ValueError
        If columns are missing, phases do not increase from 0 to 1, or values are negative or not finite.

    Notes
    -----
    Integrals are exact for a constant frequency; within one interval they take its mean there.
    """

    tag = "template-phase"
    file_keys = ("scale", "filename", "normalize")
    t_ref = Parameter("t_ref", "48442.5 d", frozen=True, role="time")
    phi_ref = Parameter("phi_ref", 0.0, frozen=True, role="angle")
    f0 = Parameter("f0", "29.946923 s-1", frozen=True, role="rate")
    f1 = Parameter("f1", "0 s-2", frozen=True, role="rate")
    f2 = Parameter("f2", "0 s-3", frozen=True, role="rate")

    def __init__(
        self, table: "tables.Table", filename: FileName | None = None, *, normalize: bool = True, **values: Any
    ) -> None:
        label = type(self).__name__ if filename is None else f"{type(self).__name__} of {filename}"
        if not isinstance(normalize, bool):
            raise TypeError(f"{label}: normalize must be True or False, got {normalize!r}")
        super().__init__(**values)
        self.filename = None if filename is None else str(filename)
        self.normalize = normalize
        self._phase, self._norm = _whole_period(label, *checked_columns(label, table, "PHASE", "NORM"))
        if normalize:
            self._norm = self._norm / np.trapezoid(self._norm, self._phase)

    @property
    def table(self) -> "tables.Table":
        """The curve over one period, normalised if that was asked for."""
        return tables.Table({"PHASE": self._phase, "NORM": self._norm})

    @property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        return self._phase, self._norm

    @staticmethod
    def _cycles(time: Tensor, t_ref: Tensor, phi_ref: Tensor, f0: Tensor, f1: Tensor, f2: Tensor) -> Tensor:
        """Phase with the number of whole periods."""
        step = time - t_ref
        return phi_ref + step * (f0 + step / 2 * (f1 + step / 3 * f2))

    @classmethod
    def evaluate(
        cls,
        time: Tensor,
        phase: Tensor,
        norm: Tensor,
        t_ref: Tensor,
        phi_ref: Tensor,
        f0: Tensor,
        f1: Tensor,
        f2: Tensor,
    ) -> Tensor:
        """Return the value."""
        cycles = cls._cycles(time, t_ref, phi_ref, f0, f1, f2)
        return interpolate(phase, norm, cycles - pt.floor(cycles))

    @classmethod
    def evaluate_integral(
        cls,
        t_min: Tensor,
        t_max: Tensor,
        phase: Tensor,
        norm: Tensor,
        t_ref: Tensor,
        phi_ref: Tensor,
        f0: Tensor,
        f1: Tensor,
        f2: Tensor,
    ) -> Tensor:
        """Return the integral in the internal unit of time."""
        low, high = (cls._cycles(t, t_ref, phi_ref, f0, f1, f2) for t in (t_min, t_max))
        phase, norm = pt.as_tensor_variable(phase), pt.as_tensor_variable(norm)
        period = (0.5 * (norm[1:] + norm[:-1]) * (phase[1:] - phase[:-1])).sum()
        start, stop, periods = low - pt.floor(low), high - pt.floor(high), pt.floor(high) - pt.floor(low)
        time = t_max - t_min
        stretch = time / pt.switch(pt.eq(high, low), 1.0, high - low)  # time per cycle
        whole = periods * stretch
        return period * whole + between(start, stop, phase, norm, time - whole, stretch)

    def plot_phasogram(self, ax: Axes | None = None, n_points: int = 100, **kwargs: object) -> Axes:
        """Plot the curve against the phase; see `bayesmap.plot.temporal.plot_phasogram`."""
        from bayesmap.plot.temporal import plot_phasogram

        return plot_phasogram(self, ax, n_points, **kwargs)

    # -- files ------------------------------------------------------------------------------------------------------
    @classmethod
    def read(cls, path: FileName, normalize: bool = True, **values: Any) -> Self:
        """Read the curve from a FITS table; the timing solution is not part of it.

        Parameters
        ----------
        path : path
            File; environment variables are expanded.
        normalize : bool
            Divide by the integral over one period.
        **values : Parameter or object
            Parameters, as for the class.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        """
        full = make_path(path)
        if not full.exists():
            raise FileNotFoundError(f"phase curve {full} does not exist")
        table = read_table(full)
        with named_errors(full):
            return cls(table, filename=path, normalize=normalize, **values)

    def write(self, path: FileName | None = None, overwrite: bool = False) -> None:
        """Write the table to a FITS file, completely or not at all; by default to ``filename`` of the model.

        Raises
        ------
        ValueError
            If there is neither a name nor `filename`.
        """
        if path is not None:
            self.filename = str(path)
        if self.filename is None:
            raise ValueError(f"{type(self).__name__} has no filename")
        hdulist = fits.HDUList([fits.PrimaryHDU(), fits.table_to_hdu(self.table)])
        write_hdulist(hdulist, make_path(self.filename), overwrite=overwrite)

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
        name, path = named_file(data, folder, "a phase curve")
        settings = {"scale": data.get("scale", "utc"), "normalize": data.get("normalize", True)}
        arguments: dict[str, Any] = {**parameters, **settings}
        model = cls.read(path, **arguments)
        model.filename = name
        return model


def _whole_period(label: str, phase: Tensor, norm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Add the phases 0 and 1, on the line that joins the last row with the first one of the next period."""
    phase = np.asarray(phase.value)
    if phase[0] < 0 or phase[-1] > 1:
        raise ValueError(f"{label}: column PHASE must lie between 0 and 1, found {phase[0]} to {phase[-1]}")
    if not norm.max() > 0:
        raise ValueError(f"{label}: column NORM is zero everywhere")
    if phase[0] == 0 and phase[-1] == 1:
        return phase, norm
    gap = 1 - phase[-1] + phase[0]
    edge = norm[-1] + (norm[0] - norm[-1]) * (1 - phase[-1]) / gap
    first, last = ([edge], [0.0]) if phase[0] > 0 else ([], []), ([edge], [1.0]) if phase[-1] < 1 else ([], [])
    return np.concatenate([first[1], phase, last[1]]), np.concatenate([first[0], norm, last[0]])
