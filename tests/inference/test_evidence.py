"""Evidence: closed forms and quadrature from draws that are exact, and what is refused."""

import warnings

import numpy as np
import pytest
import xarray as xr

from bayesmap.inference import bayes_factor, compile_fit, evidence
from bayesmap.inference.bridge import bridge
from bayesmap.likelihoods import GaussianLikelihood
from bayesmap.modeling import Parameter, Prior
from tests.inference.spectra import (
    AMPLITUDE,
    INDEX,
    dataset,
    gamma_poisson,
    grid,
    quadrature,
    quick_fit,
    source,
    spectrum_fit,
)

N_CHAIN, N_DRAW = 4, 500


def as_tree(**columns):
    """A result of draws of the source "s", one column per parameter, without statistics."""
    shape = (N_CHAIN, len(next(iter(columns.values()))) // N_CHAIN)
    variables = {f"s.{name}": (("chain", "draw"), np.reshape(values, shape)) for name, values in columns.items()}
    return xr.DataTree.from_dict({"posterior": xr.Dataset(variables)})


def exact_gamma(shape, rate, rng, n=N_CHAIN * N_DRAW):
    return as_tree(amplitude=1e-12 * rng.gamma(shape, 1 / rate, n))


def exact_spectrum(fit, rng, n=N_CHAIN * N_DRAW):
    """Draws of the grid's cells, evenly inside of each."""
    index, log_amplitude, values = grid(fit, 400)
    p = np.exp(values - values.max()).ravel()
    cells = rng.choice(p.size, n, p=p / p.sum())
    i, j = np.unravel_index(cells, values.shape)
    jitter = rng.uniform(-0.5, 0.5, (2, n))
    return as_tree(
        index=index[i] + jitter[0] * (index[1] - index[0]),
        amplitude=1e-12 * np.exp(log_amplitude[j] + jitter[1] * (log_amplitude[1] - log_amplitude[0])),
    )


@pytest.fixture(scope="module")
def gamma():
    return gamma_poisson()


@pytest.fixture(scope="module")
def spectrum():
    return spectrum_fit()


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_integral_of_normal_distributions_with_an_honest_error(scale):
    """Draws of a t-like scale mixture in 5 dimensions: errors of 60 repeats are as large as they say."""
    size, pulls = 5, []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        points = rng.normal(size=(4, 300, size)) * np.where(rng.random((4, 300, 1)) < 0.5, 1.0, scale)

        def log_density(x):
            parts = [-0.5 * (x**2).sum(-1) / s**2 - size * np.log(s) for s in (1.0, scale)]
            return 3.0 + np.logaddexp(*parts) - np.log(2)

        found = bridge(log_density, points, log_density(points), rng)
        pulls.append((found.log_z - 3.0 - 0.5 * size * np.log(2 * np.pi)) / max(found.error, 1e-3))
    assert abs(np.mean(pulls)) < 0.5  # 4 sigma
    assert 0.4 < np.std(pulls) < 1.5


def correlated(rng, memory, n=600):
    """Draws of sinh(x) for normal x with a memory, in two dimensions, and their log-density."""
    x = rng.normal(size=(4, n, 2))
    for i in range(1, n):
        x[:, i] = memory * x[:, i - 1] + np.sqrt(1 - memory**2) * x[:, i]
    return np.sinh(x), lambda y: (-0.5 * np.arcsinh(y) ** 2 - 0.5 * np.log1p(y**2)).sum(-1)


def test_error_grows_with_autocorrelation_and_is_honest():
    errors, pulls = {}, []
    for memory in (0.0, 0.95):
        for seed in range(40):
            rng = np.random.default_rng(seed)
            points, log_density = correlated(rng, memory)
            found = bridge(log_density, points, log_density(points), rng)
            errors.setdefault(memory, []).append(found.error)
            pulls.append((found.log_z - np.log(2 * np.pi)) / found.error)
    assert np.median(errors[0.95]) > 1.5 * np.median(errors[0.0])
    assert 0.6 < np.std(pulls) < 1.5
    assert abs(np.mean(pulls)) < 0.5


def test_two_modes_need_two_gaussians():
    """Unit normals 30 apart, of weights 0.3 and 0.7: the evidence from labelled draws."""
    rng = np.random.default_rng(4)
    labels = (rng.random((4, 500)) < 0.7).astype(int)
    points = rng.normal(size=(4, 500, 3)) + 30 * labels[..., None]

    def log_density(x):
        return np.logaddexp(np.log(0.3) - 0.5 * (x**2).sum(-1), np.log(0.7) - 0.5 * ((x - 30) ** 2).sum(-1))

    found = bridge(log_density, points, log_density(points), rng, labels)
    assert found.log_z == pytest.approx(1.5 * np.log(2 * np.pi), abs=5 * found.error)
    assert found.error < 0.02


def test_gamma_poisson_is_the_closed_form(gamma, rng):
    fit, (shape, rate), log_z = gamma
    found = evidence(exact_gamma(shape, rate, rng), fit)
    assert found.error < 0.01
    assert found.log_z == pytest.approx(log_z, abs=max(4 * found.error, 2e-3))
    assert found.laplace == pytest.approx(log_z, abs=0.05)
    assert not found.remarks
    assert str(found).startswith(f"The logarithm of the evidence is {found.log_z:.3f} +- ")
    assert evidence(fit, method="laplace").log_z == pytest.approx(found.laplace, abs=1e-3)


def test_spectrum_is_the_quadrature(spectrum, rng):
    found = evidence(exact_spectrum(spectrum, rng), spectrum)
    assert found.error < 0.02
    assert found.log_z == pytest.approx(quadrature(spectrum), abs=max(4 * found.error, 3e-3))


def test_bayes_factor_of_a_frozen_index(spectrum, rng):
    """The free index against one frozen at 2.2, by quadrature over both."""
    one = quick_fit(dataset(source(amplitude=AMPLITUDE)))
    index, log_amplitude, values = grid(spectrum, 401)
    [frozen] = values[np.isclose(index, 2.2)]
    frozen = frozen - INDEX.logp(2.2)
    p = np.exp(frozen - frozen.max())
    cells = rng.choice(len(p), N_CHAIN * N_DRAW, p=p / p.sum())
    step = log_amplitude[1] - log_amplitude[0]
    draws = np.exp(log_amplitude[cells] + step * rng.uniform(-0.5, 0.5, len(cells)))
    simple = evidence(as_tree(amplitude=1e-12 * draws), one)
    wanted = np.log(p.sum() * step) + frozen.max() - quadrature(spectrum)
    found = bayes_factor(simple, evidence(exact_spectrum(spectrum, rng), spectrum))
    assert found.log == pytest.approx(wanted, abs=4 * found.error + 3e-3)
    better = "first" if wanted > 0 else "second"
    assert f"before, the {better} is now {np.exp(abs(found.log)):.3g} times as probable" in found.sentence


def test_laplace_that_differs_is_told(rng):
    """Nothing seen, and a prior Gamma(0.3, b): the posterior of the logarithm has a long tail, the bridge is right."""
    fit, (shape, rate), log_z = gamma_poisson(a=0.3, counts=np.zeros(6))
    with pytest.warns(UserWarning, match="Laplace and bridge differ by 0.2"):
        found = evidence(exact_gamma(shape, rate, rng), fit)
    assert found.log_z == pytest.approx(log_z, abs=max(4 * found.error, 2e-3))
    assert found.laplace == pytest.approx(log_z - 0.235, abs=0.01)  # Stirling's formula against Gamma(0.3)
    assert len(found.remarks) == 1


def test_improper_priors_are_named():
    fit = quick_fit(dataset(source(index=Prior("Flat"), amplitude=AMPLITUDE)))
    with pytest.raises(ValueError, match=r"priors of s\.index are improper"):
        evidence(fit, method="laplace")


def test_trees_that_do_not_fit_are_refused(gamma, spectrum, rng):
    fit, (shape, rate), _ = gamma
    tree = exact_gamma(shape, rate, rng)
    with pytest.raises(ValueError, match="has 96 draws, an evidence needs at least 100"):
        evidence(tree.isel(draw=slice(24)), fit)
    with pytest.raises(ValueError, match=r"of other models: it lacks \['s.index'\]"):
        evidence(tree, spectrum)
    with pytest.raises(ValueError, match=r"of other models: it has \['s.index'\]"):
        evidence(exact_spectrum(spectrum, rng), fit)
    with pytest.raises(ValueError, match="needs the datasets"):
        evidence(tree)
    with pytest.raises(ValueError, match="method must be one of"):
        evidence(tree, fit, method="thermodynamic")
    # statistics that are those of other counts
    draws = fit.density.edges.inner_variable(0, tree["posterior"]["s.amplitude"].to_numpy())
    lp = np.array([[fit.density(z[None])[0] for z in chain] for chain in draws])
    stats = {"lp": (("chain", "draw"), lp), "diverging": (("chain", "draw"), np.arange(lp.size).reshape(lp.shape) < 3)}
    tree["sample_stats"] = xr.DataTree(xr.Dataset(stats))
    with pytest.warns(UserWarning, match="3 divergent transitions"):
        assert "3 divergent transitions" in str(evidence(tree, fit))
    counts = fit.datasets[0].counts.data
    fit.set_counts(counts + 1)
    try:
        with pytest.raises(ValueError, match=r"of other data, models, priors.*here, the tree says"):
            evidence(tree, fit)
    finally:
        fit.set_counts(counts)


def test_chains_that_disagree_are_told(gamma, rng):
    fit, (shape, rate), _ = gamma
    tree = exact_gamma(shape, rate, rng)
    tree["posterior"]["s.amplitude"][0] *= 3
    with pytest.warns(UserWarning, match="chains disagree"):
        evidence(tree, fit)


def test_ratios_that_mean_nothing_are_refused(gamma, spectrum, rng):
    fit, (shape, rate), _ = gamma
    one = evidence(exact_gamma(shape, rate, rng), fit)
    other = evidence(exact_spectrum(spectrum, rng), spectrum)
    assert np.isfinite(bayes_factor(one, other).log)
    counts = fit.datasets[0].counts.data
    fit.set_counts(counts + 1)
    try:
        with pytest.raises(ValueError, match="different data"):
            bayes_factor(evidence(fit, method="laplace"), other)
    finally:
        fit.set_counts(counts)
    default = quick_fit(dataset(_without_priors()))
    with pytest.raises(ValueError, match=r"priors of s\.amplitude, s\.index are defaults that were made from the data"):
        bayes_factor(evidence(default, method="laplace"), other)


def _without_priors():
    model = source()
    for name in ("index", "amplitude"):
        model.parameters[name].frozen = False
    return model


@pytest.mark.slow
def test_sequential_monte_carlo_agrees(spectrum):
    found = evidence(spectrum, method="smc", random_state=1)
    assert found.log_z == pytest.approx(quadrature(spectrum), abs=max(4 * found.error, 0.05))


@pytest.mark.slow
def test_nuts_draws_of_hierarchical_priors():
    """A hyperparameter and its offsets: bridge from NUTS against the evidence over the unit cube."""
    from bayesmap.modeling import HyperParameter

    mean = HyperParameter("index_mean", Prior("Normal", mu=2.2, sigma=0.3))
    fit = compile_fit(dataset(source(index=Prior("Normal", mu=mean, sigma=0.2), amplitude=AMPLITUDE)))
    tree = fit.sample(1000, chains=4, random_state=1, progress_bar=False)
    assert "s.index_offset" in tree["offsets"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = evidence(tree, fit)
    cube = np.random.default_rng(3).random((20000, 3))
    values = fit.loglike(cube)
    weights = np.exp(values - values.max())
    wanted, error = values.max() + np.log(weights.mean()), weights.std() / weights.mean() / np.sqrt(len(weights))
    assert found.log_z == pytest.approx(wanted, abs=4 * np.hypot(error, found.error))


def test_a_variable_that_a_user_computed_is_not_taken_for_a_parameter(gamma, rng):
    fit, (shape, rate), expected = gamma
    tree = exact_gamma(shape, rate, rng)
    amplitude = tree["posterior"]["s.amplitude"].assign_attrs(prior="Gamma")
    computed = {"s.amplitude": amplitude, "s.flux": 2 * amplitude.assign_attrs()}
    computed["s.flux"].attrs = {}
    tree["posterior"] = xr.DataTree(xr.Dataset(computed))
    assert evidence(tree, fit).log_z == pytest.approx(expected, abs=0.05)


def test_an_improper_prior_of_the_noise_is_named():
    points = dataset(source(index=INDEX, amplitude=AMPLITUDE))
    scale = Parameter("noise", 1.0, "", min=0, prior=Prior("Flat"))
    points.likelihood = GaussianLikelihood(2.0, scale=scale)
    with pytest.raises(ValueError, match=r"priors of .*noise.* are improper"):
        evidence(quick_fit(points), method="laplace")
