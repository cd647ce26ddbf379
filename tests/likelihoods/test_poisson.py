"""The Poisson likelihood against SciPy, and its counted form against the plain sum."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bayesmap.likelihoods import PoissonLikelihood

SHAPE = (2, 3, 4)
counts_cubes = arrays("int64", SHAPE, elements=st.integers(0, 50))
npred_cubes = arrays("float64", SHAPE, elements=st.floats(1e-3, 100))
masks = arrays("bool", SHAPE)
likelihood = PoissonLikelihood()


@given(counts_cubes, npred_cubes, masks)
def test_counted_form_is_the_sum_over_the_mask(counts, npred, mask):
    support, weights = likelihood.support(counts, mask), likelihood.weights(mask)
    log_sum = (counts[support] * np.log(npred[support])).sum()
    counted = log_sum - (weights * npred).sum() + likelihood.bin_data(support, mask, counts)["constant"]
    assert counted == pytest.approx(scipy.stats.poisson.logpmf(counts, npred)[mask].sum(), rel=1e-9, abs=1e-9)


@given(counts_cubes, npred_cubes)
def test_pointwise_is_minus_half_the_statistic_up_to_a_constant(counts, npred):
    difference = likelihood.pointwise(counts, npred) + 0.5 * likelihood.stat_array(counts, npred)
    np.testing.assert_allclose(difference, -scipy.special.gammaln(counts + 1), atol=1e-8)


def test_impossible_predictions():
    assert likelihood.pointwise(np.array([1.0]), np.array([0.0]))[0] == -np.inf
    assert likelihood.pointwise(np.array([0.0]), np.array([0.0]))[0] == 0
    assert likelihood.pointwise(np.array([0.0]), np.array([-1.0]))[0] == -np.inf
    with pytest.raises(ValueError, match="2 predicted counts are negative or not finite"):
        likelihood.random(np.array([1.0, -1.0, np.nan]), np.random.default_rng(0))


def test_draws_have_the_mean_and_variance_of_the_prediction():
    # 200000 draws at mean 3: the sample mean is off by more than 4.5 sigma once in 1.5e5 seeds.
    draws = likelihood.random(np.full(200_000, 3.0), np.random.default_rng(1))
    assert draws.mean() == pytest.approx(3, abs=4.5 * np.sqrt(3 / 200_000))
    assert draws.var() == pytest.approx(3, rel=0.02)
