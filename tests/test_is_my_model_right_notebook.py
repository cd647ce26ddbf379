"""The tutorial on checks: the faults that it shows are noticed, and what it says of them (all of it: slow)."""

from pathlib import Path

import pytest

from tests.notebooks import assert_stored_well, beside_data, code_cells, lines, run_cell, source_of, stored_text

NOTEBOOK = Path(__file__).parents[1] / "docs" / "tutorials" / "is_my_model_right.ipynb"


@pytest.fixture(autouse=True)
def _data(tmp_path, monkeypatch):
    """The folder of the data, and no windows."""
    with beside_data(tmp_path, "hess-dl3-dr1-reduced", monkeypatch):
        yield


def failing(checks):
    """Names of the checks that fail."""
    return {result.name for result in checks.results if result.fails}


def test_stored():
    assert_stored_well(NOTEBOOK)
    stored = [line for cell in code_cells(NOTEBOOK) for line in lines(stored_text(cell))]
    verdicts = [line for line in stored if "false-alarm rate" in line]
    assert [line.split()[0] for line in verdicts] == ["7", "4", "None", "4"]


def test_first_two_models():
    """The missing source is found where it is, and the wrong spectrum of the background in its energy."""
    ns = {}
    cells = code_cells(NOTEBOOK)
    printed, _ = run_cell(source_of(cells[0]), ns)
    assert lines(printed) == lines(stored_text(cells[0]))
    for cell in cells[1:]:
        if "def background" in source_of(cell):
            break
        _, figures = run_cell(source_of(cell), ns)
        assert figures == source_of(cell).count("plt.show()")
    empty, one_norm = ns["empty_checks"], ns["one_norm_checks"]
    assert len(failing(empty)) == 7
    excess = next(text for text in empty.sentences if "excess" in text)
    assert "lon = 83.6" in excess
    assert "lat = 22.0" in excess
    assert "counts per energy" in failing(one_norm)
    assert not {"largest smoothed residual", "profile of crab-nebula"} & failing(one_norm)
    assert any("at 1-1.59 TeV there are fewer counts than predicted" in text for text in one_norm.sentences)


@pytest.mark.slow
def test_all():
    """The third model passes; the narrow PSF is noticed, and takes more than a quarter of the flux."""
    ns = {}
    for cell in code_cells(NOTEBOOK):
        _, figures = run_cell(source_of(cell), ns)
        assert figures == source_of(cell).count("plt.show()")
    assert ns["right_checks"].passed
    assert min(result.p for result in ns["right_checks"].results) > 0.01
    assert {"largest smoothed residual", "profile of crab-nebula"} <= failing(ns["narrow_checks"])
    assert "around crab-nebula the counts are wider than predicted" in str(ns["narrow_checks"])
    flux = {name: tree["posterior"]["crab-nebula.amplitude"] for name, tree in ns["trees"].items()}
    lost = float(flux["norm per energy"].mean() - flux["narrow PSF"].mean())
    assert lost > 0.25 * flux["norm per energy"].mean()
    assert lost > 6 * flux["narrow PSF"].std()
    assert abs(flux["one norm"].mean() - flux["norm per energy"].mean()) < 0.5 * flux["one norm"].std()
