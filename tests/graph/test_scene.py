"""Sources on an image at its edges, in missing cells and across cells, against larger images and single kernels."""

import astropy.units as u
import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import signal

from bayesmap._backend.program import number
from bayesmap.datasets import ImageDataset
from bayesmap.graph.pixel import SkyToPixel
from bayesmap.graph.scene import Scene
from bayesmap.inference import find_mode
from bayesmap.maps import Map
from bayesmap.modeling import (
    ConstantFluxSpatialModel,
    ConstantSpatialModel,
    GaussianSpatialModel,
    PointSpatialModel,
    Prior,
    SersicSpatialModel,
    TemplateSpatialModel,
)
from tests.scenes import at, empty, gaussian_kernel, source, stored_coadd


@pytest.fixture(name="coadd")
def fixture_coadd():
    return stored_coadd()


KERNEL = gaussian_kernel(1.6, half=12)


def drawn(dataset, x, y, cls=SersicSpatialModel, **shape):
    """The image of a source of 1 nJy at a pixel of the tract."""
    dataset.models = source(at(dataset, cls, x, y, **shape), 1.0)
    return dataset.npred()


@pytest.mark.parametrize(("n", "r_eff"), [(0.5, 0.6), (1.0, 0.6), (4.0, 0.6), (4.0, 2.0)])
@pytest.mark.parametrize("distance", [0, 5, 45, 60, 80, 170, 1000])
def test_galaxy_beyond_the_edge(coadd, n, r_eff, distance):
    """It shines into the image as into the same pixels of a larger one, and never comes in on the other side."""
    shape = {"n": n, "r_eff": r_eff * u.arcsec, "q": 0.8, "phi": 20 * u.deg}
    small = empty(KERNEL, (13080, 9780), (61, 61))
    found = drawn(small, 9840.0 + distance, 13110.0, **shape).array
    large = empty(KERNEL, (13020, 9780), (180, 240))
    image = drawn(large, 9840.0 + distance, 13110.0, **shape).array if distance <= 170 else np.zeros((180, 240))
    peak = drawn(large, 9900.0, 13110.0, **shape).array.max()
    np.testing.assert_allclose(found, image[60:121, :61], atol=1e-5 * peak)


def test_galaxy_that_moves_off_the_plane_gives_nothing(coadd):
    """Also where the scene was made for a place inside: the transform itself would draw it on the other side."""
    dataset = empty(KERNEL, (13080, 9780), (61, 61))
    place = [dataset.image.projection.pixel_to_sky(x=x, y=13110.0) for x in (9810.0, 9920.0)]
    spatial = SersicSpatialModel(lon_0=place[0].ra, lat_0=place[0].dec, r_eff="0.6 arcsec")
    scene = Scene(dataset.scene_arrays(), [source(spatial, 1.0)])
    values = {p: pt.constant(p.internal) for p in scene.models[0].parameters}
    assert number(scene.image(values)).sum() == pytest.approx(1, abs=1e-3)
    moved = {**values, spatial.lon_0: pt.constant(place[1].ra.deg), spatial.lat_0: pt.constant(place[1].dec.deg)}
    assert not number(scene.image(moved)).any()


@pytest.mark.parametrize(("x", "y"), [(9840.2, 13079.7), (9963.0, 13110.0), (9961.5, 13138.0)])
@pytest.mark.parametrize("n", [1.0, 4.0])
def test_galaxy_across_cells(coadd, x, y, n):
    """On a corner of four cells and in a missing one: each cell is as if its kernel were that of the whole image."""
    shape = {"n": n, "r_eff": 0.7 * u.arcsec, "q": 0.6, "phi": 35 * u.deg}
    image = drawn(ImageDataset(coadd, name="coadd"), x, y, **shape)
    shone = 0
    for cell in coadd.bounds.cell_indices():
        box = coadd.grid.bbox_of(cell)
        alone = drawn(empty(coadd.psf[cell].array, (13020, 9780), (180, 240)), x, y, **shape)
        np.testing.assert_allclose(image[box].array, alone[box].array, atol=1e-5)
        shone += image[box].array.sum() > 1e-2
    assert shone >= (4 if x < 9900 else 1)
    for cell in coadd.bounds.missing:
        assert not image[coadd.grid.bbox_of(cell)].array.any()


@pytest.mark.parametrize("n", [0.5, 1.0, 2.5])
def test_all_the_light_is_on_a_large_image(coadd, n):
    dataset = empty(KERNEL, (13020, 9780), (180, 240))
    image = drawn(dataset, 9900.3, 13109.8, n=n, r_eff=0.4 * u.arcsec, q=0.5, phi=70 * u.deg)
    assert image.array.sum() == pytest.approx(1, abs=1e-3)


def test_star_beyond_the_edge(coadd):
    small = empty(KERNEL, (13080, 9780), (61, 61))
    large = empty(KERNEL, (13020, 9780), (180, 240))
    for distance, least in ((1, 0.1), (4, 1e-3)):
        found = drawn(small, 9840.3 + distance, 13110.2, PointSpatialModel).array
        expected = drawn(large, 9840.3 + distance, 13110.2, PointSpatialModel).array[60:121, :61]
        np.testing.assert_allclose(found, expected, atol=1e-12)
        assert found.sum() > least
    assert not drawn(small, 9840.0 + 40, 13110.0, PointSpatialModel).array.any()


def test_pixels_of_positions(coadd):
    """Over the coadd and 1000 pixels around, from a map made at one place."""
    geom = ImageDataset(coadd, name="coadd").geom
    place = SkyToPixel.from_geom(geom, coadd.projection.pixel_to_sky(x=9780.0, y=13020.0))
    for x, y in ((9780, 13020), (10019, 13199), (9900.4, 13100.7), (8780, 14020), (11020, 12020)):
        sky = coadd.projection.pixel_to_sky(x=x, y=y)
        found = number(pt.stack(place.pixel(pt.constant(sky.ra.deg), pt.constant(sky.dec.deg))))
        np.testing.assert_allclose(found, [x - 9780, y - 13020], atol=1e-4)


def test_level_of_the_sky(coadd):
    """The same flux in every pixel of the cells that are there; or per solid angle."""
    dataset = ImageDataset(coadd, name="coadd")
    dataset.models = source(ConstantFluxSpatialModel(), -2.5, name="sky")
    pixels = np.zeros(dataset.data.shape)
    for y0, y1, x0, x1 in dataset.scene_arrays().boxes:
        pixels[y0:y1, x0:x1] = 1
    np.testing.assert_allclose(dataset.npred().array, -2.5 * pixels, atol=1e-12)
    dataset.models = source(ConstantSpatialModel(value="1 sr-1"), 1e12, name="sky")
    solid_angle = dataset.geom.solid_angle().to_value("sr")
    np.testing.assert_allclose(dataset.npred().array, 1e12 * pixels * solid_angle, rtol=1e-9, atol=1e-12)


def test_template_is_what_it_was_made_of(coadd):
    """A finely sampled Gaussian, on the corner of four cells."""
    dataset = ImageDataset(coadd, name="coadd")
    shape = at(dataset, GaussianSpatialModel, 9840.2, 13079.7, sigma="0.7 arcsec")
    geom = dataset.geom.cutout(shape.position, "12 arcsec").upsample(4)
    brightness = Map.from_geom(geom, data=shape.evaluate_geom(geom).to_value("sr-1"), unit="sr-1")
    images = []
    for spatial in (shape, TemplateSpatialModel(brightness, normalize=False)):
        dataset.models = source(spatial, 1.0)
        images.append(dataset.npred().array)
    np.testing.assert_allclose(images[1], images[0], atol=2e-3 * images[0].max())


def test_level_is_fitted_with_a_source():
    """The mode of two fluxes is that of linear least squares."""
    rng, dataset = np.random.default_rng(3), empty(KERNEL)
    dataset.image.image.array = rng.normal(size=dataset.data.shape) + 0.4
    dataset = ImageDataset(dataset.image, psf=KERNEL, name="image")
    star = at(dataset, PointSpatialModel, 9890.0, 13110.0)
    star.freeze()
    dataset.models = [source(star, 50.0, "star"), source(ConstantFluxSpatialModel(), 0.1, "sky")]
    for model in dataset.models:
        model.spectral_model.flux.prior = Prior("Normal", mu=0, sigma=1e4)
    kernel = np.zeros(dataset.data.shape)
    kernel[30, 30] = 1.0
    parts = np.stack([signal.convolve(kernel, KERNEL, mode="same").ravel(), np.ones(kernel.size)])
    found = np.linalg.solve(parts @ parts.T, parts @ dataset.data.ravel())
    mode = find_mode(dataset).values
    np.testing.assert_allclose([mode["star.flux"], mode["sky.flux"]], found, rtol=1e-3)


def test_shapes_without_transform_are_fixed(coadd):
    dataset = ImageDataset(coadd, name="coadd")
    geom = dataset.geom.cutout(dataset.geom.center_skydir, "4 arcsec")
    template = TemplateSpatialModel(Map.from_geom(geom, data=1.0, unit="sr-1"))
    template.lon_0.frozen = False
    dataset.models = source(template, 1.0)
    with pytest.raises(ValueError, match="'coadd', model 'source'.*only its flux may be free: freeze lon_0"):
        dataset.npred()
