"""The folder of a study: what is studied, and one small file per simulation, each whole or absent."""

import json
from collections.abc import Iterator
from pathlib import Path

from bayesmap._files import write_text
from bayesmap._types import FileName
from bayesmap.maps.files import read_text
from bayesmap.studies.types import Record, Values

__all__ = ["StudyFolder"]

HEAD = "study.json"
RECORDS = "simulations"


class StudyFolder:
    """Records of simulations on disk.

    Parameters
    ----------
    path : path
        The folder; see `begin`.

    Notes
    -----
    A process that is killed loses the simulations that it was at, no others.
    """

    def __init__(self, path: FileName) -> None:
        self.path = Path(path)

    def begin(self, head: Values) -> None:
        """Make the folder, or make sure that it holds the same study.

        Parameters
        ----------
        head : mapping
            What is studied; its entries ``identity``, ``seed`` and ``kind`` have to be those of the folder. An entry
            ``threshold`` replaces that of the folder.

        Raises
        ------
        ValueError
            If the folder holds something else; the message says in what it differs.
        """
        if (self.path / HEAD).is_file():
            old = self.head()
            new = json.loads(json.dumps(head))
            differing = [key for key in ("kind", "seed") if old[key] != new[key]]
            names = {**old["identity"], **new["identity"]}
            differing += [key for key in names if old["identity"].get(key) != new["identity"].get(key)]
            if differing:
                raise ValueError(
                    f"{self.path} holds a study of another {', '.join(differing)}: give another folder, or what that "
                    f"study was begun with ({old['kind']}, seed {old['seed']})"
                )
            if old.get("threshold") != new.get("threshold"):
                # statistics are stored, not what is found among them: later readers get the threshold given last
                write_text(json.dumps({**old, "threshold": new["threshold"]}, indent=1), self.path / HEAD)
            return
        # a process that was killed here leaves a hidden part of the head at most
        if self.path.exists() and (not self.path.is_dir() or any(p.suffix != ".part" for p in self.path.iterdir())):
            raise ValueError(f"{self.path} is not empty and holds no study: give a new or an empty folder")
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(json.dumps(dict(head), indent=1), self.path / HEAD)

    def head(self) -> Record:
        """What is studied.

        Raises
        ------
        ValueError
            If there is no study in the folder, or its description is damaged.
        """
        head = _read(self.path / HEAD, f"{self.path} holds no study")
        if head.get("format") != "bayesmap study":
            raise ValueError(f"{self.path / HEAD} does not describe a study of bayesmap")
        return head

    def write(self, record: Values) -> None:
        """Store the record of one simulation."""
        (self.path / RECORDS).mkdir(exist_ok=True)
        write_text(json.dumps(dict(record)), self._place(record["index"]))

    def records(self) -> Iterator[Record]:
        """Records that are there, in order.

        Raises
        ------
        ValueError
            If one is damaged; the message names the file.
        """
        for path in sorted((self.path / RECORDS).glob("[0-9]*.json")):
            record = _read(path, f"{path} cannot be read")
            if record.get("index") != int(path.stem):
                raise ValueError(f"{path} is not the record of simulation {int(path.stem)}: remove it and go on")
            yield record

    def _place(self, index: int) -> Path:
        return self.path / RECORDS / f"{index:06d}.json"


def _read(path: Path, complaint: str) -> Record:
    try:
        content = json.loads(read_text(path))
    except FileNotFoundError:
        raise ValueError(f"{complaint}: there is no {path}") from None
    except ValueError as error:
        raise ValueError(f"{complaint}: {path} is damaged ({error}); remove this file and go on") from None
    if not isinstance(content, dict):
        raise ValueError(f"{complaint}: {path} holds no record")
    return content
