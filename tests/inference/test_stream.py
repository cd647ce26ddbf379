"""One pass over draws for several reducers, and the groups of the tree that ArviZ reads."""

import arviz as az
import numpy as np
import pytest
import scipy
import xarray as xr

from bayesmap.inference import posterior_npred, predictive, sample_prior, stream
from bayesmap.inference.groups import block_labels
from bayesmap.inference.predicted import consecutive
from bayesmap.inference.streaming import Moments
from bayesmap.modeling import Prior
from tests.inference.test_prediction import posterior_of
from tests.inference.tiny import make_dataset, source_and_background


@pytest.fixture(scope="module")
def made():
    return posterior_of(60)


def test_several_reducers_in_one_pass(made, dataset, monkeypatch):
    """Each prediction is computed once, and each reducer gets what it would get alone."""
    from bayesmap.inference.observations.predictor import Predictor

    calls = []
    plain = Predictor.__call__

    def counted(self, *arguments):
        calls.append(self._last)
        return plain(self, *arguments)

    monkeypatch.setattr(Predictor, "__call__", counted)
    few = posterior_of(6)
    result = stream(
        few,
        dataset,
        {
            "mean": Moments(lambda draw: draw.mean),
            "total": lambda draw: draw.replicate.sum(),
            "again": lambda draw: draw.replicate.sum(),
            "log": lambda draw: draw.log_likelihood.sum(),
        },
    )
    assert len(calls) == 36  # of which the second and third of each draw find it done
    assert len({id(last) for last in calls}) == 13
    np.testing.assert_array_equal(result["total"], result["again"])
    assert result["total"].shape == (12,)
    mean = posterior_npred(few, dataset, num_draws=12)
    np.testing.assert_allclose(result["mean"][0], mean.data, rtol=1e-12)
    counts = dataset.counts.data
    one = dict(zip(few["posterior"].data_vars, [0] * 5, strict=True))
    assert one.keys() == set(few["posterior"].data_vars)
    cube = stream(few, dataset, {"npred": lambda draw: draw.mean})["npred"][3]
    assert result["log"][3] == pytest.approx(scipy.stats.poisson.logpmf(counts, cube).sum(), rel=1e-10)


def test_blocks_hold_enough():
    weights = np.random.default_rng(1).gamma(0.3, size=(23, 31))
    labels = block_labels(weights, 5.0)
    sums = np.bincount(labels.ravel(), weights.ravel())
    assert sums.min() >= 5
    assert len(sums) > weights.sum() / 5 / 3
    for label in range(len(sums)):
        rows, columns = np.nonzero(labels == label)
        assert (labels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] == label).all()
    assert (block_labels(weights, 1e9) == 0).all()


@pytest.mark.parametrize(("groups", "number"), [("dataset", 1), ("energy", 3), ("block", 12)])
def test_log_likelihood_of_groups(made, dataset, groups, number):
    result = predictive(made, dataset, 20, groups)
    values = result["log_likelihood"]["groups"]
    assert values.sizes == {"chain": 2, "draw": 10, "group": number}
    assert result["posterior"].sizes == {"chain": 2, "draw": 10}
    assert made["posterior"].sizes["draw"] == 60  # not changed
    whole = stream(result, dataset, {"sum": lambda draw: draw.log_likelihood.sum()})["sum"]
    np.testing.assert_allclose(values.sum("group").values.ravel(), whole, rtol=1e-12)
    counts = result["posterior_predictive"]["tiny.counts"]
    assert counts.dims == ("chain", "draw", "tiny_energy")
    assert counts.sizes["tiny_energy"] == 3


def test_empty_groups_are_dropped_and_named(made):
    data = make_dataset(models=source_and_background())
    data.mask_fit = data.counts.copy(data=np.ones(data.counts.data.shape, dtype=bool))
    data.mask_fit.data[1] = False
    group = predictive(made, data, 20, "energy")["log_likelihood"]
    assert list(group["group"].values) == ["tiny energy 0", "tiny energy 2"]
    assert group.attrs["left_out"] == "tiny energy 1"


def test_groups_that_follow_each_other_are_named_together(made, caplog):
    data = make_dataset(models=source_and_background())
    data.mask_fit = data.counts.copy(data=np.ones(data.counts.data.shape, dtype=bool))
    data.mask_fit.data[:2] = False
    group = predictive(made, data, 20, "energy")["log_likelihood"]
    assert "2 of 3 groups are left out of the log-likelihood" in caplog.text
    assert caplog.text.rstrip().endswith("there: tiny energy 0-1")
    assert group.attrs["left_out"] == "tiny energy 0, tiny energy 1"
    labels = ["a 0", "a 1", "a 3", "b 4", "b 5", "block", "block 1 of 2"]
    assert consecutive(labels) == ["a 0-1", "a 3", "b 4-5", "block", "block 1 of 2"]


def test_labels_of_the_user_and_what_does_not_fit(made, dataset):
    labels = np.zeros(dataset.counts.data.shape, dtype=int)
    labels[:, :, 10:] = 7
    group = predictive(made, dataset, 20, {"tiny": labels})["log_likelihood"]
    assert list(group["group"].values) == ["tiny 0", "tiny 7"]
    with pytest.raises(ValueError, match=r"'tiny': labels of groups have the shape \(2,\)"):
        predictive(made, dataset, 20, {"tiny": np.zeros(2)})
    with pytest.raises(ValueError, match="no labels for dataset 'tiny'"):
        predictive(made, dataset, 20, {})
    with pytest.raises(KeyError, match="unknown dataset 'other'; valid: .'tiny'."):
        predictive(made, dataset, 20, {"other": labels})
    with pytest.raises(ValueError, match="groups"):
        predictive(made, dataset, 20, "pixel")
    with pytest.raises(ValueError, match="num_draws is 200, the posterior has 120 draws"):
        predictive(made, dataset, 200)


@pytest.fixture(scope="module")
def whole(tree, dataset):
    """The sampled tree with all groups."""
    return predictive(tree, dataset, 1000, "block", prior=100)


def test_log_prior_and_likelihood_of_draws(tree, dataset):
    """The parts of the log-posterior: the priors as SciPy has them, the likelihood as a plain sum over bins."""
    draws = tree["posterior"].to_dataset()
    for model in dataset.models:
        for parameter in model.parameters.free_parameters:
            name = f"{model.name}.{parameter.name}"
            prior = parameter.prior
            assert isinstance(prior, Prior)
            x = draws[name].values[:2, :5]
            low, high = (prior.quantiles(parameter.unit).cdf(edge) for edge in parameter.bounds)
            expected = prior.quantiles(parameter.unit).logpdf(x) - np.log(high - low)
            np.testing.assert_allclose(tree["log_prior"][name].values[:2, :5], expected, rtol=1e-8, atol=1e-8)
    some = xr.DataTree.from_dict({"posterior": draws.isel(draw=slice(0, 5))})
    plain = stream(some, dataset, {"sum": lambda draw: draw.log_likelihood.sum()})["sum"]
    np.testing.assert_allclose(tree["log_likelihood"]["tiny.counts"].values[:, :5].ravel(), plain, atol=1e-4)


@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto")  # of the block that holds the source
def test_arviz_reads_the_tree(tree, whole):
    assert set(az.psense_summary(tree).index) == set(tree["posterior"].data_vars)
    az.plot_prior_posterior(whole)
    az.plot_bf(whole, var_names="tiny-bkg.norm", ref_val=1.0)
    az.plot_ppc_rootogram(whole)
    az.plot_ppc_tstat(whole, t_stat="mean")
    elpd = az.loo(whole, pointwise=True)
    assert elpd.n_data_points == 12
    az.plot_khat(elpd)
    az.compare({"one": whole, "two": whole})
    assert whole["prior_predictive"]["tiny.counts"].sizes == {"chain": 1, "draw": 100, "tiny_energy": 3}


def test_the_priors_are_drawn_as_by_sample_prior(whole, dataset):
    again = sample_prior(dataset, 100, random_state=0)
    assert whole["prior"].data_vars.keys() == again["prior"].data_vars.keys()


def test_groups_of_an_unknown_dataset_are_refused():
    data = make_dataset(models=source_and_background())
    labels = np.zeros(data.counts.data.shape, dtype=int)
    with pytest.raises(KeyError, match="labels for an unknown dataset 'tinny'.*tiny"):
        predictive(xr.DataTree(), data, groups={"tiny": labels, "tinny": labels})
