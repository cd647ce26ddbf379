"""Values are passed, never parked: compiling and searching leave the parameters of shared models alone."""

import sys
import threading

import astropy.units as u
import numpy as np
import pytest

from bayesmap.graph import build_terms, fold_arrays, model_at
from bayesmap.inference import compile_fit, default_priors, to_pymc
from bayesmap.inference.listing import prior_centre
from bayesmap.modeling import (
    CompoundSpectralModel,
    DiskSpatialModel,
    GaussianSpatialModel,
    Parameter,
    PowerLawSpectralModel,
    Prior,
    SkyModel,
)
from tests.inference.tiny import LAT, LON, background, make_dataset, point, power_law


def extended(name, shape, **size):
    spatial = shape(lon_0=LON * u.deg, lat_0=LAT * u.deg, frame="galactic", **size)
    spatial.lon_0.prior = Prior("Normal", mu=LON + 0.1, sigma=0.05)
    return SkyModel(spectral_model=power_law(), spatial_model=spatial, name=name)


def several():
    """A point, a Gaussian and a disk, whose priors are centred elsewhere."""
    models = [
        point(),
        extended("gauss", GaussianSpatialModel, sigma=0.1 * u.deg),
        extended("disk", DiskSpatialModel, r_0=0.2 * u.deg),
    ]
    models[0].spatial_model.lon_0.prior = Prior("Normal", mu=LON + 0.1, sigma=0.05)
    models[2].spatial_model.r_0.prior = Prior("LogNormal", mu=np.log(0.1), sigma=0.3)
    return models


def test_no_value_is_set_by_compiling_or_searching(monkeypatch):
    dataset = make_dataset(models=[*several(), background()])
    before = [(p, p.value, p.error, p.frozen) for m in dataset.models for p in m.parameters]
    own, written = {id(p) for p, *_ in before}, []
    setter = Parameter.value.fset

    def watched(parameter, value):
        if id(parameter) in own:
            written.append(parameter.name)
        setter(parameter, value)

    monkeypatch.setattr(Parameter, "value", Parameter.value.setter(watched))
    default_priors(dataset)
    to_pymc(dataset, psf_route={"source": "stamp"})
    compile_fit(dataset).find_mode(searches=1)
    assert not written
    assert [(p, p.value, p.error, p.frozen) for p, *_ in before] == before


def test_datasets_that_share_a_model_compile_in_threads(monkeypatch):
    shared = several()[1]
    datasets = [make_dataset(f"d{i}", models=[shared, background(f"d{i}")]) for i in range(4)]
    for dataset in datasets:
        default_priors(dataset)
    value, interval = shared.spatial_model.lon_0.value, sys.getswitchinterval()
    errors, seen = [], set()

    def compile_one(dataset):
        try:
            to_pymc(dataset)
        except Exception as error:
            errors.append(error)

    def watch(stop):
        while not stop.is_set():
            seen.add(shared.spatial_model.lon_0.value)

    stop = threading.Event()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=compile_one, args=(d,)) for d in datasets]
        watcher = threading.Thread(target=watch, args=(stop,))
        for thread in (watcher, *threads):
            thread.start()
        for thread in threads:
            thread.join()
        stop.set()
        watcher.join()
    finally:
        sys.setswitchinterval(interval)
    assert not errors
    assert seen == {value}


def groups(terms):
    return [group for term in terms for group in getattr(term, "groups", ())]


def test_terms_are_built_where_the_values_are():
    """The same as with the values on the parameters."""
    models = several()
    dataset = make_dataset(models=[*models, background()])
    default_priors(dataset)
    arrays = fold_arrays(dataset)
    centre = prior_centre(models)
    passed = build_terms(arrays, models, at=centre)
    for p, value in centre.items():
        p.value = value / p.scale_to_internal
    parked = build_terms(arrays, models)
    assert passed.routes == parked.routes
    for one, two in zip(groups(passed), groups(parked), strict=True):
        for here, there in zip(one.places, two.places, strict=True):
            np.testing.assert_array_equal(here.matrix, there.matrix)
        assert getattr(one, "area", None) == getattr(two, "area", None)


def test_a_model_at_other_values():
    one, two = PowerLawSpectralModel(index=2.0), PowerLawSpectralModel(index=3.0)
    both = CompoundSpectralModel(one, two, np.add)
    moved = model_at(both, {two.index: 2.5})
    energy = 3 * u.TeV
    expected = one(energy) + PowerLawSpectralModel(index=2.5)(energy)
    assert moved(energy).to_value("cm-2 s-1 TeV-1") == pytest.approx(expected.to_value("cm-2 s-1 TeV-1"), rel=1e-12)
    assert (one.index.value, two.index.value) == (2.0, 3.0)
    assert model_at(one, {two.index: 1.0}) is one
    with pytest.raises(ValueError, match="outside its bounds"):
        GaussianSpatialModel().sigma.at(-1.0)
