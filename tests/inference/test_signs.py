"""Which priors allow negative counts."""

from bayesmap.graph import fold_arrays
from bayesmap.inference import assign_default_priors
from bayesmap.inference.signs import negative_terms
from bayesmap.modeling import Prior
from tests.inference.tiny import make_dataset, source_and_background


def reasons(change=lambda dataset: None):
    dataset = make_dataset(models=source_and_background())
    assign_default_priors(dataset)
    change(dataset)
    return negative_terms(list(dataset.models), fold_arrays(dataset))


def test_default_priors_allow_none():
    assert reasons() == []


def test_normal_prior_on_a_norm_is_named_and_a_bound_helps():
    def normal(dataset, minimum=None):
        norm = dataset.models["tiny-bkg"].spectral_model.norm
        norm.prior = Prior("Normal", mu=1, sigma=0.1)
        if minimum is not None:
            norm.min = minimum

    (reason,) = reasons(normal)
    assert "tiny-bkg.norm" in reason
    assert "min = 0" in reason
    assert reasons(lambda dataset: normal(dataset, 0)) == []


def test_frozen_negative_amplitude_and_negative_background():
    def change(dataset):
        amplitude = dataset.models["source"].spectral_model.amplitude
        amplitude.frozen, amplitude.value = True, -1e-13
        dataset.background.data[0, 3, 3] = -0.1

    found = reasons(change)
    assert any("source.amplitude" in reason for reason in found)
    assert any("background" in reason for reason in found)
