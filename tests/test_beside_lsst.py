"""Files go to lsst-images and back, in environments of their own: both releases whose dialects we write (slow)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bayesmap.datasets import ImageDataset
from bayesmap.images import CellCoadd, FitsCompressionOptions
from tests.images.conftest import DIALECTS, data_file
from tests.images.test_read import assert_equal

SCRIPT = Path(__file__).parent / "beside" / "lsst_round_trip.py"
#: the later one needs requests to read its own files
RELEASES = {"seed": (["lsst-images==30.2026.2000"], None), "v1": (["lsst-images==30.2026.4300", "requests"], "1.0.0")}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("dialect", RELEASES)
def test_beside_lsst(tmp_path, dialect):
    packages, schema = RELEASES[dialect]
    original = data_file(DIALECTS[dialect])
    coadd = CellCoadd.read_fits(original)
    coadd.write_fits(tmp_path / "whole.fits", schema=schema)
    lossy = FitsCompressionOptions.LOSSY
    coadd.write_fits(tmp_path / "lossy.fits", image_compression=lossy, compression_seed=3, schema=schema)
    part = CellCoadd.read_fits(original).local[50:125, 70:130]
    part.projection._ast = None
    part.write_fits(tmp_path / "part.fits", schema=schema)
    if schema is None:  # the dialect of datasets
        ImageDataset(coadd, name="r").write(tmp_path / "dataset.fits")

    # `uv run` says where it is
    found = os.environ.get("UV") or shutil.which("uv")
    uv = [*([found] if found else [sys.executable, "-m", "uv"]), "--no-config"]
    python = str(tmp_path / "venv" / "bin" / "python")
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv")], check=True)
    subprocess.run([*uv, "pip", "install", "--quiet", "--python", python, *packages], check=True, cwd=tmp_path)
    done = subprocess.run(
        [python, str(SCRIPT), str(tmp_path), str(original)], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "read and written" in done.stdout
    assert_equal(CellCoadd.read_fits(tmp_path / "again.fits"), coadd)
