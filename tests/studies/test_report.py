"""Report and figures of studies, and the command that makes them."""

import json
import re

import numpy as np
import pytest

from bayesmap.cli.main import main
from bayesmap.studies import (
    compare,
    coverage,
    from_posterior,
    plot_coverage,
    plot_power,
    plot_ranks,
    power,
    sbc,
    write_study_report,
)
from tests.inference.tiny import make_dataset, source_and_background
from tests.studies.analyses import GammaPoisson


@pytest.fixture(scope="module")
def wrong():
    return sbc(GammaPoisson(wrong_sd=0.7, failing=(3.0,)), 60, seed=1, progress=False)


def test_the_report_says_what_is_wrong(wrong, tmp_path):
    page = write_study_report(wrong, tmp_path).read_text()
    assert "s is not calibrated" in page
    assert "errors are too small" in page
    assert re.search(r"60 simulations, \d+ failed", page)
    assert "simulation" in page
    assert "ValueError: cannot fit 3 counts" in page
    assert {path.name for path in tmp_path.glob("*.png")} == {"ranks.png", "coverage.png"}
    assert "http" not in page.replace("http://www.w3.org", "")


def test_the_report_of_coverage_and_estimators(tmp_path):
    tree = coverage(GammaPoisson(), 20, truths=[{"s": 1.0}, {"s": 8.0}], seed=1, progress=False)
    page = write_study_report(tree, tmp_path, title="My limits").read_text()
    assert "<h1>My limits</h1>" in page
    assert "of 8 coverages agree" in page
    tree = compare(GammaPoisson(), 10, estimators={"mean": from_posterior}, seed=1, progress=False)
    assert "<td>mean</td>" in write_study_report(tree, tmp_path).read_text()
    # pictures of the earlier report are gone
    assert not list(tmp_path.glob("*.png"))


def test_the_figures_show_the_numbers(wrong):
    axes = plot_ranks(wrong)
    assert [ax.get_title() for ax in axes] == ["s", "t"]
    drawn = axes[0].lines[1].get_ydata()
    pits = np.sort(wrong["prior_sbc"]["s"].to_numpy()[0])
    n = len(pits)
    distance = max(np.max(np.arange(1, n + 1) / n - pits), np.max(pits - np.arange(n) / n))
    assert np.abs(drawn).max() == pytest.approx(distance, abs=2 / n)
    for axis in axes:
        low, high = axis.get_ylim()
        curves = np.concatenate([line.get_ydata() for line in axis.lines])
        assert low < curves.min()
        for text in axis.texts:  # p, above all curves: it is smaller than a tenth of the axes
            assert text.get_position()[1] - 0.1 > (curves.max() - low) / (high - low)
        assert axis.texts
    ax = plot_coverage(wrong)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["s", "t"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    dataset = make_dataset(models=source_and_background())
    dataset.write(folder / "tiny.fits")
    dataset.models.write(folder / "models.yaml")
    return [str(folder / "tiny.fits"), str(folder / "models.yaml"), "--name", "tiny"]


FEW = ["--draws", "60", "--tune", "60", "--quiet"]


def test_a_study_on_the_command_line(files, tmp_path, capsys):
    out = ["-o", str(tmp_path / "s")]
    assert main(["study", "sbc", *files, *out, "-n", "3", *FEW]) == 0
    assert "3 simulations, 0 failed" in capsys.readouterr().out
    assert (tmp_path / "s" / "report.html").is_file()
    assert json.loads((tmp_path / "s" / "study.json").read_text())["kind"] == "sbc"
    assert main(["study", "coverage", *files, *out, "-n", "3", *FEW]) == 2
    assert "holds a study of another kind" in capsys.readouterr().err


def test_power_on_the_command_line(files, tmp_path, capsys):
    settings = ["--source", "source", "--values", "1e-12,3e-12", "--threshold", "16"]
    assert main(["study", "power", *files, "-o", str(tmp_path / "p"), "-n", "2", *settings, *FEW]) == 0
    assert re.search(r"1e-12 +2 1\.000", capsys.readouterr().out)
    assert main(["study", "power", *files, "-o", str(tmp_path / "q"), "--source", "s", "--values", "a,b", *FEW]) == 2
    assert "--values must be numbers with commas between them, got 'a,b'" in capsys.readouterr().err
    # nothing was begun
    assert not (tmp_path / "q").exists()


def test_a_figure_of_power():
    dataset = make_dataset(models=source_and_background())
    tree = power(dataset, 2, source="source", values=[1e-12, 2e-12], seed=1, progress=False)
    ax = plot_power(tree)
    assert ax.get_ylabel() == "Fraction with TS > 25"
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[1e-12, 1], [2e-12, 1]])
