"""Priors: densities, units, random variables, errors."""

import pickle

import astropy.units as u
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy.integrate import quad
from scipy.stats import gaussian_kde, lognorm

from bayesmap._yaml.node import Node
from bayesmap.modeling import Models, Parameter, Prior, SkyModel
from bayesmap.modeling.files.gammapy_priors import gammapy_prior
from bayesmap.modeling.files.parameter import prior_from_node
from bayesmap.modeling.priors.distributions import DISTRIBUTIONS
from tests.golden import golden

ARGUMENTS = {
    "Normal": {"mu": 1.5, "sigma": 0.4},
    "TruncatedNormal": {"mu": 1.5, "sigma": 0.4, "lower": 1.0, "upper": 3.0},
    "HalfNormal": {"sigma": 0.7},
    "LogNormal": {"mu": 0.4, "sigma": 0.5},
    "Uniform": {"lower": 0.5, "upper": 3.5},
    "LogUniform": {"lower": 0.2, "upper": 7.0},
    "Triangular": {"lower": 0.5, "c": 1.0, "upper": 3.5},
    "StudentT": {"nu": 3.0, "mu": 1.5, "sigma": 0.4},
    "Cauchy": {"alpha": 1.5, "beta": 0.4},
    "HalfCauchy": {"beta": 0.7},
    "Laplace": {"mu": 1.5, "b": 0.4},
    "Logistic": {"mu": 1.5, "s": 0.4},
    "Gumbel": {"mu": 1.5, "beta": 0.4},
    "GeneralizedGaussian": {"mu": 1.5, "sigma": 0.6, "eta": 0.3},
    "Exponential": {"lam": 0.8},
    "Gamma": {"alpha": 3.0, "beta": 2.0},
    "Weibull": {"alpha": 2.0, "beta": 1.5},
    "Pareto": {"alpha": 3.0, "m": 0.8},
    "Beta": {"alpha": 2.0, "beta": 3.0},
    "ChiSquared": {"nu": 3.0},
    "SamplesKDE": {"samples": [0.8, 1.1, 1.2, 1.5, 2.5], "weights": [1.0, 2.0, 2.0, 1.0, 0.5]},
}
# Numba warns that it draws some distributions in object mode.
PYTHON = {"mode": "FAST_COMPILE"}


def all_priors():
    priors = [Prior(dist, **kwargs) for dist, kwargs in ARGUMENTS.items()]
    return [*priors, Prior("Gamma", mu=1.5, sigma=0.5), Prior("Exponential", scale=2.0)]


def test_every_distribution_has_an_example():
    assert set(ARGUMENTS) == {name for name, row in DISTRIBUTIONS.items() if row.scipy is not None}


@pytest.mark.parametrize("prior", [p for p in all_priors() if p.distribution.quantiles], ids=str)
def test_quantiles_without_scipy_are_those_of_scipy(prior):
    """The standard library's formulas against `scipy.stats`, far into the tails and at the edges."""
    ours, theirs = prior.quantiles(), prior.scipy()
    assert ours.support() == theirs.support()
    for q in (0.0, 1e-300, 1e-12, 0.025, 0.3, 0.5, 0.8, 0.975, 1 - 1e-12, 1.0):
        assert ours.ppf(q) == pytest.approx(theirs.ppf(q), rel=1e-12, abs=1e-12)
    assert np.isnan(ours.ppf(1.1))
    for x in (-np.inf, -40.0, -2.0, 0.0, 1e-300, 0.5, 1.0, 1.5, 2.0, 7.0, np.inf):
        assert ours.cdf(x) == pytest.approx(theirs.cdf(x), rel=1e-12)
    values = np.array([-np.inf, -40.0, -2.0, 0.0, 1e-300, 0.5, 1.0, 1.5, 2.0, 7.0, np.inf, np.nan])
    np.testing.assert_allclose(ours.logpdf(values), theirs.logpdf(values), rtol=1e-12)
    assert ours.logpdf(1.5) == pytest.approx(theirs.logpdf(1.5), rel=1e-12)


def build(prior, parameter):
    with pm.Model() as model:
        prior.to_rv("source.x", parameter)
    return model


def density(model):
    """Log-density of the value variable without and with the Jacobian of the transform, and the transform."""
    (rv,) = model.free_RVs
    return (
        model.compile_logp(jacobian=False, **PYTHON),
        model.compile_logp(**PYTHON),
        model.rvs_to_transforms[rv],
        model.value_vars[0].name,
    )


@pytest.mark.parametrize("prior", all_priors(), ids=str)
@pytest.mark.parametrize("truncated", [False, True])
def test_random_variable_has_the_density_of_the_prior(prior, truncated):
    """Numbers of SciPy (logp, interval) and of PyMC (sampling) are one distribution, truncated or not."""
    median = prior.median()
    bounds = {"min": 0.8 * median, "max": 1.6 * median} if truncated else {}
    parameter = Parameter("x", median, **bounds)
    plain, full, transform, name = density(build(prior, parameter))
    low, high = parameter.bounds
    dist = prior.scipy()
    norm = np.log(dist.cdf(high) - dist.cdf(low))
    for q in (0.1, 0.5, 0.8):
        x = prior.quantile(q, lower=low, upper=high)
        z = transform.forward(pt.constant(x)).eval()
        assert float(plain({name: z})) == pytest.approx(prior.logp(x) - norm, rel=1e-6, abs=3e-6)
        assert float(transform.backward(pt.constant(z)).eval()) == pytest.approx(x, rel=1e-9)
        assert abs(float(z)) < 6

    # the density of the variable that is sampled integrates to one: the Jacobian is right
    points = np.linspace(-14, 14, 701)
    total = np.trapezoid(np.exp([float(full({name: np.array(z)})) for z in points]), points)
    assert total == pytest.approx(1, abs=0.09 if prior.dist in ("Cauchy", "StudentT", "HalfCauchy") else 2e-3)


@pytest.mark.parametrize("prior", all_priors(), ids=str)
def test_draws_follow_the_prior(prior):
    parameter = Parameter("x", prior.median(), max=3 * prior.median())
    with build(prior, parameter):
        draws = pm.sample_prior_predictive(4000, random_seed=3, compile_kwargs=PYTHON).prior["source.x"].values.ravel()
    assert draws.max() <= 3 * prior.median()
    for mass in (0.5, 0.9):
        low, high = prior.interval(mass, upper=3 * prior.median())
        # five standard deviations of a binomial: one false alarm in 2e6
        assert np.mean((draws > low) & (draws < high)) == pytest.approx(mass, abs=5 * np.sqrt(mass * (1 - mass) / 4000))


@pytest.mark.parametrize("prior", all_priors(), ids=str)
def test_density_is_normalised_and_the_interval_holds_the_mass(prior):
    low, high = prior.interval(0.8)
    assert quad(lambda x: np.exp(prior.logp(x)), low, high, limit=200)[0] == pytest.approx(0.8, rel=1e-6)


@pytest.mark.parametrize("prior", [p for p in all_priors() if not p.distribution.unitless], ids=str)
def test_change_of_unit(prior):
    """The same prior in GeV and TeV: equal quantiles, equal mass, whether by quantities or by rescaling."""
    rescaled = prior.rescaled(1e3, "TeV")
    np.testing.assert_allclose(np.array(prior.interval(0.9, "TeV")) * 1e3, rescaled.interval(0.9, "GeV"), rtol=1e-9)
    quantities = {}
    for key, value in prior.numbers("TeV").items():
        unit = prior.argument_unit(key, "TeV")
        role = prior.distribution.roles[key]
        quantities[key] = np.exp(value) * u.TeV if role == "log" else value * unit if unit != "" else value
    same = Prior(prior.dist, **quantities)
    np.testing.assert_allclose(same.interval(0.9, "GeV"), rescaled.interval(0.9, "GeV"), rtol=1e-9)
    assert Prior.from_dict(same.to_dict()).interval(0.9, "GeV") == pytest.approx(rescaled.interval(0.9, "GeV"))


@pytest.mark.parametrize("prior", all_priors(), ids=str)
def test_data_form(prior):
    prior = prior.as_default()
    assert Prior.from_dict(prior.to_dict()) == prior
    assert pickle.loads(pickle.dumps(prior)) == prior
    assert hash(Prior.from_dict(prior.to_dict())) == hash(prior)
    assert prior.is_default
    assert prior != Prior.from_dict({**prior.to_dict(), "default": False})


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e6])
def test_sampled_variables_are_of_order_one(scale):
    """Whatever the unit, the sampled variable is zero at the median and has a curvature of order one there."""
    priors = [
        Prior("Normal", mu=3 * scale, sigma=0.2 * scale),
        Prior("LogNormal", mu=np.log(scale), sigma=0.5),
        Prior("HalfNormal", sigma=scale),
        Prior("Gamma", alpha=3, beta=1 / scale),
        Prior("StudentT", nu=4, mu=0, sigma=scale),
    ]
    for prior in priors:
        model = build(prior, Parameter("x", scale))
        (name,) = model.initial_point()
        transform = model.rvs_to_transforms[model.free_RVs[0]]
        assert abs(float(transform.forward(pt.constant(prior.median())).eval())) < 1e-6
        logp = model.compile_logp(**PYTHON)
        values = [float(logp({name: np.array(z)})) for z in (-0.5, 0.0, 0.5)]
        curvature = -(values[0] - 2 * values[1] + values[2]) / 0.25
        assert 0.3 < curvature < 3


@pytest.mark.parametrize("bounds", [{}, {"min": 1e-13}, {"max": 5e-12}, {"min": 1e-13, "max": 5e-12}])
def test_flat_prior(bounds):
    parameter = Parameter("amplitude", "1e-12 cm-2 s-1 TeV-1", prior=Prior("Flat"), **bounds)
    plain, _, transform, name = density(build(parameter.prior, parameter))
    for x in (3e-13, 1e-12, 4e-12):
        z = transform.forward(pt.constant(x)).eval()
        assert abs(z) < 5
        assert float(transform.backward(pt.constant(z)).eval()) == pytest.approx(x)
        assert float(plain({name: z})) == pytest.approx(float(plain({name: np.array(0.3)})))
    with pytest.raises(ValueError, match="improper"):
        parameter.prior.interval(0.9)


def test_hyperprior_of_one_parameter():
    prior = Prior("Normal", mu=Prior("Normal", mu="2 TeV", sigma=0.1), sigma=Prior("HalfNormal", sigma="300 GeV"))
    parameter = Parameter("ebreak", "2 TeV", prior=prior)
    model = build(prior, parameter)
    assert {rv.name for rv in model.free_RVs} == {"source.x_offset", "source.x_mu", "source.x_sigma"}
    assert [variable.name for variable in model.deterministics] == ["source.x"]
    assert prior.numbers("TeV")["mu"] == pytest.approx(2)
    assert Prior.from_dict(prior.to_dict()) == prior
    assert prior.rescaled(1e3, "TeV").numbers("GeV")["mu"] == pytest.approx(2000)
    with model:
        draws = pm.sample_prior_predictive(2000, random_seed=1, compile_kwargs=PYTHON).prior
    assert float(draws["source.x"].median()) == pytest.approx(2, abs=0.05)
    assert np.isfinite(model.compile_logp(**PYTHON)(model.initial_point()))


def test_gammapy_priors():
    cases = golden("models")
    for name in ("UniformPrior", "GaussianPrior", "LogUniformPrior", "GeneralizedGaussianPrior"):
        values = cases[f"prior/{name}"]
        prior = prior_from_node(Node(values["to_dict"]["prior"], "prior"))
        expected = values["minus2loglike"].data
        with np.errstate(divide="ignore"):
            result = -2 * prior.logp(values["x"].data)
        np.testing.assert_allclose(result, expected, rtol=1e-10)
    values = cases["prior/GaussianPrior_weight"]
    weighted = prior_from_node(Node(values["to_dict"]["prior"], "prior"))
    # the weight is a power of the density: equal up to a constant
    difference = values["minus2loglike"].data + 2 * weighted.logp(values["x"].data)
    np.testing.assert_allclose(difference, difference[0], rtol=1e-10)


def test_gammapy_priors_of_its_development_tree():
    """LogNormalPrior is SciPy's lognorm(sigma, scale=exp(mu)), SamplesKDEPrior is SciPy's gaussian_kde."""
    x = np.array([0.3, 1.0, 2.5])
    entries = [{"name": "mu", "value": 0.2, "unit": ""}, {"name": "sigma", "value": 0.6, "unit": ""}]
    data = {"type": "LogNormalPrior", "parameters": entries, "weight": 1}
    prior = prior_from_node(Node(data, "prior"))
    np.testing.assert_allclose(prior.logp(x), lognorm(0.6, scale=np.exp(0.2)).logpdf(x), rtol=1e-12)
    assert gammapy_prior(prior, u.Unit("")) is None
    assert gammapy_prior(prior, u.Unit(""), development=True) == data
    weighted = prior_from_node(Node({**data, "weight": 0.5}, "prior"))
    assert np.ptp(weighted.logp(x) - 0.5 * prior.logp(x)) < 1e-12
    samples, weights = [0.5, 1.0, 1.1, 2.0], [0.1, 0.4, 0.3, 0.2]
    data = {"type": "SamplesKDEPrior", "samples": samples, "weights": weights}
    prior = prior_from_node(Node(data, "prior"))
    np.testing.assert_allclose(prior.logp(x), gaussian_kde(samples, weights=weights).logpdf(x), rtol=1e-12)
    assert gammapy_prior(prior, u.Unit(""), development=True) == data
    assert gammapy_prior(prior.as_default(), u.Unit(""), development=True) is None
    equal = prior_from_node(Node({"type": "SamplesKDEPrior", "samples": samples, "weights": None}, "prior"))
    np.testing.assert_allclose(equal.logp(x), gaussian_kde(samples).logpdf(x), rtol=1e-12)


def test_gammapy_priors_in_files():
    models = Models(SkyModel.create("pl", name="a"))
    models.parameters["index"].prior = Prior("LogNormal", mu=0.8, sigma=0.1)
    models.parameters["amplitude"].prior = Prior("SamplesKDE", samples=[1e-12, 2e-12, 4e-12])
    section, others = models.to_dict(), models.to_dict(gammapy="dev")
    assert set(section["bayesmap"]["priors"]) == {"a.index", "a.amplitude"}
    assert "priors" not in others["bayesmap"]
    written = others["components"][0]["spectral"]["parameters"]
    assert [p["prior"]["type"] for p in written[:2]] == ["LogNormalPrior", "SamplesKDEPrior"]
    for data in (section, others):
        assert [p.prior for p in Models.from_dict(data).parameters] == [p.prior for p in models.parameters]
    with pytest.raises(ValueError, match="gammapy must be one of"):
        models.to_yaml(gammapy="1.0")


def test_kernel_density():
    prior = Prior("SamplesKDE", samples=[1, 2, 4] * u.TeV, weights=[1, 1, 2])
    assert Prior.from_dict(prior.to_dict()) == prior
    assert prior.kwargs["samples"].unit == "TeV"
    assert not prior.kwargs["weights"].flags.writeable
    density = prior.scipy("TeV")
    assert density.cdf(density.ppf(0.3)) == pytest.approx(0.3)
    assert density.rvs(1000, random_state=1).mean() == pytest.approx(2.75, abs=0.3)
    assert "samples=<3 values>" in prior.summary
    model = build(prior, Parameter("x", "2 TeV", prior=prior))
    assert model.initial_point()


@pytest.mark.parametrize(
    ("dist", "kwargs", "message"),
    [
        ("Gaussian", {"mu": 0, "sigma": 1}, "unknown prior distribution 'Gaussian'"),
        ("normal", {"mu": 0, "sigma": 1}, "did you mean 'Normal'"),
        ("Normal", {"mu": 0}, r"needs \['mu', 'sigma'\]"),
        ("Normal", {"mu": 0, "sgma": 1}, "did you mean 'sigma'"),
        ("Normal", {"mu": 0, "sigma": -1}, "'sigma' must be positive"),
        ("Normal", {"mu": np.nan, "sigma": 1}, "'mu' must be finite"),
        ("Normal", {"mu": "fast", "sigma": 1}, "argument 'mu'"),
        ("Normal", {"mu": True, "sigma": 1}, "argument 'mu'"),
        ("Normal", {"mu": [1, 2], "sigma": 1}, "expected one number"),
        ("Uniform", {"lower": 2, "upper": 1}, "lower must be below upper"),
        ("LogUniform", {"lower": 0, "upper": 1}, "lower edge must be positive"),
        ("Gamma", {"alpha": 1, "sigma": 1}, "needs .* or "),
        ("Uniform", {"lower": Prior("Normal", mu=0, sigma=1), "upper": 1}, "cannot have a prior"),
        ("Triangular", {"lower": 0, "c": 3, "upper": 1}, "c must be between lower and upper"),
        ("SamplesKDE", {"samples": [1.0]}, "at least two different samples"),
        ("SamplesKDE", {"samples": [1.0, 1.0]}, "at least two different samples"),
        ("SamplesKDE", {"samples": [1.0, np.nan]}, "expected a list of finite numbers"),
        ("SamplesKDE", {"samples": 3.0}, "expected a list of finite numbers"),
        ("SamplesKDE", {"samples": [1.0, 2.0], "weights": [1.0]}, "2 samples need 2 weights, got 1"),
        ("SamplesKDE", {"samples": [1.0, 2.0], "weights": [1.0, -1.0]}, "not negative"),
        ("SamplesKDE", {"samples": {"values": [1.0, 2.0]}}, "'values' and 'unit'"),
        ("SamplesKDE", {"samples": Prior("Flat")}, "is a list and cannot have a prior"),
        ("LogNormal", {"mu": "-1 TeV", "sigma": 1}, "median must be positive"),
    ],
)
def test_wrong_priors(dist, kwargs, message):
    with pytest.raises(ValueError, match=message):
        Prior(dist, **kwargs).numbers("TeV")


def test_endless_hyperpriors():
    data = {"dist": "Normal", "sigma": 1}
    data["mu"] = data
    with pytest.raises(ValueError, match="nested more than"):
        Prior.from_dict(data)
    data["mu"] = {"hyper": "x", "prior": data}
    with pytest.raises(ValueError, match="nested more than"):
        Prior.from_dict(data)
    with pytest.raises(ValueError, match="needs a key 'dist'"):
        Prior.from_dict({"mu": 1})
