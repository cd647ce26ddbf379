"""An environment that Gammapy 2.1 lives in: older astropy, regions and NumPy, and our tests there (slow)."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Gammapy 2.1 uses private names that later releases of these no longer have
PEERS = ["gammapy==2.1", "regions==0.10", "astropy>=7,<8", "numpy<2.4"]
#: what reads files, computes and plots, and what needs Gammapy
TESTS = ["maps", "irf", "stats", "io", "estimators", "datasets", "modeling", "likelihoods", "beside/real_gammapy.py"]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_beside_gammapy(tmp_path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *PEERS,
        *project["dependencies"],
        *(d for d in project["optional-dependencies"]["dev"] if "ruff" not in d),
    ]
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path)], check=True)
    python = str(tmp_path / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True, cwd=tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(tmp_path / "pycache")}
    # what other packages warn about is theirs
    options = ["-n", "0", "-q", "-W", "default", "-p", "no:cacheprovider", "-o", "python_files=test_*.py real_*.py"]
    paths = [str(ROOT / "tests" / name) for name in TESTS]
    done = subprocess.run([python, "-m", "pytest", *options, *paths], env=environment, cwd=ROOT, check=False)
    assert done.returncode == 0
