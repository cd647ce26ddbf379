"""Figures of checks: what is drawn are the numbers."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy

from bayesmap.checks import check
from bayesmap.plot import plot_pit_blocks, plot_ppc_profile, plot_ppc_spectrum
from tests.checks.test_checks import frozen_positions, tree_of
from tests.inference.tiny import make_dataset, source_and_background


@pytest.fixture(scope="module")
def checked():
    models = frozen_positions(source_and_background())
    data = make_dataset(models=models, level=3.0)
    return check(tree_of(models), data), data


@pytest.mark.parametrize("plot", [plot_ppc_spectrum, plot_ppc_profile])
def test_profiles(checked, plot):
    checks, _ = checked
    ax = plot(checks)
    members = checks.spectra if plot is plot_ppc_spectrum else checks.profiles
    [profile] = members.values()
    mean = profile.replicates.mean(axis=0)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), (profile.counts - mean) / np.sqrt(mean))
    with pytest.raises(KeyError, match="'nothing'"):
        plot(checks, "nothing")


def test_table_for_notebooks(checked):
    checks, _ = checked
    text = checks._repr_html_()
    assert str(checks).splitlines()[0] in text
    assert text.count("<tr>") == 1 + len(checks.results)
    assert all(f"<td>{result.p:.2g}</td>" in text for result in checks.results)


def test_blocks_on_the_sky(checked):
    checks, data = checked
    ax = plot_pit_blocks(checks, data)
    shown = ax.images[0].get_array()
    deviation = scipy.special.ndtri(checks.tree["loo_pit"]["tiny"].values)
    at = checks.blocks["tiny"].labels[:, 5, 7]
    values = deviation[at]
    assert shown[5, 7] == pytest.approx(values[np.argmax(np.abs(values))])
    plt.close("all")
