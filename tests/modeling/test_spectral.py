"""Spectra: values and integrals against Gammapy and against quadrature."""

import astropy.units as u
import numpy as np
import pytensor.tensor as pt
import pytest

from bayesmap.modeling import Models, PowerLawNormSpectralModel, PowerLawSpectralModel, get_model_class
from bayesmap.modeling.spectral.quadrature import integrate_numbers
from tests.golden import golden, shared_path
from tests.modeling.helpers import gradients, quantity
from tests.modeling.spectral_zoo import examples, spectra

FOLDER = ("data", "models", "yaml", "spectral")
CASES = [name.removeprefix("spectral/") for name in golden("models") if name.startswith("spectral/")]
# Gammapy integrates with 100 log-log trapezoids per decade: bad for lines far away and for sudden ends.
COARSE = {"GaussianSpectralModel": 2e-2, "SuperExpCutoffPowerLaw4FGLSpectralModel": 1e-2}


def stored_model(name):
    """The model of a golden case, from its file; norm models are the first part of a product there."""
    model = Models.read(shared_path(*FOLDER, f"{name}.yaml"))[0].spectral_model
    return model.model1 if "Norm" in name.split("_")[0] else model


def compare(result, expected, rtol, scale=0.0):
    assert result.unit.is_equivalent(expected.unit)
    number, wanted = result.to_value(expected.unit), expected.value
    known = np.isfinite(wanted)
    largest = np.abs(wanted[known]).max(initial=0.0)
    np.testing.assert_allclose(number[known], wanted[known], rtol=rtol, atol=scale * min(largest, 1e-9))


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    values = golden("models")[f"spectral/{name}"]
    model = stored_model(name)
    energy, low, high = (quantity(values[key]) for key in ("energy", "emin", "emax"))
    # Gammapy interpolates this table in single precision: 6e-8 of ln(1e-38); in double precision it agrees to 1e-13
    rtol = 2e-5 if "ebl" in name.lower() else 1e-10
    compare(model(energy), quantity(values["dnde"]), rtol, 1e-36)
    compare(model(energy[:3].to("GeV")), quantity(values["dnde"])[:3], rtol)
    index, expected = model.spectral_index(energy), values["spectral_index"].data
    smooth = np.isfinite(expected) & np.isfinite(index) & (quantity(values["dnde"]).value > 1e-35)
    np.testing.assert_allclose(index[smooth], expected[smooth], rtol=1e-4, atol=5e-3 if "ebl" in name.lower() else 1e-4)
    exact = values["has_analytic_integral"] and name in ("PowerLawSpectralModel", "PowerLaw2SpectralModel")
    for key in ("integral", "energy_flux"):
        tolerance = 1e-8 if exact else COARSE.get(name, 1e-3)
        compare(getattr(model, key)(low, high), quantity(values[key]), tolerance, 1e-6)
    compare(model.integral(1 * u.TeV, 10 * u.TeV), quantity(values["integral_scalar"]), COARSE.get(name, 1e-3))
    parameters = [(p["name"], p["value"], p["frozen"]) for p in values["parameters"]]
    assert [(p.name, p.value, p.frozen) for p in model.parameters] == parameters
    assert [p.unit for p in model.parameters] == [u.Unit(p["unit"]) for p in values["parameters"]]
    assert model.tag[0] == values["tag"]


@pytest.mark.parametrize("cls", [c for c in spectra() if c.parameter_names], ids=lambda c: c.__name__)
def test_integral_of_the_default(cls):
    """The closed forms, where there are some, are those of the formula."""
    model = examples()[cls.__name__]() if cls.__name__ in examples() else cls()
    low, high = np.array([0.1, 1.0, 30.0]) * u.TeV, np.array([0.3, 10.0, 31.0]) * u.TeV
    for power, name in [(0, "integral"), (1, "energy_flux")]:
        result = getattr(model, name)(low, high)
        numbers = integrate_numbers(
            lambda e, m=model: m._flux(e, m.values), low.value, high.value, model.breaks(model.values), power
        )
        expected = model._as_flux(numbers, power + 1)
        np.testing.assert_allclose(result.to_value(expected.unit), expected.value, rtol=1e-10)


@pytest.mark.parametrize("center", [1.0, 2.0])
def test_power_law_integral_is_smooth_at_its_pole(center):
    low, high = np.array([0.1, 1.0, 20.0]), np.array([0.3, 1.5, 90.0])
    formula = PowerLawSpectralModel.evaluate_integral if center == 1 else PowerLawSpectralModel.evaluate_energy_flux
    for offset in (0.0, 1e-14, -1e-9, 1e-5, -0.02, 0.026, 0.3):
        index = center + offset
        point = [index, 1.7, 0.8]
        exact, differences = gradients(lambda *p: formula(low, high, *p), point)
        np.testing.assert_allclose(exact, differences, rtol=1e-7)
        model = PowerLawSpectralModel(index=index, amplitude="1e-12 cm-2 s-1 TeV-1")
        expected = integrate_numbers(lambda e, index=index: e**-index, low, high, power=int(center) - 1)
        result = model.integral if center == 1 else model.energy_flux
        np.testing.assert_allclose(result(low * u.TeV, high * u.TeV).value * 1e12, expected, rtol=1e-12)


def test_integrals_add_up(rng):
    edges = np.sort(rng.uniform(0.1, 50, 8)) * u.TeV
    for create in examples().values():
        model = create()
        parts = model.integral(edges[:-1], edges[1:]).sum()
        assert parts.value == pytest.approx(model.integral(edges[0], edges[-1]).value, rel=1e-10)


def test_units_of_results():
    model = PowerLawSpectralModel(amplitude="1e-18 cm-2 s-1 MeV-1", reference="1 GeV")
    assert model(1 * u.GeV).unit == "cm-2 s-1 MeV-1"
    assert model.integral(1 * u.GeV, 2 * u.GeV).unit == "cm-2 s-1"
    assert model.integral(1 * u.GeV, 2 * u.GeV).value == pytest.approx(0.5e-15)
    assert PowerLawNormSpectralModel().is_norm_spectral_model
    assert not model.is_norm_spectral_model


def test_wrong_energies():
    model = PowerLawSpectralModel()
    with pytest.raises(u.UnitConversionError, match="must be an energy"):
        model(1.0)
    with pytest.raises(u.UnitConversionError, match="must be an energy"):
        model([1] * u.deg)
    with pytest.raises(ValueError, match="positive and ordered"):
        model.integral(2 * u.TeV, 1 * u.TeV)


def test_cutoff_with_negative_rate_and_at_rate_zero():
    model = get_model_class("ecpl", "spectral")(lambda_="-0.01 TeV-1", index=2)
    energy = [1, 10] * u.TeV
    expected = 1e-12 * energy.value**-2 * np.exp(0.01 * energy.value)
    np.testing.assert_allclose(model(energy).value, expected, rtol=1e-13)
    values = model.values | {model.lambda_: 0.0}
    exact, differences = gradients(lambda x: model.evaluate_graph(energy.value, values | {model.lambda_: x}), [0.0])
    np.testing.assert_allclose(exact, differences, rtol=1e-6)


@pytest.mark.parametrize("name", ["BrokenPowerLawSpectralModel", "CompoundSpectralModel-broken"])
def test_gradient_of_a_break_on_the_edge_of_a_bin(name):
    """Both bins next to the break change as it moves: one must lose what the other gains."""
    model, edges = examples()[name](), np.array([0.3, 1.0, 3.0, 10.0])
    low, high = pt.as_tensor_variable(edges[:-1]), pt.as_tensor_variable(edges[1:])
    for value in edges[1:3]:
        point = [value if p.name == "ebreak" else p.internal for p in model.parameters]
        exact, differences = gradients(
            lambda *x: model.integral_graph(low, high, dict(zip(model.parameters, x, strict=True))), point
        )
        np.testing.assert_allclose(exact, differences, rtol=1e-4, atol=1e-6 * np.abs(differences).max())
