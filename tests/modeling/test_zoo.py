"""The model files that come with the package."""

import numpy as np
import pymc as pm
import pytest
import yaml

from bayesmap.modeling import FoVBackgroundModel, Models
from bayesmap.modeling.zoo import _folder, zoo_names


@pytest.mark.parametrize("name", zoo_names())
def test_every_file_reads_compiles_and_draws_from_its_priors(name):
    text = (_folder() / f"{name}.yaml").read_text()
    metadata = yaml.safe_load(text)["metadata"]
    assert metadata["description"]
    assert metadata["reference"]
    models = Models.from_zoo(name, dataset_name="d")
    with pm.Model() as model:
        for parameter, label in models.parameter_names.items():
            if not parameter.frozen:
                assert parameter.prior is not None, label
                parameter.prior.to_rv(label, parameter)
        draws = pm.sample_prior_predictive(50, random_seed=1, compile_kwargs={"mode": "FAST_COMPILE"}).prior
    assert np.isfinite(model.compile_logp(mode="FAST_COMPILE")(model.initial_point()))
    assert all(np.all(np.isfinite(draws[name])) for name in draws.data_vars)
    # the values of the file are inside what its priors expect
    for parameter in models.parameters.free_unique:
        low, high = parameter.prior.interval(0.9, parameter.unit)
        assert low < parameter.value < high
    assert Models.from_yaml(models.to_yaml()).to_yaml() == models.to_yaml()


def test_background_models_need_their_dataset():
    (model,) = Models.from_zoo("fov-background-tilt", dataset_name="cta")
    assert isinstance(model, FoVBackgroundModel)
    assert (model.name, model.datasets_names) == ("cta-bkg", ["cta"])
    assert not model.spectral_model.tilt.frozen
    with pytest.raises(ValueError, match="pass the dataset_name"):
        Models.from_zoo("fov-background-norm")


def test_unknown_name():
    with pytest.raises(KeyError, match="did you mean 'crab'"):
        Models.from_zoo("crap")
