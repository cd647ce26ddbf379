"""Several datasets as files: a YAML list that names a data file for each, as Gammapy writes it.

References
----------
https://docs.gammapy.org/2.1/user-guide/datasets/index.html
"""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bayesmap._util import make_path
from bayesmap.datasets.registry import DATASET_REGISTRY
from bayesmap.errors import FormatError
from bayesmap.maps.files import read_text
from bayesmap.modeling import Models
from bayesmap.modeling.node import Node
from bayesmap.modeling.yaml import dump
from bayesmap.modeling.yaml_source import YamlSource

__all__ = ["default_filename", "read_datasets", "write_datasets"]

#: keys of the file and of each dataset in it
TOP_KEYS = ("datasets", "metadata", "checksum")
KEYS = ("name", "type", "filename")
CHECKSUM = "checksum:"


def default_filename(name: str, prefix: str = "") -> str:
    """Name of the data file of a dataset."""
    return f"{prefix}{name.replace(' ', '_')}.fits"


# --- reading


def read_datasets(
    filename: str | os.PathLike, lazy: bool = True, cache: bool = True, checksum: bool = False
) -> list[Any]:
    """Read the datasets that a YAML file lists.

    Parameters
    ----------
    filename : path
        The YAML file. Data files are looked for beside it, then as they are named; variables such as ``$HOME`` are
        expanded.
    lazy, cache : bool
        As for `MapDataset.read`.
    checksum : bool
        Whether to verify the checksum of the YAML file, if it has one.

    Returns
    -------
    list
        The datasets.

    Raises
    ------
    FileNotFoundError
        If there is no such YAML file.
    FormatError
        If it is no list of datasets, a type is unknown, a name occurs twice, or a data file is missing; the message
        gives file, line and place in the file.
    """
    path = make_path(filename)
    text = read_text(path)
    source = YamlSource(text, str(path), FormatError)
    top = Node(source.load(), source).mapping()
    top.check_keys(TOP_KEYS)
    if checksum and "checksum" in top.data:
        _verify(text, top.key("checksum"))
    entries: list[dict[str, Any]] = []
    for node in top.key("datasets").items():
        entry = _entry(node, path.parent)
        if any(entry["name"] == other["name"] for other in entries):
            raise node.key("name").error(f"there is already a dataset {entry['name']!r}; names are unique")
        entries.append(entry)
    return [entry.pop("class").from_dict(entry, lazy=lazy, cache=cache) for entry in entries]


def _entry(node: Node, folder: Path) -> dict[str, Any]:
    """Checked entry with the class and an existing path."""
    node.mapping().check_keys(KEYS)
    name, kind, filename = (node.key(key).text() for key in KEYS)
    for key in KEYS:
        if not node.data[key]:
            raise node.key(key).error("must not be empty")
    cls = node.call(DATASET_REGISTRY.get_cls, kind, at="type")
    given = make_path(filename)
    found = next((path for path in (folder / given, given) if path.is_file()), None)
    if found is None:
        raise node.key("filename").error(
            f"the data file {filename!r} of dataset {name!r} is neither in {folder} nor at that path"
        )
    return {"name": name, "type": kind, "filename": found, "class": cls}


# --- writing


def write_datasets(
    datasets: Sequence[Any],
    filename: str | os.PathLike,
    filename_models: str | os.PathLike | None = None,
    overwrite: bool = False,
    checksum: bool = False,
) -> None:
    """Write datasets: a data file for each, the models, and last the YAML file that lists them.

    Parameters
    ----------
    datasets : `Datasets`
        The datasets.
    filename : path
        The YAML file; data files are put beside it.
    filename_models : path, optional
        File for the models.
    overwrite : bool
        Whether existing files are replaced.
    checksum : bool
        Whether to store checksums in data files and in the YAML file.

    Raises
    ------
    FileExistsError
        If one of the files exists and ``overwrite`` is False; nothing is written then.
    ValueError
        If two datasets would get the same data file.
    """
    path = make_path(filename)
    entries = [dataset.to_dict() for dataset in datasets]
    names = [entry["filename"] for entry in entries]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        clash = [entry["name"] for entry in entries if entry["filename"] == twice]
        raise ValueError(f"the datasets {clash} would share the file {twice!r}; rename one")
    files = [path.parent / name for name in names]
    targets = [*files, path, *([] if filename_models is None else [make_path(filename_models)])]
    existing = [str(target) for target in targets if target.exists()]
    if existing and not overwrite:
        raise FileExistsError(f"{', '.join(existing)} exists; use overwrite=True to replace")
    for dataset, file in zip(datasets, files, strict=True):
        dataset.write(file, overwrite=overwrite, checksum=checksum)
    if filename_models is not None:
        models = datasets.models  # type: ignore[attr-defined]
        Models([] if models is None else models).write(filename_models, overwrite=overwrite)
    text = dump({"datasets": entries, "metadata": {"creator": "bayesmap"}})
    _write_text(f"{text}{CHECKSUM} {_digest(text)}\n" if checksum else text, path)


def _write_text(text: str, path: Path) -> None:
    """Write a text file completely or not at all."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
        part = Path(folder) / path.name
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)


def _digest(text: str) -> str:
    """MD5 sum of the text before the line with the checksum (it finds damage, not forgery)."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _verify(text: str, stored: Node) -> None:
    body = text[: text.index(f"\n{CHECKSUM}") + 1]
    if _digest(body) != str(stored.data):
        raise stored.error(f"the text has {_digest(body)}, stored is {stored.data}: the file was changed")
