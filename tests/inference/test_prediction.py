"""Predictions from a posterior: against plain loops, streamed, and fakes."""

import tracemalloc

import numpy as np
import pytest
import xarray as xr

from bayesmap.datasets import MapDataset
from bayesmap.inference import posterior_npred, posterior_predictive
from bayesmap.inference.observations import facts_of
from bayesmap.irf import PSFMap
from bayesmap.maps import Map, MapAxis, WcsGeom
from bayesmap.modeling import Prior, SkyModel
from tests.inference.tiny import background, make_dataset, point, source_and_background

NAMES = {
    "source.index": ("source", "index"),
    "source.amplitude": ("source", "amplitude"),
    "source.lon_0": ("source", "lon_0"),
    "source.lat_0": ("source", "lat_0"),
    "tiny-bkg.norm": ("tiny-bkg", "norm"),
}


def posterior_of(n_draw=6, chains=2, **changes):
    """A posterior made by hand."""
    rng = np.random.default_rng(3)
    shape = (chains, n_draw)
    values = {
        "source.index": rng.normal(2.2, 0.1, shape),
        "source.amplitude": rng.normal(1e-12, 1e-13, shape),
        "source.lon_0": rng.normal(25.03, 0.01, shape),
        "source.lat_0": rng.normal(0.98, 0.01, shape),
        "tiny-bkg.norm": rng.normal(1.0, 0.03, shape),
    } | changes
    units = {"source.amplitude": "cm-2 s-1 TeV-1", "source.lon_0": "deg", "source.lat_0": "deg"}
    variables = {k: (("chain", "draw"), v, {"units": units.get(k, "")}) for k, v in values.items()}
    coords = {"chain": np.arange(chains), "draw": np.arange(n_draw)}
    return xr.DataTree.from_dict({"posterior": xr.Dataset(variables, coords=coords)})


@pytest.fixture(scope="module")
def made():
    return posterior_of()


@pytest.fixture(scope="module")
def cubes(made):
    """Predicted counts of each draw by setting the models' values, ``(n_draw, n_energy, n_lat, n_lon)``."""
    data = make_dataset(models=source_and_background())
    result = []
    for chain in range(2):
        for draw in range(6):
            for name, (model, parameter) in NAMES.items():
                value = float(made["posterior"][name][chain, draw])
                data.models[model].parameters[parameter].value = value
            result.append(data.npred().data)
    return np.array(result)


def test_mean_and_deviation_equal_the_plain_loop(made, cubes, dataset):
    before = [p.value for p in dataset.models.parameters]
    mean = posterior_npred(made, dataset, num_draws=12)
    assert mean.geom == dataset.counts.geom
    assert mean.unit == ""
    np.testing.assert_allclose(mean.data, cubes.mean(axis=0), rtol=1e-6)
    spread = posterior_npred(made, dataset, num_draws=12, reduce="std")
    np.testing.assert_allclose(spread.data, cubes.std(axis=0, ddof=1), rtol=1e-4, atol=1e-9)
    assert [p.value for p in dataset.models.parameters] == before


def test_a_function_of_each_cube(made, cubes, dataset):
    spectra = posterior_npred(made, dataset, num_draws=12, reduce=lambda cube: cube.sum(axis=(1, 2)))
    assert spectra.shape == (12, 3)
    expected = cubes.sum(axis=(2, 3))
    np.testing.assert_allclose(np.sort(spectra, axis=0), np.sort(expected, axis=0), rtol=1e-6)
    few = posterior_npred(made, dataset, num_draws=4, reduce=np.sum)
    assert few.shape == (4,)
    assert len(set(few)) == 4  # without replacement
    assert np.isclose(few[:, None], cubes.sum(axis=(1, 2, 3)), rtol=1e-6).any(axis=1).all()


def test_predictive_counts(made, cubes, dataset):
    totals = posterior_predictive(made, dataset, num_draws=12, reduce=np.sum, random_state=2)
    assert (totals == np.floor(totals)).all()
    expected = cubes.sum(axis=(1, 2, 3))
    sigma = np.sqrt((expected.mean() + expected.var()) / 12)
    assert abs(totals.mean() - expected.mean()) < 5 * sigma
    mean = posterior_predictive(made, dataset, num_draws=12, random_state=2)
    assert mean.data.sum() == pytest.approx(totals.mean())
    again = posterior_predictive(made, dataset, num_draws=12, reduce=np.sum, random_state=2)
    np.testing.assert_array_equal(totals, again)


def test_predictive_of_a_real_posterior_covers_the_data(tree, dataset):
    spectra = posterior_predictive(tree, dataset, num_draws=60, reduce=lambda cube: cube.sum(axis=(1, 2)))
    z = (dataset.counts.data.sum(axis=(1, 2)) - spectra.mean(axis=0)) / spectra.std(axis=0)
    assert np.abs(z).max() < 4


def test_draws_are_streamed(dataset):
    """The peak does not grow with the number of draws: 190 cubes more would be 3.3 MB more."""
    many, peaks = posterior_of(100), []
    for num_draws in (2, 10, 200):  # the first is for imports and caches
        tracemalloc.start()
        posterior_predictive(many, dataset, num_draws=num_draws, reduce="std")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 1e6


def test_frozen_parameters_keep_their_values(made):
    data = make_dataset(models=source_and_background())
    source = data.models["source"]
    source.spectral_model.amplitude.value = 0.0
    source.freeze()
    mean = posterior_npred(made, data, num_draws=12)
    norm = float(made["posterior"]["tiny-bkg.norm"].mean())
    np.testing.assert_allclose(mean.data, norm * data.background.data, rtol=1e-9)


def test_errors_name_what_is_missing(made, dataset):
    lacking = xr.DataTree.from_dict({"posterior": made["posterior"].to_dataset().drop_vars("source.index")})
    with pytest.raises(KeyError, match=r"'tiny': the posterior has no variables \['source.index'\]"):
        posterior_npred(lacking, dataset, num_draws=2)
    with pytest.raises(ValueError, match="num_draws is 13, the posterior has 12 draws"):
        posterior_npred(made, dataset, num_draws=13)
    with pytest.raises(ValueError, match="reduce.*mean"):
        posterior_npred(made, dataset, num_draws=2, reduce="men")


def test_fake_from_a_posterior(made, cubes):
    data = make_dataset(models=source_and_background())
    before = [p.value for p in data.models.parameters]
    data.fake(1, posterior=made)
    first = data.counts.data.copy()
    data.fake(1, posterior=made)
    np.testing.assert_array_equal(data.counts.data, first)
    data.fake(2, posterior=made)
    assert not np.array_equal(data.counts.data, first)
    assert [p.value for p in data.models.parameters] == before
    # a draw, not the mean: with a norm of three in one draw only, totals show it
    norm = np.ones((2, 6))
    norm[1] = 3.0
    totals = []
    for seed in range(12):
        data.fake(seed, posterior=posterior_of(**{"tiny-bkg.norm": norm}))
        totals.append(data.counts.data.sum())
    totals = np.array(totals)
    high = totals > 2000
    assert 0 < high.sum() < 12
    assert abs(totals[high].mean() - 3240) < 200
    assert abs(totals[~high].mean() - 1225) < 150


def test_fake_from_the_priors():
    data = make_dataset(models=[background(prior=Prior("Uniform", lower=4.0, upper=4.001))])
    data.fake(5, prior=True)
    assert abs(data.counts.data.sum() - 4 * data.background.data.sum()) < 5 * np.sqrt(4100)
    assert data.models[0].spectral_model.norm.value == 1.0
    first = data.counts.data.copy()
    data.fake(5, prior=True)
    np.testing.assert_array_equal(data.counts.data, first)
    with pytest.raises(ValueError, match="not from both"):
        data.fake(5, prior=True, posterior=posterior_of())


def test_fake_from_default_priors_gives_them_to_the_models():
    data = make_dataset(models=[point(), background()])
    data.fake(5, prior=True)
    assert data.models["source"].spectral_model.amplitude.prior.is_default
    bare = make_dataset(models=[point(), background()])
    bare.counts = None
    with pytest.raises(ValueError, match=r"'tiny'.*have no prior, and default priors need counts"):
        bare.fake(5, prior=True)


def test_fake_names_what_the_posterior_lacks(made):
    data = make_dataset(models=[point("other"), background()])
    with pytest.raises(KeyError, match=r"'other.index'"):
        data.fake(1, posterior=made)


def test_counts_are_drawn_where_transforms_leave_tiny_negative_numbers():
    """The likelihood takes these predictions, and so do draws."""
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    true = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2, name="energy_true")
    geom = WcsGeom.create(skydir=(0, 0), npix=(60, 60), binsz=0.05, frame="galactic", axes=[energy])
    model = SkyModel.create("pl", "gauss", name="wide")
    model.spatial_model.frame, model.spatial_model.sigma.quantity = "galactic", "0.1 deg"
    for parameter in model.parameters:
        parameter.frozen = parameter.name != "amplitude"
    exposure = Map.from_geom(geom.to_image().to_cube([true]), data=1e11, unit="m2 s")
    dataset = MapDataset(exposure=exposure, psf=PSFMap.from_gauss(true, sigma="0.08 deg"), models=[model], name="empty")
    dataset.counts = Map.from_geom(geom, data=0.0, unit="")
    [amplitude] = model.parameters.free_parameters
    observed = facts_of(dataset).observe([amplitude], data=False, route="fft")
    assert observed.mean(1e-11).min() < 0
    assert observed.random(np.random.default_rng(1), 1e-11).min() == 0
