"""Stacking of responses, and responses from images."""

import astropy.units as u
import numpy as np
import pytest

from bayesmap.errors import GeometryMismatchError
from bayesmap.irf import EDispKernelMap, PSFKernel, PSFMap
from bayesmap.maps import Map, MapAxis, WcsGeom

TRUE = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2, name="energy_true")
RECO = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4, name="energy")
IMAGE = WcsGeom.create(npix=(6, 5), binsz=0.5)


def psf(sigma, exposure):
    result = PSFMap.from_gauss(TRUE, sigma=sigma * u.deg, geom=IMAGE)
    result.exposure_map.data *= exposure
    return result


def test_average_is_weighted_by_exposure():
    one, two = psf(0.1, 1.0), psf(0.2, 3.0)
    want = (one.psf_map.data + 3 * two.psf_map.data) / 4
    one.stack(two)
    np.testing.assert_allclose(one.psf_map.data, want, rtol=1e-6)
    np.testing.assert_allclose(one.exposure_map.data, 4)


def test_units_are_converted():
    one, two = psf(0.1, 1.0), psf(0.1, 1.0)
    want = one.psf_map.data.copy()
    two.psf_map = two.psf_map.to_unit("deg-2")
    two.exposure_map = two.exposure_map.to_unit("m2 s")
    one.stack(two)
    np.testing.assert_allclose(one.psf_map.data, want, rtol=1e-6)
    np.testing.assert_allclose(one.exposure_map.data, 2, rtol=1e-6)


def test_a_part_changes_only_its_pixels():
    whole, part = psf(0.1, 1.0), psf(0.2, 1.0).cutout(IMAGE.center_skydir, 1.5 * u.deg)
    before = whole.psf_map.data.copy()
    whole.stack(part)
    changed = np.any(whole.psf_map.data != before, axis=(0, 1))
    assert changed.sum() == part.psf_map.data[0, 0].size
    np.testing.assert_allclose(whole.psf_map.data[:, :, ~changed], before[:, :, ~changed])


def test_weights_leave_masked_energies_out():
    one = EDispKernelMap.from_gauss(RECO, TRUE, sigma=0.3, bias=0, geom=IMAGE)
    zero, total = one.zeros_like(), one.edisp_map.data.copy()
    mask = Map.from_geom(one.edisp_map.geom.squash("energy_true"), dtype=bool)
    mask.data[:, 2:] = True
    zero.stack(one, weights=mask)
    np.testing.assert_allclose(zero.edisp_map.data[:, 2:], total[:, 2:], rtol=1e-6)
    assert not zero.edisp_map.data[:, :2].any()
    np.testing.assert_allclose(zero.exposure_map.data, 1)


def test_nowhere_exposed_is_zero():
    one, two = psf(0.1, 0.0), psf(0.2, 0.0)
    two.psf_map.data[0] = np.nan
    one.stack(two)
    assert not one.psf_map.data.any()


def test_what_does_not_go_together():
    one = psf(0.1, 1.0)
    with pytest.raises(GeometryMismatchError, match="EDispKernelMap on a PSFMap"):
        one.stack(EDispKernelMap.from_diagonal_response(RECO, TRUE, IMAGE))
    with pytest.raises(GeometryMismatchError, match="axes or pixel grid differ"):
        one.stack(PSFMap.from_gauss(TRUE, sigma=0.1 * u.deg, geom=WcsGeom.create(npix=5, binsz=0.4)))
    other = psf(0.2, 1.0)
    other.exposure_map = None
    with pytest.raises(ValueError, match="needs the exposure of both"):
        one.stack(other)


@pytest.mark.parametrize("sigma", [0.05, 0.2])
def test_profiles_of_a_kernel(sigma):
    geom = WcsGeom.create(npix=41, binsz=0.05, axes=[TRUE])
    kernel = PSFKernel.from_gauss(geom, sigma * u.deg, max_radius=1 * u.deg, factor=20)
    psf_map = PSFMap.from_psf_kernel(kernel)
    rad, profile = psf_map.radial_profile()
    want = np.exp(-0.5 * (rad / sigma) ** 2) / (2 * np.pi * sigma**2) * u.Unit("deg-2").to("sr-1")
    assert np.abs(profile - want).max() < 0.03 * want.max()
    again = psf_map.get_psf_kernel(geom, max_radius=1 * u.deg, containment=1.0)
    assert np.abs(again.data - kernel.data).max() < 0.02 * kernel.data.max()


def test_an_elongated_kernel_is_refused():
    geom = WcsGeom.create(npix=21, binsz=0.05, axes=[TRUE])
    y, x = np.indices((21, 21)) - 10
    data = np.broadcast_to(np.exp(-(x**2) / 18 - y**2 / 4), geom.data_shape).copy()
    with pytest.raises(ValueError, match="energy bin 0 is not round"):
        PSFMap.from_psf_kernel(PSFKernel(Map.from_geom(geom, data=data)))
