"""Compiled analyses that several tests share: compiling is the slow part."""

import pytest

from bayesmap.inference import compile_fit
from tests.inference.tiny import make_dataset, source_and_background


@pytest.fixture(scope="session")
def dataset():
    """A point source over a background. Do not change it; make your own with `tests.inference.tiny`."""
    return make_dataset(models=source_and_background())


@pytest.fixture(scope="session")
def fit(dataset):
    """The compiled analysis of the dataset."""
    return compile_fit(dataset)


@pytest.fixture(scope="session")
def tree(fit):
    """A good sample of it."""
    return fit.sample(500, chains=4, random_state=1, progress_bar=False, searches=2)
