"""Upper limits in closed form, and how often they hold the truth."""

import numpy as np
import pytest
import scipy

from bayesmap.stats import CashCountsStatistic, flat_prior_upper_limit
from benchmarks.limits import TRUTHS, coverage_table

#: counts, background and the limit at 95 %; see Helene 1983 for the formula
CLOSED = [
    (0, 0, 2.9957),
    (0, 7.5, 2.9957),
    (3, 0, 7.7537),
    (3, 3, 5.3954),
    (1, 3, 3.6433),
    (10, 3, 13.9628),
    (10, 10, 8.0825),
]


def test_closed_forms():
    n, b, expected = np.transpose(CLOSED)
    np.testing.assert_allclose(flat_prior_upper_limit(n, b), expected, atol=5e-5)
    # without background the limit is half of a quantile of chi squared with 2 n + 2 degrees of freedom
    counts = np.arange(40)
    np.testing.assert_allclose(flat_prior_upper_limit(counts, 0, 0.9), scipy.stats.chi2.ppf(0.9, 2 * counts + 2) / 2)


def test_the_posterior_below_the_limit():
    """The integral of the posterior itself, also with a prior that ends."""
    for signal_max in (np.inf, 8.0):
        limit = float(flat_prior_upper_limit(4, 2.5, 0.8, signal_max))
        end = min(signal_max, 200)

        def below(s):
            return scipy.integrate.quad(lambda x: scipy.stats.poisson.pmf(4, x + 2.5), 0, s, epsabs=1e-12)[0]

        assert below(limit) / below(end) == pytest.approx(0.8, abs=1e-9)


def test_what_is_no_experiment():
    for n, b in ((-1, 2), (2, -1), (1.5, 2), (np.nan, 2), (1, np.inf)):
        with pytest.raises(ValueError, match="whole counts and a background that are not negative"):
            flat_prior_upper_limit(n, b)
    with pytest.raises(ValueError, match="1 counts over a background of 900 have a probability below"):
        flat_prior_upper_limit([4, 1], [3, 900])
    with pytest.raises(ValueError, match="level is a probability"):
        flat_prior_upper_limit(1, 1, 95)
    with pytest.raises(ValueError, match="where the prior ends"):
        flat_prior_upper_limit(1, 1, signal_max=0)


def probability(signal, background, limits):
    """Exact probability that the limit of the counts that are drawn is not below the signal."""
    return float(scipy.stats.poisson.pmf(np.arange(len(limits)), signal + background) @ (limits >= signal))


@pytest.mark.parametrize("background", [0.0, 0.5, 3.0, 10.0])
def test_coverage_is_nominal_or_more_everywhere(background):
    """Summed over all counts, for 400 truths; the profile limit of Gammapy falls below in each case."""
    counts, truths = np.arange(200), np.linspace(0.01, 40, 400)
    ours = [probability(s, background, flat_prior_upper_limit(counts, background)) for s in truths]
    assert min(ours) >= 0.95
    profile = CashCountsStatistic(counts, np.full(200, background)).compute_upper_limit(scipy.stats.norm.ppf(0.95))
    assert min(probability(s, background, profile) for s in truths) < 0.95


def test_coverage_is_nominal_on_average_over_the_prior():
    """Signals from a uniform prior up to 12 over 3: exactly 95 % by construction, if the formula is right."""
    counts, edge = np.arange(200), 12.0
    limits = flat_prior_upper_limit(counts, 3.0, signal_max=edge)
    # for each count the prior probability of signals below its limit and of this count
    inside = [
        scipy.stats.gamma.cdf(limit + 3, n + 1) - scipy.stats.gamma.cdf(3, n + 1) for n, limit in enumerate(limits)
    ]
    assert sum(inside) / edge == pytest.approx(0.95, abs=1e-9)


def test_table_of_fakes():
    """1000 fakes of each truth: at least nominal within three binomial standard deviations; negative profile limits."""
    rows = coverage_table(fakes=1000, random_state=1)
    assert len(rows) == len(TRUTHS) * 3
    scatter = 3 * np.sqrt(0.95 * 0.05 / 1000)
    assert min(row["flat prior"] for row in rows) > 0.95 - scatter
    assert min(row["profile"] for row in rows) < 0.95 - scatter
    assert max(row["profile below zero"] for row in rows) > 0
