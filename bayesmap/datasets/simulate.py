"""Simulated counts."""

from typing import Any

import numpy as np

from bayesmap._util import get_random_state
from bayesmap.datasets import predict
from bayesmap.datasets.parameter_draws import draw_from_posterior, draw_from_prior, parameters_at
from bayesmap.maps import Map

__all__ = ["fake_counts"]


def fake_counts(dataset: Any, random_state: Any = "random-seed", *, posterior: Any = None, prior: bool = False) -> Map:
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
    `~bayesmap.maps.Map`
        Counts in all bins, inside the mask and outside.

    Raises
    ------
    ValueError
        If the prediction is not finite somewhere, or both posterior and prior are asked for.
    """
    if posterior is not None and prior:
        raise ValueError("fake takes the parameters from a posterior or from the priors, not from both")
    rng = get_random_state(random_state)
    values = {}
    if posterior is not None:
        values = draw_from_posterior(dataset, posterior, rng)
    elif prior:
        values = draw_from_prior(dataset, rng)
    with parameters_at(values):
        mean = predict.npred(dataset).data
    if not np.isfinite(mean).all():
        raise ValueError(
            f"dataset {dataset.name!r}: the predicted counts are not finite in {int((~np.isfinite(mean)).sum())} bins; "
            "nothing can be drawn from them"
        )
    counts = dataset.likelihood.random(mean, rng)
    return Map.from_geom(dataset._geom, data=np.asarray(counts, dtype="float64"), unit="")
