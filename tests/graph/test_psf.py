"""The three PSF routes against high-resolution integrals over pixels."""

import astropy.units as u
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from astropy.coordinates import SkyCoord

from bayesmap.datasets import MapDataset
from bayesmap.graph import fold_arrays
from bayesmap.graph.build import build_terms
from bayesmap.graph.fold import signal_counts
from bayesmap.graph.psf.fft import convolve_graph, kernel_basis
from bayesmap.graph.psf.mixture import fit_mixture, mixture_stamps
from bayesmap.graph.psf.profile import PSFProfile, convolution_kernels, pixel_integrals
from bayesmap.graph.psf.stamp import fit_stamp
from bayesmap.modeling import GaussianSpatialModel, PointSpatialModel, SkyModel
from tests.golden import shared_path
from tests.inference.tiny import make_dataset, power_law

SCALE = (0.04, 0.05)
RAD = np.linspace(0, 0.8, 161)


def normalised(density):
    profile = PSFProfile(RAD, np.atleast_2d(density))
    return PSFProfile(RAD, profile.density / profile.cumulative()[1][:, -1:])


def gaussian(sigma):
    return np.exp(-0.5 * (RAD / sigma) ** 2) / sigma**2


PROFILES = {
    "gaussian": normalised([gaussian(0.05), gaussian(0.09)]),
    "two gaussians": normalised([0.8 * gaussian(0.05) + 0.2 * gaussian(0.15), gaussian(0.06)]),
    "king": normalised([(1 + (RAD / 0.06) ** 2 / 5) ** -2.5, (1 + (RAD / 0.05) ** 2 / 4) ** -2.0]),
}


def numbers(*expressions):
    return pytensor.function([], list(expressions), mode="FAST_COMPILE")()


def l1(a, b):
    return 0.5 * np.abs(a - b).sum(axis=(1, 2)).max()


def mixture_image(mixture, x, y, half):
    def one(value):
        return pt.as_tensor_variable(np.full(1, value))

    stamps, windows = mixture_stamps(
        one(x), one(y), one(SCALE[0] ** -2), one(SCALE[1] ** -2), pt.as_tensor_variable(mixture.sigma[None] ** 2),
        pt.as_tensor_variable(mixture.weight[None]), np.full((1, len(mixture.sigma)), half),
    )  # fmt: skip
    flat, window = numbers(stamps, windows)
    return flat.reshape(len(mixture.sigma), 2 * half + 1, 2 * half + 1), window


@pytest.mark.parametrize("name", ["gaussian", "two gaussians"])
@pytest.mark.parametrize(("x", "y"), [(10.0, 20.0), (10.3, 20.45), (9.6, 19.5)])
def test_mixture(name, x, y):
    profile = PROFILES[name]
    mixture = fit_mixture(profile, SCALE)
    assert mixture.sigma.shape[1] <= 2
    assert mixture.error < 3e-4
    image, window = mixture_image(mixture, x, y, 15)
    y0, x0 = window[0, :2]
    expected = pixel_integrals(profile, 15, SCALE, (x - x0 - 15, y - y0 - 15), fine=16)
    assert l1(image, expected) < 5e-4


def test_mixture_of_a_tail_uses_the_shared_grid_and_tells_its_error():
    mixture = fit_mixture(PROFILES["king"], SCALE)
    assert mixture.sigma.shape[1] > 2
    assert mixture.error > 1e-3  # a cut power-law tail is no sum of Gaussians: the stamp's case
    image, _ = mixture_image(mixture, 10.3, 20.2, 20)
    expected = pixel_integrals(PROFILES["king"], 20, SCALE, (0.3, 0.2), fine=16)
    assert l1(image, expected) < 1.2 * mixture.error + 1e-4


@pytest.mark.parametrize("name", list(PROFILES))
@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (0.31, 0.47), (-0.45, -0.4999)])
def test_spline_stamp(name, x, y):
    profile = PROFILES[name]
    stamp = fit_stamp(profile, SCALE)
    assert stamp.error < 3e-4
    expected = pixel_integrals(profile, stamp.half, SCALE, (x, y), fine=16)
    assert l1(stamp.at((-y, -x)), expected) < 4e-4


def test_spline_stamp_is_smooth_across_pixel_edges():
    stamp = fit_stamp(PROFILES["king"], SCALE)
    below, above = stamp.at((-0.5 + 1e-7, 0.2)), stamp.at((0.5 - 1e-7, 0.2))
    np.testing.assert_allclose(below[:, 1:], above[:, :-1], atol=1e-6)


@pytest.mark.parametrize("name", list(PROFILES))
def test_fft_of_one_pixel_is_the_kernel(name):
    profile = PROFILES[name]
    image = np.zeros((41, 45))
    image[20, 22] = 1
    basis = kernel_basis(profile, 2, SCALE)
    assert basis.error < 1e-4
    parts = pt.as_tensor(basis.mixing), basis.kernels, np.int64(basis.number)
    [blurred] = numbers(convolve_graph(pt.as_tensor_variable(image), *parts))
    expected = convolution_kernels(profile, 20, SCALE)
    assert l1(blurred[:, :, 2:-2], expected) < 4e-4


def test_three_routes_agree_on_a_pixel_centre():
    profile = PROFILES["two gaussians"]
    mixture, _ = mixture_image(fit_mixture(profile, SCALE), 20.0, 20.0, 15)
    stamp = fit_stamp(profile, SCALE)
    spline = np.pad(stamp.at((0.0, 0.0)), ((0, 0), (15, 15), (15, 15)))
    middle = spline.shape[1] // 2
    spline = spline[:, middle - 15 : middle + 16, middle - 15 : middle + 16]
    assert l1(mixture, spline) < 1e-3


@pytest.mark.parametrize("place", [(0.02, -0.03), (0.3, 0.4), (2.1, 1.3)])
def test_responses_that_follow_a_source_on_the_cta_file(place):
    """Between the pixels of the PSF map the shared widths meet the default tolerance."""
    dataset = MapDataset.read(shared_path("data", "cta-1dc-gc", "cta-1dc-gc.fits.gz"), name="cta")
    shape = PointSpatialModel.from_position(SkyCoord(*place, unit="deg", frame="galactic"))
    model = SkyModel(spectral_model=power_law(), spatial_model=shape, name="source")
    terms = build_terms(fold_arrays(dataset), [model], irf_position="source", reach={"source": 0.4})
    route, error = terms.routes["source"]
    assert route == "mixture"
    assert error < 1e-3


@pytest.mark.parametrize(("sigma", "samples"), [("0.2 deg", 1), ("0.11 deg", 1), ("0.09 deg", 2)])
def test_few_samples_of_a_smooth_shape_are_enough(sigma, samples):
    """A Gaussian of two or more pixels by FFT against its closed form."""
    shape = GaussianSpatialModel(lon_0=25.033 * u.deg, lat_0=0.979 * u.deg, sigma=sigma, frame="galactic")
    model = SkyModel(spectral_model=power_law(), spatial_model=shape, name="source")
    dataset = make_dataset(models=[model])
    exact, found = (signal_counts(dataset, [model], route=route)["source"] for route in ("mixture", "fft"))
    *_, term = build_terms(fold_arrays(dataset), [model], route="fft")
    (source,) = term.groups
    assert source.solid_angle.get_value().shape[-1] == samples**2
    # where pixels are divided, the average over a pixel is taken out of the kernel, which is exact to fourth order only
    assert 0.5 * np.abs(found - exact).sum() < (1e-5 if samples == 1 else 3e-4) * exact.sum()
