"""Simulated data of each registered type of model: the truth comes back, by mode and Laplace errors.

Every free parameter must be inside the central 99.7 % of its Laplace approximation, 2.97 standard deviations. With
other noise each of 131 parameters fails this with a probability of 0.3 %: with new seeds 0.4 failures are expected, and
one run in three shows at least one. The seeds here are fixed, so the tests fail only if something changes. All pulls
together, with their correlations, must be distributed as they should: that test fails with 0.3 % of new seeds.
"""

import functools

import numpy as np
import pytest
from scipy.stats import chi2

from bayesmap.inference import compile_fit
from bayesmap.modeling.files.zoo import zoo_names
from tests.modeling.zoo_data import link_data, models_of, simulate
from tests.recovery import CASES, FALSE_ALARM, Case, example, fit_of, recover, registered, sampled

NAMES = list(registered())
LIMIT = chi2(1).isf(FALSE_ALARM) ** 0.5


@functools.cache
def recovery(name):
    """What comes back of one type. Do not change it."""
    return recover(fit_of(name))


def test_the_table_has_what_the_registry_cannot_create():
    assert set(registered()) >= set(CASES)
    for name in NAMES:
        model = example(name)
        own = any(not p.frozen for p in model.parameters)
        # factors to a flux come with one; `own` says that nothing of the type itself can be recovered
        assert own or not CASES.get(name, Case()).own, name


@pytest.mark.parametrize("name", NAMES)
def test_truth_is_recovered(name):
    found = recovery(name)
    assert found.names
    for label, pull in zip(found.names, found.pulls, strict=True):
        assert abs(pull) < LIMIT, (label, pull)
    # it comes from the data: the prior alone would be one wide
    assert np.sqrt(np.diag(found.covariance)).max() < 0.5


def test_all_pulls_together():
    """The sum of weighted squares of unit normals, by the two first moments (Satterthwaite 1946, Biometrics 2, 110)."""
    found = [recovery(name) for name in NAMES]
    weights = np.concatenate([f.weights for f in found])
    scale = (weights**2).sum() / weights.sum()
    expected = chi2(weights.sum() / scale, scale=scale)
    total = sum(f.distance for f in found)
    assert expected.ppf(FALSE_ALARM / 2) < total < expected.isf(FALSE_ALARM / 2), (total, expected.mean())


def check_sample(create):
    """The truth is inside of the central 99.7 % of the draws, or of those from data with new noise."""
    for seed in (0, 1):
        sample = sampled(create(seed))
        outside = {name: rank for name, rank in sample.ranks.items() if abs(rank) >= LIMIT}
        if not outside:
            return
    raise AssertionError(f"outside of the central 99.7 % twice: {outside}")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_truth_is_recovered_by_sampling(name):
    check_sample(lambda seed: fit_of(name, seed))


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo_names())
def test_truth_of_the_zoo_is_recovered_by_sampling(name, tmp_path, monkeypatch):
    link_data(tmp_path)
    monkeypatch.setenv("GAMMAPY_DATA", str(tmp_path))
    check_sample(lambda seed: compile_fit(simulate(name, models_of(name), seed)))
