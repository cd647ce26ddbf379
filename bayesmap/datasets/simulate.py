"""Simulated counts."""

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from bayesmap._types import RandomState, Tree
from bayesmap._util import get_random_state
from bayesmap.datasets import predict
from bayesmap.datasets.parameter_draws import draw_from_posterior, draw_from_prior, parameters_at
from bayesmap.likelihoods.draws import draw_poisson
from bayesmap.maps import Map
from bayesmap.modeling import parameter_names

if TYPE_CHECKING:
    from bayesmap.datasets.map import MapDataset
    from bayesmap.datasets.onoff import MapDatasetOnOff

__all__ = ["fake_counts", "fake_on_off"]


def fake_counts(
    dataset: "MapDataset",
    random_state: RandomState = "random-seed",
    *,
    posterior: Tree | None = None,
    prior: bool = False,
) -> tuple[Map, dict[str, u.Quantity] | None]:
    """Draw counts from the likelihood; see `MapDataset.fake`.

    Parameters
    ----------
    dataset : `bayesmap.datasets.MapDataset`
        The dataset; it is not changed.
    random_state : int, "random-seed", "global-rng" or generator
        Source of randomness.
    posterior : `xarray.DataTree`, optional
        Draw the parameters from this posterior; at their current values otherwise.
    prior : bool
        Draw the parameters from their priors.

    Returns
    -------
    counts : `~bayesmap.maps.Map`
        Counts in all bins, inside the mask and outside.
    values : dict of str to `~astropy.units.Quantity` or None
        The parameters of the draw; None at the current values.

    Raises
    ------
    ValueError
        If the prediction is not finite somewhere, or both posterior and prior are asked for.
    """
    rng = get_random_state(random_state)
    mean, values = _drawn_prediction(dataset, predict.npred, rng, posterior, prior)
    counts = dataset.likelihood.random(mean, rng)
    return Map.from_geom(dataset._geom, data=np.asarray(counts, dtype="float64"), unit=""), values


def fake_on_off(
    dataset: "MapDatasetOnOff",
    npred_background: Map | None = None,
    random_state: RandomState = "random-seed",
    *,
    posterior: Tree | None = None,
    prior: bool = False,
) -> tuple[Map, Map, dict[str, u.Quantity] | None]:
    """Draw ON and OFF counts from the likelihood; see `MapDatasetOnOff.fake`."""
    rng = get_random_state(random_state)
    signal, values = _drawn_prediction(dataset, predict.npred_signal, rng, posterior, prior)
    alpha = dataset.alpha.data
    if npred_background is None:
        if dataset.counts_off is None:
            raise ValueError(f"dataset {dataset.name!r} has no counts_off: give fake() the expected npred_background")
        pair = dataset.likelihood.random_pair(signal, rng, dataset.counts_off.data, alpha)
    else:
        background = np.broadcast_to(np.asarray(npred_background.data, dtype="float64"), signal.shape)
        off = np.divide(background, alpha, out=np.zeros(signal.shape), where=alpha > 0)
        pair = draw_poisson(signal + background, rng), draw_poisson(off, rng, "expected OFF counts")
    on, off = (Map.from_geom(dataset._geom, data=np.asarray(c, dtype="float64"), unit="") for c in pair)
    return on, off, values


def _drawn_prediction(
    dataset: "MapDataset", function: Any, rng: np.random.Generator, posterior: Tree, prior: bool
) -> tuple[np.ndarray, dict[str, u.Quantity] | None]:
    """Prediction at the current parameter values, or at those of one draw, which are returned too."""
    if posterior is not None and prior:
        raise ValueError("fake takes the parameters from a posterior or from the priors, not from both")
    values: dict[Any, float] = {}
    if posterior is not None:
        values = draw_from_posterior(dataset, posterior, rng)
    elif prior:
        values = draw_from_prior(dataset, rng)
    with parameters_at(values):
        mean: np.ndarray = function(dataset).data
    if not np.isfinite(mean).all():
        raise ValueError(
            f"dataset {dataset.name!r}: the predicted counts are not finite in {int((~np.isfinite(mean)).sum())} bins; "
            "nothing can be drawn from them"
        )
    if posterior is None and not prior:
        return mean, None
    names = parameter_names(dataset.models or ())
    return mean, {names[parameter]: value * parameter.unit for parameter, value in values.items()}
