"""Counts that no parameters can explain: bins that hold some, and where every term predicts none."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord

from bayesmap.graph import FoldArrays, model_at
from bayesmap.graph.psf.fft import kernel_half_width
from bayesmap.graph.psf.profile import psf_profile
from bayesmap.inference.listing import prior_centre, prior_median, prior_quantile
from bayesmap.inference.observations.predictor import Predictor

__all__ = ["unexplained"]

#: quantiles of the priors at which the prediction is looked at: at the median an amplitude may be zero
QUANTILES = (0.5, 0.84)


def unexplained(suspicious: np.ndarray, npred: Predictor, arrays: FoldArrays, reach: Mapping[str, float]) -> np.ndarray:
    """Those of some bins in which no source predicts counts wherever its prior lets it be.

    Parameters
    ----------
    suspicious : numpy.ndarray
        Bins that hold counts, without a background; a boolean cube.
    npred : Predictor
        Predicted counts as a function of the free parameters.
    arrays : FoldArrays
        The dataset.
    reach : mapping of str to float
        How far in deg each model may move and grow from the centre of its prior.

    Returns
    -------
    numpy.ndarray
        A boolean cube.
    """
    bad = suspicious
    for q in QUANTILES:
        if bad.any():
            bad = bad & ~(npred(*(prior_quantile(p, q) for p in npred.parameters)) > 0)
    moving = [m for m in npred.models if _moves(m)] if bad.any() and arrays.exposure is not None else []
    for model in moving:
        bad = bad & ~_explained(model, arrays, reach.get(model.name, 0.0), bad, alone=len(moving) == 1)
    return bad


def _moves(model: Any) -> bool:
    spatial: Any = getattr(model, "spatial_model", None)
    return getattr(spatial, "position", None) is not None and any(not p.frozen for p in spatial.parameters)


def _explained(model: Any, arrays: FoldArrays, reach: float, bad: np.ndarray, alone: bool) -> np.ndarray:
    """Bad bins that a source explains at some other place; alone, it has to explain all of them at once."""
    assert arrays.exposure is not None
    spatial = model.spatial_model
    centre = SkyCoord(*(prior_median(p) * p.unit for p in (spatial.lon_0, spatial.lat_0)), frame=spatial.frame)
    bad = bad & (np.einsum("ej,jyx->eyx", arrays.dispersion(centre) > 0, arrays.exposure > 0))
    if arrays.is_region:
        return bad
    own, radius = max(arrays.pixel_scale), model_at(spatial, prior_centre([model])).evaluation_radius
    if radius is not None:
        own += radius.to_value("deg")
    if arrays.psf is not None:
        profile = psf_profile(arrays.psf, centre, arrays.energy if arrays.reco_psf else arrays.energy_true)
        own += kernel_half_width(profile, arrays.pixel_scale) * max(arrays.pixel_scale)
    pixels = arrays.geom.to_image().get_coord().skycoord
    bad = bad & (centre.separation(pixels).deg < own + reach)
    if alone and bad.any():
        vectors = pixels[bad.any(axis=0)].cartesian
        middle = SkyCoord(vectors.mean(), frame=pixels.frame)
        size = own if spatial.is_point else own + reach  # another shape may grow
        if middle.separation(SkyCoord(vectors, frame=pixels.frame)).deg.max() > 2 * size:
            return np.zeros_like(bad)
    return bad
