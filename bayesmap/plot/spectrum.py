"""Spectra of models: one curve, or the band of a posterior."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np

from bayesmap._types import Axes, QuantityLike, RandomState, Tree
from bayesmap.plot.axes import flux_label, new_axes
from bayesmap.plot.posterior_numbers import PROBABILITIES, spectrum_draws

if TYPE_CHECKING:
    from bayesmap.modeling import SkyModel
    from bayesmap.modeling.spectral.base import SpectralModel

__all__ = ["plot_spectrum", "plot_spectrum_error", "plot_spectrum_posterior"]


def plot_spectrum(
    model: "SpectralModel | SkyModel",
    energy_bounds: Sequence[QuantityLike] | u.Quantity = ("0.1 TeV", "100 TeV"),
    ax: Axes | None = None,
    *,
    energy_power: float = 2,
    n_points: int = 100,
    **kwargs: object,
) -> Axes:
    """Plot the spectrum of a model at its current parameter values.

    Parameters
    ----------
    model : SpectralModel or SkyModel
        The model.
    energy_bounds : sequence of two `~astropy.units.Quantity` or str
        Range of true energies.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    energy_power : float
        The curve is energy to this power times the differential flux.
    n_points : int
        Number of energies.
    **kwargs : dict
        For `~matplotlib.axes.Axes.plot`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes.
    """
    ax = new_axes() if ax is None else ax
    spectral = cast("SpectralModel", getattr(model, "spectral_model", model))
    energy = _energies(energy_bounds, n_points)
    flux = _scaled(spectral(energy), energy, energy_power)
    ax.plot(energy.value, flux.value, **{"label": getattr(model, "name", None)} | kwargs)
    return _label(ax, energy, flux.unit, energy_power)


def plot_spectrum_error(
    model: "SpectralModel | SkyModel",
    energy_bounds: Sequence[QuantityLike] | u.Quantity = ("0.1 TeV", "100 TeV"),
    ax: Axes | None = None,
    *,
    energy_power: float = 2,
    n_points: int = 100,
    n_samples: int = 3500,
    random_state: RandomState = 42,
    samples: Tree | Sequence[u.Quantity] | None = None,
    **kwargs: object,
) -> Axes:
    """Plot the central 68 % band of a spectrum, from a posterior or from the covariance of its parameters.

    Parameters
    ----------
    model : SpectralModel or SkyModel
        The model.
    energy_bounds : sequence of two `~astropy.units.Quantity` or str
        Range of true energies.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; the current ones by default.
    energy_power : float
        The band is energy to this power times the differential flux.
    n_points : int
        Number of energies.
    n_samples, random_state, samples
        As for `SpectralModel.evaluate_error`.
    **kwargs : dict
        For `~matplotlib.axes.Axes.fill_between`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes.

    Raises
    ------
    ValueError
        If the model has no parameters.
    """
    ax = plt.gca() if ax is None else ax
    spectral = cast("SpectralModel", getattr(model, "spectral_model", model))
    if not len(spectral.parameters):
        raise ValueError(f"{type(spectral).__name__} has no parameters, so no error band")
    energy = _energies(energy_bounds, n_points)
    median, low, high = spectral.evaluate_error(energy, n_samples, random_state, samples)
    edges = [_scaled(flux, energy, energy_power) for flux in (median - low, median + high)]
    style = {"facecolor": "black", "alpha": 0.2, "linewidth": 0}
    ax.fill_between(energy.value, edges[0].value, edges[1].value, **style | kwargs)
    return _label(ax, energy, edges[0].unit, energy_power)


def plot_spectrum_posterior(
    tree: Tree,
    model: "SkyModel",
    energy_bounds: Sequence[QuantityLike] | u.Quantity = ("0.1 TeV", "100 TeV"),
    ax: Axes | None = None,
    *,
    energy_power: float = 2,
    n_points: int = 100,
    num_draws: int = 300,
    random_state: RandomState = 0,
    **kwargs: object,
) -> Axes:
    """Plot the posterior of a spectrum: median and 68 % and 95 % bands at each energy.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    model : SkyModel
        One of the sampled models.
    energy_bounds : sequence of two `~astropy.units.Quantity` or str
        Range of true energies.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    energy_power : float
        The curves are energy to this power times the differential flux.
    n_points : int
        Number of energies.
    num_draws : int
        Number of posterior draws.
    random_state : int, numpy.random.Generator or str
        Chooses the draws.
    **kwargs : dict
        For the median, `~matplotlib.axes.Axes.plot`; its ``color`` is that of the bands.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes.

    Notes
    -----
    The bands are pointwise: the spectra of single draws need not stay inside them.
    """
    ax = new_axes() if ax is None else ax
    energy = _energies(energy_bounds, n_points)
    flux = _scaled(spectrum_draws(tree, model, energy, num_draws, random_state), energy, energy_power)
    median = np.median(flux.value, axis=0)
    (line,) = ax.plot(energy.value, median, **{"label": model.name} | kwargs)
    for probability, alpha in zip(PROBABILITIES[::-1], (0.15, 0.3), strict=True):
        low, high = np.quantile(flux.value, [0.5 - probability / 2, 0.5 + probability / 2], axis=0)
        ax.fill_between(energy.value, low, high, color=line.get_color(), alpha=alpha, linewidth=0)
    return _label(ax, energy, flux.unit, energy_power)


def _energies(bounds: Any, n_points: int) -> u.Quantity:
    low, high = (u.Quantity(bound) for bound in bounds)
    if not low < high:
        raise ValueError(f"energy_bounds must be ordered, got {low} and {high}")
    return np.geomspace(low.value, high.to_value(low.unit), n_points) * low.unit


def _scaled(flux: u.Quantity, energy: u.Quantity, power: float) -> u.Quantity:
    """Flux times energy to a power; squares come in erg cm-2 s-1, as is usual."""
    scaled = energy**power * flux
    if scaled.unit.is_equivalent("erg cm-2 s-1"):
        return scaled.to("erg cm-2 s-1")
    return scaled.to(flux.unit * energy.unit**power)


def _label(ax: Axes, energy: u.Quantity, unit: u.UnitBase, power: float) -> Any:
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel(f"true energy [{energy.unit}]")
    ax.set_ylabel(flux_label(unit, power=power))
    ax.grid(visible=True, which="major", alpha=0.2)
    return ax
