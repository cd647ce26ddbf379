"""Saved results are whole or absent: round trip, damage, kills."""

import json
import os
import signal
import warnings

import numpy as np
import pytest
import xarray as xr

import bayesmap
from bayesmap._together import READY, finish, together
from bayesmap.errors import FormatError
from bayesmap.io.results import MARK


def result(value=1.0):
    """A small result of all kinds of variables."""
    coords = {"chain": [0, 1], "draw": np.arange(50)}
    draws = np.random.default_rng(1).normal(value, 1, size=(2, 50))
    attributes = {"units": "cm-2 s-1 TeV-1", "linked_names": ["b.amplitude"]}
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"a.amplitude": (("chain", "draw"), draws, attributes)}, coords=coords),
            "sample_stats": xr.Dataset({"diverging": (("chain", "draw"), draws > 3)}, coords=coords),
            "observed_data": xr.Dataset({"d.counts": (("energy",), [1.0, np.nan]), "name": "text"}),
        }
    )
    tree.attrs.update(models="components: []\n" * 5000, interrupted=0, value=value)
    return tree


def test_round_trip(tmp_path):
    tree, path = result(), tmp_path / "posterior.nc"
    bayesmap.save(tree, path)
    assert [p.name for p in tmp_path.iterdir()] == ["posterior.nc"]
    back = bayesmap.load(path)
    for group in tree.children:
        xr.testing.assert_identical(back[group].to_dataset().drop_attrs(), tree[group].to_dataset().drop_attrs())
    assert back.attrs == tree.attrs
    assert back["posterior"]["a.amplitude"].attrs["units"] == "cm-2 s-1 TeV-1"
    back.attrs["more"] = "later"
    bayesmap.save(back, path)  # replaces; a loaded result is saved as any other
    assert bayesmap.load(path).attrs["more"] == "later"
    with pytest.raises(FileExistsError, match="overwrite=True"):
        bayesmap.save(tree, path, overwrite=False)
    with xr.open_datatree(path) as plain:
        assert set(plain.children) == set(tree.children)


def test_files_that_are_none(tmp_path):
    path = tmp_path / "posterior.nc"
    with pytest.raises(FileNotFoundError, match="no file"):
        bayesmap.load(path)
    path.write_text("components: []")
    with pytest.raises(FormatError, match="no netCDF file"):
        bayesmap.load(path)
    result().to_netcdf(path)
    with pytest.raises(FormatError, match=r"no mark of a complete result.*'posterior'.*check=False"):
        bayesmap.load(path)
    assert set(bayesmap.load(path, check=False).children) == {"posterior", "sample_stats", "observed_data"}


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.98])
def test_truncated_files(tmp_path, share):
    path = tmp_path / "posterior.nc"
    bayesmap.save(result(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    for check in (True, False):
        with pytest.raises(FormatError, match="truncated or damaged"):
            bayesmap.load(path, check=check)


def test_what_is_missing_or_changed_is_noticed(tmp_path):
    path = tmp_path / "posterior.nc"
    bayesmap.save(result(), path)
    with xr.open_datatree(path) as opened:
        whole = opened.load().copy()
    for change, message in (
        (lambda tree: tree.drop_nodes("sample_stats"), "incomplete.*/sample_stats"),
        (
            lambda tree: tree.map_over_datasets(lambda data: data.drop_vars("a.amplitude", errors="ignore")),
            "a.amplitude",
        ),
        (lambda tree: tree.map_over_datasets(lambda data: data.where(data != 1.0, 2.0)), "checksum of its values"),
    ):
        changed = change(whole.copy())
        changed.attrs[MARK] = whole.attrs[MARK]
        changed.to_netcdf(path)
        with pytest.raises(FormatError, match=message):
            bayesmap.load(path)
    for mark, message in (("[", "is damaged"), (json.dumps({"groups": {}, "version": 9, "sha256": ""}), "newer")):
        whole.attrs[MARK] = mark
        whole.to_netcdf(path)
        with pytest.raises(FormatError, match=message):
            bayesmap.load(path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "posterior.nc"
    bayesmap.save(result(1.0), path)

    def full(*arguments, **kwargs):
        arguments[1].write_bytes(b"half of it")
        raise RuntimeError("NetCDF: HDF error")

    monkeypatch.setattr(xr.DataTree, "to_netcdf", full)
    with pytest.raises(OSError, match=r"cannot write .*posterior.nc: NetCDF: HDF error"):
        bayesmap.save(result(2.0), path)
    assert [p.name for p in tmp_path.iterdir()] == ["posterior.nc"]
    assert bayesmap.load(path).attrs["value"] == 1.0


def killed(monkeypatch, code, function, call):
    """Run code in a child process that ends itself by a kill -9 before some call of a function of `os`."""
    calls, real = 0, getattr(os, function)

    def deadly(*arguments, **kwargs):
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **kwargs)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads: the child does not need them
        child = os.fork()
    if child == 0:
        try:
            monkeypatch.setattr(os, function, deadly)
            code()
        finally:
            os._exit(1)
    return os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


@pytest.mark.parametrize(("function", "call", "value"), [("fsync", 1, 1.0), ("replace", 1, 1.0), ("fsync", 2, 2.0)])
def test_a_kill_leaves_the_old_result_or_the_new_one(tmp_path, monkeypatch, function, call, value):
    path = tmp_path / "posterior.nc"
    bayesmap.save(result(1.0), path)
    assert killed(monkeypatch, lambda: bayesmap.save(result(2.0), path), function, call)
    assert bayesmap.load(path).attrs["value"] == value
    bayesmap.save(result(3.0), path)
    assert [p.name for p in tmp_path.iterdir()] == ["posterior.nc"], "what the killed process left is gone"


def write_both(value, extra=""):
    """Posterior, report and a figure, as the command line writes them."""
    with together(".") as stage:
        bayesmap.save(result(value), stage / "posterior.nc")
        (stage / "report.html").write_text(f"value {value}")
        (stage / f"figure{extra}.png").write_text(str(value))


def test_files_are_replaced_together(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.png").write_text("stays")
    write_both(1.0)
    write_both(2.0, extra="2")
    shown = sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith("."))
    assert shown == ["figure2.png", "mine.png", "posterior.nc", "report.html"]
    with pytest.raises(TypeError), together(tmp_path) as stage:
        (stage / "report.html").write_text(None)
    assert (tmp_path / "report.html").read_text() == "value 2.0"
    with together(tmp_path) as stage:
        (stage / "report.html").write_text("alone")
    assert bayesmap.load(tmp_path / "posterior.nc").attrs["value"] == 2.0, "only pictures are removed"


@pytest.mark.parametrize(
    ("function", "call", "value"), [("rename", 1, 1.0), ("replace", 3, 2.0), ("replace", 4, 2.0), ("fsync", 5, 1.0)]
)
def test_a_kill_leaves_the_old_files_or_the_new_ones(tmp_path, monkeypatch, function, call, value):
    """Posterior and report belong together at any moment, for whoever loads one or starts a new run."""
    monkeypatch.chdir(tmp_path)
    write_both(1.0)
    assert killed(monkeypatch, lambda: write_both(2.0, "2"), function, call)
    assert bayesmap.load("posterior.nc").attrs["value"] == value
    assert (tmp_path / "report.html").read_text() == f"value {value}"
    assert (tmp_path / ("figure.png" if value == 1.0 else "figure2.png")).read_text() == str(value)
    assert not (tmp_path / READY).exists()
    write_both(3.0)
    assert sorted(os.listdir()) == [".bayesmap-files.json", "figure.png", "posterior.nc", "report.html"]


def test_lists_lead_nowhere_else(tmp_path):
    (tmp_path / "inside" / READY).mkdir(parents=True)
    (tmp_path / "outside.png").write_text("stays")
    (tmp_path / "inside" / ".bayesmap-files.json").write_text('["../outside.png", 3]')
    finish(tmp_path / "inside")
    assert (tmp_path / "outside.png").exists()
