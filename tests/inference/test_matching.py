"""Leave-one-group-out by moment matching: closed forms of Gamma-Poisson, quadrature, refits, and what is refused."""

import arviz as az
import numpy as np
import pytest
import xarray as xr
from scipy.special import gammaln, logsumexp
from scipy.stats import nbinom, poisson

from bayesmap.datasets import Datasets
from bayesmap.inference import compile_fit, group_bins, left_out_density, moment_match, predictive, reloo
from bayesmap.modeling import HyperParameter, Prior
from tests.inference.spectra import AMPLITUDE, RATE, SHAPE, dataset, gamma_poisson, grid, source, spectrum_fit
from tests.inference.test_evidence import as_tree, exact_gamma, exact_spectrum

#: the first bin holds most, and more than the others let expect
COUNTS = (60, 5, 3, 1, 1, 0)
PAIRS = {"d": np.reshape([0, 0, 1, 1, 2, 2], (6, 1, 1))}

pytestmark = pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto")


@pytest.fixture(scope="module")
def case():
    """An influential bin: a fit, exact draws with log-likelihoods of energies, and the result of ArviZ."""
    fit, (shape, rate), _ = gamma_poisson(counts=COUNTS)
    fit = compile_fit(fit.datasets)  # quick to call, which pays for some ten thousand calls
    tree = predictive(exact_gamma(shape, rate, np.random.default_rng(1)), fit.datasets[0], groups="energy")
    return fit, tree, az.loo(tree, pointwise=True)


def influenced(unit):
    """Log predictive density of the first bin: negative binomial, after the other ones."""
    rate = RATE + unit[1:].sum()
    return nbinom.logpmf(COUNTS[0], SHAPE + sum(COUNTS[1:]), rate / (rate + unit[0]))


def test_an_influential_bin_gets_its_negative_binomial(case):
    fit, tree, loo = case
    exact = influenced(fit.datasets[0].npred_signal().data.ravel())
    before, k = fit.density(np.zeros(1))[0], loo.pareto_k.to_numpy().copy()
    found = moment_match(loo, tree, fit, group_bins(fit, "energy"))
    assert k[0] > 1
    assert float(found.pareto_k[0]) < 0.7
    assert abs(float(loo.elpd_i[0]) - exact) > 3
    assert float(found.elpd_i[0]) == pytest.approx(exact, abs=0.2)
    assert k[2:].max() < 0.7
    np.testing.assert_array_equal(found.elpd_i[2:], loo.elpd_i[2:])
    assert found.elpd == pytest.approx(float(found.elpd_i.sum()))
    assert found.p - loo.p == pytest.approx(loo.elpd - found.elpd, abs=1e-6)
    assert (loo.warning, found.warning) == (True, False)
    # what was given is as it was
    np.testing.assert_array_equal(loo.pareto_k, k)
    assert fit.density(np.zeros(1))[0] == before
    assert list(az.compare({"one": found, "other": found}).index) == ["one", "other"]
    # nothing is left to be sampled
    np.testing.assert_array_equal(reloo(found, fit, {}).elpd_i, found.elpd_i)


def test_groups_of_energies_beside_quadrature_and_a_refit():
    fit = compile_fit(spectrum_fit().datasets)
    tree = predictive(exact_spectrum(fit, np.random.default_rng(2)), fit.datasets[0], groups=PAIRS)
    loo, bins = az.loo(tree, pointwise=True), group_bins(fit, PAIRS)
    assert float(loo.pareto_k[0]) > 0.7
    found = moment_match(loo, tree, fit, bins)
    exact = left_out_of_grid(fit, [0, 1])
    assert float(found.pareto_k[0]) < float(loo.pareto_k[0])
    assert abs(float(found.elpd_i[0]) - exact) < abs(float(loo.elpd_i[0]) - exact)
    assert float(found.elpd_i[0]) == pytest.approx(exact, abs=0.08)
    refit = left_out_density(fit, bins["d 0"], draws=500, chains=2, random_state=1, cores=1)
    assert refit == pytest.approx(exact, abs=0.15)


def left_out_of_grid(fit, places):
    """Log predictive density of some energies, given the others, by quadrature."""
    index, log_amplitude, values = grid(fit)
    data, spectrum = fit.datasets[0], fit.datasets[0].models[0].spectral_model
    counts, group = data.counts.data.ravel(), np.empty_like(values)
    for i, slope in enumerate(index):
        spectrum.index.value = slope
        expected = 2 + np.exp(log_amplitude)[:, None] * data.npred_signal().data.ravel()
        group[i] = poisson.logpmf(counts, expected)[:, places].sum(axis=1)
    return logsumexp(values) - logsumexp(values - group)


def test_a_whole_dataset_is_left_out():
    """No dataset can be masked as a whole, but its log-likelihood alone is known."""
    first = dataset(source(amplitude=gamma_prior()), background=None, counts=(60, 20, 10, 5, 2, 1))
    second = dataset(first.models[0], background=None, counts=(5, 2, 1, 0, 0, 0), name="e")
    fit, units = compile_fit(Datasets([first, second])), first.npred_signal().data.ravel()
    number = [first.counts.data.sum(), second.counts.data.sum()]
    draws = exact_gamma(SHAPE + sum(number), RATE + 2 * units.sum(), np.random.default_rng(1))
    tree = predictive(draws, fit.datasets)
    loo = az.loo(tree, pointwise=True)
    assert float(loo.pareto_k[0]) > 0.7
    counts = first.counts.data.ravel()
    shape, rate = SHAPE + number[1], RATE + units.sum()
    exact = (
        (counts * np.log(units) - gammaln(counts + 1)).sum()
        + gammaln(shape + number[0])
        - gammaln(shape)
        + shape * np.log(rate)
        - (shape + number[0]) * np.log(rate + units.sum())
    )
    found = moment_match(loo, tree, fit, group_bins(fit))
    assert float(found.elpd_i[0]) == pytest.approx(exact, abs=0.2)
    assert abs(float(found.elpd_i[0]) - exact) < abs(float(loo.elpd_i[0]) - exact)
    assert float(found.pareto_k[0]) < 0.7


def gamma_prior():
    return Prior("Gamma", alpha=SHAPE, beta=f"{RATE * 1e12} cm2 s TeV")


def test_hierarchical_priors_have_their_offsets():
    mean = HyperParameter("index_mean", Prior("Normal", mu=2.2, sigma=0.3))
    fit = compile_fit(dataset(source(index=Prior("Normal", mu=mean, sigma=0.2), amplitude=AMPLITUDE)))
    tree = fit.sample(400, 400, 2, random_state=1, cores=1, progress_bar=False)
    grouped, bins = predictive(tree, fit.datasets[0], groups=PAIRS), group_bins(fit, PAIRS)
    loo = az.loo(grouped, pointwise=True)
    found = moment_match(loo, grouped, fit, bins, k_threshold=float(loo.pareto_k[0]) - 0.01)
    refit = left_out_density(fit, bins["d 0"], draws=400, chains=2, random_state=1, cores=1)
    assert float(found.pareto_k[0]) < float(loo.pareto_k[0])
    assert float(found.elpd_i[0]) == pytest.approx(refit, abs=0.3)
    del grouped["offsets"]
    with pytest.raises(ValueError, match=r"lacks \['s.index_offset'\].* keep its group 'offsets'"):
        moment_match(loo, grouped, fit, bins, k_threshold=0)


def test_groups_that_still_have_a_high_k_are_named(case):
    fit, tree, loo = case
    with pytest.warns(UserWarning, match=r"above -1 after moment matching: d energy 0 \(0\.\d+\).*: reloo\(loo, fit"):
        found = moment_match(loo, tree, fit, group_bins(fit, "energy"), k_threshold=-1)
    assert (found.pareto_k <= loo.pareto_k).all()


def test_where_no_k_is_high_nothing_is_done(case):
    fit, tree, loo = case
    assert moment_match(loo, tree, fit, {}, k_threshold=10) is loo


def test_trees_of_other_draws_models_and_modes_are_refused(case):
    fit, tree, loo = case
    bins = group_bins(fit, "energy")
    with pytest.raises(KeyError, match="no bins are given for the group 'd energy 0'"):
        moment_match(loo, tree, fit, {"d energy 1": bins["d energy 1"]})
    with pytest.raises(ValueError, match=r"pointwise=True"):
        moment_match(az.loo(tree, pointwise=False), tree, fit, bins)
    with pytest.raises(ValueError, match=r"2000 draws and 6 groups.* of 800 draws, 6 in 'group'.*az.loo was given"):
        moment_match(loo, predictive(tree, fit.datasets[0], 800, groups="energy"), fit, bins)
    wrong = {**bins, "d energy 0": bins["d energy 1"]}
    with pytest.raises(ValueError, match="'d energy 0' is of other bins or data than its log-likelihood"):
        moment_match(loo, tree, fit, wrong)
    modes = tree.copy()
    modes["sample_stats"] = xr.DataTree(xr.Dataset({"mode": (("chain", "draw"), np.arange(2000).reshape(4, 500) % 2)}))
    with pytest.raises(ValueError, match=r"the draws are of 2 modes.*reloo"):
        moment_match(loo, modes, fit, bins)
    other = tree.copy()
    other["posterior"] = as_tree(index=np.ones(2000))["posterior"]
    with pytest.raises(ValueError, match=r"the tree is of other models: it lacks \['s.amplitude'\]"):
        moment_match(loo, other, fit, bins)


def test_bins_of_groups_are_those_of_their_log_likelihoods(case):
    fit, tree, _ = case
    bins = group_bins(fit, "energy")
    assert list(bins) == list(tree["log_likelihood"]["group"].to_numpy())
    assert sum(one["d"].astype(int) for one in bins.values()).tolist() == np.ones((6, 1, 1)).tolist()
    mask = np.ones((6, 1, 1), dtype=bool)
    mask[5] = False
    try:
        fit.set_mask(mask)
        assert not group_bins(fit, "energy")["d energy 5"]["d"].any()
        with pytest.raises(ValueError, match="no bin inside the masks"):
            fit.log_likelihood_of(~mask)
    finally:
        fit.set_mask(np.ones((6, 1, 1), dtype=bool))
    values, place = {"s.amplitude": 1e-12}, bins["d energy 0"]
    expected = poisson.logpmf(COUNTS[0], fit.datasets[0].npred_signal().data[0, 0, 0])
    assert fit.log_likelihood_of(place)(values) == pytest.approx(expected)
