"""Flux points, alone, with models, and their residuals."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

from bayesmap._types import Axes
from bayesmap._util import check_option
from bayesmap.plot.axes import flux_label, new_axes
from bayesmap.plot.settings import line_settings
from bayesmap.plot.spectrum import plot_spectrum

if TYPE_CHECKING:
    from bayesmap.datasets.flux_points import FluxPointsDataset
    from bayesmap.estimators import FluxPoints
    from bayesmap.modeling import SkyModel

__all__ = [
    "plot_fit_points",
    "plot_flux_points",
    "plot_light_curve",
    "plot_points",
    "plot_residual_points",
    "plot_spectrum_points",
]

#: length of the arrow of an upper limit, as a part of the limit
ARROW = 0.5
#: height of a line of the legend of a light curve, as a part of that of the axes
LEGEND_HEIGHT = 0.05


def plot_points(points: "FluxPoints", ax: Axes | None = None, time_format: str = "iso", **kwargs: Any) -> Axes:
    """Plot a spectrum or a light curve; see `bayesmap.estimators.FluxPoints.plot`."""
    if "time" in points.geom.axes.names:
        return plot_light_curve(points, ax, time_format=time_format, **kwargs)
    return plot_flux_points(points, ax, **kwargs)


def plot_light_curve(
    points: "FluxPoints",
    ax: Axes | None = None,
    sed_type: str | None = None,
    energy_power: float = 0,
    time_format: str = "iso",
    **kwargs: object,
) -> Axes:
    """Plot a light curve against time, one set of points per energy.

    Parameters
    ----------
    points : FluxPoints
        Fluxes with an axis of time.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    sed_type : {"dnde", "flux", "eflux", "e2dnde"}, optional
        What to plot; by default as the points were read ("dnde" for norms).
    energy_power : float
        Power of the energy that fluxes are multiplied with.
    time_format : {"iso", "mjd"}
        How times are written.
    **kwargs : dict
        For `~matplotlib.axes.Axes.errorbar`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes.
    """
    check_option("time_format", time_format, ("iso", "mjd"))
    is_new = ax is None
    ax = new_axes() if ax is None else ax
    sed_type = sed_type or points.sed_type_plot_default
    axis = points.geom.axes["time"]
    middle, half = axis.time_mid, 0.5 * axis.time_delta
    is_mjd = time_format == "mjd"
    x, width = (middle.mjd, half.to_value("d")) if is_mjd else (middle.datetime, [step.to_datetime() for step in half])
    shape = points.geom.data_shape[:-2]
    columns = [np.reshape(values, shape) for values in _with_limits(points, sed_type)]
    factor = points.energy_ref**energy_power
    unit = (columns[0][0] * factor).unit
    for k, label in enumerate(points.energy_axis.as_plot_labels):
        flux, low, high = ((column[:, k] * factor[k]).to_value(unit) for column in columns[:3])
        settings = line_settings({"marker": "o", "linestyle": "none", "markersize": 4, "label": label}, kwargs)
        errors = np.clip([low, high], 0, None)
        ax.errorbar(x, flux, xerr=width, yerr=errors, uplims=columns[3][:, k], **settings)
    ax.set_xlabel(f"time [{'MJD, ' if is_mjd else ''}{axis.reference_time.scale.upper()}]")
    ax.set_ylabel(flux_label(unit, sed_type, energy_power))
    if not is_mjd:
        locator = AutoDateLocator()
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # writes the year, too
    bands = len(points.energy_axis.as_plot_labels)
    has_room = is_new and bands <= 3
    if has_room:  # above the points, as matplotlib's "best" knows of no error bars
        height = LEGEND_HEIGHT * (bands + 1)
        ax.margins(y=height / (1 - 2 * height))
    ax.legend(frameon=False, loc="upper right" if has_room else "best")
    ax.grid(visible=True, which="major", alpha=0.2)
    return ax


def _with_limits(points: "FluxPoints", sed_type: str) -> tuple[u.Quantity, u.Quantity, u.Quantity, np.ndarray]:
    """Fluxes, lower and upper errors, and which are limits; there the limit stands for the flux."""
    flux = getattr(points, sed_type).quantity.ravel()
    low, high = _errors(points, sed_type)
    is_ul = points.is_ul.data.ravel().astype(bool) & points.has_ul
    if is_ul.any():
        limit = getattr(points, f"{sed_type}_ul").quantity.ravel()
        flux, low, high = (np.where(is_ul, a, b) for a, b in ((limit, flux), (ARROW * limit, low), (0 * limit, high)))
    return flux, low, high, is_ul


def plot_flux_points(
    points: "FluxPoints", ax: Axes | None = None, sed_type: str | None = None, energy_power: float = 0, **kwargs: object
) -> Axes:
    """Plot flux points; arguments as for `bayesmap.estimators.FluxPoints.plot`."""
    ax = new_axes() if ax is None else ax
    default = points.sed_type_init
    sed_type = sed_type or (default if default in ("dnde", "flux", "eflux", "e2dnde") else "dnde")
    check_option("sed_type", sed_type, ("dnde", "flux", "eflux", "e2dnde"))
    energy = points.energy_ref
    flux, low, high, is_ul = _with_limits(points, sed_type)
    factor = energy**energy_power
    unit = (flux * factor).unit
    kwargs = line_settings({"marker": "o", "linestyle": "none", "markersize": 4}, kwargs)
    ax.errorbar(
        energy.value,
        (flux * factor).value,
        xerr=[(energy - points.energy_min).value, (points.energy_max - energy).to_value(energy.unit)],
        yerr=[(np.clip(error, 0, None) * factor).to_value(unit) for error in (low, high)],
        uplims=is_ul,
        **kwargs,
    )
    return _label(ax, energy.unit, unit, sed_type, energy_power)


def _label(ax: Axes, energy_unit: u.UnitBase, unit: u.UnitBase, sed_type: str, energy_power: float) -> Any:
    ax.set(xscale="log", xlabel=f"energy [{energy_unit}]")
    ax.set_yscale("log", nonpositive="clip")
    ax.set_ylabel(flux_label(unit, sed_type, energy_power))
    ax.grid(visible=True, which="major", alpha=0.2)
    return ax


def _errors(points: "FluxPoints", sed_type: str) -> tuple[u.Quantity, u.Quantity]:
    """Lower and upper errors; zero where there are none."""
    names = points.available_quantities
    if {"norm_errn", "norm_errp"} <= set(names):
        pair = [getattr(points, f"{sed_type}_{key}").quantity.ravel() for key in ("errn", "errp")]
    elif "norm_err" in names:
        pair = [getattr(points, f"{sed_type}_err").quantity.ravel()] * 2
    else:
        pair = [0 * getattr(points, sed_type).quantity.ravel()] * 2
    return pair[0], pair[1]


def plot_spectrum_points(
    dataset: "FluxPointsDataset",
    ax: Axes | None = None,
    kwargs_fp: Mapping[str, object] | None = None,
    kwargs_model: Mapping[str, object] | None = None,
) -> Axes:
    """Plot flux points with the models of their dataset; see `FluxPointsDataset.plot_spectrum`."""
    points = dataset.data
    settings: dict[str, Any] = {"sed_type": "e2dnde", **(kwargs_fp or {})}
    power = {"e2dnde": 2, "dnde": 0}.get(settings["sed_type"], 2) + settings.get("energy_power", 0)
    ax = plot_flux_points(points, ax, **settings)
    label = ax.get_xlabel(), ax.get_ylabel()
    bounds = u.Quantity([points.energy_min[0], points.energy_max[-1]])
    for model in dataset.models or ():
        if model.parts.get("spectral") is not None:
            own: dict[str, Any] = {"energy_bounds": bounds, "ax": ax, "energy_power": power, **(kwargs_model or {})}
            plot_spectrum(cast("SkyModel", model), **own)
    ax.set(xlabel=label[0], ylabel=label[1])
    return ax


def plot_residual_points(
    dataset: "FluxPointsDataset", ax: Axes | None = None, method: str = "diff", **kwargs: object
) -> Axes:
    """Plot the residuals of flux points; see `FluxPointsDataset.plot_residuals`."""
    check_option("method", method, ("diff", "diff/model"))
    ax = new_axes() if ax is None else ax
    points, residuals = dataset.data, dataset.residuals(method).ravel()
    low, high = _errors(points, "dnde")
    if method == "diff/model":
        low, high = ((error / dataset.flux_pred().ravel()).to("") for error in (low, high))
    energy = points.energy_ref
    kwargs = line_settings({"color": "black", "marker": "+", "linestyle": "none"}, kwargs)
    ax.errorbar(
        energy.value,
        residuals.value,
        xerr=[(energy - points.energy_min).value, (points.energy_max - energy).to_value(energy.unit)],
        yerr=[np.clip(error.to_value(residuals.unit), 0, None) for error in (low, high)],
        **kwargs,
    )
    ax.axhline(0, color=kwargs["color"], linewidth=0.5)
    label = "data - model" if method == "diff" else "(data - model) / model"
    unit = f" [{residuals.unit.to_string('latex_inline')}]" if method == "diff" else ""
    ax.set(xscale="log", xlabel=f"energy [{energy.unit}]", ylabel=f"{label}{unit}")
    limit = np.nanmax(np.abs(residuals.value) + np.nan_to_num(high.to_value(residuals.unit)), initial=0)
    if limit > 0:
        ax.set_ylim(-1.05 * limit, 1.05 * limit)
    return ax


def plot_fit_points(
    dataset: "FluxPointsDataset",
    ax_spectrum: Axes | None = None,
    ax_residuals: Axes | None = None,
    kwargs_spectrum: Mapping[str, object] | None = None,
    kwargs_residuals: Mapping[str, object] | None = None,
) -> Axes:
    """Plot flux points, models and residuals in two panels; see `FluxPointsDataset.plot_fit`."""
    if ax_spectrum is None and ax_residuals is None:
        _, (ax_spectrum, ax_residuals) = plt.subplots(
            2, 1, figsize=(9, 7), sharex=True, gridspec_kw={"height_ratios": [5, 2]}, layout="constrained"
        )
        return _two_panels(dataset, ax_spectrum, ax_residuals, kwargs_spectrum, kwargs_residuals, shared=True)
    ax_spectrum = plt.figure().add_subplot() if ax_spectrum is None else ax_spectrum
    ax_residuals = plt.figure().add_subplot() if ax_residuals is None else ax_residuals
    return _two_panels(dataset, ax_spectrum, ax_residuals, kwargs_spectrum, kwargs_residuals, shared=False)


def _two_panels(
    dataset: "FluxPointsDataset",
    upper: Any,
    lower: Any,
    kwargs_spectrum: Mapping[str, Any] | None,
    kwargs_residuals: Mapping[str, Any] | None,
    shared: bool,
) -> Any:
    """Draw both panels; only the lower of two that share an axis is labelled."""
    plot_spectrum_points(dataset, upper, **(kwargs_spectrum or {}))
    plot_residual_points(dataset, lower, **{"method": "diff/model", **(kwargs_residuals or {})})
    if shared:
        upper.set_xlabel("")
    return upper, lower
