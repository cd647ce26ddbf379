"""Figures of checks: what is drawn are the numbers."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy
import xarray as xr

from bayesmap.checks import check
from bayesmap.checks.blocks import Blocks
from bayesmap.plot import (
    mark_worst_blocks,
    plot_block_deviations,
    plot_image_residuals,
    plot_pit_blocks,
    plot_pit_points,
    plot_ppc_profile,
    plot_ppc_spectrum,
)
from tests.checks.test_checks import frozen_positions, tree_of
from tests.checks.test_measured import star_image
from tests.inference.test_observations import flux_points
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


def test_energies_of_one_block_say_nothing_of_where(checked):
    checks, data = checked
    labels = checks.blocks["tiny"].labels.copy()
    several = [len(np.unique(layer[layer >= 0])) > 1 for layer in labels]
    assert any(several)
    deviation = scipy.special.ndtri(checks.tree["loo_pit"]["tiny"].values)
    alone = labels.max() + 1
    labels[~np.array(several)] = -1
    labels = np.append(labels, np.full((1, *labels.shape[1:]), alone), axis=0)
    pit = np.append(checks.tree["loo_pit"]["tiny"].values, 1 - 1e-9)  # far beyond all others
    tree = xr.DataTree.from_dict({"loo_pit": xr.Dataset({"tiny": ("tiny_block", pit)})})
    changed = replace(checks, blocks={"tiny": Blocks(labels, alone + 1)}, tree=tree)
    shown = plot_pit_blocks(changed, data).images[0].get_array()
    assert np.nanmax(np.abs(shown)) <= np.abs(deviation).max()
    plt.close("all")


@pytest.fixture(scope="module")
def image():
    """An image with a star that the model lacks, and its checks."""
    dataset = star_image(sources=2)
    return check(tree_of(dataset.models), dataset, 200), dataset


def test_deviations_of_blocks_of_an_image(image):
    """Sums of the residuals of the pixels of a block over the root of their number, as draws are at one place."""
    checks, dataset = image
    shown = plot_block_deviations(checks, dataset).images[0].get_array()
    labels, residuals = checks.blocks["image"].labels, dataset.residuals("diff/sqrt(var)").array
    for block in (0, 40):
        inside = labels == block
        np.testing.assert_allclose(shown[inside], residuals[inside].sum() / np.sqrt(inside.sum()), rtol=1e-6)
    with pytest.raises(KeyError, match="dataset 'other'"):
        plot_block_deviations(checks, dataset.copy(name="other"))
    plt.close("all")


def test_the_worst_blocks_are_framed(image):
    """Around the missing star, at x = 33 and y = 9 of the image, with their numbers."""
    checks, dataset = image
    ax = mark_worst_blocks(checks, dataset, plot_image_residuals(dataset), 2)
    frames = [patch.get_extents().transformed(ax.transData.inverted()) for patch in ax.patches]
    assert any(f.x0 <= 33 <= f.x1 and f.y0 <= 9 <= f.y1 for f in frames)
    worst = sorted(checks.tree["deviation"]["image"].values, key=abs)[-2:][::-1]
    assert [text.get_text() for text in ax.texts] == [f"{value:+.1f}" for value in worst]
    assert len(frames) == 2
    bare = mark_worst_blocks(checks, dataset, plot_image_residuals(dataset), 4, numbers=False)
    assert (len(bare.patches), len(bare.texts)) == (4, 0)
    assert worst[0] > 4
    plt.close("all")


@pytest.mark.parametrize("left_out", [0, 2])
def test_transforms_of_flux_points(left_out):
    """At their energies, those of the whole posterior and those without the point; a mask leaves some out."""
    dataset = flux_points("chi2")
    keep = np.arange(len(dataset.data.energy_ref)) != left_out
    dataset.mask_fit = keep
    checks = check(tree_of(dataset.models, 0.02, draws=400), dataset, 400)
    ax = plot_pit_points(checks, dataset)
    used = np.asarray(dataset.mask).ravel()
    assert not used[left_out]
    fitted, *others = ax.lines
    np.testing.assert_array_equal(fitted.get_xdata(), dataset.data.energy_ref.value[used])
    np.testing.assert_array_equal(fitted.get_ydata(), checks.tree["pit"]["points"].values)
    loo = np.concatenate([line.get_ydata() for line in others])
    assert sorted(loo) == sorted(checks.tree["loo_pit"]["points"].values)
    low, high = ax.get_ylim()
    assert low < 0 < 1 < high
    plt.close("all")


def test_rough_transforms_of_flux_points_are_crosses():
    dataset = flux_points("chi2")
    checks = check(tree_of(dataset.models, 0.02, draws=400), dataset, 400)
    checks.tree["pareto_k"]["points"][:] = [0.1, 0.9, 0.1, 0.1]
    ax = plot_pit_points(checks, dataset)
    [rough] = [line for line in ax.lines if line.get_marker() == "x"]
    assert rough.get_ydata() == pytest.approx(checks.tree["loo_pit"]["points"].values[[1]])
    plt.close("all")


def test_deviations_are_kept_where_statistics_look_at_blocks(checked):
    checks, _ = checked
    deviation = checks.tree["deviation"]["tiny"].values
    assert len(deviation) == checks.blocks["tiny"].number
    [scatter] = [r for r in checks.results if r.name == "scatter of blocks of 5 counts"]
    assert (deviation**2).sum() == pytest.approx(scatter.value)
