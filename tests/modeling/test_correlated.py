"""Joint priors: numbers, variables, conditioning, files, errors."""

import copy
import pickle

import astropy.units as u
import numpy as np
import pymc as pm
import pytest
from scipy.stats import multivariate_normal

from bayesmap.errors import ModelFileError
from bayesmap.modeling import Models, MultivariateNormalPrior, Prior, SkyModel
from bayesmap.modeling.priors.variables import prior_variables

PYTHON = {"mode": "FAST_COMPILE"}
NAMES = ["gc.index", "gc.amplitude", "b.index"]
MEAN = [2.3, -27.6, 2.0]
COVARIANCE = np.array([[0.01, 0.02, 0.003], [0.02, 0.09, 0.0], [0.003, 0.0, 0.04]])


def joint():
    return MultivariateNormalPrior(NAMES, MEAN, COVARIANCE, log=["gc.amplitude"])


def sky(prior=None):
    models = Models([SkyModel.create("pl", name=name) for name in ("gc", "b")])
    models["b"].spectral_model.amplitude.frozen = True
    if prior is not None:
        models.set_joint_prior(prior)
    return models


def build(models):
    with pm.Model() as model:
        prior_variables(models.parameter_names)
    return model


def draws(model, number=6000):
    with model:
        return pm.sample_prior_predictive(number, random_seed=1, compile_kwargs=PYTHON).prior


def columns(prior, names=NAMES):
    numbers = [prior[name].values.ravel() for name in names]
    return np.stack([np.log(x) if name == "gc.amplitude" else x for name, x in zip(names, numbers, strict=True)])


def test_draws_have_the_mean_and_covariance():
    model = build(sky(joint()))
    assert [rv.name for rv in model.free_RVs] == ["gc.index_joint_offset"]
    x = columns(draws(model))
    errors = np.sqrt(np.diag(COVARIANCE))
    # five standard errors of 6000 draws
    np.testing.assert_allclose((x.mean(axis=1) - MEAN) / errors, 0, atol=5 / np.sqrt(6000))
    np.testing.assert_allclose((np.cov(x) - COVARIANCE) / errors / errors[:, None], 0, atol=7 / np.sqrt(6000))


def test_density_is_that_of_scipy_up_to_a_constant():
    models = sky(joint())
    model = build(models)
    logp = model.compile_logp(jacobian=False, **PYTHON)
    values = model.compile_fn(
        model.replace_rvs_by_values([model[n] for n in NAMES]), inputs=model.value_vars, mode="FAST_COMPILE"
    )
    rng = np.random.default_rng(1)
    differences = []
    for _ in range(4):
        point = {"gc.index_joint_offset": rng.normal(size=3)}
        index, amplitude, other = (float(v) for v in values(point))
        expected = multivariate_normal(MEAN, COVARIANCE).logpdf([index, np.log(amplitude), other])
        differences.append(float(logp(point)) - expected)
    assert np.ptp(differences) < 1e-9


def test_declared_units_and_their_change():
    models = sky()
    amplitude = models["gc"].spectral_model.amplitude
    prior = MultivariateNormalPrior(["gc.index", "gc.amplitude"], [2, "3e-12 cm-2 s-1 TeV-1"], np.diag([0.1, 1e-26]))
    models.set_joint_prior(prior)
    amplitude.quantity = amplitude.quantity.to("m-2 s-1 GeV-1")
    assert amplitude.prior.interval(0.68, amplitude.unit)[1] > 3e-11
    x = draws(build(models))["gc.amplitude"].values
    assert x.mean() == pytest.approx(3e-11, rel=0.01)
    assert Models.from_yaml(models.to_yaml())["gc"].spectral_model.amplitude.prior == amplitude.prior


def test_marginals_stand_at_the_parameters():
    models = sky(joint())
    index, amplitude = models["gc"].spectral_model.index, models["gc"].spectral_model.amplitude
    assert index.prior.is_joint
    assert index.prior.numbers() == pytest.approx({"mu": 2.3, "sigma": 0.1})
    assert amplitude.prior.median(amplitude.unit) == pytest.approx(np.exp(-27.6))
    assert index.prior.interval(0.95) == pytest.approx((2.3 - 0.196, 2.3 + 0.196), abs=1e-4)
    assert not Prior("Normal", mu=0, sigma=1).is_joint
    table = models.prior_table()
    assert "joint with gc.amplitude, b.index" in table["prior"][0]
    assert index.prior.as_default() is index.prior
    assert index.prior != amplitude.prior
    assert len({index.prior, amplitude.prior, pickle.loads(pickle.dumps(index.prior))}) == 2


def test_a_frozen_member_conditions_the_others():
    models = sky(joint())
    models["gc"].spectral_model.amplitude.value = np.exp(-27.6 + 0.3)
    models["gc"].spectral_model.amplitude.frozen = True
    x = columns(draws(build(models)), ["gc.index", "b.index"])
    # linear regression on the frozen one: slope 0.02 / 0.09
    assert x[0].mean() == pytest.approx(2.3 + 0.3 * 0.02 / 0.09, abs=0.005)
    assert x[0].std() == pytest.approx(np.sqrt(0.01 - 0.02**2 / 0.09), rel=0.05)
    assert x[1].std() == pytest.approx(0.2, rel=0.05)
    models["b"].spectral_model.index.frozen = True
    assert [rv.name for rv in build(models).free_RVs] == ["gc.index_offset"]


def test_a_part_of_the_models_has_the_marginal():
    models = sky(joint())
    x = columns(draws(build(models[:1])), NAMES[:2])
    np.testing.assert_allclose(np.cov(x), COVARIANCE[:2, :2], atol=0.008)
    assert models[:1].joint_priors[0].names == ("gc.index", "gc.amplitude")
    assert models[1:].joint_priors == []
    assert Models.from_yaml(models[1:].to_yaml())["b"].spectral_model.index.prior.numbers()["sigma"] == 0.2


def test_copies_are_of_their_own():
    models = sky(joint())
    both = Models([*models, models["gc"].copy(name="gc2")])
    free = [rv.name for rv in build(both).free_RVs]
    assert free == ["gc.index_joint_offset", "gc2.index_joint_offset"]
    assert [prior.names for prior in both.joint_priors] == [tuple(NAMES), ("gc2.index", "gc2.amplitude")]
    twice = copy.copy(models["gc"].spectral_model.index.prior)
    models["b"].spectral_model.amplitude.frozen = False
    models["b"].spectral_model.index.prior = models["gc"].spectral_model.index.prior
    with pytest.raises(ValueError, match="'gc.index' and 'b.index' both stand for 'gc.index'"):
        build(models)
    assert twice == models["gc"].spectral_model.index.prior


def test_files():
    models = sky(joint())
    text = models.to_yaml()
    new = Models.from_yaml(text)
    assert new.to_yaml() == text
    assert new.joint_priors == models.joint_priors
    assert "prior" not in models.to_dict()["components"][0]["spectral"]["parameters"][0]
    assert MultivariateNormalPrior.from_dict(joint().to_dict()) == joint()
    assert hash(MultivariateNormalPrior.from_dict(joint().to_dict())) == hash(joint())
    assert repr(joint()).startswith("MultivariateNormalPrior(['gc.index',")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": ["gc.index", "gc.amplitud", "b.index"], "log": []}, "did you mean 'gc.amplitude'"),
        ({"mean": [1, 2]}, "mean must hold one number per parameter, 3, got 2"),
        ({"covariance": [[1, 2], [2, 1]]}, r"covariance must have shape \(3, 3\), got \(2, 2\)"),
        ({"log": ["x"]}, "log: 'x' is not among the parameters"),
        ({"units": ["", "TeV", ""]}, "'TeV' does not convert to"),
        ({"sigma": 3}, "unknown key 'sigma'"),
    ],
)
def test_damaged_files(change, message):
    data = sky(joint()).to_dict()
    data["bayesmap"]["joint_priors"][0].update(change)
    with pytest.raises(ModelFileError, match=message) as info:
        Models.from_dict(data)
    assert str(info.value).startswith("bayesmap.joint_priors[0]: ")


def test_a_parameter_in_two_joint_priors():
    data = sky(joint()).to_dict()
    data["bayesmap"]["joint_priors"] *= 2
    with pytest.raises(ModelFileError, match=r"joint_priors\[1\]: parameter 'gc.index' is in two joint priors"):
        Models.from_dict(data)
    del data["bayesmap"]["joint_priors"][1]["mean"]
    with pytest.raises(ModelFileError, match="key 'mean' is missing"):
        Models.from_dict(data)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a.x"], [0], [[1]]), "at least two different names"),
        (("a.x", [0], [[1]]), "at least two different names"),
        ((["a.x", "a.x"], [0, 0], np.eye(2)), "at least two different names"),
        ((["a.x", "a.y"], [0, np.nan], np.eye(2)), "must be finite"),
        ((["a.x", "a.y"], [0, 0], [[1, 0], [0, 0]]), "variance of 'a.y' must be positive"),
        ((["a.x", "a.y"], [0, 0], [[1, 0.5], [0, 1]]), "must be symmetric"),
        ((["a.x", "a.y"], [0, 0], [[1, 2], [2, 1]]), "must be positive definite; the smallest eigenvalue"),
    ],
)
def test_wrong_numbers(arguments, message):
    with pytest.raises(ValueError, match=message):
        MultivariateNormalPrior(*arguments)


def test_wrong_units():
    with pytest.raises(ValueError, match="that of a logarithm and has no unit"):
        MultivariateNormalPrior(["a.x", "a.y"], [0, 1 * u.TeV], np.eye(2), log="a.y")
    with pytest.raises(ValueError, match="is in TeV, units say GeV"):
        MultivariateNormalPrior(["a.x", "a.y"], [0, 1 * u.TeV], np.eye(2), units=["", "GeV"])
    with pytest.raises(ValueError, match="one unit per parameter"):
        MultivariateNormalPrior(["a.x", "a.y"], [0, 1], np.eye(2), units=[""])


def test_priors_that_do_not_fit_change_nothing():
    models = sky()
    models["gc"].spectral_model.index.min = 2.0
    with pytest.raises(ValueError, match=r"0.0013 of the prior of 'index' is outside its bounds \[2.0, nan\]"):
        models.set_joint_prior(joint())
    assert all(p.prior is None for p in models.parameters)
    models["gc"].spectral_model.index.min = np.nan
    models["b"].spectral_model.index = models["gc"].spectral_model.index
    with pytest.raises(KeyError, match="no parameter 'b.index'"):
        models.set_joint_prior(joint())
    models = sky(joint())
    models["gc"].spectral_model.index.min = 1.9
    models["b"].spectral_model.index.min = 1.9
    with pytest.raises(ValueError, match="outside its bounds"):
        build(models)
    models = sky(joint())
    models["gc"].spectral_model.amplitude.value = -1
    models["gc"].spectral_model.amplitude.frozen = True
    with pytest.raises(ValueError, match="is frozen at -1"):
        build(models)
