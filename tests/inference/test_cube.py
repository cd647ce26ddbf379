"""The unit cube of the prior: quantiles, the likelihood alone, and its integral."""

import numpy as np
import pytest
from scipy.special import logsumexp, ndtri
from scipy.stats import qmc

from bayesmap.modeling import HyperParameter, Models, MultivariateNormalPrior, Prior
from tests.inference.spectra import AMPLITUDE, INDEX, quadrature, quick_fit, spectrum_fit
from tests.inference.tiny import background, make_dataset, point


@pytest.fixture(scope="module")
def spectrum():
    return spectrum_fit()


def test_quantiles_are_those_of_the_priors(spectrum):
    point = spectrum.prior_transform([0.3, 0.9])
    assert spectrum.cube_labels == ["s.index", "s.amplitude"]
    assert point["s.index"] == pytest.approx(INDEX.quantile(0.3), rel=1e-9)
    assert point["s.amplitude"] == pytest.approx(AMPLITUDE.quantile(0.9, "cm-2 s-1 TeV-1"), rel=1e-9)
    many = spectrum.prior_transform(np.full((4, 2), 0.5))
    assert many["s.index"].shape == (4,)


def test_integral_over_the_cube_is_that_of_quadrature(spectrum):
    cube = qmc.Sobol(2, rng=np.random.default_rng(1)).random_base2(11)
    values = spectrum.loglike(cube)
    assert logsumexp(values) - np.log(len(cube)) == pytest.approx(quadrature(spectrum), abs=0.02)


def test_corners_of_the_cube_have_a_likelihood(spectrum):
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    values = spectrum.loglike(corners)
    assert not np.isnan(values).any()
    assert (values < spectrum.loglike([0.5, 0.5])).all()


def test_what_is_no_point_of_the_cube_is_told(spectrum):
    with pytest.raises(TypeError, match="unit cube, not the parameters"):
        spectrum.loglike(spectrum.prior_transform([0.5, 0.5]))
    with pytest.raises(TypeError, match="unit cube, not the parameters"):  # as dynesty hands it over
        spectrum.loglike(np.asarray(spectrum.prior_transform([0.5, 0.5])))
    with pytest.raises(ValueError, match=r"has 2 numbers, \['s.index', 's.amplitude'\]"):
        spectrum.loglike([0.5, 0.5, 0.5])
    with pytest.raises(ValueError, match="between 0 and 1"):
        spectrum.loglike([0.5, 1.5])


def test_joint_and_hierarchical_priors_by_a_triangular_map():
    models = Models([point("a"), point("b"), background()])
    models.set_joint_prior(MultivariateNormalPrior(["a.index", "b.index"], [2.0, 2.5], [[0.04, 0.03], [0.03, 0.09]]))
    norm = HyperParameter("norm_mean", Prior("Normal", mu=1, sigma=0.1))
    models[2].spectral_model.norm.prior = Prior("Normal", mu=norm, sigma=0.05)
    fit = quick_fit(make_dataset(models=models))
    u0 = np.full(len(fit.cube_labels), 0.5)
    place = {label: i for i, label in enumerate(fit.cube_labels)}
    u0[place["a.index_joint_offset[0]"]], u0[place["a.index_joint_offset[1]"]] = 0.8, 0.1
    u0[place["norm_mean"]], u0[place["tiny-bkg.norm_offset"]] = 0.7, 0.2
    found = fit.prior_transform(u0)
    factor = np.linalg.cholesky([[0.04, 0.03], [0.03, 0.09]])
    indices = np.array([2.0, 2.5]) + factor @ ndtri([0.8, 0.1])
    np.testing.assert_allclose([found["a.index"], found["b.index"]], indices, rtol=1e-9)
    assert found["norm_mean"] == pytest.approx(1 + 0.1 * ndtri(0.7))
    assert found["tiny-bkg.norm"] == pytest.approx(found["norm_mean"] + 0.05 * ndtri(0.2))
    assert np.isfinite(fit.loglike(u0))


def test_bounds_cut_the_prior():
    models = Models([point(), background(prior=Prior("Flat"))])
    models[0].spectral_model.index.prior = Prior("Normal", mu=2, sigma=0.5)
    models[0].spectral_model.index.min = 2.0
    models[1].spectral_model.norm.min, models[1].spectral_model.norm.max = 0.5, 2.5
    fit = quick_fit(make_dataset(models=models))
    point_ = fit.prior_transform(np.full(len(fit.cube_labels), 0.25))
    assert point_["source.index"] == pytest.approx(2 + 0.5 * ndtri(0.625))
    assert point_["tiny-bkg.norm"] == pytest.approx(1.0)


def test_priors_without_quantiles_are_named():
    models = Models([point(), background(prior=Prior("Flat"))])
    with pytest.raises(ValueError, match="'tiny-bkg.norm' has no prior quantiles.*improper"):
        quick_fit(make_dataset(models=models)).loglike([0.5] * 5)
    models[1].spectral_model.norm.prior = Prior("Normal", mu=1, sigma=0.1)
    shape = HyperParameter("shape", Prior("Uniform", lower=1, upper=5))
    models[0].spectral_model.index.prior = Prior("Gamma", alpha=shape, beta=2)
    with pytest.raises(ValueError, match=r"'source.index' has no prior quantiles"):
        quick_fit(make_dataset(models=models)).prior_transform([0.5] * 6)


@pytest.mark.parametrize("prior", [Prior("HalfNormal", sigma=1.0), Prior("StudentT", nu=3, mu=2.0, sigma=1.0)])
def test_ends_of_the_cube_are_ends_of_the_prior(prior):
    source = point()
    source.spatial_model.freeze()
    source.spectral_model.amplitude.frozen = True
    source.spectral_model.index.prior = prior
    fit = quick_fit(make_dataset("ends", models=[source]))
    low, middle, high = fit.prior_transform(np.array([[0.0], [0.5], [1.0]]))["source.index"]
    assert low < middle < high
