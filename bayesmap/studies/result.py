"""What a study returns: a tree of ranks, truths and estimates, one draw per simulation."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from bayesmap._types import FileName
from bayesmap.studies.folder import StudyFolder
from bayesmap.studies.run import Study

__all__ = ["PIT_GROUPS", "load_study", "pit_group", "study_tree"]

#: the group of the ranks by kind of study; of the first two as simuk calls them
PIT_GROUPS = {"sbc": "prior_sbc", "posterior_sbc": "posterior_sbc", "coverage": "coverage_pit"}


def study_tree(study: Study) -> xr.DataTree:
    """Put the records of a study of calibration into one tree.

    Parameters
    ----------
    study : Study
        Of the kinds "sbc", "posterior_sbc" and "coverage".

    Returns
    -------
    xarray.DataTree
        Groups with the dimensions ``chain`` (one) and ``draw`` (the simulations that did not fail, by number):
        ``prior_sbc`` (or ``posterior_sbc``, ``coverage_pit``), where the truth lies in the posterior, in [0, 1];
        ``truth``, ``mean`` and ``sd``, in declared units. The group ``simulations`` has one entry per simulation, with
        the error of those that failed. Models, seed and version are in the attributes.
    """
    units, done = study.head.get("units", {}), study.done
    groups = {PIT_GROUPS[study.head["kind"]]: _by_simulation([r["pit"] for r in done], done, study, {})}
    for key in ("truth", "mean", "sd"):
        rows = [{name: record[key][name] for name in record["pit"]} for record in done]
        groups[key] = _by_simulation(rows, done, study, units)
    groups["simulations"] = _simulations(study)
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = {
        key: value if isinstance(value, str | int) else json.dumps(value) for key, value in study.head.items()
    }
    return tree


def load_study(folder: FileName) -> xr.DataTree:
    """Read the simulations of a study that are there, also while it runs.

    Parameters
    ----------
    folder : path
        As given to :func:`sbc`, :func:`coverage` or :func:`posterior_sbc`.

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
    if study.head["kind"] not in PIT_GROUPS:
        raise ValueError(f"{folder} holds a study of the kind {study.head['kind']!r}, not one of {list(PIT_GROUPS)}")
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


def _by_simulation(
    rows: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]], study: Study, units: Mapping[str, str]
) -> xr.Dataset:
    """Values by name as a group; names that some rows lack are left out of none: all simulations have the same."""
    data = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows], dtype="float64")[None]
        dims = ("chain", "draw", *(f"{name}_dim_{i}" for i in range(values.ndim - 2)))
        data[name] = (dims, values, {"units": units[name]} if units.get(name) else {})
    index = [record["index"] for record in records]
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
