"""Fit statistics against Gammapy's numbers, SciPy's densities, and in their corner cases."""

import numpy as np
import pytensor.tensor as pt
import pytest
import scipy.stats
from scipy.optimize import minimize_scalar

from bayesmap.likelihoods import PoissonLikelihood
from bayesmap.stats import (
    cash,
    cstat,
    get_wstat_gof_terms,
    get_wstat_mu_bkg,
    sigma_to_ts,
    ts_to_sigma,
    wstat,
)
from tests.golden import golden


def test_functions_agree_with_gammapy():
    case = {key: value.data for key, value in golden("stats")["functions"].items()}
    n_on, mu_on, n_off, alpha, mu_sig = (case[key] for key in ("n_on", "mu_on", "n_off", "alpha", "mu_sig"))
    ours = {
        "cash": cash(n_on, mu_on),
        "cstat": cstat(n_on, mu_on),
        "wstat": wstat(n_on, n_off, alpha, mu_sig),
        "wstat_no_extra": wstat(n_on, n_off, alpha, mu_sig, extra_terms=False),
        "wstat_mu_bkg": get_wstat_mu_bkg(n_on, n_off, alpha, mu_sig),
        "wstat_gof": get_wstat_gof_terms(n_on, n_off),
    }
    for name, values in ours.items():
        np.testing.assert_allclose(values, case[name], rtol=1e-10, atol=1e-12, err_msg=name)


def test_cash_is_the_poisson_density():
    n, mu = np.arange(20), np.geomspace(0.1, 50, 20)
    logpmf = scipy.stats.poisson.logpmf(n, mu)
    np.testing.assert_allclose(cash(n, mu), -2 * (logpmf + scipy.special.gammaln(n + 1)), rtol=1e-12)
    np.testing.assert_allclose(cstat(n, mu), 2 * (scipy.stats.poisson.logpmf(n, n) - logpmf), rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(PoissonLikelihood().stat_array(n, mu), cash(n, mu))


def test_truncation():
    assert cash(3, 0) == cash(3, 1e-25) == cash(3, -1)
    assert cash(3, 0, truncation_value=0.5) == cash(3, 0.5)
    assert np.isnan(cash(3, np.nan))
    assert np.isnan(cstat(np.nan, 3))
    for function in (cash, cstat):
        with pytest.raises(ValueError, match="truncation_value must be positive, got 0"):
            function(3, 1, truncation_value=0)
        with pytest.raises(ValueError, match="truncation_value must be positive"):
            function(np.ones(2), np.ones(2), truncation_value=[1.0, -1.0])


@pytest.mark.parametrize("n_on", [0, 4])
@pytest.mark.parametrize("n_off", [0, 7])
@pytest.mark.parametrize("mu_sig", [0.5, 9.0])
def test_background_of_wstat_is_the_best_one(n_on, n_off, mu_sig):
    alpha = 0.3

    def stat(log_bkg):
        return wstat(n_on, n_off, alpha, mu_sig, mu_bkg=np.exp(log_bkg))

    best = minimize_scalar(stat, bounds=(-30, 5), method="bounded", options={"xatol": 1e-10}).fun
    # without OFF counts the minimum may lie at zero background, which the scan only approaches
    assert wstat(n_on, n_off, alpha, mu_sig) == pytest.approx(best, abs=1e-6)


def test_corner_cases_of_wstat():
    # no ON counts: the background is n_off / (1 + alpha)
    assert get_wstat_mu_bkg(0, 6, 0.2, 1.0) == pytest.approx(5)
    assert wstat(0, 6, 0.2, 1.0) == pytest.approx(2 * (1.0 + 6 * np.log(1.2)))
    # no OFF counts and a signal that explains the ON counts: no background
    assert get_wstat_mu_bkg(3, 0, 0.5, 2.0) == 0
    assert wstat(3, 0, 0.5, 2.0) == pytest.approx(2 * (2 - 3 * np.log(2 / 3) - 3))
    # the same without a signal: the background takes the ON counts
    assert get_wstat_mu_bkg(3, 0, 0.5, 0.0) == pytest.approx(2)
    assert np.isfinite(wstat(3, 0, 0.5, 0.0))
    # nothing anywhere
    assert wstat(0, 0, 0.1, 0.0) == 0
    # no ON acceptance in the OFF regions' units: a pure signal and a pure background measurement
    assert get_wstat_mu_bkg(3, 5, 0.0, 2.0) == 5
    assert wstat(3, 5, 0.0, 2.0) == pytest.approx(cstat(3, 2.0))
    assert wstat(3, 0, 0.0, 0.0) == np.inf
    assert np.isnan(wstat(3, np.nan, 0.1, 0.0))


def test_background_keeps_its_digits():
    # for an overwhelming signal mu_bkg -> n_off / (1 + alpha n_on / mu_sig ...): C + D loses everything here
    n_on, n_off, alpha, mu_sig = 10.0, 3.0, 0.1, 1e12
    background = get_wstat_mu_bkg(n_on, n_off, alpha, mu_sig)
    derivative = (1 + alpha) - n_on * alpha / (mu_sig + alpha * background) - n_off / background
    assert derivative == pytest.approx(0, abs=1e-12)


def test_symbolic_background_is_the_same_formula():
    arrays = [np.array(x) for x in ([3.0, 0, 5], [5.0, 2, 0], [0.2, 0, 0.5], [1.0, 2, 9])]
    symbols = [pt.vector(dtype="float64") for _ in arrays]
    value = get_wstat_mu_bkg(*symbols, xp=pt).eval(dict(zip(symbols, arrays, strict=True)))
    np.testing.assert_allclose(value, get_wstat_mu_bkg(*arrays), rtol=1e-14)


def test_sigma_and_ts():
    np.testing.assert_allclose(sigma_to_ts([0.5, 3, 5]), [0.25, 9, 25], rtol=1e-10)
    np.testing.assert_allclose(ts_to_sigma(sigma_to_ts([0.5, 3, 5], df=2), df=2), [0.5, 3, 5], rtol=1e-10)
    assert sigma_to_ts(1, df=2) == pytest.approx(2.2957, abs=1e-4)
