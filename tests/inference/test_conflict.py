"""Prior and data that disagree are told, with the name of the parameter; those that agree are not."""

import json

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from bayesmap.inference import convergence_report
from bayesmap.inference.conflict import describe_prior, prior_places
from bayesmap.modeling import Parameter, Prior
from bayesmap.report.analysis import _prior_section
from tests.plot.conftest import make_dataset


def result(prior, mean, sd, unit="", bounds=(np.nan, np.nan), name="s.index"):
    """A posterior with normal draws of one parameter."""
    parameter = Parameter("index", 1.0, unit, min=bounds[0], max=bounds[1], prior=prior)
    draws = mean + sd * stats.norm.ppf((np.random.default_rng(1).permutation(2000) + 0.5) / 2000).reshape(4, 500)
    if np.isfinite(bounds[0]):
        draws = np.maximum(draws, bounds[0])
    attributes = {"units": unit, **describe_prior(parameter)}
    return xr.DataTree.from_dict({"posterior": xr.Dataset({name: (("chain", "draw"), draws, attributes)})})


def uniform(lower, upper):
    return Prior("Uniform", lower=lower, upper=upper)


CONFLICTS = [
    (Prior("Normal", mu=2.0, sigma=0.1), 3.0, 0.02, 10.0),
    (Prior("Normal", mu=2.0, sigma=0.1), 1.5, 0.02, -5.0),
    (Prior("LogNormal", mu=np.log(1e-12), sigma=0.3), 4e-12, 1e-13, np.log(4) / 0.3),
    (Prior("HalfNormal", sigma=0.1), 0.6, 0.01, stats.norm.isf(2 * stats.norm.sf(6))),
]


@pytest.mark.parametrize(("prior", "mean", "sd", "distance"), CONFLICTS)
def test_prior_and_data_disagree(prior, mean, sd, distance):
    tree = result(prior, mean, sd)
    assert prior_places(tree)["s.index"].distance == pytest.approx(distance, rel=0.02)
    report = convergence_report(tree)
    assert report.converged  # the sample is good; what it is a sample of is another question
    [sentence] = report.conflicts
    assert sentence in str(report)
    assert "Prior and data disagree about s.index" in sentence
    assert prior.summary in sentence
    assert f"{abs(distance):.1f} prior standard deviations {'above' if distance > 0 else 'below'}" in sentence


@pytest.mark.parametrize(
    ("prior", "mean", "sd", "bounds"),
    [
        (Prior("Normal", mu=2.0, sigma=0.1), 2.35, 0.02, (np.nan, np.nan)),  # 3.5 standard deviations
        (uniform(0, 1e-5), 1e-12, 1e-13, (np.nan, np.nan)),  # far down in a flat prior
        (uniform(0, 1), 0.9999999, 1e-9, (np.nan, np.nan)),
        (Prior("LogUniform", lower=1e-20, upper=1e-5), 2e-20, 1e-21, (np.nan, np.nan)),
        (Prior("HalfNormal", sigma=1.0), 1e-7, 1e-9, (np.nan, np.nan)),  # beside the edge, where it is densest
        (Prior("Cauchy", alpha=0.0, beta=1.0), 100.0, 1.0, (np.nan, np.nan)),  # its tails are fat
        (Prior("Normal", mu=-1.0, sigma=0.2), 0.02, 0.01, (0.0, np.nan)),  # what the bounds leave of it
    ],
)
def test_no_false_alarm(prior, mean, sd, bounds):
    tree = result(prior, mean, sd, bounds=bounds)
    assert not convergence_report(tree).conflicts


def test_what_has_no_prior_is_left_out():
    tree = result(Prior("Normal", mu=2.0, sigma=0.1), 3.0, 0.02)
    del tree["posterior"]["s.index"].attrs["prior_data"]
    assert prior_places(tree) == {}
    assert describe_prior(Parameter("index", 1.0)) == {}
    hyper = Prior("Normal", mu=Prior("Normal", mu=0, sigma=1), sigma=1.0)
    assert describe_prior(Parameter("index", 1.0, prior=hyper)) == {}
    assert prior_places(result(Prior("Flat"), 3.0, 0.1)) == {}
    far = result(Prior("Normal", mu=2.0, sigma=1e-5), 3.0, 0.02)
    assert "more than 30 prior standard deviations" in convergence_report(far).conflicts[0]


def test_results_and_the_report_page_tell(fit, tree):
    """The sampled example agrees with its priors; draws far from them do not."""
    assert json.loads(tree["posterior"]["source.index"].attrs["prior_data"])["prior"]["dist"] == "Normal"
    assert len(prior_places(tree)) == 5
    assert not convergence_report(tree).conflicts
    section = _prior_section(tree, fit.models)
    assert section.headings[-1] == "posterior at"
    assert all(len(row) == len(section.headings) and row[-1] for row in section.rows)
    moved = tree.copy(deep=True)
    moved["posterior"]["source.index"] = moved["posterior"]["source.index"] + 5
    moved["posterior"]["source.index"].attrs = tree["posterior"]["source.index"].attrs
    assert "disagree about source.index" in str(convergence_report(moved))


def test_a_report_of_draws_without_priors_is_written():
    from tests.plot.conftest import make_tree

    dataset = make_dataset()
    assert all(row[-1] == "" for row in _prior_section(make_tree(dataset), dataset.models).rows)
