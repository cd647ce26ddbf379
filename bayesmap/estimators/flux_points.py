"""Flux points: fluxes per energy band with errors and upper limits."""

import copy
import os
from collections.abc import Mapping
from typing import Any, Self

import astropy.units as u
import numpy as np
from astropy.table import Table

from bayesmap._util import KnownAttributes, check_option
from bayesmap.estimators.quantities import FLUXES, FluxQuantities
from bayesmap.estimators.sed_types import COMMON, SED_UNITS, SUFFIXES, EnergyBins
from bayesmap.estimators.tables import as_sky_model, read_table, reference_flux, to_table
from bayesmap.io import read_flux_table, write_flux_table
from bayesmap.irf import GTI
from bayesmap.maps import Map, RegionGeom
from bayesmap.maps.files import named_errors
from bayesmap.modeling import SkyModel
from bayesmap.modeling.spectral import PowerLawSpectralModel

__all__ = ["FluxPoints"]

#: layout of tables
FORMAT = "gadf-sed"


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
        meta: Mapping[str, Any] | None = None,
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
        for name, values in self._data.items():
            if np.shape(getattr(values, "data", values))[0] != len(self._bins.ref):
                raise ValueError(f"{name} has {np.shape(values)} values for {len(self._bins.ref)} energies")

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
        format : {"gadf-sed"}, optional
            Layout of the table.
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
        check_option("format", format or FORMAT, (FORMAT,))
        parts = read_table(table, sed_type, reference_model)
        points = cls(parts.data, reference_model=parts.reference_model, meta=parts.meta, gti=gti)
        points._bins, points._references = parts.bins, parts.references
        return points

    @classmethod
    def from_maps(
        cls,
        maps: Mapping[str, Map],
        sed_type: str | None = None,
        reference_model: Any = None,
        gti: GTI | None = None,
        meta: Mapping[str, Any] | None = None,
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
        format : {"gadf-sed"}, optional
            Layout.
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
        check_option("format", format or FORMAT, (FORMAT,))
        return to_table(self, sed_type, formatted)

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

    def slice_by_idx(self, slices: Mapping[str, slice]) -> Self:
        """Return some of the points, such as ``{"energy": slice(2, 5)}``."""
        if set(slices) != {"energy"}:
            raise ValueError(f"flux points have one axis, 'energy', got slices for {list(slices)}")
        return self._taken(np.arange(len(self.energy_ref))[slices["energy"]])

    def slice_by_energy(self, energy_min: Any, energy_max: Any) -> Self:
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
        geom = RegionGeom(self.geom.region, axes=[bins.to_axis()], wcs=self.geom.wcs)
        data = {
            key: Map.from_geom(geom, data=m.data[index], unit=m.unit) if isinstance(m, Map) else np.asarray(m)[index]
            for key, m in self._data.items()
        }
        new = type(self)(data, self._reference_model, dict(self.meta), self.gti, self.filter_success_nan)
        references = self._references
        new._references = None if references is None else {key: value[index] for key, value in references.items()}
        new._bins = bins
        return new

    def plot(self, ax: Any = None, sed_type: str | None = None, energy_power: float = 0, **kwargs: Any) -> Any:
        """Plot the points with errors, upper limits as arrows.

        Parameters
        ----------
        ax : `~matplotlib.axes.Axes`, optional
            Where to plot.
        sed_type : {"dnde", "flux", "eflux", "e2dnde"}, optional
            What to plot; by default as the points were read ("dnde" for norms).
        energy_power : float
            Power of the energy that fluxes are multiplied with.
        **kwargs : dict
            For `~matplotlib.axes.Axes.errorbar`.
        """
        from bayesmap.plot.flux_points import plot_flux_points

        return plot_flux_points(self, ax=ax, sed_type=sed_type, energy_power=energy_power, **kwargs)

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
