"""Flux points as data: `FluxPointsDataset`."""

import copy
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import astropy.units as u
import numpy as np

from bayesmap._types import Axes, FileName, QuantityLike
from bayesmap._util import check_option, make_name
from bayesmap.datasets.base import Dataset
from bayesmap.datasets.flux_points_stat import (
    NEEDS,
    band_flux,
    flux_points_likelihood,
    source_models,
    stat_array,
    valid_points,
)
from bayesmap.datasets.info import models_text
from bayesmap.estimators import FluxPoints
from bayesmap.estimators.sed_types import flags
from bayesmap.estimators.tables import reference_flux
from bayesmap.graph.arrays import time_intervals
from bayesmap.io import read_flux_table, write_flux_table
from bayesmap.io.ascii_text import from_ascii, to_ascii
from bayesmap.likelihoods import FluxPointsLikelihood
from bayesmap.maps.files import named_errors
from bayesmap.modeling import SkyModel
from bayesmap.modeling.collection import ModelsLike

if TYPE_CHECKING:
    from astropy.table import Table

    from bayesmap.maps import Map

__all__ = ["FluxPointsDataset"]

RESIDUALS = ("diff", "diff/model")


class FluxPointsDataset(Dataset):
    """Measured fluxes per energy, to be compared with the spectra of models.

    Parameters
    ----------
    models : `~bayesmap.modeling.Models`, list or model, optional
        Source models; only their spectra matter.
    data : `~bayesmap.estimators.FluxPoints`
        The flux points.
    mask_fit, mask_safe : array_like of bool, optional
        Points that enter the fit statistic, one value per point. Points without the numbers that the statistic needs
        are always left out, see `mask_valid`.
    name : str, optional
        Name; a random one by default.
    meta_table : `~astropy.table.Table`, optional
        One row per observation.
    stat_type : {"chi2", "distrib", "profile"}
        "chi2": squared deviation over the error (the mean of asymmetric errors); upper limits are left out. "distrib":
        the error on the side of the model, and a statistic of upper limits. "profile": the stored profile of the fit
        statistic of each point.
    stat_kwargs : dict, optional
        For "profile": ``interp_scale`` ("sqrt" or "lin") and ``extrapolate``.

    Raises
    ------
    TypeError
        If ``data`` is no `FluxPoints`.
    ValueError
        If a mask has another number of points, the statistic is unknown, or needs numbers that are not there.

    Warns
    -----
    UserWarning
        If measured points inside the masks (for "distrib" upper limits too) lack numbers that the statistic needs, so
        that they are left out.
    """

    tag = "FluxPointsDataset"

    def __init__(
        self,
        models: ModelsLike | None = None,
        data: FluxPoints | None = None,
        mask_fit: "Map | None" = None,
        mask_safe: "Map | None" = None,
        name: str | None = None,
        meta_table: "Table | None" = None,
        stat_type: str = "chi2",
        stat_kwargs: dict[str, Any] | None = None,
    ):
        super().__init__(name)
        if not isinstance(data, FluxPoints):
            raise TypeError(f"dataset {self.name!r}: data must be FluxPoints, got {type(data).__name__}")
        if data.geom.axes.names != ["energy"]:
            raise ValueError(
                f"dataset {self.name!r}: flux points must have the axis 'energy' alone, got {data.geom.axes.names}; "
                "take one interval of a light curve, for example data.slice_by_idx({'time': 0})"
            )
        self.data = data
        self.meta_table = meta_table
        self.stat_kwargs = dict(stat_kwargs or {})
        self.stat_type = stat_type
        self.mask_fit = mask_fit
        self.mask_safe = mask_safe
        self._warn_left_out()
        self.models = models

    # --- statistic and masks

    @property
    def available_stat_type(self) -> list[str]:
        """Names of the statistics."""
        return list(NEEDS)

    @property
    def stat_type(self) -> str:
        """Name of the fit statistic.

        Raises
        ------
        ValueError
            If there is no such statistic, or the flux points lack what it needs.
        """
        return self._stat_type

    @stat_type.setter
    def stat_type(self, value: str) -> None:
        check_option("stat_type", value, NEEDS)
        if not set(NEEDS[value]) & set(self.data.available_quantities):
            raise ValueError(
                f"dataset {self.name!r}: stat_type {value!r} needs {' or '.join(NEEDS[value])}; the flux points have "
                f"{self.data.available_quantities}"
            )
        self._stat_type = value

    @property
    def mask_valid(self) -> np.ndarray:
        """Points with all numbers that the statistic needs, shape ``(n_energy, 1, 1)``."""
        return valid_points(self.data, self.stat_type)

    def _warn_left_out(self) -> None:
        """Warn of points that the masks keep and the statistic cannot use; "chi2" uses no upper limits."""
        is_ul = self.data.is_ul.data.astype(bool)
        lost = (np.isfinite(self.data.dnde.data) & ~is_ul | is_ul & (self.stat_type == "distrib")) & ~self.mask_valid
        for mask in (self._mask_safe, self._mask_fit):
            lost = lost if mask is None else lost & mask
        if lost.any():
            needs = {"chi2": "error", "distrib": "error or limit", "profile": "profile"}[self.stat_type]
            energies = ", ".join(f"{energy:.4g}" for energy in self.data.energy_ref[lost.ravel()])
            warnings.warn(
                f"dataset {self.name!r}: {int(lost.sum())} of {lost.size} flux points have no valid {needs} and are "
                f"left out of the statistic {self.stat_type!r}: those at {energies}",
                UserWarning,
                stacklevel=3,
            )

    def _as_mask(self, what: str, value: Any) -> np.ndarray:
        """Booleans of the shape of the data."""
        data = np.asarray(value)
        if data.dtype != bool:
            raise ValueError(f"dataset {self.name!r}: {what} must hold booleans, got {data.dtype}")
        if data.size != len(self.data.energy_ref):
            raise ValueError(
                f"dataset {self.name!r}: {what} has {data.size} values for {len(self.data.energy_ref)} flux points"
            )
        return data.reshape(self.data.geom.data_shape)

    @property
    def mask_safe(self) -> np.ndarray:
        """Points that can be trusted and are valid, shape ``(n_energy, 1, 1)``."""
        return self.mask_valid if self._mask_safe is None else self._mask_safe & self.mask_valid

    @mask_safe.setter
    def mask_safe(self, value: Any) -> None:
        self._mask_safe = None if value is None else self._as_mask("mask_safe", value)

    @property
    def mask_fit(self) -> np.ndarray | None:
        """Points used by the fit statistic, or None for all."""
        return self._mask_fit

    @mask_fit.setter
    def mask_fit(self, value: Any) -> None:
        self._mask_fit = None if value is None else self._as_mask("mask_fit", value)

    @property
    def mask(self) -> np.ndarray:
        """Points in both masks, shape ``(n_energy, 1, 1)``."""
        return self.mask_safe if self.mask_fit is None else self.mask_safe & self.mask_fit

    @property
    def gti(self) -> Any:
        """Good time intervals of the flux points."""
        return self.data.gti

    def data_shape(self) -> tuple[int, ...]:
        """Number of flux points, as a tuple."""
        return (len(self.data.energy_ref),)

    # --- predictions

    def flux_pred(self) -> u.Quantity:
        """Predicted differential flux, the sum of the spectra of the models.

        Returns
        -------
        `~astropy.units.Quantity`
            Shape ``(n_energy, 1, 1)``: the spectra at the reference energies. For points that were measured as
            integrals over bands (``sed_type_init`` "flux" or "eflux") the integrals of the spectra, converted to
            differential fluxes by the reference spectrum, as the points are: the ratio to ``data.dnde`` is that of the
            integrals.

        Raises
        ------
        ValueError
            If the dataset has no source models, or one of a response.
        """
        return sum(self.flux_of(model) for model in source_models(self.name, self.models or ()))[:, None, None]

    def flux_of(self, model: SkyModel) -> u.Quantity:
        """Return the predicted differential flux of one model, mean over the good time intervals.

        Parameters
        ----------
        model : `~bayesmap.modeling.SkyModel`
            The model.

        Returns
        -------
        `~astropy.units.Quantity`
            Shape ``(n_energy,)``, as `flux_pred`.
        """
        points, kind = self.data, band_flux(self.data)
        flux = reference_flux(model, points.bins, kind or "dnde")
        if kind is not None:
            flux = (flux / points.reference(kind)).to("") * points.reference("dnde")
        if model.temporal_model is not None and not model.temporal_model.is_constant:
            time_intervals(self.name, self.gti, model)  # complains by the name of the dataset
            flux = flux * model.temporal_model.integral(self.gti.time_start, self.gti.time_stop).sum()
        return flux.to("TeV-1 s-1 cm-2")

    def stat_array(self) -> np.ndarray:
        """Fit statistic per point, also outside the mask; NaN where numbers are missing.

        Returns
        -------
        numpy.ndarray
            Shape ``(n_energy, 1, 1)``; priors are not part of it.
        """
        return stat_array(self.data, self.flux_pred(), self.stat_type, self.stat_kwargs)

    def likelihood_of(self, chosen: np.ndarray, unit: Any) -> FluxPointsLikelihood:
        """Return the likelihood of some of the points, as numbers.

        Parameters
        ----------
        chosen : numpy.ndarray
            Booleans, shape ``(n_energy,)``; points of the mask.
        unit : `~astropy.units.Unit` or str
            Unit of the differential fluxes.

        Returns
        -------
        `~bayesmap.likelihoods.FluxPointsLikelihood`
            Of the statistic ``stat_type``.
        """
        return flux_points_likelihood(self.data, chosen, unit, self.stat_type, self.stat_kwargs)

    def _stat_sum(self) -> float:
        return float(np.sum(self.stat_array()[self.mask]))

    def residuals(self, method: str = "diff") -> u.Quantity:
        """Differences of measured and predicted fluxes, NaN for upper limits.

        Parameters
        ----------
        method : {"diff", "diff/model"}
            "diff": data - model; "diff/model": (data - model) / model.

        Returns
        -------
        `~astropy.units.Quantity`
            Shape ``(n_energy, 1, 1)``.
        """
        check_option("method", method, RESIDUALS)
        model = self.flux_pred()
        result = self.data.dnde.quantity - model
        if method == "diff/model":
            result = (result / model).to("")
        result[self.data.is_ul.data.astype(bool)] = np.nan
        return result

    # --- operations

    def copy(self, name: str | None = None) -> Self:
        """A deep copy, models included; models tied to this dataset by name are tied to the copy.

        Parameters
        ----------
        name : str, optional
            Name of the copy; a random one by default.
        """
        new = copy.deepcopy(self)
        new._name = make_name(name)
        for model in new.models or ():
            if model.datasets_names is not None:
                model.datasets_names = [new.name if n == self.name else n for n in model.datasets_names]
        return new

    def slice_by_energy(self, energy_min: QuantityLike, energy_max: QuantityLike, name: str | None = None) -> Self:
        """The points whose reference energy lies in a range; the models are left behind.

        Parameters
        ----------
        energy_min, energy_max : `~astropy.units.Quantity` or str
            The range, with its lower end.
        name : str, optional
            Name of the new dataset; a random one by default.
        """
        chosen = self.data.bins.between(energy_min, energy_max)
        masks = {"mask_fit": self._mask_fit, "mask_safe": self._mask_safe}
        return type(self)(
            data=self.data.slice_by_energy(energy_min, energy_max),
            name=name,
            meta_table=self.meta_table,
            stat_type=self.stat_type,
            stat_kwargs=self.stat_kwargs,
            **{key: None if mask is None else mask[chosen] for key, mask in masks.items()},
        )

    # --- files

    @classmethod
    def read(cls, filename: FileName, name: str | None = None, checksum: bool = False) -> Self:
        """Read a dataset from a FITS or text file of flux points.

        Parameters
        ----------
        filename : str or path
            The file.
        name : str, optional
            Name of the dataset; by default that in the file, else a random one.
        checksum : bool
            Whether to verify the checksums of a FITS file.

        Raises
        ------
        bayesmap.errors.FormatError
            If the file is damaged or holds no flux points.
        """
        data = FluxPoints.read(filename, checksum=checksum)
        table, _ = read_flux_table(filename)
        with named_errors(filename):
            masks: dict[str, Any] = {
                key: flags(table, key) for key in ("mask_fit", "mask_safe") if key in table.colnames
            }
            if not table.meta.get("MASKFIT", True):
                masks.pop("mask_fit", None)
            stored = {key: data.meta.pop(key, None) for key in ("NAME", "STATTYPE", "MASKFIT")}
            stat_type = stored["STATTYPE"] or "chi2"
            return cls(data=data, name=name or from_ascii(stored["NAME"] or "") or None, stat_type=stat_type, **masks)

    def write(self, filename: FileName, overwrite: bool = False, checksum: bool = False) -> None:
        """Write the flux points and masks to a FITS file (``.fits``), or as text in the ECSV format.

        Parameters
        ----------
        filename : str or path
            The file; it appears complete or not at all.
        overwrite : bool
            Whether an existing file is replaced.
        checksum : bool
            Whether to store checksums in a FITS file.
        """
        table = self.data.to_table()
        everything = np.ones(self.data.geom.data_shape, dtype=bool)
        table["mask_fit"] = everything if self._mask_fit is None else self._mask_fit
        table["mask_safe"] = everything if self._mask_safe is None else self._mask_safe
        table.meta |= {"NAME": to_ascii(self.name), "STATTYPE": self.stat_type, "MASKFIT": self._mask_fit is not None}
        write_flux_table(table, filename, gti=self.gti, overwrite=overwrite, checksum=checksum)

    @classmethod
    def from_dict(cls, data: Any, lazy: bool = False, cache: bool = True) -> Self:
        """Read the dataset of an entry made by `to_dict`; ``lazy`` and ``cache`` are for the same call as others."""
        return cls.read(data["filename"], name=data["name"])

    # --- summaries and figures

    def info_dict(self, in_safe_data_range: bool = True) -> dict[str, Any]:
        """Name, numbers of points, statistic.

        Parameters
        ----------
        in_safe_data_range : bool
            Not used; for the same call as other datasets.
        """
        has_models = any(isinstance(model, SkyModel) for model in self.models or ())
        return {
            "name": self.name,
            "n_bins": len(self.data.energy_ref),
            "n_fit_bins": int(np.count_nonzero(self.mask)),
            "stat_type": self.stat_type,
            "stat_sum": self._stat_sum() if has_models else np.nan,
        }

    def __str__(self) -> str:
        info, title = self.info_dict(), type(self).__name__
        blocks = [
            [("Name", f"{self.name} ")],
            [("Number of total flux points", f"{info['n_bins']} "), ("Number of fit bins", f"{info['n_fit_bins']} ")],
            [
                ("Fit statistic type", self.stat_type),
                ("Fit statistic value (-2 log(L))", f"{info['stat_sum']:.2f}"),
            ],
            [("Number of models", f"{len(self.models or ())} ")],
        ]
        if self.models is not None:
            parameters = self.models.parameters
            blocks[-1] += [
                ("Number of parameters", f"{len(parameters)}"),
                ("Number of free parameters", f"{len(parameters.free_parameters)}"),
            ]
        rows = ["".join(f"  {label:<32}: {value}\n" for label, value in block) + "\n" for block in blocks]
        return f"{title}\n{'-' * len(title)}\n\n" + "".join(rows) + models_text(self)

    def plot_spectrum(
        self,
        ax: Axes | None = None,
        kwargs_fp: Mapping[str, object] | None = None,
        kwargs_model: Mapping[str, object] | None = None,
        axis_name: str = "energy",
    ) -> Axes:
        """Plot flux points and models.

        Parameters
        ----------
        ax : `~matplotlib.axes.Axes`, optional
            Where to plot.
        kwargs_fp, kwargs_model : dict, optional
            For `FluxPoints.plot` and for the curves of the models.
        axis_name : {"energy"}
            Axis along x.
        """
        check_option("axis_name", axis_name, ("energy",))
        from bayesmap.plot.flux_points import plot_spectrum_points

        return plot_spectrum_points(self, ax, kwargs_fp, kwargs_model)

    def plot_residuals(self, ax: Axes | None = None, method: str = "diff", **kwargs: object) -> Axes:
        """Plot residuals against energy.

        Parameters
        ----------
        ax : `~matplotlib.axes.Axes`, optional
            Where to plot.
        method : {"diff", "diff/model"}
            Normalisation, see `residuals`.
        **kwargs : dict
            For `~matplotlib.axes.Axes.errorbar`.
        """
        from bayesmap.plot.flux_points import plot_residual_points

        return plot_residual_points(self, ax, method, **kwargs)

    def plot_fit(
        self,
        ax_spectrum: Axes | None = None,
        ax_residuals: Axes | None = None,
        kwargs_spectrum: Mapping[str, object] | None = None,
        kwargs_residuals: Mapping[str, object] | None = None,
    ) -> tuple[Axes, ...]:
        """Plot flux points and models above their residuals.

        Parameters
        ----------
        ax_spectrum, ax_residuals : `~matplotlib.axes.Axes`, optional
            Where to plot.
        kwargs_spectrum, kwargs_residuals : dict, optional
            For `plot_spectrum` and `plot_residuals`.

        Returns
        -------
        tuple of `~matplotlib.axes.Axes`
            The two axes.
        """
        from bayesmap.plot.flux_points import plot_fit_points

        return plot_fit_points(self, ax_spectrum, ax_residuals, kwargs_spectrum, kwargs_residuals)
