"""Posterior figures and the numbers behind them."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose
from regions import CircleSkyRegion

from bayesmap.datasets import Datasets
from bayesmap.maps import MapAxis
from bayesmap.modeling import Models, Prior
from bayesmap.plot import (
    PredictiveBand,
    parameter_draws,
    plot_corner,
    plot_marginal,
    plot_marginals,
    plot_posterior_predictive,
    plot_predictive_band,
    plot_spectrum,
    plot_spectrum_posterior,
    plot_trace,
    plot_traces,
    predictive_band,
    predictive_bands,
    spectrum_draws,
)

REGION = CircleSkyRegion(SkyCoord(25, 0, unit="deg", frame="galactic"), 0.2 * u.deg)
ENERGY = [0.3, 1, 3, 30] * u.TeV


def test_spectrum_draws_are_the_model_at_each_draw(dataset, tree):
    model = dataset.models["source"]
    flux = spectrum_draws(tree, model, ENERGY, num_draws=1000)
    assert flux.shape == (120, 4)
    index, amplitude = (np.sort(parameter_draws(tree, f"source.{name}").value) for name in ("index", "amplitude"))
    assert_allclose(np.sort(flux[:, 1].value), amplitude, rtol=1e-10)
    slope = -np.log(flux[:, 2] / flux[:, 1]).value / np.log(3)
    assert_allclose(np.sort(slope), index, rtol=1e-10)


def test_spectrum_draws_of_a_fixed_posterior_are_the_model(dataset, tree):
    model = dataset.models["source"]
    fixed = tree.copy(deep=True)
    for name in ("index", "amplitude"):
        fixed["posterior"][f"source.{name}"].values[:] = model.spectral_model.parameters[name].value
    flux = spectrum_draws(fixed, model, ENERGY, num_draws=3)
    assert_allclose(flux.to_value("cm-2 s-1 TeV-1"), np.tile(model.spectral_model(ENERGY).value, (3, 1)), rtol=1e-10)


def test_linked_parameters_are_found_under_the_other_name(dataset, tree):
    other = dataset.models["source"].copy(name="other")
    linked = tree.copy(deep=True)
    for name in ("index", "amplitude"):
        linked["posterior"][f"source.{name}"].attrs["linked_models"] = "other"
    assert_allclose(
        spectrum_draws(linked, other, ENERGY).value, spectrum_draws(tree, dataset.models["source"], ENERGY).value
    )
    with pytest.raises(KeyError, match=r"no variable 'third.index'"):
        parameter_draws(linked, "third.index")


def test_predictive_band_is_poisson_around_the_posterior(dataset, tree):
    band = predictive_band(tree, dataset, REGION, num_draws=120)
    inside = dataset.counts.geom.to_image().region_mask(REGION).data
    assert_allclose(band.counts, dataset.counts.data[:, inside].sum(axis=1))
    assert band.draws.shape == (120, 3)
    assert band.n_pixels == inside.sum()
    expected = dataset.npred().data[:, inside].sum(axis=1)
    # amplitude and index vary by 5 %, the position by a tenth of a pixel
    spread = np.sqrt(expected + (0.12 * expected) ** 2)
    assert np.all(np.abs(band.mean - expected) < 4 * spread / np.sqrt(120) + 0.03 * expected)
    low, high = band.interval(0.68)
    wide_low, wide_high = band.interval(0.95)
    assert np.all((wide_low <= low) & (low <= band.median) & (band.median <= high) & (high <= wide_high))
    assert np.all((band.tail_probability >= 0) & (band.tail_probability <= 1))


def test_predictive_band_respects_the_mask(dataset, tree):
    masked = dataset.copy(name="tiny")
    masked.mask_fit = masked.counts.geom.energy_mask(2 * u.TeV, None)
    band = predictive_band(tree, masked, num_draws=5)
    assert band.counts[0] == 0
    assert np.all(band.draws[:, 0] == 0)
    assert np.all(band.draws[:, 2] > 0)


def test_several_regions_share_draws(dataset, tree):
    bands = predictive_bands(tree, dataset, {"all": None, "part": REGION}, num_draws=10)
    assert np.all(bands["part"].draws <= bands["all"].draws)
    assert list(bands) == ["all", "part"]


def test_energies_without_counts_and_prediction_are_left_out():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    draws = np.tile([0.0, 9.0, 4.0, 0.0], (20, 1))
    band = PredictiveBand(axis, np.array([0.0, 8.0, 0.0, 1.0]), draws, 1)
    for relative in (False, True):
        ax = plot_predictive_band(band, relative=relative)
        points = ax.containers[-1].lines[0].get_ydata()
        assert list(np.isfinite(points)) == [False, True, True, not relative], "relative to nothing there is none"
        assert np.isnan(ax.patches[-1].get_data().values[0])


def test_several_datasets_have_no_common_energies(dataset, tree):
    with pytest.raises(TypeError, match=r"one dataset, such as datasets\['tiny'\], not all of \['tiny'\]"):
        plot_posterior_predictive(tree, Datasets([dataset]))


def test_figures_take_axes_and_return_them(dataset, tree):
    model = dataset.models["source"]
    ax = plt.figure().add_subplot()
    assert plot_spectrum_posterior(tree, model, (1 * u.TeV, 10 * u.TeV), ax) is ax
    assert plot_spectrum(model, ("1 TeV", "10 TeV"), ax, linestyle="--") is ax
    assert "erg" in ax.get_ylabel()
    assert plot_spectrum(model, ("1 TeV", "10 TeV"), plt.figure().add_subplot(), energy_power=0).get_xscale() == "log"
    for relative in (False, True):
        ax = plt.figure().add_subplot()
        assert plot_posterior_predictive(tree, dataset, REGION, ax, relative=relative, num_draws=5) is ax
    ax = plt.figure().add_subplot()
    assert plot_trace(tree, "source.index", ax) is ax
    ax = plt.figure().add_subplot()
    assert plot_marginal(tree, "source.index", ax, truth=2.2) is ax
    with pytest.raises(ValueError, match="must be ordered"):
        plot_spectrum(model, ("10 TeV", "1 TeV"))


def test_grids_have_a_panel_per_variable(dataset, tree):
    models = Models(list(dataset.models)).copy()
    models["source"].spectral_model.index.prior = Prior("Normal", mu=2, sigma=0.5)
    axes = plot_marginals(tree, truth={"source.index": 2.2}, models=models)
    assert axes.shape == (5,)
    assert [len(ax.lines) for ax in axes] == [2, 0, 0, 0, 0], "prior and truth of the index"
    assert plot_traces(tree, ["source.index", "tiny-bkg.norm"]).shape == (2,)
    corner = plot_corner(tree, ["source.index", "source.amplitude"], truth={"source.index": 2.2})
    assert corner[0, 1] is None
    assert "cm" in corner[1, 1].get_xlabel()
    with pytest.raises(KeyError, match="no variable"):
        plot_traces(tree, ["source.indx"])
    with pytest.raises(ValueError, match="no variables"):
        plot_corner(tree, [])


def test_draws_without_spread_can_be_shown(tree):
    fixed = tree.copy(deep=True)
    fixed["posterior"]["source.index"].values[:] = 2.0
    plot_corner(fixed, ["source.index", "source.amplitude"])
    plot_marginal(fixed, "source.index")
