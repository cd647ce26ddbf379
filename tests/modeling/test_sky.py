"""Sky and background models and their collection."""

import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from astropy.wcs import WCS

from bayesmap.maps import Map, MapAxis, WcsGeom
from bayesmap.modeling import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    LogParabolaSpectralModel,
    Models,
    PointSpatialModel,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
    TemplateNPredModel,
    get_model_class,
    parameter_names,
)
from tests.golden import golden
from tests.modeling.helpers import quantity


@pytest.mark.parametrize("name", ["pl_gauss", "ecpl_point"])
def test_golden(name):
    values = golden("models")[f"skymodel/{name}"]
    tags = name.split("_")
    model = SkyModel.create(*tags, name=name.replace("_", "-"))
    model.spatial_model.frame = "galactic"
    for stored in values["parameters"]:
        model.parameters[stored["name"]].quantity = u.Quantity(stored["value"], stored["unit"])
    stored = values["evaluate_geom"]
    axis = MapAxis.from_energy_edges(_edges(values), name="energy_true")
    geom = WcsGeom(WCS(_header(values)), tuple(stored.data.shape[:0:-1]), axes=[axis])
    result, expected = model.evaluate_geom(geom), quantity(stored)
    atol = 1e-7 * expected.value.max()
    np.testing.assert_allclose(result.to_value(expected.unit), expected.value, rtol=1e-8, atol=atol)
    result, expected = model.integrate_geom(geom), quantity(values["integrate_geom"])
    # numerical integrals over energy of Gammapy: 1e-3
    np.testing.assert_allclose(
        result.quantity.to_value(expected.unit), expected.value, rtol=2e-3, atol=1e-2 * expected.value.max()
    )
    assert result.quantity.sum().to_value(expected.unit) == pytest.approx(expected.value.sum(), rel=1e-3)


def _edges(values):
    axes = values["integrate_geom"].axes
    return axes[0]["edges"] * u.Unit(axes[0]["unit"])


def _header(values):
    return values["integrate_geom"].wcs["header"]


def test_create_and_parts():
    model = SkyModel.create("pl", "point", name="source")
    assert isinstance(model.spectral_model, PowerLawSpectralModel)
    assert isinstance(model.spatial_model, PointSpatialModel)
    assert model.name == "source"
    assert model.frame == "icrs"
    assert model.position == model.spatial_model.position
    assert model.parameters.names == ["index", "amplitude", "reference", "lon_0", "lat_0"]
    assert model.apply_irf == {"exposure": True, "psf": True, "edisp": True}
    assert SkyModel(PowerLawSpectralModel()).evaluation_radius is None
    assert "PowerLawSpectralModel" in str(model)
    value = SkyModel.create("pl", "gauss").evaluate(0 * u.deg, 0 * u.deg, 1 * u.TeV)
    assert value.unit.is_equivalent("cm-2 s-1 TeV-1 sr-1")


def test_freeze_and_unfreeze():
    model = SkyModel.create("pl", "gauss", name="a")
    model.freeze("spatial")
    assert [p.name for p in model.parameters.free_parameters] == ["index", "amplitude"]
    model.freeze()
    assert model.frozen
    model.unfreeze("spatial")
    assert [p.name for p in model.parameters.free_parameters] == ["lon_0", "lat_0", "sigma"]
    with pytest.raises(ValueError, match="model_type must be one of"):
        model.freeze("spectrum")


def test_copies_are_independent():
    model = SkyModel.create("pl", "gauss", name="a", datasets_names=["d"], apply_irf={"psf": False})
    new = model.copy(name="b")
    new.spectral_model.index.value = 3
    assert model.spectral_model.index.value == 2
    assert (new.name, new.datasets_names, new.apply_irf["psf"]) == ("b", ["d"], False)
    assert model.copy().name != "a"
    background = FoVBackgroundModel(dataset_name="d")
    assert background.copy(dataset_name="e").name == "e-bkg"
    assert background.copy(name="x").datasets_names == ["d"]


def test_background_model():
    model = FoVBackgroundModel(dataset_name="d")
    assert (model.name, model.datasets_names) == ("d-bkg", ["d"])
    assert [p.name for p in model.parameters.free_parameters] == ["norm"]
    assert FoVBackgroundModel(datasets_names=["d"], name="x").name == "x"
    with pytest.raises(ValueError, match="exactly one dataset"):
        FoVBackgroundModel()
    with pytest.raises(ValueError, match="exactly one dataset"):
        FoVBackgroundModel(datasets_names=["a", "b"])
    with pytest.raises(ValueError, match="dimensionless spectral model"):
        FoVBackgroundModel(spectral_model=PowerLawSpectralModel(), dataset_name="d")


def counts_map(value=2.0, name="energy"):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2, name=name)
    geom = WcsGeom.create(npix=(3, 4), axes=[axis])
    return Map.from_geom(geom, data=np.full(geom.data_shape, value))


def test_template_of_counts():
    model = TemplateNPredModel(counts_map(), name="t")
    model.spectral_model.norm.value = 1.5
    model.spectral_model.tilt.value = 1.0
    center = model.map.geom.axes["energy"].center.value
    np.testing.assert_allclose(model.evaluate().data[:, 0, 0], 3 / center, rtol=1e-6)
    np.testing.assert_allclose(model.map.data, 2)
    assert model.copy(name="u").map is model.map
    with pytest.raises(ValueError, match="needs an axis 'energy'"):
        TemplateNPredModel(counts_map(name="energy_true"))
    with pytest.raises(ValueError, match="finite and not negative"):
        TemplateNPredModel(counts_map(-1))
    with pytest.raises(ValueError, match="has no filename"):
        model.to_dict()


def test_template_of_counts_in_a_file(tmp_path):
    model = TemplateNPredModel(counts_map(), name="t", filename=tmp_path / "t.fits")
    models = Models([model])
    models.write(tmp_path / "models.yaml", write_templates=True)
    (new,) = Models.read(tmp_path / "models.yaml")
    np.testing.assert_allclose(new.map.data, model.map.data)
    (tmp_path / "t.fits").unlink()
    with pytest.raises(ValueError, match=r"components\[0\].filename"):
        Models.read(tmp_path / "models.yaml")


def test_wrong_parts():
    with pytest.raises(TypeError, match="spectral_model must be a SpectralModel"):
        SkyModel(PointSpatialModel())
    with pytest.raises(TypeError, match="needs a spectral model"):
        SkyModel(None)
    with pytest.raises(TypeError, match="spatial_model must be a SpatialModel"):
        SkyModel(PowerLawSpectralModel(), PowerLawSpectralModel())
    with pytest.raises(ValueError, match="apply_irf has no key 'pfs'"):
        SkyModel(PowerLawSpectralModel(), apply_irf={"pfs": True})
    with pytest.raises(ValueError, match="must not be empty or contain '/'"):
        SkyModel(PowerLawSpectralModel(), name="a/b")
    with pytest.raises(TypeError, match="datasets_names must be strings"):
        SkyModel(PowerLawSpectralModel(), datasets_names=[1])
    with pytest.raises(ValueError, match="unknown spectral model 'ppl'"):
        SkyModel.create("ppl")


def test_names_of_random_variables():
    one = SkyModel(LogParabolaSpectralModel(), GaussianSpatialModel(), name="one")
    two = SkyModel(PowerLawSpectralModel(), PointSpatialModel(), name="two")
    two.spectral_model.index = one.spectral_model.alpha
    names = parameter_names([one, two])
    assert names[one.spectral_model.alpha] == "one.alpha"
    assert names[two.spectral_model.amplitude] == "two.amplitude"
    assert len(names) == len(Models([one, two]).parameters.unique_parameters)
    assert len(set(names.values())) == len(names)


def test_names_where_two_parts_share_one():
    background = FoVBackgroundModel(
        spectral_model=get_model_class("lp-norm", "spectral")(), spatial_model=GaussianSpatialModel(), dataset_name="d"
    )
    spatial = background.spatial_model
    spatial.__class__ = type("Same", (GaussianSpatialModel,), {})
    spatial.__dict__["alpha"] = spatial.sigma
    type(spatial).parameter_names = ("alpha",)
    names = parameter_names([background])
    assert names[background.spectral_model.alpha] == "d-bkg.spectral.alpha"
    assert names[spatial.sigma] == "d-bkg.spatial.alpha"
    assert names[background.spectral_model.norm] == "d-bkg.norm"


def collection():
    return Models(
        [
            SkyModel.create("pl", "point", name="a", datasets_names=["d1"]),
            SkyModel.create("ecpl", "gauss", name="b"),
            FoVBackgroundModel(dataset_name="d1"),
            FoVBackgroundModel(dataset_name="d2"),
        ]
    )


def test_collection():
    models = collection()
    assert models.names == ["a", "b", "d1-bkg", "d2-bkg"]
    assert models["b"] is models[1]
    assert models[models["b"]] is models[1]
    assert models[1:].names == ["b", "d1-bkg", "d2-bkg"]
    assert "a" in models
    assert models["a"] in models
    assert (models + SkyModel.create("pl", name="c")).names[-1] == "c"
    assert (models["a"] + models["b"]).names == ["a", "b"]
    del models["a"]
    models[0] = models[0].copy(name="b")
    assert models.names == ["b", "d1-bkg", "d2-bkg"]
    models.insert(0, SkyModel.create("pl", name="first"))
    assert models.index("first") == 0
    assert len(Models()) == 0
    assert len(Models(models[0])) == 1
    assert "Component 0" in str(models)
    assert list(models.to_parameters_table()["model"][:3]) == ["first"] * 3


def test_selection():
    models = collection()
    assert models.select(datasets_names="d2").names == ["b", "d2-bkg"]
    assert models.select(tag="fov-bkg").names == ["d1-bkg", "d2-bkg"]
    assert models.select(tag="pl-norm", model_type="spectral").names == ["d1-bkg", "d2-bkg"]
    assert models.select(tag=["pl", "gauss"]).names == ["a", "b"]
    assert models.select(name_substring="bkg", datasets_names=["d1"]).names == ["d1-bkg"]
    models["a"].freeze()
    assert models.select(frozen=True).names == ["a"]
    models.freeze()
    assert models.frozen
    models.unfreeze("spectral")
    assert not models.frozen


def test_duplicate_names_and_wrong_members():
    models = collection()
    with pytest.raises(ValueError, match="already a model called 'a'"):
        models.append(SkyModel.create("pl", name="a"))
    with pytest.raises(ValueError, match="names must be unique"):
        models[1] = SkyModel.create("pl", name="a")
    with pytest.raises(TypeError, match="takes SkyModel, background and IRF models"):
        models.append(PowerLawSpectralModel())
    with pytest.raises(KeyError, match="did you mean 'd1-bkg'"):
        models["d1-bgk"]


def test_collection_copy_keeps_links():
    models = collection()
    models["b"].spectral_model.index = models["a"].spectral_model.index
    new = models.copy()
    assert new["b"].spectral_model.index is new["a"].spectral_model.index
    assert new["b"].spectral_model.index is not models["a"].spectral_model.index
    assert new.names == models.names
    assert set(new.values.values()) == set(models.values.values())
    assert isinstance(models["d1-bkg"].spectral_model, PowerLawNormSpectralModel)


def posterior(names, unit="1e-12 cm-2 s-1 TeV-1"):
    rng = np.random.default_rng(1)
    variables = {name: (("chain", "draw"), 2 + 0.1 * rng.normal(size=(2, 50))) for name in names}
    group = xr.Dataset(variables)
    group["a.amplitude"].attrs["units"] = unit
    stats = xr.Dataset({"lp": (("chain", "draw"), -np.abs(group["a.index"].values - 2))})
    return xr.DataTree.from_dict({"posterior": group, "sample_stats": stats})


def test_values_from_a_posterior():
    models = Models([SkyModel.create("pl", name="a")])
    tree = posterior(["a.index", "a.amplitude"])
    draws = tree["posterior"]["a.index"].values
    index, amplitude = models.parameters["index"], models.parameters["amplitude"]
    models.set_values(tree)
    assert index.value == pytest.approx(draws.mean())
    assert index.error == pytest.approx(draws.std())
    assert amplitude.value == pytest.approx(2e-12, rel=0.05)
    models.set_values(tree, "median")
    assert index.value == pytest.approx(np.median(draws))
    models.set_values(tree, "mode")
    assert index.value == draws.ravel()[np.argmin(np.abs(draws - 2))]
    before = index.value
    with pytest.raises(KeyError, match=r"no variables \['b.index', 'b.amplitude'\]"):
        (models + SkyModel.create("pl", name="b")).set_values(tree)
    with pytest.raises(ValueError, match="statistic must be one of"):
        models.set_values(tree, "best")
    assert index.value == before


def test_plot_of_a_spectrum():
    ax = PowerLawSpectralModel().plot([0.1, 10] * u.TeV)
    assert len(ax.lines) == 1
