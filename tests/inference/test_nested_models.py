"""Savage-Dickey and TS: known densities, and what is refused."""

import json

import numpy as np
import pytest
import xarray as xr
from scipy.stats import expon, norm

from bayesmap.inference import savage_dickey, ts
from bayesmap.modeling import Prior
from tests.inference.spectra import AMPLITUDE, dataset, quick_fit, source, spectrum_fit


def tree_of(draws, prior, unit="", bounds=(None, None)):
    attributes = {"units": unit, "prior": str(prior)}
    attributes["prior_data"] = json.dumps({"prior": prior.to_dict(), "bounds": list(bounds)})
    variables = {"s.x": (("chain", "draw"), draws.reshape(4, -1), attributes)}
    return xr.DataTree.from_dict({"posterior": xr.Dataset(variables)})


def test_normal_prior_and_posterior(rng):
    draws = rng.normal(2.3, 0.2, 4000)
    found = savage_dickey(tree_of(draws, Prior("Normal", mu=2, sigma=1)), "s.x", 2.0)
    wanted = norm.logpdf(2.0, 2.3, 0.2) - norm.logpdf(2.0, 2, 1)
    assert found.log == pytest.approx(wanted, abs=0.08)
    assert 0.01 < found.error < 0.1
    assert found.sentence.endswith("times as probable as the other one.")
    assert "the model with s.x = 2 is now" in found.sentence
    assert not found.remarks


def test_units_and_an_edge_of_the_prior(rng):
    """Half of a normal distribution above zero, and a flat prior up to 1e-11."""
    prior = Prior("Uniform", lower="0 cm-2 s-1 TeV-1", upper="1e-11 cm-2 s-1 TeV-1")
    tree = tree_of(np.abs(rng.normal(0, 2e-12, 4000)), prior, "cm-2 s-1 TeV-1")
    found = savage_dickey(tree, "s.x", "0 m-2 s-1 TeV-1")
    assert found.log == pytest.approx(np.log(2 * norm.pdf(0) / 2e-12 * 1e-11), abs=0.08)
    assert savage_dickey(tree, "s.x", 0).log == found.log


def test_a_slope_at_an_edge_does_not_enter(rng):
    """An exponential posterior falls from the edge of the prior; a normal one is cut there, where it rises."""
    prior = Prior("HalfNormal", sigma=5)
    falling = savage_dickey(tree_of(rng.exponential(1.0, 8000), prior), "s.x", 0)
    assert falling.log == pytest.approx(-(np.log(2) + norm.logpdf(0, scale=5)), abs=0.12)
    draws = rng.normal(1.0, 1.0, 12000)
    draws = draws[draws > 0][:8000]
    wanted = norm.logpdf(1.0) - norm.logcdf(1.0) - np.log(2) - norm.logpdf(0, scale=5)
    assert savage_dickey(tree_of(draws, prior), "s.x", 0).log == pytest.approx(wanted, abs=0.12)


def test_bounds_cut_the_prior(rng):
    draws = rng.uniform(0, 1, 4000)
    found = savage_dickey(tree_of(draws, Prior("Exponential", scale=1), bounds=(None, 1.0)), "s.x", 0.5)
    assert found.log == pytest.approx(-(expon.logpdf(0.5) - np.log(expon.cdf(1))), abs=0.08)


def test_what_the_draws_do_not_show_is_refused_or_told(rng):
    draws, prior = rng.normal(2.3, 0.2, 4000), Prior("Normal", mu=2, sigma=1)
    tree = tree_of(draws, prior)
    with pytest.raises(ValueError, match="no draw of 's.x' is near 5"):
        savage_dickey(tree, "s.x", 5)
    assert "standard deviations from the mean" in savage_dickey(tree, "s.x", 1.75).remarks[0]
    with pytest.raises(ValueError, match="96 draws, a density needs at least 100"):
        savage_dickey(tree.isel(draw=slice(24)), "s.x", 2)
    with pytest.raises(ValueError, match="has no density at -1"):
        savage_dickey(tree_of(np.abs(draws), Prior("HalfNormal", sigma=1)), "s.x", -1)
    with pytest.raises(ValueError, match="defaults that were made from the data"):
        savage_dickey(tree_of(draws, prior.as_default()), "s.x", 2)
    with pytest.raises(ValueError, match="'s.x' has no proper prior"):
        savage_dickey(tree_of(draws, Prior("Flat")), "s.x", 2)
    with pytest.raises(KeyError, match="no variable 's.y'"):
        savage_dickey(tree, "s.y", 2)


def test_ts_is_the_difference_of_the_fit_statistic():
    """Under flat priors, against a source whose amplitude is fixed; TS also by a scan of stat_sum."""
    flat = Prior("Uniform", lower="0 cm-2 s-1 TeV-1", upper="1e-11 cm-2 s-1 TeV-1")
    wide = Prior("Uniform", lower=0, upper=6)
    free = dataset(source(amplitude=flat))
    null = dataset(source(index=wide))
    null.models[0].parameters["amplitude"].value = 1e-15

    def best(data, name, values):
        parameter = data.models[0].parameters[name]
        before, stats = parameter.value, []
        for parameter.value in values:
            stats.append(data.stat_sum())
        parameter.value = before
        return min(stats)

    wanted = best(null, "index", np.linspace(0, 6, 601)) - best(free, "amplitude", np.linspace(3e-13, 3e-12, 2001))
    assert ts(quick_fit(free), quick_fit(null)) == pytest.approx(wanted, abs=0.01)
    assert wanted > 25


def test_ts_of_different_data_is_refused():
    other = quick_fit(dataset(source(amplitude=AMPLITUDE), counts=(30, 22, 14, 4, 3, 1)))
    with pytest.raises(ValueError, match="different data"):
        ts(spectrum_fit(), other)


def test_the_bias_of_the_kernel_is_part_of_the_error(rng):
    """Draws at the quantiles of a normal posterior hardly scatter; at its maximum the kernel flattens the density."""
    draws = rng.permutation(norm(2, 1).ppf((np.arange(800) + 0.5) / 800))
    found = savage_dickey(tree_of(draws, Prior("Normal", mu=2, sigma=5)), "s.x", 2.0)
    missed = np.log(5) - found.log
    assert missed > 0.02
    assert found.error > 0.7 * missed
