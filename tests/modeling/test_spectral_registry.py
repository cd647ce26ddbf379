"""Every registered spectral type is tested by existing: gradients, integrals, units, files."""

import astropy.units as u
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from scipy.integrate import quad

from bayesmap import units
from bayesmap.modeling import Parameter, Prior, SkyModel, SpectralModel, TemplateNDSpectralModel, get_model_class
from bayesmap.modeling.collection import Models
from tests.modeling.spectral_zoo import examples, random_values, template_map

EXAMPLES = examples()
ENERGY = np.geomspace(0.08, 60, 11)


@pytest.fixture(params=EXAMPLES, name="model")
def fixture_model(request):
    return EXAMPLES[request.param]()


def function_of(model, build):
    """Compiled value and gradient of a symbolic function of all parameters, each output weighted differently."""
    parameters = list(model.parameters.unique_parameters)
    variables = [pt.dscalar() for _ in parameters]
    output = build(dict(zip(parameters, variables, strict=True)))
    total = (output * pt.cos(pt.arange(output.size))).sum()
    slopes = pytensor.grad(total, variables, disconnected_inputs="ignore")
    outputs = [output, total, *slopes]
    compiled = pytensor.function(variables, outputs, mode="FAST_COMPILE", on_unused_input="ignore")
    return parameters, lambda values: compiled(*(values[p] for p in parameters))


def value_and_integral(model, values, symbolic=False):
    edges = pt.as_tensor_variable(ENERGY) if symbolic else ENERGY
    value = model.evaluate_graph(pt.as_tensor_variable(ENERGY), values) * pt.ones(len(ENERGY))
    return pt.concatenate([value, model.integral_graph(edges[:-1], edges[1:], values) * pt.ones(len(ENERGY) - 1)])


def check_gradient(model, symbolic, rng, scatter):
    """Compare gradients at random points with differences; see that they are finite in a wider range."""
    parameters, function = function_of(model, lambda values: value_and_integral(model, values, symbolic))
    for _ in range(2):
        values = random_values(model, rng)
        output, _, *slopes = function(values)
        assert np.all(np.isfinite([*output, *slopes]))
        for parameter, slope in zip(parameters, slopes, strict=True):
            step = 1e-6 * abs(values[parameter])
            up, down = (function(values | {parameter: values[parameter] + s})[1] for s in (step, -step))
            accuracy = 1e-5 * abs(slope) + 1e-8 * np.abs(output).sum() / abs(values[parameter])
            assert abs((up - down) / (2 * step) - slope) < accuracy, parameter.name
    for _ in range(scatter):
        values = random_values(model, rng)
        values |= {p: v * np.exp(rng.normal(0, 0.5)) for p, v in values.items() if p.name != "index_2"}
        output, _, *slopes = function(values)
        assert np.all(np.isfinite([*output, *slopes])), values


def test_value_and_gradient(model, rng):
    check_gradient(model, False, rng, scatter=30)


@pytest.mark.parametrize(
    "name", ["CompoundSpectralModel-line", "CompoundSpectralModel-broken", "TemplateSpectralModel"]
)
def test_gradient_over_symbolic_edges(name, rng):
    check_gradient(EXAMPLES[name](), True, rng, scatter=0)


@pytest.mark.parametrize("power", [0, 1])
def test_integrals_against_quadrature(model, power):
    values = model.values
    for low, high in [(0.1, 0.3), (0.06, 90)]:
        inner = sorted(e for e in model.breaks(values) if low < e < high)
        ends = np.log([low, *inner, high])
        expected = sum(
            quad(
                lambda t: float(model._flux(np.exp(t), values)) * np.exp((power + 1) * t), *pair, epsabs=0, epsrel=1e-10
            )[0]
            for pair in zip(ends[:-1], ends[1:], strict=True)
        )
        result = getattr(model, "energy_flux" if power else "integral")(low * u.TeV, high * u.TeV)
        np.testing.assert_allclose(result.value, model._as_flux(expected, power + 1).value, rtol=1e-9)


def test_graph_and_numbers_agree(model):
    edges = np.geomspace(0.06, 90, 23)
    graph = model.integral_graph(edges[:-1], edges[1:], model.values).eval()
    number = model._integrate(edges[:-1], edges[1:], model.values)
    np.testing.assert_allclose(graph * np.ones(22), number, rtol=2e-9, atol=1e-9 * np.abs(number).max())


@pytest.mark.parametrize("name", EXAMPLES)
def test_formula_does_not_depend_on_the_table_of_units(name, monkeypatch):
    energy, low, high = [0.3, 2, 20] * u.TeV, 0.5 * u.TeV, 7 * u.TeV

    def numbers():
        model = EXAMPLES[name]()
        fluxes = (model(energy), model.integral(low, high), model.energy_flux(low, high))
        return [u.Quantity(flux).si.value for flux in fluxes] + [model.spectral_index(energy)]

    expected = numbers()
    other = {
        "TeV": "GeV",
        "1 / TeV": "GeV-1",
        "1e-12 / (TeV s cm2)": "1e-9 cm-2 s-1 GeV-1",
        "1e-12 / (s cm2)": "1e-9 cm-2 s-1",
    }
    table = tuple(u.Unit(other.get(unit.to_string(), unit)) for unit in units.INTERNAL)
    monkeypatch.setattr(units, "INTERNAL", table)
    units._internal_unit.cache_clear()
    try:
        assert units.internal_unit("cm-2 s-1") == u.Unit("1e-9 cm-2 s-1")
        for one, two in zip(numbers(), expected, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-11)
    finally:
        units._internal_unit.cache_clear()


@pytest.mark.parametrize("full_output", [False, True])
def test_file_round_trip(model, full_output, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for part in (model, getattr(model, "model1", None)):
        if isinstance(part, TemplateNDSpectralModel):
            part.write()
    if len(model.parameters):
        first = model.parameters[0]
        first.value, first.error, first.frozen = first.value * 1.25 + 0.1, 0.125, not first.frozen
        first.prior = Prior("StudentT", nu=3, mu=first.quantity, sigma=2)
    models = Models([SkyModel(model, name="a")])
    text = models.to_yaml(full_output=full_output)
    again = Models.from_yaml(text)
    assert again.to_yaml(full_output=full_output) == text
    new = again["a"].spectral_model
    assert type(new) is type(model)
    for one, two in zip(new.parameters, model.parameters, strict=True):
        assert repr(one) == repr(two)
    np.testing.assert_allclose(new(ENERGY * u.TeV).value, model(ENERGY * u.TeV).value, rtol=1e-14)


def test_copies_are_independent(model):
    other = model.copy()
    assert (type(other), other.parameter_names) == (type(model), model.parameter_names)
    for name, parameter in zip(model.parameter_names, model.parameters, strict=True):
        assert getattr(model, name) is parameter
        assert getattr(other, name) is not parameter
    before = model(ENERGY * u.TeV)
    for parameter in other.parameters:
        parameter.value = min(parameter.value * 1.1 + 0.01, np.inf if np.isnan(parameter.max) else parameter.max)
    assert np.all(model(ENERGY * u.TeV) == before)


def test_a_class_of_the_user_works_everywhere():
    """Parameters and one formula, outside of the package: numbers, graph, operators, errors, files."""

    class DoubleBump(SpectralModel):
        tag = "double-bump-of-a-test"
        amplitude = Parameter("amplitude", "1e-12 cm-2 s-1 TeV-1")
        center = Parameter("center", "2 TeV")

        @staticmethod
        def evaluate(energy, amplitude, center):
            x = pt.log(energy / center)
            return amplitude * (pt.exp(-(x**2)) + 0.5 * pt.exp(-((x - 1) ** 2)))

    model = DoubleBump(center="1.5 TeV")
    model.amplitude.error = 1e-13
    compound = 2 * model + get_model_class("pl", "spectral")()
    assert u.allclose(compound(1.5 * u.TeV), 2 * model(1.5 * u.TeV) + 1e-12 / 2.25 * u.Unit("cm-2 s-1 TeV-1"))
    expected = quad(lambda e: model(e * u.TeV).value, 0.5, 20, epsrel=1e-11)[0]
    assert model.integral(0.5 * u.TeV, 20 * u.TeV).value == pytest.approx(expected, rel=1e-9)
    median, low, high = model.evaluate_error(1 * u.TeV)
    np.testing.assert_allclose([(low / median).value, (high / median).value], 0.1, rtol=0.1)
    new = Models.from_yaml(Models([SkyModel(compound, name="x")]).to_yaml())["x"].spectral_model
    assert isinstance(new.model1.model2, DoubleBump)
    assert u.allclose(new(3 * u.TeV), compound(3 * u.TeV), rtol=1e-14)
    parameters, function = function_of(
        compound, lambda values: compound.integral_graph(ENERGY[:-1], ENERGY[1:], values) * pt.ones(len(ENERGY) - 1)
    )
    assert np.all(np.isfinite(function(compound.values)[2:]))


def test_template_map_of_the_examples_is_right():
    model = TemplateNDSpectralModel(template_map(), index=1.2, ecutoff="5 TeV")
    energy = template_map().geom.axes["energy_true"].center
    expected = energy.value**-1.2 * np.exp(-energy.value / 5) * 1e-12
    np.testing.assert_allclose(model(energy).value, expected, rtol=1e-12)
