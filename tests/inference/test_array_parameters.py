"""Parameters with a shape: one variable, the same numbers as single parameters, everywhere that results are read."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
import pytest
import xarray as xr

from bayesmap._backend.functions import QUICK
from bayesmap.datasets import Datasets
from bayesmap.inference import CompiledFit, default_priors, find_mode, posterior_npred, sample_prior
from bayesmap.inference.compile import compile_datasets
from bayesmap.inference.density import LogDensity
from bayesmap.maps import MapCoord
from bayesmap.modeling import (
    ArrayParameter,
    FoVBackgroundModel,
    HyperParameter,
    Models,
    Parameter,
    PiecewiseNormSpatialModel,
    PiecewiseNormSpectralModel,
    Prior,
    parameter_names,
)
from bayesmap.modeling.priors.variables import prior_variables
from bayesmap.plot import plot_corner, plot_marginals
from bayesmap.report.summaries import summary_rows
from tests.inference.tiny import LAT, LON, make_dataset, point

N = 9
PRIORS = {
    "Normal": Prior("Normal", mu=1.0, sigma=0.3),
    "LogNormal": Prior("LogNormal", mu=0.0, sigma=0.3),
    "Uniform": Prior("Uniform", lower=0.0, upper=2.0),
    "LogUniform": Prior("LogUniform", lower=0.1, upper=10.0),
    "GeneralizedGaussian": Prior("GeneralizedGaussian", mu=1.0, sigma=0.3, eta=0.4),
    "Gamma": Prior("Gamma", alpha=2.0, beta=2.0),
    "SamplesKDE": Prior("SamplesKDE", samples=[0.5, 0.8, 1.0, 1.3, 2.0]),
}


def field(norms, interp="log"):
    """A background whose norm varies over the field, 3 x 3 nodes."""
    lon, lat = np.meshgrid(np.linspace(LON - 1, LON + 1, 3), np.linspace(LAT - 0.9, LAT + 0.9, 3))
    coords = MapCoord.create((lon.ravel() * u.deg, lat.ravel() * u.deg))
    model = FoVBackgroundModel(
        dataset_name="tiny", spatial_model=PiecewiseNormSpatialModel(coords, norms, interp, frame="galactic")
    )
    model.spectral_model.norm.frozen = True
    return model


def array(value=1.0, prior=PRIORS["LogNormal"], **kwargs):
    return ArrayParameter("norm", value, shape=(N,), prior=prior, **kwargs)


def single(value=1.0, prior=PRIORS["LogNormal"]):
    return [Parameter(f"norm_{i}", float(v), prior=prior) for i, v in enumerate(np.broadcast_to(value, (N,)))]


@pytest.fixture(scope="module")
def values():
    return np.random.default_rng(3).lognormal(0, 0.2, N)


@pytest.fixture
def dataset(values):
    made = make_dataset(models=[field(array(values))])
    made.models[0].spatial_model.norm.value = 1.0
    return made


@pytest.mark.parametrize("minimum", [np.nan, 0.1])
@pytest.mark.parametrize("key", PRIORS)
def test_prior_density_is_that_of_single_parameters(key, minimum):
    one = ArrayParameter("a", np.full(4, 1.1), prior=PRIORS[key], min=minimum)
    many = [Parameter(f"a{i}", 1.1, prior=PRIORS[key], min=minimum) for i in range(4)]
    with pm.Model() as first:
        prior_variables({one: "m.a"})
    with pm.Model() as second:
        prior_variables({p: f"m.{p.name}" for p in many})
    densities = [LogDensity(model, mode=QUICK) for model in (first, second)]
    theta = np.array([-1.0, 0.3, 0.0, 2.0])
    (value, gradient), (wanted, slope) = (density(theta) for density in densities)
    assert value == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_allclose(gradient, slope, rtol=1e-12)
    drawn = pm.draw(first["m.a"], random_seed=1, mode="FAST_COMPILE")
    assert drawn.shape == (4,)
    assert len(set(drawn)) == 4


@pytest.mark.parametrize("dist", ["Normal", "LogNormal"])
def test_elements_share_hyperparameters(dist):
    """Shrinkage over the nodes: one width, and one offset per element."""
    hyper = HyperParameter("width", Prior("HalfNormal", sigma=0.3))
    one = ArrayParameter("a", np.ones(4), prior=Prior(dist, mu=0.5, sigma=hyper))
    many = [Parameter(f"a{i}", 1.0, prior=one.prior) for i in range(4)]
    results = []
    for parameters in ([one], many):
        with pm.Model() as model:
            prior_variables({p: f"m.{p.name}" for p in parameters})
        density = LogDensity(model, mode=QUICK)
        results.append((density(np.array([0.2, -1.0, 0.3, 0.0, 2.0]))[0], density.size))
    assert results[0] == pytest.approx(results[1], rel=1e-12)


def test_density_and_gradient_are_those_of_single_parameters(dataset, values):
    densities = [LogDensity(compile_datasets(dataset)[0], mode=QUICK)]
    dataset.models = [field(single())]
    densities.append(LogDensity(compile_datasets(dataset)[0], mode=QUICK))
    theta = np.random.default_rng(1).normal(size=N)
    (value, gradient), (wanted, slope) = (density(theta) for density in densities)
    assert value == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_allclose(gradient, slope, rtol=1e-10)
    assert densities[0].names == ["tiny-bkg.spatial.norm"]
    assert densities[0].labels[3].endswith("norm[3]")


def test_numbers_are_those_of_single_parameters(values):
    axis = np.geomspace(1, 10, N) * u.TeV
    energy = np.geomspace(0.5, 20, 40) * u.TeV
    for interp in ("log", "lin", "sqrt"):
        one, many = (PiecewiseNormSpectralModel(axis, norms, interp) for norms in (array(values), single(values)))
        np.testing.assert_allclose(one(energy), many(energy), rtol=1e-14)
        np.testing.assert_allclose(one.integral(energy[:-1], energy[1:]), many.integral(energy[:-1], energy[1:]))
        np.testing.assert_array_equal(one.norms, many.norms)
    for interp in ("log", "lin"):
        one, many = (field(norms, interp).spatial_model for norms in (array(values), single(values)))
        where = np.linspace(LON - 0.7, LON + 0.7, 7) * u.deg, np.linspace(LAT - 0.6, LAT + 0.6, 7) * u.deg
        np.testing.assert_allclose(one(*where), many(*where), rtol=1e-14)


def test_errors_of_a_spectrum(values):
    """From a covariance, and from draws."""
    energy = np.geomspace(1, 10, 5) * u.TeV
    one, many = (
        PiecewiseNormSpectralModel(np.geomspace(1, 10, N) * u.TeV, norms) for norms in (array(values), single(values))
    )
    for model in (one, many):
        model.covariance = np.diag(np.linspace(0.01, 0.05, N) ** 2)
    np.testing.assert_allclose(one.evaluate_error(energy), many.evaluate_error(energy), rtol=1e-10)
    assert one.covariance.names == [f"norm[{i}]" for i in range(N)]
    draws = values + 0.01 * np.random.default_rng(1).normal(size=(1, 50, N))
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"m.norm": (("chain", "draw", "node"), draws)})})
    median, low, high = one.evaluate_error(energy, samples=tree, n_samples=50)
    np.testing.assert_allclose(median, one(energy), rtol=0.02)
    assert (low > 0).all()
    assert (high > 0).all()


@pytest.mark.parametrize("prior", [PRIORS["LogNormal"], PRIORS["Uniform"], None], ids=str)
def test_model_files(values, prior):
    """Elements stand in a file as Gammapy has norms at nodes, the prior once for all or at each."""
    model = field(array(values, prior, error=0.1, min=0.0))
    text = Models([model]).to_yaml()
    assert text.count("name: norm_") == N
    [read] = Models.from_yaml(text)
    found = read.spatial_model.norm
    assert isinstance(found, ArrayParameter)
    np.testing.assert_array_equal(found.value, model.spatial_model.norm.value)
    np.testing.assert_array_equal(found.error, np.full(N, 0.1))
    assert (found.prior, found.min, found.frozen) == (prior, 0.0, False)
    assert Models([read]).to_yaml() == text
    plain = Models([field(single(values))]).to_yaml()
    assert "array" not in plain
    assert Models.from_yaml(plain).parameters.names[-1] == f"norm_{N - 1}"
    spectrum = PiecewiseNormSpectralModel([1, 3, 10] * u.TeV, ArrayParameter("norm", [1, 2, 0.5]))
    again = PiecewiseNormSpectralModel.from_dict(spectrum.to_dict())
    np.testing.assert_array_equal(again.norm.value, [1, 2, 0.5])


def test_links_in_files(values):
    """Two datasets with one field of norms."""
    one, two = field(array(values)), field(array(values))
    two.datasets_names, two._name = ["other"], "other-bkg"
    two.spatial_model.norm = one.spatial_model.norm
    read = Models.from_yaml(Models([one, two]).to_yaml())
    assert read[0].spatial_model.norm is read[1].spatial_model.norm


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prior": {"dist": "Normal", "mu": 1, "sigma": 1}}, "norm_0.*norm_4.*one parameter 'norm'.*same prior"),
        ({"frozen": True}, "must have the same frozen"),
        ({"name": "norm_3"}, "given twice"),
        ({"name": "norm_9"}, "norm_9"),
    ],
)
def test_files_whose_elements_disagree(values, change, message):
    data = Models([field(array(values))]).to_dict()
    data["components"][0]["spatial"]["parameters"][4] |= change
    with pytest.raises(ValueError, match=f"(?s){message}"):
        Models.from_dict(data)


def test_files_without_an_element(values):
    data = Models([field(array(values))]).to_dict()
    del data["components"][0]["spatial"]["parameters"][4]
    with pytest.raises(ValueError, match=r"'norm' has 9 elements, but there are no \['norm_4'\]"):
        Models.from_dict(data)


def test_default_priors(dataset):
    dataset.models[0].spatial_model.norm.prior = None
    [prior] = default_priors(dataset).values()
    assert (prior.dist, prior.kwargs["sigma"]) == ("LogNormal", 0.3)


def test_mode(dataset, values):
    """Nodes near the field are found to some errors; the result names elements."""
    found = find_mode(dataset)
    assert list(found.values) == [f"{name}[{i}]" for name in ("tiny-bkg.spatial.norm",) for i in range(N)]
    assert found.covariance.shape == (N, N)
    assert str(found).count("norm[") == N
    pulls = (np.array(list(found.values.values())) - values) / np.array(list(found.errors.values()))
    assert np.abs(pulls).max() < 4


def test_readers_of_results(dataset, values):
    """Prior draws as a result: predictions, values, covariance, tables, fakes."""
    models, name = dataset.models, "tiny-bkg.spatial.norm"
    drawn = sample_prior(dataset, 30)
    assert drawn["prior"][name].dims == ("chain", "draw", f"{name}_dim_0")
    assert drawn["prior"][name].shape == (1, 30, N)
    tree = xr.DataTree.from_dict({"posterior": drawn["prior"].to_dataset()})
    column = drawn["prior"][name].to_numpy()[0]
    mean = posterior_npred(tree, dataset, 30)
    cubes = []
    for row in column:
        models[0].spatial_model.norm.value = row
        cubes.append(dataset.npred().data)
    np.testing.assert_allclose(mean.data, np.mean(cubes, axis=0), rtol=1e-10)
    models.set_values(tree)
    np.testing.assert_allclose(models[0].spatial_model.norm.value, column.mean(axis=0))
    np.testing.assert_allclose(models[0].spatial_model.norm.error, column.std(axis=0))
    covariance = models.covariance_from(tree)
    assert covariance.names == [f"{name}[{i}]" for i in range(N)]
    np.testing.assert_allclose(covariance.data, np.cov(column.T))
    table = models.to_parameters_table()
    assert list(table["name"]).count("norm[4]") == 1
    assert len(table) == len(models.parameters) + N - 1
    assert "9 values from" in str(dataset)
    assert "9 values from" in str(models)
    assert summary_rows(tree) == []
    numbers = xr.DataTree.from_dict(
        {"posterior": tree["posterior"].to_dataset().assign(x=(("chain", "draw"), column[None, :, 0]))}
    )
    assert plot_corner(numbers).shape == (1, 1)
    assert plot_marginals(numbers).size == 1
    plt.close("all")
    assert "9 values from" in dataset._repr_html_()
    assert len(models.prior_table()) == 1
    before = models[0].spatial_model.norm.value
    truth = dataset.fake(1, posterior=tree)
    assert truth[name].shape == (N,)
    assert (column == truth[name].value).all(axis=1).any()
    truth = dataset.fake(1, prior=True)
    assert truth[name].shape == (N,)
    np.testing.assert_array_equal(models[0].spatial_model.norm.value, before)


def test_beside_single_parameters():
    """With a source, in the order of the parameters; and a copy of datasets keeps the array."""
    made = make_dataset(models=[point(), field(array())])
    density = LogDensity(compile_datasets(made)[0], mode=QUICK)
    assert density.size == 4 + N
    [copied] = Datasets([made]).copy()
    names = parameter_names(copied.models)
    assert [p.shape for p in names if p.shape] == [(N,)]


def test_datasets_of_one_structure():
    """Three runs, each with a field of its own, which are evaluated in a loop."""
    results = []
    for norms in (array, single):
        runs = []
        for name in ("a", "b", "c"):
            model = field(norms())
            model.datasets_names, model._name = [name], f"{name}-bkg"
            runs.append(make_dataset(name, [model], seed=ord(name)))
        fit = CompiledFit(runs)
        results.append(fit._any_density(np.random.default_rng(1).normal(size=3 * N)))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-12)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-10)


class TestParameter:
    def test_value(self):
        parameter = ArrayParameter("a", [1, 2, 3], "TeV", min=0)
        assert parameter.shape == (3,)
        parameter.value = 2
        np.testing.assert_array_equal(parameter.value, [2, 2, 2])
        parameter.quantity = [1, 2, 3] * u.GeV
        np.testing.assert_allclose(parameter.internal, [1e-3, 2e-3, 3e-3])
        assert not parameter.value.flags.writeable
        again = ArrayParameter.from_dict(parameter.to_dict())
        np.testing.assert_array_equal(again.value, parameter.value)
        assert again.unit == "GeV"
        assert "ArrayParameter(name='a', value=[1., 2., 3.], unit='GeV'" in repr(parameter)

    def test_two_axes(self):
        parameter = ArrayParameter("a", np.ones((2, 3)), prior=PRIORS["Normal"])
        with pm.Model() as model:
            prior_variables({parameter: "m.a"})
        assert model["m.a"].eval().shape == (2, 3)

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ([1, 2], r"'a': value must have shape \(3,\).*got shape \(2,\)"),
            ([1, 2, np.nan], "'a': value must be finite"),
            ([1, 2, -1], r"'a': value -1.0 is outside its bounds \[0"),
            ("x", "'a': value must hold numbers"),
        ],
    )
    def test_wrong_values(self, value, message):
        parameter = ArrayParameter("a", [1, 2, 3], min=0)
        with pytest.raises((ValueError, TypeError), match=message):
            parameter.value = value
        np.testing.assert_array_equal(parameter.value, [1, 2, 3])

    @pytest.mark.parametrize("value", [1.0, []])
    def test_no_array(self, value):
        with pytest.raises(ValueError, match="'a': an array has one axis and one element at least"):
            ArrayParameter("a", value)

    def test_links_need_the_shape(self):
        model = field(array()).spatial_model
        with pytest.raises(ValueError, match=r"'b' of shape \(\) cannot be linked to 'norm' of shape \(9,\)"):
            model.norm = Parameter("b", 1.0)

    def test_scans_are_for_numbers(self):
        with pytest.raises(TypeError, match=r"'a' has shape \(2,\); scales and scans"):
            _ = ArrayParameter("a", [1, 2]).scan_values

    def test_number_of_nodes(self):
        with pytest.raises(ValueError, match="9 nodes and 4 norms"):
            field(ArrayParameter("norm", np.ones(4)))
        with pytest.raises(ValueError, match=r"shape \(4,\) cannot be linked to 'norm' of shape \(3,\)"):
            PiecewiseNormSpectralModel([1, 3, 10] * u.TeV, ArrayParameter("norm", np.ones(4)))
