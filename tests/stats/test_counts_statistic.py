"""Significance, errors and limits of counts against Gammapy's numbers and their own definitions."""

import numpy as np
import pytest

from bayesmap.stats import CashCountsStatistic, WStatCountsStatistic, cash
from tests.golden import golden

#: of the root finder behind Gammapy's numbers
ROOT = {"errn", "errp", "ul3", "n_sig_matching_5"}


def ours(statistic):
    names = ("n_sig", "n_bkg", "ts", "sqrt_ts", "error", "stat_null", "stat_max", "p_value")
    return {name: getattr(statistic, name) for name in names} | {
        "errn": statistic.compute_errn(),
        "errp": statistic.compute_errp(),
        "ul3": statistic.compute_upper_limit(n_sigma=3),
        "n_sig_matching_5": statistic.n_sig_matching_significance(5),
    }


@pytest.mark.parametrize("kind", ["cash", "wstat"])
def test_against_gammapy(kind):
    case = golden("stats")["counts_statistics"]
    n_on, mu_bkg, n_off, alpha = (case[key].data for key in ("n_on", "mu_bkg", "n_off", "alpha"))
    statistic = CashCountsStatistic(n_on, mu_bkg) if kind == "cash" else WStatCountsStatistic(n_on, n_off, alpha)
    for name, values in ours(statistic).items():
        rtol = 1e-5 if name in ROOT else 1e-9
        np.testing.assert_allclose(values, case[kind][name].data, rtol=rtol, atol=1e-12, err_msg=name)
    total = statistic.sum()
    for name, value in case[kind]["sum"].items():
        assert getattr(total, name) == pytest.approx(value, rel=1e-9), name


@pytest.mark.parametrize(
    "statistic",
    [
        CashCountsStatistic([5, 100, 1], [3.2, 70, 2.0]),
        WStatCountsStatistic([5, 100, 1, 0], [12, 300, 0, 7], [0.25, 0.3, 0.5, 0.2]),
        WStatCountsStatistic([5, 100], [12, 300], [0.25, 0.3], mu_sig=[1.0, 5.0]),
    ],
)
@pytest.mark.parametrize("n_sigma", [1, 3])
def test_errors_are_where_the_statistic_has_risen(statistic, n_sigma):
    for index in np.ndindex(statistic.n_on.shape):
        for value in (-statistic.compute_errn(n_sigma)[index], statistic.compute_errp(n_sigma)[index]):
            rise = statistic._stat(index, statistic.n_sig[index] + value) - statistic.stat_max[index]
            assert rise == pytest.approx(n_sigma**2, rel=1e-7)


@pytest.mark.parametrize(
    "statistic",
    [CashCountsStatistic([5, 100], [3.2, 70]), WStatCountsStatistic([5, 100], [12, 300], [0.25, 0.3])],
)
@pytest.mark.parametrize("significance", [-1.5, 0, 2, 5])
def test_matching_excess_has_the_significance(statistic, significance):
    for index, excess in enumerate(statistic.n_sig_matching_significance(significance)):
        assert statistic._sqrt_ts_of((index,), excess) == pytest.approx(significance, abs=1e-6)


def test_impossible_significances_are_nan():
    assert np.isnan(CashCountsStatistic([1.0], [2.0]).n_sig_matching_significance(-5)).all()
    assert np.isnan(CashCountsStatistic([1.0], [0.0]).n_sig_matching_significance(5)).all()
    assert np.isnan(WStatCountsStatistic([1.0], [2.0], [0.5]).n_sig_matching_significance(-5)).all()


def test_no_counts():
    empty = CashCountsStatistic(0, 2.0)
    assert empty.compute_errn() == 0
    assert empty.compute_errp(2) == 2
    assert empty.compute_upper_limit(2) == 2
    assert empty.sqrt_ts == pytest.approx(-2)
    without_off = WStatCountsStatistic([0.0], [0.0], [0.1])
    np.testing.assert_allclose(without_off.compute_errp(2), [2])
    assert without_off.sqrt_ts == 0
    # without ON acceptance of the background only the signal counts, and nothing limits it from below
    np.testing.assert_array_equal(WStatCountsStatistic([0.0], [3.0], [0.0]).compute_errn(), [0])


def test_li_and_ma():
    # Li & Ma 1983, eq. 17
    n_on, n_off, alpha = 30.0, 60.0, 0.25
    total = n_on + n_off
    expected = 2 * (n_on * np.log((1 + alpha) / alpha * n_on / total) + n_off * np.log((1 + alpha) * n_off / total))
    assert WStatCountsStatistic(n_on, n_off, alpha).ts == pytest.approx(expected, rel=1e-10)


def test_sums_and_selections():
    statistic = WStatCountsStatistic([[5, 10], [0, 0]], [[12, 30], [0, 0]], [[0.25, 0.5], [0.1, 0.3]], mu_sig=1.0)
    summed = statistic.sum(axis=1)
    np.testing.assert_allclose(summed.n_bkg, [18, 0])
    np.testing.assert_allclose(summed.alpha, [18 / 42, 0.2])
    np.testing.assert_array_equal(summed.mu_sig, [2, 2])
    assert statistic[0].n_on.tolist() == [5, 10]
    assert statistic[0, 1].mu_sig == 1
    known = CashCountsStatistic([[5, 10], [1, 2]], 3.0)
    assert known.sum().n_bkg == 12
    assert known[1].n_on.tolist() == [1, 2]
    assert known.stat_null[0, 0] == cash(5, 3.0)


def test_text():
    text = str(WStatCountsStatistic([25, 3], [40, 30], 0.2))
    assert text.startswith("WStatCountsStatistic\n")
    for word in ("n_on", "background", "excess", "significance", "p_value", "n_off", "alpha", "mu_sig"):
        assert word in text
    assert repr(CashCountsStatistic([1, 2], 1)) == "CashCountsStatistic(shape=(2,))"


def test_shapes_must_fit():
    with pytest.raises(ValueError, match="shape mismatch"):
        CashCountsStatistic([1, 2, 3], [1, 2])
