"""Calibration of a map with six parameters, of flux points and of an image, as long as it takes."""

import importlib.util
import sys
import time
from pathlib import Path

import pytest

from bayesmap.modeling import LogParabolaSpectralModel, Models
from bayesmap.studies import calibration_table, coverage_table, sbc
from tests.inference.tiny import background, make_dataset, point


@pytest.mark.slow
def test_a_map_with_six_parameters_is_calibrated(tmp_path):
    """500 simulations, two workers; under 20 minutes on two cores that nothing else uses."""
    models = Models([point(), background()])
    spectrum = LogParabolaSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1", reference="2 TeV", alpha=2.2, beta=0.1)
    models["source"].spectral_model = spectrum
    started = time.perf_counter()
    tree = sbc(make_dataset(models=models), 500, seed=1, n_workers=2, folder=tmp_path / "s", progress=False)
    table = calibration_table(tree)
    assert len(table) == 6
    assert not any(tree["simulations"]["error"].to_numpy())
    assert min(table["p_value"]) * 6 > 0.05
    assert coverage_table(tree)["agrees"].sum() >= 10
    assert time.perf_counter() - started < 1200


@pytest.fixture(scope="module")
def benchmark():
    folder = Path(__file__).parents[2] / "benchmarks"
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location("calibration_benchmark", folder / "studies.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module


@pytest.mark.slow
@pytest.mark.parametrize(("case", "number", "parameters"), [("points", 300, 2), ("limits", 300, 2), ("image", 300, 9)])
def test_measured_values_are_calibrated(benchmark, case, number, parameters, tmp_path):
    """A minute each, of the image 25 on one core; the seed is that of the table in the user guide."""
    tree = sbc(benchmark.CASES[case](), number, seed=benchmark.SEED, folder=tmp_path / "s", progress=False)
    table = calibration_table(tree)
    assert len(table) == parameters
    assert not any(tree["simulations"]["error"].to_numpy())
    assert min(table["p_value"]) * parameters > 0.05
