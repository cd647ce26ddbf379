"""The command line: what it prints, writes and refuses."""

import subprocess
import sys

import pytest
import xarray as xr

from bayesmap import __version__
from bayesmap.cli import commands
from bayesmap.cli.main import main
from bayesmap.modeling import Models
from tests.plot.conftest import make_dataset, make_tree

QUICK = ["--draws", "30", "--tune", "50", "--chains", "1", "--quiet"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A dataset, models, broken models and a posterior on disk."""
    folder = tmp_path_factory.mktemp("files")
    dataset = make_dataset()
    dataset.write(folder / "tiny.fits.gz")
    dataset.models.write(folder / "models.yaml")
    make_tree(dataset).to_netcdf(folder / "posterior.nc")
    (folder / "broken.yaml").write_text("components:\n- name: a\n  type: SkyModel\n  spectral: {type: plaw}\n")
    (folder / "truncated.fits").write_bytes((folder / "tiny.fits.gz").read_bytes()[:1000])
    dataset.counts.write(folder / "map.fits")
    return folder


def run(capsys, *arguments):
    """Exit code, standard output and standard error of a command."""
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_help_and_version(capsys):
    for arguments, text in ((["--help"], "demo"), (["--version"], __version__), (["fit", "--help"], "MODELS")):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 0
        assert text in capsys.readouterr().out


def test_module_runs():
    done = subprocess.run([sys.executable, "-m", "bayesmap", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"bayesmap {__version__}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["fit"], "DATASET, MODELS"),
        (["demo", "--sampler", "emcee"], "emcee"),
        (["demo", "--draws", "many"], "--draws: must be a whole number from 1 on, got 'many'"),
        (["demo", "--draws", "0"], "--draws: must be a whole number from 1 on, got '0'"),
        (["demo", "--tune", "-5"], "--tune: must be"),
        (["demo", "--chains", "1.5"], "--chains: must be"),
        (["demo", "--seed", "-1"], "--seed: must be a whole number from 0 on, got '-1'"),
    ],
)
def test_usage_errors_end_with_2(capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert "usage" in err
    assert message in err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tiny.fits.gz", "Total counts"),
        ("models.yaml", "PowerLawSpectralModel"),
        ("posterior.nc", "source.index"),
        ("map.fits", "WcsNDMap"),
    ],
)
def test_info(files, capsys, name, text):
    code, out, err = run(capsys, "info", files / name)
    assert (code, err) == (0, "")
    assert text in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "absent.fits"], "no file"),
        (["info", "truncated.fits"], "truncated.fits"),
        (["info", "broken.yaml"], "plaw"),
        (["fit", "absent.fits", "models.yaml", "-o", "out"], "absent.fits"),
        (["fit", "tiny.fits.gz", "broken.yaml", "-o", "out"], "plaw"),
        (["fit", "tiny.fits.gz", "models.yaml", "-o", "out", "--name", "other"], "--name"),
        (["fit", "tiny.fits.gz", "models.yaml", "-o", ".", *QUICK], "--overwrite"),
        (["fit", "tiny.fits.gz", "crap", "-o", "out"], "no model of that name in the zoo (did you mean 'crab'?)"),
        (["fit", "tiny.fits.gz", "fov-background-norm", "fov-background-tilt", "-o", "out"], "already a model called"),
    ],
)
def test_errors_are_one_line(files, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(files)
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert err.startswith("bayesmap: error: ")
    assert err.count("\n") == 1
    assert message in err


def test_bugs_show_their_traceback(monkeypatch):
    def broken(options):
        raise ZeroDivisionError

    monkeypatch.setattr(commands, "info", broken)
    with pytest.raises(ZeroDivisionError):
        main(["info", "x"])


def test_interrupt(monkeypatch, capsys):
    def stopped(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "info", stopped)
    assert run(capsys, "info", "x")[0] == 130


def test_traceback_on_request(capsys):
    code, _, err = run(capsys, "--traceback", "info", "absent.fits")
    assert code == 2
    assert "Traceback" in err


def test_fit_writes_posterior_figures_and_report(files, tmp_path, capsys):
    folder = tmp_path / "new" / "results"
    code, out, err = run(capsys, "fit", files / "tiny.fits.gz", files / "models.yaml", "-o", folder, *QUICK)
    assert code == 0, err
    assert "source.amplitude" in out
    assert "Not converged" in out, "30 draws"
    assert str(folder / "report.html") in out
    with xr.open_datatree(folder / "posterior.nc") as tree:
        assert dict(tree["posterior"].sizes) == {"chain": 1, "draw": 30}
        names = Models.from_yaml(tree.attrs["models"]).names
    assert names == ["source", "tiny-bkg"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "tiny.fits.gz: source, tiny-bkg" in page
    assert page.count("data:image/png;base64,") == len(list(folder.glob("*.png")))
    assert 'src="http' not in page
    assert "truth" not in page


def test_demo_picks_the_next_free_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = type("Options", (), {"output": None, "overwrite": False})
    assert [commands._new_folder(options, "demo").name for _ in range(3)] == ["demo", "demo-2", "demo-3"]
