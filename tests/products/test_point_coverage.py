"""The coverage table of the user guide: closed forms beside draws of `flux_points` and beside Gammapy's estimator."""

import json

import astropy.units as u
import numpy as np
import pytest
import scipy.stats

from bayesmap.datasets import SpectrumDatasetOnOff
from bayesmap.likelihoods import OnOffLikelihood
from bayesmap.maps import MapAxis, RegionGeom, RegionNDMap
from bayesmap.modeling import PowerLawSpectralModel, SkyModel
from bayesmap.products import flux_points
from bayesmap.stats import WStatCountsStatistic, flat_prior_upper_limit
from benchmarks.point_coverage import (
    A0,
    ALPHA,
    BACKGROUND,
    LIMIT,
    SOURCES,
    coverage_table,
    exact_limit_coverage,
    posterior_below,
    prior_table,
    profile_holds,
)
from tests.products.test_crab_points import REFERENCE

FAKES = 1000
#: of a share of 0.95 in 1000 fakes: three standard deviations
NOISE = 3 * np.sqrt(0.95 * 0.05 / FAKES)


@pytest.fixture(scope="module")
def gammapy():
    return json.loads(REFERENCE.read_text())["cases"]["fakes"]


@pytest.fixture(scope="module")
def table():
    return coverage_table(FAKES)


def filled(axis, values, unit=""):
    geom = RegionGeom.create(None, axes=[axis])
    return RegionNDMap.from_geom(geom, data=np.reshape(values, geom.data_shape).astype(float), unit=unit)


def dataset_of(n_on, n_off, unit):
    """Five bands of one bin each, a perfect response, ``unit`` counts of a norm of one."""
    edges = np.geomspace(1, 20, 6) * u.TeV
    energy, true = (MapAxis.from_energy_edges(edges, name=name) for name in ("energy", "energy_true"))
    spectrum = PowerLawSpectralModel(index=2.2, amplitude="1e-12 cm-2 s-1 TeV-1")
    exposure = (unit / spectrum.integral(edges[:-1], edges[1:])).to_value("m2 s")
    dataset = SpectrumDatasetOnOff(
        counts=filled(energy, n_on),
        counts_off=filled(energy, n_off),
        acceptance=filled(energy, np.ones(5)),
        acceptance_off=filled(energy, np.full(5, 1 / ALPHA)),
        exposure=filled(true, exposure, "m2 s"),
        name="fake",
    )
    dataset.models = [SkyModel(spectrum, name="s")]
    return dataset, edges


def test_the_posterior_is_that_of_flux_points(gammapy):
    """Of draws of the closed form the shares below them are uniform: their quantiles at 68 % and 95 % are checked."""
    unit = np.array(gammapy["unit"])
    for row in gammapy["rows"][:2]:
        n_on, n_off = np.array(row["n_on"]), np.array(row["n_off"])
        dataset, edges = dataset_of(n_on, n_off, unit)
        assert OnOffLikelihood().a0 == A0
        points = flux_points(dataset, edges, draws=2000, random_state=1, progress_bar=False)
        draws = points.draws.values.reshape(-1, 5)
        for level in (0.1587, 0.5, 0.8413, 0.95):
            share = posterior_below(unit * np.quantile(draws, level, axis=0), n_on, n_off=n_off)
            assert np.abs(share - level).max() < 4 * np.sqrt(level * (1 - level) / 2000)  # that many effective draws


def test_with_a_known_background_it_is_the_limit_of_the_package():
    n_on, background = np.array([0, 1, 3, 20, 140]), np.array([0.5, 2.0, 4.0, 8.0, 8.0])
    limit = flat_prior_upper_limit(n_on, background, 0.95)
    assert np.allclose(posterior_below(limit, n_on, background), 0.95)
    end = flat_prior_upper_limit(n_on, background, 0.95, 200.0)
    assert np.allclose(posterior_below(end, n_on, background, largest=200.0), 0.95)


def test_the_profile_is_that_of_gammapy(gammapy):
    """The estimator's norms, errors and limits are those of the W statistic, and hold what `profile_holds` says.

    Its fit stops within 0.04 counts of the minimum; what it says of errors and limits is exact.
    """
    unit, truth = np.array(gammapy["unit"]), np.array(SOURCES["medium"])
    assert len(gammapy["rows"]) == 20
    for row in gammapy["rows"]:
        n_on, n_off = np.array(row["n_on"]), np.array(row["n_off"])
        statistic = WStatCountsStatistic(n_on, n_off, ALPHA)
        norm, errn, errp, limit = (unit * np.array(row[f"norm{name}"]) for name in ("", "_errn", "_errp", "_ul"))
        assert np.allclose(norm, statistic.n_sig, atol=0.04)
        assert np.allclose(norm - errn, statistic.n_sig - statistic.compute_errn(), atol=0.04)
        assert np.allclose(norm + errp, statistic.n_sig + statistic.compute_errp(), atol=0.04)
        assert np.allclose(limit, statistic.compute_upper_limit(LIMIT), atol=1e-3)
        one, _, above = profile_holds(truth, n_on, n_off=n_off)
        assert np.array_equal(one, (norm - errn <= truth) & (truth <= norm + errp))
        assert np.array_equal(above, truth <= limit)


def test_limits_are_nominal_or_more_everywhere(table):
    assert {row["source"] for row in table} == set(SOURCES)
    assert min(row["limit flat prior"] for row in table) > 0.95 - NOISE
    assert all(row["limit flat prior"] == 1 for row in table if row["signal"] == 0)
    assert min(row["limit profile"] for row in table) < 0.9  # those of the profile are not


@pytest.mark.parametrize("source", SOURCES)
def test_exact_coverage_of_limits_over_a_known_background(source):
    """Summed over all counts instead of fakes: at least 95 % whatever the signal."""
    n_on = np.arange(400)
    for signal, background in zip(SOURCES[source], BACKGROUND, strict=True):
        holds = posterior_below(np.full(400, signal), n_on, np.full(400, background)) <= 0.95
        assert scipy.stats.poisson.pmf(n_on, signal + background) @ holds > 0.95, (signal, background)


def test_exact_coverage_of_limits_over_a_measured_background(table):
    """Nominal with five times the acceptance in OFF; the guide says how much is missing with hardly any OFF counts."""
    signals = np.linspace(0.5, 49.5, 25)
    few = exact_limit_coverage(signals, 0.05, 1.0, 80, 20)[signals < 30]
    assert few.min() == pytest.approx(0.942, abs=0.003)
    some = exact_limit_coverage(signals, 0.5, ALPHA, 110, 30)
    assert some.min() > 0.95
    (row,) = [r for r in table if (r["background"], r["signal"], r["level"]) == ("OFF", 8.0, 1.0)]
    exact = exact_limit_coverage([8.0], 1.0)[0]
    assert row["limit flat prior"] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / FAKES))


def test_on_average_over_the_prior_all_are_nominal():
    """Exactly over a known background; with OFF counts the truth of the background is not drawn from its prior."""
    for row in prior_table(20_000):
        slack = 0.003 if row["background"] == "OFF" else 0.0
        for name, level in (("68 %", 0.6827), ("95 %", 0.95), ("limit", 0.95)):
            error = 4 * np.sqrt(level * (1 - level) / 20_000)
            assert row[f"{name} flat prior"] == pytest.approx(level, abs=error + slack), row
