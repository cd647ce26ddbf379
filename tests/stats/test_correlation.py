"""Counts of a ring background are told from independent ones."""

import numpy as np
import pytest
from scipy.ndimage import convolve

from bayesmap.stats.correlation import neighbours_share_counts

RING = np.hypot(*np.indices((21, 21)) - 10)
RING = ((RING > 5) & (RING < 9)).astype(float)


@pytest.mark.parametrize("mean", [0.02, 0.5, 30.0])
@pytest.mark.parametrize("seed", range(3))
def test_rings(mean, seed):
    events = np.random.default_rng(seed).poisson(mean, (2, 50, 60)).astype(float)
    ring = np.stack([convolve(image, RING, mode="constant") for image in events])
    assert not neighbours_share_counts(events)
    assert neighbours_share_counts(ring)
    assert neighbours_share_counts(ring + 1e-5)  # round-off of a Fourier transform
    mask = np.ones(events.shape, dtype=bool)
    mask[..., ::2] = False
    assert not neighbours_share_counts(ring, mask)  # no neighbours are left
    assert not neighbours_share_counts(0.7 * ring)  # an expectation is smooth


def test_bright_sources_and_steps_are_no_correlation():
    """Structure only adds to the differences."""
    y, x = np.indices((50, 60))
    mean = 100 * np.exp(-0.5 * ((x - 30) ** 2 + (y - 25) ** 2) / 25) + np.where(x < 20, 1, 5)
    assert not neighbours_share_counts(np.random.default_rng(1).poisson(mean))
    assert not neighbours_share_counts(np.zeros((3, 1, 1)))
