"""The plotting methods hand over to `bayesmap.plot`; what is drawn is tested there."""

import matplotlib as mpl
import pytest

mpl.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


def test_residual_figures(dataset):
    spatial, spectral = dataset.plot_residuals(npred=dataset.npred())
    assert spatial is not spectral
    assert dataset.plot_residuals_spatial(method="diff/sqrt(model)", smooth_radius="0.2 deg") is not None
    assert dataset.plot_residuals_spectral(method="diff/sqrt(model)") is not None


def test_peek(dataset):
    assert dataset.peek(figsize=(6, 4)) is not None
