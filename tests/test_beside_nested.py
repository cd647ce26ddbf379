"""An environment with nautilus and dynesty beside bayesmap: all evidences of the benchmark's models agree (slow)."""

import itertools
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from tests.golden import shared_path

ROOT = Path(__file__).parents[1]
PEERS = ["nautilus-sampler>=1,<2", "dynesty>=3,<4"]
#: standard deviations of the difference of two evidences that are allowed
APART = 4.0


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The Python of an environment with the packages that bayesmap needs, and the nested samplers."""
    folder = tmp_path_factory.mktemp("nested")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    found = str(folder / "bin" / "python")
    wanted = ["-c", str(ROOT / "constraints.txt"), *PEERS, *project["dependencies"]]
    subprocess.run([found, "-m", "pip", "install", "--quiet", *wanted], check=True, cwd=folder)
    return found


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("letter", "methods"), [("A", "bridge,smc,nautilus,dynesty"), ("B", "bridge,nautilus,dynesty")]
)
def test_evidences_agree(python, letter, methods, tmp_path):
    """Within four standard deviations of each difference; posterior means within a fifth of a standard deviation.

    SMC takes minutes for B.
    """
    data = shared_path("data", "cta-1dc-gc", "cta-1dc-gc.fits.gz")
    out = tmp_path / "out.json"
    options = ["--data", str(data), "--models", letter, "--methods", methods, "--json", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(tmp_path / "pycache")}
    command = [python, str(ROOT / "benchmarks" / "nested.py"), *options]
    subprocess.run(command, check=True, env=environment, cwd=tmp_path)
    found = json.loads(out.read_text())[letter]
    assert set(found) == set(methods.split(","))
    for (first, one), (second, other) in itertools.combinations(found.items(), 2):
        error = np.hypot(one["error"], other["error"])
        assert abs(one["log_z"] - other["log_z"]) < APART * error, (first, second, one, other)
    for name in ("nautilus", "dynesty"):
        assert found[name]["distance"] < 0.2
