"""The command ``bayesmap models``."""

import pytest

from bayesmap.cli.main import main
from bayesmap.modeling import Models
from bayesmap.modeling.files.zoo import zoo_names


def run(capsys, *arguments):
    """Exit code, standard output and standard error of a command."""
    code = main(["models", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_list(capsys):
    code, out, _ = run(capsys, "list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == zoo_names()
    code, out, _ = run(capsys, "list", "BACKGROUND of a field, norm and")
    assert out.startswith("fov-background-tilt")
    assert len(out.splitlines()) == 1
    code, out, err = run(capsys, "list", "quasar")
    assert (code, out) == (2, "")
    assert "no model of the zoo has 'quasar'" in err


def test_show(capsys, monkeypatch, tmp_path):
    code, out, _ = run(capsys, "show", "crab")
    assert code == 0
    assert "doi:10.1016/j.jheap.2015.01.002" in " ".join(out.split())
    assert "Normal(mu=2.47, sigma=0.3)" in out
    monkeypatch.setenv("GAMMAPY_DATA", str(tmp_path))
    code, out, _ = run(capsys, "show", "fermi-diffuse")
    assert code == 0
    assert "gll_iem_v06_cutout.fits (missing)" in " ".join(out.split())
    assert "Priors" not in out


def test_show_yaml_is_the_file(capsys):
    code, out, _ = run(capsys, "show", "point-sources", "--yaml")
    assert code == 0
    assert Models.from_yaml(out).names == Models.from_zoo("point-sources").names


def test_show_unknown(capsys):
    code, _, err = run(capsys, "show", "crap")
    assert code == 2
    assert "did you mean 'crab'" in err


def test_check_model_of_the_zoo(capsys):
    code, out, _ = run(capsys, "check", "crab")
    assert code == 0
    assert "crab.yaml: 1 model(s) read" in out


def test_check_good_file(capsys, tmp_path):
    models = Models.from_zoo("crab")
    models[0].spectral_model.beta.prior = None
    models[0].spectral_model.alpha.value = 5.0
    models.write(tmp_path / "mine.yaml")
    code, out, _ = run(capsys, "check", tmp_path / "mine.yaml")
    assert code == 0
    assert "note: crab.beta has no prior: a default is made from the data" in out
    assert "note: crab.alpha = 5.0 is outside of 99.9 % of its prior, 1.483 to 3.457" in out
    assert "1 model(s) read, 200 draws from the priors are finite" in out


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("PointSpatialModel", "PointSpatalModel", "did you mean 'PointSpatialModel'"),
        ("name: alpha", "name: alfa", "did you mean 'alpha'"),
        ("dist: Normal, mu: 2.47", "dist: Normal, mean: 2.47", "has no argument 'mean'"),
        ("unit: TeV-1 s-1 cm-2", "unit: TeV", "needs a unit that converts to"),
        ("components:", "components: [", "not valid YAML"),
    ],
)
def test_check_names_what_is_wrong(capsys, tmp_path, old, new, message):
    _, text, _ = run(capsys, "show", "crab", "--yaml")
    assert old in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new, 1))
    code, _, err = run(capsys, "check", path)
    assert code == 2
    assert message in err
    assert str(path) in err


def test_check_prior_without_mass_inside_the_bounds(capsys, tmp_path):
    _, text, _ = run(capsys, "show", "crab", "--yaml")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("value: 2.47\n", "value: 8.5\n            min: 8\n            max: 9\n", 1))
    code, _, err = run(capsys, "check", path)
    assert code == 2
    assert "alpha" in err


def test_check_missing_file(capsys, tmp_path):
    code, _, err = run(capsys, "check", tmp_path / "crap.yaml")
    assert code == 2
    assert "no model file" in err
    assert "did you mean 'crab'" in err
