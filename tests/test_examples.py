"""Every script of ``examples/`` runs from start to end, in an empty folder, on the shared data."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden import shared_path

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
        [sys.executable, str(path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, f"{path.name}\n{run.stdout[-3000:]}\n{run.stderr[-3000:]}"
