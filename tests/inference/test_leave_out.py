"""Leave-one-group-out by sampling again: the closed form of Gamma-Poisson, and how it enters a result of ArviZ."""

import arviz as az
import numpy as np
import pytest
import xarray as xr
from scipy.stats import nbinom, poisson

from bayesmap.inference import left_out_density, reloo
from tests.inference.spectra import COUNTS, gamma_poisson


@pytest.fixture(scope="module")
def case():
    fit, _, _ = gamma_poisson()
    return fit, fit.datasets[0].npred_signal().data.ravel()


def one_bin(i):
    group = np.zeros((6, 1, 1), dtype=bool)
    group[i] = True
    return group


def by_formula(unit, i, a=2.5, b=2.0):
    """Log predictive density of bin i: negative binomial, after the other ones."""
    others = np.arange(6) != i
    shape, rate = a + np.sum(np.array(COUNTS)[others]), b + unit[others].sum()
    return nbinom.logpmf(COUNTS[i], shape, rate / (rate + unit[i]))


def log_likelihoods(unit, rng):
    """Exact posterior draws as ArviZ takes them, log-likelihood per bin."""
    amplitude = rng.gamma(2.5 + sum(COUNTS), 1 / (2.0 + unit.sum()), (4, 500))
    values = poisson.logpmf(np.array(COUNTS), amplitude[..., None] * unit)
    coords = {"group": [f"bin {i}" for i in range(6)]}
    groups = {"log_likelihood": xr.Dataset({"y": (("chain", "draw", "group"), values)}, coords=coords)}
    return xr.DataTree.from_dict({**groups, "posterior": xr.Dataset({"x": (("chain", "draw"), amplitude)})})


@pytest.mark.parametrize(("i", "tolerance"), [(0, 0.1), (3, 0.02)])
def test_predictive_density_is_negative_binomial(case, i, tolerance):
    fit, unit = case
    before = fit.density(np.zeros(1))[0]
    found = left_out_density(fit, one_bin(i), draws=500, chains=2, random_state=1, cores=1)
    assert found == pytest.approx(by_formula(unit, i), abs=tolerance)
    assert fit.density(np.zeros(1))[0] == before


def test_groups_of_high_k_are_replaced(case, rng):
    """The first bin has most of the counts, and without it the posterior is much wider."""
    fit, unit = case
    with pytest.warns(UserWarning, match="Estimated shape parameter of Pareto"):
        loo = az.loo(log_likelihoods(unit, rng), pointwise=True)
    assert loo.warning
    k = loo.pareto_k.to_numpy()
    np.testing.assert_array_equal(k > 0.7, [True, False, False, False, False, False])
    found = reloo(loo, fit, {f"bin {i}": one_bin(i) for i in range(6)}, draws=500, chains=2, cores=1)
    assert float(found.elpd_i[0]) == pytest.approx(by_formula(unit, 0), abs=0.1)
    np.testing.assert_array_equal(found.elpd_i[1:], loo.elpd_i[1:])
    assert (float(found.pareto_k[0]), found.warning) == (0, False)
    assert found.elpd == pytest.approx(sum(by_formula(unit, i) for i in range(6)), abs=0.15)
    assert found.p - loo.p == pytest.approx(loo.elpd - found.elpd)
    np.testing.assert_array_equal(loo.pareto_k, k)
    assert list(az.compare({"one": found, "other": found}).index) == ["one", "other"]
    with pytest.raises(KeyError, match="no bins are given for the group 'bin 0'"):
        reloo(loo, fit, {"bin 2": one_bin(2)})


def test_groups_that_are_none_are_refused(case):
    fit, _ = case
    with pytest.raises(ValueError, match="no bin inside the masks"):
        left_out_density(fit, np.zeros((6, 1, 1), dtype=bool))
    with pytest.raises(ValueError, match=r"dataset 'd' has the shape \(6, 1, 1\), got bool of the shape \(6,\)"):
        left_out_density(fit, np.ones(6, dtype=bool))
    with pytest.raises(ValueError, match="'d'"):  # nothing would be left
        left_out_density(fit, np.ones((6, 1, 1), dtype=bool))
    assert fit.masks(one_bin(0))["d"][0].all()
