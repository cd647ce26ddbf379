"""Figures of images of flux, and their report."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bayesmap.datasets import ImageDataset
from bayesmap.images import Box
from tests.scenes import stored_coadd, true_models


@pytest.fixture(scope="module")
def dataset():
    coadd = stored_coadd()
    return ImageDataset(coadd[Box.from_shape((30, 40), (13095, 9795))], true_models([0]), name="r")


def shown(ax):
    return np.ma.getdata(ax.images[0].get_array()), np.ma.getmaskarray(ax.images[0].get_array())


def test_image(dataset):
    values, blank = shown(dataset.plot_image())
    np.testing.assert_array_equal(blank, ~dataset.mask_safe)
    np.testing.assert_allclose(values[~blank], dataset.data[dataset.mask_safe])


@pytest.mark.parametrize("method", ["diff", "diff/sqrt(var)"])
def test_residuals(dataset, method):
    ax = plt.figure().add_subplot(projection=dataset.geom.wcs)
    assert dataset.plot_residuals(ax, method) is ax
    values, blank = shown(ax)
    np.testing.assert_allclose(values[~blank], dataset.residuals(method).array[dataset.mask_safe])
    low, high = ax.images[0].get_clim()
    assert low == -high
    assert (high == 5) == (method != "diff")


def test_peek(dataset):
    axes = dataset.peek()
    assert [ax.get_title() for ax in axes] == ["data", "prediction", "residuals / standard deviation"]
    np.testing.assert_allclose(shown(axes[1])[0], dataset.npred().array)
    assert axes[0].images[0].get_clim() == axes[1].images[0].get_clim()
