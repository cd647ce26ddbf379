"""A dataset at a glance."""

import numpy as np
from numpy.testing import assert_allclose

from bayesmap.plot import peek, plot_containment_radius, plot_edisp_matrix, plot_exposure_profile
from tests.datasets.helpers import read
from tests.golden import golden


def test_numbers_are_those_of_the_tutorial():
    want = golden("tutorial")["cta_peek_ingredients"]
    dataset = read("cta-1dc-gc", "cta-1dc-gc.fits.gz", name="cta")
    profile = plot_exposure_profile(dataset).lines[0].get_ydata()
    assert_allclose(profile, want["exposure_profile"].data, rtol=2e-3)
    ax = plot_containment_radius(dataset, plot_exposure_profile(dataset).figure.add_subplot())
    for line, key in zip(ax.lines, ("r68", "r95"), strict=True):
        # Gammapy's radii are quantised to a twentieth of the bins of rad
        assert_allclose(line.get_ydata(), want[key].data, atol=6e-4)
    mesh = plot_edisp_matrix(dataset, ax.figure.add_subplot()).collections[0].get_array()
    assert_allclose(np.ma.filled(mesh, 0.0).T, want["edisp_matrix"].data, atol=1e-5)


def test_panels(dataset):
    axes = peek(dataset)
    titles = [ax.get_title() for ax in axes.ravel()]
    assert titles[0] == "Exposure (at FoV center)"
    assert titles[3].startswith("Exposure map at ")
    assert titles[4:] == ["Counts map", "Model npred"]
    image = axes[1, 1].images[0].get_array()
    assert_allclose(image, dataset.counts.data.sum(axis=0))


def test_a_given_prediction_is_shown(dataset):
    axes = peek(dataset, npred=dataset.npred() * 2)
    assert_allclose(axes[1, 2].images[0].get_array(), 2 * peek(dataset)[1, 2].images[0].get_array())


def test_missing_components_leave_empty_panels(dataset):
    bare = dataset.copy(name="bare")
    bare.models = None
    bare.psf = bare.edisp = bare.exposure = bare.background = None
    axes = bare.peek()
    assert [bool(ax.images) for ax in axes[1]] == [False, True, False]
    assert not axes[0, 1].axison
