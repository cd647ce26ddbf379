"""The PyMC model: forms of the likelihood, names, tools of PyMC, links, bad input."""

import numpy as np
import pymc as pm
import pytensor
import pytest
from scipy.special import gammaln

from bayesmap.inference import to_pymc
from bayesmap.inference.compile import compile_datasets
from bayesmap.inference.density import LogDensity
from bayesmap.inference.mode import search_modes
from bayesmap.inference.observations import ObservedCounts
from bayesmap.maps import Map
from bayesmap.modeling import Models, Prior
from tests.inference.tiny import background, geom, make_dataset, point, source_and_background


@pytest.fixture(scope="module")
def built(dataset):
    return compile_datasets(dataset)


@pytest.fixture(scope="module")
def likelihoods(dataset, built):
    """Log-likelihood of parameter values in three forms: counted bins, all bins, and counts unknown to the graph."""
    [observed] = built[1].values()
    inputs = [pytensor.tensor.dscalar() for _ in observed.npred.parameters]
    unknown = pytensor.tensor.dtensor3()
    dense = ObservedCounts(
        observed.arrays, list(dataset.models), observed.npred.parameters, dataset.likelihood, every_bin=True
    )
    outputs = [
        observed.logp(observed.value, *inputs),
        dense.logp(dense.value, *inputs),
        observed.logp(unknown, *inputs),
    ]
    function = pytensor.function([unknown, *inputs], outputs, mode="FAST_COMPILE")
    return lambda *values: function(dataset.counts.data.astype("float64"), *values)


def test_all_forms_of_the_likelihood_agree_with_the_statistic(dataset, built, likelihoods, rng):
    [observed] = built[1].values()
    parameters = observed.npred.parameters
    before = [p.value for p in parameters]
    differences = []
    try:
        for _ in range(4):
            for p, value in zip(parameters, before, strict=True):
                p.value = value + 0.02 * rng.normal() if p.name in ("lon_0", "lat_0") else value * rng.uniform(0.8, 1.2)
            counted, dense, unknown = likelihoods(*(p.value for p in parameters))
            np.testing.assert_allclose([dense, unknown], counted, rtol=1e-10)
            differences.append(counted + 0.5 * dataset.stat_sum())
    finally:
        for p, value in zip(parameters, before, strict=True):
            p.value = value
    # up to the constant, and to the last digits of sums over two thousand bins
    np.testing.assert_allclose(differences, differences[0], atol=1e-5)
    np.testing.assert_allclose(differences[0], -gammaln(dataset.counts.data + 1.0).sum(), atol=1e-5)


def test_the_mask_selects_the_bins_of_the_likelihood(rng):
    data = make_dataset(models=[background()])
    data.mask_fit = Map.from_geom(geom(), data=rng.random(geom().data_shape) > 0.4)
    model, _ = compile_datasets(data)
    density = LogDensity(model, mode="FAST_COMPILE")
    prior = data.models[0].spectral_model.norm.prior
    for norm in (0.8, 1.1):
        theta = np.array([np.log(norm / prior.median()) / 0.3])
        assert float(density.expand(theta)["tiny-bkg.norm"]) == pytest.approx(norm)
        data.models[0].spectral_model.norm.value = norm
        inside = data.counts.data[data.mask.data]
        expected = -0.5 * data.stat_sum() - gammaln(inside + 1.0).sum() + prior.logp(norm)
        assert density(theta, jacobian=False)[0] == pytest.approx(expected, abs=1e-6)


def test_variables_are_named_and_in_declared_units(built, dataset):
    model = built[0]
    assert {rv.name for rv in model.free_RVs} == {
        "source.index", "source.amplitude", "source.lon_0", "source.lat_0", "tiny-bkg.norm",
    }  # fmt: skip
    assert [rv.name for rv in model.observed_RVs] == ["tiny.counts"]
    assert not model.potentials
    draws = pm.draw(model["source.amplitude"], 200, random_seed=1, mode="FAST_COMPILE")
    median = dataset.models["source"].spectral_model.amplitude.prior.median("cm-2 s-1 TeV-1")
    assert np.median(draws) == pytest.approx(median, rel=0.5)


def test_another_declared_unit_is_the_same_posterior(dataset, built):
    other = make_dataset(models=[point(amplitude="1e-8 m-2 s-1 TeV-1"), background()], counts=dataset.counts.data)
    amplitude = other.models["source"].spectral_model.amplitude
    assert amplitude.unit == "m-2 s-1 TeV-1"
    first, second = (LogDensity(m, mode="FAST_COMPILE") for m in (built[0], to_pymc(other)))
    theta = np.array([0.3, -0.2, 0.1, 0.4, -0.3])
    assert float(second.expand(theta)["source.amplitude"]) == pytest.approx(
        1e4 * float(first.expand(theta)["source.amplitude"])
    )
    np.testing.assert_allclose(second(theta)[0], first(theta)[0], rtol=1e-12)
    np.testing.assert_allclose(second(theta)[1], first(theta)[1], rtol=1e-9, atol=1e-9)


def test_prior_predictive_draws_counts(built, dataset):
    with built[0]:
        tree = pm.sample_prior_predictive(draws=20, random_seed=1, compile_kwargs={"mode": "FAST_COMPILE"})
    counts = tree["prior_predictive"]["tiny.counts"].to_numpy()[0]
    assert counts.shape == (20, *dataset.counts.data.shape)
    assert (counts == np.floor(counts)).all()
    assert (counts >= 0).all()
    # each draw is Poisson around the prediction of its own parameters
    [observed] = built[1].values()
    names = [f"source.{n}" for n in ("index", "amplitude", "lon_0", "lat_0")] + ["tiny-bkg.norm"]
    for i in (0, 7):
        mean = observed.npred(*(tree["prior"][n].to_numpy()[0, i] for n in names)).sum()
        assert abs(counts[i].sum() - mean) < 5 * np.sqrt(mean)


def test_do_fixes_a_parameter(built):
    fixed = pm.do(built[0], {"source.amplitude": 5e-11, "source.index": 2.0})
    assert LogDensity(built[0], mode="FAST_COMPILE").start == pytest.approx(0)
    assert {rv.name for rv in fixed.free_RVs} == {"source.lon_0", "source.lat_0", "tiny-bkg.norm"}
    with fixed:
        tree = pm.sample_prior_predictive(draws=3, random_seed=1, compile_kwargs={"mode": "FAST_COMPILE"})
    assert tree["prior_predictive"]["tiny.counts"].sum(axis=(-1, -2, -3)).min() > 5000


def test_find_map_is_the_mode(built):
    with built[0]:
        tree = pm.find_MAP(
            progressbar=False, return_inferencedata=True, jitter=False, compile_kwargs={"mode": "FAST_COMPILE"}
        )
    density = LogDensity(built[0], mode="FAST_COMPILE")
    best, _ = search_modes(density, np.random.default_rng(1), searches=1, jacobian=False)
    for name, value in density.expand(best.mode).items():
        scale = 1e-2 * abs(float(value)) if name.endswith(("index", "amplitude", "norm")) else 1e-3
        assert float(tree["posterior"][name].squeeze()) == pytest.approx(float(value), abs=scale), name


def test_graphviz(built):
    text = built[0].to_graphviz().source
    for name in ("source.index", "tiny-bkg.norm", "tiny.counts"):
        assert name in text


def test_a_linked_parameter_is_one_variable():
    first, second = point("first"), point("second", lon=25.3)
    second.spectral_model.index = first.spectral_model.index
    model = to_pymc(make_dataset(models=[first, second, background()]))
    names = {rv.name for rv in model.free_RVs}
    assert "first.index" in names
    assert "second.index" not in names
    assert len(names) == 8


def test_priors_of_the_user_are_used():
    source = point()
    source.spectral_model.index.prior = Prior("Normal", mu=2.0, sigma=0.01)
    model = to_pymc(make_dataset(models=[source, background()]))
    assert np.std(pm.draw(model["source.index"], 200, random_seed=1, mode="FAST_COMPILE")) < 0.02
    assert not source.spectral_model.index.prior.is_default
    assert source.spectral_model.amplitude.prior.is_default


class TestBadInput:
    def test_no_free_parameters(self):
        source = point()
        source.freeze()
        with pytest.raises(ValueError, match="nothing to infer"):
            to_pymc(make_dataset(models=[source]))

    def test_no_models(self):
        data = make_dataset()
        with pytest.raises(ValueError, match="nothing to infer.*no models"):
            to_pymc(data)

    def test_no_datasets(self):
        with pytest.raises(ValueError, match="no datasets"):
            to_pymc([])

    def test_duplicate_dataset_names(self):
        data = make_dataset(models=[background()])
        with pytest.raises(ValueError, match=r"unique.*tiny"):
            to_pymc([data, make_dataset(models=[background()])])

    def test_duplicate_model_names(self):
        with pytest.raises(ValueError, match="source"):
            to_pymc(
                [
                    make_dataset("a", models=[point(), background("a")]),
                    make_dataset("b", models=[point(), background("b")]),
                ]
            )

    def test_no_counts(self):
        data = make_dataset(models=[background()])
        data.counts = None
        with pytest.raises(ValueError, match="'tiny' has no counts"):
            to_pymc(data)

    def test_all_masked(self):
        data = make_dataset(models=[background()])
        data.mask_fit = Map.from_geom(geom(), data=np.zeros(geom().data_shape, dtype=bool))
        with pytest.raises(ValueError, match="'tiny'.*masks leave no bin"):
            to_pymc(data)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_background_that_is_not_finite(self, value):
        data = make_dataset(models=source_and_background())
        data.background.data[1, 2, 3] = value
        with pytest.raises(ValueError, match="'tiny'.*background has NaN"):
            to_pymc(data)

    @pytest.mark.parametrize("value", [np.nan, -1.0])
    def test_exposure_that_is_not_finite_or_negative(self, value):
        data = make_dataset(models=source_and_background())
        data.exposure.data[1, 2, 3] = value
        with pytest.raises(ValueError, match="'tiny'.*exposure has NaN"):
            to_pymc(data)

    @pytest.mark.parametrize("value", [0.5, -1.0, np.nan])
    def test_counts_that_are_no_counts(self, value):
        data = make_dataset(models=source_and_background())
        data.counts.data[0, 0, 0] = value
        with pytest.raises(ValueError, match="'tiny'.*whole, non-negative.*1 bins"):
            to_pymc(data)

    def test_counts_where_nothing_is_predicted(self):
        data = make_dataset(models=[point()])
        data.background = None
        with pytest.raises(ValueError, match=r"'tiny'.*\d+ bins hold counts but no model.*\(0, "):
            to_pymc(data)

    def test_a_single_unexplained_bin_is_named(self):
        data = make_dataset(models=[background()])
        data.background.data[1, 2, 3], data.counts.data[1, 2, 3] = 0.0, 1.0
        with pytest.raises(ValueError, match=r"'tiny': 1 bins hold counts.*\(1, 2, 3\)"):
            to_pymc(data)
        data.mask_fit = Map.from_geom(geom(), data=data.background.data > 0)
        to_pymc(data)

    def test_background_model_without_background(self):
        data = make_dataset(models=source_and_background())
        data.background = None
        with pytest.raises(ValueError, match="'tiny-bkg' scales the background of dataset 'tiny', which has none"):
            to_pymc(data)

    def test_source_without_exposure(self):
        data = make_dataset(models=source_and_background())
        data.exposure = None
        with pytest.raises(ValueError, match="'tiny' has no exposure.*'source'"):
            to_pymc(data)

    def test_prior_that_contradicts_the_bounds(self):
        source = point()
        source.spectral_model.index.min, source.spectral_model.index.max = 0, 5
        with pytest.raises(ValueError, match="index"):
            source.spectral_model.index.prior = Prior("Uniform", lower=6, upper=8)

    def test_bounds_that_contradict_the_prior(self):
        source = point()
        source.spectral_model.index.value = 7.0
        source.spectral_model.index.prior = Prior("Uniform", lower=6, upper=8)
        source.spectral_model.index.value = 4.0
        with pytest.raises(ValueError, match="index"):
            source.spectral_model.index.max = 5

    def test_unknown_route(self):
        with pytest.raises(ValueError, match="mixture"):
            to_pymc(make_dataset(models=source_and_background()), psf_route="mixtur")

    def test_two_background_models(self):
        second = background()
        second_named = second.copy(name="again")
        with pytest.raises(ValueError, match="background"):
            to_pymc(make_dataset(models=Models([background(), second_named])))
