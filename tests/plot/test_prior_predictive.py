"""Figures of what the priors predict."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bayesmap.modeling import Prior
from bayesmap.plot import plot_prior_predictive
from tests.inference.tiny import make_dataset, source_and_background


def test_spectra_and_counts():
    models = source_and_background()
    models["source"].spectral_model.set_priors(
        index=Prior("Normal", mu=2.2, sigma=0.1), amplitude=Prior("LogNormal", mu="1e-12 cm-2 s-1 TeV-1", sigma=0.1)
    )
    models["source"].freeze("spatial")
    models["tiny-bkg"].spectral_model.norm.prior = Prior("LogNormal", mu=0.0, sigma=0.05)
    dataset = make_dataset(models=models)
    spectra, counts = plot_prior_predictive(dataset, num_draws=100)
    energy, flux = spectra.lines[0].get_data()
    assert (energy.min(), energy.max()) == pytest.approx((0.7, 15))
    middle = np.argmin(np.abs(energy - 1))
    assert flux[middle] == pytest.approx(1e-12 * 1.602, rel=0.1)
    assert spectra.get_title() == "priors: spectra"
    drawn = counts.lines[0].get_ydata() if counts.lines else counts.containers[0].lines[0].get_ydata()
    assert len(drawn) == 3
    plt.close("all")
    (axes,) = [
        plot_prior_predictive(dataset, axes=plt.subplots(1, 2)[1], energy_bounds=("1 TeV", "5 TeV"), num_draws=20)
    ]
    assert len(axes) == 2
    plt.close("all")


def test_default_priors_are_given():
    dataset = make_dataset(models=source_and_background())
    plot_prior_predictive(dataset, num_draws=20)
    assert dataset.models["source"].spectral_model.index.prior.is_default
    plt.close("all")


def test_no_models():
    with pytest.raises(ValueError, match="dataset 'tiny' has no models"):
        plot_prior_predictive(make_dataset())
