"""What a fit says where no bar can be drawn."""

import sys
import types

import pytest

from bayesmap.inference import progress
from bayesmap.inference.progress import Progress


def chain(done, divergences=0):
    return types.SimpleNamespace(finished_draws=done, total_draws=100, divergences=divergences)


def test_lines_in_a_pipe(capsys, monkeypatch):
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    said = Progress(True)
    assert (said.bar, said.lines) == (False, True)
    said.begin("compiling")
    said.chains([chain(10), chain(20, divergences=3)])
    said.draws(50, 200)
    assert capsys.readouterr().err.splitlines() == [
        "bayesmap: compiling (0 s)",
        "bayesmap: 30 of 200 draws, 3 divergences (0 s)",
        "bayesmap: 50 of 200 draws (0 s)",
    ]


def test_not_too_often(capsys):
    said = Progress(True)
    said.chains([chain(10)])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("where", ["terminal", "notebook"])
def test_bars_where_they_can_be_drawn(where, capsys, monkeypatch):
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    if where == "terminal":
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    else:
        monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    said = Progress(True)
    assert (said.bar, said.lines) == (True, False)
    said.begin("compiling")
    said.chains([chain(10)])
    assert capsys.readouterr().err == "bayesmap: compiling (0 s)\n"


def test_nothing_unless_wanted(capsys, monkeypatch):
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    said = Progress(False)
    assert not said.bar
    said.begin("compiling")
    said.chains([chain(10)])
    assert capsys.readouterr().err == ""
