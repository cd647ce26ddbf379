"""Notebooks of the documentation: their cells, what is stored with them, and how to run them."""

import contextlib
import io
import json
import re

import matplotlib.pyplot as plt

from tests.golden import shared_path

__all__ = ["assert_stored_well", "beside_data", "code_cells", "lines", "run_cell", "source_of", "stored_text"]


@contextlib.contextmanager
def beside_data(folder, name, monkeypatch):
    """A folder of data as notebooks look for it, with one part of the shared data in it, and no windows."""
    (folder / name).symlink_to(shared_path("data", name))
    monkeypatch.setenv("GAMMAPY_DATA", str(folder))
    monkeypatch.setattr(plt, "show", lambda: None)
    yield
    plt.close("all")


def code_cells(path):
    """Cells with code, as stored."""
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


def source_of(cell):
    return "".join(cell["source"])


def stored_text(cell):
    """What a cell printed when the notebook was stored."""
    return "".join("".join(out["text"]) for out in cell["outputs"] if out["output_type"] == "stream")


def lines(text):
    """Lines without differences in white space."""
    return [re.sub(r"\s+", " ", line).strip() for line in text.splitlines() if line.strip()]


def run_cell(source, namespace):
    """Run a cell; return what it printed and how many figures it made, which are drawn."""
    plt.close("all")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, "<notebook>", "exec"), namespace)
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()
    return printed.getvalue(), len(plt.get_fignums())


def assert_stored_well(path):
    """The notebook is stored executed, without errors and without paths of the machine that ran it."""
    for cell in code_cells(path):
        source = source_of(cell)
        assert cell["execution_count"] is not None, source
        assert {out["output_type"] for out in cell["outputs"]} <= {"stream", "display_data"}, source
        assert all(out.get("name", "stdout") == "stdout" for out in cell["outputs"]), source
        images = sum("image/png" in out.get("data", {}) for out in cell["outputs"])
        assert images == source.count("plt.show()"), source
    assert not re.search(r"/(home|work|tmp|root|Users)/", path.read_text())
