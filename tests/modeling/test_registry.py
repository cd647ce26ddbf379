"""Every registered model is tested by existing; spectra have a module of their own, test_spectral_registry.py."""

import inspect

import astropy.units as u
import numpy as np
import pytest

from bayesmap.modeling import (
    Parameter,
    PointSpatialModel,
    Prior,
    SpectralModel,
    get_model_class,
    model_classes,
)
from bayesmap.modeling.formulas.evaluate import evaluate
from tests.modeling.helpers import SPATIAL, gradients, random_point

LON = np.array([0.0, 0.21, -0.35, 0.55, 0.02, 359.9])
LAT = np.array([0.0, -0.18, 0.32, 0.1, 0.011, 0.5])


def needs_arguments(cls):
    """Whether a model cannot be created without data."""
    arguments = inspect.signature(cls).parameters.values()
    return any(a.default is a.empty and a.kind is a.POSITIONAL_OR_KEYWORD for a in arguments)


# Models that hold tables or maps, and those without parameters, are tested with their own kind.
FILE_MODELS = [
    cls
    for kind in ("spectral", "spatial", "temporal")
    for cls in model_classes(kind)
    if cls.parameter_names and not needs_arguments(cls)
]


def ids(cls):
    return cls.__name__


@pytest.mark.parametrize("cls", SPATIAL, ids=ids)
def test_spatial_gradients(cls, rng):
    model = cls()
    for _ in range(4):
        point = random_point(model, rng)
        exact, differences = gradients(lambda *p: cls.evaluate(LON, LAT, *p), point)
        np.testing.assert_allclose(exact, differences, rtol=2e-5, atol=1e-6 * np.abs(differences).max())


@pytest.mark.parametrize("cls", SPATIAL, ids=ids)
@pytest.mark.parametrize("lat", [0.0, 40.0, 89.0])
def test_spatial_gradients_are_finite_at_the_centre_and_its_antipode(cls, lat):
    model = cls()
    point = [{"lat_0": lat, "e": 0.5, "phi": 30.0}.get(p.name, p.internal) for p in model.parameters]
    lon, lat = np.array([0.0, 0.0, 180.0]), np.array([lat, lat + 0.3, -lat])
    exact, _ = gradients(lambda *p: cls.evaluate(lon, lat, *p), point)
    assert np.all(np.isfinite(exact))


@pytest.mark.parametrize("cls", FILE_MODELS, ids=ids)
@pytest.mark.parametrize("full_output", [False, True])
def test_dict_round_trip(cls, full_output):
    model = cls()
    first = model.parameters[0]
    first.value, first.error = first.value * 1.25 + 0.5, 0.125
    first.frozen = not first.frozen
    first.prior = Prior("StudentT", nu=3, mu=first.quantity, sigma=2)
    new = cls.from_dict(model.to_dict(full_output=full_output))
    assert repr(new.to_dict(full_output=True)) == repr(model.to_dict(full_output=True))  # NaN is not NaN
    assert [p.quantity for p in new.parameters] == [p.quantity for p in model.parameters]


@pytest.mark.parametrize("cls", FILE_MODELS, ids=ids)
def test_instances_do_not_share_parameters_unless_linked(cls):
    one, two = cls(), cls()
    name = cls.parameter_names[0]
    assert getattr(one, name) is not getattr(two, name)
    setattr(two, name, getattr(one, name))
    getattr(one, name).value = 0.7
    assert getattr(two, name).value == 0.7
    copied = two.copy()
    assert getattr(copied, name) is not getattr(two, name)
    with pytest.raises(TypeError, match="assign a Parameter to link"):
        setattr(two, name, 3.0)


def test_unknown_tags_name_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'gauss'"):
        get_model_class("gaus", "spatial")
    with pytest.raises(ValueError, match="did you mean 'PowerLawSpectralModel'"):
        get_model_class("PowerlawSpectralModel", "spectral")
    with pytest.raises(ValueError, match="kind must be one of"):
        get_model_class("pl", "spectrum")


def test_short_tag_and_class_name_give_the_same_class():
    for kind in ("spectral", "spatial", "temporal"):
        for cls in model_classes(kind):
            assert cls.tag[0] == cls.__name__
            assert all(get_model_class(tag, kind) is cls for tag in cls.tag)


def test_unknown_and_wrong_arguments_of_models():
    cls = get_model_class("pl", "spectral")
    with pytest.raises(TypeError, match=r"no parameter 'indx' \(did you mean 'index'\?\)"):
        cls(indx=2)
    with pytest.raises(u.UnitConversionError, match=r"PowerLawSpectralModel: parameter 'amplitude'"):
        cls(amplitude=1e-12)
    with pytest.raises(ValueError, match="PowerLawSpectralModel: index = 'two': 'two' is no number with a unit"):
        cls(index="two")
    with pytest.raises(ValueError, match="frame must be one of"):
        PointSpatialModel(frame="galatic")
    with pytest.raises(u.UnitConversionError, match="cannot be linked"):
        cls(index=Parameter("reference", "1 TeV"))


def test_a_model_of_ones_own():
    class Cubic(SpectralModel):
        tag = "cubic-of-a-test"
        amplitude = Parameter("amplitude", "1e-12 cm-2 s-1 TeV-1")
        reference = Parameter("reference", "1 TeV", frozen=True)

        @staticmethod
        def evaluate(energy, amplitude, reference):
            return amplitude * (energy / reference) ** 3

    model = get_model_class("cubic-of-a-test", "spectral")(amplitude="2e-12 cm-2 s-1 TeV-1")
    assert model.integral(1 * u.TeV, 2 * u.TeV).to_value("cm-2 s-1") == pytest.approx(7.5e-12, rel=1e-12)
    with pytest.raises(TypeError, match="evaluate takes"):

        class Wrong(SpectralModel):
            tag = "wrong-of-a-test"
            amplitude = Parameter("amplitude", "1e-12 cm-2 s-1 TeV-1")

            @staticmethod
            def evaluate(energy, norm):
                return norm

    with pytest.raises(ValueError, match="is taken by"):

        class Taken(SpectralModel):
            tag = "pl"
            amplitude = Parameter("amplitude", "1e-12 cm-2 s-1 TeV-1")

            @staticmethod
            def evaluate(energy, amplitude):
                return amplitude

    assert get_model_class("pl", "spectral").__name__ == "PowerLawSpectralModel"


def test_evaluate_broadcasts_and_compiles_once():
    cls = get_model_class("pl", "spectral")
    energy = np.array([[1.0], [2.0]])
    values = evaluate(cls.evaluate, energy, np.array([1.0, 2.0, 3.0]), 1.0, 1.0)
    np.testing.assert_allclose(values, energy ** -np.array([1.0, 2.0, 3.0]), rtol=1e-14)
