"""No value of the density is ever NaN on legal data and priors."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from bayesmap._backend.functions import QUICK
from bayesmap.inference.compile import compile_datasets
from bayesmap.inference.density import LogDensity
from tests.inference.any_data import datasets

RNG = np.random.default_rng(1)
#: points of the unconstrained variables, in widths of the priors: near the centre, and as far as samplers ever get
STEPS = [0.0, 0.1, 1.0, 1.0, 3.0, 3.0, 10.0, 30.0, 300.0]
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def check(dataset):
    """Values and gradients at many points; data that no parameters explain must say so."""
    try:
        model, _ = compile_datasets(dataset)
    except ValueError as error:
        assert "hold counts but no model predicts any there" in str(error)  # noqa: PT017 - legal, and said
        return
    density = LogDensity(model, mode=QUICK)
    for step in STEPS:
        theta = density.start + step * RNG.normal(size=density.size)
        for jacobian in (True, False):
            value, gradient = density(theta, jacobian)
            assert value < np.inf, theta  # false for NaN
            assert not np.isnan(gradient).any() or value == -np.inf, (theta, value, gradient)


@given(datasets())
@settings(max_examples=3, deadline=None, suppress_health_check=QUIET, derandomize=True)
def test_no_value_is_nan(dataset):
    check(dataset)


@pytest.mark.slow
@given(datasets())
@settings(max_examples=300, deadline=None, suppress_health_check=QUIET)
def test_no_value_is_nan_anywhere(dataset):
    check(dataset)
