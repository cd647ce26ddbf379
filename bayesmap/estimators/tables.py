"""Tables of flux points: from a table to norms and back.

References
----------
https://gamma-astro-data-formats.readthedocs.io/en/latest/spectra/flux_points/index.html (log-likelihood columns);
fermipy writes ``dloglike_scan`` as the logarithm of the likelihood over its maximum.
"""

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import scipy
from astropy.table import Table

from bayesmap._util import check_option
from bayesmap.estimators.sed_types import COMMON, SED_UNITS, SUFFIXES, EnergyBins, column, flags, guess_sed_type
from bayesmap.maps import Map, RegionGeom
from bayesmap.modeling import SkyModel
from bayesmap.modeling.spectral import PowerLawSpectralModel, SpectralModel

if TYPE_CHECKING:
    from bayesmap.estimators import FluxPoints

__all__ = ["TableParts", "as_sky_model", "formatted_table", "read_table", "reference_flux", "to_table"]

#: columns of "likelihood" tables with the fluxes that the norms multiply
REFERENCES = {"dnde": "ref_dnde", "flux": "ref_flux", "eflux": "ref_eflux"}

#: quantities with one value per dataset, so that their columns have two dimensions
PER_DATASET = ("counts", "npred", "npred_excess")


#: columns of truth values, and what early files call the first
FLAGS, EARLY_IS_UL = ("is_ul", "success"), "ul"


@dataclass(frozen=True)
class TableParts:
    """What a table of flux points says.

    Parameters
    ----------
    data : dict
        Norms and further quantities, maps or arrays.
    bins : EnergyBins
        Energies.
    reference_model : SkyModel or None
        Model that the norms multiply.
    references : dict or None
        Reference fluxes that stand in the table instead.
    meta : dict
        Keywords.
    """

    data: dict[str, Any]
    bins: EnergyBins
    reference_model: SkyModel | None
    references: dict[str, u.Quantity] | None
    meta: dict[str, Any]


def read_table(table: Table, sed_type: str | None, reference_model: Any) -> TableParts:
    """Norms from a table; see `FluxPoints.from_table`."""
    sed_type = guess_sed_type(table, sed_type)
    table = _with_statistics(table)
    bins = EnergyBins.from_table(table)
    model, references = as_sky_model(reference_model), None
    factor = np.ones(len(bins.ref)) * u.one
    if sed_type != "likelihood":
        model = model or SkyModel(PowerLawSpectralModel(index=2))
        factor = reference_flux(model, bins, sed_type).to(SED_UNITS[sed_type])
    elif model is None:
        references = {key: column(table, name, SED_UNITS[key]) for key, name in REFERENCES.items()}
    geom = RegionGeom(None, axes=[bins.to_axis()])
    name = "norm" if sed_type == "likelihood" else sed_type
    data: dict[str, Any] = {}
    for suffix in SUFFIXES:
        if name + suffix in table.colnames:
            values = column(table, name + suffix, SED_UNITS[sed_type]) / factor
            data[f"norm{suffix}"] = _as_map(geom, values.to_value(""))
    data |= {key: _common(geom, table, key) for key in COMMON if key in table.colnames}
    if "is_ul" not in table.colnames and EARLY_IS_UL in table.colnames:
        data["is_ul"] = _as_map(geom, flags(table, EARLY_IS_UL))
    return TableParts(data, bins, model, references, _meta(table, sed_type))


def _with_statistics(table: Table) -> Table:
    """The table with log-likelihoods, as fermipy writes them, as fit statistics: -2 ln L, and its scan over the norm.

    The scan ``dloglike_scan`` is relative to the best norm, whatever its sign.
    """
    names = set(table.colnames)
    if not names & {"loglike", "loglike_null", "dloglike_scan"}:
        return table
    table = table.copy(copy_data=False)
    for key, name in (("stat", "loglike"), ("stat_null", "loglike_null")):
        if name in names and key not in names:
            table[key] = -2 * column(table, name, "").value
    if "dloglike_scan" in names and "stat_scan" not in names:
        best = column(table, "stat", "").value if "stat" in table.colnames else np.zeros(len(table))
        table["stat"] = best
        table["stat_scan"] = best[:, np.newaxis] + 2 * np.abs(column(table, "dloglike_scan", "").value)
    return table


def to_table(points: "FluxPoints", sed_type: str | None, formatted: bool) -> Table:
    """Table of flux points; see `FluxPoints.to_table`."""
    sed_type = sed_type or points.sed_type_init or "likelihood"
    check_option("sed_type", sed_type, SED_UNITS)
    table = Table({"e_ref": points.energy_ref}, meta={"SED_TYPE": sed_type})
    if points.is_convertible_to_flux_sed_type:
        table["e_min"], table["e_max"] = points.energy_min, points.energy_max
    if points.n_sigma_ul:
        table.meta["UL_CONF"] = float(np.round(1 - 2 * scipy.stats.norm.sf(points.n_sigma_ul), 7))
    name = "norm" if sed_type == "likelihood" else sed_type
    if sed_type == "likelihood":
        for key, reference in REFERENCES.items():
            table[reference] = points.reference(key).to(SED_UNITS[key])
    available = points.available_quantities
    for suffix in SUFFIXES:
        if f"norm{suffix}" in available:
            quantity = getattr(points, name + suffix).quantity[:, 0, 0]
            table[name + suffix] = quantity if quantity.unit != u.one else quantity.value
    for key in COMMON:
        if key in available or (key == "sqrt_ts" and "ts" in available):
            values = _flat(getattr(points, key))
            table[key] = values.reshape(len(values), -1) if key in PER_DATASET else values
    if points.has_stat_profiles:
        table["norm_scan"] = _flat(points.norm_scan)
    if points.has_ul:
        table["is_ul"] = _flat(points.is_ul)
    return formatted_table(table) if formatted else table


def as_sky_model(model: Any) -> SkyModel | None:
    """A copy of the model as a `SkyModel`; None stays None.

    A copy, because the measured fluxes are multiples of it: they must not move when the model is fitted to them.
    """
    return copy.deepcopy(SkyModel(model) if isinstance(model, SpectralModel) else model)


def reference_flux(model: Any, bins: EnergyBins, sed_type: str) -> u.Quantity:
    """Flux of a model at the energies of flux points, in one of the forms.

    Raises
    ------
    ValueError
        If a flux in bands is asked for and their edges are unknown.
    """
    spectrum = model.spectral_model
    if sed_type in ("dnde", "e2dnde"):
        return spectrum(bins.ref) * (bins.ref**2 if sed_type == "e2dnde" else 1)
    if bins.low is None:
        raise ValueError(f"the edges of the energy bands are unknown, so there is no SED type {sed_type!r}")
    return getattr(spectrum, "integral" if sed_type == "flux" else "energy_flux")(bins.low, bins.high)


def _as_map(geom: RegionGeom, values: np.ndarray) -> Map:
    return Map.from_geom(geom, data=np.asarray(values).reshape(geom.data_shape), unit="")


def _common(geom: RegionGeom, table: Table, key: str) -> Any:
    """One of the further columns: a map, or an array if there are several values per energy."""
    if key in FLAGS or table[key].dtype.kind == "b":
        return _as_map(geom, flags(table, key))
    values = column(table, key, "").value
    if len(values) == 1 and len(table) != 1 or key in ("norm_scan", "stat_scan"):
        return np.broadcast_to(values.reshape(len(values), -1), (len(table), values.size // len(values))).copy()
    return _as_map(geom, values) if values.size == len(table) else values.reshape(len(table), -1)


def _meta(table: Table, sed_type: str) -> dict[str, Any]:
    """Keywords of a table, and the significance that belongs to its confidence level."""
    meta = {**table.meta, "sed_type_init": sed_type}
    confidence = table.meta.get("UL_CONF")
    if confidence:
        meta["n_sigma_ul"] = float(np.round(scipy.stats.norm.isf(0.5 * (1 - confidence)), 1))
    return meta


def _flat(values: Any) -> np.ndarray:
    """Column of a table."""
    return values.data[:, 0, 0] if isinstance(values, Map) else np.asarray(values)


def formatted_table(table: Table) -> Table:
    """Return the table with few digits for reading."""
    for name in table.colnames:
        if table[name].dtype.kind == "f":
            table[name].format = ".3e" if name.startswith(("dnde", "e2dnde", "eflux", "flux", "ref")) else ".3f"
    return table
