"""Point spread functions."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from bayesmap.errors import GeometryMismatchError
from bayesmap.irf import PSFKernel, PSFMap, RecoPSFMap
from bayesmap.maps import Map, MapAxis, WcsGeom

RAD = MapAxis.from_bounds(0, 1, nbin=100, name="rad", unit="deg")
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4, name="energy_true")


@pytest.fixture
def psf():
    """Gaussian PSF that widens linearly in longitude, on 5 x 4 pixels of 1 deg."""
    geom = WcsGeom.create(npix=(5, 4), binsz=1, frame="galactic", axes=[RAD, ENERGY])
    sigma = 0.1 + 0.01 * np.arange(5)
    rad = RAD.center.to_value("deg")[:, None, None]
    data = np.exp(-0.5 * (rad / sigma) ** 2) / (2 * np.pi * sigma**2) * np.ones((4, 1, 4, 1))
    psf = PSFMap(
        Map.from_geom(geom, data=data, unit="deg-2"),
        Map.from_geom(geom.squash("rad"), data=np.ones((4, 1, 4, 5)), unit="m2 s"),
    )
    psf.normalize()
    return psf


def position(x, y, psf):
    lon, lat = psf.psf_map.geom.to_image().pix_to_coord((x, y))
    return SkyCoord(lon, lat, frame="galactic")


def test_radial_profile_at_and_between_pixels(psf):
    rad, profile = psf.radial_profile(position(1, 2, psf))
    np.testing.assert_allclose(rad, RAD.center.to_value("deg"))
    assert profile.shape == (4, 100)
    assert profile.dtype == np.float64
    np.testing.assert_allclose(profile, psf.psf_map.data[:, :, 2, 1] * u.Unit("deg-2").to("sr-1"), rtol=1e-12)
    between = psf.radial_profile(position(1.3, 2, psf))[1]
    right = psf.radial_profile(position(2, 2, psf))[1]
    np.testing.assert_allclose(between, 0.7 * profile + 0.3 * right, rtol=1e-9)
    np.testing.assert_allclose(psf.radial_profile(position(1, 2, psf), energy_index=1)[1], profile[1:2])
    np.testing.assert_allclose(psf.radial_profile(position(1, 2, psf), energy_index=-1)[1], profile[-1:])


@pytest.mark.parametrize("empty", [np.nan, 0.0])
def test_nearest_valid_position(psf, empty):
    psf.psf_map.data[..., :2] = empty
    for x in (-3, 0.2, 1.4):
        np.testing.assert_allclose(
            psf.radial_profile(position(x, 1, psf))[1], psf.radial_profile(position(2, 1, psf))[1]
        )


def test_containment_of_a_gaussian(psf):
    where = position(0, 1, psf)
    for fraction in (0.3, 0.68, 0.95):
        exact = 0.1 * np.sqrt(-2 * np.log(1 - fraction))
        radius = psf.containment_radius(fraction, ENERGY.center, where)
        np.testing.assert_allclose(radius.to_value("deg"), exact, atol=1e-3)
        inside = psf.containment(exact * u.deg, ENERGY.center, where)
        np.testing.assert_allclose(inside.value, fraction, atol=3e-3)
    np.testing.assert_allclose(psf.containment("2 deg", ENERGY.center, where).value, 1, rtol=1e-6)
    assert psf.containment_radius(0.68, "2 TeV").shape == ()
    image = psf.containment_radius_map("2 TeV")
    assert image.unit == "deg"
    np.testing.assert_allclose(image.data[1, 0], psf.containment_radius(0.68, "2 TeV", where).value)
    assert np.all(np.diff(image.data, axis=1) > 0)


def test_kernel_properties(psf):
    geom = WcsGeom.create(npix=30, binsz=0.05, frame="galactic", axes=[ENERGY])
    kernel = psf.get_psf_kernel(geom, position(0, 1, psf))
    data = kernel.data.astype(float)
    np.testing.assert_allclose(data.sum(axis=(1, 2)), 1, rtol=1e-6)
    np.testing.assert_allclose(data, data[:, ::-1, ::-1], atol=1e-7)
    # variance of the Gaussian, of the pixel, of the samples inside a pixel
    offset = (np.arange(data.shape[-1]) - data.shape[-1] // 2) * 0.05
    variance = (data.sum(axis=1) * offset**2).sum(axis=1)
    np.testing.assert_allclose(variance, 0.01 + 0.05**2 / 12, rtol=0.02)
    wider = psf.get_psf_kernel(geom, position(4, 1, psf))
    assert wider.data.shape[-1] > data.shape[-1]
    fixed = psf.get_psf_kernel(geom, position(0, 1, psf), max_radius="0.2 deg")
    assert fixed.data.shape == (4, 9, 9)
    assert psf.get_psf_kernel(geom, position(40, 1, psf)).data.shape == wider.data.shape
    assert kernel.to_image().data.shape == (1, *data.shape[1:])


def test_empty_energies_give_empty_kernels(psf):
    psf.psf_map.data[0] = 0
    geom = WcsGeom.create(npix=30, binsz=0.05, frame="galactic", axes=[ENERGY])
    total = psf.get_psf_kernel(geom).data.sum(axis=(1, 2))
    np.testing.assert_allclose(total, [0, 1, 1, 1], rtol=1e-6)


def test_kernel_from_gauss_and_files(tmp_path):
    geom = WcsGeom.create(npix=30, binsz=0.05, axes=[ENERGY])
    kernel = PSFKernel.from_gauss(geom, "0.1 deg")
    psf_kernel = PSFMap.from_gauss(ENERGY, RAD, sigma="0.1 deg").get_psf_kernel(geom, max_radius="0.5 deg")
    np.testing.assert_allclose(kernel.data, psf_kernel.data, atol=4e-3 * kernel.data.max())
    kernel.write(tmp_path / "kernel.fits")
    np.testing.assert_array_equal(PSFKernel.read(tmp_path / "kernel.fits").data, kernel.data)


def test_offsets_that_cut_a_gaussian_are_said():
    with pytest.warns(UserWarning, match="8.9 % of a Gaussian of 0.3 deg lie beyond the rad axis, which ends at 0.66"):
        PSFMap.from_gauss(ENERGY, sigma=[0.1, 0.3, 0.2, 0.1] * u.deg)
    wide = MapAxis.from_bounds(0, 1.5, nbin=150, name="rad", unit="deg")
    psf = PSFMap.from_gauss(ENERGY, wide, sigma=[0.1, 0.3, 0.2, 0.1] * u.deg)
    solid_angle = np.pi * np.diff(wide.edges.to_value("rad") ** 2)
    np.testing.assert_allclose(psf.psf_map.data[..., 0, 0] @ solid_angle, 1, rtol=1e-3)


def test_constant_response_is_valid_everywhere():
    psf = PSFMap.from_gauss(ENERGY, sigma=[0.1, 0.2, 0.1, 0.1] * u.deg)
    assert psf.has_single_spatial_bin
    far = SkyCoord(200, -70, unit="deg")
    np.testing.assert_array_equal(psf.radial_profile(far)[1], psf.radial_profile()[1])
    assert psf.cutout(far, 1 * u.deg).is_allclose(psf)
    radius = psf.containment_radius(0.68, ENERGY.center, far)
    assert radius[1] > 1.9 * radius[0]


def test_stack_is_the_exposure_weighted_mean(psf):
    one, two = psf.copy(), psf.copy()
    two.psf_map.data *= 3
    two.exposure_map.data *= 4
    weights = Map.from_geom(psf.psf_map.geom.to_image(), data=np.broadcast_to(np.arange(5) < 3, (4, 5)), unit="")
    one.stack(two, weights=weights)
    np.testing.assert_allclose(one.psf_map.data[..., :3], psf.psf_map.data[..., :3] * (1 + 4 * 3) / 5)
    np.testing.assert_allclose(one.psf_map.data[..., 3:], psf.psf_map.data[..., 3:])
    np.testing.assert_allclose(one.exposure_map.data[..., :3], 5)
    two.exposure_map = None
    with pytest.raises(ValueError, match="exposure of both"):
        one.stack(two)


def test_stack_converts_exposure_units(psf):
    one, two = psf.copy(), psf.copy()
    two.psf_map.data *= 3
    two.exposure_map = two.exposure_map.to_unit("cm2 s")
    one.stack(two)
    np.testing.assert_allclose(one.psf_map.data, 2 * psf.psf_map.data)


def test_new_responses_from_parts(psf):
    low = psf.slice_by_idx({"energy_true": slice(0, 2)})
    assert low.psf_map.data.shape == (2, 100, 4, 5)
    assert low.exposure_map.data.shape == (2, 1, 4, 5)
    with pytest.raises(TypeError, match="slices"):
        psf.slice_by_idx({"energy_true": 1})
    part = psf.cutout(position(2, 1, psf), 0.1 * u.deg)
    assert part.psf_map.data.shape == (4, 100, 3, 3)
    image = psf.to_image()
    assert image.psf_map.data.shape == (1, 100, 4, 5)
    np.testing.assert_allclose(image.psf_map.data[0], psf.psf_map.data[0])
    coarse = part.downsample(3)
    np.testing.assert_allclose(coarse.psf_map.data[..., 0, 0], part.psf_map.data.mean(axis=(-2, -1)))
    np.testing.assert_allclose(coarse.exposure_map.data, 1)
    single = psf.to_region_nd_map(position(1, 2, psf))
    np.testing.assert_array_equal(single.psf_map.data[..., 0, 0], psf.psf_map.data[..., 2, 1])


def test_files_round_trip(psf, tmp_path):
    psf.write(tmp_path / "psf.fits")
    again = PSFMap.read(tmp_path / "psf.fits")
    assert again.is_allclose(psf)
    assert again.psf_map.unit == psf.psf_map.unit


def test_wrong_maps_are_refused(psf):
    geom = WcsGeom.create(npix=3, axes=[RAD, ENERGY])
    with pytest.raises(ValueError, match="unit such as 'sr-1'"):
        PSFMap(Map.from_geom(geom, unit="m"))
    with pytest.raises(ValueError, match=r"\['rad', 'energy'\] are needed|\('rad', 'energy'\)"):
        RecoPSFMap(Map.from_geom(geom, unit="sr-1"))
    with pytest.raises(TypeError, match="needs a map"):
        PSFMap(3)
    with pytest.raises(GeometryMismatchError, match="pixels"):
        PSFMap(psf.psf_map, Map.from_geom(geom.squash("rad"), unit="m2 s"))
    with pytest.raises(ValueError, match="exposure_map"):
        PSFMap(psf.psf_map).to_image()


def test_reco_psf():
    energy = ENERGY.copy(name="energy")
    geom = WcsGeom.create(npix=3, binsz=1, axes=[RAD, energy])
    psf = RecoPSFMap.from_geom(geom)
    assert psf.energy_name == "energy"
    psf.psf_map.data += np.exp(-0.5 * (RAD.center.value[:, None, None] / 0.1) ** 2)
    psf.normalize()
    np.testing.assert_allclose(psf.containment("1 deg", energy="2 TeV").value, 1, rtol=1e-6)
    np.testing.assert_allclose(psf.containment_radius(0.68, energy="2 TeV").to_value("deg"), 0.151, atol=1e-3)
    assert psf.containment_radius_map("2 TeV").data.shape == (3, 3)
    assert "RecoPSFMap" in repr(psf)
    assert "exposure" in str(psf)
