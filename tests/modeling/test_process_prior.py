"""Priors of random processes against their definitions, integrals over the scale, and files."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import scipy.integrate
import scipy.stats
from scipy.interpolate import CubicSpline

from bayesmap.modeling import Models, PowerLawSpectralModel, Prior, ProcessPrior, SkyModel, StepNormSpectralModel
from bayesmap.modeling.priors.variables import prior_variables

X = np.array([0.0, 1.0, 1.5, 4.0])
S = np.array([1.0, 1.4, 0.7, 0.9])
NAMES = [f"a.norm_{i}" for i in range(4)]


def density(prior, values=S):
    return float(prior.logp(pt.as_tensor_variable(values)).eval())


def test_a_walk_has_independent_steps():
    steps = scipy.stats.norm(0, 0.3 * np.sqrt(np.diff(X))).logpdf(np.diff(S)).sum()
    assert density(ProcessPrior(NAMES, X, scale=0.3)) == pytest.approx(steps, rel=1e-12)


def test_a_curve_is_penalised_by_its_second_derivative():
    spline = CubicSpline(X, S, bc_type="natural")
    bend = scipy.integrate.quad(lambda x: spline(x, 2) ** 2, X[0], X[-1], points=X[1:-1])[0]
    prior = ProcessPrior(NAMES, X, kind="curve", scale=1.0)
    assert S @ prior.precision(1.0) @ S == pytest.approx(bend, rel=1e-10)
    shifted = S + 3 - 2 * X
    assert density(prior, shifted) == pytest.approx(density(prior), rel=1e-10)  # level and slope are flat


def test_fluctuations_are_those_of_a_stationary_process_without_its_level():
    """The density of a stationary process, integrated over a level with a flat prior."""
    covariance = 0.2**2 * np.exp(-np.abs(X[:, None] - X) / 1.7)
    process = scipy.stats.multivariate_normal(np.zeros(4), covariance)
    level = scipy.integrate.quad(lambda m: process.pdf(S - m), -3, 5, points=[1])[0]
    prior = ProcessPrior(NAMES, X, kind="ou", scale=0.2, timescale=1.7)
    assert density(prior) == pytest.approx(np.log(level), rel=1e-8)


@pytest.mark.parametrize("kind", ["walk", "curve", "ou"])
def test_an_unknown_scale_is_integrated_out(kind):
    """Mean over the prior of the scale, tau = 0.25 / |z|, by quadrature."""
    settings = {"kind": kind, **({"timescale": 1.7} if kind == "ou" else {})}
    unknown = ProcessPrior(NAMES, X, typical_scale=0.25, **settings)

    def integrand(z):
        known = ProcessPrior(NAMES, X, scale=0.25 / z, **settings)
        q = S @ known.precision(1.0) @ S
        log_det = 2 * (density(known) + q * z**2 / 0.25**2 / 2)  # all but the exponent
        return 2 * scipy.stats.norm.pdf(z) * np.exp(0.5 * log_det - 0.5 * q * z**2 / 0.25**2)

    mean = scipy.integrate.quad(integrand, 1e-9, 10)[0]
    assert density(unknown) == pytest.approx(np.log(mean), rel=1e-6)


def test_the_scale_is_drawn_back():
    """Posterior moments of 1 / tau^2, a gamma distribution, given the values."""
    prior = ProcessPrior(NAMES, X, typical_scale=0.25)
    scale, timescale = prior.draw_scale(np.tile(S, (200_000, 1)), np.random.default_rng(1))
    q = S @ prior.precision(1.0) @ S
    assert np.mean(scale**-2.0) == pytest.approx(0.5 * (1 + 3) / (0.5 * (0.25**2 + q)), rel=0.01)
    assert np.isnan(timescale).all()
    fluctuations = ProcessPrior(NAMES, X, kind="ou")
    _, timescale = fluctuations.draw_scale(np.tile(S, (20_000, 1)), np.random.default_rng(1))
    assert set(timescale) <= set(fluctuations.timescales)
    assert fluctuations.timescales.min() == pytest.approx(0.5)
    assert fluctuations.timescales.max() == pytest.approx(4.0)


@pytest.mark.parametrize("kind", ["walk", "curve", "ou"])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_curvature(kind, scale):
    """Second differences of the density."""
    prior = ProcessPrior(NAMES, X, kind=kind, scale=scale)
    h, unit = 1e-3, np.eye(4)
    for i in range(4):
        for j in range(4):
            corners = [density(prior, S + h * (a * unit[i] + b * unit[j])) * a * b for a in (1, -1) for b in (1, -1)]
            assert prior.curvature(S)[i, j] == pytest.approx(-sum(corners) / (4 * h * h), rel=1e-3, abs=1e-3)


def models(lower=0.0):
    step = StepNormSpectralModel([1, 2, 4, 8, 16] * np.array(1) * PowerLawSpectralModel().reference.unit)
    reference = PowerLawSpectralModel()
    reference.freeze()
    listed = Models([SkyModel(reference * step, name="a")])
    for parameter in step.parameters:
        parameter.min = lower
    return listed


@pytest.mark.parametrize("lower", [0.0, np.nan])
def test_variables_of_the_sampler(lower):
    """Density of the unconstrained vector: that of the process plus the Jacobian of the logarithms."""
    listed = models(lower)
    listed.set_joint_prior(ProcessPrior(NAMES, X, scale=0.3))
    with pm.Model() as model:
        prior_variables(listed.parameter_names)
    (free,) = model.free_RVs
    z = np.array([0.1, -0.2, 0.3, 0.05])
    transform = model.rvs_to_transforms[free]
    values = transform.backward(pt.as_tensor_variable(z)).eval()
    expected = density(ProcessPrior(NAMES, X, scale=0.3), values)
    expected += np.sum(np.log(values) + np.log(transform.width)) if lower == 0 else 0.0
    assert model.compile_logp()({model.rvs_to_values[free].name: z}) == pytest.approx(expected, rel=1e-10)
    assert [v.name for v in model.deterministics] == NAMES


def test_frozen_members_hold_their_values():
    listed = models()
    listed.set_joint_prior(ProcessPrior(NAMES, X, scale=0.3))
    listed.parameters["norm_2"].value = 0.7
    listed.parameters["norm_2"].frozen = True
    with pm.Model() as model:
        prior_variables(listed.parameter_names)
    (free,) = model.free_RVs
    at = pm.logp(free, pt.as_tensor_variable(np.delete(S, 2))).eval()
    assert at == pytest.approx(density(ProcessPrior(NAMES, X, scale=0.3)), rel=1e-10)


def test_in_files():
    listed = models()
    prior = ProcessPrior(NAMES, X, kind="ou", typical_scale=0.2, timescale=3.0)
    listed.set_joint_prior(prior)
    again = Models.from_yaml(listed.to_yaml())
    assert again.joint_priors == [prior]
    assert "ou(joint with a.norm_1, a.norm_2, a.norm_3)" in str(again.prior_table())
    part = Models(listed).copy() if hasattr(listed, "copy") else listed
    assert part.joint_priors == [prior]


def test_wrong_arguments():
    with pytest.raises(ValueError, match="positions must be 4 ascending numbers"):
        ProcessPrior(NAMES, X[::-1])
    with pytest.raises(ValueError, match="a curve needs at least three"):
        ProcessPrior(NAMES[:2], X[:2], kind="curve")
    with pytest.raises(ValueError, match="scale must be a positive number, got 0"):
        ProcessPrior(NAMES, X, scale=0)
    with pytest.raises(ValueError, match="a timescale is for kind 'ou'"):
        ProcessPrior(NAMES, X, timescale=1.0)
    with pytest.raises(ValueError, match="did you mean 'walk'"):
        ProcessPrior(NAMES, X, kind="wak")
    listed = models()
    listed.parameters["norm_2"].max = 3.0
    with pytest.raises(ValueError, match=r"'a.norm_2': remove the upper bound 3.0"):
        listed.set_joint_prior(ProcessPrior(NAMES, X))
    listed = Models([SkyModel.create("pl", name="a")])
    with pytest.raises(ValueError, match="single dimensionless numbers, got '1 / .TeV s cm2.'"):
        listed.set_joint_prior(ProcessPrior(["a.index", "a.amplitude"], [0, 1]))
    assert listed.parameters["index"].prior is None
    listed.parameters["index"].prior = Prior("Normal", mu=2, sigma=0.1)
    with pytest.raises(ValueError, match="key 'positions' is missing"):
        ProcessPrior.from_dict({"process": "walk", "parameters": NAMES})
