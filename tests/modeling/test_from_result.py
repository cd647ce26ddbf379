"""Models of an analysis from its result."""

import json

import numpy as np
import pytest

from bayesmap import Models, load, save
from bayesmap.errors import FormatError
from tests.plot.conftest import make_dataset
from tests.results import made_up_result


@pytest.fixture(scope="module")
def tree():
    return made_up_result(make_dataset())


def test_values_errors_covariance_and_priors(tree, tmp_path):
    save(tree, tmp_path / "posterior.nc")
    models = Models.from_posterior(load(tmp_path / "posterior.nc"))
    assert models.names == ["source", "tiny-bkg"]
    draws = tree["posterior"]["source.index"].values.ravel()
    index = models["source"].spectral_model.index
    assert index.value == pytest.approx(draws.mean(), rel=1e-12)
    assert index.error == pytest.approx(draws.std(ddof=1), rel=1e-12)
    names = ["source.index", "source.lon_0"]
    columns = [tree["posterior"][name].values.ravel() for name in names]
    np.testing.assert_allclose(models.covariance.subset(names).data, np.cov(columns), rtol=1e-9)
    frozen = [name for p, name in models.parameter_names.items() if p.frozen]
    assert frozen
    assert not models.covariance.subset(frozen).data.any()
    assert all(p.prior is not None for p in models.parameters.free_parameters), "default priors are part of a result"


def test_other_statistics(tree):
    best = int(np.argmax(tree["sample_stats"]["lp"].values))
    index = tree["posterior"]["source.index"].values.ravel()
    assert Models.from_posterior(tree, "mode")["source"].spectral_model.index.value == index[best]
    assert Models.from_posterior(tree, "median")["source"].spectral_model.index.value == np.median(index)
    with pytest.raises(ValueError, match="statistic"):
        Models.from_posterior(tree, "best")


def test_own_models_class(tree):
    class Mine(Models):
        pass

    assert type(Mine.from_posterior(tree)) is Mine


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "does not describe its models.*set_values"),
        ("# not stored: no file for a template", r"does not hold its models \(no file for a template\)"),
        ("components:\n- {name: a, type: SkyModel, spectral: {type: of-2030}}\n", "written by bayesmap 9.1,.*of-2030"),
        ("components: [", "cannot be read here"),
    ],
)
def test_results_without_models(tree, text, message):
    other = tree.copy()
    other.attrs = {key: value for key, value in tree.attrs.items() if key != "models"}
    if text is not None:
        other.attrs |= {"models": text, "versions": json.dumps({"bayesmap": "9.1"})}
    with pytest.raises(FormatError, match=message):
        Models.from_posterior(other)


def test_a_parameter_that_the_posterior_lacks(tree):
    other = tree.copy()
    other["posterior"] = tree["posterior"].to_dataset().drop_vars("source.index")
    with pytest.raises(KeyError, match=r"source\.index"):
        Models.from_posterior(other)
