"""Priors from intervals."""

import astropy.units as u
import numpy as np
import pytest

from bayesmap.modeling import Parameter
from bayesmap.modeling.priors import elicit

TWO_SIDED = ["normal", "student_t", "lognormal", "uniform", "loguniform", "gamma", "beta"]
ONE_SIDED = ["half_normal", "half_cauchy", "exponential"]


@pytest.mark.parametrize("name", TWO_SIDED)
@pytest.mark.parametrize(("low", "high"), [(0.1, 0.3), (0.02, 0.9), (0.49, 0.5)])
@pytest.mark.parametrize("mass", [0.5, 0.95])
def test_the_interval_holds_the_mass(name, low, high, mass):
    prior = getattr(elicit, name)(low, high, mass)
    assert prior.interval(mass) == pytest.approx((low, high), rel=1e-6)


@pytest.mark.parametrize("name", [n for n in TWO_SIDED if n != "beta"])
def test_units_of_intervals(name):
    prior = getattr(elicit, name)("300 GeV", 2 * u.TeV, 0.9)
    assert prior.interval(0.9, "TeV") == pytest.approx((0.3, 2), rel=1e-6)
    assert prior.interval(0.9, "GeV") == pytest.approx((300, 2000), rel=1e-6)
    assert Parameter("ebreak", "1 TeV", prior=prior).prior is prior


@pytest.mark.parametrize("name", [n for n in TWO_SIDED if n != "beta"])
def test_a_percentage_is_a_number(name):
    prior = getattr(elicit, name)(10 * u.percent, 30 * u.percent)
    assert prior.interval(0.95) == pytest.approx((0.1, 0.3), rel=1e-6)


@pytest.mark.parametrize("name", ONE_SIDED)
@pytest.mark.parametrize("mass", [0.5, 0.95])
def test_one_end(name, mass):
    prior = getattr(elicit, name)("2 deg", mass)
    assert prior.support("deg")[0] == 0
    assert prior.quantile(mass, "arcmin") == pytest.approx(120)


def test_degrees_of_freedom():
    assert elicit.student_t(1, 3, 0.9, nu=2).numbers()["nu"] == 2
    with pytest.raises(ValueError, match="nu must be positive"):
        elicit.student_t(1, 3, nu=0)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        ("normal", (2, 1), "low must be below high, got 2 and 1"),
        ("normal", (1, 1), "low must be below high"),
        ("normal", (1, 2, 95), "mass must be a probability between 0 and 1, got 95"),
        ("normal", (1, 2, True), "mass must be"),
        ("normal", ("one", 2), "low must be a number or a quantity, got 'one'"),
        ("normal", (1, np.nan), "high must be one finite number"),
        ("normal", ([1, 2], 3), "low must be one finite number"),
        ("lognormal", (0, 2), "low must be positive, got 0"),
        ("gamma", (-1, 2), "low must be positive, got -1"),
        ("gamma", (1e-300, 1e300), "there is no gamma distribution with 0.95 between"),
        ("beta", (0.2, 1.2), "lies between 0 and 1, got high = 1.2"),
        ("half_normal", (-3,), "high must be one positive number, got -3"),
        ("half_normal", ("three",), "high must be a number or a quantity"),
        ("exponential", (3, 1), "mass must be"),
    ],
)
def test_impossible_intervals(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        getattr(elicit, function)(*arguments)


def test_units_that_do_not_agree():
    with pytest.raises(u.UnitConversionError, match="low is in 'TeV', high in 's'"):
        elicit.normal("1 TeV", "2 s")
    with pytest.raises(u.UnitConversionError, match="dimensionless"):
        elicit.beta("0.1 TeV", "0.2 TeV")
