"""Flux points: fluxes per energy band with errors and upper limits."""

import copy
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import astropy.units as u
import numpy as np
from astropy.table import Table
from astropy.time import Time

from bayesmap._types import Axes
from bayesmap._util import Absent, KnownAttributes, check_option
from bayesmap.estimators.light_curves import light_curve_rows, light_curve_table, stacked_data, time_axis_of
from bayesmap.estimators.quantities import FLUXES, FluxQuantities
from bayesmap.estimators.sed_types import COMMON, SED_UNITS, SUFFIXES, EnergyBins
from bayesmap.estimators.tables import as_sky_model, formatted_table, read_table, reference_flux, to_table
from bayesmap.io import read_flux_table, write_flux_table
from bayesmap.irf import GTI
from bayesmap.maps import Map, RegionGeom, TimeMapAxis
from bayesmap.maps.files import named_errors
from bayesmap.maps.geom import Geom
from bayesmap.modeling import SkyModel
from bayesmap.modeling.spectral import PowerLawSpectralModel

__all__ = ["FluxPoints"]

#: layouts of tables: a spectrum, a light curve
FORMAT = "gadf-sed"
FORMATS = (FORMAT, "lightcurve")


class FluxPoints(KnownAttributes, FluxQuantities):
    """Fluxes per energy band, as norms relative to a reference spectrum.

    Every value is kept as the factor ``norm`` between it and the reference; ``dnde``, ``flux``, ``eflux`` and
    ``e2dnde`` with their errors (``_err``, ``_errn``, ``_errp``), upper limits (``_ul``) and sensitivities
    (``_sensitivity``) are the factor times the reference in that form, as maps of shape ``(n_energy, 1, 1)``.

    Parameters
    ----------
    data : Mapping[str, Map]
        Maps on one geometry with an axis ``energy``: "norm", and optionally "norm_err", "norm_errn", "norm_errp",
        "norm_ul", "norm_sensitivity", "ts", "sqrt_ts", "npred", "npred_excess", "stat", "stat_null", "stat_scan",
        "norm_scan", "niter", "is_ul", "counts", "success", "n_dof". Those with more than one value per energy, such as
        "stat_scan", are arrays of shape ``(n_energy, n)``.
    reference_model : `~bayesmap.modeling.SkyModel` or spectral model, optional
        Reference spectrum; a power law of index 2 by default.
    meta : dict, optional
        For example "n_sigma", "n_sigma_ul", "sqrt_ts_threshold_ul", "sed_type_init".
    gti : GTI, optional
        Good time intervals.
    filter_success_nan : bool
        Whether norm and its error read NaN where "success" is false.

    Raises
    ------
    ValueError
        If there is no norm, or an entry is unknown or of another shape.
    """

    def __init__(
        self,
        data: Mapping[str, Any],
        reference_model: Any = None,
        meta: Mapping[str, object] | None = None,
        gti: GTI | None = None,
        filter_success_nan: bool = True,
    ) -> None:
        if "norm" not in data:
            raise ValueError(f"flux points need the entry 'norm', got {list(data)}")
        allowed = {f"norm{suffix}" for suffix in SUFFIXES} | set(COMMON)
        if unknown := set(data) - allowed:
            raise ValueError(f"unknown entries {sorted(unknown)}, known are {sorted(allowed)}")
        self._data = dict(data)
        self._reference_model = as_sky_model(reference_model)
        self.meta = {"n_sigma": 1, **(meta or {})}
        self.gti = gti
        self.filter_success_nan = filter_success_nan
        self._bins = EnergyBins.from_axis(self.energy_axis)
        self._references: dict[str, u.Quantity] | None = None
        shape = self.geom.data_shape[:-2]
        for name, values in self._data.items():
            given = np.shape(getattr(values, "data", values))
            if given[: len(shape)] != shape:
                raise ValueError(f"{name} has {given} values, the axes {self.geom.axes.names[::-1]} have {shape}")

    # --- making and files

    @classmethod
    def read(
        cls,
        filename: str | os.PathLike,
        sed_type: str | None = None,
        format: str | None = None,
        reference_model: Any = None,
        checksum: bool = False,
        table_format: str = "ascii.ecsv",
    ) -> Self:
        """Read flux points from a FITS or text file.

        Parameters
        ----------
        filename : str or path
            The file.
        sed_type : {"dnde", "flux", "eflux", "e2dnde", "likelihood"}, optional
            How fluxes are stated; by default what the file says or its columns suggest.
        format : {"gadf-sed", "lightcurve"}, optional
            Layout of the table: a spectrum, or one per interval of time; by default by its columns.
        reference_model : `~bayesmap.modeling.SkyModel` or spectral model, optional
            Spectrum for conversions.
        checksum : bool
            Whether to verify the checksums of a FITS file.
        table_format : str
            Format of a text file.

        Raises
        ------
        bayesmap.errors.FormatError
            If columns are missing or units wrong; the message names the file.
        """
        table, gti = read_flux_table(filename, checksum=checksum, table_format=table_format)
        with named_errors(filename):
            return cls.from_table(table, sed_type=sed_type, format=format, reference_model=reference_model, gti=gti)

    @classmethod
    def from_table(
        cls,
        table: Table,
        sed_type: str | None = None,
        format: str | None = None,
        reference_model: Any = None,
        gti: GTI | None = None,
    ) -> Self:
        """Return the flux points in a table; arguments as for `read`.

        Parameters
        ----------
        table : `~astropy.table.Table`
            Columns ``e_ref`` or ``e_min`` and ``e_max``, the flux under the name of its type, further columns with
            suffixes; keywords SED_TYPE and UL_CONF (confidence of upper limits). In a table of type "likelihood" the
            columns ``ref_dnde``, ``ref_flux``, ``ref_eflux`` are the reference unless a model is given. Log-likelihoods
            (``loglike``, ``loglike_null``, and ``dloglike_scan`` relative to its best value) are read as the statistics
            ``stat``, ``stat_null`` and ``stat_scan``.
        """
        check_option("format", format or FORMAT, FORMATS)
        if format == "lightcurve" or (format is None and "time_min" in table.colnames):
            axis, rows = time_axis_of(table), light_curve_rows(table)
            points = [cls.from_table(row, sed_type, FORMAT, reference_model) for row in rows]
            curve = cls.from_stack(points, axis)
            curve.gti = curve.gti if gti is None else gti
            return curve
        parts = read_table(table, sed_type, reference_model)
        spectrum = cls(parts.data, reference_model=parts.reference_model, meta=parts.meta, gti=gti)
        spectrum._bins, spectrum._references = parts.bins, parts.references
        return spectrum

    @classmethod
    def from_maps(
        cls,
        maps: Mapping[str, Map],
        sed_type: str | None = None,
        reference_model: Any = None,
        gti: GTI | None = None,
        meta: Mapping[str, object] | None = None,
    ) -> Self:
        """Return flux points from maps in one of the forms.

        Parameters
        ----------
        maps : Mapping[str, Map]
            The flux under the name of its type ("norm" for "likelihood"), with errors and others as in a table.
        sed_type : {"dnde", "flux", "eflux", "e2dnde", "likelihood"}, optional
            How fluxes are stated; by default by the names of the maps.
        reference_model, gti, meta
            As for `FluxPoints`.

        Raises
        ------
        ValueError
            If a map that the form needs is missing.
        """
        sed_type = sed_type or next((key for key in SED_UNITS if key in maps), "likelihood")
        check_option("sed_type", sed_type, SED_UNITS)
        name = "norm" if sed_type == "likelihood" else sed_type
        if name not in maps:
            raise ValueError(f"SED type {sed_type!r} needs the map {name!r}, got {list(maps)}")
        reference_model = as_sky_model(reference_model) or SkyModel(PowerLawSpectralModel(index=2))
        data = {key: value for key, value in maps.items() if key in COMMON}
        factor = np.ones(1) * u.one
        if sed_type != "likelihood":
            bins = EnergyBins.from_axis(maps[name].geom.axes["energy"])
            factor = reference_flux(reference_model, bins, sed_type)[:, None, None]
        for suffix in SUFFIXES:
            if name + suffix in maps:
                m = maps[name + suffix]
                data[f"norm{suffix}"] = Map.from_geom(m.geom, data=(m.quantity / factor).to_value(""), unit="")
        return cls(data, reference_model=reference_model, gti=gti, meta={"sed_type_init": sed_type, **(meta or {})})

    def to_table(self, sed_type: str | None = None, format: str | None = None, formatted: bool = False) -> Table:
        """Return a table.

        Parameters
        ----------
        sed_type : {"dnde", "flux", "eflux", "e2dnde", "likelihood"}, optional
            How to state fluxes; by default as they were read.
        format : {"gadf-sed", "lightcurve"}, optional
            Layout, by default that of a spectrum, or of a light curve if there is an axis of time.
        formatted : bool
            Whether to print few digits.

        Returns
        -------
        `~astropy.table.Table`
            Keywords SED_TYPE and UL_CONF are in its ``meta``.

        Raises
        ------
        ValueError
            If fluxes in bands are asked for and the edges of the bands are unknown.
        """
        check_option("format", format or FORMAT, FORMATS)
        is_curve = "time" in self.geom.axes.names
        if format is not None and (format == "lightcurve") != is_curve:
            raise ValueError(f"format {format!r} is not that of {'a light curve' if is_curve else 'a spectrum'}")
        if is_curve:
            table = light_curve_table(self, sed_type)
            return formatted_table(table) if formatted else table
        return to_table(self, sed_type, formatted)

    def to_maps(self, sed_type: str | None = None) -> dict[str, Map]:
        """Return the fluxes in one of the forms, with errors and further entries, as maps by name.

        Parameters
        ----------
        sed_type : {"dnde", "flux", "eflux", "e2dnde", "likelihood"}, optional
            How to state fluxes; by default as they were read.
        """
        sed_type = sed_type or self.sed_type_init or "likelihood"
        check_option("sed_type", sed_type, SED_UNITS)
        name = "norm" if sed_type == "likelihood" else sed_type
        fluxes = {f"{name}{suffix}": f"norm{suffix}" for suffix in SUFFIXES}
        maps = {key: getattr(self, key) for key, norm in fluxes.items() if norm in self._data}
        return maps | {key: value for key, value in self._data.items() if key in COMMON and isinstance(value, Map)}

    def get_flux_points(self, position: Any = None) -> Self:
        """Return a copy: the points are of one region already."""
        return self.copy()

    to_hdulist = Absent("writes maps of fluxes, which stay out: use write, or to_table")
    from_hdulist = Absent("reads maps of fluxes, which stay out: use read, or from_table")
    recompute_ul = Absent("takes limits from profiles of a fit, which stay out: a posterior has limits")
    resample_axis = Absent("joins bins by profiles of a fit, which stay out: fit the joined data")
    plot_ts_profiles = Absent("shows profiles of a fit, which stay out: plot stat_scan against norm_scan")

    def write(
        self,
        filename: str | os.PathLike,
        sed_type: str | None = None,
        format: str | None = None,
        overwrite: bool = False,
        checksum: bool = False,
    ) -> None:
        """Write to a FITS file (``.fits``, ``.fits.gz``), or as text in the ECSV format.

        Parameters
        ----------
        filename : str or path
            The file; it appears complete or not at all.
        sed_type, format
            As for `to_table`.
        overwrite : bool
            Whether an existing file is replaced.
        checksum : bool
            Whether to store checksums in a FITS file.
        """
        table = self.to_table(sed_type=sed_type, format=format)
        write_flux_table(table, filename, gti=self.gti, overwrite=overwrite, checksum=checksum)

    # --- operations

    def copy(self, reference_model: Any = None) -> Self:
        """A deep copy; with another reference model the fluxes stay and the norms change.

        Parameters
        ----------
        reference_model : `~bayesmap.modeling.SkyModel` or spectral model, optional
            New reference.
        """
        new = copy.deepcopy(self)
        if reference_model is None:
            return new
        sed_type = self.sed_type_init if self.sed_type_init in FLUXES else "dnde"
        model = as_sky_model(reference_model)
        factor = (self.reference(sed_type) / reference_flux(model, self._bins, sed_type)).to_value("")
        for key in [f"norm{suffix}" for suffix in SUFFIXES if f"norm{suffix}" in new._data]:
            new._data[key].data = new._data[key].data * factor[:, None, None]
        new._reference_model, new._references = model, None
        return new

    def slice_by_idx(self, slices: Mapping[str, slice | int]) -> Self:
        """Return some of the points, such as ``{"energy": slice(2, 5)}``.

        Parameters
        ----------
        slices : Mapping of str to slice or int
            For "energy" a slice; for the "time" of a light curve also a number, which gives the points of one interval.

        Raises
        ------
        ValueError
            If there is no such axis, or the energies are not given as a slice.
        """
        names = self.geom.axes.names
        if unknown := set(slices) - set(names):
            raise ValueError(f"flux points have the axes {names}, got slices for {sorted(unknown)}")
        if not isinstance(slices.get("energy", slice(None)), slice):
            raise ValueError(f"the energies of flux points need a slice, got {slices['energy']!r}")
        points = self if "time" not in slices else self._at_times(slices["time"])
        return points._taken(np.arange(len(self.energy_ref))[slices["energy"]]) if "energy" in slices else points

    def slice_by_coord(self, slices: Mapping[str, slice]) -> Self:
        """Return the points between coordinates, such as ``{"energy": slice(1 * u.TeV, 5 * u.TeV)}``.

        Raises
        ------
        ValueError
            If there is no such axis.
        """
        points = self
        for name, cut in slices.items():
            points = points.slice_by_time(cut.start, cut.stop) if name == "time" else points
            points = points.slice_by_energy(cut.start, cut.stop) if name == "energy" else points
            if name not in self.geom.axes.names:
                raise ValueError(f"flux points have the axes {self.geom.axes.names}, got {name!r}")
        return points

    def slice_by_time(self, time_min: Time, time_max: Time) -> Self:
        """Return the intervals of a light curve that lie inside two times.

        Raises
        ------
        ValueError
            If there is none, or no axis of time.
        """
        axis = self._time_axis()
        chosen = np.flatnonzero((axis.time_min >= Time(time_min)) & (axis.time_max <= Time(time_max)))
        if not len(chosen):
            raise ValueError(f"no interval of {axis!r} lies between {time_min} and {time_max}")
        return self._at_times(slice(int(chosen[0]), int(chosen[-1]) + 1))

    def iter_by_axis(self, axis_name: str, keepdims: bool = False) -> Iterator[Self]:
        """Yield the points of each interval of a light curve ("time"), or of each energy."""
        if axis_name == "energy":
            keepdims = True
        for k in range(self.geom.axes[axis_name].nbin):
            yield self.slice_by_idx({axis_name: slice(k, k + 1) if keepdims else k})

    @classmethod
    def from_stack(
        cls, maps: Sequence["FluxPoints"], axis: TimeMapAxis, meta: Mapping[str, object] | None = None
    ) -> Self:
        """Return the light curve of flux points of several intervals.

        Parameters
        ----------
        maps : sequence of FluxPoints
            Points of the same energies. Their fluxes are kept: the norms are those of the first reference.
        axis : TimeMapAxis
            Intervals.
        meta : dict, optional
            By default that of the first.

        Raises
        ------
        ValueError
            If energies differ, or there is not one interval for each.
        """
        first = maps[0]
        new = cls(
            stacked_data([_like(points, first) for points in maps], axis),
            first._reference_model,
            first.meta if meta is None else meta,
            GTI.from_time_intervals(list(axis.iter_by_time_edges)),
            first.filter_success_nan,
        )
        new._bins, new._references = first._bins, first._references
        return new

    def _time_axis(self) -> TimeMapAxis:
        if "time" not in self.geom.axes.names:
            raise ValueError("these flux points are no light curve: they have no axis of time")
        axis: TimeMapAxis = self.geom.axes["time"]
        return axis

    def _at_times(self, cut: slice | int) -> Self:
        """The points of some intervals, or of one, without the axis of time."""
        axis = self._time_axis().slice(cut)
        axes = [self.energy_axis] if not isinstance(cut, slice) else [self.energy_axis, axis]
        geom = RegionGeom(self.geom.region, axes=axes, wcs=self.geom.wcs)
        gti = GTI.from_time_intervals(list(axis.iter_by_time_edges))
        return self._new(geom, self._bins, lambda values: values[cut], self._references, gti)

    def _new(
        self,
        geom: Geom,
        bins: EnergyBins,
        take: Callable[[np.ndarray], np.ndarray],
        references: dict[str, u.Quantity] | None,
        gti: GTI | None,
    ) -> Self:
        """Points on another geometry, each entry by a function of its array."""
        data = {
            key: Map.from_geom(geom, data=take(m.data), unit=m.unit) if isinstance(m, Map) else take(np.asarray(m))
            for key, m in self._data.items()
        }
        new = type(self)(data, self._reference_model, dict(self.meta), gti, self.filter_success_nan)
        new._bins, new._references = bins, references
        return new

    def slice_by_energy(self, energy_min: u.Quantity, energy_max: u.Quantity) -> Self:
        """Return the points whose reference energy lies in a range.

        Raises
        ------
        ValueError
            If there is none.
        """
        chosen = np.flatnonzero(self.bins.between(energy_min, energy_max))
        if not len(chosen):
            raise ValueError(f"no flux point between {energy_min} and {energy_max}, they are at {self.energy_ref}")
        return self._taken(chosen)

    def _taken(self, index: np.ndarray) -> Self:
        bins = self._bins[index]
        others = [axis for axis in self.geom.axes if axis.name != "energy"]
        geom = RegionGeom(self.geom.region, axes=[bins.to_axis(), *others], wcs=self.geom.wcs)
        dimension = self.geom.axes.index_data("energy")
        references = self._references
        references = None if references is None else {key: value[index] for key, value in references.items()}
        return self._new(geom, bins, lambda values: np.take(values, index, axis=dimension), references, self.gti)

    def plot(
        self,
        ax: Axes | None = None,
        sed_type: str | None = None,
        energy_power: float = 0,
        time_format: str = "iso",
        **kwargs: object,
    ) -> Axes:
        """Plot the points with errors, upper limits as arrows; a light curve against time, one colour per energy.

        Parameters
        ----------
        ax : `~matplotlib.axes.Axes`, optional
            Where to plot.
        sed_type : {"dnde", "flux", "eflux", "e2dnde"}, optional
            What to plot; by default as the points were read ("dnde" for norms).
        energy_power : float
            Power of the energy that fluxes are multiplied with.
        time_format : {"iso", "mjd"}
            How times are written, for light curves.
        **kwargs : dict
            For `~matplotlib.axes.Axes.errorbar`.
        """
        from bayesmap.plot.flux_points import plot_points

        return plot_points(self, ax=ax, time_format=time_format, sed_type=sed_type, energy_power=energy_power, **kwargs)

    def __str__(self) -> str:
        model = self.reference_model
        rows = {
            "geom": type(self.geom).__name__,
            "axes": self.geom.axes_names,
            "shape": tuple(int(n) for n in self.geom.data_shape[::-1]),
            "quantities": self.available_quantities,
            "ref. model": "template" if model is None else model.spectral_model.tag[-1],
            "n_sigma": self.n_sigma,
            "n_sigma_ul": self.n_sigma_ul,
            "sqrt_ts_threshold_ul": self.sqrt_ts_threshold_ul,
            "sed type init": self.sed_type_init,
        }
        name = type(self).__name__
        return f"{name}\n{'-' * len(name)}\n\n" + "".join(f"  {key:<23}: {value}\n" for key, value in rows.items())

    def __repr__(self) -> str:
        return f"<FluxPoints {len(self.energy_ref)} points, {self.energy_ref[0]:.4g} to {self.energy_ref[-1]:.4g}>"


def _like(points: FluxPoints, other: FluxPoints) -> FluxPoints:
    """Points with the norms of another reference; the fluxes stay."""
    if np.allclose((points.reference("dnde") / other.reference("dnde")).to_value(""), 1, rtol=1e-6, atol=0):
        return points
    if other._reference_model is None:
        raise ValueError("flux points of a light curve need one reference spectrum: give a reference_model")
    return points.copy(other._reference_model)
