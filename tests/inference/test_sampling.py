"""Sampling: against a closed form, between samplers, seeds, new counts, interruption, several modes.

Two graphs are compiled for sampling: the background alone, and the source over background of `conftest`.
"""

import signal
import sys
import threading
import time

import numpy as np
import nutpie
import pytest
from scipy import stats

from bayesmap.inference import compile_fit, convergence_report, find_mode, result, sample
from bayesmap.inference.density import LogDensity
from bayesmap.inference.samplers import Whitened, _draws_so_far
from bayesmap.maps import Map
from bayesmap.modeling import Prior
from tests.inference.tiny import background, geom, make_dataset, source_and_background

ALPHA, BETA, NORM = 50.0, 50.0, "tiny-bkg.norm"
QUIET = {"progress_bar": False, "searches": 1}


@pytest.fixture(scope="module")
def conjugate():
    """Background alone, with few counts inside of a mask and a Gamma prior on its norm."""
    data = make_dataset(models=[background(prior=Prior("Gamma", alpha=ALPHA, beta=BETA))], level=0.05)
    data.mask_fit = Map.from_geom(geom(), data=np.random.default_rng(8).random(geom().data_shape) < 0.7)
    return data


@pytest.fixture(scope="module")
def conjugate_fit(conjugate):
    return compile_fit(conjugate)


def closed_form(data):
    """Posterior of the norm: Gamma prior times Poisson counts."""
    inside = data.mask.data
    return stats.gamma(ALPHA + data.counts.data[inside].sum(), scale=1 / (BETA + data.background.data[inside].sum()))


@pytest.mark.parametrize("sampler", ["whitened", "nutpie", "pymc"])
def test_samplers_agree_with_the_conjugate_posterior(conjugate, conjugate_fit, sampler):
    """Four z-scores per sampler, each below 4.5: a false alarm in one of 12000 runs (3 x 4 x 7e-6), seed fixed."""
    import arviz as az

    expected = closed_form(conjugate)
    kwargs = {"compile_kwargs": {"mode": "FAST_COMPILE"}} if sampler == "pymc" else {}
    draws = 500 if sampler == "pymc" else 2000
    tree = conjugate_fit.sample(draws, 500, 2, random_state=3, sampler=sampler, **QUIET, **kwargs)
    assert tree.attrs["sampler"] == sampler
    assert set(tree["posterior"].data_vars) == {NORM}
    values = tree["posterior"][NORM]
    assert values.shape == (2, draws)
    checks = {
        "mean": (values, expected.mean()),
        "square": ((values - expected.mean()) ** 2, expected.var()),
        "low tail": ((values < expected.ppf(0.1)).astype(float), 0.1),
        "high tail": ((values > expected.ppf(0.9)).astype(float), 0.1),
    }
    for what, (x, truth) in checks.items():
        x = x.to_numpy()
        error = x.std() / np.sqrt(float(az.ess(x, method="mean")))
        assert abs(x.mean() - truth) < 4.5 * error, what


def test_mode_of_the_conjugate_posterior(conjugate, conjugate_fit):
    expected = closed_form(conjugate)
    a, scale = expected.args[0], expected.kwds["scale"]
    mode = conjugate_fit.find_mode(0, searches=2)
    assert mode.values[NORM] == pytest.approx((a - 1) * scale, rel=1e-4)
    assert mode.errors[NORM] == pytest.approx(np.sqrt(a - 1) * scale, rel=0.02)
    assert mode.rivals == []
    # the density of the logarithm has its maximum elsewhere
    assert conjugate_fit.find_mode(0, searches=1, jacobian=True).values[NORM] == pytest.approx(a * scale, rel=1e-4)
    assert str(mode).startswith(NORM)
    assert "+-" in str(mode)


def test_one_call_from_dataset_to_answer(conjugate):
    """The functions that compile and run in one go."""
    fast = {"compile_kwargs": {"mode": "FAST_COMPILE"}}
    tree = sample(conjugate, 30, 30, 1, random_state=1, sampler="pymc", progress_bar=False, **fast)
    assert tree["posterior"].sizes == {"chain": 1, "draw": 30}
    expected = closed_form(conjugate)
    assert find_mode(conjugate, searches=1).values[NORM] == pytest.approx(expected.mean(), rel=0.02)


def test_same_seed_same_draws(conjugate_fit):
    def draw(seed):
        return conjugate_fit.sample(50, 100, 2, random_state=seed, **QUIET)["posterior"][NORM].to_numpy()

    first = draw(7)
    np.testing.assert_array_equal(first, draw(7))
    np.testing.assert_array_equal(first, draw(np.random.default_rng(7)))
    assert not np.array_equal(first, draw(8))
    assert not np.array_equal(first[0], first[1])


def test_new_counts_without_compiling(conjugate, conjugate_fit, rng):
    """The kept graph with new counts is the posterior of a fresh one."""
    other = make_dataset(models=conjugate.models, counts=rng.poisson(conjugate.background.data * 1.3))
    other.background, other.mask_fit = conjugate.background, conjugate.mask_fit
    fresh = compile_fit(other)
    fresh._density = LogDensity(fresh.model, mode="FAST_COMPILE")
    compiled = conjugate_fit.density
    for counts in (other.counts, other.counts.data, {"tiny": other.counts}):
        conjugate_fit.set_counts(counts)
        assert conjugate_fit.density is compiled
        for theta in (np.array([-1.0]), np.array([2.0])):
            np.testing.assert_allclose(compiled(theta)[0], fresh.density(theta)[0], rtol=1e-12)
            np.testing.assert_allclose(compiled(theta)[1], fresh.density(theta)[1], rtol=1e-9)
        tree = conjugate_fit.sample(20, 20, 1, random_state=1, **QUIET)
        assert tree["observed_data"]["tiny.counts"].sum() == other.counts.data[other.mask.data].sum()
        conjugate_fit.set_counts(conjugate.counts)
    assert conjugate.counts.data.sum() != other.counts.data.sum()  # the dataset itself is as it was


def test_new_counts_of_a_source(fit, dataset):
    """All that depends on counts follows, also for sources."""
    other = make_dataset(models=dataset.models, seed=77)
    fresh = LogDensity(compile_fit(other).model, mode="FAST_COMPILE")
    theta = np.array([0.3, -0.2, 0.1, 0.4, -0.3])
    try:
        fit.set_counts(other.counts)
        np.testing.assert_allclose(fit.density(theta)[0], fresh(theta)[0], rtol=1e-11)
        np.testing.assert_allclose(fit.density(theta)[1], fresh(theta)[1], rtol=1e-7, atol=1e-7)
    finally:
        fit.set_counts(dataset.counts)


def test_counts_that_do_not_fit(conjugate_fit, conjugate):
    before = conjugate_fit.density(np.zeros(1))[0]
    with pytest.raises(ValueError, match=r"'tiny': counts must have shape \(3, 24, 30\), got \(3, 24, 29\)"):
        conjugate_fit.set_counts(np.zeros((3, 24, 29)))
    for value in (0.5, -1, np.nan):
        counts = np.where(conjugate.mask.data, value, 0.0)
        with pytest.raises(ValueError, match="'tiny': counts must be whole, non-negative"):
            conjugate_fit.set_counts(counts)
    with pytest.raises(KeyError, match="unknown dataset 'tny'.*tiny"):
        conjugate_fit.set_counts({"tny": conjugate.counts})
    assert conjugate_fit.density(np.zeros(1))[0] == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"draws": 0}, "draws must be a whole number of at least 1, got 0"),
        ({"draws": 10.5}, "draws"),
        ({"chains": 0}, "chains"),
        ({"tune": -1}, "tune"),
        ({"sampler": "nuts"}, "sampler.*nutpie"),
    ],
)
def test_arguments_are_checked(conjugate_fit, arguments, message):
    with pytest.raises(ValueError, match=message):
        conjugate_fit.sample(**arguments)


def test_numpyro_is_optional(conjugate_fit, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    monkeypatch.setitem(sys.modules, "numpyro.infer", None)
    with pytest.raises(ImportError, match="sampler='numpyro' needs jax and numpyro.*extra 'jax'"):
        conjugate_fit.sample(10, 10, 1, sampler="numpyro")


class Interrupted:
    """A running sampler during which something happens after a while."""

    def __init__(self, running, seconds, press):
        self.running, self.when, self.press = running, time.monotonic() + seconds, press

    def wait(self, timeout=None):
        if time.monotonic() > self.when:
            self.press()
        return self.running.wait(timeout=timeout)

    def abort(self):
        return self.running.abort()


@pytest.fixture
def after(monkeypatch):
    """Let something happen after so many seconds of sampling."""
    run = nutpie.sample

    def arrange(seconds, press):
        monkeypatch.setattr(nutpie, "sample", lambda *args, **kwargs: Interrupted(run(*args, **kwargs), seconds, press))

    return arrange


@pytest.fixture(autouse=True)
def listening():
    """Take Ctrl-C, which is ignored in what a shell runs in the background."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def ctrl_c():
    """The signal that Ctrl-C sends."""
    signal.raise_signal(signal.SIGINT)


def impatient():
    for _ in range(5):
        ctrl_c()


def raised():
    """As in a thread, where no signal arrives."""
    raise KeyboardInterrupt


def check_interrupted(tree):
    values = tree["posterior"][NORM].to_numpy()
    assert 0 < values.shape[1] < 10**6
    assert np.isfinite(values).all()
    assert tree["posterior"][NORM].attrs["units"] == ""
    assert tree.attrs["interrupted"] == 1
    report = convergence_report(tree)
    assert not report.converged
    assert "interrupted" in str(report)


@pytest.mark.parametrize("press", [ctrl_c, impatient, raised])
def test_interrupted_sampling_returns_the_draws_so_far(conjugate_fit, after, press):
    handler = signal.getsignal(signal.SIGINT)
    after(1.0, press)
    with pytest.warns(UserWarning, match="sampling was interrupted: the result holds the .* draws so far"):
        tree = conjugate_fit.sample(10**6, 20, 4, cores=1, random_state=1, **QUIET)
    check_interrupted(tree)
    assert signal.getsignal(signal.SIGINT) is handler


def test_interrupted_while_tuning_there_is_nothing(conjugate_fit, after):
    after(0.3, impatient)
    with pytest.raises(KeyboardInterrupt, match="no draws yet"):
        conjugate_fit.sample(10, 10**6, 2, cores=1, random_state=1, **QUIET)


def test_an_interrupt_while_the_result_is_put_together_costs_nothing(conjugate_fit, monkeypatch):
    expand = type(conjugate_fit.density).expand_draws

    def pressed(density, draws):
        ctrl_c()
        return expand(density, draws)

    monkeypatch.setattr(type(conjugate_fit.density), "expand_draws", pressed)
    with pytest.warns(UserWarning, match="interrupted when all draws were there"):
        tree = conjugate_fit.sample(30, 30, 1, random_state=1, **QUIET)
    assert tree["posterior"].sizes == {"chain": 1, "draw": 30}
    assert tree.attrs["interrupted"] == 1


PYMC = {"sampler": "pymc", "compile_kwargs": {"mode": "FAST_COMPILE"}, "random_state": 1, **QUIET}


def pressed_at(number):
    """A callback of PyMC that presses Ctrl-C twice at one of the draws."""
    calls = []

    def callback(trace, draw):
        calls.append(draw)
        if len(calls) == number:
            impatient()

    return callback


def test_interrupted_pymc_returns_the_draws_so_far(conjugate_fit):
    with pytest.warns(UserWarning, match="interrupted: the result holds the 30 draws so far of 1 chains"):
        tree = conjugate_fit.sample(30, 20, 3, callback=pressed_at(60), **PYMC)
    assert tree["posterior"].sizes == {"chain": 1, "draw": 30}
    assert tree.attrs["interrupted"] == 1
    with pytest.raises(KeyboardInterrupt, match="no draws yet"):
        conjugate_fit.sample(30, 20, 1, callback=pressed_at(10), **PYMC)


def test_pymc_repeats_with_the_same_seed(conjugate_fit):
    one, two = (conjugate_fit.sample(20, 20, 2, **PYMC)["posterior"][NORM].to_numpy() for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_pymc_interrupted_while_the_result_is_put_together(conjugate_fit, monkeypatch):
    import pymc

    convert = pymc.to_inference_data

    def pressed(*arguments, **kwargs):
        ctrl_c()
        return convert(*arguments, **kwargs)

    monkeypatch.setattr(pymc, "to_inference_data", pressed)
    with pytest.warns(UserWarning, match="interrupted when all draws were there"):
        tree = conjugate_fit.sample(20, 10, 1, **PYMC)
    assert tree["posterior"].sizes == {"chain": 1, "draw": 20}


@pytest.mark.parametrize(
    "stage", ["fit_data.prepare", "fit.LogDensity", "fit.starting_points", "fit.search_modes", "fit.describe"]
)
def test_interrupts_before_the_first_draw_are_plain(conjugate, monkeypatch, stage):
    def pressed(*arguments, **kwargs):
        ctrl_c()
        raise AssertionError("not reached")

    monkeypatch.setattr(f"bayesmap.inference.{stage}", pressed)
    if stage in ("fit.starting_points", "fit.search_modes"):
        monkeypatch.setattr("bayesmap.inference.fit.LogDensity", lambda model: None)
    if stage == "fit.search_modes":
        monkeypatch.setattr("bayesmap.inference.fit.starting_points", lambda *arguments: [])
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        sample(conjugate, 10, 10, 1, progress_bar=False)
    assert signal.getsignal(signal.SIGINT) is handler


def test_what_fails_after_sampling_costs_no_draws(conjugate_fit, monkeypatch):
    """Each step that describes the result fails; its parts are missing and said to be, the draws are there."""

    def broken(*arguments, **kwargs):
        raise ZeroDivisionError("broken")

    def draws():
        return conjugate_fit.sample(20, 30, 1, random_state=1, **QUIET)

    plain, fit = draws()["posterior"][NORM].to_numpy(), conjugate_fit
    for owner, name, lacking in (
        (result, "_describe", f"hold unit and prior of '{NORM}'.*ZeroDiv"),
        (result, "_observed_summary", "hold the data in short.*ZeroDiv"),
        (result, "_provenance", "hold the origin of the draws.*ZeroDiv"),
        (result, "all_parameter_names", "hold the names of linked parameters.*ZeroDiv"),
        (type(fit.models), "to_yaml", "hold the models: broken"),
        (type(fit.density), "expand_draws", "unconstrained_posterior.*ZeroDiv"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, broken)
            with pytest.warns(UserWarning, match=lacking):
                tree = draws()
        if name == "expand_draws":
            theta = tree["unconstrained_posterior"]["theta"]
            assert theta.attrs["variables"] == [NORM]
            np.testing.assert_allclose(fit.density.expand_draws(theta.to_numpy())[NORM], plain, rtol=1e-12)
        else:
            np.testing.assert_array_equal(tree["posterior"][NORM], plain)
        if name == "to_yaml":
            assert tree.attrs["models"] == "# not stored: broken"


def test_warnings_as_errors_cost_no_draws(conjugate_fit, monkeypatch, caplog):
    monkeypatch.setattr(type(conjugate_fit.models), "to_yaml", lambda models: 1 / 0)
    tree = conjugate_fit.sample(20, 30, 1, random_state=1, **QUIET)
    assert tree["posterior"].sizes == {"chain": 1, "draw": 20}
    assert "does not hold the models" in caplog.text


def test_interrupted_draws_are_a_rectangle():
    drawn, n = [500, 450, 3, 0], 600
    z, lp = np.ones((4, n, 2)), np.ones((4, n))
    for chain, count in enumerate(drawn):
        z[chain, count:], lp[chain, count:] = np.nan, np.nan
    kept, statistics = _draws_so_far(z, {"lp": lp, "diverging": np.where(np.isnan(lp), np.nan, 0.0)})
    assert kept.shape == (2, 450, 2)
    assert np.isfinite(kept).all()
    assert statistics["lp"].shape == (2, 450)
    assert statistics["diverging"].dtype == bool
    with pytest.raises(KeyboardInterrupt, match="no draws yet"):
        _draws_so_far(np.full((2, 0, 1), np.nan), {})


class _Known:
    """A density of two independent variables, the second one exponentially steep on one side."""

    size = 2

    def __init__(self, steepness):
        self.steepness = steepness

    def __call__(self, theta):
        x, y = theta
        wall = np.expm1(self.steepness * y) - self.steepness * y
        slope = self.steepness * np.expm1(self.steepness * y)
        return -0.5 * (x**2 + y**2) - wall, np.array([-x, -y - slope])


@pytest.mark.parametrize(("steepness", "expected"), [(0.0, False), (0.3, False), (1.0, True), (300.0, True)])
def test_walls_of_the_posterior(steepness, expected):
    """Measured on the cases A, B and C of the benchmark: 1.06, 1.15 and 3.2 times the Gaussian pull."""
    density = _Known(steepness)
    factor = np.diag([1.0, 1 / np.sqrt(1 + steepness**2)])
    with np.errstate(over="ignore", invalid="ignore"):
        assert Whitened(density, np.zeros(2), factor).has_walls() is expected


def test_density_in_threads(fit):
    """Chains run in threads; each must get the answer to its own question."""
    density, rng = fit.density, np.random.default_rng(1)
    points = 0.3 * rng.normal(size=(4, 200, density.size))
    expected = [[density(p)[0] for p in chain] for chain in points]
    wrong, interval = [], sys.getswitchinterval()

    def chain(index):
        for p, value in zip(points[index], expected[index], strict=True):
            try:
                if density(p)[0] != value:
                    wrong.append(p)
            except Exception as error:
                wrong.append(error)

    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=chain, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong


def test_sampling_leaves_models_and_datasets_alone(tree, dataset):
    reference = make_dataset(models=source_and_background())
    for model, other in zip(dataset.models, reference.models, strict=True):
        for p, q in zip(model.parameters, other.parameters, strict=True):
            assert (p.value, p.frozen, p.error) == (q.value, q.frozen, q.error)
    np.testing.assert_array_equal(dataset.counts.data, reference.counts.data)
    assert dataset.stat_sum() == pytest.approx(reference.stat_sum())
