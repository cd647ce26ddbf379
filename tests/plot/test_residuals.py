"""Residuals: the numbers against Gammapy's, and the figures."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose
from regions import CircleSkyRegion

from bayesmap.maps import Map
from bayesmap.plot import (
    plot_residuals,
    plot_residuals_spatial,
    plot_residuals_spectral,
    plot_significance,
    plot_significance_distribution,
    residual_image,
    significance_image,
    spectrum_residuals,
    sqrt_ts,
)
from bayesmap.plot.residual_numbers import region_pixels
from tests.datasets.helpers import GC, cta_cutout, read
from tests.golden import golden

CASES = {
    "cta": (lambda: cta_cutout(1.6), CircleSkyRegion(GC, 0.3 * u.deg)),
    "cta_mask": (lambda: cta_cutout(1.6), CircleSkyRegion(GC, 0.3 * u.deg)),
    "crab": (
        lambda: read("hess-dl3-dr1-reduced", "crab-stacked-edispkernelmap.fits.gz", name="crab"),
        CircleSkyRegion(SkyCoord(83.63, 22.01, unit="deg"), 0.2 * u.deg),
    ),
}


@pytest.fixture(scope="module", params=CASES)
def stored(request):
    """Dataset, region, stored numbers, and Gammapy's own prediction (counts minus its residuals)."""
    make, region = CASES[request.param]
    want = golden("stats")[f"residuals/{request.param}"]
    dataset = make().copy(name=request.param)
    geom = dataset.counts.geom
    if request.param == "cta_mask":
        dataset.mask_fit = geom.region_mask([CircleSkyRegion(GC, 0.5 * u.deg)]) & geom.energy_mask(
            0.3 * u.TeV, 8 * u.TeV
        )
    difference = np.nan_to_num(want["residuals[diff]"]["map"].data.astype("float64"))
    return dataset, region, want, Map.from_geom(geom, data=dataset.counts.data - difference, unit="")


@pytest.mark.parametrize("method", ["diff", "diff/model", "diff/sqrt(model)"])
def test_image_is_that_of_gammapy(stored, method):
    dataset, _, want, npred = stored
    image = residual_image(dataset, method, npred=npred)
    wanted = want[f"plot_residuals_spatial[{method}]"].data
    assert image.data.shape == wanted.shape
    assert_allclose(np.isnan(image.data), np.isnan(wanted))
    # the prediction is known to single precision; relative residuals are only compared where something is predicted
    images = npred.data.copy()
    if dataset.mask is not None:
        images *= dataset.mask.data
    some = np.isfinite(wanted) & (images.sum(axis=0) > 1e-3)
    assert some.sum() > 1000
    assert_allclose(image.data[some], wanted[some], rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("method", ["diff", "diff/sqrt(model)"])
def test_spectrum_is_that_of_gammapy(stored, method):
    dataset, region, want, npred = stored
    numbers, spectral = spectrum_residuals(dataset, method, region, npred), want["spectral"]
    assert_allclose(numbers.counts, spectral["counts"].data)
    assert_allclose(numbers.npred, spectral["npred"].data, rtol=1e-5, atol=1e-4)
    assert_allclose(numbers.residuals, spectral[method].data, rtol=1e-5, atol=1e-4)
    with np.errstate(invalid="ignore"):
        expected = spectral["error"].data / (1 if method == "diff" else np.sqrt(numbers.npred))
    assert_allclose(numbers.error, expected, rtol=1e-5)


def test_sqrt_ts_is_that_of_gammapy():
    case = golden("stats")["counts_statistics"]
    got = sqrt_ts(case["n_on"].data, case["mu_bkg"].data)
    assert_allclose(got, case["cash"]["sqrt_ts"].data, rtol=1e-9)


def test_sqrt_ts_special_values():
    assert_allclose(sqrt_ts([0, 0, 3, 5, 2], [0, 2, 3, 0, -1]), [0, -2, 0, np.inf, np.nan])
    # many counts: (n - mu) / sqrt(mu)
    assert_allclose(sqrt_ts(1_001_000, 1_000_000), 1.0, rtol=1e-3)


def test_significance_is_standard_normal_for_a_true_model(dataset):
    """Counts drawn from the prediction, in disks of 13 pixels; many realisations at the central pixel."""
    rng = np.random.default_rng(1)
    fake = dataset.copy(name="tiny")
    npred = dataset.npred()
    values = []
    for _ in range(200):
        fake.counts = Map.from_geom(npred.geom, data=rng.poisson(npred.data).astype("float64"), unit="")
        values.append(significance_image(fake, radius=2.0, npred=npred).data[0, 5, 6])
    assert abs(np.mean(values)) < 4 / np.sqrt(200)
    assert abs(np.std(values) - 1) < 4 / np.sqrt(400)


def test_significance_sums_disks(dataset):
    image = significance_image(dataset, radius="0.1 deg")
    npred = dataset.npred()
    y, x = np.indices(npred.data.shape[1:])
    disk = (y - 4) ** 2 + (x - 7) ** 2 <= 1
    assert_allclose(
        image.data[0, 4, 7], sqrt_ts(dataset.counts.data[:, disk].sum(), npred.data[:, disk].sum()), rtol=1e-6
    )


def test_nothing_outside_the_mask_matters(dataset):
    masked = dataset.copy(name="tiny")
    mask = np.ones(masked.data_shape, dtype=bool)
    mask[:, :, :4] = False
    mask[0] = False
    masked.mask_fit = Map.from_geom(masked.counts.geom, data=mask, unit="")
    before = [f(masked).data for f in (residual_image, significance_image)]
    numbers = spectrum_residuals(masked)
    masked.counts.data[~mask] += 100
    after = [f(masked).data for f in (residual_image, significance_image)]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(np.isnan(one[0]), ~mask.any(axis=0))
    assert_allclose(spectrum_residuals(masked).counts, numbers.counts)
    assert numbers.counts[0] == 0


def test_errors_say_what_is_wrong(dataset):
    with pytest.raises(ValueError, match="method must be one of"):
        plot_residuals_spatial(dataset, method="ratio")
    with pytest.raises(ValueError, match="method must be one of"):
        plot_residuals_spectral(dataset, method="diff/model")
    with pytest.raises(ValueError, match="no pixel of the map"):
        spectrum_residuals(dataset, region=CircleSkyRegion(GC, 0.3 * u.deg))
    with pytest.raises(ValueError, match="npred has shape"):
        residual_image(dataset, npred=dataset.npred().sum_over_axes())
    with pytest.raises(ValueError, match="must not be negative"):
        significance_image(dataset, radius=-1)
    empty = dataset.copy(name="tiny")
    empty.counts = None
    with pytest.raises(ValueError, match="no counts"):
        residual_image(empty)


def test_region_none_is_the_whole_map(dataset):
    assert region_pixels(dataset.counts.geom).all()
    assert spectrum_residuals(dataset).counts.sum() == dataset.counts.data.sum()


def test_figures_take_axes_and_return_them(dataset):
    region = CircleSkyRegion(SkyCoord(25, 0, unit="deg", frame="galactic"), 0.3 * u.deg)
    spatial, spectral = dataset.plot_residuals(
        kwargs_spatial={"cmap": "viridis", "vmin": -1, "vmax": 1}, kwargs_spectral={"region": region, "marker": "s"}
    )
    assert spatial.images[0].get_clim() == (-1, 1)
    assert spatial.patches, "the region is drawn"
    assert "data - model" in spectral.get_ylabel()
    wcs = dataset.counts.geom.to_image().wcs
    ax = plt.figure().add_subplot(projection=wcs)
    assert plot_residuals_spatial(dataset, ax, "diff/sqrt(model)", "box", "0.2 deg") is ax
    ax = plt.figure().add_subplot(projection=wcs)
    assert plot_significance(dataset, ax) is ax
    ax = plt.figure().add_subplot()
    assert dataset.plot_residuals_spectral(ax, method="diff/sqrt(model)", region=region) is ax
    ax = plt.figure().add_subplot()
    assert plot_significance_distribution(dataset, ax) is ax
    one, two = plt.figure(), plt.figure()
    axes = plot_residuals(dataset, one.add_subplot(projection=wcs), two.add_subplot(), npred=dataset.npred_background())
    assert axes[0].figure is one
    assert axes[1].figure is two


def test_arguments_of_the_api_page(dataset):
    """The calls in the examples of Gammapy's page on MapDataset, and the rest of its arguments."""
    region = CircleSkyRegion(SkyCoord(25, 0, unit="deg", frame="galactic"), radius=0.4 * u.deg)
    spatial = {"cmap": "RdBu_r", "vmin": -5, "vmax": 5, "add_cbar": True}
    spectral = {"markerfacecolor": "blue", "markersize": 8, "marker": "s"}
    ax_spatial, ax_spectral = dataset.plot_residuals(
        kwargs_spatial=spatial, kwargs_spectral={"region": region, **spectral}
    )
    line = ax_spectral.containers[0].lines[0]
    assert (line.get_markerfacecolor(), line.get_markersize(), line.get_marker()) == ("blue", 8, "s")
    assert ax_spatial.images[0].get_cmap().name == "RdBu_r"
    ax = dataset.plot_residuals_spatial(method="diff/sqrt(model)", **spatial)
    assert ax.images[0].get_clim() == (-5, 5)
    plt.figure()
    ax = dataset.plot_residuals_spectral(method="diff/sqrt(model)", **spectral)
    assert "sqrt(model)" in ax.get_ylabel()
    wcs = dataset.counts.geom.to_image().wcs
    ax = plt.figure().add_subplot(projection=wcs)
    smoothed = dataset.plot_residuals_spatial(
        ax=ax, method="diff/model", smooth_kernel="disk", smooth_radius="0.2 deg", interpolation="nearest"
    )
    assert smoothed is ax
    axes = plt.figure().add_subplot(1, 2, 1, projection=wcs), plt.figure().add_subplot(1, 2, 2)
    assert dataset.plot_residuals(ax_spatial=axes[0], ax_spectral=axes[1]) == axes


def test_colours_by_their_short_name(dataset):
    """Gammapy's ``c`` is matplotlib's ``color``."""
    ax = dataset.plot_residuals_spectral(plt.figure().add_subplot(), c="red", ls="-")
    assert ax.containers[0].lines[0].get_color() == "red"


def test_masks_are_shaded(dataset):
    masked = dataset.copy(name="tiny")
    geom = masked.counts.geom
    region = CircleSkyRegion(SkyCoord(25, 0, unit="deg", frame="galactic"), radius=0.2 * u.deg)
    masked.mask_safe = geom.energy_mask(energy_min=2 * u.TeV)
    masked.mask_fit = geom.region_mask(region, inside=False)
    ax = masked.plot_residuals_spectral(
        plt.figure().add_subplot(), kwargs_fit={"color": "red"}, kwargs_safe={"label": "safe"}
    )
    assert ax.get_legend_handles_labels()[1] == ["Mask fit", "safe"]
    (low, high), _ = ax.patches[1].get_extents().transformed(ax.transData.inverted()).intervalx, 0
    assert_allclose((low, high), geom.axes["energy"].edges.value[[1, 3]], rtol=1e-6)
    # no pixel of the region is inside the fit mask: nothing to shade
    ax = masked.plot_residuals_spectral(plt.figure().add_subplot(), region=region)
    assert ax.get_legend_handles_labels()[1] == ["Mask safe"]
