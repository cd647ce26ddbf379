"""Searches for modes: from any sensible start, onto walls, over fields, where little or nothing is known."""

from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytensor.tensor as pt
import pytest
from astropy.coordinates import SkyCoord

from bayesmap.datasets import MapDataset
from bayesmap.inference import compile_fit, mode
from bayesmap.inference.climb import climb
from bayesmap.inference.density import LogDensity
from bayesmap.inference.edges import Edges
from bayesmap.inference.mode import Laplace, search_modes
from bayesmap.inference.starts import starting_points
from bayesmap.modeling import (
    ExpCutoffPowerLawSpectralModel,
    FoVBackgroundModel,
    GaussianSpatialModel,
    GeneralizedGaussianSpatialModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    Prior,
    SkyModel,
)
from bayesmap.modeling.priors.pymc_variables import Standardize
from tests.golden import shared_path
from tests.inference.tiny import LAT, LON, background, make_dataset, point, power_law


def uniform(lower, upper):
    return Prior("Uniform", lower=lower, upper=upper)


TRANSFORMS = [
    Standardize(center=2.0, scale=3.0),
    Standardize(lower=-1.0, scale=2.0, width=0.7),
    Standardize(upper=4.0, scale=0.5, width=1.3),
    Standardize(lower=-1.0, upper=3.0, center=0.4, width=1.6),
]


def test_edges_are_those_of_the_transforms():
    edges = Edges([*TRANSFORMS, None])
    theta = np.array([0.3, -0.4, 0.8, 1.1, 0.2])

    def parameter(i, z):
        return float(TRANSFORMS[i].backward(pt.constant(z)).eval() if i < 4 else z)

    down, up = edges.left(theta)
    for i, step in enumerate(np.full(5, 1e-4)):
        low, x, high = (parameter(i, theta[i] + s) for s in (-step, 0.0, step))
        slope, second = (high - low) / (2 * step), (high - 2 * x + low) / step**2
        assert edges.bend(theta)[i] == pytest.approx(second / slope, abs=1e-6)
        for left, rising in ((down[i], False), (up[i], True)):
            edge = edges.edge(i, rising) if np.isfinite(left) else None
            assert edge is None or abs(edge - x) / abs(slope) == pytest.approx(left, rel=1e-6)
        if i < 4:
            assert edges.variable(i, x) == pytest.approx(theta[i])
    np.testing.assert_array_equal(np.isfinite(down), [False, True, True, True, False])
    np.testing.assert_array_equal(np.isfinite(up), [False, False, False, True, False])
    assert (edges.edge(1, False), edges.edge(2, False), edges.edge(3, True)) == (-1.0, 4.0, 3.0)
    near = edges.beside(theta, 3, True)
    assert 3.0 - parameter(3, near[3]) < 1e-5


def valley(theta):
    """Minus Rosenbrock's function."""
    x, y = theta
    gradient = np.array([-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)])
    return -((1 - x) ** 2) - 100 * (y - x**2) ** 2, -gradient


@pytest.mark.parametrize("start", [(-1.2, 1.0), (6.0, -6.0), (0.0, 5.0)])
def test_climb_along_a_bent_ridge(start):
    summit = climb(valley, np.array(start))
    assert summit.converged
    np.testing.assert_allclose(summit.theta, [1, 1], atol=1e-3)


@pytest.mark.parametrize("n", [30, 60])
def test_climb_of_many_variables_seldom_measures_the_curvature(n):
    """Steps with old second derivatives arrive at the same place; those at the end are measured."""
    rng = np.random.default_rng(n)
    mix = np.linalg.qr(rng.normal(size=(n, n)))[0] * rng.uniform(0.3, 3, n)
    calls = []

    def bell(theta):
        calls.append(theta)
        z = mix @ (theta - 1)
        return -np.logaddexp(z, -z).sum(), -mix.T @ np.tanh(z)

    summit = climb(bell, np.zeros(n))
    assert summit.converged
    np.testing.assert_allclose(mix @ (summit.theta - 1), 0, atol=2e-3)  # of a standard deviation
    np.testing.assert_allclose(summit.curvature, mix.T @ mix, rtol=0.01, atol=0.1)
    steps = [i for i, (a, b) in enumerate(zip(calls, calls[1:], strict=False)) if np.count_nonzero(a != b) > 2]
    assert len(steps) > 3
    if n > 40:
        assert len(calls) < 4 * 2 * n + 3 * len(steps)


def test_climb_leaves_a_saddle():
    summit = climb(
        lambda t: (t[0] ** 2 - t[0] ** 4 - t[1] ** 2, np.array([2 * t[0] - 4 * t[0] ** 3, -2 * t[1]])), np.zeros(2)
    )
    assert summit.converged
    np.testing.assert_allclose(np.abs(summit.theta), [np.sqrt(0.5), 0], atol=1e-3)


def test_climb_that_is_stopped_by_what_is_impossible():
    def bounded(theta):
        if theta[0] > 1:
            return -np.inf, np.zeros(2)
        return 3 * theta[0] - 0.5 * theta[1] ** 2, np.array([3.0, -theta[1]])

    summit = climb(bounded, np.array([-5.0, 2.0]))
    assert (summit.blocked, summit.converged) == (True, False)
    assert summit.theta[0] == pytest.approx(1, abs=1e-3)


def test_climb_onto_a_wall_and_over_a_plateau():
    """x falls from its lower edge, y is normal, nothing depends on w."""
    edges = Edges([Standardize(lower=0.0, width=1.5), Standardize(), Standardize(lower=0.0, upper=1.0, width=1.6)])

    def density(theta):
        x = np.exp(1.5 * theta[0])
        return -5 * x - 0.5 * (theta[1] - 3) ** 2, np.array([-7.5 * x, 3 - theta[1], 0.0])

    summit = climb(density, np.array([1.0, -2.0, 0.4]), edges)
    assert summit.converged
    assert (summit.walls, summit.flat) == ({0: False}, (2,))
    assert np.exp(1.5 * summit.theta[0]) < 1e-4
    assert summit.theta[1] == pytest.approx(3, abs=1e-3)


def cut_off(lower):
    """A power law, fitted with an exponential cut-off whose lambda cannot be, or may be, below zero."""
    spectrum = ExpCutoffPowerLawSpectralModel(index=2.2, amplitude="1e-12 cm-2 s-1 TeV-1", lambda_="0 TeV-1")
    spectrum.lambda_.prior = uniform(lower, 2)
    shape = PointSpatialModel(lon_0=(LON + 0.03) * u.deg, lat_0=(LAT - 0.02) * u.deg, frame="galactic")
    return make_dataset(models=[SkyModel(spectral_model=spectrum, spatial_model=shape, name="s"), background()])


def test_cut_off_at_zero_is_a_wall_and_said_to_be_one():
    inside = compile_fit(cut_off(-2)).find_mode(searches=1)
    assert inside.values["s.lambda_"] < -0.1
    assert not inside.remarks
    mode = compile_fit(cut_off(0)).find_mode(searches=1)
    assert mode.walls == {"s.lambda_": 0.0}
    assert 0 <= mode.values["s.lambda_"] < 1e-6
    assert "s.lambda_ is at the edge 0 1 / TeV" in str(mode)
    # the fit of a power law, with an error to one side
    frozen = cut_off(0)
    frozen.models[0].spectral_model.lambda_.frozen = True
    plain = compile_fit(frozen).find_mode(searches=1)
    for name, value in plain.values.items():
        assert mode.values[name] == pytest.approx(value, abs=0.01 * plain.errors[name])
        assert mode.errors[name] == pytest.approx(plain.errors[name], rel=0.02)
    assert 0.005 < mode.errors["s.lambda_"] < 0.1
    assert mode.covariance[list(mode.values).index("s.lambda_")].astype(bool).sum() == 1


def roaming(data=True, x=0.5, y=-0.4, amplitude=(0, 1e-10)):
    """A point source somewhere in the field; its prior is the field, its start the middle."""
    dataset = make_dataset(models=[point(lon=LON + x, lat=LAT + y), background()])
    if not data:
        dataset.counts.data[:] = 0
    model = point(lon=LON, lat=LAT)
    model.spatial_model.set_priors(lon_0=uniform(LON - 0.75, LON + 0.75), lat_0=uniform(LAT - 0.6, LAT + 0.6))
    if amplitude is not None:
        model.spectral_model.amplitude.prior = uniform(*amplitude)
    dataset.models = [model, background()]
    return dataset


@pytest.mark.parametrize("amplitude", [None, (0, 1e-10), (0, 1e-5), (-1e-10, 1e-10)])
def test_a_source_that_may_be_anywhere(amplitude):
    mode = compile_fit(roaming(amplitude=amplitude)).find_mode(searches=1)
    assert mode.values["source.lon_0"] == pytest.approx(LON + 0.5, abs=0.03)
    assert mode.values["source.lat_0"] == pytest.approx(LAT - 0.4, abs=0.03)
    assert mode.values["source.amplitude"] == pytest.approx(1e-12, rel=0.4)
    assert not mode.remarks


def test_twenty_decades_of_amplitude():
    dataset = roaming(amplitude=None)
    dataset.models[0].spectral_model.amplitude.prior = Prior("LogUniform", lower=1e-25, upper=1e-5)
    mode = compile_fit(dataset).find_mode(searches=1, jacobian=True)
    assert mode.values["source.amplitude"] == pytest.approx(1e-12, rel=0.4)


def test_two_sources_that_may_be_anywhere():
    truth = [point("a", lon=LON + 0.5, lat=LAT), point("b", lon=LON - 0.4, lat=LAT + 0.3), background()]
    dataset = make_dataset(models=truth)
    models = [point(name, lon=LON, lat=LAT) for name in "ab"]
    for model in models:
        model.spatial_model.set_priors(lon_0=uniform(LON - 0.75, LON + 0.75), lat_0=uniform(LAT - 0.6, LAT + 0.6))
    dataset.models = [*models, background()]
    mode = compile_fit(dataset).find_mode(searches=1)
    np.testing.assert_allclose(sorted(mode.values[f"{n}.lon_0"] for n in "ab"), [LON - 0.4, LON + 0.5], atol=0.03)


def test_positions_near_their_place_are_not_looked_for(fit):
    names = {p: name for name, p in fit.parameters.items()}
    starts = starting_points(fit._any_density, fit._observed, names)
    np.testing.assert_array_equal(starts, [fit._any_density.start])


def test_nothing_seen_is_a_wall_of_the_amplitude():
    mode = compile_fit(roaming(data=False)).find_mode(searches=1)
    assert mode.walls["source.amplitude"] == 0.0
    assert {"source.lon_0", "source.lat_0"} <= {*mode.flat}
    assert "does not depend on" in str(mode)
    assert mode.errors["source.lon_0"] > 0.7


class Quadrant:
    """The density exp(-x - 2 y) where x and y are positive, which only the density knows."""

    size, edges, start = 2, Edges([None, None]), np.array([2.0, 3.0])

    def __call__(self, theta, jacobian=True):
        if min(theta) < 0:
            return -np.inf, np.zeros(2)
        return float(-theta @ [1.0, 2.0]), np.array([-1.0, -2.0])


def test_a_border_of_impossible_values_is_walked_along():
    barrier = lambda theta: (float(np.log(theta).sum()), 1 / theta)  # noqa: E731
    with np.errstate(invalid="ignore", divide="ignore"):
        best, rivals = search_modes(Quadrant(), np.random.default_rng(0), 1, barrier=lambda: barrier)
    assert best.blocked
    assert not rivals
    assert 0 <= min(best.mode) <= max(best.mode) < 1e-3
    assert best.log_density > -1e-3


@pytest.mark.slow
def test_nothing_seen_and_an_amplitude_that_may_be_negative():
    """The mode is on the border of negative predictions."""
    fit = compile_fit(roaming(data=False, amplitude=(-1e-10, 1e-10)))
    mode = fit.find_mode(searches=1)
    assert mode.blocked
    assert "a prediction of counts would be negative" in str(mode)
    # Without counts the log-likelihood is minus the predicted ones: few are left.
    zero = compile_fit(roaming(data=False)).find_mode(searches=1)
    scale = np.log(2)  # the prior of the amplitude is twice as wide
    assert mode.log_density > zero.log_density - scale - 3
    fit._density = LogDensity(fit.model, mode="FAST_COMPILE")
    with pytest.warns(UserWarning, match="border of the parameters that are possible.*plain adaptation"):
        modes, message = fit._whitening(np.random.default_rng(0), 1)
    assert not modes
    assert message


@pytest.mark.parametrize("data", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_generalized_gaussian(data):
    shape = GeneralizedGaussianSpatialModel(
        lon_0=LON * u.deg, lat_0=LAT * u.deg, r_0=0.15 * u.deg, eta=0.5, frame="galactic"
    )
    model = SkyModel(spectral_model=power_law(amplitude="3e-12 cm-2 s-1 TeV-1"), spatial_model=shape, name="g")
    dataset = make_dataset(models=[model, background()])
    if not data:
        dataset.counts.data[:] = 0
    mode = compile_fit(dataset).find_mode(searches=1)
    assert np.isfinite(list(mode.errors.values())).all()
    if data:
        assert mode.values["g.r_0"] == pytest.approx(0.15, abs=0.05)
        assert not mode.remarks


def test_priors_without_end():
    """Cauchy priors of scale 1000: what is not finite is not climbed, and said."""
    dataset = make_dataset(models=[point(), background()])
    dataset.models[0].spectral_model.index.prior = Prior("Cauchy", alpha=0, beta=1000)
    fit = compile_fit(dataset)
    mode = fit.find_mode(searches=2)
    assert mode.values["source.index"] == pytest.approx(2.1, abs=0.4)
    density = fit._any_density
    for theta in (np.full(density.size, 40.0), np.full(density.size, -1e6)):
        value, gradient = density(theta)
        assert value < np.inf  # not NaN either
    fit._density = LogDensity(fit.model, mode="FAST_COMPILE")
    [laplace], message = fit._whitening(np.random.default_rng(0), 2)
    assert message == "one mode"
    assert np.isfinite(laplace.factor).all()


def test_a_density_that_is_nowhere_finite_is_told(fit, monkeypatch):
    class Nowhere:
        size, names, index = fit.density.size, fit.density.names, {}
        start = fit.density.start
        expand = staticmethod(fit.density.expand)
        edges = fit.density.edges

        def __call__(self, theta, jacobian=True):
            return np.nan, np.full(self.size, np.nan)

    monkeypatch.setattr(fit, "_density", Nowhere())
    with pytest.raises(
        RuntimeError, match=r"no mode found: the log-posterior is not finite at the prior centre.*index="
    ):
        fit.find_mode()
    with pytest.warns(UserWarning, match="no mode found, the log-posterior is not finite.*plain adaptation"):
        assert not fit._whitening(np.random.default_rng(0), 2)[0]


HESS = {"index": (-5, 10), "lon_0": (83.13, 84.13), "lat_0": (21.51, 22.51), "norm": (-5, 10), "tilt": (-5, 5)}


def crab(file, wide, spectrum, shape, tilt, width=2.0, **priors):
    """The Crab nebula under flat priors that reach far below zero, or not."""
    dataset = MapDataset.read(shared_path("data", "hess-dl3-dr1-reduced", file), name="crab")
    dataset = dataset.cutout(SkyCoord(83.63, 22.01, unit="deg"), width * u.deg, name="crab")
    source = SkyModel(spectral_model=spectrum, spatial_model=shape, name="s")
    scale = FoVBackgroundModel(dataset_name="crab")
    scale.spectral_model.tilt.frozen = not tilt
    limits = {**HESS, "amplitude": (-1e-9, 1e-9), **priors}
    if not wide:
        limits |= {"index": (2, 3.5), "amplitude": (1e-11, 1e-10), "norm": (0.5, 1.5), "tilt": (-0.5, 0.5)}
    for p in [*source.parameters, *scale.parameters]:
        if not p.frozen:
            p.prior = uniform(*limits[p.name])
    dataset.models = Models([source, scale])
    return dataset


def assert_same_mode(wide, narrow):
    for name, value in narrow.values.items():
        assert wide.values[name] == pytest.approx(value, abs=0.02 * narrow.errors[name]), name
        assert wide.errors[name] == pytest.approx(narrow.errors[name], rel=0.02), name


@pytest.mark.parametrize("width", [0.8, pytest.param(2.0, marks=pytest.mark.slow)])
def test_cut_off_and_migration_map_under_priors_that_reach_below_zero(width):
    modes = []
    for wide in (True, False):
        spectrum = ExpCutoffPowerLawSpectralModel(index=2.3, amplitude="3e-11 cm-2 s-1 TeV-1", lambda_="0.1 TeV-1")
        shape = PointSpatialModel(lon_0="83.63 deg", lat_0="22.01 deg", frame="icrs")
        data = crab("crab-stacked-edispmap.fits.gz", wide, spectrum, shape, True, width, lambda_=(-2, 2))
        modes.append(compile_fit(data).find_mode(searches=1))
    assert_same_mode(*modes)


@pytest.mark.slow
def test_extended_source_under_priors_that_reach_below_zero():
    modes = []
    for wide in (True, False):
        spectrum = PowerLawSpectralModel(index=2.5, amplitude="3e-11 cm-2 s-1 TeV-1")
        shape = GaussianSpatialModel(lon_0="83.63 deg", lat_0="22.01 deg", sigma="0.1 deg", frame="icrs")
        data = crab("crab-23523.fits.gz", wide, spectrum, shape, True, sigma=(0, 1))
        modes.append(compile_fit(data).find_mode(searches=1))
    assert modes[0].log_density == pytest.approx(modes[1].log_density, abs=60)
    for name in ("s.index", "s.amplitude", "s.lon_0", "s.lat_0", "crab-bkg.norm", "crab-bkg.tilt"):
        assert modes[0].values[name] == pytest.approx(modes[1].values[name], abs=0.1 * modes[1].errors[name]), name


@pytest.mark.parametrize(("jacobian", "best"), [(True, "broad"), (False, "high")])
def test_a_high_mode_and_one_that_holds_more(monkeypatch, jacobian, best):
    """Of the density of the parameters the mode is the highest place; sampling begins where there is most to sample."""
    sizes = {"high": (np.zeros(1), 0.01, 3.0), "broad": (np.ones(1), 1.0, 0.0)}
    made = {
        name: Laplace(place, np.array([[width**2]]), np.array([[width]]), value)
        for name, (place, width, value) in sizes.items()
    }
    found = iter(made.values())
    monkeypatch.setattr(mode, "_search", lambda *_: next(found))
    density = SimpleNamespace(start=np.zeros(1), size=1)
    chosen, rivals = search_modes(density, np.random.default_rng(0), searches=2, jacobian=jacobian)
    assert chosen is made[best]
    assert len(rivals) == 1


def test_a_change_that_was_expected_changes_no_curvature():
    """Of a linear density of many variables: nothing divided by nothing."""
    slope = np.ones(50)
    summit = climb(lambda theta: (-1e-3 * theta @ theta + slope @ theta, slope - 2e-3 * theta), np.zeros(50))
    assert summit.converged
    np.testing.assert_allclose(summit.theta, 500, rtol=1e-3)
