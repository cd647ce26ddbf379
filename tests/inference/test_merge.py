"""Chains of several runs as one result."""

import json

import numpy as np
import pytest
import xarray as xr

from bayesmap import convergence_report
from bayesmap.inference import merge_draws
from tests.plot.conftest import make_dataset
from tests.results import made_up_result


def result(seed, **kwargs):
    tree = made_up_result(make_dataset(), seed=seed, **kwargs)
    tree.attrs["seed"] = seed
    return tree


@pytest.fixture(scope="module")
def pair():
    return [result(1), result(2, chains=3)]


def test_all_chains_are_there_and_count(pair):
    merged = merge_draws(pair)
    draws = [tree["posterior"]["source.index"].values for tree in pair]
    np.testing.assert_array_equal(merged["posterior"]["source.index"].values, np.concatenate(draws))
    assert list(merged["posterior"]["chain"].values) == [0, 1, 2, 3, 4]
    assert merged["sample_stats"].sizes["chain"] == 5
    xr.testing.assert_identical(merged["observed_data"].to_dataset(), pair[0]["observed_data"].to_dataset())
    assert merged["posterior"]["source.index"].attrs == pair[0]["posterior"]["source.index"].attrs
    assert [(run["seed"], run["chains"]) for run in json.loads(merged.attrs["runs"])] == [(1, 2), (2, 3)]
    again = merge_draws([merged, result(3)])
    assert [run["seed"] for run in json.loads(again.attrs["runs"])] == [1, 2, 3]
    assert again["posterior"].sizes["chain"] == 7


def test_rhat_is_of_all(pair):
    """Runs that disagree by five standard deviations are each fine."""
    shifted = result(2, shift=5.0)
    assert max(convergence_report(pair[0]).rhat.values()) < 1.1
    assert convergence_report(merge_draws([pair[0], shifted])).rhat["source.index"] > 1.5


def changed(tree, **attrs):
    other = tree.copy()
    other.attrs = {**tree.attrs, **attrs}
    return other


def test_what_does_not_belong_together(pair):
    one, two = pair
    several = two.copy()
    several["sample_stats"] = two["sample_stats"].to_dataset().assign(mode=two["sample_stats"]["lp"] > 0)
    fewer = two.copy()
    fewer["posterior"] = two["posterior"].to_dataset().drop_vars("source.index")
    cases = [
        ([one, changed(two, models="")], "different models or priors"),
        ([one, changed(two, data_digests="{}")], "different data"),
        ([one, result(4, draws=50)], "60 and 50 draws per chain"),
        ([one, changed(two, seed=1)], "same seed, 1"),
        ([one, several], "several modes"),
        ([one, fewer], r"different variables: \['source.index'\]"),
        ([], "no results"),
    ]
    for trees, message in cases:
        with pytest.raises(ValueError, match=message):
            merge_draws(trees)
    more = two.copy()
    more["prior"] = two["posterior"].to_dataset()
    with pytest.warns(UserWarning, match=r"not all results have the groups \['prior'\]"):
        assert "prior" not in merge_draws([one, more]).children
