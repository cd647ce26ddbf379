"""Hyperparameters: units, sharing, files, variables, errors."""

import astropy.units as u
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

from bayesmap.errors import ModelFileError
from bayesmap.modeling import HyperParameter, Models, Parameter, Prior, SkyModel
from bayesmap.modeling.priors.variables import prior_variables

PYTHON = {"mode": "FAST_COMPILE"}
FLUX = "cm-2 s-1 TeV-1"
CASES = {
    "Normal": {"mu": "m", "sigma": "s"},
    "LogNormal": {"mu": "m", "sigma": "s"},
    "StudentT": {"nu": 4.0, "mu": "m", "sigma": "s"},
    "Cauchy": {"alpha": "m", "beta": "s"},
    "Laplace": {"mu": "m", "b": "s"},
    "Logistic": {"mu": "m", "s": "s"},
    "Gumbel": {"mu": "m", "beta": "s"},
    "GeneralizedGaussian": {"mu": "m", "sigma": "s", "eta": 0.3},
    "HalfNormal": {"sigma": "s"},
    "HalfCauchy": {"beta": "s"},
    "Exponential": {"scale": "s"},
    "Gamma": {"alpha": 3.0, "beta": "s"},
    "Weibull": {"alpha": 2.0, "beta": "s"},
}
CENTRED = {
    "Gamma": {"mu": "s", "sigma": 0.3},
    "StudentT": {"nu": "s", "mu": 0.0, "sigma": 1.0},
    "TruncatedNormal": {"mu": "m", "sigma": "s", "lower": 0.0},
}


def hyper(name):
    prior = Prior("Normal", mu=0.3, sigma=0.5) if name == "m" else Prior("LogNormal", mu=-0.5, sigma=0.4)
    return HyperParameter(name, prior)


def prior_of(dist, arguments):
    return Prior(dist, **{key: hyper(v) if isinstance(v, str) else v for key, v in arguments.items()})


def two_parameters(prior, **bounds):
    return {Parameter(name, 1.0, prior=prior, **bounds): f"source.{name}" for name in "ab"}


def build(parameters):
    with pm.Model() as model:
        prior_variables(parameters)
    return model


def expected(dist, arguments, sizes):
    """Density of x given the hyperparameters, from SciPy."""
    return prior_of(dist, {k: sizes.get(v, v) if isinstance(v, str) else v for k, v in arguments.items()})


@pytest.mark.parametrize("dist", CASES)
def test_location_and_scale_are_not_centred(dist):
    """The density of (m, s, z) is that of (m, s, x) times |dx/dz|, with SciPy's density of x."""
    model = build(two_parameters(prior_of(dist, CASES[dist])))
    shared = ["m", "s"] if "m" in CASES[dist].values() else ["s"]
    assert [rv.name for rv in model.free_RVs] == [*shared, "source.a_offset", "source.b_offset"]
    assert [v.name for v in model.deterministics] == ["source.a", "source.b"]
    logp = model.compile_logp(jacobian=False, **PYTHON)
    values = model.compile_fn(
        model.replace_rvs_by_values([model[n] for n in (*shared, "source.a", "source.b")]),
        inputs=model.value_vars,
        mode="FAST_COMPILE",
    )
    rng = np.random.default_rng(1)
    start = {key: rng.normal(0, 0.3, np.shape(value)) for key, value in model.initial_point().items()}

    def shifted(step):
        point = dict(start)
        key = next(k for k in point if k.startswith("source.a_offset"))
        # in the offset itself, not in its transform
        transform = model.rvs_to_transforms[model["source.a_offset"]]
        z = transform.backward(pt.constant(point[key])).eval() + step
        point[key] = transform.forward(pt.constant(z)).eval()
        return point

    *hypers, a, b = (float(v) for v in values(start))
    slope = (float(values(shifted(1e-5))[-2]) - float(values(shifted(-1e-5))[-2])) / 2e-5
    # b has the same scale as a, and for a log-normal one times b / a
    slopes = np.log(abs(slope)) * 2 + (np.log(b / a) if dist == "LogNormal" else 0)
    sizes = dict(zip(shared, hypers, strict=True))
    conditional = expected(dist, CASES[dist], sizes)
    total = sum(hyper(name).prior.logp(value) for name, value in sizes.items())
    total += conditional.logp(a) + conditional.logp(b) + slopes
    assert float(logp(start)) == pytest.approx(total, rel=1e-6)


@pytest.mark.parametrize("dist", CENTRED)
def test_others_stay_centred(dist):
    model = build(two_parameters(prior_of(dist, CENTRED[dist])))
    assert {"source.a", "source.b"} <= {rv.name for rv in model.free_RVs}
    assert np.isfinite(model.compile_logp(**PYTHON)(model.initial_point()))


@pytest.mark.parametrize("bounds", [{"min": 0.0}, {"max": 1.0}, {"min": 0.0, "max": 2.0}])
def test_bounds_with_hyperparameters(bounds):
    """The conditional distribution is normalised between the bounds: draws agree with nested ones from SciPy."""
    prior = Prior("Normal", mu=hyper("m"), sigma=hyper("s"))
    parameters = two_parameters(prior, **bounds)
    with build(parameters):
        draws = pm.sample_prior_predictive(4000, random_seed=2, compile_kwargs=PYTHON).prior["source.a"].values.ravel()
    low, high = next(iter(parameters)).bounds
    assert draws.min() >= low
    assert draws.max() <= high
    nested = prior.draws(20000, random_state=3, lower=low, upper=high)
    for q in (0.1, 0.5, 0.9):
        # four standard errors of the share below a quantile: one false alarm in 2e4 per case
        assert np.mean(draws < np.quantile(nested, q)) == pytest.approx(q, abs=4 * np.sqrt(q * (1 - q) * 1.2 / 4000))


def test_units():
    scatter = HyperParameter("scatter", Prior("HalfNormal", sigma=300), "GeV")
    parameter = Parameter("ebreak", "2 TeV", prior=Prior("Normal", mu="2 TeV", sigma=scatter))
    assert parameter.prior.numbers("TeV")["sigma"] == pytest.approx(0.3 * scatter.prior.median("TeV") / 300)
    parameter.quantity = 1500 * u.GeV
    assert parameter.prior.numbers("GeV")["mu"] == pytest.approx(2000)
    assert parameter.prior.kwargs["sigma"] is scatter
    rate = HyperParameter("rate", Prior("HalfNormal", sigma=1), "GeV-1")
    assert Prior("Exponential", lam=rate).numbers("TeV")["lam"] == pytest.approx(1e3 * rate.prior.median())
    median = HyperParameter("flux", Prior("LogNormal", mu=f"3e-12 {FLUX}", sigma=0.3), FLUX)
    prior = Prior("LogNormal", mu=median, sigma=0.1)
    assert prior.median(FLUX) == pytest.approx(3e-12)
    assert prior.median("cm-2 s-1 GeV-1") == pytest.approx(3e-15)
    model = build({Parameter("x", 1e-12, FLUX, prior=prior): "a.x"})
    with model:
        draws = pm.sample_prior_predictive(500, random_seed=1, compile_kwargs=PYTHON).prior
    assert float(draws["a.x"].median()) == pytest.approx(3e-12, rel=0.1)


def test_marginal_interval():
    """Normal with normal mean: the variances add up."""
    prior = Prior("Normal", mu=HyperParameter("m", Prior("Normal", mu=1, sigma=0.3)), sigma=0.4)
    assert prior.interval(0.68) == pytest.approx((1 - 0.5 * 0.9945, 1 + 0.5 * 0.9945), abs=0.02)
    assert prior.quantile(0.84, lower=1) > prior.quantile(0.84)


def test_equality_and_nesting():
    top = HyperParameter("top", Prior("HalfNormal", sigma=1))
    scatter = HyperParameter("scatter", Prior("HalfNormal", sigma=top))
    prior = Prior("Normal", mu=Prior("Normal", mu=0, sigma=top), sigma=scatter)
    assert [h.name for h in prior.hyperparameters] == ["top", "top", "scatter"]
    assert prior.depth == 2
    assert scatter == HyperParameter("scatter", Prior("HalfNormal", sigma=HyperParameter("top", top.prior)))
    assert hash(scatter) == hash(HyperParameter.from_dict(scatter.to_dict()))
    assert scatter != top
    assert Prior.from_dict(prior.to_dict()) == prior
    model = build({Parameter("x", 1.0, prior=prior): "a.x"})
    assert {rv.name for rv in model.free_RVs} >= {"top", "a.x_offset"}
    assert "HyperParameter('top'" in repr(prior)
    assert prior.summary == "Normal(mu=Normal(mu=0, sigma=top), sigma=scatter)"


def hierarchical_models():
    mean = HyperParameter("index_mean", Prior("Normal", mu=2.2, sigma=0.3))
    flux = HyperParameter("flux", Prior("LogNormal", mu=f"1e-12 {FLUX}", sigma=1.0), FLUX)
    models = Models([SkyModel.create("pl", "point", name=name) for name in "abc"])
    for model in models:
        model.spectral_model.set_priors(
            index=Prior("Normal", mu=mean, sigma=Prior("HalfNormal", sigma=0.2)),
            amplitude=Prior("LogNormal", mu=flux, sigma=0.5),
        )
    return models


def test_files():
    models = hierarchical_models()
    data = models.to_dict()
    assert list(data["bayesmap"]["hyperparameters"]) == ["index_mean", "flux"]
    assert data["bayesmap"]["priors"]["b.amplitude"]["mu"] == {"hyper": "flux"}
    new = Models.from_yaml(models.to_yaml())
    assert new.to_yaml() == models.to_yaml()
    assert new.hyperparameters == models.hyperparameters
    assert models.copy().hyperparameters == models.hyperparameters


def test_a_part_alone_in_a_file():
    model = hierarchical_models()["a"].spectral_model
    assert type(model).from_dict(model.to_dict()).index.prior == model.index.prior


TEXT = """
components:
-   name: a
    type: SkyModel
    spectral:
        type: pl
        parameters:
        -   {name: index, prior: {dist: Normal, mu: {hyper: m}, sigma: 0.3}}
bayesmap:
    version: 1
    hyperparameters:
        m: {prior: {dist: Normal, mu: {hyper: n}, sigma: 0.1}}
        n: {prior: {type: GaussianPrior, parameters: [{name: mu, value: 2}, {name: sigma, value: 1}]}}
"""


def test_hyperparameters_stand_in_any_order():
    assert list(Models.from_yaml(TEXT).hyperparameters) == ["n", "m"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{hyper: m}", "{hyper: k}", "components[0].spectral.parameters[0].prior: unknown hyperparameter 'k'"),
        ("{hyper: m}", "{hyper: m, x: 1}", "unknown key 'x'"),
        (
            "{hyper: m}",
            "{hyper: m, prior: {dist: HalfNormal, sigma: 1}}",
            "hyperparameter 'm' is defined twice",
        ),
        ("{hyper: n}", "{hyper: m}", "bayesmap.hyperparameters.m: circular hyperparameters: m -> m"),
        (
            "{type: GaussianPrior, parameters: [{name: mu, value: 2}, {name: sigma, value: 1}]}",
            "{dist: Normal, mu: {hyper: m}, sigma: 1}",
            "circular hyperparameters: m -> n -> m",
        ),
        ("n: {prior", "n: {unit: TeV, prior", "is in 'TeV', which does not convert to ''"),
        ("n: {prior", "n: {pror", "bayesmap.hyperparameters.n: unknown key 'pror' (did you mean 'prior'?)"),
        ("n: {prior", "n: {unit: TeVV, prior", "bayesmap.hyperparameters.n.unit: unknown unit 'TeVV'"),
        ("hyperparameters:", "hyperparameter:", "bayesmap: unknown key 'hyperparameter' (did you mean"),
    ],
)
def test_damaged_files(old, new, message):
    assert old in TEXT
    with pytest.raises(ModelFileError) as info:
        Models.from_yaml(TEXT.replace(old, new, 1))
    assert message in str(info.value)


def test_wrong_hyperparameters():
    with pytest.raises(TypeError, match="needs a Prior of its own, got 3"):
        HyperParameter("x", 3)
    with pytest.raises(ValueError, match="must not be empty"):
        HyperParameter("", Prior("Normal", mu=0, sigma=1))
    with pytest.raises(TypeError, match="needs a name"):
        HyperParameter(None, Prior("Normal", mu=0, sigma=1))
    with pytest.raises(u.UnitConversionError, match="hyperparameter 'x'"):
        HyperParameter("x", Prior("Normal", mu="1 TeV", sigma=1), "s")
    wide = HyperParameter("x", Prior("Normal", mu=1, sigma=1))
    with pytest.raises(ValueError, match="'x' is used as a scale, which is positive, but its prior .* below zero"):
        Parameter("y", 1.0, prior=Prior("Normal", mu=0, sigma=wide))
    with pytest.raises(ValueError, match="'sigma' is positive, its prior .* reaches below zero"):
        Parameter("y", 1.0, prior=Prior("Normal", mu=0, sigma=wide.prior))
    with pytest.raises(ValueError, match="an edge of the support and cannot have a prior"):
        Prior("Uniform", lower=wide, upper=5)
    with pytest.raises(u.UnitConversionError, match="give it the argument unit='TeV'"):
        Parameter("ebreak", "1 TeV", prior=Prior("Normal", mu=wide, sigma=1))
    with pytest.raises(ValueError, match="cannot change its unit"):
        Prior("LogNormal", mu=wide, sigma=1).rescaled(1e3, "TeV")


def test_names_that_clash():
    one = Prior("Normal", mu=0, sigma=HyperParameter("s", Prior("HalfNormal", sigma=1)))
    two = Prior("Normal", mu=0, sigma=HyperParameter("s", Prior("HalfNormal", sigma=2)))
    models = Models([SkyModel.create("pl", name="a"), SkyModel.create("pl", name="b")])
    models["a"].spectral_model.index.prior, models["b"].spectral_model.index.prior = one, two
    with pytest.raises(ValueError, match="hyperparameter 's' is defined twice"):
        models.prior_table()
    models["b"].spectral_model.index.prior = Prior(
        "Normal", mu=0, sigma=HyperParameter("a.index", Prior("HalfNormal", sigma=2))
    )
    with pytest.raises(ValueError, match="'a.index' is the name of a hyperparameter and of a parameter"):
        build(models.parameter_names)
