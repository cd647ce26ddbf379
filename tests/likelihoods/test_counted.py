"""The sum over counts at the cost of the bins near sources, against the plain sum, also without background."""

import functools

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bayesmap.likelihoods.counted import CountedLogSum

N_ENERGY = 3
KEYS = ["touched", "source", "factor", "counts", "energy", "background"]


@functools.cache
def compiled(mode):
    touched, energy = pt.lvector(), pt.lvector()
    source, factor, counts, background, log_background, per_energy = (pt.dvector() for _ in range(6))
    bins = pt.lmatrix()
    value = CountedLogSum()(touched, source, factor, counts, energy, background, log_background, per_energy, bins)[0]
    inputs = [touched, source, factor, counts, energy, background, log_background, per_energy, bins]
    return pytensor.function(inputs, [value, *pt.grad(value, [source, factor])], mode=mode)


def shortcut(mode, touched, source, factor, counts, energy, background):
    """Sum and gradients, from the numbers that a fold prepares."""
    log_background = np.log(np.where(background > 0, background, 1.0))
    per_energy = np.bincount(energy, counts, N_ENERGY)
    bins = np.stack([np.bincount(e, minlength=N_ENERGY) for e in (energy, energy[background == 0])])
    value, *gradients = compiled(mode)(
        touched, source, factor, counts, energy, background, log_background, per_energy, bins
    )
    return value + (counts * log_background).sum(), *gradients


def plain(touched, source, factor, counts, energy, background):
    everywhere = np.zeros(len(counts))
    everywhere[touched] = source
    with np.errstate(divide="ignore"):
        return (counts * np.log(background * factor[energy] + everywhere)).sum()


levels = st.sampled_from([0.0, 1e-140, 1e-20, 0.3, 5.0, 1e8])


@st.composite
def cases(draw):
    n = draw(st.integers(0, 8))
    vector = lambda elements, size: np.array(draw(st.lists(elements, min_size=size, max_size=size)))  # noqa: E731
    touched = np.flatnonzero(vector(st.booleans(), n).astype(bool))
    counts = vector(st.sampled_from([1.0, 2.0, 77.0, 1e9]), n).astype(float)
    energy = vector(st.integers(0, N_ENERGY - 1), n).astype(int)
    source, factor = vector(levels, len(touched)).astype(float), vector(levels, N_ENERGY)
    return touched, source, factor, counts, energy, vector(levels, n).astype(float)


ONE = np.ones(1)
EMPTY = (np.array([0]), ONE, np.array([0.0, 1, 1]), 3 * ONE, np.array([0]), 0 * ONE)


@given(cases())
@example(EMPTY)  # a source, no background and a factor of zero
@example((EMPTY[0], 0 * ONE, *EMPTY[2:]))  # and no source
@example((np.array([], int), np.array([]), np.array([0.0, 1, 1]), ONE, np.array([1]), ONE))
@settings(deadline=None)
def test_equals_the_plain_sum(case):
    value, by_source, by_factor = shortcut("FAST_COMPILE", *case)
    assert value == pytest.approx(plain(*case), rel=1e-12, abs=1e-9)
    if value == -np.inf:
        return
    touched, source, factor, counts, energy, background = case
    everywhere = np.zeros(len(counts))
    everywhere[touched] = source
    sensitivity = counts / (background * factor[energy] + everywhere)
    np.testing.assert_allclose(by_source, sensitivity[touched], rtol=1e-12)
    np.testing.assert_allclose(by_factor, np.bincount(energy, sensitivity * background, N_ENERGY), rtol=1e-12)


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "NUMBA"])
def test_modes_agree_and_no_number_is_impossible(mode):
    touched, counts, energy = np.array([0, 2]), np.array([1.0, 4, 2, 9]), np.array([0, 1, 1, 2])
    case = touched, np.array([0.4, 2.0]), np.array([1.0, 2, 3]), counts, energy, np.array([0.0, 1, 2, 3])
    assert shortcut(mode, *case)[0] == pytest.approx(plain(*case), rel=1e-13)
    for bad in (np.nan, np.inf * 0, -1.0):
        assert shortcut(mode, touched, np.array([0.4, bad]) - 9 * (bad == -1), *case[2:])[0] == -np.inf


def test_there_is_no_second_derivative():
    vectors = [pt.dvector() for _ in range(6)]
    value = CountedLogSum()(np.arange(0), *vectors[:3], np.arange(0), *vectors[3:], np.zeros((2, 3), int))[0]
    with pytest.raises(NotImplementedError, match="second derivatives"):
        pt.grad(pt.grad(value, vectors[1]).sum(), vectors[1])
