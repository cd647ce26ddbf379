import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from bayesmap.datasets import MapDataset, check_for_inference
from bayesmap.irf import EDispKernelMap, EDispMap, PSFMap, RecoPSFMap
from bayesmap.maps import Map, MapAxis
from bayesmap.modeling import FoVBackgroundModel
from tests.datasets.conftest import point_model


def half_mask(geom):
    data = np.zeros(geom.data_shape, dtype=bool)
    data[1:, :, :6] = True
    return Map.from_geom(geom, data=data, unit="")


def test_create_gives_zero_filled_maps(geom, energy_axis_true):
    dataset = MapDataset.create(geom, energy_axis_true=energy_axis_true, name="empty")
    assert dataset.data_shape == (3, 10, 12)
    assert dataset.counts.data.sum() == 0
    assert not dataset.mask_safe.data.any()
    assert dataset.exposure.unit == "m2 s"
    assert dataset.geoms["geom_psf"].axes.names == ["rad", "energy_true"]
    assert dataset.geoms["geom_edisp"].axes.names == ["energy", "energy_true"]
    assert isinstance(dataset.psf, PSFMap)
    assert isinstance(dataset.edisp, EDispKernelMap)
    assert dataset.gti.time_sum.to_value("s") == 0


def test_create_with_migration_and_reco_psf(geom):
    migra = MapAxis.from_bounds(0.2, 5, nbin=20, name="migra", node_type="edges")
    dataset = MapDataset.create(geom, migra_axis=migra, reco_psf=True)
    assert isinstance(dataset.edisp, EDispMap)
    assert isinstance(dataset.psf, RecoPSFMap)


def test_create_checks_axis_names(geom):
    with pytest.raises(ValueError, match="expected an axis named 'energy_true', got 'energy'"):
        MapDataset.create(geom, energy_axis_true=geom.axes["energy"])


def test_names_are_random_or_checked(geom):
    assert len(MapDataset().name) == 8
    with pytest.raises(ValueError, match="'/'"):
        MapDataset(name="a/b")


def test_dataset_without_maps_says_so():
    with pytest.raises(ValueError, match="dataset 'nothing' has none of counts"):
        _ = MapDataset(name="nothing").data_shape


def test_mask_is_the_intersection(plain, geom):
    assert plain.mask is None
    plain.mask_fit = half_mask(geom)
    assert plain.mask is plain.mask_fit
    safe = np.zeros(geom.data_shape, dtype=bool)
    safe[:, 4:, :] = True
    plain.mask_safe = Map.from_geom(geom, data=safe, unit="")
    np.testing.assert_array_equal(plain.mask.data, safe & plain.mask_fit.data)
    assert plain.mask_image.data.sum() == 36
    assert plain.mask_fit_image.data.sum() == 60
    assert plain.mask_safe_image.data.sum() == 72


def test_energy_ranges(plain, geom):
    plain.mask_fit = half_mask(geom)
    edges = geom.axes["energy"].edges.to_value("TeV")
    low, high = plain.energy_range
    assert low.data[0, 0] == edges[1]
    assert high.data[0, 0] == edges[-1]
    assert np.isnan(low.data[0, 11])
    assert np.isnan(high.data[0, 11])
    assert plain.energy_range_safe[0].data[0, 11] == edges[0]
    assert plain.energy_range_total[1].to_value("TeV") == edges[-1]


def test_models_setter_accepts_one_or_many(plain):
    source = point_model()
    plain.models = source
    assert plain.models["source"] is source
    plain.models = [source, FoVBackgroundModel(dataset_name="elsewhere")]
    assert plain.models.names == ["source"]
    assert plain.background_model is None
    plain.models = [source, FoVBackgroundModel(dataset_name="tiny")]
    assert plain.background_model.name == "tiny-bkg"


def test_duplicate_model_names_are_refused(plain):
    with pytest.raises(ValueError, match="source"):
        plain.models = [point_model(), point_model()]


def test_source_outside_the_field_warns_with_its_name(dataset):
    with pytest.warns(UserWarning, match="dataset 'tiny': the source of model 'far' .* outside the field"):
        dataset.models = point_model("far", lon=28.0)


def test_source_within_the_psf_of_the_edge_does_not_warn(dataset):
    dataset.models = point_model("near", lon=25.65)


def test_copy_is_deep_and_renames_links(dataset):
    dataset.meta_table = None
    new = dataset.copy(name="new")
    assert new.name == "new"
    assert new.models.names == ["source", "tiny-bkg"]
    assert list(new.models["tiny-bkg"].datasets_names) == ["new"]
    assert list(dataset.models["tiny-bkg"].datasets_names) == ["tiny"]
    new.counts.data += 1
    new.models["source"].spectral_model.index.value = 3
    assert not np.array_equal(new.counts.data, dataset.counts.data)
    assert dataset.models["source"].spectral_model.index.value == 2.2
    assert new.meta == dataset.meta
    np.testing.assert_allclose(new.gti.time_sum.value, dataset.gti.time_sum.value)


def test_cutout_keeps_all_components(dataset):
    part = dataset.cutout(SkyCoord(25.0, 0.0, unit="deg", frame="galactic"), 0.6 * u.deg, name="part")
    assert part.data_shape == (3, 6, 6)
    assert part.exposure.data.shape == (5, 6, 6)
    assert part.models is None
    np.testing.assert_array_equal(part.counts.data, dataset.counts.data[:, 2:8, 3:9])
    assert part.exposure.meta["livetime"] == dataset.exposure.meta["livetime"]
    assert part.edisp is not None
    assert part.psf is not None


def test_write_read_round_trip(dataset, tmp_path):
    dataset.mask_fit = half_mask(dataset.counts.geom)
    path = tmp_path / "tiny.fits.gz"
    dataset.write(path)
    with pytest.raises(OSError, match="exist"):
        dataset.write(path)
    dataset.write(path, overwrite=True, checksum=True)
    for lazy in (False, True):
        again = MapDataset.read(path, lazy=lazy, checksum=True)
        assert again.name == "tiny"
        for name in ("counts", "background", "exposure", "mask_safe", "mask_fit"):
            one, two = getattr(again, name), getattr(dataset, name)
            np.testing.assert_array_equal(one.data, two.data)
            assert one.unit == two.unit
        np.testing.assert_allclose(again.psf.psf_map.data, dataset.psf.psf_map.data)
        np.testing.assert_allclose(again.edisp.edisp_map.data, dataset.edisp.edisp_map.data)
        np.testing.assert_allclose(again.gti.time_sum.to_value("s"), dataset.gti.time_sum.to_value("s"))
        again.models = dataset.models
        np.testing.assert_allclose(again.stat_sum(), dataset.stat_sum(), rtol=1e-10)


def test_lazy_reading_loads_on_use(dataset, tmp_path):
    path = tmp_path / "tiny.fits"
    dataset.write(path)
    again = MapDataset.read(path, name="lazy", lazy=True)
    assert again.name == "lazy"
    assert again.loaded("counts") is None
    assert again.counts.data.sum() == dataset.counts.data.sum()
    assert again.loaded("counts") is not None
    assert again.loaded("psf") is None


def test_info_dict(dataset):
    info = dataset.info_dict()
    assert info["counts"] == dataset.counts.data.sum()
    assert info["n_bins"] == 360
    assert info["n_fit_bins"] == 360
    assert info["stat_type"] == "cash"
    np.testing.assert_allclose(info["stat_sum"], dataset.stat_sum())
    np.testing.assert_allclose(info["npred"], info["npred_background"] + info["npred_signal"])
    np.testing.assert_allclose(info["excess"], info["counts"] - info["npred_background"])
    np.testing.assert_allclose(info["counts_rate"].to_value("s-1"), info["counts"] / 7200)
    assert list(info) == [
        *("name", "counts", "excess", "sqrt_ts", "background", "npred", "npred_background", "npred_signal"),
        *("exposure_min", "exposure_max", "livetime", "ontime", "counts_rate", "background_rate", "excess_rate"),
        *("n_bins", "n_fit_bins", "stat_type", "stat_sum"),
    ]


def test_info_dict_respects_the_safe_mask(dataset):
    dataset.mask_safe = half_mask(dataset.counts.geom)
    inside = dataset.counts.data[1:, :, :6].sum()
    assert dataset.info_dict()["counts"] == inside
    assert dataset.info_dict(in_safe_data_range=False)["counts"] == dataset.counts.data.sum()


def test_str_and_html_of_partial_datasets(maps):
    for drop in ("background", "exposure", "gti"):
        partial = MapDataset(**{key: value for key, value in maps.items() if key != drop})
        assert "Total counts" in str(partial)
        assert "<table>" in partial._repr_html_()
    only_background = MapDataset(background=maps["background"], name="a & b")
    assert "Total counts                    : 0 " in str(only_background)
    assert "a &amp; b" in only_background._repr_html_()


def test_repr_is_one_line(plain):
    assert repr(plain) == "<MapDataset 'tiny'>"


def test_check_for_inference(dataset, geom):
    check_for_inference(dataset)
    dataset.mask_fit = Map.from_geom(geom, unit="", dtype=bool)
    with pytest.raises(ValueError, match="dataset 'tiny': the mask excludes all bins"):
        check_for_inference(dataset)
    with pytest.warns(UserWarning, match="excludes all bins"):
        assert dataset.stat_sum() == 0
    dataset.mask_fit = None
    dataset.background.data[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="background is negative or not finite"):
        check_for_inference(dataset)
    with pytest.raises(ValueError, match="no counts"):
        check_for_inference(MapDataset(background=Map.from_geom(geom, unit="")))
    with pytest.raises(ValueError, match="neither models nor a background"):
        check_for_inference(MapDataset(counts=Map.from_geom(geom, unit="")))
