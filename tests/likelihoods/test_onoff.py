"""ON/OFF likelihoods against SciPy's distributions and the W statistic, also where counts or acceptances vanish."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import logsumexp

from bayesmap.likelihoods import OnOffLikelihood
from bayesmap.stats import wstat

numbers = st.integers(0, 60)
ratios = st.floats(1e-3, 5)
signals = st.floats(0, 80)


def single(likelihood, n_on, n_off, alpha, signal):
    n_on, signal, n_off, alpha = (np.array([float(x)]) for x in (n_on, signal, n_off, alpha))
    return likelihood.pointwise(n_on, signal, counts_off=n_off, alpha=alpha)[0]


@given(numbers, numbers, ratios, signals, st.sampled_from([0.05, 0.5, 1.0]))
def test_marginal_is_a_poisson_plus_a_negative_binomial_variable(n_on, n_off, alpha, signal, a0):
    k = np.arange(n_on + 1)
    background = scipy.stats.nbinom.logpmf(k, n_off + a0, 1 / (1 + alpha))
    expected = logsumexp(scipy.stats.poisson.logpmf(n_on - k, signal) + background)
    assert single(OnOffLikelihood(a0=a0), n_on, n_off, alpha, signal) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("n_on", "n_off", "alpha", "signal"), [(7, 4, 0.3, 2.5), (0, 0, 1.0, 0.0), (3, 0, 0.1, 1.0)])
def test_marginal_is_the_integral_over_the_background(n_on, n_off, alpha, signal):
    """The definition: Poisson ON and OFF counts, a prior b^(a0 - 1), divided by the same integral without ON."""
    a0 = 0.5

    def joint(b, with_on=True):
        on = scipy.stats.poisson.pmf(n_on, signal + alpha * b) if with_on else 1.0
        return on * scipy.stats.poisson.pmf(n_off, b) * b ** (a0 - 1)

    def integral(with_on):  # the substitution b = x**2 takes the pole of the prior away
        return quad(lambda x: joint(x**2, with_on) * 2 * x, 0, 12, epsabs=1e-13)[0]

    expected = np.log(integral(True) / integral(False))
    assert single(OnOffLikelihood(a0=a0), n_on, n_off, alpha, signal) == pytest.approx(expected, abs=1e-7)


def test_probabilities_of_all_counts_sum_to_one():
    likelihood, n = OnOffLikelihood(a0=0.3), np.arange(400.0)
    same = np.ones_like(n)
    total = np.exp(likelihood.pointwise(n, 6.0 * same, counts_off=11.0 * same, alpha=0.4 * same)).sum()
    assert total == pytest.approx(1, abs=1e-12)


def expression(kind, counts, off, alpha, a0=0.4):
    """Compiled log-likelihood and gradient by the signal, from the counted form and from all bins."""
    likelihood, mask = OnOffLikelihood(kind, a0), np.ones(len(counts), dtype=bool)
    signal = pt.vector("signal")
    outputs = []
    for chosen in (likelihood.support(counts, mask), mask):
        bins = likelihood.bin_data(chosen, mask, counts, counts_off=off, alpha=alpha)
        symbols = {key: pt.as_tensor_variable(np.asarray(value)) for key, value in bins.items()}
        total = likelihood.logp(signal[np.flatnonzero(chosen)], signal.sum(), symbols, {})
        outputs += [total, pytensor.grad(total, signal)]
    return likelihood, pytensor.function([signal], outputs, mode="FAST_COMPILE")


COUNTS = np.array([0.0, 0, 3, 12, 5, 2, 1, 0, 250])
OFF = np.array([0.0, 7, 0, 20, 1, 0, 4, 3, 900])
ALPHA = np.array([0.5, 0.2, 0.3, 0.1, 2.0, 0.7, 0.0, 0.0, 0.2])
SIGNAL = np.array([0.4, 0.1, 0.2, 8.0, 3.0, 5.0, 1.5, 0.3, 66.0])


@pytest.mark.parametrize("kind", ["marginal", "profile"])
def test_graph_equals_the_numbers_and_its_gradient_differences(kind):
    likelihood, function = expression(kind, COUNTS, OFF, ALPHA)
    counted, gradient, dense, dense_gradient = function(SIGNAL)
    assert counted == pytest.approx(likelihood.pointwise(COUNTS, SIGNAL, counts_off=OFF, alpha=ALPHA).sum(), rel=1e-12)
    assert dense == pytest.approx(counted, rel=1e-12)
    np.testing.assert_allclose(gradient, dense_gradient, rtol=1e-10)
    for i, step in enumerate(np.eye(len(SIGNAL)) * 1e-5):
        numeric = (function(SIGNAL + step)[0] - function(SIGNAL - step)[0]) / 2e-5
        assert gradient[i] == pytest.approx(numeric, rel=1e-5, abs=1e-6)


def test_the_gradient_at_no_signal_is_finite():
    *_, gradient = expression("marginal", COUNTS[:6], OFF[:6], ALPHA[:6])[1](np.zeros(6))
    assert np.isfinite(gradient).all()


@given(numbers, numbers, ratios, st.floats(0.01, 80))
@settings(max_examples=50)
def test_profile_is_minus_half_the_w_statistic(n_on, n_off, alpha, signal):
    value = single(OnOffLikelihood("profile"), n_on, n_off, alpha, signal)
    assert value == pytest.approx(-0.5 * wstat(n_on, n_off, alpha, signal), rel=1e-10)


def test_marginal_tends_to_the_profile_with_many_counts():
    """Differences of two signals: the constants differ."""
    arguments = (4000, 9000, 0.25)
    marginal, profile = (OnOffLikelihood(kind) for kind in ("marginal", "profile"))
    differences = [single(kind, *arguments, 1700) - single(kind, *arguments, 1750) for kind in (marginal, profile)]
    assert differences[0] == pytest.approx(differences[1], abs=2e-3)


def test_draws_follow_the_marginal_distribution():
    """Mean s + alpha (m + a0), variance mean + alpha^2 (m + a0); 200000 draws, tolerance 5 standard errors."""
    likelihood, size = OnOffLikelihood(a0=0.5), 200_000
    off, alpha = np.full(size, 9.0), np.full(size, 0.4)
    on, drawn_off = likelihood.random_pair(np.full(size, 3.0), np.random.default_rng(3), off, alpha)
    variance = 3 + 0.4 * 9.5 + 0.16 * 9.5
    assert on.mean() == pytest.approx(3 + 0.4 * 9.5, abs=5 * np.sqrt(variance / size))
    assert on.var() == pytest.approx(variance, rel=0.02)
    assert drawn_off.mean() == pytest.approx(9.5, abs=5 * np.sqrt(19 / size))


def test_bad_arguments():
    with pytest.raises(ValueError, match="background"):
        OnOffLikelihood("flat")
    with pytest.raises(ValueError, match="a0 must be positive, got 0"):
        OnOffLikelihood(a0=0)
    with pytest.raises(ValueError, match="1 predicted signals are negative"):
        OnOffLikelihood().random(np.array([-1.0]), np.random.default_rng(0), counts_off=np.ones(1), alpha=np.ones(1))
