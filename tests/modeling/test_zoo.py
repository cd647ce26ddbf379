"""The model files that come with the package: each is read, compiled, tried at draws from its priors and recovered."""

import functools

import astropy.units as u
import numpy as np
import pytest
import yaml

from bayesmap._zoo_entries import zoo_entry, zoo_folder, zoo_names
from bayesmap.inference import compile_fit
from bayesmap.modeling import FoVBackgroundModel, Models
from tests.modeling.zoo_data import link_data, models_of, simulate
from tests.recovery import quick_compilation

NAMES = zoo_names()


@pytest.fixture(autouse=True)
def _data_folder(tmp_path_factory, monkeypatch):
    """A folder like that of Gammapy's data, with what the zoo needs."""
    folder = tmp_path_factory.getbasetemp() / "gammapy-data"
    link_data(folder)
    monkeypatch.setenv("GAMMAPY_DATA", str(folder))


@functools.cache
def fit_of(name):
    """The compiled analysis of simulated data."""
    with quick_compilation():
        fit = compile_fit(simulate(name, models_of(name)))
        assert fit._any_density.size
    return fit


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_documented_and_has_priors(name):
    metadata = yaml.safe_load((zoo_folder() / f"{name}.yaml").read_text())["metadata"]
    assert metadata.keys() - {"needs"} == {"title", "description", "reference", "adapt"}
    assert "," not in name
    models = models_of(name)
    for parameter, label in models.parameter_names.items():
        assert parameter.frozen or parameter.prior is not None, label
    # the values of the file are inside what its priors expect
    for parameter in models.parameters.free_unique:
        low, high = parameter.prior.interval(0.9, parameter.unit)
        assert low < parameter.value < high, parameter.name
    assert Models.from_yaml(models.to_yaml()).to_yaml() == models.to_yaml()


@pytest.mark.parametrize("name", NAMES)
def test_density_and_gradient_are_finite_over_the_priors(name):
    density = fit_of(name)._any_density
    # variables of order one: the transform of each prior puts its median at zero
    rng = np.random.default_rng(4)
    for theta in (density.start, *rng.normal(size=(4, density.size))):
        value, gradient = density(theta)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()
        assert np.any(gradient != 0)


@pytest.mark.parametrize("name", NAMES)
def test_mode_of_simulated_data(name):
    fit = fit_of(name)
    mode = fit.find_mode(searches=1)
    for label, parameter in fit.parameters.items():
        if parameter.frozen:
            continue
        pull = (mode.values[label] - parameter.value) / mode.errors[label]
        assert abs(pull) < 5, (label, pull)


def test_background_models_need_their_dataset():
    (model,) = Models.from_zoo("fov-background-tilt", dataset_name="cta")
    assert isinstance(model, FoVBackgroundModel)
    assert (model.name, model.datasets_names) == ("cta-bkg", ["cta"])
    assert not model.spectral_model.tilt.frozen
    with pytest.raises(ValueError, match="pass the dataset_name"):
        Models.from_zoo("fov-background-norm")


def test_each_of_several_datasets_gets_a_background_and_they_share_hyperparameters():
    models = Models.from_zoo("fov-background-runs", dataset_name=["a", "b", "c"])
    assert models.names == ["a-bkg", "b-bkg", "c-bkg"]
    assert len(models.parameters.free_unique) == 6
    assert list(models.hyperparameters) == ["run_tilt", "run_norm", "run_scatter"]


def test_energy_scale_moves_the_spectrum():
    spectrum = Models.from_zoo("crab-energy-scale")[0].spectral_model.copy()
    energy = [0.3, 1, 10] * u.TeV
    known = Models.from_zoo("crab")[0].spectral_model
    np.testing.assert_allclose(spectrum(energy).value, known(energy).to_value(spectrum(energy).unit), rtol=1e-12)
    spectrum.model2.reference.value = 1.1
    expected = known(energy / 1.1) / 1.1
    np.testing.assert_allclose(spectrum(energy).value, expected.to_value(spectrum(energy).unit), rtol=1e-12)


def test_isotropic_intensity_is_the_published_one():
    spectrum = Models.from_zoo("fermi-isotropic")[0].spectral_model
    assert spectrum.integral(0.1 * u.GeV, 1 * u.TeV).to_value("cm-2 s-1") == pytest.approx(7.2e-6, rel=0.01)


def test_missing_data_files_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("GAMMAPY_DATA", str(tmp_path))
    assert zoo_entry("fermi-diffuse").missing == ["$GAMMAPY_DATA/fermi_3fhl/gll_iem_v06_cutout.fits"]
    with pytest.raises(FileNotFoundError, match=r"needs the data file\(s\) \$GAMMAPY_DATA/fermi_3fhl"):
        Models.from_zoo("fermi-diffuse")


def test_unknown_name():
    with pytest.raises(KeyError, match="did you mean 'crab'"):
        Models.from_zoo("crap")
