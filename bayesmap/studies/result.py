"""What a study returns: a tree of ranks, truths and estimates, one draw per simulation."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from bayesmap._types import FileName
from bayesmap.studies.folder import StudyFolder
from bayesmap.studies.types import Study, Values

__all__ = ["PIT_GROUPS", "load_study", "pit_group", "study_tree"]

#: the group of the ranks by kind of study; of the first two as simuk calls them
PIT_GROUPS = {"sbc": "prior_sbc", "posterior_sbc": "posterior_sbc", "coverage": "coverage_pit"}


def study_tree(study: Study) -> xr.DataTree:
    """Put the records of a study into one tree.

    Parameters
    ----------
    study : Study
        Of any kind.

    Returns
    -------
    xarray.DataTree
        Of calibrations, groups with the dimensions ``chain`` (one) and ``draw`` (the simulations that did not fail, by
        number): ``prior_sbc`` (or ``posterior_sbc``, ``coverage_pit``), where the truth lies in the posterior, in
        [0, 1]; ``truth``, ``mean`` and ``sd``, in declared units. Other studies have a group of their own. The group
        ``simulations`` has one entry per simulation, with the error of those that failed. Seed, version and what was
        studied are in the attributes.
    """
    kind = study.head["kind"]
    groups = _GROUPS[kind](study) if kind in _GROUPS else _ranks(study)
    groups["simulations"] = _simulations(study)
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = {
        key: value if isinstance(value, str | int) else json.dumps(value) for key, value in study.head.items()
    }
    return tree


def _ranks(study: Study) -> dict[str, xr.Dataset]:
    """Groups of a study of calibration."""
    units, done = study.head.get("units", {}), study.done
    groups = {PIT_GROUPS[study.head["kind"]]: _by_simulation([record["pit"] for record in done], study, {})}
    for key in ("truth", "mean", "sd"):
        rows = [{name: record[key][name] for name in record["pit"]} for record in done]
        groups[key] = _by_simulation(rows, study, units)
    return groups


def _detections(study: Study) -> dict[str, xr.Dataset]:
    """Groups of a study of power."""
    name = study.head["parameter"]
    unit = study.head["units"].get(name, "")
    keys = [key for key in ("ts", "upper_limit") if key in study.done[0]]
    rows = [{**{key: record[key] for key in keys}, "value": record["truth"][name]} for record in study.done]
    return {"detection": _by_simulation(rows, study, {"value": unit, "upper_limit": unit})}


def _estimates(study: Study) -> dict[str, xr.Dataset]:
    """Groups of a comparison of estimators: NaN where one failed."""
    units, done, estimators = study.head.get("units", {}), study.done, study.head["estimators"]
    found = [record["estimates"] for record in done]
    names = list(dict.fromkeys(name for one in found for values in one.values() for name in values))
    none = [np.nan, np.nan]
    dims = ("estimator", "chain", "draw", "quantity")
    data = {
        name: (
            dims,
            np.array([[[one.get(estimator, {}).get(name, none) for one in found]] for estimator in estimators]),
            {"units": units.get(name, "")},
        )
        for name in names
    }
    truth = _by_simulation([{name: record["truth"][name] for name in names} for record in done], study, units)
    coords = {"estimator": estimators, "quantity": ["value", "error"]}
    return {"estimates": xr.Dataset(data, coords={**coords, **truth.coords}), "truth": truth}


_GROUPS: dict[str, Callable[[Study], dict[str, xr.Dataset]]] = {"power": _detections, "compare": _estimates}


def load_study(folder: FileName) -> xr.DataTree:
    """Read the simulations of a study that are there, also while it runs.

    Parameters
    ----------
    folder : path
        As given to :func:`sbc`, :func:`coverage`, ...

    Returns
    -------
    xarray.DataTree
        See :func:`study_tree`.

    Raises
    ------
    ValueError
        If there is no such study, none of its simulations succeeded so far, or a file is damaged.
    """
    place = StudyFolder(folder)
    study = Study(place.head(), list(place.records()))
    if study.head["kind"] not in {*PIT_GROUPS, *_GROUPS}:
        raise ValueError(f"{folder} holds a study of the unknown kind {study.head['kind']!r}; by a later version?")
    if not study.done:
        raise ValueError(f"{folder} holds no finished simulation yet, of {len(study.records)} that failed")
    return study_tree(study)


def pit_group(tree: xr.DataTree) -> str:
    """Name of the group of ranks.

    Raises
    ------
    ValueError
        If there is none.
    """
    for name in PIT_GROUPS.values():
        if name in tree.children:
            return name
    raise ValueError(f"no study of calibration: the tree has the groups {sorted(tree.children)}")


def _by_simulation(rows: Sequence[Values], study: Study, units: Mapping[str, str]) -> xr.Dataset:
    """Values by name, of each simulation that did not fail, as a group."""
    data = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows], dtype="float64")[None]
        dims = ("chain", "draw", *(f"{name}_dim_{i}" for i in range(values.ndim - 2)))
        data[name] = (dims, values, {"units": units[name]} if units.get(name) else {})
    index = [record["index"] for record in study.done]
    coords: dict[str, Any] = {"chain": [0], "draw": index}
    if study.head.get("scenarios", 1) > 1:
        coords["scenario"] = ("draw", np.array(index) % study.head["scenarios"])
    return xr.Dataset(data, coords=coords, attrs={"sample_dims": ["chain", "draw"]})


def _simulations(study: Study) -> xr.Dataset:
    """How each simulation went."""
    records = study.records
    numbers = {"seconds": "time", "draws": "after thinning", "ess": "smallest", "rhat": "largest", "divergences": ""}
    data: dict[str, Any] = {
        key: ("simulation", np.array([record.get(key, np.nan) for record in records], dtype="float64"), {"note": note})
        for key, note in numbers.items()
    }
    data["error"] = ("simulation", np.array([record.get("error", "") for record in records], dtype=object))
    texts = ["\n".join(record.get("warnings", ())) for record in records]
    data["warnings"] = ("simulation", np.array(texts, dtype=object))
    return xr.Dataset(data, coords={"simulation": [record["index"] for record in records]})
