"""The folder of a workspace: files with new names, and a manifest that names them, written last."""

import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from bayesmap._files import checksum_of, locked, remove_abandoned, write_text
from bayesmap.errors import FormatError
from bayesmap.maps.files import read_text
from bayesmap.workspace.data import Reference

__all__ = ["MANIFEST", "Folder", "Manifest", "empty_manifest"]

MANIFEST = "workspace.json"
FORMAT, VERSION = "bayesmap workspace", 1
#: files that a change writes: a name, a random part, an ending
_OURS = re.compile(r".+\.ws-[0-9a-f]{8}\.(nc|ecsv|fits)")
#: longest name of a file or folder that common file systems take
LONGEST = 255
PARTS = {"posterior": "", "products": "products"}

type Entry = dict[str, str | int | float | bool | None]


class Manifest:
    """What a workspace holds.

    Attributes
    ----------
    head : dict
        When and with which versions it was made.
    data : dict
        Where the data lie, checksums of their files, digests of their parts.
    models : dict
        File of the models, and its checksum.
    posterior, report : dict or None
        File and facts of the posterior; of which posterior the report was made.
    products : dict of dict
        File, kind and facts of each product, by name.
    """

    def __init__(self, content: dict[str, object]) -> None:
        self.head: dict[str, object] = dict(content["head"])  # type: ignore[call-overload]
        self.data: Reference = content["data"]  # type: ignore[assignment]
        self.models: Entry = dict(content["models"])  # type: ignore[call-overload]
        self.posterior: Entry | None = content["posterior"]  # type: ignore[assignment]
        self.report: Entry | None = content["report"]  # type: ignore[assignment]
        self.products: dict[str, Entry] = dict(content["products"])  # type: ignore[call-overload]

    @property
    def entries(self) -> dict[str, Entry]:
        """Entries of the files inside the folder, by what they are."""
        entries = {"the models": self.models}
        if self.posterior is not None:
            entries["the posterior"] = self.posterior
        return entries | {f"the product {name!r}": entry for name, entry in self.products.items()}

    def text(self) -> str:
        """The text of the file, with its own checksum."""
        content = {"format": FORMAT, "version": VERSION, **vars(self)}
        return json.dumps({**content, "sha256": _sha256(content)}, indent=1)

    @classmethod
    def from_text(cls, text: str, path: Path) -> "Manifest":
        """Read it.

        Raises
        ------
        FormatError
            If it is truncated, was changed, or is of another version.
        """
        try:
            content = json.loads(text)
            is_ours, version = content["format"] == FORMAT, int(content["version"])
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise FormatError(f"{path} is damaged or truncated: {error}") from None
        if not is_ours:
            raise FormatError(f"{path} does not describe a workspace of bayesmap")
        if version > VERSION:
            raise FormatError(f"{path}: a newer bayesmap wrote it (version {version}, this one reads {VERSION})")
        stored = content.pop("sha256", None)
        if stored != _sha256(content):
            raise FormatError(f"{path} is damaged, or was changed by hand: its checksum differs")
        try:
            _check_shape(content)
            manifest = cls(content)
            for what, entry in manifest.entries.items():
                _check_inside(path, what, entry["file"])
        except (KeyError, TypeError, AttributeError) as error:
            raise FormatError(f"{path} is damaged: {type(error).__name__}: {error}") from None
        return manifest


def empty_manifest(head: dict[str, object], data: "Reference", models: Entry) -> Manifest:
    """The manifest of a new workspace."""
    return Manifest({"head": head, "data": data, "models": models, "posterior": None, "report": None, "products": {}})


def _sha256(content: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _check_shape(content: dict[str, dict[str, object]]) -> None:
    """Raise a KeyError or TypeError if a manifest lacks something, or holds another type of thing."""
    data = content["data"]
    mappings = [content["head"], content["models"], content["products"], data, data["place"], data["files"]]
    mappings += [data["digests"], data.get("templates", {}), *content["products"].values()]  # type: ignore[list-item]
    mappings += [entry for key in ("posterior", "report") if (entry := content[key]) is not None]
    if not all(isinstance(one, dict) for one in mappings) or not isinstance(data["name"], str):
        raise TypeError("a part of it is no mapping")
    if data["name"] and [data["name"]] != list(data["digests"]):  # type: ignore[call-overload]
        raise KeyError(f"digests of the dataset {data['name']!r}")
    entries = [content["models"], content["posterior"], *content["products"].values()]
    files = [entry for entry in entries if entry is not None]
    if not all({"file", "checksum", "shown"} <= set(entry) for entry in files):  # type: ignore[call-overload]
        raise KeyError("an entry lacks its file or checksum")
    paths = [*data["place"].values(), *data["files"], *data.get("templates", {})]  # type: ignore[attr-defined, misc]
    paths += [entry["file"] for entry in files]  # type: ignore[index]
    if any(not isinstance(path, str) or max(map(len, Path(path).parts), default=0) > LONGEST for path in paths):
        raise TypeError("a path is no text or too long")
    if not {"created_at", "versions"} <= set(content["head"]):
        raise KeyError("when and with which versions it was made")
    if not all("kind" in one for one in content["products"].values()):  # type: ignore[operator]
        raise KeyError("the kind of a product")


def _check_inside(path: Path, what: str, name: object) -> None:
    """Raise a FormatError if a file lies elsewhere than in the folder or one of its parts."""
    parts = Path(str(name)).parts
    inside = len(parts) == 1 or (len(parts) == 2 and parts[0] in PARTS.values())
    if not isinstance(name, str) or not inside or ".." in parts or Path(name).is_absolute():
        raise FormatError(f"{path}: {what} has the file {name!r}, which is not in this folder")


class Folder:
    """A folder whose files are named by a manifest.

    Parameters
    ----------
    path : path
        The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Manifest:
        """Read the manifest as it is now.

        Raises
        ------
        FileNotFoundError
            If there is no workspace.
        FormatError
            If the manifest is damaged.
        """
        path = self.path / MANIFEST
        if not path.is_file():
            raise FileNotFoundError(f"{self.path} holds no workspace: there is no {path}")
        return Manifest.from_text(read_text(path), path)

    @contextlib.contextmanager
    def changed(self) -> Iterator[Manifest]:
        """The manifest, to be changed; at the end it is written, if nothing was raised.

        Files that it names have to be there by then. Others of earlier or failed changes are removed after that.
        Processes wait for each other here.
        """
        with locked(self.path / ".lock"):
            manifest = self.read()
            try:
                yield manifest
                write_text(manifest.text(), self.path / MANIFEST)
            finally:
                self._tidy(self.read())

    def new_file(self, part: str, name: str, suffix: str) -> str:
        """An unused name of a file in a part of the folder, relative to it."""
        folder = self.path / PARTS[part]
        folder.mkdir(exist_ok=True)
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:60].strip("-") or part
        return (Path(PARTS[part]) / f"{plain}.ws-{secrets.token_hex(4)}{suffix}").as_posix()

    def entry(self, file: str, **facts: str | int | float | bool | None) -> Entry:
        """The entry of a file that is complete."""
        return {"file": file, "checksum": checksum_of(self.path / file), **facts}

    def check(self, what: str, entry: Entry) -> Path:
        """Return the path of a file that is as it was written.

        Raises
        ------
        FormatError
            If it is missing or differs; the message names it.
        """
        path = self.path / str(entry["file"])
        if not path.is_file():
            raise FormatError(f"{self.path / MANIFEST}: the workspace is incomplete, {what} is missing: {path}")
        if checksum_of(path) != entry["checksum"]:
            raise FormatError(f"{self.path / MANIFEST}: {what} is truncated or was changed: {path}")
        return path

    def _tidy(self, manifest: Manifest) -> None:
        """Remove files of ours that the manifest does not name, and what killed processes left."""
        named = {str(entry["file"]) for entry in manifest.entries.values()}
        for part in PARTS.values():
            remove_abandoned(self.path / part / MANIFEST, ".*.part")
            for path in (self.path / part).glob("*"):
                if _OURS.fullmatch(path.name) and path.relative_to(self.path).as_posix() not in named:
                    with contextlib.suppress(OSError):
                        os.unlink(path)
