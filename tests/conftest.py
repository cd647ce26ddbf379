"""Settings and fixtures for all tests."""

import os
import sys

import numpy as np
import pytest
from hypothesis import settings

# First calls compile; how long a call takes is no property to test.
settings.register_profile("bayesmap", deadline=None)
settings.load_profile("bayesmap")

# before anything imports matplotlib
os.environ["MPLBACKEND"] = "agg"


@pytest.fixture
def rng():
    """Random generator with a fixed seed."""
    return np.random.default_rng(20261121)


@pytest.fixture(autouse=True)
def _close_figures():
    """Close the figures that a test leaves open."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
