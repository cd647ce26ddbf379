"""Figures of spectrum datasets, and the numbers in them."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose

from bayesmap.datasets import MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff
from bayesmap.maps import Map, MapAxis, RegionGeom
from bayesmap.modeling import PowerLawSpectralModel, SkyModel
from bayesmap.plot import counts_statistic, peek, plot_counts, plot_residuals_spectral, spectrum_residuals
from bayesmap.stats import CashCountsStatistic, WStatCountsStatistic
from tests.golden import golden, shared_path


def source():
    spectrum = PowerLawSpectralModel(index=2.6, amplitude=3.5e-11 * u.Unit("cm-2 s-1 TeV-1"))
    return SkyModel(spectrum, name="crab")


@pytest.fixture
def onoff():
    path = shared_path("data", "joint-crab", "spectra", "hess", "pha_obs23523.fits")
    dataset = SpectrumDatasetOnOff.read(path, name="hess")
    dataset.models = [source()]
    return dataset


@pytest.fixture
def simple():
    """Four energies with a background, without response matrices."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4, name="energy")
    true = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4, name="energy_true")
    geom = RegionGeom.create("icrs;circle(83.63, 22.01, 0.2)", axes=[axis])
    exposure = Map.from_geom(geom.to_image().to_cube([true]), data=np.full((4, 1, 1), 1e9), unit="m2 s")
    counts, background = ([9.0, 5, 0, 1], [2.0, 1, 0.5, 0.25])
    dataset = SpectrumDataset(
        counts=Map.from_geom(geom, data=np.reshape(counts, (4, 1, 1)), unit=""),
        background=Map.from_geom(geom, data=np.reshape(background, (4, 1, 1)), unit=""),
        exposure=exposure,
        name="simple",
    )
    dataset.models = [source()]
    return dataset


def steps(ax, label):
    """Heights of a histogram by its label."""
    (patch,) = [p for p in ax.patches if p.get_label() == label]
    return patch.get_xy()[1:-1:2, 1]


@pytest.mark.parametrize("method", ["diff", "diff/model", "diff/sqrt(model)"])
def test_residuals_are_those_of_gammapy(onoff, method):
    want = golden("stats")["residuals/ogip_hess"][method].data
    assert_allclose(onoff.residuals(method).data.squeeze(), want, rtol=1e-10, atol=1e-10)


def test_statistic_of_the_excess(onoff, simple):
    statistic = counts_statistic(onoff)
    assert isinstance(statistic, WStatCountsStatistic)
    assert_allclose(statistic.n_sig, (onoff.counts.data - onoff.background.data), rtol=1e-12)
    assert isinstance(counts_statistic(simple), CashCountsStatistic)
    assert_allclose(counts_statistic(simple).n_sig.ravel(), [7, 4, -0.5, 0.75])
    simple.background = None
    assert_allclose(counts_statistic(simple).n_sig.ravel(), [9, 5, 0, 1])
    simple.counts = None
    with pytest.raises(ValueError, match="'simple' has no counts"):
        counts_statistic(simple)


def test_counts(simple, onoff):
    ax = simple.plot_counts(kwargs_counts={"color": "red"}, kwargs_background={"ls": ":"}, lw=3)
    assert_allclose(steps(ax, "Counts"), [9, 5, 0, 1])
    assert_allclose(steps(ax, "Background"), [2, 1, 0.5, 0.25])
    assert [p.get_linewidth() for p in ax.patches] == [3, 3]
    assert_allclose(ax.patches[0].get_edgecolor(), (1, 0, 0, 1))
    ax = plt.figure().add_subplot()
    assert onoff.plot_counts(ax) is ax
    assert_allclose(steps(ax, "Background").sum(), onoff.background.data.sum())


def test_excess(simple, onoff):
    ax = simple.plot_excess(kwargs_excess={"marker": "s"}, kwargs_npred_signal={"ls": "--"})
    points = ax.containers[0]
    assert_allclose(points.lines[0].get_ydata(), [7, 4, -0.5, 0.75])
    assert points.lines[0].get_marker() == "s"
    assert_allclose(steps(ax, "Predicted signal counts"), simple.npred_signal().data.ravel())
    low, high = np.array([segment[:, 1] for segment in points.lines[2][1].get_segments()]).T
    assert_allclose((high - low) / 2, np.sqrt([9, 5, 0, 1]))
    ax = onoff.plot_excess(plt.figure().add_subplot(), kwargs_excess={"ms": 7}, color="green")
    assert ax.containers[0].lines[0].get_markersize() == 7
    assert ax.containers[0].lines[0].get_color() == "green"


def test_masks_shade_their_energies(simple):
    geom = simple.counts.geom
    simple.mask_safe = Map.from_geom(geom, data=np.reshape([True, True, False, True], (4, 1, 1)), unit="")
    ax = simple.plot_masks(plt.figure().add_subplot(), kwargs_safe={"color": "green"})
    assert len(ax.patches) == 2, "two ranges"
    simple.mask_fit = simple.mask_safe.copy()
    ax = simple.plot_masks(plt.figure().add_subplot())
    assert ax.get_legend_handles_labels()[1] == ["Mask fit", "Mask safe"]
    simple.mask_safe = simple.mask_fit = None
    assert simple.plot_masks(plt.figure().add_subplot()).get_legend() is None


def test_fit_has_two_panels(simple, onoff):
    for dataset in (simple, onoff):
        upper, lower = dataset.plot_fit(
            kwargs_spectrum={"kwargs_excess": {"color": "blue"}}, kwargs_residuals={"method": "diff/sqrt(model)"}
        )
        assert upper.figure is lower.figure
        assert "sqrt(model)" in lower.get_ylabel()
        assert upper.get_xlim() == lower.get_xlim()
    one, two = plt.figure().add_subplot(), plt.figure().add_subplot()
    assert simple.plot_fit(one, two) == (one, two)


def test_residuals_leave_masked_energies_out(onoff):
    ax = plot_residuals_spectral(onoff, plt.figure().add_subplot())
    drawn = np.isfinite(ax.containers[0].lines[0].get_ydata())
    np.testing.assert_array_equal(drawn, onoff.mask_safe.data.ravel())
    numbers = spectrum_residuals(onoff)
    inside = onoff.mask_safe.data.ravel()
    alpha, n_off = onoff.alpha.data.ravel(), onoff.counts_off.data.ravel()
    expected = np.sqrt(onoff.counts.data.ravel() + alpha**2 * n_off)
    assert_allclose(numbers.error[inside], expected[inside])
    assert (numbers.error[~inside] == 0).all()


def test_peek(simple, onoff):
    axes = onoff.peek()
    assert [ax.get_title() for ax in axes] == ["Counts", "Exposure", "Energy Dispersion"]
    assert axes[2].collections
    assert_allclose(axes[1].lines[0].get_ydata(), onoff.exposure.data.ravel())
    axes = simple.peek(figsize=(9, 3))
    assert not axes[2].axison, "no energy dispersion"
    simple.counts = simple.exposure = None
    assert not simple.peek()[1].axison


def test_map_datasets_with_off_counts():
    dataset = MapDatasetOnOff.read(
        shared_path("data", "hess-dl3-dr1-reduced", "crab-onoff-ring-stacked.fits.gz"), name="ring"
    )
    axes = peek(dataset)
    assert_allclose(axes[1, 1].images[0].get_array(), dataset.counts.data.sum(axis=0))
    spatial, spectral = dataset.plot_residuals()
    assert spatial.images
    assert spectral.containers
    numbers = spectrum_residuals(dataset)
    keep = dataset.mask_safe.data if dataset.mask_safe is not None else np.ones(dataset.data_shape, dtype=bool)
    assert_allclose(numbers.counts, (dataset.counts.data * keep).sum(axis=(1, 2)))


def test_figures_of_regions_need_a_region(dataset, simple):
    with pytest.raises(ValueError, match="'tiny' has sky pixels, this figure is for a region"):
        plot_counts(dataset)
    simple.mask_safe = simple.counts > 0
    simple.counts = simple.background = None
    with pytest.raises(ValueError, match="'simple' has neither counts nor a background to plot"):
        simple.plot_counts()
