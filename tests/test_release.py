"""A release: what is built installs into an empty environment and runs there, without the repository."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


def run(*command, cwd):
    """The output of a command that has to end well, away from the repository and its settings."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def uv():
    """The command that runs uv."""
    if shutil.which("uv"):
        return ["uv"]
    return [shutil.which("python3") or sys.executable, "-m", "uv"]


@pytest.fixture(scope="module", name="built")
def fixture_built(tmp_path_factory):
    """Folder with the source distribution, and the wheel that is made of it."""
    folder = tmp_path_factory.mktemp("dist")
    run(*uv(), "build", "--quiet", "--python", sys.executable, "--out-dir", folder, ROOT, cwd=folder)
    return folder


def test_contents(built):
    (wheel,), (source,) = built.glob("*.whl"), built.glob("*.tar.gz")
    inside = zipfile.ZipFile(wheel).namelist()
    for name in (
        "bayesmap/_zoo/crab.yaml",
        "bayesmap/_downloads.txt",
        "bayesmap/report/page.html.j2",
        "bayesmap/py.typed",
    ):
        assert name in inside
    assert not [name for name in inside if name.startswith(("tests/", "docs/", "bayesmap/__pycache__"))]
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "CITATION.cff", "CONTRIBUTING.md", "tests/test_release.py"} <= names


@pytest.mark.parametrize("pattern", ["*.whl", "*.tar.gz"])
def test_installs_and_runs(built, tmp_path, pattern):
    (distribution,) = built.glob(pattern)
    run(*uv(), "venv", "--quiet", "--python", sys.executable, tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    run(
        *uv(),
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        "-c",
        ROOT / "constraints.txt",
        distribution,
        cwd=tmp_path,
    )
    command = tmp_path / "venv" / "bin" / "bayesmap"
    assert "Simulate a CTA-like field" in run(command, "demo", "--help", cwd=tmp_path)
    assert "crab" in run(command, "models", "list", cwd=tmp_path)
    assert "joint-crab" in run(command, "download", cwd=tmp_path)
    code = "from bayesmap.datasets.demo import demo_dataset as d; print(d(1).counts.data.sum())"
    assert float(run(python, "-c", code, cwd=tmp_path)) > 1e4
