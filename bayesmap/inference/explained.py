"""Counts that no parameters can explain: bins that hold some, and where every term predicts none."""

from collections.abc import Mapping, Sequence
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from bayesmap.graph import FoldArrays, model_at
from bayesmap.graph.psf.profile import psf_profile
from bayesmap.inference.listing import prior_centre, prior_median, prior_quantile
from bayesmap.inference.predictor import Predictor

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
    for model in npred.models if bad.any() else ():
        bad = bad & ~_within_reach(model, arrays, reach.get(model.name, 0.0))
    return bad


def _within_reach(model: Any, arrays: FoldArrays, reach: float) -> np.ndarray:
    """Bins in which a source of free position can predict counts, a boolean cube (or one value for all bins)."""
    spatial: Any = getattr(model, "spatial_model", None)
    place: Sequence[Any] = [getattr(spatial, name, None) for name in ("lon_0", "lat_0")]
    if arrays.exposure is None or None in place or all(p.frozen for p in spatial.parameters):
        return np.zeros((1, 1, 1), dtype=bool)
    lon, lat = (prior_median(p) * p.unit for p in place)
    centre = SkyCoord(lon, lat, frame=spatial.frame)
    sensitive = np.einsum("ej,jyx->eyx", arrays.dispersion(centre) > 0, arrays.exposure > 0)
    if arrays.is_region:
        return sensitive
    radius = reach + max(arrays.pixel_scale)
    size = model_at(spatial, prior_centre([model])).evaluation_radius
    if size is not None:
        radius += size.to_value("deg")
    if arrays.psf is not None:
        radius += psf_profile(arrays.psf, centre, arrays.energy if arrays.reco_psf else arrays.energy_true).rad[-1]
    pixels = arrays.geom.to_image().get_coord().skycoord
    return sensitive & (centre.separation(pixels) < radius * u.deg)
