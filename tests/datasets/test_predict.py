import numpy as np
import pytest
import xarray as xr

from bayesmap.datasets import MapDataset, compute_residuals
from bayesmap.maps import Map
from bayesmap.modeling import FoVBackgroundModel, Prior
from tests.datasets.conftest import point_model


def test_total_is_signal_plus_background(dataset):
    total = dataset.npred_signal().data + dataset.npred_background().data
    np.testing.assert_allclose(dataset.npred().data, total, rtol=1e-12)
    assert dataset.npred().data.dtype == np.float64


def test_background_norm_scales_the_background(dataset):
    before = dataset.npred_background().data
    dataset.background_model.spectral_model.norm.value = 1.3
    np.testing.assert_allclose(dataset.npred_background().data, 1.3 * before, rtol=1e-12)


def test_background_alone_is_the_stored_one(plain):
    np.testing.assert_allclose(plain.npred_background().data, plain.background.data)
    np.testing.assert_allclose(plain.npred().data, plain.background.data)
    assert plain.npred_signal().data.sum() == 0


def test_no_background_at_all(maps):
    dataset = MapDataset(**{key: value for key, value in maps.items() if key != "background"})
    assert dataset.npred_background() is None
    assert dataset.npred().data.sum() == 0
    np.testing.assert_array_equal(dataset.excess.data, dataset.counts.data)


def test_signal_is_linear_in_the_amplitude(dataset, source):
    before = dataset.npred_signal().data
    dataset.models["source"].spectral_model.amplitude.value *= 2
    np.testing.assert_allclose(dataset.npred_signal().data, 2 * before, rtol=1e-10)


def test_signal_by_model(dataset, source):
    other = point_model("other", lon=24.8, amplitude=3e-12)
    dataset.models = [dataset.models["source"], other, dataset.background_model]
    parts = [dataset.npred_signal(name).data for name in ("source", "other")]
    np.testing.assert_allclose(dataset.npred_signal().data, sum(parts), rtol=1e-12)
    np.testing.assert_allclose(dataset.npred_signal(["other"]).data, parts[1])
    separate = dataset.npred_signal(stack=False)
    assert separate.geom.axes.names == ["energy", "models"]
    assert separate.data.shape == (2, 3, 10, 12)
    np.testing.assert_allclose(separate.data, parts)


def test_unknown_model_name_offers_the_valid_ones(dataset):
    with pytest.raises(KeyError, match="dataset 'tiny' has no sky model 'sorce' .*did you mean 'source'"):
        dataset.npred_signal("sorce")


def test_only_the_total_is_clipped_and_it_says_so(dataset):
    dataset.models["source"].spectral_model.amplitude.value = -1e-9
    assert dataset.npred_signal().data.min() < 0
    with pytest.warns(UserWarning, match="dataset 'tiny': the predicted counts are negative in"):
        total = dataset.npred()
    assert total.data.min() == 0


def test_excess(dataset):
    expected = dataset.counts.data - dataset.npred_background().data
    np.testing.assert_allclose(dataset.excess.data, expected)


def test_stat_array_is_cash(dataset):
    npred, counts = dataset.npred().data, dataset.counts.data
    np.testing.assert_allclose(dataset.stat_array(), 2 * (npred - counts * np.log(npred)), rtol=1e-12)
    np.testing.assert_allclose(dataset.stat_sum(), dataset.stat_array().sum(), rtol=1e-12)


def test_stat_sum_uses_the_mask(dataset):
    mask = np.zeros(dataset.data_shape, dtype=bool)
    mask[1, 2:5] = True
    dataset.mask_fit = Map.from_geom(dataset.counts.geom, data=mask, unit="")
    np.testing.assert_allclose(dataset.stat_sum(), dataset.stat_array()[mask].sum(), rtol=1e-12)


def test_stat_needs_counts(maps):
    dataset = MapDataset(background=maps["background"], name="tiny")
    with pytest.raises(ValueError, match="dataset 'tiny' has no counts"):
        dataset.stat_sum()
    with pytest.raises(ValueError, match="dataset 'tiny' has no counts"):
        dataset.residuals()


def test_residual_methods(dataset):
    counts, npred = dataset.counts.data, dataset.npred().data
    np.testing.assert_allclose(dataset.residuals().data, counts - npred)
    np.testing.assert_allclose(dataset.residuals("diff/model").data, (counts - npred) / npred)
    np.testing.assert_allclose(dataset.residuals("diff/sqrt(model)").data, (counts - npred) / np.sqrt(npred))
    with pytest.raises(ValueError, match="method must be one of .*'difff'"):
        dataset.residuals("difff")


def test_residuals_outside_the_mask_are_nan(dataset):
    mask = np.zeros(dataset.data_shape, dtype=bool)
    mask[:, 2:5] = True
    dataset.mask_fit = Map.from_geom(dataset.counts.geom, data=mask, unit="")
    for kwargs in ({}, {"width": "0.1 deg"}):
        residuals = dataset.residuals(**kwargs).data
        np.testing.assert_array_equal(np.isnan(residuals), ~mask)


def test_smoothed_residuals_of_a_perfect_model_vanish(plain):
    plain.counts = Map.from_geom(plain.counts.geom, data=np.full(plain.data_shape, 2.0), unit="")
    plain.background = Map.from_geom(plain.counts.geom, data=np.full(plain.data_shape, 2.0), unit="")
    np.testing.assert_allclose(plain.residuals("diff/model", width="0.2 deg").data, 0, atol=1e-6)


def test_residuals_of_arrays():
    np.testing.assert_allclose(compute_residuals(np.array([3.0]), np.array([4.0]), "diff/sqrt(model)"), [-0.5])


def test_fake_draws_poisson_counts(dataset):
    dataset.fake(5)
    first = dataset.counts.data.copy()
    dataset.fake(5)
    np.testing.assert_array_equal(dataset.counts.data, first)
    dataset.fake(np.random.default_rng(6))
    assert not np.array_equal(dataset.counts.data, first)
    assert np.all(first == np.rint(first))
    # pulls of all bins of one draw: the mean square is 1 within 5 sigma, false alarm 6e-7
    npred = dataset.npred().data
    pulls = (first - npred) / np.sqrt(npred)
    spread = np.sqrt(np.sum(2 + 1 / npred)) / npred.size
    assert abs(np.mean(pulls**2) - 1) < 5 * spread


def test_fake_works_without_counts(maps):
    dataset = MapDataset(background=maps["background"], name="tiny")
    dataset.fake(1)
    assert dataset.counts.data.sum() > 0


def test_fake_refuses_predictions_that_are_not_finite(plain):
    plain.background.data[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="dataset 'tiny': the predicted counts are not finite in 1 bins"):
        plain.fake(1)


def test_background_model_can_be_replaced(plain):
    model = FoVBackgroundModel(dataset_name="tiny")
    model.spectral_model.tilt.value = 0.5
    plain.models = model
    ratio = plain.npred_background().data / plain.background.data
    energy = plain.counts.geom.axes["energy"].center.to_value("TeV")
    np.testing.assert_allclose(ratio[:, 3, 3], energy**-0.5, rtol=1e-10)


def constant_tree(dataset, values):
    """A posterior whose draws are all equal."""
    names = {name: p for p, name in dataset.models.parameter_names.items() if not p.frozen}
    data = {
        name: (("chain", "draw"), np.full((2, 5), values.get(name, p.value)), {"units": str(p.unit)})
        for name, p in names.items()
    }
    return xr.DataTree.from_dict({"posterior": xr.Dataset(data)})


def test_fake_from_a_posterior_keeps_the_models(dataset):
    before = dataset.background_model.spectral_model.norm.value
    tree = constant_tree(dataset, {"tiny-bkg.norm": 50.0})
    dataset.fake(2, posterior=tree)
    assert dataset.background_model.spectral_model.norm.value == before
    expected = 50 * dataset.background.data.sum() + dataset.npred_signal().data.sum()
    # 5 sigma, false alarm 6e-7
    assert abs(dataset.counts.data.sum() - expected) < 5 * np.sqrt(expected)


def test_fake_from_an_incomplete_posterior_is_refused(dataset):
    tree = constant_tree(dataset, {})
    tree = xr.DataTree.from_dict({"posterior": tree["posterior"].to_dataset().drop_vars("source.index")})
    with pytest.raises(KeyError, match=r"the posterior has no variables \['source.index'\]"):
        dataset.fake(2, posterior=tree)
    with pytest.raises(ValueError, match="not from both"):
        dataset.fake(2, posterior=tree, prior=True)


def test_fake_from_the_priors(dataset):
    dataset.background_model.spectral_model.norm.prior = Prior("Normal", mu=40.0, sigma=1e-3)
    dataset.fake(2, prior=True)
    expected = 40 * dataset.background.data.sum()
    assert dataset.counts.data.sum() > expected - 5 * np.sqrt(expected)
    assert dataset.background_model.spectral_model.norm.value == 1
    first = dataset.counts.data.copy()
    dataset.fake(2, prior=True)
    np.testing.assert_array_equal(dataset.counts.data, first)


def test_fake_needs_models_to_draw_parameters(plain):
    with pytest.raises(ValueError, match="dataset 'tiny' has no models"):
        plain.fake(1, prior=True)


def test_model_named_like_the_dataset(dataset):
    before = dataset.npred_signal().data
    model = point_model("tiny")
    dataset.models = [model, dataset.background_model]
    np.testing.assert_allclose(dataset.npred_signal().data, before, rtol=1e-12)
