"""What an inference returns: the tree, the convergence report, the mode."""

import json

import astropy.units as u
import numpy as np
import pytest
import xarray as xr

import bayesmap
from bayesmap.inference import convergence_report
from bayesmap.inference.density import LogDensity
from bayesmap.inference.mode import search_modes
from bayesmap.inference.result import ModeResult
from bayesmap.modeling import Models
from tests.inference.tiny import LAT, LON

NAMES = ["source.index", "source.amplitude", "source.lon_0", "source.lat_0", "tiny-bkg.norm"]


def test_variables_units_and_sizes(tree):
    assert list(tree["posterior"].data_vars) == NAMES
    units = {name: tree["posterior"][name].attrs["units"] for name in NAMES}
    assert units["source.lon_0"] == "deg"
    assert u.Unit(units["source.amplitude"]) == u.Unit("cm-2 s-1 TeV-1")
    assert units["source.index"] == ""
    assert all("Prior(" in tree["posterior"][name].attrs["prior"] for name in NAMES)
    assert {"diverging", "lp", "n_steps", "acceptance_rate"} <= set(tree["sample_stats"].data_vars)
    assert tree["posterior"].sizes == {"chain": 4, "draw": 500}


def test_cubes_never_enter(tree, dataset):
    sizes = [variable.size for group in tree.subtree for variable in group.data_vars.values()]
    assert max(sizes) == 2000  # the draws
    counts = tree["observed_data"]["tiny.counts"]
    np.testing.assert_array_equal(counts, dataset.counts.data.sum(axis=(1, 2)))
    assert counts.dims == ("tiny_energy",)


def test_provenance(tree, fit, dataset):
    attributes = tree.attrs
    assert attributes["sampler"] == attributes["requested_sampler"] == "whitened"
    assert (attributes["random_state"], attributes["interrupted"], attributes["modes"]) == ("1", 0, "one mode")
    assert isinstance(attributes["seed"], int)
    versions = json.loads(attributes["versions"])
    assert versions["bayesmap"] == bayesmap.__version__
    assert "unknown" not in versions.values()
    assert attributes["datasets"] == "tiny"
    assert attributes["default_priors"].split(", ") == NAMES
    routes = json.loads(attributes["psf_routes"])
    assert routes["tiny"]["source"][0] == "mixture"
    assert fit.routes["tiny"]["source"][0] == "mixture"
    models = Models.from_yaml(attributes["models"])
    assert models.names == dataset.models.names
    assert models["source"].spectral_model.index.prior == dataset.models["source"].spectral_model.index.prior


def test_tree_survives_a_file(tree, tmp_path):
    path = tmp_path / "posterior.nc"
    bayesmap.save(tree, path)
    back = bayesmap.load(path)
    xr.testing.assert_identical(back["posterior"].to_dataset(), tree["posterior"].to_dataset())
    assert back.attrs == tree.attrs
    assert str(convergence_report(back)) == str(convergence_report(tree))


def test_arviz_summary(tree):
    import arviz as az

    table = az.summary(tree, round_to="none")
    assert list(table.index) == NAMES
    truth = {"source.index": 2.2, "source.amplitude": 1e-12, "source.lon_0": LON + 0.03, "source.lat_0": LAT - 0.02}
    for name, value in truth.items():
        assert abs(table.loc[name, "mean"] - value) < 4 * table.loc[name, "sd"], name


def test_values_of_a_posterior_go_into_the_models(tree, dataset):
    models = dataset.models.copy()
    models.set_values(tree)
    mean = float(tree["posterior"]["source.index"].mean())
    assert models["source"].spectral_model.index.value == pytest.approx(mean)
    assert models["source"].spectral_model.index.error == pytest.approx(
        float(tree["posterior"]["source.index"].std()), rel=0.01
    )
    assert dataset.models["source"].spectral_model.index.value == 2.2


def test_mode_and_posterior_agree(fit, tree):
    """The mode of a nearly Gaussian posterior is its mean, and the curvature its width."""
    mode = fit.find_mode(3, searches=2, jacobian=True)
    assert list(mode.values) == NAMES
    assert mode.rivals == []
    for i, name in enumerate(NAMES):
        draws = tree["posterior"][name].to_numpy()
        assert abs(mode.values[name] - draws.mean()) < 0.3 * draws.std(), name
        assert mode.errors[name] == pytest.approx(draws.std(), rel=0.2), name
        assert mode.errors[name] == pytest.approx(np.sqrt(mode.covariance[i, i]))
    correlation = np.corrcoef([tree["posterior"][name].to_numpy().ravel() for name in NAMES])
    sd = np.sqrt(np.diag(mode.covariance))
    np.testing.assert_allclose(mode.covariance / np.outer(sd, sd), correlation, atol=0.12)
    assert mode.units["source.lon_0"] == "deg"
    lines = str(mode).splitlines()
    assert len(lines) == 5
    assert lines[2].startswith("source.lon_0")
    assert lines[2].endswith("deg")


def test_a_failed_search_is_an_error(fit, monkeypatch):
    monkeypatch.setattr("bayesmap.inference.fit.search_modes", lambda *args: (None, []))
    with pytest.raises(RuntimeError, match="no mode found.*priors"):
        fit.find_mode()


def test_mode_of_a_correlated_gaussian():
    """The search against numbers known exactly, for plain PyMC variables."""
    import pymc as pm

    with pm.Model() as model:
        x, y = pm.Normal("x", 1, 2), pm.Normal("y", -1, 1)
        pm.Potential("link", -0.5 * (x + y - 3) ** 2 / 0.25)
    precision = np.array([[0.25 + 4, 4], [4, 1 + 4]])
    mean = np.linalg.solve(precision, np.array([0.25 * 1 + 4 * 3, -1 + 4 * 3]))
    density = LogDensity(model, mode="FAST_COMPILE")
    best, rivals = search_modes(density, np.random.default_rng(0), 3)
    assert rivals == []
    np.testing.assert_allclose(best.mode, mean, atol=1e-3)
    np.testing.assert_allclose(best.covariance, np.linalg.inv(precision), rtol=1e-4)
    evidence = best.log_density + 0.5 * np.linalg.slogdet(2 * np.pi * best.covariance)[1]
    assert best.log_evidence == pytest.approx(evidence)
    result = ModeResult.from_laplace(best, rivals, density, {})
    assert result.values["x"] == pytest.approx(mean[0], abs=1e-3)
    assert result.errors["y"] == pytest.approx(np.sqrt(np.linalg.inv(precision)[1, 1]), rel=1e-4)


def sample_of(values, diverging=0, interrupted=0):
    """A tree with one variable of given draws."""
    dims, n = ("chain", "draw"), values.shape
    flags = np.zeros(n, dtype=bool)
    flags.ravel()[:diverging] = True
    coords = {"chain": np.arange(n[0]), "draw": np.arange(n[1])}
    groups = {
        "posterior": xr.Dataset({"a.b": (dims, values)}, coords=coords),
        "sample_stats": xr.Dataset({"diverging": (dims, flags)}, coords=coords),
    }
    made = xr.DataTree.from_dict(groups)
    made.attrs["interrupted"] = interrupted
    return made


def test_report_on_a_good_sample(rng, tree):
    for good in (sample_of(rng.normal(size=(4, 1000))), tree):
        report = convergence_report(good)
        assert report.converged
        assert report.advice == []
        assert str(report).startswith("Converged: 4 chains")


def test_report_on_chains_that_disagree(rng):
    report = convergence_report(sample_of(rng.normal(size=(4, 1000)) + np.arange(4)[:, None]))
    assert not report.converged
    assert report.rhat["a.b"] > 1.2
    assert "R-hat is above 1.01 for a.b" in str(report)
    assert "the chains disagree" in str(report)


def test_report_on_too_few_draws(rng):
    report = convergence_report(sample_of(rng.normal(size=(4, 20))))
    assert "effective sample size of a.b" in str(report)
    assert "times as many draws" in str(report)


def test_report_on_divergences_one_chain_and_interruption(rng):
    text = str(convergence_report(sample_of(rng.normal(size=(1, 2000)), diverging=3, interrupted=1)))
    assert text.startswith("Not converged")
    for words in ("3 divergent transitions", "target_accept", "One chain cannot show", "interrupted after 2000 draws"):
        assert words in text


def test_report_on_a_chain_that_never_moved():
    text = str(convergence_report(sample_of(np.repeat(np.arange(4.0)[:, None], 500, axis=1))))
    assert text.startswith("Not converged")
    assert "R-hat" in text


def test_report_on_a_constant():
    text = str(convergence_report(sample_of(np.ones((4, 500)))))
    assert text.startswith("Not converged")
