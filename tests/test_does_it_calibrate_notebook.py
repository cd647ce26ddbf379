"""The tutorial on calibration: with fewer simulations it notices the same, and what all of them say (slow)."""

from pathlib import Path

import numpy as np
import pytest

from tests.notebooks import assert_stored_well, beside_data, code_cells, lines, run_cell, source_of, stored_text

NOTEBOOK = Path(__file__).parents[1] / "docs" / "tutorials" / "does_it_calibrate.ipynb"


@pytest.fixture(autouse=True)
def _data(tmp_path, monkeypatch):
    """The folder of the data, and no windows."""
    with beside_data(tmp_path, "joint-crab", monkeypatch):
        yield


def run_all(changes):
    """Run all cells with changes of their code; return the namespace and what each printed."""
    ns, printed = {}, []
    for cell in code_cells(NOTEBOOK):
        source = source_of(cell)
        for old, new in changes.items():
            source = source.replace(old, new)
        text, figures = run_cell(source, ns)
        assert figures == source.count("plt.show()")
        printed.append(text)
    return ns, printed


def rows(ns, tree):
    """Rows of the calibration table by parameter."""
    return {row["name"]: row for row in ns["calibration_table"](ns[tree])}


def test_stored():
    assert_stored_well(NOTEBOOK)
    stored = " ".join(" ".join(lines(stored_text(cell))) for cell in code_cells(NOTEBOOK))
    assert "No sign of miscalibration in 3 parameters" in stored
    assert "crab.amplitude is not calibrated" in stored
    assert "6 of 8 coverages agree" in stored


def test_fewer_simulations():
    """A third of the simulations suffices to notice that the errors of the amplitude are too small."""
    ns, printed = run_all({"careful, 60": "careful, 20", "careful, 30": "careful, 6"})
    assert lines(printed[0]) == lines(stored_text(code_cells(NOTEBOOK)[0]))
    for tree, number in (("right", 20), ("wrong", 20), ("fixed", 12)):
        errors = ns[tree]["simulations"]["error"].to_numpy()
        assert len(errors) == number
        assert not any(errors)
    assert set(rows(ns, "right")) == {"crab.index", "crab.amplitude", "energy.scale"}
    assert all(row["p_value"] > 0.05 / 3 for row in rows(ns, "right").values())
    wrong = rows(ns, "wrong")
    assert wrong["crab.amplitude"]["p_value"] < 1e-4
    assert wrong["crab.amplitude"]["width"] > 1.5
    assert wrong["crab.index"]["p_value"] > 0.05


@pytest.mark.slow
def test_all():
    """Errors are too small by two; at a wrong scale intervals miss, at the right one they do not."""
    ns, _ = run_all({})
    assert all(row["p_value"] > 0.05 / 3 for row in rows(ns, "right").values())
    wrong = rows(ns, "wrong")
    assert abs(wrong["crab.amplitude"]["width"] - 2.0) < 3 * wrong["crab.amplitude"]["width_err"]
    assert abs(wrong["crab.amplitude"]["shift"]) < 3 * wrong["crab.amplitude"]["shift_err"]
    table = ns["coverage_table"](ns["fixed"])
    agrees = np.array(table["agrees"][table["name"] == "crab.amplitude"])
    assert agrees.tolist() == [True, True, False, False]
    assert all(table["agrees"][table["name"] == "crab.index"])
