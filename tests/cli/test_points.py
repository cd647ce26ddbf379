"""Flux points and light curves on the command line."""

import astropy.units as u
import pytest

from bayesmap.datasets import Datasets
from bayesmap.estimators import FluxPoints
from bayesmap.irf import GTI
from tests.cli.test_cli import QUICK, run
from tests.inference import spectra


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A list of two runs, and a model."""
    folder = tmp_path_factory.mktemp("points")
    source = spectra.source(index=spectra.INDEX, amplitude=spectra.AMPLITUDE)
    runs = Datasets([spectra.dataset(source, name=f"run{i}") for i in range(2)])
    for i, one in enumerate(runs):
        one.gti = GTI.create(i * u.d, (i + 0.02) * u.d, "2006-07-29")
    runs.write(folder / "runs.yaml", folder / "models.yaml")
    return folder


def test_flux_points(files, tmp_path, capsys):
    arguments = ["flux-points", files / "runs.yaml", files / "models.yaml", "-o", tmp_path / "out"]
    code, out, err = run(capsys, *arguments, "--edges", "1,5,20 TeV", *QUICK)
    assert code == 0, err
    assert out.startswith("s:\n")
    assert "e2dnde" in out
    points = FluxPoints.read(tmp_path / "out" / "s-sed.fits")
    assert points.energy_axis.edges.to_value("TeV") == pytest.approx([1, 5, 20])
    code, _, err = run(capsys, *arguments, "--edges", "1,5,20 TeV", *QUICK)
    assert code == 2
    assert "draws.nc exists: give another folder with -o, or --overwrite" in err


def test_light_curve(files, tmp_path, capsys):
    arguments = ["light-curve", files / "runs.yaml", files / "models.yaml", "-o", tmp_path / "out"]
    code, out, err = run(capsys, *arguments, "--times", "2006-07-28,2006-07-30,2006-08-02", *QUICK)
    assert code == 0, err
    curve = FluxPoints.read(tmp_path / "out" / "s-lightcurve.fits")
    assert curve.geom.axes["time"].nbin == 2
    assert "time_min" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["flux-points", "--edges", "1 to 5"], "--edges must be like '1,3,10 TeV', got '1 to 5'"),
        (["flux-points", "--edges", "1,5 m"], "at least two ascending energies"),
        (["flux-points", "--edges", "1,5 TeV", "--source", "crab"], "no source 'crab'"),
        (["light-curve", "--times", "today"], "--times must be like"),
    ],
)
def test_wrong_arguments(files, tmp_path, capsys, arguments, message):
    command, *rest = arguments
    given = [command, files / "runs.yaml", files / "models.yaml", "-o", tmp_path / "out", *rest]
    code, _, err = run(capsys, *given)
    assert code == 2
    assert message in err
    assert not (tmp_path / "out").exists()
