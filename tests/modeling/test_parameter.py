"""Parameters: values, units, bounds, collections."""

import copy

import astropy.units as u
import numpy as np
import pytest

from bayesmap.modeling import Parameter, Parameters, PowerLawSpectralModel, Prior


def test_value_unit_and_internal_number():
    parameter = Parameter("amplitude", "3e-8 m-2 s-1 TeV-1")
    assert parameter.value == 3e-8
    assert parameter.internal == pytest.approx(3.0)
    assert parameter.scale_to_internal == pytest.approx(1e8)
    assert Parameter("index", 2).internal == 2
    assert Parameter("x", 2, unit="GeV").internal == pytest.approx(0.002)


def test_quantity_declares_the_unit_and_takes_everything_along():
    parameter = Parameter("lambda_", "0.1 TeV-1", min=0.05, max=0.5, error=0.02)
    parameter.prior = Prior("Normal", mu=0.1, sigma=0.02)
    before = parameter.prior.interval(0.9, parameter.unit)
    parameter.quantity = "0.2e-3 GeV-1"
    assert (parameter.unit, parameter.value) == (u.Unit("GeV-1"), 0.2e-3)
    assert (parameter.min, parameter.max, parameter.error) == pytest.approx((0.05e-3, 0.5e-3, 0.02e-3))
    np.testing.assert_allclose(parameter.prior.interval(0.9, "GeV-1"), np.array(before) * 1e-3)
    parameter.unit = "TeV-1"
    assert parameter.value == 0.2e-3


@pytest.mark.parametrize("number", [0.3, -2.0])
def test_internal_round_trip(number, rng):
    for unit in ("arcmin", "GeV", "cm-2 s-1 MeV-1", "h", ""):
        parameter = Parameter("x", number, unit=unit)
        assert parameter.internal / parameter.scale_to_internal == pytest.approx(number)


def test_bounds():
    parameter = Parameter("sigma", "1 deg", min=0, max=2)
    assert parameter.bounds == (0, 2)
    assert Parameter("x", 1).bounds == (-np.inf, np.inf)
    with pytest.raises(ValueError, match=r"'sigma': value -1.0 is outside its bounds \[0.0, 2.0\]"):
        parameter.value = -1
    with pytest.raises(ValueError, match="outside its bounds"):
        parameter.quantity = 3 * u.deg
    with pytest.raises(ValueError, match="outside its bounds"):
        parameter.max = 0.5
    with pytest.raises(ValueError, match="is above max"):
        parameter.min = 3
    parameter.quantity = "90 arcmin"
    assert parameter.max == pytest.approx(120)
    parameter.min = None
    assert np.isnan(parameter.min)


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (lambda p: setattr(p, "value", "wide"), TypeError, "value must be a number"),
        (lambda p: setattr(p, "value", np.nan), ValueError, "value must be finite"),
        (lambda p: setattr(p, "quantity", "1 TeV"), u.UnitConversionError, "'sigma' is in 'deg'"),
        (lambda p: setattr(p, "unit", "s"), u.UnitConversionError, "does not convert"),
        (lambda p: setattr(p, "frozen", "yes"), TypeError, "frozen must be True or False"),
        (lambda p: setattr(p, "error", np.inf), ValueError, "error must be finite"),
        (lambda p: setattr(p, "prior", 3), TypeError, "prior must be a Prior"),
        (lambda p: setattr(p, "prior", Prior("Normal", mu=-9, sigma=0.1)), ValueError, "has no mass"),
        (lambda p: setattr(p, "prior", Prior("Uniform", lower=-2, upper=-1)), ValueError, "has no mass"),
        (lambda p: setattr(p, "prior", Prior("Normal", mu="1 TeV", sigma=1)), u.UnitConversionError, "'mu' = 1.0 TeV"),
        (lambda p: setattr(p, "prior", Prior("Beta", alpha=1, beta=1)), u.UnitConversionError, "dimensionless"),
    ],
)
def test_wrong_settings(action, error, message):
    parameter = Parameter("sigma", "1 deg", min=0)
    with pytest.raises(error, match=message):
        action(parameter)
    assert parameter.quantity == 1 * u.deg


def test_bounds_that_contradict_the_prior():
    parameter = Parameter("index", 2, prior=Prior("Uniform", lower=1, upper=3))
    parameter.max = 2.5
    parameter.value = 2.5
    parameter.max = None
    parameter.value = 5
    with pytest.raises(ValueError, match="has no mass between its bounds"):
        parameter.min = 4


def test_unknown_units_are_refused():
    with pytest.raises(u.UnitConversionError, match="has no internal unit"):
        Parameter("x", "1 kg")
    with pytest.raises(TypeError, match="non-empty string"):
        Parameter("", 1)


def test_links_and_copies():
    one, two = PowerLawSpectralModel(index=2.2), PowerLawSpectralModel()
    two.index = one.index
    pair = copy.deepcopy([one, two])
    assert pair[0].index is pair[1].index
    assert pair[0].index is not one.index
    linked = PowerLawSpectralModel(index=one.index)
    assert linked.index is one.index


def test_parameters():
    one, two = PowerLawSpectralModel(), PowerLawSpectralModel()
    two.index = one.index
    parameters = one.parameters + two.parameters
    assert len(parameters) == 6
    assert len(parameters.unique_parameters) == 5
    assert len(parameters.free_unique) == 3
    assert parameters["index"] is one.index
    assert parameters[3] is one.index
    assert parameters[one.amplitude] is one.amplitude
    assert parameters.index(two.amplitude) == 4
    assert "index" in parameters
    assert parameters[1:3].names == ["amplitude", "reference"]
    with pytest.raises(KeyError, match="2 different parameters are called 'amplitude'"):
        parameters["amplitude"]
    with pytest.raises(KeyError, match="did you mean 'index'"):
        one.parameters["indx"]
    one.parameters.freeze_all()
    assert len(one.parameters.free_parameters) == 0
    one.parameters.unfreeze_all()
    assert len(one.parameters.free_parameters) == 3
    table = parameters.to_table()
    assert table.colnames[:3] == ["name", "value", "unit"]
    assert len(table) == 6
    assert "amplitude" in str(parameters)
    assert len(Parameters().to_table()) == 0
    np.testing.assert_allclose(one.parameters.value, [2, 1e-12, 1])
