"""Gammapy's datasets and models in memory become ours; Gammapy is not imported, its objects are asked.

What is asked: a dataset for ``name``, ``tag``, ``models`` and ``to_hdulist()`` (flux points for ``data.to_table()``),
its models for ``update_link_label()``, ``covariance.data`` and, one by one, ``to_dict(full_output=True)`` and ``map``.
The layouts are those of Gammapy 2.1's files, https://docs.gammapy.org/2.1/.
"""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bayesmap._util import suggest
from bayesmap.datasets.base import Dataset, Datasets
from bayesmap.datasets.flux_points import FluxPointsDataset
from bayesmap.datasets.registry import DATASET_REGISTRY
from bayesmap.errors import FormatError
from bayesmap.estimators import FluxPoints
from bayesmap.modeling import Models

__all__ = ["from_gammapy", "is_foreign"]

#: parts of a model, and the keys of their data
PARTS = {"spatial_model": "spatial", "spectral_model": "spectral", "temporal_model": "temporal"}


def is_foreign(dataset: Any) -> bool:
    """Whether something is a dataset of another package that is like one of ours."""
    return not isinstance(dataset, Dataset) and all(hasattr(dataset, name) for name in ("tag", "name", "models"))


def from_gammapy(datasets: Any) -> Datasets:
    """Convert datasets of Gammapy, with their models, priors, links, frozen parameters and covariance.

    Parameters
    ----------
    datasets : gammapy.datasets.Dataset, or several
        ``MapDataset``, ``MapDatasetOnOff``, ``SpectrumDataset``, ``SpectrumDatasetOnOff`` or ``FluxPointsDataset``.

    Returns
    -------
    Datasets
        New datasets; a model that several of them share stays shared. Models and their parameters are copies: a fit
        changes neither the data nor the models of Gammapy. `Models.to_gammapy` is the way back.

    Raises
    ------
    TypeError
        If a dataset is of another type.
    bayesmap.errors.FormatError
        If the data of a dataset cannot be taken over; the message names the dataset.
    bayesmap.errors.ModelFileError
        If a model, parameter or prior has no counterpart here; the message names it.

    Examples
    --------
    >>> tree = bayesmap.sample(gammapy_dataset)  # doctest: +SKIP
    >>> dataset, = from_gammapy(gammapy_dataset)  # doctest: +SKIP
    """
    listed = [datasets] if is_foreign(datasets) else list(datasets)
    converted = [_dataset(dataset) for dataset in listed]
    theirs = _unique(model for dataset in listed for model in dataset.models or ())
    models = dict(zip(map(id, theirs), _models(theirs, listed), strict=True))
    for dataset, foreign in zip(converted, listed, strict=True):
        if foreign.models is not None:
            dataset.models = Models([models[id(model)] for model in foreign.models])
    return Datasets(converted)


def _dataset(foreign: Any) -> Dataset:
    """A dataset without its models."""
    known = {cls.tag: cls for cls in DATASET_REGISTRY}
    if foreign.tag not in known:
        raise TypeError(
            f"dataset {foreign.name!r} is a {foreign.tag}, which has no counterpart{suggest(foreign.tag, known)}"
        )
    cls = known[foreign.tag]
    if issubclass(cls, FluxPointsDataset):
        points = FluxPoints.from_table(foreign.data.to_table(), reference_model=None)
        stat = getattr(foreign, "stat_type", "chi2")
        return FluxPointsDataset(
            data=points, name=foreign.name, mask_fit=foreign.mask_fit, mask_safe=foreign.mask_safe, stat_type=stat
        )
    try:
        hdulist = foreign.to_hdulist()
    except Exception as error:
        raise FormatError(
            f"dataset {foreign.name!r} cannot be taken over, since Gammapy cannot put it into HDUs: {error}"
        ) from error
    converted: Dataset = cls.from_hdulist(hdulist, name=foreign.name)
    return converted


def _unique(models: Iterable[Any]) -> list[Any]:
    return list({id(model): model for model in models}.values())


def _models(theirs: list[Any], datasets: Sequence[Any]) -> Models:
    """Our models, in the order of theirs."""
    if not theirs:
        return Models([])
    together = next(type(dataset.models) for dataset in datasets if dataset.models is not None)(theirs)
    together.update_link_label()
    with tempfile.TemporaryDirectory() as folder:
        files: dict[str, str | None] = {}
        entries = [_component(model, Path(folder), files) for model in theirs]
        models = Models.from_dict({"components": entries})
    parts: Iterable[Any] = (part for model in models for part in (model, *model.parts.values()))
    for part in parts:
        if getattr(part, "filename", None) in files:
            part.filename = files[part.filename]
    covariance = np.asarray(together.covariance.data)
    if covariance.any():
        models.covariance = covariance
    return models


def _component(model: Any, folder: Path, files: dict[str, str | None]) -> dict[str, Any]:
    """Data of a component; maps in memory go to files for as long as it takes."""
    data: dict[str, Any] = _plain(model.to_dict(full_output=True))
    holders: Iterable[tuple[Any, dict[str, Any]]] = [
        (model, data),
        *((getattr(model, name, None), data[key]) for name, key in PARTS.items() if key in data),
    ]
    for holder, entry in holders:
        if getattr(holder, "map", None) is not None:
            path = str(folder / f"{len(files)}.fits")
            holder.map.write(path)
            files[path] = entry.get("filename")
            entry["filename"] = path
    return data


def _plain(data: Any) -> Any:
    """The data with Python's numbers in place of NumPy's."""
    if isinstance(data, dict):
        return {key: _plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(value) for value in data]
    return data.item() if isinstance(data, np.generic) else data.tolist() if isinstance(data, np.ndarray) else data
