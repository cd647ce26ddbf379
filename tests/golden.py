"""Read the stored reference numbers (JSON plus npz) that other programs computed."""

import functools
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

SHARED = Path(os.environ.get("BAYESMAP_SHARED", Path(__file__).resolve().parents[2] / "shared"))

# Model files of the reference data name their templates through this variable.
os.environ.setdefault("BAYESMAP_FIXTURES", str(SHARED / "data"))


def shared_path(*parts):
    """Path of a file of the shared data; absent data fail under CI and skip elsewhere, with the reason."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        reason = f"reference data {path} not found; set BAYESMAP_SHARED to the folder that holds data/ and golden/"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@dataclass
class GoldenArray:
    """An array with the unit, axes and WCS that were stored with it."""

    data: np.ndarray
    unit: str | None
    axes: object
    wcs: object
    meta: dict


class Golden:
    """The cases of one topic, decoded on access: ``Golden("maps")["geom/car_galactic"]``."""

    def __init__(self, topic):
        path = shared_path("golden", "gammapy", f"{topic}.json")
        self.cases = json.loads(path.read_text())["cases"]
        npz = path.with_suffix(".npz")
        self._arrays = np.load(npz) if npz.exists() else {}

    def __iter__(self):
        return iter(self.cases)

    def __getitem__(self, name):
        case = self.cases[name]
        return self._decode(case.get("values", {"error": case.get("error")}))

    def args(self, name):
        return self._decode(self.cases[name].get("args", {}))

    def code(self, name):
        return self.cases[name]["code"]

    def _decode(self, value):
        if isinstance(value, dict):
            if "npz" in value:
                return GoldenArray(
                    self._arrays[value["npz"]], value.get("unit"), value.get("axes"), value.get("wcs"), value
                )
            if {"data", "shape", "dtype"} <= value.keys():
                data = np.array(value["data"], dtype=value["dtype"]).reshape(value["shape"])
                return GoldenArray(data, value.get("unit"), value.get("axes"), value.get("wcs"), value)
            return {key: self._decode(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._decode(item) for item in value]
        return value


@functools.cache
def golden(topic):
    """Return the (cached) cases of one topic."""
    return Golden(topic)
