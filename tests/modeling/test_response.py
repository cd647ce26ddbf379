"""Response models: formulas, files, and what they are members of."""

import astropy.units as u
import numpy as np
import pytest

from bayesmap.errors import ModelFileError
from bayesmap.modeling import (
    EnergyScaleResponseModel,
    ExposureScaleResponseModel,
    IRFModel,
    Models,
    PowerLawSpectralModel,
    Prior,
    PSFScaleResponseModel,
    ResponseModel,
    SkyModel,
    get_model_class,
)
from bayesmap.modeling.roles import part_of, role_of

EDGES = np.geomspace(0.1, 100, 7)


def all_three():
    return [
        IRFModel(EnergyScaleResponseModel(scale=1.1), ["one", "two"], name="energies"),
        IRFModel(ExposureScaleResponseModel(scale=0.9, tilt=0.1), "one", name="exposure"),
        IRFModel(PSFScaleResponseModel(scale=1.05), name="psf"),
    ]


def number(expression):
    return expression.eval() if hasattr(expression, "eval") else expression


def test_what_each_changes():
    energy, exposure, psf = (model.response_model for model in all_three())
    np.testing.assert_allclose(number(energy.edges_graph(EDGES, energy.values)), EDGES / 1.1, rtol=1e-15)
    flux, matrix = np.arange(7.0), np.eye(7)
    assert energy.flux_graph(flux, EDGES, energy.values) is flux
    assert energy.psf_widths() is None
    assert energy.dispersion_graph(matrix, EDGES, EDGES, energy.values) is matrix
    factor = number(exposure.flux_graph(flux, EDGES, exposure.values))
    np.testing.assert_allclose(factor, flux * 0.9 * EDGES**0.1, rtol=1e-14)
    assert exposure.edges_graph(EDGES, exposure.values) is EDGES
    assert number(psf.psf_width_graph(psf.values)) == 1.05


def test_widths_and_the_present_one_are_defined_together():
    with pytest.raises(TypeError, match="Half has to define psf_widths and psf_width_graph together"):
        type("Half", (ResponseModel,), {"psf_widths": lambda self: np.array([1.0, 2.0])})


def test_widths_cover_the_prior():
    psf = PSFScaleResponseModel()
    assert psf.psf_widths().tolist() == [1.0, 1.001], "without a prior nothing is known"
    psf.scale.prior = Prior("LogNormal", mu=0.0, sigma=0.1)
    widths = psf.psf_widths()
    np.testing.assert_allclose(np.log(widths[[0, -1]]), [-0.309, 0.309], rtol=1e-3)
    assert np.diff(np.log(widths)).max() < 0.06
    psf.scale.prior = Prior("Normal", mu=1.0, sigma=1.0)
    assert psf.psf_widths()[0] == 0.1
    psf.scale.frozen = True
    assert psf.psf_widths()[0] == 1.0


@pytest.mark.parametrize("cls", [EnergyScaleResponseModel, ExposureScaleResponseModel, PSFScaleResponseModel])
def test_defaults_leave_the_response_alone(cls):
    model = cls()
    np.testing.assert_array_equal(number(model.edges_graph(EDGES, model.values)), EDGES)
    assert np.all(number(model.flux_graph(1.0, EDGES, model.values)) == 1)
    assert model.psf_widths() is None or number(model.psf_width_graph(model.values)) == 1
    assert get_model_class(cls.tag[1], "response") is cls
    assert role_of(model.scale, model) == "calibration"
    assert part_of(IRFModel(model), model.scale) is model


def test_energy_scale_moves_a_power_law_as_its_closed_form_says():
    """Counts between measured energies are those between true ones: of a power law they change by s to index - 1."""
    spectrum = PowerLawSpectralModel(index=2.6)
    model = EnergyScaleResponseModel(scale=1.2)
    low, high = (edges * u.TeV for edges in np.split(np.repeat(EDGES, 2)[1:-1].reshape(-1, 2), 2, axis=1))
    moved = [number(model.edges_graph(edge.value, model.values)) * u.TeV for edge in (low, high)]
    ratio = (spectrum.integral(*moved) / spectrum.integral(low, high)).to_value("")
    np.testing.assert_allclose(ratio, 1.2**1.6, rtol=1e-12)


def test_round_trip_with_links_and_priors():
    models = Models([SkyModel.create("pl", "point", name="crab"), *all_three()])
    scale = models["energies"].response_model.scale
    scale.prior = Prior("LogNormal", mu=0.0, sigma=0.1)
    models["exposure"].response_model.scale = scale
    text = models.to_yaml()
    data = models.to_dict()
    assert [component["name"] for component in data["components"]] == ["crab"], "what Gammapy knows"
    assert [component["name"] for component in data["bayesmap"]["instrument"]] == ["energies", "exposure", "psf"]
    again = Models.from_yaml(text)
    assert again.names == models.names
    assert again.to_yaml() == text
    assert again["exposure"].response_model.scale is again["energies"].response_model.scale
    assert again["energies"].response_model.scale.prior == scale.prior
    assert again["energies"].datasets_names == ["one", "two"]
    assert again["psf"].datasets_names is None


def test_components_may_stand_among_the_others():
    models = Models.from_yaml(
        "components:\n- {name: scale, type: irf, datasets_names: hess, response: {type: energy-scale}}\n"
    )
    assert isinstance(models["scale"].response_model, EnergyScaleResponseModel)


@pytest.mark.parametrize(
    ("component", "message"),
    [
        ("{name: a, type: IRFModel}", "response"),
        ("{name: a, type: IRFModel, spectral: {type: pl}, response: {type: psf-scale}}", "IRFModel has no spectral"),
        ("{name: a, type: IRFModel, response: {type: psf-scal}}", "did you mean 'psf-scale'"),
    ],
)
def test_bad_files_are_named(component, message):
    with pytest.raises(ModelFileError, match=message):
        Models.from_yaml(f"components: []\nbayesmap:\n  instrument:\n  - {component}\n")


def test_a_part_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="IRFModel 'a': response_model must be a ResponseModel"):
        IRFModel(PowerLawSpectralModel(), name="a")
    with pytest.raises(TypeError, match="IRFModel 'a' needs a response model"):
        IRFModel(None, name="a")


def test_a_copy_has_parameters_of_its_own():
    model = all_three()[0]
    other = model.copy(name="other", datasets_names="three")
    assert (other.name, other.datasets_names) == ("other", ["three"])
    other.response_model.scale.value = 2
    assert model.response_model.scale.value == 1.1


def test_freeze():
    models = Models(all_three())
    models.freeze("response")
    assert models.frozen
    models.unfreeze("response")
    assert [p.name for p in models.parameters if not p.frozen] == ["scale"] * 3
