"""Responses on a region of the sky."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion, PointSkyRegion

from bayesmap.irf import EDispKernelMap, EDispMap, PSFMap, RecoPSFMap
from bayesmap.maps import Map, MapAxis, RegionGeom, RegionNDMap, WcsGeom

CENTER = SkyCoord(0.1, 0.2, unit="deg", frame="galactic")
ENERGY = MapAxis.from_energy_bounds(1, 10, nbin=3, unit="TeV", name="energy")
TRUE = MapAxis.from_energy_bounds(0.5, 20, nbin=4, unit="TeV", name="energy_true")
RAD = MapAxis.from_bounds(0, 0.6, nbin=60, unit="deg", name="rad")
MIGRA = MapAxis.from_bounds(0.2, 5, nbin=48, name="migra")
KINDS = {PSFMap: (RAD, TRUE), RecoPSFMap: (RAD, ENERGY), EDispKernelMap: (ENERGY, TRUE), EDispMap: (MIGRA, TRUE)}
CIRCLE = CircleSkyRegion(CENTER, 0.5 * u.deg)
IMAGE = WcsGeom.create(npix=(5, 4), binsz=0.5, frame="galactic")


def varying(kind):
    """A response that is different in every pixel."""
    geom = IMAGE.to_cube(list(KINDS[kind]))
    data = np.random.default_rng(3).uniform(1, 2, geom.data_shape)
    irf = kind.from_geom(geom)
    return kind(
        Map.from_geom(geom, data=data, unit=kind.default_unit),
        Map.from_geom(irf.exposure_map.geom, data=data[:, :1], unit="m2 s"),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_position_and_mean(kind, tmp_path):
    irf = varying(kind)
    single = irf.to_region_nd_map(CENTER)
    assert type(single) is kind
    x, y = (int(v) for v in IMAGE.coord_to_idx(CENTER))
    assert_array_equal(single._irf_map.data[..., 0, 0], irf._irf_map.data[..., y, x])
    assert_array_equal(single.exposure_map.data[..., 0, 0], irf.exposure_map.data[..., y, x])
    assert isinstance(single._irf_map, RegionNDMap)
    assert isinstance(single._irf_map.geom.region, PointSkyRegion)
    assert single.has_single_spatial_bin
    mean = irf.to_region_nd_map(CIRCLE)
    inside = IMAGE.region_mask([CIRCLE]).data
    assert_allclose(mean._irf_map.data[..., 0, 0], irf._irf_map.data[..., inside].mean(axis=-1))
    assert irf.to_region_nd_map()._irf_map.geom.center_skydir.separation(IMAGE.center_skydir).deg < 1e-9
    assert mean.to_region_nd_map(CENTER).is_allclose(mean)
    mean.write(tmp_path / "irf.fits")
    again = kind.read(tmp_path / "irf.fits")
    assert again.is_allclose(mean)
    assert again._irf_map.geom.region.radius.to_value("deg") == pytest.approx(0.5)
    with pytest.raises(ValueError, match="outside"):
        irf.to_region_nd_map(SkyCoord(90, 0, unit="deg", frame="galactic"))


@pytest.mark.parametrize("kind", KINDS)
def test_empty_ones_on_a_region(kind):
    irf = kind.from_geom(RegionGeom(CIRCLE, axes=KINDS[kind]))
    assert irf._irf_map.data.shape[-2:] == (1, 1)
    other = kind.from_geom(RegionGeom(CIRCLE, axes=KINDS[kind]))
    other._irf_map.data += 2
    other.exposure_map.data += 1
    irf.stack(other)
    assert_allclose(irf._irf_map.data, 2)
    assert irf.cutout(CENTER, 1 * u.deg).is_allclose(irf)
    nowhere = kind.from_geom(RegionGeom(None, axes=KINDS[kind]))
    assert_array_equal(nowhere._irf_map.data, 0)


def test_psf_of_a_region():
    psf = PSFMap.from_gauss(TRUE, RAD, sigma=[0.1, 0.08, 0.06, 0.05] * u.deg, geom=IMAGE)
    single = psf.to_region_nd_map(CENTER)
    on_region = PSFMap.from_gauss(TRUE, RAD, sigma=[0.1, 0.08, 0.06, 0.05] * u.deg, geom=RegionGeom(CIRCLE))
    nowhere = PSFMap.from_gauss(TRUE, RAD, sigma=[0.1, 0.08, 0.06, 0.05] * u.deg, geom=RegionGeom(None))
    geom = WcsGeom.create(npix=11, binsz=0.05, frame="galactic", skydir=CENTER, axes=[TRUE])
    kernel = psf.get_psf_kernel(geom, position=CENTER).data
    for one in (single, on_region, nowhere):
        assert_allclose(
            one.containment(0.1 * u.deg, TRUE.center), psf.containment(0.1 * u.deg, TRUE.center, position=CENTER)
        )
        assert_allclose(
            one.containment_radius(0.68, TRUE.center, position=CENTER).value,
            psf.containment_radius(0.68, TRUE.center, position=CENTER).value,
        )
        assert_allclose(one.get_psf_kernel(geom).data, kernel, atol=1e-7)
        assert_allclose(one.get_psf_kernel(geom, position=SkyCoord(9, 9, unit="deg")).data, kernel, atol=1e-7)
        assert_allclose(one.radial_profile()[1], psf.radial_profile(CENTER)[1])


def test_energy_dispersion_of_a_region():
    kernel_map = EDispKernelMap.from_gauss(ENERGY, TRUE, sigma=0.2, bias=0, geom=RegionGeom(CIRCLE))
    kernel = kernel_map.get_edisp_kernel()
    assert_allclose(kernel_map.get_edisp_kernel(position=SkyCoord(9, 9, unit="deg")).pdf_matrix, kernel.pdf_matrix)
    assert_allclose(kernel_map.to_image().edisp_map.data.squeeze(), kernel.pdf_matrix.sum(axis=1))
    edisp = varying(EDispMap)
    single = edisp.to_region_nd_map(CENTER)
    want = edisp.get_edisp_kernel(position=CENTER, energy_axis=ENERGY).pdf_matrix
    assert_allclose(single.get_edisp_kernel(energy_axis=ENERGY).pdf_matrix, want)
    assert isinstance(single.to_edisp_kernel_map(ENERGY).edisp_map, RegionNDMap)
