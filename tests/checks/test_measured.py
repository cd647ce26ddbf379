"""Checks of images and flux points: silent where the model is right, loud where it is not."""

import numpy as np
import pytest

from bayesmap.checks import can_check, check
from bayesmap.datasets import ImageDataset
from bayesmap.inference import predictive
from bayesmap.modeling import PointSpatialModel
from bayesmap.plot import plot_pit_blocks
from tests.checks.test_checks import failed, tree_of
from tests.inference.test_observations import flux_points
from tests.scenes import at, empty, gaussian_kernel, source

KERNEL = gaussian_kernel(1.7, half=7)


def star_image(sources=1, flux=400.0, **kwargs):
    """Drawn with so many stars, with models of the first; noise of one nJy in a pixel."""
    blank = empty(kwargs.pop("true_kernel", KERNEL), shape=(40, 44))
    x, y = blank.image.bbox.x.start, blank.image.bbox.y.start
    stars = [
        source(at(blank, PointSpatialModel, x + 14.2, y + 20.4), flux, "star"),
        source(at(blank, PointSpatialModel, x + 33.0, y + 9.0), 60.0, "other"),
    ]
    blank.models = stars[:sources]
    dataset = ImageDataset(blank.fake(random_state=4), name="image", psf=KERNEL)
    for p in (stars[0].spatial_model.lon_0, stars[0].spatial_model.lat_0):
        p.frozen = True
    dataset.models = stars[:1]
    return dataset


def checks_of(dataset, **kwargs):
    return check(tree_of(dataset.models, draws=400), dataset, 400, **kwargs)


@pytest.fixture(scope="module")
def right():
    dataset = star_image()
    return dataset, checks_of(dataset, statistics={"brightest": lambda data, mean: data.max()})


def test_a_right_image_passes(right):
    dataset, checks = right
    assert can_check(dataset)
    assert checks.passed, str(checks)
    names = [result.name for result in checks.results]
    assert {"block PIT", "scatter of all data", "largest smoothed residual", "profile of star", "brightest"} <= set(
        names
    )
    # chi2 of the pixels at the truth
    [scatter] = [result for result in checks.results if result.name == "scatter of all data"]
    assert scatter.value == pytest.approx(dataset.stat_sum(), rel=1e-9)
    assert scatter.expected == pytest.approx(40 * 44, rel=0.02)
    assert checks.blocks["image"].labels.shape == (40, 44)


def test_blocks_of_an_image_on_the_sky(right):
    dataset, checks = right
    shown = plot_pit_blocks(checks, dataset).images[0].get_array()
    assert shown.shape == (40, 44)


def test_a_missing_star_is_found_in_its_place():
    checks = checks_of(star_image(sources=2))
    assert "largest smoothed residual" in failed(checks)
    [told] = [r.sentence for r in checks.results if r.name == "largest smoothed residual"]
    position = star_image(sources=2).image.projection.pixel_to_sky(x=9860 + 33, y=13080 + 9)
    assert "an excess" in told
    assert f"lon = {position.ra.deg:.3f} deg, lat = {position.dec.deg:.3f} deg" in told


def test_a_wrong_psf_of_an_image_is_found():
    assert "profile of star" in failed(checks_of(star_image(flux=4000.0, true_kernel=gaussian_kernel(1.9, half=7))))


def test_wrong_errors_and_outliers_of_an_image_are_found():
    dataset = star_image()
    dataset.image.variance.array[:] = 2.0
    other = ImageDataset(dataset.image, models=dataset.models, name="image", psf=KERNEL)
    checks = checks_of(other)
    assert "scatter of all data" in failed(checks)
    assert "errors too large" in str(checks)
    dataset = star_image()
    dataset.image.image.array[5, 6] = 9.0
    checks = checks_of(ImageDataset(dataset.image, models=dataset.models, name="image", psf=KERNEL))
    assert "largest deviation" in failed(checks)


def test_a_radius_larger_than_the_image_is_refused():
    with pytest.raises(ValueError, match="'image': radius is .* pixels, the image"):
        checks_of(star_image(), radius="0.1 deg")


@pytest.mark.parametrize("stat_type", ["chi2", "distrib"])
def test_flux_points(stat_type):
    dataset = flux_points(stat_type)
    tree = tree_of(dataset.models, draws=400)
    checks = check(tree, dataset, 400)
    labels = checks.blocks["points"].labels
    assert (labels >= 0).sum() == checks.tree["pit"]["points"].size == 4  # the limit has no transform
    model = dataset.models[0].spectral_model
    model.index.value, index = model.index.value + 1.0, model.index.value
    wrong = check(tree_of(dataset.models, draws=400), dataset, 400)
    model.index.value = index
    assert {"scatter of all data", "largest deviation"} <= failed(wrong)
    assert " TeV" in str(wrong)
    [scatter] = [r for r in checks.results if r.name == "scatter of all data"]
    if stat_type == "chi2":
        assert scatter.value == pytest.approx(dataset.stat_sum(), rel=1e-9)


def test_data_of_another_fit_are_refused():
    dataset = flux_points()
    tree = predictive(tree_of(dataset.models, 0.01), dataset)
    tree["observed_data"] = tree["posterior_predictive"].isel(chain=0, draw=0)
    with pytest.raises(ValueError, match="'points': its data are not those that were sampled"):
        check(tree, dataset)


@pytest.mark.parametrize("make", [star_image, flux_points])
def test_predicted_data(make):
    """As numbers of the tree: their mean is the prediction."""
    dataset = make()
    tree = predictive(tree_of(dataset.models, 0.001, draws=400), dataset)
    [(name, drawn)] = tree["posterior_predictive"].data_vars.items()
    if name == "image.flux":
        expected, error = dataset.npred().array.sum(), np.sqrt(40 * 44)
        assert float(drawn.mean()) == pytest.approx(expected, abs=5 * error / 20)
        assert float(drawn.std()) == pytest.approx(error, rel=0.15)
    else:
        assert drawn.shape == (2, 200, 4)
    assert list(tree["log_likelihood"]["groups"].dims) == ["chain", "draw", "group"]
