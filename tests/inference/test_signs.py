"""Which priors allow negative counts."""

import re

import astropy.units as u
import pytensor.tensor as pt
import pytest

from bayesmap.graph import build_terms, fold_arrays
from bayesmap.graph.signs import prior_support
from bayesmap.inference import assign_default_priors
from bayesmap.inference.compile import compile_datasets
from bayesmap.modeling import (
    EBLAbsorptionNormSpectralModel,
    GaussianSpectralModel,
    LogGaussianSpectralModel,
    Parameter,
    PiecewiseNormSpectralModel,
    PointSpatialModel,
    PowerLawNormSpectralModel,
    Prior,
    ScaleSpectralModel,
    SkyModel,
    SpectralModel,
    create_crab_spectral_model,
)
from tests.inference.tiny import LAT, LON, make_dataset, power_law, source_and_background


def reasons(change=lambda dataset: None):
    dataset = make_dataset(models=source_and_background())
    assign_default_priors(dataset)
    change(dataset)
    return build_terms(fold_arrays(dataset), dataset.models).may_be_negative(prior_support)


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


EBL = EBLAbsorptionNormSpectralModel([0.1, 1, 10, 100] * u.TeV, [0.1, 0.3], [[1, 0.9, 0.5, 0.1], [1, 0.8, 0.3, 0.0]])


class Wiggle(SpectralModel):
    """A formula that changes its sign, and says so where its parameter allows that."""

    flux_parameter = "flux"
    flux = Parameter("flux", "1e-12 cm-2 s-1 TeV-1", min=0)
    depth = Parameter("depth", 0.5, frozen=True)

    @staticmethod
    def evaluate(energy, flux, depth):
        return flux * (1 - depth * pt.cos(pt.log(energy)))

    def may_be_negative(self, supports):
        return supports["depth"][1] > 1


def positive(**kwargs):
    """A power law whose amplitude has a positive prior."""
    spectrum = power_law(**kwargs)
    spectrum.amplitude.prior = Prior("LogNormal", mu="1e-12 cm-2 s-1 TeV-1", sigma=1)
    return spectrum


def bounded(spectrum, prior, name):
    getattr(spectrum, name).prior = prior
    return spectrum


WIDE = Prior("Normal", mu=1, sigma=0.5)
NEVER_NEGATIVE = {
    "sum": lambda: positive() + positive(index=3),
    "sum with a factor": lambda: positive() + 2 * positive(index=3),
    "quotient": lambda: positive() / 2,
    "constant flux added": lambda: positive() + 1e-13 * u.Unit("cm-2 s-1 TeV-1"),
    "absorbed": lambda: positive() * EBL.copy(),
    "absorbed line": lambda: GaussianSpectralModel(mean="3 TeV", sigma="1 TeV") * EBL.copy(),
    "tilt of any sign": lambda: positive() * bounded(PowerLawNormSpectralModel(), WIDE, "tilt"),
    "factors per energy": lambda: positive() * PiecewiseNormSpectralModel([1, 10] * u.TeV, interp="lin"),
    "reference": lambda: create_crab_spectral_model("meyer"),
    "reference times a free scale": lambda: ScaleSpectralModel(create_crab_spectral_model("hess_pl")),
    "peak in the logarithm": LogGaussianSpectralModel,
    "a formula that says it is not": Wiggle,
}
MAY_BE_NEGATIVE = {
    "difference": (lambda: positive() - positive(index=3), "difference of spectra in model 'source'"),
    "difference inside": (lambda: 2 * (positive() - 0.5 * positive()) * EBL.copy(), "difference of spectra"),
    "constant flux subtracted": (lambda: positive() - 1e-13 * u.Unit("cm-2 s-1 TeV-1"), "difference of spectra"),
    "negative factor": (lambda: positive() + (-1) * positive(), "source.*norm is frozen at a negative value"),
    "negative constant": (lambda: positive() + -1e-13 * u.Unit("cm-2 s-1 TeV-1"), "source.*const is frozen"),
    "wide norm": (
        lambda: positive() * bounded(PowerLawNormSpectralModel(), WIDE, "norm"),
        r"prior of source\.norm reaches below zero \(set its min = 0\)",
    ),
    "wide factor at an energy": (
        lambda: positive() * bounded(PiecewiseNormSpectralModel([1, 10] * u.TeV), WIDE, "norm_1"),
        r"source\.norm_1",
    ),
    "wide integral flux": (
        lambda: bounded(LogGaussianSpectralModel(), Prior("Normal", mu="1e-12 cm-2 s-1", sigma="1e-12 cm-2 s-1"), "L"),
        r"source\.L",
    ),
    "fixed part of a scale": (
        lambda: ScaleSpectralModel(power_law(amplitude="-1e-12 cm-2 s-1 TeV-1")),
        "PowerLawSpectralModel in model 'source'",
    ),
    "difference fixed by a scale": (lambda: ScaleSpectralModel(positive() - positive()), "difference of spectra"),
    "a formula that says it is": (lambda: Wiggle(depth=1.5), "Wiggle in model 'source'"),
}


def reasons_of(spectrum):
    """Of a source with a spectrum, whose other parameters have the default priors."""
    dataset = make_dataset(models=source_and_background())
    shape = PointSpatialModel(lon_0=LON * u.deg, lat_0=LAT * u.deg, frame="galactic")
    dataset.models = [SkyModel(spectral_model=spectrum, spatial_model=shape, name="source")]
    for parameter in dataset.models.parameters.free_unique:
        if parameter.prior is None:
            parameter.prior = Prior("LogNormal", mu=abs(parameter.quantity) + 1e-30 * parameter.unit, sigma=0.3)
    return build_terms(fold_arrays(dataset), dataset.models).may_be_negative(prior_support)


@pytest.mark.parametrize("name", NEVER_NEGATIVE)
def test_spectra_that_cannot_be_negative(name):
    assert reasons_of(NEVER_NEGATIVE[name]()) == []


@pytest.mark.parametrize("name", MAY_BE_NEGATIVE)
def test_spectra_that_can_be_negative(name):
    spectrum, message = MAY_BE_NEGATIVE[name]
    found = reasons_of(spectrum())
    assert any(re.search(message, reason) for reason in found), found


def test_a_difference_takes_the_dense_form():
    dataset = make_dataset(models=source_and_background())
    spectrum = power_law() - 0.1 * power_law(index=3)
    dataset.models["source"].spectral_model = spectrum
    _, observed = compile_datasets(dataset)
    assert not observed["tiny"].nonnegative
