"""Hierarchical and joint priors in an analysis: density, mode, draws, results; one dataset after the other."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import halfnorm, norm, poisson

from bayesmap.inference import compile_fit, find_mode, sample_prior, to_pymc
from bayesmap.inference.mode import search_modes
from bayesmap.inference.result import build_tree, describe
from bayesmap.inference.samplers import Run
from bayesmap.modeling import HyperParameter, Models, MultivariateNormalPrior, Prior
from tests.inference.tiny import background, make_dataset, source_and_background

TRUTH = (0.8, 1.1, 1.25, 0.95)


def runs(minimum=np.nan):
    """Four fields of background, whose norms scatter around an unknown mean by an unknown width."""
    mean = HyperParameter("norm_mean", Prior("Normal", mu=1, sigma=0.2))
    scatter = HyperParameter("norm_scatter", Prior("HalfNormal", sigma=0.2))
    datasets = []
    for i, norm_true in enumerate(TRUTH):
        model = background(f"run{i}")
        model.spectral_model.norm.value = norm_true
        dataset = make_dataset(f"run{i}", models=Models([model]), seed=i)
        model.spectral_model.norm.min = minimum
        model.spectral_model.norm.prior = Prior("Normal", mu=mean, sigma=scatter)
        datasets.append(dataset)
    return datasets


NAMES = [f"run{i}-bkg.norm" for i in range(4)]


@pytest.fixture(scope="module")
def fit():
    return compile_fit(runs(minimum=0.0))


def test_variables(fit):
    names = [rv.name for rv in fit.model.free_RVs]
    assert names == ["norm_mean", "norm_scatter", *(f"{name}_offset" for name in NAMES)]
    assert [v.name for v in fit.model.deterministics] == NAMES
    assert fit._any_density.reported == ["norm_mean", "norm_scatter", *NAMES]


def by_hand(datasets, mean, scatter, offsets, cut):
    """Logarithm of the posterior density of mean, width and offsets, up to nothing."""
    total = norm(1, 0.2).logpdf(mean) + halfnorm(0, 0.2).logpdf(scatter) + norm.logpdf(offsets).sum()
    for dataset, z in zip(datasets, offsets, strict=True):
        value = mean + scatter * z
        if cut:  # the normal distribution above zero, by its upper tail
            value = mean + scatter * norm.isf(norm.sf(z) * norm.sf(-mean / scatter))
        total += poisson.logpmf(dataset.counts.data, value * dataset.background.data).sum()
    return total


@pytest.mark.parametrize("cut", [False, True])
def test_density_is_the_one_by_hand(fit, cut):
    fit = fit if cut else compile_fit(runs())
    density = fit._any_density
    rng = np.random.default_rng(2)
    for _ in range(3):
        theta = density.start + rng.normal(0, 0.5, density.size)
        point = density.expand(theta)
        offsets = np.array([point[f"{name}_offset"] for name in NAMES])
        expected = by_hand(fit.datasets, float(point["norm_mean"]), float(point["norm_scatter"]), offsets, cut)
        value, gradient = density(theta, jacobian=False)
        assert value == pytest.approx(expected, abs=1e-7)
        assert np.isfinite(gradient).all()


def test_mode(fit):
    """At the mode the density by hand is highest; the norms are drawn towards each other."""
    result = fit.find_mode()
    assert list(result.values) == [*NAMES, "norm_mean", "norm_scatter"]
    assert result.covariance.shape == (6, 6)
    ratios = [d.counts.data.sum() / d.background.data.sum() for d in fit.datasets]
    values = np.array([result.values[name] for name in NAMES])
    assert np.abs(values - ratios).max() < 0.03
    assert np.ptp(values) < np.ptp(ratios)
    mean, scatter = result.values["norm_mean"], result.values["norm_scatter"]
    assert 0.1 < scatter < 0.4
    offsets = norm.isf(norm.sf((values - mean) / scatter) / norm.sf(-mean / scatter))
    best = by_hand(fit.datasets, mean, scatter, offsets, cut=True)
    assert best == pytest.approx(result.log_density, abs=1e-6)
    for step in 0.02 * np.vstack([np.eye(6), -np.eye(6)]):
        assert by_hand(fit.datasets, mean + step[0], scatter + step[1], offsets + step[2:], cut=True) < best


def laplace_tree(fit, number=4000, seed=1):
    """A result with draws from the Gaussian approximation, in place of sampling."""
    density = fit._any_density
    rng = np.random.default_rng(seed)
    best, _ = search_modes(density, rng, 2)
    draws = best.mode + rng.normal(size=(1, number, density.size)) @ best.factor.T
    run = Run(posterior=density.expand_draws(draws), stats={"lp": np.zeros((1, number))}, interrupted=False)
    return build_tree(describe(fit), run, {})


def test_result_has_no_offsets(fit):
    tree = laplace_tree(fit, 100)
    assert set(tree["posterior"].data_vars) == {*NAMES, "norm_mean", "norm_scatter"}
    assert "HalfNormal" in tree["posterior"]["norm_scatter"].attrs["prior"]
    again = Models.from_yaml(tree.attrs["models"])
    assert again.hyperparameters == fit.models.hyperparameters
    fit.models.set_values(tree)
    assert list(fit.models.covariance_from(tree).names) == NAMES


def test_prior_draws():
    tree = sample_prior(runs(), draws=3000)
    prior = tree["prior"]
    assert set(prior.data_vars) == {*NAMES, "norm_mean", "norm_scatter"}
    ours, others = prior[NAMES[0]].values.ravel(), prior[NAMES[1]].values.ravel()
    # variances add up: that of the mean, and that of the width, whose mean square is 0.04
    assert ours.std() == pytest.approx(np.sqrt(0.04 + 0.04), rel=0.06)
    assert np.corrcoef(ours, others)[0, 1] == pytest.approx(0.5, abs=0.08)


def test_prior_draws_of_what_has_no_draws():
    dataset = make_dataset(models=source_and_background())
    with pytest.raises(ValueError, match="whole number of at least 1"):
        sample_prior(dataset, draws=0)
    dataset.models["source"].spectral_model.index.prior = Prior("Flat")
    with pytest.raises(ValueError, match="'source.index' is improper"):
        sample_prior(dataset)
    dataset.models.freeze()
    with pytest.raises(ValueError, match="nothing to draw"):
        sample_prior(dataset)


def source_fit(seed, counts=None, prior=None, names=()):
    models = source_and_background()
    models["source"].freeze("spatial")
    models["source"].spectral_model.set_priors(
        index=Prior("Normal", mu=2.2, sigma=0.5),
        amplitude=Prior("LogNormal", mu="1e-12 cm-2 s-1 TeV-1", sigma=1.0),
    )
    models["tiny-bkg"].spectral_model.norm.prior = Prior("LogNormal", mu=0.0, sigma=0.2)
    dataset = make_dataset(models=models, seed=seed, counts=counts)
    if prior is not None:
        models.set_joint_prior(prior)
    return compile_fit(dataset)


def test_joint_prior_in_an_analysis():
    prior = MultivariateNormalPrior(
        ["source.index", "source.amplitude"], [2.0, np.log(2e-12)], [[1e-6, 0], [0, 1e-6]], log=["source.amplitude"]
    )
    fit = source_fit(1, prior=prior)
    result = fit.find_mode()
    assert list(result.values) == ["source.index", "source.amplitude", "tiny-bkg.norm"]
    assert result.values["source.index"] == pytest.approx(2.0, abs=0.005)
    assert result.values["source.amplitude"] == pytest.approx(2e-12, rel=0.005)
    assert result.units["source.amplitude"] == "TeV-1 s-1 cm-2" or "cm" in result.units["source.amplitude"]
    assert {rv.name for rv in to_pymc(fit.datasets).free_RVs} == {"source.index_joint_offset", "tiny-bkg.norm"}
    tree = laplace_tree(fit, 50)
    assert set(tree["posterior"].data_vars) == {"source.index", "source.amplitude", "tiny-bkg.norm"}
    dataset = fit.datasets[0]
    dataset.fake(1, prior=True)
    assert dataset.counts.data.sum() > 0


def summary(tree):
    posterior = tree["posterior"]
    columns = [posterior["source.index"], np.log(posterior["source.amplitude"]), posterior["tiny-bkg.norm"]]
    x = np.stack([np.ravel(c) for c in columns])
    return x.mean(axis=1), np.cov(x)


def test_one_half_of_the_data_after_the_other():
    """The posterior of the first half as the prior of the second gives about the posterior of both.

    All three by Gaussian approximations around their modes.
    """
    names = ["source.index", "source.amplitude", "tiny-bkg.norm"]
    first = source_fit(1)
    prior = MultivariateNormalPrior.from_posterior(laplace_tree(first), names, log=["source.amplitude"])
    second = source_fit(2, prior=prior)
    counts = [f.datasets[0].counts.data for f in (first, second)]
    mean, covariance = summary(laplace_tree(second))

    both = source_fit(3, counts=counts[0])
    other = make_dataset("other", models=None, counts=counts[1])
    shared = both.models["source"]
    bkg = background("other")
    bkg.spectral_model.norm = both.models["tiny-bkg"].spectral_model.norm
    other.models = Models([shared, bkg])
    expected, expected_covariance = summary(laplace_tree(compile_fit([both.datasets[0], other])))
    errors = np.sqrt(np.diag(expected_covariance))
    np.testing.assert_allclose((mean - expected) / errors, 0, atol=0.2)
    np.testing.assert_allclose(
        covariance / errors / errors[:, None], expected_covariance / errors / errors[:, None], atol=0.15
    )
    alone = np.sqrt(np.diag(summary(laplace_tree(first))[1]))
    assert (errors < 0.85 * alone).all()


def test_marginal_priors_from_a_posterior():
    """Kernel densities and moments of a posterior work as priors of the next analysis."""
    first = source_fit(1)
    tree = laplace_tree(first)
    models = first.models.copy()
    models["source"].spectral_model.index.prior = Prior.from_posterior(tree, "source.index", "kde")
    models["source"].spectral_model.amplitude.prior = Prior.from_posterior(tree, "source.amplitude")
    dataset = make_dataset(models=models, counts=first.datasets[0].counts.data)
    result = find_mode(dataset)
    assert result.errors["source.index"] < first.find_mode().errors["source.index"] * 0.85
    assert isinstance(tree, xr.DataTree)
