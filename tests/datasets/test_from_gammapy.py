"""Datasets and models of Gammapy in memory: stand-ins that answer as Gammapy does; the real ones in `tests/beside`."""

import sys
import types

import numpy as np
import pytest

from bayesmap import FoVBackgroundModel, MapDataset, Models, Prior, SkyModel
from bayesmap.datasets import from_gammapy
from bayesmap.errors import FormatError, ModelFileError
from bayesmap.inference import default_priors
from bayesmap.inference.listing import as_dataset, as_datasets
from bayesmap.maps import Map, MapAxis, WcsGeom
from bayesmap.modeling import TemplateSpatialModel
from bayesmap.modeling.files.yaml import component_to_dict

AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)


class TheirModel:
    """Answers as Gammapy's `SkyModel` and `FoVBackgroundModel`."""

    def __init__(self, own, links=None):
        self._own, self._links = own, links or {}
        for kind, part in own.parts.items():
            setattr(self, f"{kind}_model", part)

    def to_dict(self, full_output=False):
        data = component_to_dict(self._own, full_output, self._links, {})
        for kind in self._own.parts:
            for parameter in data[kind]["parameters"]:
                parameter["value"] = np.float64(parameter["value"])  # theirs are not Python's
        return data


class TheirModels(list):
    """Answers as Gammapy's `Models`."""

    labelled = 0
    matrix = np.zeros((0, 0))

    def update_link_label(self):
        type(self).labelled += 1

    @property
    def covariance(self):
        return types.SimpleNamespace(data=self.matrix)


class TheirDataset:
    """Answers as Gammapy's `MapDataset`."""

    tag = "MapDataset"

    def __init__(self, own, models):
        self._own, self.name, self.models = own, own.name, models

    def stat_sum(self):
        raise AssertionError("not asked for")

    def to_hdulist(self):
        return self._own.to_hdulist()


def cube(name):
    geom = WcsGeom.create(npix=4, binsz=0.1, axes=[AXIS])
    data = np.arange(32.0).reshape(geom.data_shape)
    background = Map.from_geom(geom, data=data + 1, unit="")
    return MapDataset(counts=Map.from_geom(geom, data=data, unit=""), background=background, name=name)


@pytest.fixture
def pair():
    """Two datasets that share a source with a prior, and link an index."""
    one, two = SkyModel.create("pl", "point", name="one"), SkyModel.create("pl", "gauss", name="two")
    one.spectral_model.index.prior = Prior("Normal", mu=2.3, sigma=0.2)
    two.spectral_model.index = one.spectral_model.index
    two.spatial_model.lon_0.frozen = True
    links = {one.spectral_model.index: "index@1"}
    shared = TheirModel(one, links)
    backgrounds = [TheirModel(FoVBackgroundModel(dataset_name=name)) for name in "ab"]
    return [
        TheirDataset(cube("a"), TheirModels([shared, TheirModel(two, links), backgrounds[0]])),
        TheirDataset(cube("b"), TheirModels([shared, backgrounds[1]])),
    ]


def test_everything_is_carried_over(pair):
    a, b = from_gammapy(pair)
    assert (a.name, b.name) == ("a", "b")
    np.testing.assert_array_equal(a.counts.data, cube("a").counts.data)
    np.testing.assert_array_equal(b.background.data, cube("b").background.data)
    assert a.models.names == ["one", "two", "a-bkg"]
    assert b.models.names == ["one", "b-bkg"]
    assert a.models["one"] is b.models["one"]
    assert a.models["two"].spectral_model.index is a.models["one"].spectral_model.index
    assert a.models["one"].spectral_model.index.prior == Prior("Normal", mu=2.3, sigma=0.2)
    assert a.models["two"].spatial_model.lon_0.frozen
    assert a.models["one"] is not pair[0].models[0]._own


def test_where_datasets_are_taken(pair):
    assert [d.name for d in as_datasets(pair)] == ["a", "b"]
    assert [type(d) for d in as_datasets(pair[0])] == [MapDataset]
    assert isinstance(as_dataset(pair[1]), MapDataset)
    own = cube("own")
    assert as_dataset(own) is own
    pair[1].models = TheirModels([pair[1].models[1]])
    assert set(default_priors(pair[1])) == {"b-bkg.norm"}
    with pytest.raises(ValueError, match=r"the datasets \['own'\] are bayesmap's, others are not"):
        as_datasets([own, pair[0]])


@pytest.mark.parametrize("filename", [None, "mine.fits"])
def test_template_in_memory(filename):
    geom = WcsGeom.create(npix=4, binsz=0.1)
    data = np.arange(16.0).reshape(4, 4)
    template = TemplateSpatialModel(Map.from_geom(geom, data=data, unit="sr-1"), normalize=False, filename="any.fits")
    model = TheirModel(SkyModel.create("pl").copy(name="source", spatial_model=template))
    template.filename = filename or "any.fits"
    (got,) = from_gammapy(TheirDataset(cube("a"), TheirModels([model])))
    np.testing.assert_array_equal(got.models["source"].spatial_model.map.data, data)
    assert got.models["source"].spatial_model.filename == template.filename


def test_no_models():
    (got,) = from_gammapy(TheirDataset(cube("a"), None))
    assert not got.models


def test_what_cannot_be_carried(pair):
    pair[0].tag = "CubeDataset"
    with pytest.raises(TypeError, match=r"dataset 'a' is a CubeDataset, which has no counterpart.*MapDataset"):
        from_gammapy(pair)
    pair[0].tag = "MapDataset"
    pair[0].to_hdulist = lambda: [][1]
    with pytest.raises(FormatError, match=r"dataset 'a' cannot be taken over, since Gammapy cannot put it into HDUs"):
        from_gammapy(pair)
    own = pair[1].models[0]
    own.to_dict = lambda full_output=False: {"name": "x", "type": "SkyModel", "spectral": {"type": "MySpectrum"}}
    with pytest.raises(ModelFileError, match="MySpectrum"):
        from_gammapy(pair[1])


def test_to_gammapy_without_gammapy(monkeypatch):
    for name in ["gammapy", *(name for name in sys.modules if name.startswith("gammapy."))]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="to_gammapy needs Gammapy"):
        Models([SkyModel.create("pl", "point")]).to_gammapy()
