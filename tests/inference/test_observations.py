"""One protocol for data of any kind: what is observed, predicted, drawn and said bin by bin."""

import ast
import re
from pathlib import Path
from typing import ClassVar

import astropy.units as u
import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
import scipy.stats
import xarray as xr
from astropy.table import Table

import bayesmap
from bayesmap.datasets import FluxPointsDataset, MapDataset
from bayesmap.datasets.base import Dataset
from bayesmap.estimators import FluxPoints
from bayesmap.inference import default_priors, find_mode, posterior_npred, posterior_predictive, to_pymc
from bayesmap.inference.compile import compile_datasets
from bayesmap.inference.observations import Facts, Observation, facts_of
from bayesmap.inference.observations.predictor import Numbers
from bayesmap.maps import Map
from bayesmap.modeling import PowerLawSpectralModel, Prior, SkyModel
from tests.inference.test_likelihoods import LIKELIHOODS, latent_values, spectrum
from tests.inference.tiny import make_dataset, source_and_background

PACKAGE = Path(bayesmap.__file__).parent
ENERGY = np.array([0.5, 1.0, 3.0, 10.0, 30.0])


def power_law():
    model = PowerLawSpectralModel(index=2.1, amplitude="2e-12 cm-2 s-1 TeV-1")
    model.index.prior = Prior("Normal", mu=2, sigma=0.5)
    model.amplitude.prior = Prior("LogNormal", mu=np.log(2e-12), sigma=1)
    return model


def flux_points(stat_type="chi2"):
    """Points beside a power law; the last one is an upper limit."""
    dnde = 2e-12 * ENERGY**-2 * np.array([1.1, 0.95, 1.2, 0.7, 1.0]) * u.Unit("cm-2 s-1 TeV-1")
    table = Table({"e_ref": ENERGY * u.TeV, "dnde": dnde, "dnde_err": 0.1 * dnde, "dnde_ul": 1.3 * dnde})
    table["dnde_errn"], table["dnde_errp"] = 0.08 * dnde, 0.12 * dnde
    table["is_ul"] = ENERGY > 20
    points = FluxPoints.from_table(table, sed_type="dnde", reference_model=power_law())
    dataset = FluxPointsDataset(data=points, name="points", stat_type=stat_type)
    dataset.models = [SkyModel(power_law(), name="source")]
    return dataset


def logp_of(observed, arguments):
    inputs = [pt.as_tensor_variable(np.asarray(x, dtype="float64")) for x in arguments]
    return float(pytensor.function([], observed.logp(observed.value, *inputs), mode="FAST_COMPILE")())


@pytest.mark.parametrize("key", LIKELIHOODS)
def test_each_bin_of_counts(key):
    """With the unknowns of the likelihood at values of their own."""
    dataset = spectrum(LIKELIHOODS[key]())
    [observed] = compile_datasets(dataset)[1].values()
    arguments = [1.2 * p.value for p in observed.parameters] + latent_values(dataset.likelihood)
    each = observed.pointwise(*arguments)
    assert each.shape == (dataset.mask.data.sum(),)
    assert each.sum() == pytest.approx(logp_of(observed, arguments), rel=1e-11)


@pytest.mark.parametrize("key", LIKELIHOODS)
def test_sums_of_groups(key):
    """Those of the single bins, whatever shortcut there is; of empty and impossible bins too."""
    dataset = spectrum(LIKELIHOODS[key]())
    [observed] = compile_datasets(dataset)[1].values()
    arguments = [1.2 * p.value for p in observed.parameters] + latent_values(dataset.likelihood)
    labels = np.arange(int(dataset.mask.data.sum())) % 3
    expected = np.bincount(labels, observed.pointwise(*arguments), 5)
    np.testing.assert_allclose(observed.summed(labels, 5)(*arguments), expected, rtol=1e-12)


def test_sums_of_groups_of_a_map():
    dataset = make_dataset(models=source_and_background())
    mask = np.ones(dataset.counts.data.shape, dtype=bool)
    mask[1, 3:7] = False
    dataset.mask_fit = Map.from_geom(dataset.counts.geom, data=mask)
    [observed] = compile_datasets(dataset)[1].values()
    values = [p.value for p in observed.parameters]
    labels = np.random.default_rng(1).integers(0, 7, mask.sum())
    summed = observed.summed(labels, 7)
    np.testing.assert_allclose(summed(*values), np.bincount(labels, observed.pointwise(*values), 7), rtol=1e-12)
    [norm] = [i for i, p in enumerate(observed.parameters) if p.name == "norm"]
    for impossible in (0.0, -1.0):
        values[norm] = impossible
        expected = np.bincount(labels, observed.pointwise(*values), 7)
        assert np.isneginf(expected).any() or impossible == 0
        np.testing.assert_allclose(summed(*values), expected, rtol=1e-12)


@pytest.mark.parametrize("stat_type", ["chi2", "distrib"])
def test_each_flux_point(stat_type):
    dataset = flux_points(stat_type)
    [observed] = compile_datasets(dataset)[1].values()
    arguments = [1.2 * p.value for p in observed.parameters]
    each = observed.pointwise(*arguments)
    assert each.shape == (dataset.mask.sum(),)
    assert each.sum() == pytest.approx(logp_of(observed, arguments), rel=1e-11)


def test_flux_points_are_predicted_and_drawn_as_counts_are():
    dataset = flux_points()
    spectral = dataset.models[0].spectral_model
    names = {"source.index": np.array([[2.1, 2.1, 2.3]]), "source.amplitude": np.array([[2e-12, 3e-12, 2e-12]])}
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({k: (("chain", "draw"), v) for k, v in names.items()})})
    each = []
    for index, amplitude in zip(*(v[0] for v in names.values()), strict=True):
        spectral.index.value, spectral.amplitude.value = index, amplitude
        each.append(dataset.flux_pred().squeeze()[dataset.mask.ravel()])
    mean = posterior_npred(tree, dataset, num_draws=3)
    assert u.allclose(mean, sum(each) / 3, rtol=1e-12)
    many = xr.DataTree(tree["posterior"].to_dataset().isel(draw=np.zeros(400, dtype=int)), name="posterior")
    drawn = posterior_predictive(xr.DataTree.from_dict({"posterior": many.to_dataset()}), dataset, 400, lambda x: x)
    error = 0.1 * 2 * ENERGY[:4] ** -2 * np.array([1.1, 0.95, 1.2, 0.7])  # 1e-12 cm-2 s-1 TeV-1
    pulls = (drawn - each[0].to_value("1e-12 cm-2 s-1 TeV-1")) / error
    assert scipy.stats.kstest(pulls.ravel(), "norm").pvalue > 1e-4
    model = to_pymc(dataset)
    with pm.do(model, {"source.index": 2.1, "source.amplitude": 2e-12}) as fixed:
        again = pm.draw(fixed["points.dnde"], draws=400, random_seed=1, mode="FAST_COMPILE")
    pulls = (again - each[0].to_value("1e-12 cm-2 s-1 TeV-1")) / error
    assert scipy.stats.kstest(pulls.ravel(), "norm").pvalue > 1e-4


def test_predictions_need_no_data():
    dataset = make_dataset(models=source_and_background())
    names = {"source.index": 2.2, "source.amplitude": 1e-12, "source.lon_0": 25.03, "source.lat_0": 0.98}
    names["tiny-bkg.norm"] = 1.1
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({k: (("chain", "draw"), [[v]]) for k, v in names.items()})})
    wanted = posterior_npred(tree, dataset, num_draws=1).data
    dataset.counts = None
    np.testing.assert_array_equal(posterior_npred(tree, dataset, num_draws=1).data, wanted)
    assert posterior_predictive(tree, dataset, num_draws=1, reduce=np.sum)[0] > 0


# -- a kind of data of somebody's own: two classes and one registration --------------------------------------------


class Readings(Dataset):
    """Values of a spectrum at some energies, with normal noise."""

    def __init__(self, energy, values, sigma, name="readings"):
        super().__init__(name)
        self.energy, self.values, self.sigma = energy, values, sigma

    mask = None

    def stat_array(self):
        return np.zeros(len(self.values))

    def info_dict(self, in_safe_data_range=True):
        return {"name": self.name}


class ReadingsFacts(Facts):
    def check(self):
        if not np.isfinite(self.dataset.values).all():
            raise ValueError(f"dataset {self.name!r}: values must be finite")

    def energy_range(self):
        return u.Quantity([self.dataset.energy.min(), self.dataset.energy.max()], "TeV")

    def observe(self, parameters, *, data=True, **options):
        return ObservedReadings(self.dataset, self.models, parameters)


class ObservedReadings(Observation):
    quantity: ClassVar[str] = "values"
    content: ClassVar[str] = "readings"
    distribution_name = "Readings"

    def __init__(self, dataset, models, parameters):
        self.name, self.models, self.parameters, self.dataset = dataset.name, models, list(parameters), dataset
        self.value = pytensor.shared(dataset.values)
        self.predicted = PredictedReadings(models, parameters)
        self.predicted.energy = dataset.energy

    def logp(self, value, *arguments):
        pull = (value - self.predicted.expression(arguments)) / self.dataset.sigma
        return (-0.5 * pull**2 - np.log(np.sqrt(2 * np.pi) * self.dataset.sigma)).sum()

    def mean(self, *arguments):
        return self.predicted(*arguments)

    def random(self, rng, *arguments):
        return rng.normal(self.mean(*arguments), self.dataset.sigma)

    def pointwise(self, *arguments):
        return scipy.stats.norm.logpdf(self.dataset.values, self.mean(*arguments), self.dataset.sigma)

    def wrap(self, values):
        return values

    def summary(self):
        return {f"{self.name}.values": (("reading",), self.dataset.values)}


class PredictedReadings(Numbers):
    def expression(self, arguments):
        return self.models[0].spectral_model.evaluate_graph(pt.as_tensor_variable(self.energy), self.values(arguments))


facts_of.register(Readings, ReadingsFacts)


def readings(name="source"):
    dataset = Readings(ENERGY, 3 * ENERGY**-2.4, 0.03 * ENERGY**-2.4)
    model = SkyModel(PowerLawSpectralModel(index=2, amplitude="2e-12 cm-2 s-1 TeV-1"), name=name)
    dataset.models = [model]
    return dataset


def test_data_of_another_kind():
    """Default priors, the mode, draws and predictions, without a line elsewhere; alone and beside counts."""
    dataset = readings()
    assert set(default_priors(dataset)) == {"source.index", "source.amplitude"}
    found = find_mode(dataset)
    assert found.values["source.index"] == pytest.approx(2.4, abs=0.01)
    assert found.values["source.amplitude"] == pytest.approx(3e-12, rel=0.01)
    model = to_pymc(dataset)
    assert pm.draw(model["readings.values"], random_seed=1, mode="FAST_COMPILE").shape == (5,)
    values = {"source.index": np.full((1, 3), 2.4), "source.amplitude": np.full((1, 3), 3e-12)}
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({k: (("chain", "draw"), v) for k, v in values.items()})})
    np.testing.assert_allclose(posterior_npred(tree, dataset, 3), dataset.values, rtol=1e-12)
    counts = make_dataset(models=source_and_background())
    joint = compile_datasets([counts, readings("reading")])[0]
    assert [rv.name for rv in joint.observed_RVs] == ["tiny.counts", "readings.values"]


def test_data_of_another_kind_are_checked_first():
    dataset = readings()
    dataset.values[2] = np.nan
    with pytest.raises(ValueError, match="'readings': values must be finite"):
        to_pymc(dataset)


def test_replacing_what_is_no_counts():
    [observed] = compile_datasets(readings())[1].values()
    with pytest.raises(ValueError, match="'readings' holds readings, not counts"):
        observed.set_counts(counts=np.ones(5))


def test_a_kind_that_nobody_registered():
    class Unknown(Readings):
        pass

    class Alien:
        name = "alien"
        models = ()

        def stat_sum(self):
            return 0.0

    assert isinstance(facts_of(Unknown(ENERGY, ENERGY, ENERGY)), ReadingsFacts)
    with pytest.raises(TypeError, match="'alien' is a Alien, which is no kind of data.*FluxPointsDataset.*MapDataset"):
        facts_of(Alien())


def test_a_map_without_counts_is_no_reason_for_default_priors():
    dataset = make_dataset(models=source_and_background())
    dataset.counts = None
    assert isinstance(dataset, MapDataset)
    with pytest.raises(ValueError, match="'tiny' has no counts: default priors"):
        default_priors(dataset)


def asks_for_a_kind(tree):
    """Expressions that ask what kind of data something holds."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        text = ast.unparse(node.args[-1] if node.func.id == "isinstance" else node)
        if node.func.id == "isinstance" and re.search(r"Dataset\b|Observed", text):
            yield ast.unparse(node)
        if node.func.id in ("hasattr", "getattr") and re.search(r"'(counts\w*|acceptance\w*|npred)'", text):
            yield ast.unparse(node)


@pytest.mark.parametrize("part", ["inference", "report"])
def test_nothing_asks_for_the_kind_of_data(part):
    """The observation of a dataset knows; so a new kind of data is one file."""
    found = {
        f"{path.relative_to(PACKAGE)}: {question}"
        for path in sorted((PACKAGE / part).rglob("*.py"))
        for question in asks_for_a_kind(ast.parse(path.read_text()))
    }
    assert not found


def test_questions_are_found():
    source = (
        "isinstance(o, ObservedCounts); hasattr(dataset, 'counts'); isinstance(d, MapDataset | Map); isinstance(x, int)"
    )
    assert len(list(asks_for_a_kind(ast.parse(source)))) == 3
