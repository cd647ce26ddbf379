"""Damaged files: each is read or refused by a documented error that names it, soon and in little memory."""

import os

import pytest

from tests.fuzz.run import fuzz
from tests.fuzz.samples import SAMPLES


def failures(count, seed, samples=SAMPLES):
    reports = fuzz(count, seed, samples)
    assert sum(report.files for report in reports.values()) == count * len(samples)
    return [failure for report in reports.values() for failure in report.failures]


@pytest.mark.parametrize("index", range(len(SAMPLES)), ids=lambda index: f"{index}-{SAMPLES[index].format}")
def test_damaged_files(index):
    """A fixed set of a few thousand."""
    assert not failures(80, 9, (SAMPLES[index],))


@pytest.mark.slow
def test_many_damaged_files():
    """128,000 in all, or BAYESMAP_FUZZ per sample; the seed changes with BAYESMAP_FUZZ_SEED."""
    count, seed = (
        int(os.environ.get(name, default)) for name, default in (("BAYESMAP_FUZZ", 4000), ("BAYESMAP_FUZZ_SEED", 1))
    )
    assert not failures(count, seed)
