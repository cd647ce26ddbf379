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

from tests.recovery import CASES, FALSE_ALARM, Case, example, fit_of, recover, registered

NAMES = list(registered())


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
    limit = chi2(1).isf(FALSE_ALARM) ** 0.5
    for label, pull in zip(found.names, found.pulls, strict=True):
        assert abs(pull) < limit, (label, pull)
    # it comes from the data: the prior alone would be one wide
    assert np.sqrt(np.diag(found.covariance)).max() < 0.7


def test_all_pulls_together():
    """The sum of weighted squares of unit normals, by the two first moments (Satterthwaite 1946, Biometrics 2, 110)."""
    found = [recovery(name) for name in NAMES]
    weights = np.concatenate([f.weights for f in found])
    scale = (weights**2).sum() / weights.sum()
    expected = chi2(weights.sum() / scale, scale=scale)
    total = sum(f.distance for f in found)
    assert expected.ppf(FALSE_ALARM / 2) < total < expected.isf(FALSE_ALARM / 2), (total, expected.mean())
