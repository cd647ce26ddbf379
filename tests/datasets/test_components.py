import copy
import pickle

import astropy.units as u
import numpy as np
import pytest

from bayesmap.datasets import Component, MapDataset
from bayesmap.errors import GeometryMismatchError
from bayesmap.irf import EDispKernelMap, PSFMap
from bayesmap.maps import Map, MapAxis, WcsGeom


class Location:
    """A stand-in for a map on disk."""

    def __init__(self, value, cache=True):
        self.value, self.cache, self.loads = value, cache, 0

    def load(self):
        self.loads += 1
        return self.value


def test_components_are_documented_and_collected():
    assert list(MapDataset.components) == [
        "mask_safe",
        "mask_fit",
        "counts",
        "background",
        "exposure",
        "psf",
        "edisp",
    ]
    assert isinstance(MapDataset.counts, Component)
    assert "reconstructed energy" in MapDataset.counts.__doc__


def test_lazy_value_is_loaded_once(maps):
    location = Location(maps["counts"])
    dataset = MapDataset(**{**maps, "counts": location})
    assert location.loads == 0
    assert dataset.loaded("counts") is None
    assert dataset.counts is maps["counts"]
    assert dataset.counts is maps["counts"]
    assert location.loads == 1


def test_lazy_value_without_cache_is_loaded_each_time(maps):
    location = Location(maps["counts"], cache=False)
    dataset = MapDataset(**{**maps, "counts": location})
    _ = dataset.counts, dataset.counts
    assert location.loads == 2


def test_lazy_value_is_checked_when_loaded(maps):
    maps["background"].data[:] = -1
    dataset = MapDataset(**{**maps, "background": Location(copy.deepcopy(maps["background"]))})
    with pytest.raises(ValueError, match="background is negative"):
        _ = dataset.background


@pytest.mark.parametrize("name", ["counts", "background", "exposure", "mask_safe", "psf", "edisp"])
def test_wrong_class_is_refused(plain, name):
    with pytest.raises(TypeError, match=rf"dataset 'tiny': {name} must be a .*, got ndarray"):
        setattr(plain, name, np.ones(3))


@pytest.mark.parametrize("name", ["counts", "background", "mask_safe", "mask_fit"])
def test_shape_mismatch_names_dataset_and_both_geometries(plain, geom, name):
    other = WcsGeom.create(skydir=(25.0, 0.0), npix=(5, 5), binsz=0.1, frame="galactic", axes=geom.axes)
    with pytest.raises(GeometryMismatchError, match=rf"dataset 'tiny': {name} has .*\(3, 5, 5\).*\(3, 10, 12\)"):
        setattr(plain, name, Map.from_geom(other, unit="", dtype=bool if "mask" in name else float))


def test_shifted_geometry_of_equal_shape_is_refused(plain, geom):
    other = WcsGeom.create(skydir=(25.3, 0.0), npix=(12, 10), binsz=0.1, frame="galactic", axes=geom.axes)
    with pytest.raises(GeometryMismatchError, match="must be equal"):
        plain.background = Map.from_geom(other, unit="")


def test_other_energies_of_equal_number_are_refused(plain, geom):
    axis = MapAxis.from_energy_bounds("1 TeV", "20 TeV", nbin=3, name="energy")
    with pytest.raises(GeometryMismatchError, match="energy 1 to 20 TeV"):
        plain.background = Map.from_geom(geom.to_image().to_cube([axis]), unit="")


def test_exposure_in_reconstructed_energy_is_refused(plain, geom):
    with pytest.raises(GeometryMismatchError, match="true energy"):
        plain.exposure = Map.from_geom(geom, unit="m2 s")


def test_counts_in_true_energy_are_refused(plain, energy_axis_true, geom):
    with pytest.raises(GeometryMismatchError, match="reconstructed energy"):
        plain.counts = Map.from_geom(geom.to_image().to_cube([energy_axis_true]), unit="")


def test_exposure_on_other_pixels_is_refused(plain, geom, energy_axis_true):
    other = WcsGeom.create(skydir=(25.0, 0.0), npix=(6, 5), binsz=0.2, frame="galactic", axes=[energy_axis_true])
    with pytest.raises(GeometryMismatchError, match="exposure has the sky geometry"):
        plain.exposure = Map.from_geom(other, unit="m2 s")


def test_wrong_units_are_refused(plain):
    with pytest.raises(u.UnitConversionError, match="dataset 'tiny': exposure must have a unit of area times time"):
        plain.exposure = Map.from_geom(plain.exposure.geom, unit="m2")
    with pytest.raises(u.UnitConversionError, match="background must be dimensionless, got TeV"):
        plain.background = Map.from_geom(plain.counts.geom, unit="TeV")


@pytest.mark.parametrize("name", ["background", "exposure", "counts"])
@pytest.mark.parametrize("value", [np.nan, -1.0, np.inf])
def test_impossible_values_are_refused(maps, name, value):
    maps[name].data[0, 2, 3] = value
    with pytest.raises(ValueError, match=rf"dataset 'tiny': {name} is negative or not finite in 1 of .*\(0, 2, 3\)"):
        MapDataset(**maps)


@pytest.mark.parametrize("name", ["background", "exposure", "counts"])
def test_impossible_values_outside_the_safe_mask_are_kept(maps, geom, name):
    safe = np.ones(geom.data_shape, dtype=bool)
    safe[:, 2, 3] = False
    maps[name].data[:, 2, 3] = np.nan
    dataset = MapDataset(**maps, mask_safe=Map.from_geom(geom, data=safe, unit=""))
    assert np.isnan(getattr(dataset, name).data[0, 2, 3])


def test_fractional_counts_warn(plain):
    counts = Map.from_geom(plain.counts.geom, data=np.full(plain.data_shape, 0.5), unit="")
    with pytest.warns(UserWarning, match="dataset 'tiny': counts is not an integer in 360 of 360 bins"):
        plain.counts = counts


def test_mask_must_be_boolean(plain, geom):
    with pytest.raises(ValueError, match="mask_fit must hold booleans, got int64"):
        plain.mask_fit = Map.from_geom(geom, data=np.ones(geom.data_shape, dtype="int64"), unit="")


def test_edisp_axes_must_match(dataset, geom):
    axis = MapAxis.from_energy_bounds("0.6 TeV", "20 TeV", nbin=7, name="energy_true")
    irf = dataset.edisp.edisp_map.geom.to_image()
    other = EDispKernelMap.from_geom(irf.to_cube([geom.axes["energy"], axis]))
    with pytest.raises(GeometryMismatchError, match="axis 'energy_true' of edisp has 7 bins .* exposure has 5 bins"):
        dataset.edisp = other


def test_psf_is_taken_as_given(dataset):
    assert isinstance(dataset.psf, PSFMap)
    dataset.psf = None
    assert dataset.psf is None


def test_dataset_pickles(dataset):
    again = pickle.loads(pickle.dumps(dataset))
    assert again.name == dataset.name
    np.testing.assert_array_equal(again.counts.data, dataset.counts.data)
    np.testing.assert_allclose(again.stat_sum(), dataset.stat_sum(), rtol=1e-12)
