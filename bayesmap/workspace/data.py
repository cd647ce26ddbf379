"""The data of a workspace: files elsewhere that it refers to, or its own, and what tells that they are the same."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from bayesmap._files import checksum_of
from bayesmap._types import FileName
from bayesmap._util import make_path
from bayesmap._yaml.source import YamlSource
from bayesmap.datasets import Datasets, open_datasets
from bayesmap.datasets.digest import dataset_digests
from bayesmap.datasets.of_result import difference
from bayesmap.datasets.opening import LISTS
from bayesmap.errors import FormatError
from bayesmap.maps.files import read_text

__all__ = ["Reference", "changed_files", "checksums", "file_models", "read_data", "reference", "store"]

#: folder and list of data that are the workspace's own
OWN = Path("data") / "datasets.yaml"


class Reference(TypedDict):
    """Where data lie and what they are: names, checksums of files, digests of parts by dataset; files of the models."""

    place: dict[str, str]
    name: str
    files: dict[str, str]
    digests: dict[str, dict[str, str]]
    templates: NotRequired[dict[str, str]]


def reference(filename: FileName, folder: Path, name: str | None = None) -> Reference:
    """Refer to data in a file, from a workspace that will be in a folder.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it holds no dataset.
    """
    path = make_path(filename).resolve()
    datasets = open_datasets(path, name=name)
    return {
        "place": _place(path, folder),
        "name": "" if path.suffix in LISTS else datasets.names[0],
        "files": {os.path.relpath(file, path.parent): checksum_of(file) for file in _files(path, datasets)},
        "digests": {dataset.name: dataset_digests(dataset) for dataset in datasets},
    }


def store(datasets: Datasets, folder: Path) -> Reference:
    """Write data into the folder of a workspace, and refer to them.

    Raises
    ------
    ValueError
        If what is read back differs, for example as files hold no likelihood; the message names the parts.
    """
    path = folder / OWN
    path.parent.mkdir()
    datasets.write(path)
    written = reference(path, folder)
    for dataset in datasets:
        if text := difference(dataset.name, dataset_digests(dataset), written["digests"][dataset.name]):
            raise ValueError(
                f"files do not hold the data as they are: {text}. Write them to files, look at what is read back, and "
                "create the workspace from those files"
            )
    return {**written, "place": {"relative": OWN.as_posix()}}


def read_data(data: Reference, folder: Path) -> Datasets:
    """Read the data of a workspace, without models, and look whether files of the models are what they were.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If data differ from those that the workspace was made with; the message names datasets and parts.
    """
    path = _found(data, folder)
    datasets = open_datasets(path, name=data["name"] or None)
    stored, templates = data["digests"], data.get("templates", {})
    if moved := [name for name, checksum in templates.items() if checksums([name]).get(name) != checksum]:
        raise ValueError(
            f"files of the models are missing, or have changed since the workspace was created: {', '.join(moved)}. "
            "Put the old files back, or create a workspace with the new ones"
        )
    if sorted(datasets.names) != sorted(stored):
        raise ValueError(f"{path} holds the datasets {datasets.names}, the workspace is of {list(stored)}")
    differing = [text for one in datasets if (text := difference(one.name, stored[one.name], dataset_digests(one)))]
    if differing:
        raise ValueError(
            f"the data in {path} have changed since the workspace was created: {'; '.join(differing)}. Put the old "
            "files back, or create a workspace of the new ones"
        )
    return datasets


def changed_files(data: Reference, folder: Path) -> list[Path]:
    """Files of the data that are missing or differ from what they were."""
    try:
        path = _found(data, folder)
    except FileNotFoundError:
        return [Path(data["place"].get("absolute", str(folder / data["place"]["relative"])))]
    files = {path.parent / name: checksum for name, checksum in data["files"].items()}
    files |= {Path(name): checksum for name, checksum in data.get("templates", {}).items()}
    return [file for file, checksum in files.items() if not file.is_file() or checksum_of(file) != checksum]


def file_models(models: Iterable[Any]) -> Iterator[Any]:
    """Models, and parts of models at any depth, that are read from a file which a model file names."""
    for model in models:
        if getattr(model, "filename", None):
            yield model
        yield from file_models(getattr(model, "parts", {}).values())
        yield from file_models(getattr(model, key) for key in getattr(model, "file_parts", ()))


def checksums(files: Iterable[str]) -> dict[str, str]:
    """Checksums of the files that are there; of a template in memory only there may be none."""
    return {name: checksum_of(Path(name)) for name in sorted(set(files)) if Path(name).is_file()}


def _place(path: Path, folder: Path) -> dict[str, str]:
    """Where a file is, from the folder and from the root: one of the two stays right when things are moved."""
    try:
        return {"relative": os.path.relpath(path, folder.resolve()), "absolute": str(path)}
    except ValueError:  # on another drive
        return {"absolute": str(path)}


def _found(data: Reference, folder: Path) -> Path:
    place = data["place"]
    candidates = [folder / place["relative"]] if "relative" in place else []
    candidates += [Path(place["absolute"])] if "absolute" in place else []
    for path in candidates:
        if path.is_file():
            return path.resolve()
    raise FileNotFoundError(
        f"the data of the workspace {folder} are not there: {' or '.join(str(path) for path in candidates)}"
    )


def _files(path: Path, datasets: Datasets) -> list[Path]:
    """A file, and those beside it that a list names."""
    if path.suffix not in LISTS:
        return [path]
    listed = YamlSource(read_text(path), str(path), FormatError).load()
    names = [str(entry["filename"]) for entry in listed["datasets"]]
    return [path, *(file for name in names if (file := path.parent / name).is_file())]
