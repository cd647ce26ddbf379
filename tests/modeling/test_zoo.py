"""The model files that come with the package: each is read, compiled, tried at draws from its priors and recovered."""

import functools

import astropy.units as u
import numpy as np
import pytensor
import pytest
import yaml

from bayesmap.datasets import Datasets, MapDataset
from bayesmap.inference import compile_fit
from bayesmap.irf import EDispKernelMap, PSFMap
from bayesmap.maps import Map, MapAxis, WcsGeom
from bayesmap.modeling import FoVBackgroundModel, Models
from bayesmap.modeling.zoo import _folder, zoo_entry, zoo_names
from tests.golden import shared_path

NAMES = zoo_names()
NPIX, N_ENERGY, COUNTS, LEVEL = 16, 3, 4000, 0.5
#: files of Gammapy's data that models need, and what the tests put in their place
DATA = {
    "ebl/ebl_dominguez11.fits.gz": ("models", "ebl_dominguez11.fits.gz"),
    "fermi_3fhl/gll_iem_v06_cutout.fits": ("fermi-3fhl-crab", "Fermi-LAT-3FHL_iem.fits"),
}
#: energies of the simulated data, where they are not 0.3 to 30 TeV
ENERGIES = {
    "fermi-diffuse": ("15 GeV", "500 GeV"),
    "fermi-isotropic": ("0.1 GeV", "500 GeV"),
    "geminga-halo": ("5 TeV", "60 TeV"),
    "vela-pulsar": ("0.1 GeV", "50 GeV"),
}


@pytest.fixture(autouse=True)
def _data_folder(tmp_path_factory, monkeypatch):
    """A folder like that of Gammapy's data, with what the zoo needs."""
    folder = tmp_path_factory.getbasetemp() / "gammapy-data"
    for name, parts in DATA.items():
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(shared_path("data", *parts))
    monkeypatch.setenv("GAMMAPY_DATA", str(folder))


def datasets_of(name):
    """The datasets that a file is tried on: two runs for backgrounds, else one."""
    return ["run1", "run2"] if name.startswith("fov-background") else ["d"]


@functools.cache
def models_of(name):
    """The models of a file. Do not change them."""
    return Models.from_zoo(name, dataset_name=datasets_of(name))


def field(models):
    """Centre and width of a field that holds the sources."""
    shapes = [m.spatial_model for m in models if m.spatial_model is not None]
    shapes = [s for s in shapes if s.position is not None]
    if not shapes:
        return WcsGeom.create(skydir=(0, 0), npix=NPIX, binsz=0.1, frame="galactic")
    centre = shapes[0].position
    reach = [centre.separation(s.position).deg + min(s.evaluation_radius.to_value("deg"), 5) for s in shapes]
    width = 2 * max(0.5, *reach, 0)
    return WcsGeom.create(skydir=centre, npix=NPIX, binsz=width / NPIX, frame=shapes[0].frame)


def simulate(name, models):
    """Small datasets with counts drawn from the models at the values of the file."""
    low, high = (u.Quantity(e) for e in ENERGIES.get(name, ("0.3 TeV", "30 TeV")))
    axis = MapAxis.from_energy_bounds(low, high, nbin=N_ENERGY, name="energy")
    true = MapAxis.from_energy_bounds(low, high, nbin=2 * N_ENERGY, name="energy_true")
    image = field(models)
    geom, geom_true = image.to_cube([axis]), image.to_cube([true])
    level = LEVEL * 0.6 ** np.arange(N_ENERGY)[:, None, None] * np.ones(geom.data_shape)
    pixel = image.pixel_scales.max()
    datasets = [
        MapDataset(
            counts=Map.from_geom(geom, data=np.zeros(geom.data_shape), unit=""),
            background=Map.from_geom(geom, data=level, unit=""),
            exposure=Map.from_geom(geom_true, data=np.ones(geom_true.data_shape), unit="m2 s"),
            psf=PSFMap.from_gauss(true, sigma=np.ones(2 * N_ENERGY) * pixel),
            edisp=EDispKernelMap.from_gauss(axis, true, sigma=0.1, bias=0.0),
            name=dataset_name,
        )
        for dataset_name in datasets_of(name)
    ]
    for i, dataset in enumerate(datasets):
        dataset.models = [m for m in models if m.datasets_names in (None, [dataset.name])]
        if any(m.spatial_model is not None for m in dataset.models):
            # one prediction for the exposure that gives enough counts and for the counts
            signal = dataset.npred_signal().data
            factor = COUNTS / signal.sum()
            dataset.exposure = dataset.exposure * factor
            drawn = np.random.default_rng(i).poisson(signal * factor + level)
            dataset.counts = Map.from_geom(geom, data=drawn.astype("float64"), unit="")
        else:
            dataset.fake(random_state=i)
    return Datasets(datasets)


@functools.cache
def fit_of(name):
    """The compiled analysis of simulated data."""
    # graphs that do not note where each node was made are built faster
    with pytensor.config.change_flags(traceback__limit=0):
        fit = compile_fit(simulate(name, models_of(name)))
        assert fit._any_density.size
    return fit


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_documented_and_has_priors(name):
    metadata = yaml.safe_load((_folder() / f"{name}.yaml").read_text())["metadata"]
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
