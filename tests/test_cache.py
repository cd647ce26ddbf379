"""Where compiled code goes if PyTensor's folder is of no use."""

import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from bayesmap import _cache
from bayesmap._backend.kernels import kernel

SHOW = "import bayesmap, pytensor; print(pytensor.config.base_compiledir)"
SMALL = """
from bayesmap import FoVBackgroundModel
from bayesmap.datasets.demo import demo_dataset
from bayesmap.inference import compile_fit
dataset = demo_dataset().slice_by_idx({"energy": slice(0, 1)}, name="d")
dataset.models = [FoVBackgroundModel(dataset_name="d")]
print(compile_fit(dataset).find_mode())
"""


def run(code, **environment):
    """Standard output and error of a new process."""
    keep = {k: v for k, v in os.environ.items() if k not in ("HOME", "PYTENSOR_FLAGS")}
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", code],
        env=keep | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, done.stderr


def test_home_of_no_use():
    out, err = run(SHOW, HOME=os.devnull)
    assert "compiled code cannot be kept" in err
    assert f"{Path(os.devnull) / '.pytensor'} cannot be made: {os.devnull} is not a folder" in err
    folder = Path(out.strip())
    assert folder.name.startswith("bayesmap-cache-")
    assert not folder.exists()  # it went with its process


def test_usable_home(tmp_path):
    out, err = run(SHOW, HOME=str(tmp_path))
    assert "cannot be kept" not in err
    assert Path(out.strip()) == tmp_path / ".pytensor"


@pytest.fixture
def unloaded(monkeypatch):
    """As before PyTensor is imported."""
    monkeypatch.delitem(sys.modules, "pytensor")
    monkeypatch.setenv("PYTENSOR_FLAGS", "")
    return monkeypatch


def chosen(match):
    with pytest.warns(UserWarning, match=match):
        _cache.use_writable_cache()
    return os.environ["PYTENSOR_FLAGS"].split(",")


def test_full_disk(unloaded, tmp_path):
    unloaded.setenv("HOME", str(tmp_path))
    unloaded.setattr("shutil.disk_usage", lambda path: namedtuple("Usage", "free")(1000))
    (flag,) = chosen(r"the disk of .*\.pytensor is full")
    assert flag.startswith("base_compiledir=")


def test_read_only(unloaded, tmp_path):
    """The user's own flags are kept, but for the folder."""
    unloaded.setenv("PYTENSOR_FLAGS", f"floatX=float64,base_compiledir={tmp_path}")
    unloaded.setattr("os.access", lambda path, mode: False)
    kept, flag = chosen("cannot be written to")
    assert kept == "floatX=float64"
    assert str(tmp_path) not in flag


def test_no_home(unloaded):
    unloaded.delenv("HOME", raising=False)
    unloaded.setattr(Path, "home", classmethod(lambda cls: (_ for _ in ()).throw(RuntimeError("no home"))))
    chosen("there is no home folder")


def test_too_late_or_not_needed(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTENSOR_FLAGS", "")
    _cache.use_writable_cache()  # PyTensor is loaded
    monkeypatch.delitem(sys.modules, "pytensor")
    _cache.use_writable_cache()
    assert os.environ["PYTENSOR_FLAGS"] == ""


def test_kernels_without_a_place(monkeypatch):
    """No folder for machine code: compiled all the same."""

    def none(self, function):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr("numba.core.caching.CacheImpl.__init__", none)
    assert kernel(lambda x: x + 1)(1) == 2


def test_cache_that_fills_up(monkeypatch, tmp_path):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(
        "numba.core.caching.IndexDataCacheFile.save",
        lambda self, key, data: (_ for _ in ()).throw(OSError(28, "No space left on device")),
    )
    function = kernel(_double)
    with pytest.warns(UserWarning, match=r"could not be kept in .* \(No space left on device\)"):
        assert function(2) == 4


def _double(x):
    return 2 * x


@pytest.mark.slow
def test_two_processes_with_one_empty_cache(tmp_path):
    """Both find the same mode."""
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "PYTENSOR_FLAGS": "",
        "NUMBA_CACHE_DIR": str(tmp_path / "numba"),
    }
    both = [
        subprocess.Popen([sys.executable, "-c", SMALL], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    one, two = (process.communicate()[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert one == two != ""
