"""Several datasets as files: a YAML list that names a data file for each, as Gammapy writes it.

References
----------
https://docs.gammapy.org/2.1/user-guide/datasets/index.html
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayesmap._files import checksum_of, write_set, write_text
from bayesmap._util import make_path
from bayesmap._yaml.node import Node
from bayesmap._yaml.source import YamlSource
from bayesmap.datasets.components import renew_locations
from bayesmap.datasets.registry import DATASET_REGISTRY
from bayesmap.errors import FormatError
from bayesmap.maps.files import named_errors, read_text
from bayesmap.modeling import Models
from bayesmap.modeling.files.yaml import dump

if TYPE_CHECKING:
    from bayesmap.datasets.base import Dataset

__all__ = ["default_filename", "read_datasets", "write_datasets"]

#: keys of the file and of each dataset in it
TOP_KEYS = ("datasets", "metadata", "checksum")
KEYS = ("name", "type", "filename")
CHECKSUM = "checksum"


def default_filename(name: str, prefix: str = "") -> str:
    """Name of the data file of a dataset."""
    return f"{prefix}{name.replace(' ', '_')}.fits"


# --- reading


def read_datasets(
    filename: str | os.PathLike, lazy: bool = True, cache: bool = True, checksum: bool = True
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
        Whether to verify the checksums of the YAML file and, in it, of the data files, as far as they are there. So
        a file of another set, or of an older state of this one, is noticed.

    Returns
    -------
    list
        The datasets.

    Raises
    ------
    FileNotFoundError
        If there is no such YAML file.
    FormatError
        If it is no list of datasets, a type is unknown, a name occurs twice, a data file is missing, or a checksum is
        wrong; the message gives file, line and place in the file.
    """
    path = make_path(filename)
    text = read_text(path)
    source = YamlSource(text, str(path), FormatError)
    top = Node(source.load(), source).mapping()
    top.check_keys(TOP_KEYS)
    if checksum and CHECKSUM in top.data:
        _verify(text, top.key(CHECKSUM))
    entries: list[dict[str, Any]] = []
    for node in top.key("datasets").items():
        entry = _entry(node, path.parent, checksum)
        if any(entry["name"] == other["name"] for other in entries):
            raise node.key("name").error(f"there is already a dataset {entry['name']!r}; names are unique")
        entries.append(entry)
    with named_errors(path):
        return [entry.pop("class").from_dict(entry, lazy=lazy, cache=cache) for entry in entries]


def _entry(node: Node, folder: Path, checksum: bool) -> dict[str, Any]:
    """Checked entry with the class and an existing path."""
    node.mapping().check_keys((*KEYS, CHECKSUM))
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
    if checksum and CHECKSUM in node.data:
        stored, present = str(node.data[CHECKSUM]), checksum_of(found)
        if stored != present:
            raise node.key(CHECKSUM).error(
                f"{found} has the checksum {present}, not {stored}: it is not the file that was written with this "
                "list; write the datasets again, or use checksum=False if the file was replaced on purpose"
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
    OSError
        If a file cannot be written; what was there before is left as it was.
    ValueError
        If two datasets would get the same data file.

    Notes
    -----
    See `bayesmap._files.write_set`: a process that is killed leaves a list that leads to a complete set, old or new.
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
    companions: dict[Path, Callable[[Path], None]] = {}
    if filename_models is not None:
        models = Models([] if (given := datasets.models) is None else given)  # type: ignore[attr-defined]
        companions[make_path(filename_models)] = models.write

    def write_list(part: Path, places: Mapping[Path, Path]) -> None:
        present = [
            entry | {"filename": places[file].name, CHECKSUM: checksum_of(places[file])}
            for entry, file in zip(entries, files, strict=True)
        ]
        text = dump({"datasets": present, "metadata": {"creator": "bayesmap"}})
        write_text(f"{text}{CHECKSUM}: {_digest(text)}\n" if checksum else text, part)

    parts = {file: _writer(dataset, checksum) for dataset, file in zip(datasets, files, strict=True)}
    write_set(parts, path, write_list, companions)
    for dataset, file in zip(datasets, files, strict=True):
        renew_locations(dataset, file)


def _writer(dataset: "Dataset", checksum: bool) -> Callable[[Path], None]:
    return lambda part: dataset.write(part, checksum=checksum)


def _digest(text: str) -> str:
    """MD5 sum of the text before the line with the checksum (it finds damage, not forgery)."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _verify(text: str, stored: Node) -> None:
    body = text[: text.index(f"\n{CHECKSUM}:") + 1]
    if _digest(body) != str(stored.data):
        raise stored.error(
            f"the text has {_digest(body)}, stored is {stored.data}: the file was changed; checksum=False reads it"
        )
