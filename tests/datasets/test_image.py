"""Images of flux as data, and scenes of sources on them."""

import astropy.units as u
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from astropy.wcs import WCS
from scipy import signal, special, stats

import bayesmap as bm
from bayesmap._backend.program import number
from bayesmap.datasets import ImageDataset, MapDataset
from bayesmap.graph.scene import Scene
from bayesmap.images import (
    Box,
    CellCoadd,
    GeneralFrame,
    Image,
    MaskedImage,
    MaskPlane,
    MaskSchema,
    Projection,
)
from bayesmap.inference import assign_default_priors, compile_fit, default_priors, find_mode, posterior_npred
from bayesmap.inference.observations import facts_of
from bayesmap.likelihoods import GaussianLikelihood, PoissonLikelihood, StudentTLikelihood
from bayesmap.modeling import (
    DeVaucouleursSpatialModel,
    DiskSpatialModel,
    ExponentialSpatialModel,
    FluxDensitySpectralModel,
    GaussianSpatialModel,
    Parameter,
    PointSpatialModel,
    PowerLawSpectralModel,
    Prior,
    SersicSpatialModel,
    ShellSpatialModel,
    SkyModel,
)
from bayesmap.modeling.spatial.sersic_op import sersic_transform
from tests.inference.tiny import make_dataset, source_and_background
from tests.scenes import at, empty, gaussian_kernel, source, stored_coadd, true_models, truth


@pytest.fixture(name="coadd")
def fixture_coadd():
    return stored_coadd()


# -- the stored scene --------------------------------------------------------------------------------------------------


def test_stored_scene(coadd):
    """Chi2 of the truth. The image was made with another renderer, which differs most around the saturated star."""
    dataset = ImageDataset(coadd, true_models(), name="coadd")
    wanted, number_of_pixels = truth()["chi2_valid"]
    assert dataset.mask.sum() == number_of_pixels
    assert dataset.stat_sum() == pytest.approx(wanted, rel=0.005)
    y, x = np.mgrid[: dataset.data.shape[0], : dataset.data.shape[1]]
    saturated = truth()["sources"][5]
    distance = np.maximum(abs(x + 9780 - saturated["x"]), abs(y + 13020 - saturated["y"]))
    dataset.mask_fit = distance > 14  # beyond its kernel
    assert 0 < number_of_pixels - dataset.mask.sum() < 900
    assert abs(dataset.stat_sum() - dataset.mask.sum()) < 3 * np.sqrt(2 * dataset.mask.sum())


def test_stars_are_those_of_the_coadd(coadd):
    """Also on the corner of four cells: in each pixel the kernel of its own cell."""
    dataset = ImageDataset(coadd, name="coadd")
    for x, y in ((9871.3, 13110.2), (9840.5, 13079.4)):
        dataset.models = source(at(dataset, PointSpatialModel, x, y), 1.0)
        image = dataset.npred()
        for cell in coadd.bounds.cell_indices():
            box = coadd.grid.bbox_of(cell)
            kernel = coadd.psf[cell].array
            rows, columns = (np.arange(side.start, side.stop) for side in (box.y, box.x))
            offsets = np.arange(-12, 13)
            taps = np.arange(-5, 6)

            def weights(pixels, center, offsets=offsets, taps=taps):
                t = pixels[:, None] - offsets - center
                lanczos = lambda t: np.where(abs(t) < 5, np.sinc(t) * np.sinc(t / 5), 0)  # noqa: E731
                return lanczos(t) / lanczos(taps + np.floor(center + 0.5) - center).sum()

            expected = weights(rows, y) @ kernel @ weights(columns, x).T
            np.testing.assert_allclose(image[box].array, expected, atol=1e-9)


def test_a_star_is_the_stellar_image_of_the_psf(coadd):
    """Two forms of one formula: where a kernel ends LSST cuts the shifted one, which is continued here."""
    dataset = ImageDataset(coadd, name="coadd")
    dataset.models = source(at(dataset, PointSpatialModel, 9871.3, 13110.8), 1.0)
    stellar = coadd.psf.compute_stellar_image(x=9871.3, y=13110.8)
    np.testing.assert_allclose(dataset.npred()[stellar.bbox].array, stellar.array, atol=1e-9)


def test_star_in_a_missing_cell_shines_into_its_neighbours(coadd):
    dataset = ImageDataset(coadd, name="coadd")
    dataset.models = source(at(dataset, PointSpatialModel, 9961.0, 13100.0))
    image = dataset.npred().array
    missing = coadd.grid.bbox_of(next(iter(coadd.bounds.missing)))
    inside = image[missing.y.start - 13020 : missing.y.stop - 13020, missing.x.start - 9780 : missing.x.stop - 9780]
    assert not inside.any()
    assert image.sum() > 0


# -- shapes against sums over fine grids -------------------------------------------------------------------------------

SHAPES = {
    "sersic": (SersicSpatialModel, {"r_eff": 0.9 * u.arcsec, "n": 1.7, "q": 0.6, "phi": 30 * u.deg}),
    "exponential": (ExponentialSpatialModel, {"r_eff": 0.9 * u.arcsec, "q": 0.5, "phi": -60 * u.deg}),
    "de-vaucouleurs": (DeVaucouleursSpatialModel, {"r_eff": 0.6 * u.arcsec, "q": 0.8, "phi": 100 * u.deg}),
    "gauss": (GaussianSpatialModel, {"sigma": 0.7 * u.arcsec, "e": 0.7, "phi": 20 * u.deg}),
    "disk": (DiskSpatialModel, {"r_0": 1.5 * u.arcsec, "e": 0.6, "phi": 20 * u.deg}),
    "shell": (ShellSpatialModel, {"radius": 1.2 * u.arcsec, "width": 0.3 * u.arcsec}),
}


@pytest.mark.parametrize("key", SHAPES)
def test_shape(key):
    """A Gaussian PSF is known between pixels: the profile is summed over a grid 20 times as fine."""
    cls, shape = SHAPES[key]
    sigma, fine, half = 1.6, 20, 24
    dataset = empty(gaussian_kernel(sigma))
    spatial = at(dataset, cls, 9890.3, 13109.8, **shape)
    dataset.models = source(spatial)
    image = dataset.npred().array

    steps = (np.arange(2 * half * fine) + 0.5) / fine - half - 0.5
    sky = dataset.image.projection.pixel_to_sky(x=9890 + steps[None, :], y=13110 + steps[:, None])
    brightness = spatial(sky.ra, sky.dec).value
    area = np.deg2rad(0.2 / 3600 / fine) ** 2
    kernel = np.exp(-0.5 * (np.arange(-8 * fine, 8 * fine + 1) / fine / sigma) ** 2)
    kernel /= kernel.sum()
    blurred = signal.fftconvolve(brightness * area, kernel[:, None], mode="same", axes=0)
    blurred = signal.fftconvolve(blurred, kernel[None, :], mode="same", axes=1)
    pixels = blurred.reshape(2 * half, fine, 2 * half, fine).sum(axis=(1, 3)) * 1000
    central = image[30 - 12 : 30 + 13, 30 - 12 : 30 + 13]
    expected = pixels[half - 12 : half + 13, half - 12 : half + 13]
    np.testing.assert_allclose(central, expected, atol=2e-3 * expected.max())


@pytest.mark.parametrize("n", [0.5, 0.8, 1.0, 2.3, 4.0, 7.5])
def test_transform_of_sersic(n):
    """By quadrature over radii, and for two indices in closed form."""
    waves = np.array([0.0, 0.01, 0.3, 1.0, 3.0, 10.0])
    found = number(sersic_transform(n, pt.constant(waves)))
    b = special.gammaincinv(2 * n, 0.5)
    nodes, weights = np.polynomial.legendre.leggauss(4000)
    top = special.gammaincinv(2 * n, 1 - 1e-12) ** 0.5
    t = (0.5 * top * (nodes + 1)) ** 2
    mass = 0.5 * top * weights * 2 * np.sqrt(t) * np.exp((2 * n - 1) * np.log(t) - t - special.gammaln(2 * n))
    expected = (mass * special.j0(waves[:, None] * (t / b) ** n)).sum(axis=1)
    np.testing.assert_allclose(found[:5], expected[:5], atol=2e-5)
    if n == 1.0:
        np.testing.assert_allclose(found, (1 + (waves / b) ** 2) ** -1.5, atol=2e-5)
    if n == 0.5:
        np.testing.assert_allclose(found, np.exp(-(waves**2) / (4 * b)), atol=2e-5)


def test_half_of_the_light_is_inside_of_the_half_light_radius():
    spatial = SersicSpatialModel(r_eff="10 arcsec", n=2.5)
    radii = np.linspace(0, 1, 20001)[1:] - 0.5 / 20000
    brightness = spatial(np.zeros_like(radii) * u.deg, radii * 10 / 3600 * u.deg).value
    ring = 2 * np.pi * radii / 20000 * np.deg2rad(10 / 3600) ** 2
    assert (brightness * ring).sum() == pytest.approx(0.5, abs=1e-4)


def test_bounds_of_the_index(coadd):
    """Beyond the table of transforms there is nothing, not the nearest index."""
    dataset = ImageDataset(coadd, name="coadd")
    spatial = at(dataset, SersicSpatialModel, 9871.3, 13110.8)
    spatial.n.max = 10
    dataset.models = source(spatial)
    with pytest.raises(ValueError, match="n goes from 0.5 to 10.*0.5 to 8"):
        dataset.npred()
    spatial.n.frozen = True
    assert dataset.npred().array.sum() > 900


def test_region_of_a_profile():
    """As that of a Gaussian of the same axes."""
    shape = {"lon_0": 10 * u.deg, "lat_0": 20 * u.deg, "phi": 30 * u.deg}
    region = SersicSpatialModel(r_eff="2 deg", q=0.6, **shape).to_region()
    other = GaussianSpatialModel(sigma="2 deg", e=0.8, **shape).to_region()
    assert all(u.isclose(getattr(region, key), getattr(other, key)) for key in ("width", "height", "angle"))


@pytest.mark.parametrize("key", ["point", "sersic", "gauss"])
def test_gradient(coadd, key):
    """Of a weighted sum of pixels, by finite differences of each parameter."""
    dataset = ImageDataset(coadd[Box.from_shape((50, 50), (13060, 9820))], name="coadd")
    cls, shape = SHAPES.get(key, (PointSpatialModel, {}))
    spatial = at(dataset, cls, 9840.4, 13079.6, **shape)
    scene = Scene(dataset.scene_arrays(), [source(spatial)])
    parameters = list(scene.models[0].parameters)
    inputs = [pt.dscalar() for _ in parameters]
    image = scene.image(dict(zip(parameters, inputs, strict=True)))
    y, x = np.mgrid[:50, :50]
    total = (image * np.cos(0.2 * x) * np.sin(0.13 * y + 1)).sum()
    gradient = pt.stack(pytensor.grad(total, inputs))
    function = pytensor.function(inputs, [total, gradient], mode="NUMBA")
    values = [p.internal for p in parameters]
    found = function(*values)[1]
    for i, p in enumerate(parameters):
        step = {"lon_0": 1e-8, "lat_0": 1e-8}.get(p.name, 1e-4 * max(abs(values[i]), 1e-9))
        ends = [function(*(v + sign * step * (i == j) for j, v in enumerate(values)))[0] for sign in (1, -1)]
        assert found[i] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=2e-4, abs=1e-6 * abs(found).max())


# -- the dataset -------------------------------------------------------------------------------------------------------


def test_masks(coadd):
    dataset = ImageDataset(coadd, name="coadd")
    assert set(dataset.mask_planes) <= set(coadd.mask.schema.names)
    assert np.isfinite(dataset.data[dataset.mask]).all()
    assert (dataset.variance[dataset.mask] > 0).all()
    assert not dataset.mask_safe[coadd.mask.get("SATURATED")].any()
    fit = np.zeros(dataset.data.shape, dtype=bool)
    fit[:20] = True
    dataset.mask_fit = fit
    assert dataset.mask.sum() == (dataset.mask_safe & fit).sum() == dataset.info_dict()["n_fit_bins"]
    fewer = ImageDataset(coadd, mask_planes=["NO_DATA"], name="fewer")
    assert fewer.mask_safe.sum() > dataset.mask_safe.sum()


def test_units(coadd):
    """An image in microjansky holds the same fluxes."""
    part = coadd[Box.from_shape((40, 40), (13090, 9860))]
    one = ImageDataset(part, name="one")
    scaled = MaskedImage(
        type(part.image)(part.image.array * 1e-3, bbox=part.bbox, unit="uJy", projection=part.projection),
        mask_schema=part.mask.schema,
        variance=type(part.image)(part.variance.array * 1e-6, bbox=part.bbox, unit="uJy2"),
    )
    other = ImageDataset(scaled, psf=gaussian_kernel(1.6), name="other")
    np.testing.assert_allclose(other.data, one.data, rtol=1e-5)
    np.testing.assert_allclose(other.variance[one.mask_safe], one.variance[one.mask_safe], rtol=1e-5)


def test_fake_is_a_coadd(coadd):
    part = coadd[Box.from_shape((40, 40), (13090, 9860))]
    dataset = ImageDataset(part, source(PointSpatialModel(lon_0=150.07 * u.deg, lat_0=2.434 * u.deg), 5e3), name="c")
    before = dataset.data.copy()
    drawn = dataset.fake(random_state=1)
    assert isinstance(drawn, CellCoadd)
    np.testing.assert_array_equal(dataset.data, before)
    again = ImageDataset(drawn, dataset.models, name="c")
    pulls = again.residuals("diff/sqrt(var)").array[again.mask]
    assert abs(pulls.mean()) < 5 / np.sqrt(pulls.size)
    assert pulls.std() == pytest.approx(1, abs=0.1)
    np.testing.assert_array_equal(dataset.fake(random_state=1).image.array, drawn.image.array)


def test_noise(coadd):
    dataset = ImageDataset(coadd, name="coadd")
    assert 0.95 < dataset.noise_scale() < 1  # the noise of the sources themselves is in the variance alone
    correlation = dataset.noise_correlation(2)
    assert correlation[2, 2] == 1
    np.testing.assert_allclose(correlation, correlation[::-1, ::-1], atol=1e-12)
    assert abs(np.delete(correlation.ravel(), 12)).max() < 0.03


def test_mode_of_a_scene(coadd):
    """Six sources of the stored scene from rounded positions: 22 parameters within their errors; no NUTS."""
    part = coadd.absolute[13080:13140, 9780:9860]
    wanted = [0, 1, 2, 7, 10, 12]
    dataset = ImageDataset(part, true_models(wanted), name="coadd")
    for model in dataset.models:
        model.spatial_model.lon_0.value = round(model.spatial_model.lon_0.value, 4)
        model.spatial_model.lat_0.value = round(model.spatial_model.lat_0.value, 4)
    priors = default_priors(dataset)
    assert priors["s10.flux"].scipy(u.nJy).median() == pytest.approx(13591, rel=0.3)
    mode = find_mode(dataset)
    true = {}
    for model in true_models(wanted):
        for p in model.parameters:
            true[f"{model.name}.{p.name}"] = p.value
    pulls = np.array([(mode.values[name] - true[name]) / mode.errors[name] for name in mode.values])
    assert len(pulls) == 22
    assert np.mean(abs(pulls) < 3) >= 0.95
    assert 0.5 < pulls.std() < 1.6


def shared_errors():
    return Parameter("errors", 1.2, prior=Prior("LogNormal", mu=0.0, sigma=0.3))


LIKELIHOODS = {
    "normal": lambda sigma: None,
    "normal, free": lambda sigma: GaussianLikelihood(sigma, scale="free"),
    "Student": lambda sigma: StudentTLikelihood(sigma, nu=4),
    "Student, a parameter": lambda sigma: StudentTLikelihood(sigma, nu=4, scale=shared_errors()),
}


@pytest.mark.parametrize("key", LIKELIHOODS)
def test_each_pixel(coadd, key):
    """Pixels add up to the log-likelihood, which is minus half the statistic; also where its scale is unknown."""
    part = coadd[Box.from_shape((30, 30), (13095, 9800))]
    dataset = ImageDataset(part, true_models([0]), name="coadd")
    dataset.likelihood = LIKELIHOODS[key](dataset.sigma)
    default_priors(dataset)
    observed = facts_of(dataset).observe(list(dataset.models.parameters)[:3])
    arguments = [np.asarray(p.value) for p in observed.parameters]
    unknown = [np.array(1.2 if "parameter" in key else 1.0)] * len(observed.latent_names)
    assert len(unknown) == ("free" in key or "parameter" in key)
    each = observed.pointwise(*arguments, *unknown)
    assert each.shape == (dataset.mask.sum(),)
    logp = observed.logp(observed.value, *(pt.constant(a) for a in [*arguments, *unknown]))
    assert each.sum() == pytest.approx(float(number(logp)), rel=1e-10)
    scale, sigma = float(*unknown or [1.0]), dataset.sigma[dataset.mask]
    law = stats.t(4, scale=scale * sigma) if "Student" in key else stats.norm(scale=scale * sigma)
    residual = dataset.residuals().array[dataset.mask]
    np.testing.assert_allclose(each, law.logpdf(residual), rtol=1e-6)
    constants = 2 * (law.logpdf(0) + np.log(scale)).sum()
    assert -2 * each.sum() + constants == pytest.approx(dataset.stat_sum(), rel=1e-6)
    drawn = observed.random(np.random.default_rng(1), *arguments, *unknown)
    deviations = law.cdf((drawn - observed.mean(*arguments))[dataset.mask])
    assert stats.kstest(deviations, "uniform").pvalue > 1e-3
    np.testing.assert_array_equal(drawn[~dataset.mask_safe], observed.mean(*arguments)[~dataset.mask_safe])


def test_own_likelihood(coadd):
    """It travels with copies, is drawn from, and what does not fit is said when it is assigned."""
    part = coadd[Box.from_shape((30, 30), (13095, 9800))]
    dataset = ImageDataset(part, true_models([0]), name="coadd", likelihood=StudentTLikelihood(30.0, nu=4))
    assert dataset.copy().likelihood is dataset.likelihood
    drawn = (dataset.fake(1).image.array - dataset.npred().array)[dataset.mask]
    assert np.percentile(abs(drawn), 68.27) == pytest.approx(1.142 * 30, rel=0.1)
    dataset.likelihood = None
    assert dataset.stat_sum() == pytest.approx((dataset.residuals("diff/sqrt(var)").array[dataset.mask] ** 2).sum())
    with pytest.raises(ValueError, match=r"'coadd': sigma of its GaussianLikelihood has shape \(3, 3\), the data"):
        dataset.likelihood = GaussianLikelihood(np.ones((3, 3)))
    with pytest.raises(ValueError, match="'coadd': PoissonLikelihood is for counts"):
        dataset.likelihood = PoissonLikelihood()
    with pytest.raises(TypeError, match="'coadd': expected a likelihood, got str"):
        dataset.likelihood = "student"


def scaled_noise(coadd, factor):
    """A star with noise of another size than the variance says, and its true flux."""
    part = coadd[Box.from_shape((30, 30), (13095, 9795))]
    dataset = ImageDataset(part, true_models([0]), name="r")
    drawn = dataset.fake(3)
    mean = dataset.npred().array
    drawn.image.array = np.where(dataset.mask_safe, mean + factor * (drawn.image.array - mean), mean)
    return ImageDataset(drawn, true_models([0]), name="r")


def test_noise_of_another_size(coadd):
    """A free scale finds it, and errors of the flux are larger by it."""
    dataset = scaled_noise(coadd, 1.5)
    plain_errors = find_mode(dataset).errors
    dataset.likelihood = GaussianLikelihood(dataset.sigma, scale="free")
    mode = find_mode(dataset)
    assert mode.values["r.noise_scale"] == pytest.approx(1.5, rel=0.1)
    assert mode.errors["r.noise_scale"] == pytest.approx(1.5 / np.sqrt(2 * dataset.mask.sum()), rel=0.1)
    assert mode.errors["s0.flux"] / plain_errors["s0.flux"] == pytest.approx(mode.values["r.noise_scale"], rel=0.02)


def test_outliers(coadd):
    """Pixels near the star that no mask knows spoil its flux; with tails they hardly do."""
    dataset = scaled_noise(coadd, 1.0)
    star = dataset.image.projection.sky_to_pixel(dataset.models[0].spatial_model.position)
    x, y = round(float(star.x)) - 9795, round(float(star.y)) - 13095
    dataset.data[y + 2, x - 1 : x + 3] += 60 * dataset.sigma[y + 2, x - 1 : x + 3]
    pulls = {}
    for key, likelihood in (("normal", None), ("tails", StudentTLikelihood(dataset.sigma, nu=3))):
        dataset.likelihood, dataset.models = likelihood, true_models([0])
        mode = find_mode(dataset)
        pulls[key] = (mode.values["s0.flux"] - truth()["sources"][0]["flux_nJy"]) / mode.errors["s0.flux"]
    assert abs(pulls["normal"]) > 10
    assert abs(pulls["tails"]) < 3


def test_errors(coadd):
    part = coadd[Box.from_shape((30, 30), (13095, 9800))]
    with pytest.raises(TypeError, match="CellCoadd or MaskedImage"):
        ImageDataset(part.image, name="c")
    with pytest.raises(ValueError, match="'c'.*no plane 'SATURATE'.*SATURATED"):
        ImageDataset(part, name="c", mask_planes=["SATURATE"])
    with pytest.raises(ValueError, match="'c'.*PSF of its own"):
        ImageDataset(part, name="c", psf=gaussian_kernel(1))
    with pytest.raises(ValueError, match=r"'c'.*mask_fit has shape \(3, 3\)"):
        ImageDataset(part, name="c", mask_fit=np.ones((3, 3)))
    image = MaskedImage(part.image, mask_schema=part.mask.schema)
    with pytest.raises(ValueError, match="'c'.*give a kernel as psf"):
        ImageDataset(image, name="c")
    with pytest.raises(ValueError, match="'c'.*odd sizes"):
        ImageDataset(image, name="c", psf=np.ones((4, 5)) / 20)
    with pytest.raises(ValueError, match="'c': 25 values of psf are not finite"):
        ImageDataset(image, name="c", psf=np.full((5, 5), np.nan))
    with pytest.raises(ValueError, match="'c'.*sum of psf is 25"):
        ImageDataset(image, name="c", psf=np.ones((5, 5)))
    dataset = ImageDataset(part, SkyModel(PowerLawSpectralModel(), PointSpatialModel(), name="gamma"), name="c")
    with pytest.raises(ValueError, match="'c', model 'gamma'.*flux densities"):
        dataset.npred()
    dataset.models = SkyModel(FluxDensitySpectralModel(), name="nowhere")
    with pytest.raises(ValueError, match="'c', model 'nowhere'.*needs a spatial model"):
        dataset.npred()
    with pytest.raises(ValueError, match="method"):
        dataset.residuals("ratio")


def test_flux_densities_do_not_fold_with_counts():
    dataset = make_dataset(models=source_and_background())
    dataset.models = source(dataset.models["source"].spatial_model)
    assert isinstance(dataset, MapDataset)
    with pytest.raises(ValueError, match="'source'.*nJy"):
        dataset.npred()


def test_flux_density_is_called_like_any_spectrum():
    assert u.allclose(FluxDensitySpectralModel(flux="2 uJy")([1, 3] * u.TeV), 2000 * u.nJy)


def test_scene_in_a_file(tmp_path):
    models = bm.Models([*true_models([0, 12]), source(DeVaucouleursSpatialModel(), name="v")])
    models.write(tmp_path / "scene.yaml")
    again = bm.Models.read(tmp_path / "scene.yaml")
    assert [(p.name, p.quantity) for p in again.parameters] == [(p.name, p.quantity) for p in models.parameters]
    assert [type(m.spatial_model) for m in again] == [type(m.spatial_model) for m in models]


def test_shared_position_of_two_images(coadd):
    """One position for two bands: a joint density of five parameters."""
    part = coadd[Box.from_shape((30, 30), (13095, 9795))]
    spatial = true_models([0])[0].spatial_model
    datasets = bm.Datasets([ImageDataset(part, name="r"), ImageDataset(part, name="i")])
    models = [source(spatial, 6000, f"star-{band}") for band in ("r", "i")]
    for model, band in zip(models, ("r", "i"), strict=True):
        model.datasets_names = [band]
    datasets.models = models
    fit = compile_fit(datasets)
    assert fit.density.size == 4
    mode = find_mode(datasets)
    alone = find_mode(bm.Datasets([datasets[0]]))
    assert mode.errors["star-r.lon_0"] == pytest.approx(alone.errors["star-r.lon_0"] / np.sqrt(2), rel=0.1)


def image_of_tiny():
    """A dataset of counts and an image without sources of the same place, 21 pixels of 0.2 arcsec wide."""
    counts = make_dataset(models=source_and_background())
    counts.models["source"].datasets_names = ["tiny"]
    place = counts.models["source"].spatial_model.position.icrs
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ("RA---TAN", "DEC--TAN"), (place.ra.deg, place.dec.deg), (11, 11)
    wcs.wcs.cdelt = -0.2 / 3600, 0.2 / 3600
    projection = Projection.from_fits_wcs(wcs, GeneralFrame())
    image = Image(np.zeros((21, 21)), unit="nJy", projection=projection)
    schema = MaskSchema([MaskPlane("BAD", "bad")])
    variance = Image(np.ones((21, 21)), unit="nJy2")
    return counts, MaskedImage(image, mask_schema=schema, variance=variance)


def test_image_and_counts_share_a_position():
    """The image says where the source of the counts is; fluxes stay those of each."""
    counts, image = image_of_tiny()
    shape = counts.models["source"].spatial_model
    star = source(shape, 300, "star")
    star.datasets_names = ["optical"]
    psf = gaussian_kernel(1.5, 6)
    drawn = ImageDataset(image, star, psf=psf, name="optical").fake(1)
    datasets = bm.Datasets([counts, ImageDataset(drawn, star, psf=psf, name="optical")])
    mode = find_mode(datasets)
    assert set(mode.values) == {f"source.{p}" for p in ("index", "amplitude", "lon_0", "lat_0")} | {
        "tiny-bkg.norm",
        "star.flux",
    }
    assert mode.errors["source.lon_0"] < 0.05 * 0.2 / 3600  # in counts alone it is 1000 times larger
    assert abs(mode.values["star.flux"] - 300) < 3 * mode.errors["star.flux"]
    table = datasets.info_table()
    assert list(table["name"]) == ["tiny", "optical"]
    assert table["flux"].unit == "nJy"
    assert np.isnan(table["flux"][0])


def test_posterior_prediction(coadd):
    import xarray as xr

    part = coadd[Box.from_shape((30, 30), (13095, 9795))]
    dataset = ImageDataset(part, true_models([0]), name="r")
    names = {f"s0.{p.name}": (("chain", "draw"), [[p.value, p.value]]) for p in dataset.models.parameters}
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(names)})
    mean = posterior_npred(tree, dataset, num_draws=2)
    np.testing.assert_allclose(mean.array, dataset.npred().array, atol=1e-6)


def test_a_source_that_no_pixel_shows(coadd):
    """In a missing cell: no prior is made up for it, as for counts; another image may show it."""
    hidden = true_models([8, 9])
    dataset = ImageDataset(coadd, hidden, name="coadd")
    with pytest.raises(ValueError, match=r"'s8' shines on no pixel inside the masks of dataset\(s\) \['coadd'\]"):
        assign_default_priors([dataset])
    hidden[0].spectral_model.flux.prior = Prior("LogNormal", mu=np.log(3000), sigma=0.5)
    assign_default_priors([dataset])
    again = true_models([8, 9])
    place = dataset.image.projection.sky_to_pixel(again[0].spatial_model.position)
    around = empty(gaussian_kernel(1.6), tuple(int(v) - 30 for v in place[::-1]))
    around.image.image.array = around.data + 5.0
    both = [ImageDataset(coadd, again, name="coadd"), ImageDataset(around.image, again, psf=gaussian_kernel(1.6))]
    assign_default_priors(both)
    assert again[0].spectral_model.flux.prior is not None


def test_a_galaxy_outside_the_mask_is_not_seen(coadd):
    """Transforms leave tiny numbers far away, of which no flux is to be made."""
    dataset = ImageDataset(coadd, name="coadd")
    fit = np.zeros(dataset.data.shape, dtype=bool)
    fit[:40, :40] = True
    dataset.mask_fit = fit
    dataset.models = source(at(dataset, GaussianSpatialModel, 9900.0, 13130.0, sigma="0.5 arcsec"), 1000.0)
    with pytest.raises(ValueError, match="'source' shines on no pixel"):
        assign_default_priors([dataset])


def test_no_free_flux(coadd):
    """An image of known fluxes beside one whose flux gets a default prior."""
    datasets = [ImageDataset(coadd, true_models([9]), name=name) for name in ("known", "free")]
    known = true_models([9])[0].copy(name="known")
    known.spectral_model.flux.frozen = True
    datasets[0].models = known
    assign_default_priors(datasets)
    assert datasets[1].models[0].spectral_model.flux.prior is not None
