"""Fit statistic of flux points for predicted fluxes."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from bayesmap.likelihoods import FluxPointsLikelihood
from bayesmap.stats.flux_points import chi2, chi2_asymmetric, chi2_upper_limit, interpolate_profile

if TYPE_CHECKING:
    from bayesmap.estimators import FluxPoints

__all__ = [
    "NEEDS",
    "band_flux",
    "flux_points_likelihood",
    "lower_and_upper_errors",
    "profile_stat",
    "source_models",
    "stat_array",
    "symmetric_error",
    "valid_points",
]

#: statistics, and the quantities of which they need one
NEEDS = {"chi2": ("norm_err", "norm_errn"), "distrib": ("norm_err", "norm_errn"), "profile": ("stat_scan",)}
#: how a likelihood profile is interpolated by default
PROFILE = {"interp_scale": "sqrt", "extrapolate": True}


def source_models(name: str, models: Iterable[Any]) -> list[Any]:
    """Return the models whose fluxes are added up in a dataset of flux points.

    Parameters
    ----------
    name : str
        Name of the dataset.
    models : iterable of models
        Those that apply to it; backgrounds are left out.

    Raises
    ------
    ValueError
        If there is no source, or a model of a response, which flux points do not have any more.
    """
    models = list(models)
    if responses := [m.name for m in models if m.contribution == "response"]:
        raise ValueError(
            f"dataset {name!r} holds flux points, which have no response: give the models {responses} the "
            "datasets_names of those that do"
        )
    sources = [m for m in models if m.contribution == "flux"]
    if not sources:
        raise ValueError(f"dataset {name!r} has no source models, so there is no predicted flux")
    return sources


def band_flux(points: "FluxPoints") -> str | None:
    """The form of a flux, "flux" or "eflux", if the points were measured as integrals over bands.

    Then the flux of a model is compared as the integral over the same bands. Points that were stated as differential
    fluxes, or as norms of a reference spectrum, are compared at their reference energies.
    """
    return points.sed_type_init if points.sed_type_init in ("flux", "eflux") else None


def valid_points(points: "FluxPoints", stat_type: str) -> np.ndarray:
    """Points with all numbers that a statistic needs, errors and limits above zero; shape ``(n_energy, 1, 1)``."""
    is_ul = points.is_ul.data.astype(bool)
    measured = np.isfinite(points.dnde.data)
    if stat_type == "profile":
        finite = np.isfinite(points.stat_scan).all(axis=-1)
        return finite.reshape(is_ul.shape) & np.isfinite(_values(points.stat, is_ul.shape))
    if stat_type == "chi2":
        sigma = symmetric_error(points)
        return ~is_ul & measured & np.isfinite(sigma) & (sigma > 0)
    limits = np.isfinite(points.dnde_ul.data) & (points.dnde_ul.data > 0) if points.has_ul else np.zeros_like(is_ul)
    low, high = lower_and_upper_errors(points)
    return np.where(is_ul, limits, measured & np.isfinite(low + high) & (low > 0) & (high > 0))


def lower_and_upper_errors(points: "FluxPoints") -> tuple[np.ndarray, np.ndarray]:
    """Errors of ``dnde``, shape ``(n_energy, 1, 1)``; the symmetric ones where the others are not known."""
    names = points.available_quantities
    symmetric = points.dnde_err.data if "norm_err" in names else np.full(points.geom.data_shape, np.nan)
    if not {"norm_errn", "norm_errp"} <= set(names):
        return symmetric, symmetric
    low, high = (np.where(np.isfinite(m.data), m.data, symmetric) for m in (points.dnde_errn, points.dnde_errp))
    return low, high


def symmetric_error(points: "FluxPoints") -> np.ndarray:
    """Error of ``dnde``, shape ``(n_energy, 1, 1)``; where it is not known the mean of the asymmetric ones."""
    low, high = lower_and_upper_errors(points)
    if "norm_err" not in points.available_quantities:
        return (low + high) / 2
    return np.where(np.isfinite(points.dnde_err.data), points.dnde_err.data, (low + high) / 2)


def flux_points_likelihood(
    points: "FluxPoints", chosen: np.ndarray, unit: Any, stat_type: str, stat_kwargs: dict[str, Any]
) -> FluxPointsLikelihood:
    """Likelihood of some of the points, fluxes in the given unit; see `FluxPointsDataset.likelihood_of`."""
    scale = points.dnde.unit.to(unit)

    def numbers(values: Any) -> np.ndarray:
        return np.asarray(values, dtype="float64").ravel()[chosen] * scale

    low, high = (numbers(e) for e in lower_and_upper_errors(points))
    if stat_type == "chi2":
        low = high = numbers(symmetric_error(points))
    limit = np.full(int(chosen.sum()), np.nan)
    if stat_type == "distrib" and points.has_ul:
        limit = numbers(np.where(points.is_ul.data, points.dnde_ul.data, np.nan))
    profiles = []
    if stat_type == "profile":
        best = _values(points.stat, points.geom.data_shape).ravel()
        for i in np.flatnonzero(chosen):
            grid, stat = np.asarray(points.norm_scan[i], float), np.asarray(points.stat_scan[i], float)
            profiles.append((grid, np.abs(stat - best[i])))
    return FluxPointsLikelihood(
        kind=stat_type,
        flux=numbers(points.dnde.data),
        errn=low,
        errp=high,
        limit=limit,
        reference=points.dnde_ref.to_value(unit).ravel()[chosen],
        profiles=profiles,
        interp_scale={**PROFILE, **stat_kwargs}["interp_scale"],
    )


def stat_array(points: "FluxPoints", model: u.Quantity, stat_type: str, stat_kwargs: dict[str, Any]) -> np.ndarray:
    """Statistic per point, NaN where numbers are missing.

    Parameters
    ----------
    points : `~bayesmap.estimators.FluxPoints`
        The data.
    model : `~astropy.units.Quantity`
        Predicted differential flux, shape ``(n_energy, 1, 1)``.
    stat_type : {"chi2", "distrib", "profile"}
        See `FluxPointsDataset`.
    stat_kwargs : dict
        Interpolation of profiles.
    """
    if stat_type == "profile":
        return profile_stat(points, (model / points.dnde_ref).to_value(""), stat_kwargs)
    flux, predicted = points.dnde.data, model.to_value(points.dnde.unit)
    if stat_type == "chi2":
        return chi2(flux, predicted, symmetric_error(points))
    low, high = lower_and_upper_errors(points)
    stat = chi2_asymmetric(flux, predicted, low, high)
    is_ul = points.is_ul.data.astype(bool)
    if is_ul.any():
        limit = points.dnde_ul.data[is_ul] if points.has_ul else np.full(is_ul.sum(), np.nan)
        stat[is_ul] = chi2_upper_limit(predicted[is_ul], limit)
    return stat


def profile_stat(points: "FluxPoints", norm: np.ndarray, stat_kwargs: dict[str, Any]) -> np.ndarray:
    """Statistic above its minimum from the stored profiles, at norms of shape ``(n_energy, 1, 1)``."""
    result = np.full(norm.shape, np.nan)
    scans, best = points.stat_scan, _values(points.stat, norm.shape)
    for index in np.flatnonzero(valid_points(points, "profile").ravel()):
        stat = np.abs(scans[index] - best.ravel()[index])
        profile = interpolate_profile(points.norm_scan[index], stat, **{**PROFILE, **stat_kwargs})
        result.flat[index] = profile(norm.flat[index])
    return result


def _values(values: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of a map or array in the shape of the data."""
    return np.asarray(getattr(values, "data", values), dtype="float64").reshape(shape)
