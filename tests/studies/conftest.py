"""One small map, compiled once."""

import pytest

from bayesmap.studies import DatasetAnalysis
from tests.inference.tiny import make_dataset, source_and_background


@pytest.fixture(scope="session")
def analysis():
    """A point source over a background with default priors, as in `tests.inference`."""
    return DatasetAnalysis(make_dataset(models=source_and_background()), draws=150, tune=100)
