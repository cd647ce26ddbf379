"""Misspelt attributes are errors; constructors, subclasses and copies work as ever."""

import copy
import inspect
import pickle

import pytest

from bayesmap import Datasets, FluxPointsDataset, MapDataset, Models
from bayesmap._util import KnownAttributes
from bayesmap.estimators import FluxPoints
from bayesmap.irf import EDispKernelMap, PSFMap
from bayesmap.maps import Map, MapAxis, WcsGeom
from bayesmap.modeling import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    Parameter,
    PowerLawSpectralModel,
    SineTemporalModel,
    SkyModel,
    SpectralModel,
)
from tests.estimators.test_flux_points import table

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
TRUE = ENERGY.rename("energy_true")
GEOM = WcsGeom.create(npix=3, axes=[ENERGY])


def points():
    return FluxPoints.from_table(table())


CASES = {
    "parameter": (lambda: Parameter("index", 2), "frozn", "frozen"),
    "spectrum": (PowerLawSpectralModel, "amplitud", "amplitude"),
    "shape": (GaussianSpatialModel, "sigmaa", "sigma"),
    "time": (SineTemporalModel, "tref", "t_ref"),
    "compound": (lambda: PowerLawSpectralModel() + PowerLawSpectralModel(), "operater", "operator"),
    "source": (lambda: SkyModel(PowerLawSpectralModel()), "spatialmodel", "spatial_model"),
    "background": (lambda: FoVBackgroundModel(dataset_name="d"), "dataset_names", "datasets_names"),
    "models": (Models, "parametrs", "parameters"),
    "map": (lambda: Map.from_geom(GEOM), "dta", "data"),
    "geometry": (lambda: GEOM, "axs", "axes"),
    "axis": (lambda: ENERGY, "nam", "name"),
    "psf": (lambda: PSFMap.from_gauss(TRUE, sigma="0.1 deg"), "psfmap", "psf_map"),
    "edisp": (lambda: EDispKernelMap.from_diagonal_response(ENERGY, TRUE), "edispmap", "edisp_map"),
    "flux points": (points, "mta", "meta"),
    "dataset": (lambda: MapDataset.create(GEOM), "mask_fitt", "mask_fit"),
    "flux points dataset": (lambda: FluxPointsDataset(data=points()), "mask_saf", "mask_safe"),
    "datasets": (Datasets, "modls", "models"),
}


@pytest.mark.parametrize("case", CASES)
def test_misspelt(case):
    make, name, meant = CASES[case]
    made = make()
    message = f"{type(made).__name__} has no attribute '{name}' \\(did you mean '{meant}'\\?\\)"
    for one in (made, copy.copy(made), copy.deepcopy(made)):
        with pytest.raises(AttributeError, match=message):
            setattr(one, name, 3)
        assert name not in vars(one)


def test_after_pickling():
    model = pickle.loads(pickle.dumps(SkyModel(PowerLawSpectralModel(), GaussianSpatialModel(), name="s")))
    with pytest.raises(AttributeError, match="did you mean 'frame'"):
        model.spatial_model.fram = "galactic"


class Own(SpectralModel):
    """A model of a user, with attributes of its own."""

    index = Parameter("index", 2)
    weight: float

    def __init__(self, table=(), **values):
        self.table = table
        super().__init__(**values)
        self.size = len(table)

    @staticmethod
    def evaluate(energy, index):
        return energy**-index


class Later(Own):
    """A subclass that adds another one after the first constructor."""

    def __init__(self, **values):
        super().__init__(**values)
        self.later = True


def test_attributes_of_subclasses():
    for cls in (Own, Later):
        model = cls(table=[1, 2])
        model.table, model.size, model.weight, model._cache = [3], 1, 0.5, None
        assert (model.table, model.size, model.weight) == ([3], 1, 0.5)
        with pytest.raises(AttributeError, match="did you mean 'weight'"):
            model.wight = 1
    assert Later().later


def test_a_constructor_that_fails_makes_nothing():
    with pytest.raises(TypeError, match="has no parameter 'indx'"):
        Own(indx=3)


def test_signatures_are_those_of_constructors():
    """Help and completion show arguments, not ``*args``."""
    assert list(inspect.signature(Own).parameters) == ["table", "values"]
    assert next(iter(inspect.signature(MapDataset).parameters)) == "models"
    assert issubclass(type(MapDataset), type(KnownAttributes))
