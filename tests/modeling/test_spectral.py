"""Spectra: values and integrals against Gammapy and against quadrature."""

import astropy.units as u
import numpy as np
import pytest
from scipy.integrate import quad

from bayesmap.modeling import PowerLawNormSpectralModel, PowerLawSpectralModel, get_model_class
from bayesmap.modeling.spectral.base import gauss_legendre
from tests.golden import golden
from tests.modeling.helpers import SPECTRAL, case_model, gradients, quantity

CASES = [
    "ConstantSpectralModel",
    "PowerLawSpectralModel",
    "PowerLawSpectralModel_index1",
    "PowerLawSpectralModel_index2",
    "PowerLawNormSpectralModel",
    "ExpCutoffPowerLawSpectralModel",
    "ExpCutoffPowerLawSpectralModel_alpha0p5",
    "ExpCutoffPowerLawNormSpectralModel",
    "LogParabolaSpectralModel",
    "LogParabolaNormSpectralModel",
]


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    values = golden("models")[f"spectral/{name}"]
    model = case_model(f"spectral/{name}", values, "spectral")
    energy, low, high = (quantity(values[key]) for key in ("energy", "emin", "emax"))
    dnde = quantity(values["dnde"])
    assert model(energy).unit.is_equivalent(dnde.unit)
    np.testing.assert_allclose(model(energy).to_value(dnde.unit), dnde.value, rtol=1e-10)
    np.testing.assert_allclose(model(energy[:3].to("GeV")).to_value(dnde.unit), dnde.value[:3], rtol=1e-10)
    np.testing.assert_allclose(model.spectral_index(energy), values["spectral_index"].data, rtol=1e-4, atol=1e-4)
    exact = values["has_analytic_integral"]
    for key in ("integral", "energy_flux"):
        expected = quantity(values[key])
        result = getattr(model, key)(low, high)
        assert result.unit.is_equivalent(expected.unit)
        np.testing.assert_allclose(result.to_value(expected.unit), expected.value, rtol=1e-8 if exact else 1e-3)
    expected = quantity(values["integral_scalar"])
    assert model.integral(1 * u.TeV, 10 * u.TeV).to_value(expected.unit) == pytest.approx(expected.value, rel=1e-3)
    frozen = [p["frozen"] for p in values["parameters"]]
    assert [p.frozen for p in type(model)().parameters] == frozen
    assert list(model.parameter_names) == [p["name"] for p in values["parameters"]]


@pytest.mark.parametrize("cls", SPECTRAL, ids=lambda cls: cls.__name__)
def test_integrals_against_quadrature(cls):
    model = cls()
    for low, high in [(0.1, 0.3), (0.05, 100), (1, 10), (30, 31)]:
        for power, name in [(0, "integral"), (1, "energy_flux")]:
            unit = model.output_unit * u.TeV ** (power + 1)
            expected = quad(
                lambda t, power=power: float(model(np.exp(t) * u.TeV).value) * np.exp((power + 1) * t),
                np.log(low),
                np.log(high),
                epsrel=1e-11,
                limit=200,
            )[0]
            result = getattr(model, name)(low * u.TeV, high * u.TeV).to_value(unit)
            assert result == pytest.approx(expected, rel=1e-9)


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
        with_nodes = PowerLawSpectralModel._sum_nodes if center == 1 else PowerLawSpectralModel._sum_energy_nodes
        energy, weight = gauss_legendre(low, high)
        expected = with_nodes(energy, weight, index, 1.0, 1.0)
        result = model.integral if center == 1 else model.energy_flux
        np.testing.assert_allclose(result(low * u.TeV, high * u.TeV).value * 1e12, expected, rtol=1e-12)


def test_integrals_add_up(rng):
    edges = np.sort(rng.uniform(0.1, 50, 8)) * u.TeV
    for cls in SPECTRAL:
        model = cls()
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
