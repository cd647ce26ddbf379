"""Joined energies and stacked runs: what a mask excludes stays out, and ratios of acceptances stay what they are."""

import astropy.units as u
import numpy as np
import pytest

from bayesmap.datasets import Datasets, MapDataset, SpectrumDatasetOnOff
from bayesmap.irf import EDispKernelMap, EDispMap, RecoPSFMap
from bayesmap.maps import Map, MapAxis, RegionGeom, WcsGeom
from bayesmap.modeling import PointSpatialModel, PowerLawSpectralModel, SkyModel
from tests.golden import shared_path

# --- migration maps


def migration_run(file="crab-23523-edispmap", name="run"):
    return MapDataset.read(shared_path("data", "hess-dl3-dr1-reduced", f"{file}.fits.gz"), name=name)


def predicted(dataset):
    """Counts that the Crab Nebula predicts in safe bins."""
    source = PointSpatialModel(lon_0="83.63 deg", lat_0="22.01 deg")
    spectrum = PowerLawSpectralModel(index=2.6, amplitude="3.5e-11 cm-2 s-1 TeV-1")
    dataset.models = [SkyModel(spectrum, source, name="crab")]
    return float((dataset.npred_signal().data * dataset.mask_safe.data).sum())


@pytest.mark.parametrize(("file", "counts"), [("crab-stacked-edispmap", 676.71), ("crab-23523-edispmap", 203.75)])
def test_joined_energies_predict_what_the_safe_bins_did(file, counts):
    """The numbers are the sums of the prediction over the safe bins before joining."""
    dataset = migration_run(file)
    np.testing.assert_allclose(predicted(dataset), counts, rtol=1e-4)
    edges = dataset.counts.geom.axes["energy"].edges[::5]
    joined = [
        dataset.to_image(),
        dataset.downsample(2, axis_name="energy"),
        dataset.resample_energy_axis(MapAxis.from_energy_edges(edges)),
        dataset.to_masked().to_image(),
    ]
    for one in joined:
        assert isinstance(one.edisp, EDispKernelMap)
        np.testing.assert_allclose(predicted(one), counts, rtol=1e-4)


def test_a_migration_map_stays_where_no_energy_is_excluded():
    dataset = migration_run()
    dataset.mask_safe.data[...] = dataset.mask_safe.data.any(axis=0)
    for one in (dataset.to_image(), dataset.to_masked(), Datasets([dataset, dataset.copy()]).stack_reduce()):
        assert isinstance(one.edisp, EDispMap)


@pytest.mark.parametrize("kernels", [False, True])
def test_stacked_runs_predict_the_sum_of_their_safe_bins(kernels):
    one, two = migration_run(name="one"), migration_run(name="two")
    if kernels:
        two.edisp = two.edisp.to_edisp_kernel_map(two.counts.geom.axes["energy"])
    two.mask_safe &= two.counts.geom.energy_mask(energy_min=2 * u.TeV, round_to_edge=True)
    want = predicted(one) + predicted(two)
    for runs in ([one, two], [two, one]):
        stacked = Datasets(runs).stack_reduce(name="stacked")
        np.testing.assert_allclose(predicted(stacked), want, rtol=2e-3)


@pytest.mark.parametrize("npix", [1, 4])
def test_masked_energies_do_not_count_in_a_psf_in_reconstructed_energy(npix):
    """Where one run is masked the stacked PSF is that of the other."""
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    image = WcsGeom.create(npix=4, binsz=0.5)
    of_psf = image if npix > 1 else WcsGeom.create(npix=1, binsz=2.0)

    def run(sigma, safe):
        psf = RecoPSFMap.from_gauss(energy, sigma=sigma * u.deg, geom=of_psf)
        counts = Map.from_geom(image.to_cube([energy]), data=1.0)
        mask = Map.from_geom(
            counts.geom, data=np.array(safe)[:, None, None] & np.ones(counts.data.shape, bool), unit=""
        )
        return MapDataset(counts=counts, psf=psf, mask_safe=mask, name=f"sigma {sigma}")

    narrow, wide = run(0.05, [True, False]), run(0.1, [True, True])
    for runs in ([narrow, wide], [wide, narrow]):
        stacked = Datasets(runs).stack_reduce(name="stacked").psf.psf_map.data
        half = 0.5 * (narrow.psf.psf_map.data + wide.psf.psf_map.data)
        np.testing.assert_allclose(stacked[0], half[0], rtol=1e-6)
        np.testing.assert_allclose(stacked[1], wide.psf.psf_map.data[1], rtol=1e-6)


# --- acceptances


def on_off(on, off, acceptance_off, acceptance=1.0, safe=True):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=len(on))
    geom = RegionGeom.create("icrs;circle(83.63, 22.01, 0.1)", axes=[axis])
    parts = {"counts": on, "counts_off": off, "acceptance": acceptance, "acceptance_off": acceptance_off}
    maps = {
        key: Map.from_geom(geom, data=np.broadcast_to(np.ravel(v), len(on)).astype(float)) for key, v in parts.items()
    }
    mask = Map.from_geom(geom, data=np.broadcast_to(np.ravel(safe), len(on)).copy())
    return SpectrumDatasetOnOff(**maps, mask_safe=mask)


def test_joining_nothing_changes_nothing():
    """With alpha 0.1, 0.2, 1, 1 and OFF counts in the first two bins; the W statistic is the same."""
    run = on_off([50, 10, 30, 20], [500, 40, 0, 0], [10, 5, 1, 1])
    same = [
        Datasets([run]).stack_reduce(),
        run.to_masked(),
        run.resample_energy_axis(run.counts.geom.axes["energy"]),
        run.downsample(1, axis_name="energy"),
    ]
    for one in same:
        np.testing.assert_allclose(one.alpha.data.ravel(), [0.1, 0.2, 1, 1], rtol=1e-6)
        np.testing.assert_allclose(one.npred_background().data, run.npred_background().data, rtol=1e-6)


@pytest.mark.parametrize(
    ("join", "alpha"),
    [
        (lambda d: d.downsample(2, axis_name="energy"), [0.15, 2 / 3]),
        (lambda d: d.resample_energy_axis(MapAxis.from_energy_edges([1, 10**0.5, 10] * u.TeV)), [0.15, 2 / 3]),
        (lambda d: Datasets([d, on_off([1] * 4, [0] * 4, [3.0] * 4)]).stack_reduce(), [0.1, 0.2, 0.5, 0.4]),
    ],
    ids=["downsample", "resample", "stack"],
)
def test_bins_without_off_counts_have_the_ratio_of_what_was_joined(join, alpha):
    """Sums of acceptances there; with OFF counts the backgrounds add up (40 * 0.1 + 40 * 0.2 = 80 * 0.15)."""
    run = on_off([5, 1, 3, 2], [40, 40, 0, 0], [10, 5, 1, 2])
    np.testing.assert_allclose(join(run).alpha.data.ravel(), alpha, rtol=1e-6)


def test_masked_acceptances_do_not_count():
    run = on_off([5, 1, 3, 2], [40, 40, 0, 0], [10, 5, 1, 2], safe=[True, True, True, False])
    np.testing.assert_allclose(run.downsample(2, axis_name="energy").alpha.data.ravel(), [0.15, 1], rtol=1e-6)
