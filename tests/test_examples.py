"""Every script of ``examples/`` runs from start to end, in an empty folder, on the shared data."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.golden import shared_path

#: arguments with which an example runs here, if not its defaults
ARGUMENTS = {"joint_crab": ["--background", "profile"]}
EXAMPLES = sorted(Path(__file__).parents[1].joinpath("examples").glob("*.py"))


def test_there_are_examples():
    assert EXAMPLES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path, tmp_path):
    environment = {
        **os.environ,
        "MPLBACKEND": "agg",
        "BAYESMAP_SHARED": str(shared_path()),
        "BAYESMAP_DATA": str(shared_path("data")),
    }
    run = subprocess.run(
        [sys.executable, str(path), *ARGUMENTS.get(path.stem, [])],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, f"{path.name}\n{run.stdout[-3000:]}\n{run.stderr[-3000:]}"
    if path.stem == "joint_crab":
        check_joint_crab(xr.open_datatree(tmp_path / "joint-crab" / "posterior.nc"))


def check_joint_crab(tree):
    """Posterior mean within 0.15 sd of the published joint fit (Nigro et al. 2019), sd within 10 %, no divergences."""
    assert int(tree["sample_stats"]["diverging"].sum()) == 0
    published = {"amplitude": (38.49e-12, 1.14e-12, 1), "alpha": (2.505, 0.026, 1), "beta": (0.236, 0.025, np.log(10))}
    for name, (value, error, factor) in published.items():
        draws = tree["posterior"][f"crab.{name}"].to_numpy() * factor
        assert abs(draws.mean() - value) < 0.15 * error, name
        assert draws.std() == pytest.approx(error, rel=0.1), name
