"""Images and flux points in a compiled fit: replaced data are those of a new fit."""

import astropy.units as u
import numpy as np
import pytest
import scipy

from bayesmap.datasets import ImageDataset
from bayesmap.inference import compile_fit
from bayesmap.likelihoods import FluxPointsLikelihood, GaussianLikelihood
from tests.inference.test_observations import flux_points
from tests.inference.test_scenes import two_sources


def log_density(fit, values):
    return fit.log_likelihood(values), fit.density(np.zeros(fit.density.size))[0]


VALUES = {"source.index": 2.2, "source.amplitude": 2.1e-12}


@pytest.mark.parametrize("stat_type", ["chi2", "distrib"])
def test_replaced_fluxes(stat_type):
    dataset = flux_points(stat_type)
    fit = compile_fit(dataset)
    before = log_density(fit, VALUES)
    new = fit.draw_counts(VALUES, 3)["points"]
    fit.set_counts(u.Quantity(new * 1e-16, "cm-2 s-1 GeV-1").to("m-2 s-1 TeV-1") * 1e1)
    [observed] = fit._observed.values()
    replaced = observed.value.get_value()
    measured = observed.comparable
    np.testing.assert_allclose(replaced[measured], new[measured], rtol=1e-12)
    assert replaced[~measured] == pytest.approx(
        dataset.likelihood_of(np.asarray(dataset.mask).ravel(), observed.unit).flux[~measured]
    )
    after = log_density(fit, VALUES)
    # the difference is that of the statistic
    held, model = observed.likelihood, observed.mean(*VALUES.values())
    old = dataset.likelihood_of(np.asarray(dataset.mask).ravel(), observed.unit)
    expected = held.pointwise(replaced, model).sum() - old.pointwise(old.flux, model).sum()
    assert after[0] - before[0] == pytest.approx(expected, rel=1e-9)
    assert after[1] != before[1]
    fit.set_counts(old.flux)
    np.testing.assert_allclose(log_density(fit, VALUES), before, rtol=1e-12)


def test_an_image_is_replaced():
    dataset = two_sources()
    fit = compile_fit(dataset)
    values = {name: p.value for name, p in fit.parameters.items()}
    faked = dataset.fake(random_state=8)
    fresh = compile_fit(ImageDataset(faked, dataset.models, name="r"))
    assert log_density(fit, values)[0] != pytest.approx(log_density(fresh, values)[0])
    fit.set_counts(faked)
    np.testing.assert_allclose(log_density(fit, values), log_density(fresh, values), rtol=1e-10)
    fit.set_counts({"r": np.asarray(faked.image.values_in(u.nJy))})
    np.testing.assert_allclose(log_density(fit, values), log_density(fresh, values), rtol=1e-10)
    drawn = fit.draw_counts(values, 1)["r"]
    fit.set_counts(drawn)
    assert fit.data_hash != fresh.data_hash
    broken = drawn.copy()
    broken[dataset.mask] = np.nan
    with pytest.raises(ValueError, match="'r'.*finite"):
        fit.set_counts(broken)
    with pytest.raises(ValueError, match="has the shape"):
        fit.set_counts(drawn[1:])
    with pytest.raises(ValueError, match="takes no OFF counts"):
        fit.set_counts((drawn, drawn))
    np.testing.assert_array_equal(fit._observed["r"].value.get_value(), np.where(dataset.mask_safe, drawn, 0))


def test_the_scale_of_noise_has_draws():
    dataset = two_sources()
    dataset.likelihood = GaussianLikelihood(dataset.sigma, scale="free")
    fit = compile_fit(dataset)
    scales = fit.draw_latents(400, np.random.default_rng(1))["r.noise_scale"]
    assert np.log(scales).std() == pytest.approx(0.2, rel=0.15)
    values = {name: p.value for name, p in fit.parameters.items()}
    ratio = [
        np.std((fit.draw_counts({**values, **more}, 2)["r"] - dataset.npred().array)[dataset.mask])
        for more in ({}, {"r.noise_scale": 3.0})
    ]
    assert ratio[1] / ratio[0] == pytest.approx(3.0, rel=1e-6)


def test_fluxes_that_cannot_be():
    fit = compile_fit(flux_points())
    with pytest.raises(ValueError, match="'points' has 4 flux points, got fluxes of the shape"):
        fit.set_counts(np.ones(3))
    with pytest.raises(ValueError, match="fluxes must be finite"):
        fit.set_counts(np.full(4, np.nan))
    with pytest.raises(ValueError, match="takes no OFF counts"):
        fit.set_counts((np.ones(4), np.ones(4)))
    with pytest.raises(u.UnitConversionError, match="'points' holds flux points in '1e-12 cm-2 s-1 TeV-1', got 'm'"):
        fit.set_counts(np.ones(4) * u.m)


def test_asymmetric_errors_are_drawn_as_they_are_fitted():
    """The density of the likelihood against the distribution of draws (Kolmogorov-Smirnov)."""
    n = 20_000
    one = FluxPointsLikelihood(
        "distrib", np.zeros(n), np.full(n, 0.5), np.full(n, 2.0), np.full(n, np.nan), np.ones(n), []
    )
    drawn = np.sort(one.random(np.full(n, 3.0), np.random.default_rng(1)))
    x = np.linspace(-8, 8, 2001) + 3.0
    grid = FluxPointsLikelihood("distrib", x, *(np.full(x.size, e) for e in (0.5, 2.0, np.nan, 1.0)), [])
    density = np.exp(grid.pointwise(x, np.full(x.size, 3.0)))
    law = scipy.integrate.cumulative_trapezoid(density, x, initial=0)
    assert law[-1] == pytest.approx(1.0, abs=2e-3)
    found = np.arange(1, n + 1) / n
    assert np.abs(np.interp(drawn, x, law) - found).max() < 1.95 / np.sqrt(n)  # false alarms: 1e-3
