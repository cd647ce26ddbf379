"""Everything that reads a posterior: draws in another unit than the parameter declares now, and names of links."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from bayesmap.inference import posterior_npred, posterior_predictive, to_pymc
from bayesmap.inference.result import _describe
from bayesmap.modeling import Models, MultivariateNormalPrior, Prior
from bayesmap.modeling.collection import all_parameter_names
from bayesmap.modeling.posterior import Posterior
from bayesmap.modeling.spectral import posterior_samples
from bayesmap.plot import (
    parameter_draws,
    plot_corner,
    plot_marginal,
    plot_marginals,
    plot_spectrum_error,
    plot_trace,
    plot_traces,
    predictive_band,
    spectrum_draws,
)
from bayesmap.report.analysis import _posterior_means, _prior_section, true_values
from bayesmap.report.summaries import summary_rows
from tests.inference.tiny import background, make_dataset, point

#: by the parameters of the dataset "two": the name of the variable in the joint fit, unit, factor to the declared unit
STORED = {
    "b.index": ("a.index", "", 1.0),
    "b.amplitude": ("b.amplitude", "m-2 s-1 GeV-1", 0.1),
    "b.lon_0": ("a.lon_0", "arcmin", 1 / 60),
    "b.lat_0": ("b.lat_0", "deg", 1.0),
    "two-bkg.norm": ("two-bkg.norm", "", 1.0),
}
ENERGY = [1, 3] * u.TeV


@pytest.fixture(scope="module")
def two():
    """The second dataset of a joint fit; its model has parameters of the model of the first one."""
    dataset = make_dataset("two", models=Models([point("b"), background("two")]))
    for parameter, name in dataset.models.parameter_names.items():
        if name in STORED:
            parameter.prior = Prior("Normal", mu=parameter.quantity, sigma=0.1 * abs(parameter.quantity))
    return dataset


def trees(dataset):
    """One posterior twice: as if this dataset had been sampled now, and as the joint fit stored it."""
    rng = np.random.default_rng(4)
    plain, stored = {}, {}
    for parameter, name in dataset.models.parameter_names.items():
        if parameter.frozen:
            continue
        width = 0.001 if name.endswith(("lon_0", "lat_0")) else 0.1
        draws = parameter.value * rng.normal(1, width, size=(2, 6))
        variable, unit, factor = STORED[name]
        plain[name] = (("chain", "draw"), draws, {"units": str(parameter.unit)})
        attributes = {"units": unit} if variable == name else {"units": unit, "linked_names": [name]}
        stored[variable] = (("chain", "draw"), draws / factor, attributes)
    coords = {"chain": [0, 1], "draw": np.arange(6)}
    stats = xr.Dataset(
        {"lp": (("chain", "draw"), rng.normal(size=(2, 6))), "diverging": (("chain", "draw"), np.zeros((2, 6)))},
        coords=coords,
    )
    observed = xr.Dataset({f"{name}.counts": (("energy",), np.ones(3)) for name in ("one", "two")})
    return [
        xr.DataTree.from_dict(
            {"posterior": xr.Dataset(group, coords=coords), "sample_stats": stats, "observed_data": observed}
        )
        for group in (plain, stored)
    ]


def drawn(tree, dataset):
    values = dataset.fake(3, posterior=tree)
    return [dataset.counts.data.sum(), *(values[name].to_value(p.unit) for p, name in names_of(dataset))]


def names_of(dataset):
    return [(p, name) for p, name in dataset.models.parameter_names.items() if not p.frozen]


def values(tree, dataset, statistic):
    models = dataset.models.copy()
    models.set_values(tree, statistic)
    return [number for p in models.parameters.free_parameters for number in (p.value, p.error)]


def in_declared_units(tree, dataset):
    return [parameter_draws(tree, name).to_value(p.unit) for p, name in names_of(dataset)]


def single_priors(tree, dataset):
    priors = [
        Prior.from_posterior(tree, name, method) for method in ("moments", "kde") for _, name in names_of(dataset)
    ]
    units = 2 * [p.unit for p, _ in names_of(dataset)]
    return [prior.quantile(0.3, unit) for prior, unit in zip(priors, units, strict=True)]


def joint_prior(tree, dataset):
    models = dataset.models.copy()
    models.set_joint_prior(
        MultivariateNormalPrior.from_posterior(tree, ["b.index", "b.amplitude"], log=["b.amplitude"])
    )
    return [p.prior.quantile(0.3, p.unit) for p in models["b"].spectral_model.parameters if not p.frozen]


def samples(tree, dataset):
    spectrum = dataset.models["b"].spectral_model
    named, alone = posterior_samples(spectrum, tree, "b"), spectrum.evaluate_error(ENERGY, samples=tree)
    return [*(column.to_value(p.unit) for column, p in zip(named, spectrum.parameters, strict=True)), alone.value]


def drawn_figures(tree, dataset):
    """What the figures of a posterior show, times their power of ten where there is one."""
    truth = true_values(dataset.models)
    parameter = dataset.models["b"].spectral_model.amplitude
    ax = plot_marginal(tree, "b.amplitude", truth=truth["b.amplitude"], parameter=parameter)
    prior, line = ax.get_lines()
    shown = [prior.get_xdata() / line.get_xdata()[0], prior.get_ydata() * line.get_xdata()[0]]
    several = plot_marginals(tree, ["b.amplitude", "b.lon_0"], truth=truth, models=dataset.models)
    shown += [len(ax.get_lines()) for ax in several]
    corner = plot_corner(tree, ["b.index", "b.lon_0"], truth=truth)
    shown.append(len(corner[1, 0].get_lines()))
    plt.figure()
    trace = np.asarray(plot_trace(tree, "b.lon_0").get_lines()[0].get_ydata())
    shown.append(trace / trace[0])
    shown.append(len(plot_traces(tree, ["b.lon_0"])))
    plt.figure()
    shown.append(plot_spectrum_error(dataset.models["b"], ENERGY, samples=tree).get_xlim())
    plt.close("all")
    return shown


def summary(tree, dataset):
    rows = summary_rows(tree, true_values(dataset.models))
    assert all(row.pull is not None for row in rows)
    return [number for row in rows for number in (row.mean / row.sd, row.low / row.sd, row.high / row.sd, row.pull)]


READERS = {
    "npred": lambda tree, dataset: [posterior_npred(tree, dataset, num_draws=12).data],
    "predictive": lambda tree, dataset: posterior_predictive(tree, dataset, num_draws=12, random_state=1).data,
    "band": lambda tree, dataset: predictive_band(tree, dataset, num_draws=12).draws,
    "fake": drawn,
    "mean": lambda tree, dataset: values(tree, dataset, "mean"),
    "mode": lambda tree, dataset: values(tree, dataset, "mode"),
    "covariance": lambda tree, dataset: dataset.models.covariance_from(tree).data,
    "draws": in_declared_units,
    "prior": single_priors,
    "joint prior": joint_prior,
    "samples": samples,
    "spectrum": lambda tree, dataset: spectrum_draws(tree, dataset.models["b"], ENERGY).value,
    "figures": drawn_figures,
    "report means": lambda tree, dataset: list(_posterior_means(tree, dataset.models).values()),
    "report priors": lambda tree, dataset: [len(_prior_section(tree, dataset.models).rows)],
    "summary": summary,
}


@pytest.mark.parametrize("reader", READERS)
def test_other_units_and_linked_names(two, reader):
    """The numbers are those of the same draws in the declared units under the own names."""
    dataset = two.copy(name="two")
    dataset.models = two.models.copy()
    plain, stored = (list(READERS[reader](tree, dataset)) for tree in trees(two))
    assert len(plain) == len(stored) > 0
    for right, found in zip(plain, stored, strict=True):
        assert np.size(right)
        np.testing.assert_allclose(found, right, rtol=1e-9)


def test_the_signal_of_other_units_is_not_a_million_times_too_large(two):
    """Draws of the amplitude per TeV, declared per GeV after sampling: 9.8e5 counts before, 983.8 are right."""
    tree = trees(two)[0]
    right = posterior_npred(tree, two, num_draws=12).data.sum()
    per_gev = two.copy(name="two")
    per_gev.models = two.models.copy()
    amplitude = per_gev.models["b"].spectral_model.amplitude
    amplitude.quantity = amplitude.quantity.to("cm-2 s-1 GeV-1")
    assert posterior_npred(tree, per_gev, num_draws=12).data.sum() == pytest.approx(right, rel=1e-12)


def test_units_that_do_not_convert_are_named(two):
    tree = trees(two)[0]
    tree["posterior"]["b.lon_0"].attrs["units"] = "TeV"
    with pytest.raises(u.UnitConversionError, match=r"draws of 'b.lon_0' are in 'TeV'.*'deg'"):
        posterior_npred(tree, two, num_draws=2)


def test_a_result_names_all_owners_of_a_linked_parameter():
    """Also where it has another name in the other model."""
    one, two = (make_dataset(n, models=Models([point(m), background(n)])) for n, m in (("one", "a"), ("two", "b")))
    index = one.models["a"].spectral_model.index
    two.models["b"].spectral_model.index = index
    two.models["two-bkg"].spectral_model.tilt = index  # nonsense of the right kind: another name

    class Fit:
        models = Models([*one.models, *two.models])
        parameters = {name: p for p, name in models.parameter_names.items()}
        hyperparameters: dict = {}

    owners = all_parameter_names(Fit.models)
    assert _describe(Fit, "a.index", owners)["linked_names"] == ["b.index", "two-bkg.tilt"]
    assert "linked_names" not in _describe(Fit, "a.amplitude", owners)
    assert "a.index" in [v.name for v in to_pymc([one, two]).free_RVs]


def test_names_of_linked_parameters(two):
    posterior = Posterior(trees(two)[1])
    assert (posterior.find("b.index"), posterior.find("a.index")) == ("a.index", "a.index")
    assert "c.index" not in posterior
    with pytest.raises(KeyError, match=r"no variable 'b.indx'.*did you mean"):
        posterior.find("b.indx")
    assert (len(posterior), posterior.n_chain, posterior.n_draw) == (12, 2, 6)
    with pytest.raises(KeyError, match=r"no group 'posterior'.*\['prior'\]"):
        Posterior(xr.DataTree.from_dict({"prior": xr.Dataset()}))


def other(dataset, name="third"):
    """The same data under another name, with the same models assigned."""
    copied = dataset.copy(name=name)
    copied.models = Models([model for model in dataset.models if model.datasets_names is None])
    return copied


@pytest.mark.parametrize("function", [posterior_npred, posterior_predictive])
def test_a_dataset_that_was_not_sampled_lacks_the_background_of_the_posterior(two, function):
    tree, dataset = trees(two)[0], other(two)
    with pytest.warns(UserWarning, match=r"'third' is not among.*\['one', 'two'\].*lack \['two-bkg'\].*reassign"):
        lacking = function(tree, dataset, num_draws=12).data.sum()
    dataset.models = two.models.reassign("two", "third")
    right = function(tree, two, num_draws=12).data.sum()
    assert function(tree, dataset, num_draws=12).data.sum() == right != lacking
    sampled = two.copy(name="two")
    sampled.models = [two.models["b"]]
    function(tree, sampled, num_draws=2)  # a sampled dataset: the choice of models is the user's


def test_fakes_from_a_posterior_say_what_they_lack_and_what_they_drew(two):
    tree, dataset = trees(two)[0], other(two)
    with pytest.warns(UserWarning, match=r"lack \['two-bkg'\]"):
        dataset.fake(1, posterior=tree)
    sampled = two.copy(name="two")
    sampled.models = two.models
    drawn = sampled.fake(1, posterior=tree)
    assert list(drawn) == list(STORED)
    assert drawn["b.amplitude"].unit == two.models["b"].spectral_model.amplitude.unit
    assert drawn["b.index"].value in tree["posterior"]["b.index"].values


def test_fakes_from_priors_say_what_they_drew():
    """The counts are those of the values that are returned."""
    dataset = make_dataset(models=[background(prior=Prior("Uniform", lower=1.0, upper=50.0))])
    assert dataset.fake(5) is None
    for seed in range(3):
        drawn = dataset.fake(seed, prior=True)
        assert list(drawn) == ["tiny-bkg.norm"]
        expected = drawn["tiny-bkg.norm"].value * dataset.background.data.sum()
        assert abs(dataset.counts.data.sum() - expected) < 4 * np.sqrt(expected)
