"""Power, limits, estimators and simulations for others."""

import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from scipy import stats

from bayesmap.errors import UnexplainedCountsError
from bayesmap.modeling import Prior
from bayesmap.studies import (
    compare,
    comparison_table,
    from_posterior,
    power,
    power_table,
    sensitivity,
    simulate,
)
from bayesmap.studies.detection import Detection
from tests.inference.tiny import background, make_dataset, point, source_and_background
from tests.studies.analyses import GammaPoisson


@pytest.fixture(scope="module")
def found():
    """A source at a fixed place with a fixed index: one parameter of it is free."""
    source = point()
    source.spatial_model.freeze()
    source.spectral_model.index.frozen = True
    source.spectral_model.amplitude.prior = Prior("Uniform", lower=0, upper=1e-11)
    dataset = make_dataset(models=[source, background()])
    flux = u.Quantity([0, 8e-14, 3e-13], "cm-2 s-1 TeV-1")
    return power(dataset, 20, source="source", values=flux, threshold=9, seed=1, progress=False)


def test_bright_sources_are_found_and_absent_ones_are_not(found):
    table = power_table(found)
    np.testing.assert_allclose(table["value"], [0, 8e-14, 3e-13])
    assert str(table["value"].unit) == "1 / (TeV s cm2)"
    assert list(table["n"]) == [20, 20, 20]
    assert table["found"][0] < 0.2
    assert table["found"][2] == 1
    assert table["found"][0] < table["found"][1] < 1
    assert (table["low"] <= table["found"]).all()
    assert (table["found"] <= table["high"]).all()
    assert power_table(found, threshold=1e4)["found"].max() == 0
    assert not any(found["simulations"]["error"].to_numpy())


def test_the_statistic_without_a_source_is_that_of_wilks(found):
    """With a flat prior that ends at zero: zero in half of the cases, else chi-squared with one degree of freedom."""
    ts = found["detection"]["ts"].to_numpy()[0, ::3]
    assert ts.min() > -0.05
    assert stats.binomtest(int((ts > 1e-2).sum()), 20, 0.5 * stats.chi2.sf(1e-2, 1)).pvalue > 0.01
    assert stats.binomtest(int((ts > 1).sum()), 20, 0.5 * stats.chi2.sf(1, 1)).pvalue > 0.01


def test_sensitivity_lies_between_the_values(found):
    assert 0 < sensitivity(found, 0.9) < 3e-13
    assert sensitivity(found, 0.3) < sensitivity(found, 0.9)
    with pytest.raises(ValueError, match="simulate other values to get 50%"):
        sensitivity(found, 0.5, threshold=1e4)


def test_without_anything_else_that_is_free(analysis):
    """Then nothing is fitted without the source."""
    values = analysis.values_of({"source.amplitude": 1e-12})
    record = Detection(analysis, None, "source.amplitude", None).run(values, np.random.default_rng(1))
    assert record["ts"] > 100


def test_limits_lie_above_the_truth(analysis):
    task = Detection(analysis, None, "source.amplitude", 0.95)
    values = analysis.values_of({"source.amplitude": 1e-12})
    limits = [task.run(values, np.random.default_rng(i))["upper_limit"] for i in range(6)]
    assert np.mean(np.array(limits) > 1e-12) > 0.6
    assert max(limits) < 2e-12


def test_power_says_what_is_wrong():
    dataset = make_dataset(models=source_and_background())
    with pytest.raises(KeyError, match="no model 'sauce' .did you mean 'source'"):
        power(dataset, 2, source="sauce")
    with pytest.raises(ValueError, match="limit is a probability between 0 and 1, got 95"):
        power(dataset, 2, source="source", limit=95)
    dataset.models["source"].spectral_model.amplitude.frozen = True
    with pytest.raises(ValueError, match="'source' has no free amplitude"):
        power(dataset, 2, source="source")


def sample_mean(analysis, data, seed):
    """Counts as an estimate of their mean."""
    return {name: (data[name], np.sqrt(max(data[name], 1))) for name in ("s", "t")}


def moody(analysis, data, seed):
    """Fails at some counts."""
    if data["s"] < 5:
        raise ArithmeticError("too few")
    return sample_mean(analysis, data, seed)


@pytest.fixture(scope="module")
def comparison():
    estimators = {"posterior": from_posterior, "counts": sample_mean, "moody": moody}
    return compare(GammaPoisson(), 200, estimators=estimators, truths={"s": 6.0}, seed=1, progress=False)


def test_bias_and_scatter_are_those_of_closed_forms(comparison):
    """The Gamma posterior of n counts has the mean (a + n) / (b + 1)."""
    table = comparison_table(comparison)
    rows = {row["estimator"]: row for row in table if row["name"] == "s"}
    assert rows["counts"]["bias"] == pytest.approx(0, abs=4 * rows["counts"]["bias_err"])
    assert rows["counts"]["scatter"] == pytest.approx(np.sqrt(6), rel=0.2)
    # all get the same data
    values = comparison["estimates"]["s"].sel(quantity="value")
    counts = values.sel(estimator="counts").to_numpy()
    np.testing.assert_allclose(values.sel(estimator="posterior"), (3 + counts) / 1.5, atol=0.8)
    assert rows["posterior"]["scatter"] == pytest.approx(np.sqrt(6) / 1.5, rel=0.2)


def test_an_estimator_that_fails_is_counted(comparison):
    rows = {row["estimator"]: row for row in comparison_table(comparison) if row["name"] == "s"}
    few = (comparison["estimates"]["s"].sel(estimator="counts", quantity="value") < 5).sum()
    assert rows["moody"]["failed"] == few > 10
    assert rows["moody"]["n"] + rows["moody"]["failed"] == rows["counts"]["n"] == 200


def test_comparison_says_what_is_wrong(comparison, found):
    with pytest.raises(ValueError, match="estimators must be functions by name"):
        compare(GammaPoisson(), 2, estimators={"mean": 3})
    with pytest.raises(ValueError, match="no study of power"):
        power_table(comparison)
    with pytest.raises(ValueError, match="no comparison of estimators"):
        comparison_table(found)


def test_simulations_for_others(tmp_path):
    dataset = make_dataset(models=source_and_background())
    dataset.mask_fit = dataset.counts.geom.energy_mask("2.5 TeV")
    tree = simulate(dataset, 30, block=8, seed=1, path=tmp_path / "sims.nc")
    counts = tree["summaries"]["tiny.counts"].to_numpy()
    assert counts.shape == (30, 3, 3, 4)
    assert counts[:, 0].max() == 0  # outside of the mask
    norm = tree["parameters"]["tiny-bkg.norm"]
    assert np.corrcoef(norm, counts[:, 1:, 0, 0].sum(axis=1))[0, 1] > 0.5
    with xr.open_datatree(tmp_path / "sims.nc") as stored:
        np.testing.assert_array_equal(stored["summaries"]["tiny.counts"], counts)
    # sums over all pixels are those of the blocks, and the first simulations do not depend on their number
    whole = simulate(dataset, 3, seed=1)
    np.testing.assert_array_equal(whole["summaries"]["tiny.counts"], counts[:3].sum(axis=(2, 3)))
    own = simulate(dataset, 3, seed=1, summary=lambda counts: [counts["tiny"].sum(), counts["tiny"].max()])
    np.testing.assert_array_equal(own["summaries"]["summary"][:, 0], counts[:3].sum(axis=(1, 2, 3)))
    fixed = simulate(dataset, 2, seed=1, truths={"tiny-bkg.norm": 2.0})
    assert set(fixed["parameters"]["tiny-bkg.norm"].to_numpy()) == {2.0}
    with pytest.raises(ValueError, match="block must be a whole number of at least 1, got 0"):
        simulate(dataset, 3, block=0)


def test_counts_that_only_the_source_explains_are_a_detection(analysis):
    """Without it the data are refused: no failed simulation, but the clearest of all detections."""

    class Null:
        def set_counts(self, counts):
            raise UnexplainedCountsError("3 bins hold counts but no model predicts any there")

    task = Detection(analysis, Null(), "source.amplitude", None)
    record = task.run(analysis.current_values(), np.random.default_rng(1))
    assert record["ts"] == np.inf
