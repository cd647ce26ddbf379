"""What Gammapy's classes have and ours lack is listed with reasons, and says so when it is used."""

import importlib
import json
import subprocess
import sys

import pytest

from bayesmap.maps import Map, RegionNDMap
from tests import gammapy_gap

MODULES = ("maps", "irf", "datasets", "modeling", "modeling.models", "estimators", "data", "stats")


def test_gap_is_listed():
    """The page of the documentation is what introspection finds: ``python -m tests.gammapy_gap --write``."""
    assert gammapy_gap.PAGE.read_text() == gammapy_gap.page()


def test_gap_has_reasons():
    without = [what for rows in gammapy_gap.rows().values() for what, _, reason in rows if not reason]
    assert not without


@pytest.mark.parametrize("module", MODULES)
def test_names_that_stay_out_say_so(module):
    ours = importlib.import_module(f"bayesmap.{module}")
    for name in gammapy_gap.gap()[f"gammapy.{module}"]["names"]:
        with pytest.raises(AttributeError, match=f"{name} of Gammapy .*Coming from Gammapy"):
            getattr(ours, name)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = ours.nonsense


def test_members_that_stay_out_say_so():
    m = Map.create(npix=3)
    with pytest.raises(AttributeError, match=r"WcsNDMap.plot_interactive of Gammapy needs widgets .*: use plot_grid"):
        _ = m.plot_interactive
    assert not hasattr(RegionNDMap, "crop")


@pytest.mark.slow
def test_stored_api_is_that_of_gammapy(tmp_path):
    """In an environment with Gammapy the stored list is what its script finds."""
    pytest.importorskip("gammapy")
    script = gammapy_gap.API.with_name("gammapy_api.py")
    copy = tmp_path / script.name
    copy.write_text(script.read_text())
    subprocess.run([sys.executable, str(copy)], check=True, capture_output=True)
    assert json.loads((tmp_path / gammapy_gap.API.name).read_text()) == json.loads(gammapy_gap.API.read_text())
