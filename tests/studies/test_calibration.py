"""Calibration and coverage where the posterior is known, and where it is wrong."""

import numpy as np
import pytest
from scipy import stats

from bayesmap.studies import calibration_table, coverage, coverage_table, sbc, study_text
from bayesmap.studies.calibration import calibrate
from tests.studies.analyses import GammaPoisson, tree_of


@pytest.fixture(scope="module")
def right():
    return sbc(GammaPoisson(), 500, seed=1, progress=False)


def test_a_known_posterior_is_calibrated(right):
    table = calibration_table(right)
    assert list(table["n"]) == [500, 500]
    assert min(table["p_value"]) > 0.05
    assert (np.abs(table["shift"]) < 3 * table["shift_err"]).all()
    assert coverage_table(right, (0.5, 0.68, 0.9, 0.95))["agrees"].all()
    assert "No sign of miscalibration in 2 parameters" in study_text(right)


def test_ranks_are_numbers_between_zero_and_one(right):
    pits = right["prior_sbc"]["s"].to_numpy()
    assert pits.shape == (1, 500)
    assert 0 <= pits.min() < 0.02
    assert 0.98 < pits.max() <= 1


@pytest.mark.parametrize(("factor", "word"), [(0.9, "small"), (1.1, "large")])
def test_errors_that_are_ten_percent_wrong_are_seen(factor, word):
    tree = sbc(GammaPoisson(wrong_sd=factor), 500, seed=1, progress=False)
    table = calibration_table(tree)
    np.testing.assert_allclose(table["width"], 1 / factor, atol=0.08)
    assert f"is not calibrated (p = {min(table['p_value']):.2g}): errors are too {word}" in study_text(tree)


def test_true_values_that_all_lie_in_the_lower_half_are_seen():
    """A plot that divides ranks by the largest of them takes these for uniform."""
    tree = sbc(GammaPoisson(lower=True), 100, seed=1, progress=False)
    assert tree["prior_sbc"]["s"].to_numpy().max() < 0.5
    assert calibration_table(tree)["p_value"][0] < 1e-6
    assert "below the posterior on average" in study_text(tree)
    assert tree["prior_sbc"].to_dataset().azstats.uniformity_test(dim=["chain", "draw"])[0]["s"] < 1e-6


def test_arviz_draws_the_ranks(right):
    import arviz as az

    assert set(az.plot_ecdf_pit(right).viz["ecdf_lines"].data_vars) == {"s", "t"}


def exact_coverage(truth, level, shape=3.0, rate=0.5):
    """Probability that a central interval of the Gamma posterior contains a true mean of Poisson counts."""
    n = np.arange(100)
    low, high = (stats.gamma.ppf(p, shape + n, scale=1 / (rate + 1)) for p in ((1 - level) / 2, (1 + level) / 2))
    return (stats.poisson.pmf(n, truth) * ((low <= truth) & (truth <= high))).sum()


def test_coverage_is_that_of_the_closed_form():
    truths = [{"s": s} for s in (1.0, 4.0, 12.0)]
    tree = coverage(GammaPoisson(draws=1000), 300, truths=truths, seed=3, progress=False)
    table = coverage_table(tree, (0.68, 0.95))
    rows = table[table["name"] == "s"]
    assert list(rows["truth"]) == [1.0, 1.0, 4.0, 4.0, 12.0, 12.0]
    assert set(table[table["name"] == "t"]["truth"]) == {6.0}
    for row in rows:
        expected = exact_coverage(row["truth"], row["level"])
        assert stats.binomtest(round(row["found"] * 300), 300, expected).pvalue > 0.01, row
        assert row["low"] < row["found"] < row["high"]
    # far from the middle of the prior intervals do not cover, and this is said
    assert not rows["agrees"][0]
    assert "68% intervals of s contain 1  in" in study_text(tree)


def test_failed_fits_are_counted_and_not_dropped():
    tree = sbc(GammaPoisson(failing=(3.0,)), 200, seed=1, progress=False)
    errors = tree["simulations"]["error"].to_numpy()
    failed = (errors == "ValueError: cannot fit 3 counts").sum()
    assert 5 < failed < 50
    assert (errors == "").sum() == 200 - failed == tree["prior_sbc"].sizes["draw"]
    assert f"200 simulations, {failed} failed" in study_text(tree)
    np.testing.assert_array_equal(tree["prior_sbc"]["draw"], tree["simulations"]["simulation"][errors == ""])


def test_a_study_in_which_all_fails_says_why():
    with pytest.raises(RuntimeError, match="all 2 simulations failed, the first with ValueError: cannot fit"):
        sbc(GammaPoisson(failing=tuple(range(100))), 2, progress=False)


def test_more_simulations_begin_with_the_same(right):
    fewer = sbc(GammaPoisson(), 20, seed=1, progress=False)
    np.testing.assert_array_equal(fewer["prior_sbc"]["s"][0], right["prior_sbc"]["s"][0, :20])
    other = sbc(GammaPoisson(), 20, seed=2, progress=False)
    assert not np.intersect1d(other["prior_sbc"]["s"], fewer["prior_sbc"]["s"]).size


def test_ranks_of_repeated_draws_are_uniform():
    """Draws of a discrete quantity that equal the truth lie on either side of it by chance."""
    rng = np.random.default_rng(1)
    pits = [
        calibrate(tree_of(x=rng.poisson(2.0, 200).astype(float)), {"x": rng.poisson(2.0)}, rng)["pit"]["x"]
        for _ in range(200)
    ]
    assert stats.kstest(pits, "uniform").pvalue > 0.05


def test_arrays_are_ranked_by_element():
    rng = np.random.default_rng(1)
    record = calibrate(tree_of(x=rng.normal(size=(100, 3))), {"x": np.array([-9.0, 0.0, 9.0]), "unknown": 1.0}, rng)
    low, middle, high = record["pit"]["x"]
    assert low < 0.05 < middle < 0.95 < high
    assert set(record["pit"]) == {"x"}


@pytest.mark.parametrize(
    ("draws", "message"),
    [({"y": np.ones(100)}, "has none of the simulated"), ({"x": np.ones(100)}, "all draws of x are the same")],
)
def test_posteriors_that_cannot_be_ranked(draws, message):
    with pytest.raises(ValueError, match=message):
        calibrate(tree_of(**draws), {"x": 1.0}, np.random.default_rng(1))


def test_bad_numbers():
    with pytest.raises(ValueError, match="n must be a whole number of at least 1, got 0"):
        sbc(GammaPoisson(), 0)
    with pytest.raises(ValueError, match="n_workers must be a whole number of at least 1, got 1.5"):
        sbc(GammaPoisson(), 1, n_workers=1.5)
    with pytest.raises(KeyError, match="no free parameter 'u'"):
        coverage(GammaPoisson(), 1, truths={"u": 1})
    with pytest.raises(ValueError, match="truths must name"):
        coverage(GammaPoisson(), 1, truths=[])
    with pytest.raises(TypeError, match=r"options \['draws'\] are for datasets"):
        sbc(GammaPoisson(), 1, draws=100)


def test_levels_are_probabilities(right):
    with pytest.raises(ValueError, match="between 0 and 1, got \\[68\\]"):
        coverage_table(right, [68])
