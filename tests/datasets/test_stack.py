"""Stacking: against the stored numbers of Gammapy 2.1, and what it must keep."""

import tracemalloc

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table

from bayesmap.datasets import Datasets, MapDataset, MapDatasetOnOff, SpectrumDatasetOnOff, simulate_cta_like
from bayesmap.datasets.stack import stack_tables
from bayesmap.errors import GeometryMismatchError
from bayesmap.irf import GTI
from bayesmap.maps import Map
from bayesmap.modeling import FoVBackgroundModel
from tests.datasets.conftest import point_model
from tests.datasets.helpers import assert_info_close, assert_text_close, models_from, read
from tests.datasets.summaries import assert_summary_close, values_of
from tests.golden import golden, shared_path

CRAB = SkyCoord(83.633083, 22.0145, unit="deg")
RUNS = (23523, 23526, 23559, 23592)
HESS = "hess-dl3-dr1-reduced"


@pytest.fixture(scope="module")
def runs():
    return [read(HESS, f"crab-{run}.fits.gz") for run in RUNS]


@pytest.fixture(scope="module")
def spectra():
    files = [shared_path("data", HESS, "crab-spectrum-onoff", f"pha_obs{run}.fits") for run in RUNS]
    return Datasets([SpectrumDatasetOnOff.read(file) for file in files])


def on_empty(datasets):
    first = datasets[0]
    stacked = type(first).from_geoms(**first.geoms, name="stacked")
    for dataset in datasets:
        stacked.stack(dataset)
    return stacked


def assert_stacked_close(dataset, want, **kwargs):
    """Compare all but the reconstructed energies that no dataset trusts (there Gammapy's mask leaks by rounding)."""
    assert_summary_close(dataset, want, CRAB, skip=("edisp_kernel", *kwargs.pop("skip", ())), **kwargs)
    energy = dataset.counts.geom.axes["energy"]
    kernel = dataset.edisp.get_edisp_kernel(CRAB, energy_axis=energy).pdf_matrix
    safe = dataset.mask_safe.data.any(axis=(1, 2))
    np.testing.assert_allclose(kernel[:, safe], want["edisp_kernel"].data[:, safe], atol=1e-5)
    assert not kernel[:, ~safe].any()


# --- stored numbers


def test_stack_on_empty(runs):
    assert_stacked_close(on_empty(runs), golden("stacking")["map/stack_on_empty_4crab"])


def test_stack_in_another_order(runs):
    assert_stacked_close(on_empty(runs[::-1]), golden("stacking")["map/stack_reversed"])


def test_stack_reduce(runs):
    stacked = Datasets(runs).stack_reduce(name="reduced")
    want = golden("stacking")["map/stack_reduce_4crab"]
    assert_stacked_close(stacked, want)
    assert_text_close(str(stacked), want["str"], rtol=1e-5)


def test_stack_a_cutout(runs):
    stacked = on_empty(runs[:1])
    stacked.stack(runs[2].cutout(CRAB, 1.2 * u.deg, name="cut"))
    assert_stacked_close(stacked, golden("stacking")["map/stack_cutout_onto_big"])


def test_stacked_prediction_is_the_sum_of_the_predictions(runs):
    """What decides whether masked energies may count: the predictions agree to 1e-3 in the bins that are safe."""
    want = golden("stacking")["map/npred_conservation"]
    stacked = Datasets(runs).stack_reduce(name="st")
    stacked.models = models_from([want["model"]])
    total = 0
    for run in runs:
        dataset = run.copy(name=run.name)
        dataset.models = models_from([want["model"]])
        total = total + (dataset.npred_signal().data * dataset.mask_safe.data).sum(axis=(1, 2))
    got = (stacked.npred_signal().data * stacked.mask_safe.data).sum(axis=(1, 2))
    np.testing.assert_allclose(got.sum(), total.sum(), rtol=2e-3)
    np.testing.assert_allclose(total, want["sum_of_masked_npred"].data, rtol=5e-3, atol=1e-3)
    np.testing.assert_allclose(got, want["npred_of_stacked_masked"].data, rtol=5e-3, atol=1e-3)
    # Gammapy predicts counts in the bins that no run trusts; we do not
    unsafe = ~stacked.mask_safe.data.any(axis=(1, 2))
    assert not stacked.npred_signal().data[unsafe].any()


def info_table_rows(table, want):
    for index in range(len(table)):
        stored = {key: getattr(column, "data", column)[index] for key, column in want["columns"].items()}
        row = {key: u.Quantity(table[key][index]).value if key not in TEXT else table[key][index] for key in stored}
        yield row, stored


TEXT = ("name", "stat_type")


@pytest.mark.parametrize("cumulative", [False, True])
def test_info_table(runs, cumulative):
    want = golden("stacking")["map/info_table"][f"cumulative_{cumulative}"]
    table = Datasets(runs).info_table(cumulative=cumulative)
    assert set(table.colnames) == set(want["colnames"])
    for row, stored in info_table_rows(table, want):
        assert_info_close(row, stored, skip=("excess", "excess_rate", "sqrt_ts", "name"))
        np.testing.assert_allclose(row["excess"], stored["excess"], atol=1e-6 * row["counts"])
    assert list(table["name"]) == (["stacked"] * 4 if cumulative else [run.name for run in runs])


def test_stack_ring_backgrounds():
    datasets = [MapDatasetOnOff.read(shared_path("data", HESS, f"crab-{run}-onoff-ring.fits.gz")) for run in RUNS[::3]]
    want = golden("stacking")["maponoff/stack_on_empty"]
    stacked = on_empty(datasets)
    # in bins whose OFF counts are round-off of either sign Gammapy's OFF acceptance is negative, ours is not;
    # its W statistic is infinite
    assert_stacked_close(stacked, want, skip=("acceptance_off_per_energy",), skip_info=("stat_sum",))
    stored = want["acceptance_off_per_energy"].data
    np.testing.assert_allclose(stacked.acceptance_off.data.sum(axis=(1, 2))[:9], stored[:9], rtol=1e-5)
    assert (stacked.acceptance_off.data >= 0).all()


def test_stack_spectra(spectra):
    want = golden("stacking")["spectrum/stack_reduce_crab_reflected"]
    stacked = spectra.stack_reduce(name="reduced")
    assert_summary_close(stacked, want, None, skip=(), skip_info=())


def test_stack_spectra_without_time_intervals():
    files = sorted(shared_path("data", "joint-crab", "spectra", "magic").glob("pha_*"))
    datasets = Datasets([SpectrumDatasetOnOff.read(file) for file in files])
    want = golden("stacking")["spectrum/stack_reduce_magic"]
    stacked = datasets.stack_reduce(name="reduced")
    # Gammapy turns no time intervals into an empty list of them
    assert stacked.gti is None
    skip = ("gti_start_mjd", "gti_stop_mjd", "time_sum")
    assert_summary_close(stacked, want, None, skip=skip, skip_info=("ontime",))


@pytest.mark.parametrize("cumulative", [False, True])
@pytest.mark.parametrize("case", ["info_table", "info_table_jointcrab_hess"])
def test_info_table_of_spectra(spectra, case, cumulative):
    want = golden("stacking")[f"spectrum/{case}"][f"cumulative_{cumulative}"]
    if case.endswith("hess"):
        files = sorted(shared_path("data", "joint-crab", "spectra", "hess").glob("pha_*"))
        spectra = Datasets([SpectrumDatasetOnOff.read(file) for file in files])
    table = spectra.info_table(cumulative=cumulative)
    # where there are no OFF counts Gammapy takes the average ratio of the acceptances, ours is that of the runs
    skip = {
        "name",
        *(("ontime", "npred", "npred_background", "stat_sum") if case.endswith("hess") and cumulative else ()),
    }
    for row, stored in info_table_rows(table, want):
        assert_info_close(row, stored, skip=skip, rtol=2e-5)


def test_spectra_of_the_tutorial():
    """Seed page 002: four OGIP spectra, stacked and sliced."""
    want = golden("tutorial")["hess_spectra_stack_reduce"]
    files = [shared_path("data", "joint-crab", "spectra", "hess", f"pha_obs{n}.fits") for n in want["names"]]
    datasets = Datasets(
        [SpectrumDatasetOnOff.read(file, name=name) for file, name in zip(files, want["names"], strict=True)]
    )
    stacked = datasets.stack_reduce(name="stacked")
    # where there are no OFF counts Gammapy takes the average ratio of the acceptances, ours is that of the runs
    measured = stacked.counts_off.data.squeeze() > 0
    assert_text_close(str(stacked), want["str"], rtol=1e-5, skip=("Predicted", "Fit statistic value", "Acceptance off"))
    skip = ("ontime", "npred", "npred_background", "stat_sum")
    assert_info_close(stacked.info_dict(), want["info_dict"], skip=skip, rtol=1e-5)
    for key in ("counts", "counts_off", "acceptance", "background"):
        np.testing.assert_allclose(getattr(stacked, key).data.squeeze(), want[key].data, rtol=1e-5, err_msg=key)
    for key, got in {
        "acceptance_off": stacked.acceptance_off,
        "alpha": stacked.alpha,
        "npred_background": stacked.npred_background(),
    }.items():
        got, stored = got.data.squeeze()[measured], want[key].data[measured]
        np.testing.assert_allclose(got, stored, rtol=1e-5, err_msg=key)
    for key in ("acceptance", "acceptance_off"):
        total = sum((getattr(d, key).data * d.mask_safe.data).squeeze() for d in datasets)
        np.testing.assert_allclose(getattr(stacked, key).data.squeeze()[~measured], total[~measured], rtol=1e-6)
    np.testing.assert_array_equal(stacked.mask_safe.data.squeeze(), want["mask_safe"].data)
    np.testing.assert_allclose(stacked.edisp.get_edisp_kernel().pdf_matrix, want["edisp"].data, atol=1e-5)
    sliced, stored = datasets.slice_by_energy("1 TeV", "10 TeV"), golden("tutorial")["hess_spectra_slice_by_energy"]
    assert sliced.names == stored["names"]
    assert [int(dataset.counts.data.size) for dataset in sliced] == values_of(stored["n_bins"]).tolist()
    for got, edges in zip(sliced.energy_ranges, stored["energy_ranges"], strict=True):
        unit = edges["unit"] if isinstance(edges, dict) else edges.unit
        np.testing.assert_allclose(got.to_value(unit), values_of(edges), rtol=1e-10)
    for dataset in sliced:
        skip = [key for key, value in stored["info"][dataset.name].items() if value is None]
        assert_info_close(dataset.info_dict(), stored["info"][dataset.name], skip=skip, rtol=1e-5)


# --- laws


def observation(geom, energy_axis_true, name, lon, seed):
    models = [point_model(lon=lon), FoVBackgroundModel(dataset_name=name)]
    return simulate_cta_like(
        models, geom=geom, energy_axis_true=energy_axis_true, livetime=f"{seed} h", name=name, random_state=seed
    )


@pytest.fixture(scope="module")
def observations(geom, energy_axis_true):
    """Two observations of one field."""
    lon = {"tiny": 25.02, "second": 24.9}
    return {name: observation(geom, energy_axis_true, name, lon[name], i + 2) for i, name in enumerate(lon)}


@pytest.fixture
def dataset(observations):
    """The first observation, with its models."""
    return observations["tiny"].copy(name="tiny")


@pytest.fixture
def other(observations):
    """The second observation, without models, with fewer safe energies."""
    data = observations["second"].copy(name="second")
    data.models = None
    data.mask_safe = data.counts.geom.energy_mask("1.5 TeV", round_to_edge=True)
    return data


def stacked_copy(dataset):
    copy = dataset.copy(name="stack")
    copy.models = None
    return copy


def test_counts_background_and_time_add_inside_the_mask(dataset, other):
    stacked = stacked_copy(dataset)
    stacked.stack(other)
    for key in ("counts", "background"):
        want = getattr(dataset, key).data + getattr(other, key).data * other.mask_safe.data
        np.testing.assert_allclose(getattr(stacked, key).data, want, rtol=1e-6)
    assert stacked.exposure.meta["livetime"] == 5 * u.h
    np.testing.assert_allclose(stacked.exposure.data, dataset.exposure.data + other.exposure.data, rtol=1e-6)
    assert stacked.name == "stack"


def test_a_dataset_that_is_masked_everywhere_adds_nothing(dataset, other):
    other.mask_safe = other.counts.geom.energy_mask("1 GeV", "2 GeV")
    stacked = dataset.to_masked(name="stack")
    before = stacked.copy(name="before")
    stacked.stack(other)
    for key in ("counts", "background", "exposure", "mask_safe"):
        np.testing.assert_array_equal(getattr(stacked, key).data, getattr(before, key).data)
    np.testing.assert_allclose(stacked.psf.psf_map.data, before.psf.psf_map.data, rtol=1e-6)
    assert stacked.exposure.meta["livetime"] == before.exposure.meta["livetime"]


def test_background_model_of_the_other_is_applied(dataset, other):
    other.models = [FoVBackgroundModel(dataset_name="second")]
    other.models[0].spectral_model.norm.value = 2
    stacked = stacked_copy(dataset)
    stacked.stack(other)
    want = dataset.background.data + 2 * other.background.data * other.mask_safe.data
    np.testing.assert_allclose(stacked.background.data, want, rtol=1e-6)


def test_no_mask_means_safe_everywhere(dataset, other):
    stacked = other.to_masked(name="stack")
    dataset.mask_safe, dataset.models = None, None
    stacked.stack(dataset)
    assert stacked.mask_safe.data.all()
    np.testing.assert_allclose(
        stacked.counts.data, other.counts.data * other.mask_safe.data + dataset.counts.data, rtol=1e-6
    )


def test_stacking_an_on_off_dataset_takes_its_background():
    on_off = MapDatasetOnOff.read(shared_path("data", HESS, "crab-23523-onoff-ring.fits.gz"), name="ring")
    plain = on_off.to_map_dataset(name="plain")
    stacked = plain.to_masked(name="stack")
    stacked.stack(on_off)
    once = plain.background.data * plain.mask_safe.data
    np.testing.assert_allclose(stacked.background.data, 2 * once, rtol=1e-4, atol=1e-6)


def test_values_that_are_not_finite(dataset, other):
    other.counts.data[other.mask_safe.data] = np.nan
    stacked = stacked_copy(dataset)
    stacked.stack(other)
    np.testing.assert_array_equal(stacked.counts.data, dataset.counts.data)
    stacked.stack(other, nan_to_num=False)
    np.testing.assert_array_equal(np.isnan(stacked.counts.data), other.mask_safe.data)


def test_mask_fit_is_dropped_with_a_warning(dataset, other):
    other.mask_fit = other.mask_safe.copy()
    stacked = stacked_copy(dataset)
    with pytest.warns(UserWarning, match="drops the mask_fit of 'second'"):
        stacked.stack(other)
    assert stacked.mask_fit is None
    assert other.to_masked().mask_fit is not None


def test_time_tables_and_meta(dataset, other):
    dataset.gti, other.gti = GTI.create(0 * u.h, 2 * u.h), GTI.create(1 * u.h, 4 * u.h)
    dataset.meta_table, other.meta_table = (Table({"OBS_ID": [i], "TELESCOP": ["T"]}) for i in (1, 2))
    stacked = stacked_copy(dataset)
    stacked.stack(other)
    assert len(stacked.gti) == 1
    np.testing.assert_allclose(stacked.gti.time_sum.to_value("h"), 4)
    assert stacked.meta_table["OBS_ID"][0].tolist() == [1, 2]
    assert len(dataset.meta_table) == 1


def test_tables_with_different_columns():
    joined = stack_tables(Table({"A": [1.0] * u.deg, "B": ["x"]}), Table({"A": [60.0] * u.arcmin, "C": [3]}))
    assert joined["A"][0].tolist() == [1, 1]
    assert joined["A"].unit == "deg"
    assert joined["B"][0].tolist() == ["x", ""]
    np.testing.assert_array_equal(joined["C"][0], [np.nan, 3])
    assert stack_tables(None, None) is None
    assert stack_tables(None, joined).colnames == joined.colnames


def test_what_was_on_disk_stays_there(tmp_path, dataset, other):
    path = tmp_path / "second.fits"
    other.write(path)
    lazy = MapDataset.read(path, name="lazy", lazy=True)
    stacked = stacked_copy(dataset)
    stacked.stack(lazy)
    assert lazy.loaded("counts") is None
    again = stacked_copy(dataset)
    again.stack(other)
    np.testing.assert_allclose(stacked.counts.data, again.counts.data)


def test_memory(tmp_path, dataset):
    """Stacking ten datasets takes less than 1.5 times the result plus one of them."""
    big = dataset.pad(100, name="big")
    big.mask_safe.data[...] = True
    big.write(tmp_path / "big.fits")
    datasets = Datasets([MapDataset.read(tmp_path / "big.fits", name=f"big-{i}", lazy=True) for i in range(10)])
    names = ("counts", "background", "exposure", "mask_safe")
    responses = [m for irf in (big.psf, big.edisp) for m in (irf._irf_map, irf.exposure_map)]
    size = sum(m.data.nbytes for m in [*(getattr(big, name) for name in names), *responses])
    tracemalloc.start()
    try:
        stacked = datasets.stack_reduce(name="stacked")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_allclose(stacked.counts.data.sum(), 10 * big.counts.data.sum(), rtol=1e-6)
    assert peak < 2.5 * size


# --- what does not go together


def test_other_geometries_change_nothing(dataset, other):
    wrong = other.downsample(2, name="coarse")
    before = dataset.counts.data.copy()
    dataset.models = None
    with pytest.raises(GeometryMismatchError, match="of dataset 'coarse' on 'tiny'"):
        dataset.stack(wrong)
    np.testing.assert_array_equal(dataset.counts.data, before)


def test_other_energies_change_nothing(dataset, other):
    dataset.models = None
    with pytest.raises(GeometryMismatchError, match="axes or pixel grid differ"):
        dataset.stack(other.slice_by_idx({"energy": slice(0, 2)}, name="sliced"))


def test_own_background_model_is_refused(dataset, other):
    with pytest.raises(ValueError, match="its background model 'tiny-bkg' would change"):
        dataset.stack(other)


def test_response_without_exposure(dataset, other):
    dataset.models = None
    other.psf.exposure_map = None
    with pytest.raises(ValueError, match="psf of dataset 'second' on 'tiny'.*exposure"):
        dataset.stack(other)


def test_types(dataset, other):
    on_off = MapDatasetOnOff(counts=dataset.counts, mask_safe=dataset.mask_safe, name="onoff")
    with pytest.raises(TypeError, match="OFF counts are not known"):
        on_off.stack(other)
    with pytest.raises(ValueError, match="'onoff'.*no counts_off, acceptance, acceptance_off"):
        on_off.stack(on_off.copy())
    with pytest.raises(TypeError, match="cannot stack a int"):
        dataset.stack(3)
    with pytest.raises(ValueError, match="only datasets of one type"):
        Datasets([on_off, other]).stack_reduce()
    with pytest.raises(ValueError, match="no datasets"):
        Datasets().stack_reduce()


def test_units_of_exposures(dataset, other):
    """An exposure in cm2 s adds to one in m2 s."""
    stacked, again = stacked_copy(dataset), stacked_copy(dataset)
    stacked.stack(other)
    other.exposure = other.exposure.to_unit("cm2 s")
    again.stack(other)
    np.testing.assert_allclose(again.exposure.data, stacked.exposure.data, rtol=1e-6)


def test_no_off_counts_at_all_keep_the_ratio(dataset):
    geom = dataset.counts.geom
    parts = {"counts": 0.0, "counts_off": 0.0, "acceptance": 1.0, "acceptance_off": 4.0}
    maps = {key: Map.from_geom(geom, data=np.full(geom.data_shape, value)) for key, value in parts.items()}
    one, two = (MapDatasetOnOff(**maps, name=name) for name in "ab")
    one = one.copy(name="c")
    one.stack(two)
    np.testing.assert_allclose(one.alpha.data, 0.25)
    np.testing.assert_allclose(two.downsample(2).alpha.data, 0.25)
    np.testing.assert_allclose(two.to_image().alpha.data, 0.25)
