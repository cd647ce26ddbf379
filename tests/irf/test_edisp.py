"""Energy dispersion."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from scipy import stats

from bayesmap.irf import EDispKernel, EDispKernelMap, EDispMap
from bayesmap.maps import Map, MapAxis, WcsGeom

TRUE = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=12, name="energy_true")
RECO = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=6, name="energy")
MIGRA = MapAxis.from_bounds(0.2, 3, nbin=280, name="migra")


def migration_map(sigma=0.1, bias=0.0):
    geom = WcsGeom.create(npix=(3, 2), binsz=1, axes=[MIGRA, TRUE])
    density = stats.norm.pdf(MIGRA.center.value, 1 + bias, sigma)
    edisp = EDispMap.from_geom(geom)
    edisp.edisp_map.data += density[:, None, None]
    edisp.exposure_map.data += 1
    edisp.normalize()
    return edisp


def test_gaussian_kernel():
    kernel = EDispKernel.from_gauss(TRUE, RECO, sigma=0.15, bias=0.05)
    inside = np.array([3, 7])
    true = TRUE.center[inside]
    expected = np.diff(stats.norm.cdf((RECO.edges / true[:, None]).to_value(""), 1.05, 0.15), axis=1)
    np.testing.assert_allclose(kernel.pdf_matrix[inside], expected, atol=1e-6)
    fine = MapAxis.from_energy_bounds("0.01 TeV", "1000 TeV", nbin=2000, name="energy")
    kernel = EDispKernel.from_gauss(TRUE, fine, sigma=0.15, bias=0.05)
    np.testing.assert_allclose(kernel.pdf_matrix.sum(axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(kernel.get_bias(TRUE.center), 0.05, atol=1e-3)
    np.testing.assert_allclose(kernel.get_resolution(TRUE.center), 0.15, rtol=1e-2)
    np.testing.assert_allclose(kernel.get_mean("1 TeV") / TRUE.center[4], 1.05, rtol=1e-3)


def test_lost_energies_have_no_mean():
    kernel = EDispKernel.from_diagonal_response(TRUE, RECO)
    assert np.isnan(kernel.get_mean("0.12 TeV"))
    assert np.isnan(kernel.get_bias("0.12 TeV"))


def test_diagonal_response_conserves_counts():
    kernel = EDispKernel.from_diagonal_response(TRUE)
    np.testing.assert_allclose(kernel.pdf_matrix, np.eye(12), atol=1e-12)
    shared = EDispKernel.from_diagonal_response(TRUE, MapAxis.from_energy_bounds("0.05 TeV", "200 TeV", nbin=7))
    np.testing.assert_allclose(shared.pdf_matrix.sum(axis=1), 1, rtol=1e-12)
    assert shared.to_image().pdf_matrix.shape == (12, 1)


def test_maps_agree_with_kernels():
    kernel = EDispKernel.from_gauss(TRUE, RECO, sigma=0.1, bias=0.0)
    edisp = EDispKernelMap.from_gauss(RECO, TRUE, sigma=0.1, bias=0.0)
    far = SkyCoord(123, 45, unit="deg")
    np.testing.assert_array_equal(edisp.get_edisp_kernel(far).pdf_matrix, kernel.pdf_matrix)
    image = WcsGeom.create(npix=3, binsz=1)
    edisp = EDispKernelMap.from_diagonal_response(RECO, TRUE, geom=image)
    assert edisp.edisp_map.data.shape == (12, 6, 3, 3)
    assert edisp.exposure_map.data.shape == (12, 1, 3, 3)
    from_migra = migration_map().get_edisp_kernel(energy_axis=RECO)
    np.testing.assert_allclose(from_migra.pdf_matrix, kernel.pdf_matrix, atol=2e-3)


def test_migration_map_to_kernel_map():
    edisp = migration_map(bias=0.1)
    edisp.edisp_map.data[..., 0] = 0
    kernels = edisp.to_edisp_kernel_map(RECO)
    assert kernels.edisp_map.geom.axes.names == ["energy", "energy_true"]
    assert kernels.exposure_map.geom.axes["energy"].nbin == 1
    for x, want in ((1, 1), (0, 1)):  # the first column is empty: the nearest one with values is taken
        lon, lat = edisp.edisp_map.geom.to_image().pix_to_coord((x, 0))
        position = SkyCoord(lon, lat)
        for one in (edisp, kernels):
            got = one.get_edisp_kernel(position=position, energy_axis=RECO).pdf_matrix
            np.testing.assert_allclose(got, kernels.edisp_map.data[..., 0, want], atol=1e-12)
    default = edisp.get_edisp_kernel()
    np.testing.assert_allclose(default.axes["energy"].edges, TRUE.edges)
    assert EDispMap(edisp.edisp_map).to_edisp_kernel_map(RECO).exposure_map is None


def test_diagonal_migration_map():
    kernel = EDispMap.from_diagonal_response(TRUE).get_edisp_kernel()
    np.testing.assert_allclose(kernel.pdf_matrix, np.eye(12), atol=1e-9)


def test_group_energies():
    edisp = EDispKernelMap.from_gauss(RECO, TRUE, sigma=0.2, bias=0.0, geom=WcsGeom.create(npix=2))
    data = edisp.edisp_map.data
    np.testing.assert_allclose(edisp.to_image().edisp_map.data[:, 0], data.sum(axis=1))
    np.testing.assert_allclose(edisp.downsample(2, "energy").edisp_map.data[:, 0], data[:, 0] + data[:, 1])
    coarse = MapAxis.from_energy_edges(RECO.edges[[0, 3, 6]])
    np.testing.assert_allclose(edisp.resample_energy_axis(coarse).edisp_map.data[:, 1], data[:, 3:].sum(axis=1))
    safe = np.array([0, 1, 1, 1, 1, 1], dtype=bool)[:, None, None]
    geom = edisp.edisp_map.geom.squash("energy_true")
    weights = Map.from_geom(geom, data=np.broadcast_to(safe, geom.data_shape), unit="")
    np.testing.assert_allclose(edisp.to_image(weights).edisp_map.data[:, 0], data[:, 1:].sum(axis=1))
    small = edisp.downsample(2)
    np.testing.assert_allclose(small.edisp_map.data[..., 0, 0], data[..., 0, 0])
    assert small.exposure_map.data.shape == (12, 1, 1, 1)


def test_stack_respects_energies_of_the_mask():
    one = EDispKernelMap.from_gauss(RECO, TRUE, sigma=0.2, bias=0.0, geom=WcsGeom.create(npix=2))
    two = EDispKernelMap.from_gauss(RECO, TRUE, sigma=0.1, bias=0.1, geom=WcsGeom.create(npix=2))
    geom = one.edisp_map.geom.squash("energy_true")
    weights = Map.from_geom(geom, data=np.broadcast_to(np.arange(6)[:, None, None] > 2, geom.data_shape), unit="")
    stacked = one.copy()
    stacked.stack(two, weights=weights)
    np.testing.assert_allclose(stacked.edisp_map.data[:, :3], one.edisp_map.data[:, :3] / 2)
    mean = (one.edisp_map.data + two.edisp_map.data) / 2
    np.testing.assert_allclose(stacked.edisp_map.data[:, 3:], mean[:, 3:])


def test_files_round_trip(tmp_path):
    for edisp in (migration_map(), migration_map().to_edisp_kernel_map(RECO)):
        edisp.write(tmp_path / "edisp.fits", overwrite=True)
        assert type(edisp).read(tmp_path / "edisp.fits").is_allclose(edisp)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"needs data of that shape, got \(3, 3\)"):
        EDispKernel([TRUE, RECO], np.eye(3))
    with pytest.raises(ValueError, match="are needed"):
        EDispKernel([RECO, TRUE])
    with pytest.raises(ValueError, match="are needed"):
        EDispKernelMap(Map.from_geom(WcsGeom.create(npix=2, axes=[MIGRA, TRUE])))
    assert EDispKernel([TRUE, RECO]).quantity.unit == u.dimensionless_unscaled
    assert "EDispKernel" in repr(EDispKernel([TRUE, RECO]))
