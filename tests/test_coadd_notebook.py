"""The tutorial on coadds: what it prints before it samples, and all of it (slow)."""

from pathlib import Path

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest

from tests.notebooks import assert_stored_well, code_cells, lines, run_cell, source_of, stored_text

NOTEBOOK = Path(__file__).parents[1] / "docs" / "tutorials" / "coadd.ipynb"


@pytest.fixture(name="folder")
def fixture_folder(tmp_path, monkeypatch):
    """Where the page writes its files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt, "show", lambda: None)
    yield tmp_path
    plt.close("all")


def test_stored():
    assert_stored_well(NOTEBOOK)


def test_until_it_samples(folder):
    """The file is made, read, shown, and has models: everything is printed as it is stored."""
    namespace, compared = {}, 0
    for cell in code_cells(NOTEBOOK):
        source = source_of(cell)
        if "sample(dataset" in source:
            break
        printed, figures = run_cell(source, namespace)
        assert lines(printed) == lines(stored_text(cell)), source
        assert figures == source.count("plt.show()")
        compared += len(lines(printed))
    assert compared > 20
    assert (folder / "coadd.fits").exists()
    assert len(namespace["dataset"].models.parameters.free_parameters) == 19


@pytest.mark.slow
def test_all(folder):
    """Posteriors hold the truth, and the image takes the position of the source of the counts."""
    ns = {}
    for cell in code_cells(NOTEBOOK):
        _, figures = run_cell(source_of(cell), ns)
        assert figures == source_of(cell).count("plt.show()")
    table, truth = ns["table"], ns["truth"]
    pulls = [
        (table[key] - truth[key]) / table[f"{key}_err"]
        for key in ("x", "y", "flux", "r_eff", "q", "phi", "n")
        if f"{key}_err" in table.colnames
    ]
    pulls = np.concatenate([np.asarray(pull) for pull in pulls])
    pulls = pulls[np.isfinite(pulls)]
    assert len(pulls) == 11
    assert abs(pulls).max() < 3.5
    distance = np.hypot(table["x"] - truth["x"], table["y"] - truth["y"])
    assert distance.max() < 0.25
    posterior = ns["both"].posterior
    for key, true in (("blazar.index", 2.3), ("blazar-r.flux", 3000.0), ("blazar.lat_0", 2.1997)):
        assert abs(posterior[key].mean() - true) < 3.5 * posterior[key].std()
    assert ns["width"] < 0.02 * u.arcsec < 1e-2 * ns["alone"].errors["blazar.lat_0"] * u.deg
    assert ns["Datasets"].read(folder / "joint.yaml").names == ["tev", "r"]
