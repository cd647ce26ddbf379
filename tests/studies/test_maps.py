"""Studies of datasets: one compiled fit, new counts for each simulation."""

import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table

from bayesmap.datasets import FluxPointsDataset
from bayesmap.estimators import FluxPoints
from bayesmap.inference import compile_fit
from bayesmap.likelihoods import NegativeBinomialLikelihood
from bayesmap.maps import MapAxis
from bayesmap.modeling import SkyModel, TemplateNPredModel
from bayesmap.studies import DatasetAnalysis, calibration_table, coverage, coverage_table, posterior_sbc, sbc
from tests.inference.test_observations import flux_points
from tests.inference.tiny import background, make_dataset, point, power_law, source_and_background

NAMES = ["source.index", "source.amplitude", "source.lon_0", "source.lat_0", "tiny-bkg.norm"]


def test_a_map_is_calibrated(analysis, tmp_path):
    """Eight simulations show that nothing is grossly wrong; the slow test has 500."""
    tree = sbc(analysis, 8, seed=1, folder=tmp_path / "s", progress=False)
    assert list(tree["prior_sbc"].data_vars) == NAMES
    assert not any(tree["simulations"]["error"].to_numpy())
    assert (tree["simulations"]["draws"] > 40).all()
    assert tree["truth"]["source.lon_0"].attrs["units"] == "deg"
    assert min(calibration_table(tree)["p_value"]) > 1e-3
    pull = (tree["truth"].to_dataset() - tree["mean"].to_dataset()) / tree["sd"].to_dataset()
    assert np.abs(pull.to_array()).max() < 5
    # the counts were drawn at these parameters, not at the current ones
    assert np.ptp(tree["truth"]["tiny-bkg.norm"].to_numpy()) > 0.1
    assert float(np.corrcoef(tree["truth"]["tiny-bkg.norm"][0], tree["mean"]["tiny-bkg.norm"][0])[0, 1]) > 0.9
    # a copy that was pickled, as for another process, gives the same numbers; it compiles again
    fit = pickle.loads(pickle.dumps(analysis)).fit
    assert fit.log_likelihood(analysis.current_values()) == analysis.fit.log_likelihood(analysis.current_values())


def test_coverage_of_a_map_at_values_with_units(analysis):
    truths = {"source.amplitude": 2e-8 * u.Unit("m-2 s-1 TeV-1"), "tiny-bkg.norm": 1.1}
    tree = coverage(analysis, 2, truths=truths, seed=1, progress=False)
    table = coverage_table(tree, [0.95])
    truth = dict(zip(table["name"], table["truth"], strict=True))
    assert truth == pytest.approx({**analysis.current_values(), "source.amplitude": 2e-12, "tiny-bkg.norm": 1.1})
    assert "cm-2 s-1 TeV-1" in str(table["unit"][1]) or "1 / (TeV s cm2)" in str(table["unit"][1])


def test_counts_are_drawn_at_given_values(analysis):
    values = analysis.values_of({"tiny-bkg.norm": 2.0})
    drawn = [analysis.draw_data(values, np.random.default_rng(i))["tiny"].sum() for i in range(30)]
    dataset = make_dataset(models=source_and_background())
    dataset.models["tiny-bkg"].spectral_model.norm.value = 2.0
    expected = dataset.npred().data.sum()
    assert np.mean(drawn) == pytest.approx(expected, abs=4 * np.sqrt(expected / 30))
    with pytest.raises(KeyError, match=r"give values for \['source.index'"):
        analysis.fit.draw_counts({"tiny-bkg.norm": 1.0})


def test_what_is_the_same_study():
    def identity(seed=5, level=0.8, draws=100, **spectrum):
        dataset = make_dataset(models=[point(**spectrum), background()], seed=seed, level=level)
        return DatasetAnalysis(dataset, draws=draws).identity

    one = identity()
    assert one == identity()
    for changed, what in (
        ({"seed": 6}, {"data", "models"}),  # default priors are made from the counts
        ({"draws": 50}, {"options"}),
        ({"index": 2.5}, {"models"}),
    ):
        assert {key for key, text in identity(**changed).items() if text != one[key]} >= what, changed


def test_other_models_are_fitted():
    simulated = make_dataset(models=source_and_background())
    fitted = make_dataset(models=source_and_background())
    fitted.background = fitted.background * 1.2
    analysis = DatasetAnalysis(simulated, fitted)
    assert {"models", "fitted models", "data", "fitted data"} < set(analysis.identity)
    values = analysis.current_values()
    data = analysis.draw_data(values, np.random.default_rng(1))
    assert analysis.fitter is not analysis.fit
    # what is simulated with the one is fitted by the other
    analysis.fitter.set_counts(data)
    analysis.fit.set_counts(data)
    assert analysis.fitter.log_likelihood(values) < analysis.fit.log_likelihood(values) - 2


def test_log_likelihood_is_that_of_the_dataset(analysis):
    dataset = make_dataset(models=source_and_background())
    values = analysis.values_of({"source.index": 2.6})
    fit = compile_fit(dataset)
    base = fit.log_likelihood(analysis.current_values())
    before = dataset.stat_sum()
    dataset.models["source"].spectral_model.index.value = 2.6
    assert -2 * (fit.log_likelihood(values) - base) == pytest.approx(dataset.stat_sum() - before, rel=1e-9)


def test_bad_input():
    dataset = make_dataset(models=source_and_background())
    with pytest.raises(ValueError, match=r"\['tiny'\] are simulated, but \['other'\] are fitted"):
        DatasetAnalysis(dataset, make_dataset("other", models=source_and_background("other")))
    with pytest.raises(TypeError, match=r"a study sets \['random_state'\] itself"):
        DatasetAnalysis(dataset, random_state=3)
    with pytest.raises(TypeError, match="takes no argument 'drawz'"):
        sbc(dataset, 2, drawz=10)


def test_calibration_at_the_data_at_hand(analysis):
    dataset = make_dataset(models=source_and_background())
    tree = posterior_sbc(dataset, 6, seed=1, draws=100, tune=100, progress=False)
    assert list(tree["posterior_sbc"].data_vars) == NAMES
    truth = tree["truth"].to_dataset()
    # the truths come from the posterior, which is narrower than the prior by far
    assert float(truth["tiny-bkg.norm"].std()) < 0.06
    # observed and replicated counts together halve the variance
    sample = analysis.posterior({"tiny": dataset.counts.data}, 1)
    ratio = float(tree["sd"]["tiny-bkg.norm"].mean()) / float(sample["posterior"]["tiny-bkg.norm"].std())
    assert ratio == pytest.approx(np.sqrt(0.5), rel=0.12)
    assert min(calibration_table(tree)["p_value"]) > 1e-3


def test_what_cannot_be_added_up():
    dataset = make_dataset(models=source_and_background())
    dataset.models = [*dataset.models, TemplateNPredModel(dataset.background * 0.1, datasets_names=["tiny"])]
    with pytest.raises(ValueError, match="does not double with exposure and background"):
        posterior_sbc(dataset, 2)
    dataset = make_dataset(models=source_and_background())
    dataset.likelihood = NegativeBinomialLikelihood(0.01)
    with pytest.raises(ValueError, match="dataset 'tiny': posterior_sbc adds .* for a Poisson likelihood only"):
        posterior_sbc(dataset, 2)


def test_data_that_cannot_be_replaced_are_refused():
    """Likelihoods that are stored as profiles belong to the fluxes at hand."""
    grid = np.linspace(0, 2, 21)
    edges = np.array([1, 2, 4.0]) * u.TeV
    reference = power_law().reference_fluxes(MapAxis.from_energy_edges(edges))
    table = Table({f"ref_{key}": reference[f"ref_{key}"].ravel() for key in ("dnde", "flux", "eflux")})
    table["e_min"], table["e_max"], table["e_ref"] = edges[:-1], edges[1:], np.sqrt(edges[:-1] * edges[1:])
    table["norm"], table["norm_err"], table["loglike"] = [1.0, 1.0], [0.1, 0.1], [-50.0, -50.0]
    table["norm_scan"] = np.tile(grid, (2, 1))
    table["dloglike_scan"] = -0.5 * ((grid - 1.0) / 0.1) ** 2 * np.ones((2, 1))
    data = FluxPoints.from_table(table, sed_type="likelihood")
    points = FluxPointsDataset(data=data, name="points", stat_type="profile")
    points.models = [SkyModel(power_law(), name="source")]
    with pytest.raises(ValueError, match="'points': the likelihood of its flux points is a stored profile"):
        sbc(points, 2)


def test_true_values_agree_with_upper_limits():
    """Those of the prior times the statistic of the limits: mean and spread by importance weights."""
    analysis = DatasetAnalysis(flux_points("distrib"))
    rng = np.random.default_rng(2)
    free = analysis._free_prior(4000, rng)
    kept = analysis.draw_prior(4000, rng)
    rows = [{name: values[i] for name, values in free.items()} for i in range(4000)]
    weights = np.exp([analysis.fit.log_kept(row) for row in rows])
    assert 0.05 < weights.min() < 0.5
    for name in free:
        x = np.log(free[name]) if name.endswith("amplitude") else free[name]
        y = np.log(kept[name]) if name.endswith("amplitude") else kept[name]
        expected = np.average(x, weights=weights)
        assert y.mean() == pytest.approx(expected, abs=5 * x.std() / np.sqrt(2000))
    shift = np.average(np.log(free["source.amplitude"]), weights=weights) - np.log(free["source.amplitude"]).mean()
    assert shift < -0.05


def test_other_units_are_refused():
    """Truth and draws would be numbers of different units."""
    datasets = []
    for unit in ("cm-2 s-1 TeV-1", "m-2 s-1 TeV-1"):
        models = source_and_background()
        amplitude = models["source"].spectral_model.amplitude
        amplitude.quantity = amplitude.quantity.to(unit)
        datasets.append(make_dataset(models=models))
    with pytest.raises(ValueError, match="'source.amplitude' is simulated in .* and fitted in .*: give both one unit"):
        DatasetAnalysis(datasets[0], datasets[1])
