"""What goes to other processes: compiled analyses and datasets that are still on disk."""

import pickle
import subprocess
import sys

import cloudpickle
import numpy as np
import pytest

from bayesmap.datasets import Datasets, MapDataset
from bayesmap.inference import compile_fit
from bayesmap.inference.density import LogDensity
from bayesmap.modeling import Prior
from tests.inference.tiny import background, make_dataset, point

POINT = np.array([0.3, -0.4, 0.2])


@pytest.fixture
def compiled():
    """Two datasets that share a source at a fixed place, with other counts than the datasets'."""
    source = point()
    source.spatial_model.freeze()
    datasets = [make_dataset(name, models=[source]) for name in ("one", "two")]
    datasets[0].models = [source, background("one", Prior("Gamma", alpha=50, beta=50))]
    fit = compile_fit(datasets)
    fit.set_counts({"two": datasets[1].counts.data + 1})
    return fit


def value(fit, theta=POINT):
    fit._quick = fit._quick or LogDensity(fit.model, mode="FAST_COMPILE")
    return fit._any_density(theta)


@pytest.mark.parametrize("library", [pickle, cloudpickle])
def test_a_compiled_fit_has_the_same_density_after_pickling(compiled, library):
    expected, gradient = value(compiled)
    text = library.dumps(compiled)
    back = library.loads(text)
    assert back._log_posterior is None
    assert back._quick is None
    found, slope = value(back)
    assert found == expected
    np.testing.assert_array_equal(slope, gradient)
    assert back.routes == compiled.routes
    assert list(back.parameters) == list(compiled.parameters)
    # parameters, models and data of the copy belong together, and are not those of the original
    back.set_counts({"two": back.datasets[1].counts.data})
    assert value(back)[0] != expected
    assert value(compiled)[0] == expected
    assert back.models["source"].spectral_model.index is back.parameters["source.index"]
    assert back.parameters["source.index"] is not compiled.parameters["source.index"]


@pytest.mark.slow
def test_a_compiled_fit_in_another_process(compiled, tmp_path):
    expected = value(compiled)[0]
    (tmp_path / "fit.pkl").write_bytes(pickle.dumps(compiled))
    code = (
        "import pickle, sys, numpy as np; from bayesmap.inference.density import LogDensity;"
        "fit = pickle.load(open(sys.argv[1], 'rb'));"
        "print(repr(LogDensity(fit.model, mode='FAST_COMPILE')(np.array([0.3, -0.4, 0.2]))[0]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "fit.pkl")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == expected


@pytest.mark.parametrize("library", [pickle, cloudpickle])
def test_a_dataset_on_disk_pickles_and_stays_on_disk(tmp_path, library):
    dataset = make_dataset(models=[point(), background()])
    dataset.write(tmp_path / "tiny.fits")
    lazy = MapDataset.read(tmp_path / "tiny.fits", lazy=True)
    text = library.dumps(Datasets([lazy]))
    back = library.loads(text)[0]
    assert len(text) < 20000
    for name in ("counts", "exposure", "background", "psf", "edisp"):
        assert back.loaded(name) is None
        assert getattr(back, name) is not None
    np.testing.assert_array_equal(back.counts.data, dataset.counts.data)
    assert library.loads(library.dumps(back)).counts.data.sum() == dataset.counts.data.sum()


def test_priors_that_pymc_cannot_pickle():
    """Those that are made of distributions of our own."""
    source = point()
    source.spatial_model.freeze()
    source.spectral_model.amplitude.prior = Prior("LogUniform", lower=1e-13, upper=1e-11)
    fit = compile_fit(make_dataset("one", models=[source]))
    again = pickle.loads(pickle.dumps(fit))
    theta = np.full(len(fit.parameters) - sum(p.frozen for p in fit.parameters.values()), 0.3)
    assert value(again, theta)[0] == value(fit, theta)[0]
