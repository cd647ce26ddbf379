"""Garbage is looked for more seldom where many objects are made that stay."""

import gc
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from bayesmap._garbage import SELDOM, seldom_collected


@pytest.fixture(autouse=True)
def _as_before():
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_what_was_set_comes_back():
    gc.set_threshold(500, 7, 8)
    with seldom_collected():
        assert gc.get_threshold() == (SELDOM, 7, 8)
        with seldom_collected():
            assert gc.get_threshold()[0] == SELDOM
        assert gc.get_threshold()[0] == SELDOM
    assert gc.get_threshold() == (500, 7, 8)


def test_after_an_error():
    gc.set_threshold(500)
    with pytest.raises(KeyError), seldom_collected():
        raise KeyError
    assert gc.get_threshold()[0] == 500


@pytest.mark.parametrize("threshold", [0, 10 * SELDOM])
def test_who_wants_fewer_collections_gets_them(threshold):
    gc.set_threshold(threshold)
    with seldom_collected():
        assert gc.get_threshold()[0] == threshold
    assert gc.get_threshold()[0] == threshold


def test_threads_that_overlap():
    gc.set_threshold(500)
    inside = Barrier(4)

    @seldom_collected()
    def work(_):
        inside.wait(60)
        return gc.get_threshold()[0]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4)))[0] == SELDOM
    assert gc.get_threshold()[0] == 500
