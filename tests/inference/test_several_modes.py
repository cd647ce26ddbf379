"""Posteriors with several modes: their weights, what is one mode after all, and the result."""

import arviz as az
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm, poisson

from bayesmap.inference import compile_fit, convergence_report, evidence
from bayesmap.inference.mode import Laplace
from bayesmap.inference.modes import merge_modes
from bayesmap.inference.samplers import Drawn
from bayesmap.io import load, save
from bayesmap.modeling import Prior
from tests.inference.tiny import LAT, LON, background, make_dataset, point

LEFT, RIGHT = LON + 0.3, LON - 0.3


class Mixture:
    """Normals of given places, widths and weights in three dimensions, as a log-density with the evidence e^5."""

    reported = ("x", "y", "z")

    def __init__(self, places, widths, weights):
        self.places, self.widths, self.weights = (np.array(x, dtype=float) for x in (places, widths, weights))

    def __call__(self, theta):
        parts = [
            np.log(w) + norm.logpdf(theta - [x, 0, 0], scale=s).sum(-1)
            for x, s, w in zip(self.places, self.widths, self.weights, strict=True)
        ]
        return float(logsumexp(parts)) + 5.0, np.zeros(3)

    def modes(self):
        return [
            Laplace(np.array([x, 0, 0]), s**2 * np.eye(3), s * np.eye(3), self(np.array([x, 0, 0]))[0])
            for x, s in zip(self.places, self.widths, strict=True)
        ]

    def expand_draws(self, theta):
        return dict(zip("xyz", np.moveaxis(theta, -1, 0), strict=True))

    def run(self, rng, choose, n=(4, 800)):
        """Exact draws; ``choose`` says of the place of a draw whether the chain would get there."""
        which = rng.choice(len(self.places), 60 * n[0] * n[1], p=self.weights / self.weights.sum())
        theta = rng.normal(size=(len(which), 3)) * self.widths[which, None]
        theta[:, 0] += self.places[which]
        theta = theta[choose(theta[:, 0])][: n[0] * n[1]].reshape(*n, 3)
        lp = np.array([[self(x)[0] for x in chain] for chain in theta])
        return Drawn(theta, {"lp": lp, "diverging": np.zeros(n, dtype=bool)}, False)


def test_weights_of_modes_apart(rng):
    density = Mixture([-10, 10], [1.0, 0.3], [0.35, 0.65])
    runs = [density.run(rng, lambda x: x < 0), density.run(rng, lambda x: x > 0)]
    drawn, shares = merge_modes(density, density.modes(), runs, rng)
    np.testing.assert_allclose(shares.weights, [0.65, 0.35], atol=0.01)
    assert max(shares.errors) < 0.01
    assert drawn.theta.shape == (4, 800, 3)
    assert [place["x"] for place in shares.places] == pytest.approx([10, -10], abs=0.1)
    # each chain has each mode by its weight, and nothing else than draws of it
    modes = drawn.stats["mode"]
    np.testing.assert_allclose((modes == 0).mean(axis=1), shares.weights[0], atol=1.1 / 800)
    np.testing.assert_array_equal(drawn.theta[..., 0] > 0, modes == 0)
    np.testing.assert_allclose([density(x)[0] for x in drawn.theta[1]], drawn.stats["lp"][1])
    # in no order
    assert float(az.rhat(modes.astype(float))) < 1.02
    assert str(shares).startswith("2 modes: weight 0.65")


def test_overlap_is_not_counted_twice(rng):
    """Two normals 5 standard deviations apart: the parts add up to the whole."""
    density = Mixture([-2.5, 2.5], [1.0, 1.0], [0.2, 0.8])
    border = np.log(0.2 / 0.8) / -5.0
    runs = [density.run(rng, lambda x: x < -border), density.run(rng, lambda x: x > -border)]
    # a chain that saw some of the other mode
    runs[0].theta[0, :5] = [2.5, 0, 0]
    _, shares = merge_modes(density, density.modes(), runs, rng)
    inside = 0.2 * norm.cdf(-border + 2.5) + 0.8 * norm.cdf(-border - 2.5)
    assert shares.weights == pytest.approx([1 - inside, inside], abs=4 * max(shares.errors) + 2e-3)
    assert shares.log_z == pytest.approx(5.0, abs=0.01)


def test_modes_that_chains_cross_are_one(rng):
    density = Mixture([-1, 1], [1.0, 1.0], [0.5, 0.5])
    runs = [density.run(rng, lambda x: x < np.inf) for _ in range(2)]
    drawn, shares = merge_modes(density, density.modes(), runs, rng)
    assert shares.weights == [1.0]
    assert "mode" not in drawn.stats
    assert str(shares) == "one mode: chains cross between the 2 that the searches found"
    assert float(drawn.theta[..., 0].mean()) == pytest.approx(0, abs=0.1)


def test_a_shoulder_that_chains_leave_is_no_mode(rng):
    """All draws of the second run are in the first mode, which none leaves; the third mode stays."""
    density = Mixture([0, 3, 30], [1.0, 0.4, 1.0], [0.6, 1e-4, 0.4])
    runs = [density.run(rng, lambda x: x < 1.5), density.run(rng, lambda x: x < 1.5), density.run(rng, lambda x: x > 9)]
    _, shares = merge_modes(density, density.modes(), runs, rng)
    np.testing.assert_allclose(shares.weights, [0.6, 0.4], atol=0.01)
    assert shares.found == 3


def test_few_draws_have_the_weights_of_gaussians(rng):
    density = Mixture([-10, 10], [1.0, 0.3], [0.35, 0.65])
    runs = [density.run(rng, lambda x: x < 0, (2, 6)), density.run(rng, lambda x: x > 0, (2, 6))]
    with pytest.warns(UserWarning, match="only that of a Gaussian: bridge sampling fits a Gaussian of 3 variables"):
        _, shares = merge_modes(density, density.modes(), runs, rng)
    np.testing.assert_allclose(shares.weights, [0.65, 0.35], atol=1e-6)
    assert np.isnan(shares.errors).all()


def test_an_interrupt_before_the_second_mode(rng):
    density = Mixture([-10, 10], [1.0, 0.3], [0.35, 0.65])
    drawn, shares = merge_modes(density, density.modes(), [density.run(rng, lambda x: x < 0)], rng)
    assert shares.weights == [1.0]
    assert drawn.theta.shape == (4, 800, 3)
    assert "interrupted before the others" in str(shares)


def even(data):
    """Give a dataset the same exposure everywhere."""
    data.exposure.data[:] = data.exposure.data.mean(axis=(1, 2), keepdims=True)
    return data


def two_sources(ratio, amplitude):
    """Counts of two sources 0.6 deg apart, the left one brighter by a ratio: drawn, or for equal ones expected."""
    truth = [point("left", lon=LEFT, lat=LAT, amplitude=f"{ratio * amplitude} cm-2 s-1 TeV-1")]
    truth += [point("right", lon=RIGHT, lat=LAT, amplitude=f"{amplitude} cm-2 s-1 TeV-1"), background()]
    dataset = even(make_dataset(models=truth, seed=5))
    return dataset.npred().data.round() if ratio == 1.0 else dataset.counts.data


def one_source(counts, free=("lon_0", "amplitude")):
    """A model with one source that may sit on either; all but some parameters are frozen."""
    model = point("one", lon=LON, lat=LAT, amplitude="5e-13 cm-2 s-1 TeV-1")
    model.spatial_model.lon_0.prior = Prior("Uniform", lower=LON - 0.5, upper=LON + 0.5)
    model.spectral_model.amplitude.prior = Prior("Uniform", lower="0 cm-2 s-1 TeV-1", upper="3e-12 cm-2 s-1 TeV-1")
    field = background(prior=Prior("Normal", mu=1, sigma=0.1))
    for parameter in [*model.parameters, *field.parameters]:
        parameter.frozen = parameter.name not in free
    return even(make_dataset(models=[model, field], counts=counts))


@pytest.fixture(scope="module")
def fit():
    """Two parameters, compiled once."""
    return compile_fit(one_source(two_sources(1.0, 5e-13)))


def by_quadrature(dataset, counts, n=41):
    """Evidence of the left and the right half, from predictions and SciPy alone."""
    model, chosen = dataset.models[0], counts > 0
    unit, level = model.spectral_model.amplitude.value, dataset.npred_background().data
    amplitudes = np.linspace(0, 1.5e-12, n)
    halves = []
    for lon in (LEFT, RIGHT):
        values = []
        for x in np.linspace(lon - 0.12, lon + 0.12, 31):
            model.spatial_model.lon_0.value = x
            signal = dataset.npred_signal(model_names=["one"]).data
            logs = [poisson.logpmf(counts[chosen], level[chosen] + a / unit * signal[chosen]).sum() for a in amplitudes]
            values.append(np.array(logs) - (level[~chosen].sum() + amplitudes / unit * signal[~chosen].sum()))
        halves.append(logsumexp(values))
    model.spatial_model.lon_0.value = LON
    return np.exp(np.array(halves) - logsumexp(halves))


@pytest.mark.parametrize("ratio", [1.0, 1.1])
def test_one_model_source_and_two_of_the_data(fit, ratio, tmp_path):
    """The showcase of nested sampling of Gammapy 2.0; with equal fluxes the weights are equal by symmetry."""
    counts = two_sources(ratio, 5e-13)
    fit.set_counts(counts)
    tree = fit.sample(1000, chains=4, random_state=2, progress_bar=False, searches=6)
    modes, lon = tree["sample_stats"]["mode"].to_numpy(), tree["posterior"]["one.lon_0"].to_numpy()
    weight = (lon > LON).mean()
    wanted = 0.5 if ratio == 1.0 else by_quadrature(fit.datasets[0], counts)[0]
    assert 0.1 < wanted < 0.9
    assert weight == pytest.approx(wanted, abs=0.02)
    assert max(tree.attrs["mode_weight_errors"]) < 0.01
    assert len(np.unique(modes)) == 2
    report = convergence_report(tree)
    assert max(report.rhat.values()) < 1.01
    assert report.converged
    assert "2 modes: weight 0." in str(report)
    save(tree, tmp_path / "posterior.nc")
    assert str(convergence_report(load(tmp_path / "posterior.nc"))) == str(report)
    found = evidence(tree, fit)
    assert found.error < 0.02
    assert found.laplace == pytest.approx(found.log_z, abs=0.1)


@pytest.mark.slow
def test_all_parameters_of_the_symmetric_case():
    free = ("lon_0", "lat_0", "index", "amplitude", "norm")
    dataset = one_source(two_sources(1.0, 1e-12), free)
    dataset.models[0].spatial_model.lat_0.prior = Prior("Normal", mu=LAT, sigma=0.1)
    dataset.models[0].spectral_model.index.prior = Prior("Normal", mu=2, sigma=0.5)
    fit = compile_fit(dataset)
    tree = fit.sample(2000, chains=4, random_state=1, progress_bar=False)
    assert float((tree["posterior"]["one.lon_0"] > LON).mean()) == pytest.approx(0.5, abs=0.02)
    report = convergence_report(tree)
    assert max(report.rhat.values()) < 1.01
    smc = evidence(fit, method="smc", random_state=2)
    found = evidence(tree, fit)
    assert found.log_z == pytest.approx(smc.log_z, abs=4 * np.hypot(found.error, smc.error) + 0.05)
