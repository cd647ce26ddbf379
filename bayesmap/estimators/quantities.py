"""What flux points say: energies, reference, fluxes with errors and limits."""

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from bayesmap._util import check_option
from bayesmap.estimators.sed_types import COMMON, SED_UNITS, SUFFIXES, EnergyBins
from bayesmap.estimators.tables import reference_flux
from bayesmap.maps import Map, MapAxis
from bayesmap.modeling import SkyModel
from bayesmap.modeling.spectral import PowerLawSpectralModel

__all__ = ["FLUXES", "FluxQuantities"]

#: limit of the significance below which a point counts as an upper limit, if nothing says so
SQRT_TS_THRESHOLD_UL = 2
#: forms of a flux
FLUXES = ("dnde", "flux", "eflux", "e2dnde")


class FluxQuantities:
    """The attributes of `FluxPoints`, for the class that holds the data."""

    _data: dict[str, Any]
    _bins: EnergyBins
    _references: dict[str, u.Quantity] | None
    _reference_model: SkyModel | None
    meta: dict[str, Any]
    filter_success_nan: bool

    if TYPE_CHECKING:
        norm_scan: np.ndarray
        stat_scan: np.ndarray
        dnde_ref: u.Quantity
        flux_ref: u.Quantity
        eflux_ref: u.Quantity
        e2dnde_ref: u.Quantity

        def __getattr__(self, name: str) -> Map:
            """The fluxes, norms and entries, which are made from their names below."""

    # --- energies and reference

    @property
    def geom(self) -> Any:
        """Geometry of the maps."""
        return self._data["norm"].geom

    @property
    def energy_axis(self) -> MapAxis:
        """Axis of the maps. Bins that leave gaps have only their reference energies there."""
        return self.geom.axes["energy"]

    @property
    def bins(self) -> EnergyBins:
        """Reference energies and, if they are known, edges of the bands; bands may leave gaps."""
        return self._bins

    @property
    def energy_ref(self) -> u.Quantity:
        """Reference energies."""
        return self._bins.ref

    @property
    def energy_min(self) -> u.Quantity:
        """Lower edges of the energy bins; halfway between reference energies if the edges are unknown."""
        return self.energy_axis.edges_min if self._bins.low is None else self._bins.low

    @property
    def energy_max(self) -> u.Quantity:
        """Upper edges of the energy bins; halfway between reference energies if the edges are unknown."""
        return self.energy_axis.edges_max if self._bins.high is None else self._bins.high

    @property
    def reference_model(self) -> SkyModel | None:
        """Model whose spectrum the norms multiply; None if a table gave reference fluxes instead."""
        if self._reference_model is None and self._references is None:
            return SkyModel(PowerLawSpectralModel(index=2))
        return self._reference_model

    def reference(self, sed_type: str) -> u.Quantity:
        """Reference flux per energy, shape ``(n_energy,)``, in one of the forms "dnde", "flux", "eflux", "e2dnde"."""
        if self._references is None:
            return reference_flux(self.reference_model, self._bins, sed_type)
        if sed_type == "e2dnde":
            return self._references["dnde"] * self.energy_ref**2
        return self._references[sed_type]

    @property
    def is_convertible_to_flux_sed_type(self) -> bool:
        """Whether the edges of the energy bands are known."""
        return self._bins.low is not None

    # --- what is known

    @property
    def available_quantities(self) -> list[str]:
        """Names of the entries."""
        return [key for key in self._data if key != "norm_scan"]

    @property
    def has_ul(self) -> bool:
        """Whether there are upper limits."""
        return "norm_ul" in self._data

    @property
    def has_any_ts(self) -> bool:
        """Whether there are test statistics."""
        return "ts" in self._data or "sqrt_ts" in self._data

    @property
    def has_stat_profiles(self) -> bool:
        """Whether there are profiles of the fit statistic."""
        return "stat_scan" in self._data

    @property
    def has_success(self) -> bool:
        """Whether there are flags of success."""
        return "success" in self._data

    @property
    def n_sigma(self) -> float:
        """Number of standard deviations of the errors."""
        return self.meta.get("n_sigma", 1)

    @property
    def n_sigma_ul(self) -> float | None:
        """Number of standard deviations of the upper limits, None if unknown."""
        return self.meta.get("n_sigma_ul")

    @property
    def sqrt_ts_threshold_ul(self) -> float:
        """Significance below which a point is an upper limit; setting it decides anew which are."""
        return self.meta.get("sqrt_ts_threshold_ul", SQRT_TS_THRESHOLD_UL)

    @sqrt_ts_threshold_ul.setter
    def sqrt_ts_threshold_ul(self, value: float) -> None:
        if not self.has_any_ts:
            raise ValueError("a threshold for upper limits needs ts or sqrt_ts")
        self.meta["sqrt_ts_threshold_ul"] = value
        self.is_ul = self.sqrt_ts.data < value

    @property
    def sed_type_init(self) -> str | None:
        """How the fluxes were stated when they were read."""
        return self.meta.get("sed_type_init")

    @property
    def is_ul(self) -> Map:
        """Whether a point is an upper limit only.

        The column ``is_ul`` says so; without it a significance below `sqrt_ts_threshold_ul`, and without that a limit
        where there is no flux. (Gammapy takes every finite limit, also beside a measured flux.)
        """
        if "is_ul" in self._data:
            return self._data["is_ul"]
        missing = ~np.isfinite(self._data["norm"].data)
        if self.has_any_ts and self.has_ul:
            missing = self.sqrt_ts.data < self.sqrt_ts_threshold_ul
        return Map.from_geom(self.geom, data=missing, unit="")

    @is_ul.setter
    def is_ul(self, value: Any) -> None:
        data = np.asarray(getattr(value, "data", value), dtype=bool).reshape(self.geom.data_shape)
        self._data["is_ul"] = Map.from_geom(self.geom, data=data, unit="")

    @property
    def sqrt_ts(self) -> Map:
        """Square root of the test statistic, with the sign of the norm."""
        if "sqrt_ts" in self._data:
            return self._data["sqrt_ts"]
        root = np.sqrt(np.clip(self._entry("ts").data, 0, None))
        return Map.from_geom(self.geom, data=np.where(self._data["norm"].data < 0, -root, root), unit="")

    def _entry(self, name: str) -> Any:
        if name not in self._data:
            raise AttributeError(f"these flux points have no {name}; they have {self.available_quantities}")
        return self._data[name]

    @property
    def npred_background(self) -> Map:
        """Predicted background counts: all minus the excess."""
        return self._entry("npred") - self._entry("npred_excess")

    @property
    def npred_excess_ref(self) -> Map:
        """Excess counts of the reference spectrum: the predicted ones over the norm."""
        return self._excess("norm", reference=True)

    def _excess(self, name: str, reference: bool = False) -> Any:
        """Excess counts for one of the norms, or those of the reference."""
        excess = self._entry("npred_excess")
        norm = self._filtered("norm").data
        factor = 1 if reference else self._filtered(name).data
        if isinstance(excess, Map):
            return excess / norm * factor
        shape = (*self.geom.data_shape[:-2], 1)
        return np.asarray(excess) / norm.reshape(shape) * np.reshape(factor, shape if not reference else ())

    @property
    def ts_scan(self) -> np.ndarray:
        """Profiles of the fit statistic above their minimum, shape ``(..., n_energy, n)``."""
        return np.asarray(self._entry("stat_scan")) - self._entry("stat").data[..., 0, 0][..., np.newaxis]

    @property
    def reference_spectral_model(self) -> Any:
        """Spectrum that the norms multiply; None if a table gave reference fluxes instead."""
        model = self.reference_model
        return None if model is None else model.spectral_model

    @property
    def reference_model_default(self) -> SkyModel:
        """What norms multiply if nothing is said: a power law of index 2."""
        return SkyModel(PowerLawSpectralModel(index=2))

    @property
    def sed_type_plot_default(self) -> str:
        """How fluxes are plotted by default: as they were read, norms as "dnde"."""
        return self.sed_type_init if self.sed_type_init in FLUXES else "dnde"

    @staticmethod
    def all_quantities(sed_type: str) -> list[str]:
        """Return the names that entries can have in one of the forms."""
        check_option("sed_type", sed_type, SED_UNITS)
        name = "norm" if sed_type == "likelihood" else sed_type
        return [*(f"{name}{suffix}" for suffix in SUFFIXES), *COMMON]

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def _flux(self, sed_type: str, suffix: str) -> Map:
        """A norm times the reference flux."""
        norm = self._filtered(f"norm{suffix}")
        value = (norm.data * self.reference(sed_type)[:, None, None]).to(SED_UNITS[sed_type])
        return Map.from_geom(self.geom, data=value.value, unit=value.unit)

    def _filtered(self, name: str) -> Map:
        """A norm, NaN where the fit that made it did not succeed."""
        m = self._entry(name)
        if name not in ("norm", "norm_err") or not (self.filter_success_nan and self.has_success):
            return m
        return Map.from_geom(m.geom, data=np.where(self._data["success"].data.astype(bool), m.data, np.nan), unit="")


def _entry_property(name: str) -> property:
    return property(lambda self: self._entry(name), doc=f"Entry ``{name}``.")


def _norm_property(suffix: str) -> property:
    return property(lambda self: self._filtered(f"norm{suffix}"), doc=f"Norms, ``norm{suffix}``.")


def _flux_property(sed_type: str, suffix: str) -> property:
    unit = SED_UNITS[sed_type]
    return property(
        lambda self: self._flux(sed_type, suffix), doc=f"``norm{suffix}`` times `{sed_type}_ref`, in {unit}."
    )


def _reference_property(sed_type: str) -> property:
    doc = f"Reference flux in the form {sed_type!r}, shape ``(n_energy, 1, 1)``, in {SED_UNITS[sed_type]}."
    return property(lambda self: self.reference(sed_type).to(SED_UNITS[sed_type])[:, None, None], doc=doc)


def _excess_property(suffix: str) -> property:
    return property(lambda self: self._excess(f"norm{suffix}"), doc=f"Excess counts for ``norm{suffix}``.")


for _suffix in SUFFIXES:
    setattr(FluxQuantities, f"norm{_suffix}", _norm_property(_suffix))
    for _sed_type in FLUXES:
        setattr(FluxQuantities, f"{_sed_type}{_suffix}", _flux_property(_sed_type, _suffix))
for _suffix in ("_err", "_errp", "_errn", "_ul"):
    setattr(FluxQuantities, f"npred_excess{_suffix}", _excess_property(_suffix))
for _sed_type in FLUXES:
    setattr(FluxQuantities, f"{_sed_type}_ref", _reference_property(_sed_type))
for _name in COMMON:
    if not hasattr(FluxQuantities, _name):
        setattr(FluxQuantities, _name, _entry_property(_name))
