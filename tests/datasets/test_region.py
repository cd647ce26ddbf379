"""Sums over regions of the sky: `bayesmap.datasets.region`."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion, RectangleSkyRegion

from bayesmap.datasets import MapDataset
from bayesmap.datasets.onoff import MapDatasetOnOff
from bayesmap.datasets.spectrum import SpectrumDataset, SpectrumDatasetOnOff
from bayesmap.irf import EDispKernelMap, PSFMap
from bayesmap.maps import Map, MapAxis, RegionNDMap, WcsGeom
from bayesmap.modeling import FoVBackgroundModel
from tests.datasets.helpers import GC, assert_info_close, assert_text_close, read
from tests.golden import golden, shared_path

CRAB = SkyCoord(83.633083, 22.0145, unit="deg")
HESS = "hess-dl3-dr1-reduced"
CASES = {
    "ops/crab_kernelmap": (
        (HESS, "crab-stacked-edispkernelmap.fits.gz"),
        CircleSkyRegion(SkyCoord(83.7, 22.05, unit="deg"), 0.2 * u.deg),
    ),
    "ops/crab_edispmap": (
        (HESS, "crab-stacked-edispmap.fits.gz"),
        CircleSkyRegion(SkyCoord(83.7, 22.05, unit="deg"), 0.2 * u.deg),
    ),
    "ops/fermi": (("fermi-3fhl-gc", "fermi-3fhl-gc.fits.gz"), CircleSkyRegion(GC, 1 * u.deg)),
    "ops/hawc": (("hawc", "nHit-8.fits.gz"), CircleSkyRegion(SkyCoord(83.63, 22.01, unit="deg"), 0.6 * u.deg)),
}
CIRCLE = CircleSkyRegion(GC, 0.5 * u.deg)
ENERGY = MapAxis.from_energy_bounds(1, 10, nbin=3, unit="TeV", name="energy")
TRUE = MapAxis.from_energy_bounds(0.5, 20, nbin=5, unit="TeV", name="energy_true")


def assert_summary(dataset, want, rtol=2e-6):
    """Compare a dataset on a region with the stored numbers of one."""
    assert_info_close(dataset.info_dict(), want["info_dict"], rtol=rtol)
    assert_text_close(str(dataset), want["str"], rtol=rtol)
    assert_components(dataset, want, rtol)


def assert_components(dataset, want, rtol=2e-6):
    """Compare what a dataset on a region holds."""
    for key in ("counts", "background", "exposure", "counts_off", "acceptance", "acceptance_off"):
        if f"{key}_per_energy" in want:
            stored = np.nan_to_num(want[f"{key}_per_energy"].data)  # the mean of no pixel is NaN in Gammapy, here 0
            assert_allclose(getattr(dataset, key).data.sum(axis=(1, 2)), stored, rtol=rtol)
    assert_array_equal(dataset.mask_safe.data.sum(axis=(1, 2)), want["mask_safe_per_energy"].data)
    if "edisp_kernel" in want:
        kernel = dataset.edisp.get_edisp_kernel(energy_axis=dataset.counts.geom.axes["energy"])
        assert_allclose(kernel.pdf_matrix, want["edisp_kernel"].data, atol=1e-6)
    if "psf_r68" in want and dataset.psf is not None:
        radius = dataset.psf.containment_radius(0.68, dataset.psf.psf_map.geom.axes["energy_true"].center)
        assert_allclose(radius.to_value("deg"), u.Quantity(want["psf_r68"].data, want["psf_r68"].unit).to_value("deg"))
        exposure = dataset.psf.exposure_map.data.sum(axis=(1, 2, 3))
        assert_allclose(exposure, want["psf_exposure_sum"].data, rtol=rtol)


@pytest.mark.parametrize("case", CASES)
def test_golden_operations(case):
    path, region = CASES[case]
    want, dataset = golden("stacking")[case], read(*path)
    assert_summary(dataset.to_spectrum_dataset(region, name="sp"), want["to_spectrum_dataset"])
    assert_summary(dataset.to_region_map_dataset(region, name="rm"), want["to_region_map_dataset"])
    if case == "ops/hawc":  # Gammapy raises too: the point spread function is in reconstructed energy
        with pytest.raises(ValueError, match=r"PSFMap in true energy.*RecoPSFMap"):
            dataset.to_spectrum_dataset(region, containment_correction=True)
        return
    contained = dataset.to_spectrum_dataset(region, containment_correction=True, name="spc")
    assert_summary(contained, want["to_spectrum_dataset_containment"])
    assert contained.psf is None


def test_golden_onoff():
    want = golden("stacking")["maponoff/ops_23523"]["to_spectrum_dataset"]
    dataset = MapDatasetOnOff.read(shared_path("data", HESS, "crab-23523-onoff-ring.fits.gz"), name="on1")
    circle = CircleSkyRegion(CRAB, 0.15 * u.deg)
    with pytest.warns(UserWarning, match="'on1': the OFF counts of neighbouring pixels are correlated"):
        spectrum = dataset.to_spectrum_dataset(circle, name="sp")
    assert isinstance(spectrum, SpectrumDatasetOnOff)
    assert_components(spectrum, want)
    assert_allclose(spectrum.alpha.data.squeeze(), want["alpha"].data, rtol=2e-6)
    with pytest.warns(UserWarning, match="correlated"):
        region = dataset.to_region_map_dataset(circle)
    assert type(region) is MapDatasetOnOff
    assert_allclose(region.background.data, spectrum.background.data)


@pytest.fixture
def cta():
    dataset = read("cta-1dc-gc", "cta-1dc-gc.fits.gz", name="dataset-cta").copy(name="dataset-cta")
    geom = dataset.counts.geom
    space, energy = geom.region_mask([CircleSkyRegion(GC, 1.5 * u.deg)]), geom.energy_mask(0.3 * u.TeV, 8 * u.TeV)
    dataset.mask_fit = space & energy
    dataset.models = [FoVBackgroundModel(dataset_name="dataset-cta")]
    return dataset


def test_golden_tutorial(cta):
    want = golden("tutorial")["cta_to_spectrum_dataset"]
    spectrum = cta.to_spectrum_dataset(CIRCLE, containment_correction=True, name="spectrum-dataset")
    plain = cta.to_spectrum_dataset(CIRCLE, containment_correction=False, name="s0")
    assert_info_close(spectrum.info_dict(), want["info_dict"])
    assert_text_close(str(spectrum), want["str"])
    for key in ("counts", "background", "mask_safe", "mask_fit"):
        assert_allclose(getattr(spectrum, key).data.squeeze(), want[key].data, rtol=1e-6)
    assert_allclose(spectrum.exposure.data.squeeze(), want["exposure"].data, rtol=1e-6)
    assert_allclose(plain.exposure.data.squeeze(), want["exposure_no_correction"].data, rtol=1e-6)
    energy = plain.exposure.geom.axes["energy_true"].center
    inside = cta.psf.containment(rad=CIRCLE.radius, energy_true=energy, position=GC)
    assert_allclose(inside.value, want["containment"].data, rtol=1e-6)
    assert_allclose(spectrum.edisp.get_edisp_kernel().pdf_matrix, want["edisp"].data, atol=1e-6)

    want = golden("tutorial")["cta_to_region_map_dataset"]
    region = cta.to_region_map_dataset(CIRCLE, name="region-map-dataset")
    assert_info_close(region.info_dict(), want["info_dict"])
    assert_text_close(str(region), want["str"])
    for key in ("counts", "background", "exposure"):
        assert_allclose(getattr(region, key).data.squeeze(), want[key].data, rtol=1e-6)
    assert_array_equal(region.psf.psf_map.data.shape, want["psf_shape"].data)
    assert_array_equal(region.edisp.edisp_map.data.shape, want["edisp_shape"].data)


def small(**kwargs):
    geom = WcsGeom.create(npix=(10, 8), binsz=0.1, frame="galactic", axes=[ENERGY])
    counts = np.arange(240).reshape(geom.data_shape)
    parts = {
        "counts": Map.from_geom(geom, data=counts),
        "background": Map.from_geom(geom, data=0.5 * counts),
        "exposure": Map.from_geom(geom.to_image().to_cube([TRUE]), data=2.0, unit="m2 s", meta={"livetime": 3 * u.s}),
        "edisp": EDispKernelMap.from_diagonal_response(ENERGY, TRUE),
        "psf": PSFMap.from_gauss(TRUE, sigma=0.1 * u.deg),
        "name": "small",
    }
    return MapDataset(**parts | kwargs)


def test_sums_are_inside_the_mask():
    dataset = small(mask_safe=small().counts.geom.energy_mask(energy_min=2 * u.TeV))
    region = RectangleSkyRegion(GC, 0.4 * u.deg, 0.2 * u.deg)
    result = dataset.to_region_map_dataset(region, name="part")
    assert (type(result), result.name) == (MapDataset, "part")
    pixels = dataset.counts.data[:, 3:5, 3:7].sum(axis=(1, 2))
    assert_array_equal(result.counts.data.squeeze(), pixels * [0, 1, 1])
    assert_array_equal(result.background.data.squeeze(), pixels * [0, 0.5, 0.5])
    assert_array_equal(result.mask_safe.data.squeeze(), [False, True, True])
    assert_allclose(result.exposure.data, 2)
    assert result.exposure.meta["livetime"] == 3 * u.s
    for m in (result.counts, result.exposure, result.psf.psf_map, result.edisp.edisp_map, result.psf.exposure_map):
        assert isinstance(m, RegionNDMap)
    assert result.counts.geom.region is region


def test_a_position_selects_one_pixel():
    dataset = small()
    spectrum = dataset.to_spectrum_dataset(SkyCoord(0.05, 0.05, unit="deg", frame="galactic"))
    assert_array_equal(spectrum.counts.data.squeeze(), dataset.counts.data[:, 4, 4])


def test_regions_of_regions_and_their_copies(tmp_path):
    spectrum = small().to_spectrum_dataset(CIRCLE_SMALL, name="s")
    again = spectrum.to_spectrum_dataset(CIRCLE_SMALL)
    assert_array_equal(again.counts.data, spectrum.counts.data)
    spectrum.write(tmp_path / "s.fits")
    read_back = SpectrumDataset.read(tmp_path / "s.fits")
    for key in ("counts", "background", "exposure", "edisp"):
        assert getattr(read_back, key).is_allclose(getattr(spectrum, key))
    assert read_back.counts.geom.region.radius.to_value("deg") == pytest.approx(0.2)
    assert read_back.exposure.meta["livetime"] == 3 * u.s


CIRCLE_SMALL = CircleSkyRegion(GC, 0.2 * u.deg)


def test_containment_is_that_of_the_psf():
    plain = small().to_spectrum_dataset(CIRCLE_SMALL)
    inside = small().to_spectrum_dataset(CIRCLE_SMALL, containment_correction=True)
    ratio = inside.exposure.data / plain.exposure.data
    assert_allclose(ratio, 1 - np.exp(-2), rtol=2e-3)


def test_components_may_be_missing():
    result = small(background=None, psf=None, edisp=None).to_region_map_dataset(CIRCLE_SMALL)
    assert result.background is None
    assert result.psf is None
    assert result.edisp is None


def test_wrong_regions_are_refused():
    dataset = small()
    with pytest.raises(ValueError, match=r"(?s)dataset 'small'.*not fully contained"):
        dataset.to_region_map_dataset(CircleSkyRegion(GC, 0.5 * u.deg))
    with pytest.raises(ValueError, match="no pixel"):
        dataset.to_region_map_dataset(CircleSkyRegion(GC, 0.01 * u.deg))
    mask = np.ones(dataset.data_shape, dtype=bool)
    mask[1, 4, 4] = False
    dataset.mask_fit = Map.from_geom(dataset.counts.geom, data=mask)
    with pytest.raises(ValueError, match=r"(?s)mask differs between the pixels.*bins \[1\]"):
        dataset.to_spectrum_dataset(CIRCLE_SMALL)
    square = RectangleSkyRegion(GC, 0.2 * u.deg, 0.2 * u.deg)
    with pytest.raises(TypeError, match="CircleSkyRegion"):
        small().to_spectrum_dataset(square, containment_correction=True)
    with pytest.raises(ValueError, match="PSFMap in true energy"):
        small(psf=None).to_spectrum_dataset(CIRCLE_SMALL, containment_correction=True)
