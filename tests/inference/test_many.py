"""Many datasets: those of one structure share one compiled function, and nothing changes by that."""

import numpy as np
import pymc as pm
import pytest

from bayesmap._backend.functions import QUICK
from bayesmap.datasets import FluxPointsDataset
from bayesmap.estimators import FluxPoints
from bayesmap.inference import compile_fit, looped, sums
from bayesmap.inference.density import LogDensity
from bayesmap.inference.sums import Terms
from bayesmap.modeling import (
    ExpDecayTemporalModel,
    GaussianSpatialModel,
    HyperParameter,
    Models,
    MultivariateNormalPrior,
    Parameter,
    Prior,
    SkyModel,
)
from bayesmap.modeling.priors.pymc_variables import random_variable
from tests.golden import shared_path
from tests.inference.test_family import on_off
from tests.inference.tiny import LAT, LON, background, make_dataset, point


def norm_prior(**kwargs):
    return Prior("LogNormal", **{"mu": 0.0, "sigma": 0.2, **kwargs})


def with_priors(model):
    """A source with priors of different kinds."""
    spectral, spatial = model.spectral_model, model.spatial_model
    spectral.set_priors(
        index=Prior("Normal", mu=2.2, sigma=0.2), amplitude=Prior("LogNormal", mu=np.log(1e-12), sigma=0.7)
    )
    if spatial is not None:
        spatial.set_priors(
            lon_0=Prior("Normal", mu=LON, sigma=0.05), lat_0=Prior("Uniform", lower=LAT - 0.1, upper=LAT + 0.1)
        )
    return model


def runs(number, model, prefix="run", start=0):
    """Fields with one source and a background norm each."""
    made = []
    for i in range(number):
        name = f"{prefix}{i}"
        level = 0.6 + 0.1 * i
        made.append(make_dataset(name, Models([model, background(name, norm_prior())]), seed=start + i, level=level))
    return made


def spectra(number, likelihood, model):
    """ON/OFF spectra with other counts and masks each."""
    rng = np.random.default_rng(number)
    made = []
    for i in range(number):
        counts, off = rng.poisson([30, 9, 4, 1]), rng.poisson([20, 6, 3, 1])
        dataset = on_off(likelihood, counts=counts, counts_off=off).copy(name=f"{likelihood}{i}")
        dataset.likelihood = on_off(likelihood).likelihood
        mask = np.ones((4, 1, 1), bool)
        mask[3] = i % 2 == 0
        dataset.mask_fit = dataset.counts.copy(data=mask)
        dataset.models = [model]
        made.append(dataset)
    return made


def gaussian(spectral_model):
    shape = GaussianSpatialModel(lon_0="25 deg", lat_0="1 deg", sigma="0.1 deg", frame="galactic")
    return SkyModel(spectral_model, shape, name="gauss")


def loops(density):
    """Number of members of each compiled structure."""
    return [] if density.loops is None else sorted(len(loop.members) for loop in density.loops.loops)


def check(fit, expected, far=0.4):
    """Density and gradient of a fit are those of its whole `pymc.Model`; so many datasets are in loops."""
    density, whole = fit._any_density, LogDensity(fit.model, mode=QUICK)
    assert loops(density) == expected
    rng = np.random.default_rng(1)
    for width in (0.0, 0.1, far):
        point = density.start + width * rng.normal(size=density.size)
        for jacobian in (True, False):
            value, gradient = density(point, jacobian)
            right, slope = whole(point, jacobian)
            assert np.isfinite(right)
            assert value == pytest.approx(right, rel=1e-10)
            assert gradient == pytest.approx(slope, rel=1e-9, abs=1e-9 * np.abs(slope).max())
    return density


def test_runs_are_one_structure(fit):
    check(fit, [3])


def test_two_runs_are_compiled_together():
    check(compile_fit(runs(2, with_priors(point()))), [])


def test_kinds_do_not_mix():
    """Two kinds of runs, spectra with three treatments of the background, flux points: all in one fit."""
    shared = with_priors(point())
    sized = with_priors(
        SkyModel(
            shared.spectral_model,
            GaussianSpatialModel(lon_0="25 deg", lat_0="1 deg", sigma="0.1 deg", frame="galactic"),
            name="g",
        )
    )
    sized.spatial_model.sigma.prior = Prior("LogNormal", mu=np.log(0.1), sigma=0.3)
    single = SkyModel(shared.spectral_model, name="single")
    likelihoods = [spectra(n, kind, single) for n, kind in ((4, "marginal"), (3, "latent"), (3, "profile"))]
    table = FluxPoints.read(shared_path("data", "flux_points", "crab_hess_fp.fits"))
    points = FluxPointsDataset(data=table, name="points")
    points.models = [single]
    datasets = [*runs(3, shared), *runs(3, sized, "big", 7), *(d for row in likelihoods for d in row), points]
    check(compile_fit(datasets), [3, 3, 3, 3, 4])


def test_numbers_that_differ_are_data():
    """Priors of other widths, another reference energy, a frozen norm: numbers of one structure."""
    datasets = runs(3, with_priors(point()))
    for i, dataset in enumerate(datasets):
        norm = dataset.models[f"{dataset.name}-bkg"].spectral_model.norm
        norm.prior = norm_prior(sigma=0.1 + 0.05 * i)
        dataset.models[f"{dataset.name}-bkg"].spectral_model.reference.value = 1 + 0.1 * i
    check(compile_fit(datasets), [3])
    frozen = runs(6, with_priors(point()))
    for i, dataset in enumerate(frozen[:3]):
        norm = dataset.models[f"{dataset.name}-bkg"].spectral_model.norm
        norm.value, norm.frozen = 0.9 + 0.1 * i, True
    check(compile_fit(frozen), [3, 3])


def test_hyperparameters_are_shared():
    mean, scatter = (
        HyperParameter("mean", Prior("Normal", mu=1, sigma=0.2)),
        HyperParameter("scatter", Prior("HalfNormal", sigma=0.2)),
    )
    datasets = runs(3, with_priors(point()))
    for dataset in datasets:
        norm = dataset.models[f"{dataset.name}-bkg"].spectral_model.norm
        norm.min, norm.prior = 0.0, Prior("Normal", mu=mean, sigma=scatter)
    check(compile_fit(datasets), [3])


def test_joint_priors():
    datasets = runs(4, with_priors(point()))
    norms = [d.models[f"{d.name}-bkg"].spectral_model.norm for d in datasets]
    for norm in norms:
        norm.min = np.nan
    names = [f"{d.name}-bkg.norm" for d in datasets]
    joint = MultivariateNormalPrior(names, np.ones(4), 0.04 * (np.eye(4) + 0.5))
    joint.assign(dict(zip(names, norms, strict=True)))
    fit = compile_fit(datasets)
    check(fit, loops(fit._any_density), far=0.2)


def test_links_and_time_dependence():
    """Norms that pairs of runs share, and a source that decays from run to run."""
    model = with_priors(point())
    model.temporal_model = ExpDecayTemporalModel(t0="3 d", t_ref="58849 d")
    model.temporal_model.t0.prior = Prior("LogNormal", mu=np.log(3), sigma=0.3)
    datasets = runs(4, model)
    for one, other in zip(datasets[::2], datasets[1::2], strict=True):
        first, second = (d.models[f"{d.name}-bkg"].spectral_model for d in (one, other))
        second.norm = first.norm
    check(compile_fit(datasets), [4])


@pytest.fixture(scope="module")
def fit():
    return compile_fit(runs(3, with_priors(point())))


def test_counts_can_be_replaced(fit):
    density = fit._any_density
    before = density(density.start)[0]
    old = fit.datasets[2].counts.data.copy()
    fit.set_counts({"run2": 2 * old})
    other = compile_fit(fit.datasets)
    other.set_counts({"run2": 2 * old})
    value, gradient = density(density.start)
    right, slope = LogDensity(other.model, mode=QUICK)(density.start)
    assert abs(value - before) > 1
    assert value == pytest.approx(right, rel=1e-12)
    assert gradient == pytest.approx(slope, rel=1e-9)
    fit.set_counts({"run2": old})
    assert density(density.start)[0] == before


def test_threads_change_no_bit(fit, monkeypatch):
    monkeypatch.setattr(looped, "WORTHWHILE", 0.0)
    density = fit._any_density
    point = density.start + 0.1
    found = []
    for threads in (1, 2, 3, 7):
        density.loops.threads = threads
        found += [density(point) for _ in range(looped.TRIALS + 1)]
    density.loops.threads = 1
    assert {value for value, _ in found} == {found[0][0]}
    assert all((gradient == found[0][1]).all() for _, gradient in found)


def test_compiled_loops(fit):
    """By Numba, where arrays are taken from their addresses."""
    model = SkyModel(with_priors(point()).spectral_model, name="single")
    compiled = compile_fit([*spectra(3, "marginal", model), *spectra(3, "latent", model)])
    whole = LogDensity(compiled.model, mode=QUICK)
    density = compiled.density
    assert loops(density) == [3, 3]
    rng = np.random.default_rng(2)
    for _ in range(3):
        at = density.start + 0.2 * rng.normal(size=density.size)
        (value, gradient), (right, slope) = density(at), whole(at)
        assert value == pytest.approx(right, rel=1e-10)
        assert gradient == pytest.approx(slope, rel=1e-9, abs=1e-9)
    compiled.set_counts({"marginal0": (np.full((4, 1, 1), 7.0), np.full((4, 1, 1), 3.0))})
    assert density(density.start)[0] == pytest.approx(whole(density.start)[0], rel=1e-10)


def test_priors_that_are_alike_are_vectors(monkeypatch):
    """Value and gradient, with and without the Jacobian, are those of one prior at a time."""
    rng = np.random.default_rng(5)
    with pm.Model() as model:
        for i in range(9):
            made = {
                "normal": Prior("Normal", mu=rng.normal(), sigma=rng.uniform(0.5, 2)),
                "cut": Prior("Normal", mu=rng.uniform(0, 1), sigma=1.0),
                "even": Prior("LogUniform", lower=rng.uniform(0.1, 0.5), upper=rng.uniform(2, 3)),
                "amplitude": Prior("LogNormal", mu=rng.normal(), sigma=0.5),
            }
            for name, prior in made.items():
                random_variable(prior, f"{name}{i}", Parameter(name, 1.0, "", min=0.0 if name == "cut" else np.nan))
        random_variable(Prior("Gamma", alpha=2.0, beta=1.0), "other", Parameter("other", 1.0, ""))
    together = Terms(model, [])
    monkeypatch.setattr(sums, "MANY", 1000)
    apart = Terms(model, [])
    assert [rv.name for rv in together._vectors(model.free_RVs)[1]] == [rv.name for rv in model.free_RVs]
    monkeypatch.undo()
    assert [rv.name for rv in together._vectors(model.free_RVs)[1]] == ["other"]
    one, other = (LogDensity(terms, mode=QUICK) for terms in (together, apart))
    for jacobian in (True, False):
        for theta in rng.normal(size=(3, one.size)):
            (value, slope), (expected, gradient) = one(theta, jacobian), other(theta, jacobian)
            np.testing.assert_allclose(value, expected, rtol=1e-12)
            np.testing.assert_allclose(slope, gradient, rtol=1e-10, atol=1e-12)
