"""What the priors predict: spectra and counts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from bayesmap._types import Axes, QuantityLike, RandomState, Region
from bayesmap.inference.observations import facts_of
from bayesmap.inference.prior_draws import sample_prior
from bayesmap.plot.posterior_numbers import predictive_band
from bayesmap.plot.predictive import plot_predictive_band
from bayesmap.plot.spectrum import plot_spectrum_posterior

if TYPE_CHECKING:
    from bayesmap.datasets.map import MapDataset
    from bayesmap.modeling import SkyModel

__all__ = ["plot_prior_predictive"]


def plot_prior_predictive(
    dataset: "MapDataset",
    region: Region | str | None = None,
    axes: Any = None,
    *,
    energy_bounds: Sequence[QuantityLike] | u.Quantity | None = None,
    energy_power: float = 2,
    num_draws: int = 200,
    random_state: RandomState = 0,
    figsize: tuple[float, float] = (11, 4),
) -> list[Axes]:
    """Plot what the priors of a dataset's models predict before the data are used: spectra, and counts beside the data.

    Parameters
    ----------
    dataset : MapDataset, FluxPointsDataset or one of their kinds
        With models; parameters without a prior get their default one.
    region : `~regions.SkyRegion` or str, optional
        Where counts are summed; the whole map by default.
    axes : sequence of two `~matplotlib.axes.Axes`, optional
        For spectra and counts; a new figure by default. Flux points use only the first.
    energy_bounds : sequence of two `~astropy.units.Quantity` or str, optional
        Range of the spectra; by default that of the dataset.
    energy_power : float
        The spectra are energy to this power times the differential flux.
    num_draws : int
        Number of prior draws.
    random_state : int, numpy.random.Generator or str
        Draws parameters and counts.
    figsize : tuple of float
        Size of a new figure.

    Returns
    -------
    list of `~matplotlib.axes.Axes`
        The axes, with medians and 68 % and 95 % bands. Bands of counts include Poisson noise.

    Raises
    ------
    ValueError
        If the dataset has no models, or all parameters are frozen.
    """
    if not dataset.models:
        raise ValueError(f"dataset {dataset.name!r} has no models, so there are no priors to draw from")
    has_counts = facts_of(dataset).field() is not None
    draws = sample_prior(dataset, num_draws, random_state)
    tree = xr.DataTree.from_dict({"posterior": draws["prior"].to_dataset()})
    if axes is None:
        axes = plt.subplots(1, 2 if has_counts else 1, figsize=figsize, squeeze=False, layout="constrained")[1][0]
    listed = list(np.atleast_1d(np.asarray(axes, dtype=object)))
    bounds = _bounds(dataset) if energy_bounds is None else energy_bounds
    sources = [model for model in dataset.models if model.contribution == "flux"]
    for model in sources:
        settings: dict[str, Any] = {"energy_power": energy_power, "num_draws": num_draws, "random_state": random_state}
        plot_spectrum_posterior(tree, cast("SkyModel", model), bounds, listed[0], **settings)
    listed[0].set_title("priors: spectra")
    if sources:
        listed[0].legend(frameon=False)
    if has_counts:
        band = predictive_band(tree, dataset, region, num_draws, random_state)
        plot_predictive_band(band, listed[1])
        listed[1].set_title("priors: counts")
    return listed


def _bounds(dataset: "MapDataset") -> u.Quantity:
    """Range of energies of a dataset: true energies of its exposure, else those of its data."""
    exposure = getattr(dataset, "exposure", None)
    if exposure is None:
        return facts_of(dataset).energy_range()
    edges = exposure.geom.axes["energy_true"].edges
    return u.Quantity([edges.min(), edges.max()])
