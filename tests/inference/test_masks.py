"""Masks are replaced without compiling: the density is that of a fit made anew."""

import numpy as np
import pytest

from bayesmap.inference import CompiledFit, assign_default_priors
from bayesmap.inference.density import LogDensity
from bayesmap.likelihoods import GaussianLikelihood, NegativeBinomialLikelihood
from bayesmap.maps import Map
from bayesmap.modeling import Parameter, Prior
from tests.inference.tiny import background, make_dataset, point


def prepared(negative=False, likelihood=None):
    """A dataset with its priors, so that they do not depend on the mask."""
    dataset = make_dataset(models=[point(), background()])
    assign_default_priors(dataset)
    if negative:
        dataset.models["source"].spectral_model.amplitude.prior = Prior("Normal", mu=1e-12, sigma=3e-13)
    if likelihood is not None:
        dataset.likelihood = likelihood
    return dataset


def masks(dataset):
    """One with a few spectra of weights, and one with many."""
    simple = np.ones(dataset.counts.data.shape, dtype=bool)
    simple[0, :10] = simple[2, :, 20:] = False
    return [simple, np.random.default_rng(1).random(simple.shape) < 0.7]


@pytest.mark.parametrize("options", [{}, {"negative": True}, {"likelihood": GaussianLikelihood(sigma=1.0)}])
@pytest.mark.parametrize("route", [None, "stamp"])
def test_density_is_that_of_a_fit_made_anew(options, route):
    dataset = prepared(**options)
    fit = CompiledFit(dataset, psf_route=None if route is None else {"source": route})
    density = LogDensity(fit.model, mode="FAST_COMPILE")
    theta = density.start + 0.1
    before = density(theta)[0]
    for mask in masks(dataset):
        fit.set_mask(mask)
        value, gradient = density(theta)
        dataset.mask_fit = Map.from_geom(dataset.counts.geom, data=mask)
        anew = CompiledFit(dataset, psf_route=None if route is None else {"source": route})
        wanted, slope = LogDensity(anew.model, mode="FAST_COMPILE")(theta)
        assert value == pytest.approx(wanted, rel=1e-12)
        np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-9 * np.abs(slope).max())
        assert abs(value - before) > 1


def test_wrong_masks_change_nothing():
    dataset = prepared()
    fit = CompiledFit(dataset)
    used = fit._observed["tiny"].arrays.mask
    for wrong, message in (
        (np.ones((3, 4, 5), bool), r"mask is an array of bool of shape \(3, 4, 5\), it must be one of bool of shape"),
        (np.ones(used.shape), "an array of float64"),
        (np.zeros(used.shape, bool), "the masks leave no bin"),
    ):
        with pytest.raises(ValueError, match=message):
            fit.set_mask(wrong)
    with pytest.raises(KeyError, match="unknown dataset 'tony'"):
        fit.set_mask({"tony": used})
    assert fit._observed["tiny"].arrays.mask is used
    dispersion = Parameter("dispersion", 0.01, min=0)
    dispersion.prior = Prior("LogNormal", mu=-4.0, sigma=1.0)
    unknowns = CompiledFit(prepared(likelihood=NegativeBinomialLikelihood(dispersion)))
    with pytest.raises(ValueError, match="has unknowns of its own"):
        unknowns.set_mask(np.asarray(used))
