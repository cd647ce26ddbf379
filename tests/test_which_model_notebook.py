"""The tutorial on the comparison of models: what it prints before it samples, and all of it (slow)."""

from pathlib import Path

import pytest

from tests.notebooks import assert_stored_well, beside_data, code_cells, lines, run_cell, source_of, stored_text

NOTEBOOK = Path(__file__).parents[1] / "docs" / "tutorials" / "which_model.ipynb"


@pytest.fixture(autouse=True)
def _data(tmp_path, monkeypatch):
    """The folder of the data, and no windows."""
    with beside_data(tmp_path, "joint-crab", monkeypatch):
        yield


def test_stored():
    assert_stored_well(NOTEBOOK)


def test_until_it_samples():
    """The runs are read as it is stored, and the models can be compiled: they have priors of their own."""
    namespace = {}
    first, second = code_cells(NOTEBOOK)[:2]
    printed, _ = run_cell(source_of(first), namespace)
    assert lines(printed) == lines(stored_text(first))
    assert len(lines(printed)) == 4
    run_cell(source_of(second).partition("fits, trees")[0], namespace)
    for kind, number in (("pl", 2), ("lp", 3)):
        free = namespace["crab"](kind).parameters.free_parameters
        assert len(free) == number
        assert all(parameter.prior is not None for parameter in free)


@pytest.mark.slow
def test_all():
    """The evidences are those that were stored, and agree with the ratio at zero curvature."""
    ns = {}
    for cell in code_cells(NOTEBOOK):
        _, figures = run_cell(source_of(cell), ns)
        assert figures == source_of(cell).count("plt.show()")
    factor = ns["bayes_factor"](ns["results"]["lp"], ns["results"]["pl"])
    assert factor.log == pytest.approx(1.50, abs=0.1)
    density = ns["savage_dickey"](ns["trees"]["lp"], "crab-lp.beta", 0)
    assert abs(density.log + factor.log) < 4 * density.error
    assert ns["ts"](ns["fits"]["lp"], ns["fits"]["pl"]) == pytest.approx(4.9, abs=0.1)
