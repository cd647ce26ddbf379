"""Scripts on reduced data give the numbers that they give with Gammapy; see `tests/reference/gammapy_scripts.py`."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.reference.gammapy_scripts import SCRIPTS, plain

STORED = json.loads((Path(__file__).parent / "reference" / "gammapy-2.1-values.json").read_text())["values"]
#: relative tolerance where another than that of single precision holds
LOOSE = {"psf kernel": 2e-3}


def compare(mine, theirs, what):
    if isinstance(theirs, dict):
        assert set(mine) == set(theirs), what
        for key in theirs:
            compare(mine[key], theirs[key], f"{what} {key}")
    elif theirs and isinstance(theirs, list) and isinstance(theirs[0], list | str | dict):
        assert len(mine) == len(theirs), what
        for k, (one, other) in enumerate(zip(mine, theirs, strict=True)):
            compare(one, other, f"{what} [{k}]")
    elif isinstance(theirs, str):
        assert mine == theirs, what
    else:
        rtol = next((value for key, value in LOOSE.items() if key in what), 2e-6)
        scale = float(np.max(np.abs(np.asarray(theirs, dtype="float64")), initial=0))
        np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=1e-6 * scale, err_msg=what)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_numbers_of_scripts(script):
    compare(plain(script("bayesmap")), STORED[script.__name__], script.__name__)
