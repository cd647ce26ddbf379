"""Files of a folder that are replaced together: all old ones, or all new ones.

New files are written into a hidden folder. When they are complete it gets the name `READY`, and that is the moment
when they count: each is moved to its place. Whoever finds that folder, after a process was killed while it moved
them, moves the rest (`finish`).
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from bayesmap._files import flush, owned, remove_abandoned

__all__ = ["READY", "finish", "together"]

READY = ".bayesmap-ready"
PICTURES = ".png"
_STAGE = ".bayesmap"
#: the names of the files that were written together; pictures that the next set lacks are removed with it
_LIST = ".bayesmap-files.json"


@contextlib.contextmanager
def together(folder: str | os.PathLike) -> Iterator[Path]:
    """Folder to write to; at the end its files replace those of the same names in ``folder``, all or none.

    Parameters
    ----------
    folder : path
        Existing folder. Pictures in it that an earlier call wrote and this one does not are removed; all else stays.

    Yields
    ------
    pathlib.Path
        Where to write files (not folders). On any failure, also on an interrupt, it is removed and ``folder`` is as it
        was. What killed processes left is removed when this is used again.
    """
    folder = Path(os.path.realpath(folder))
    finish(folder)
    remove_abandoned(folder / _STAGE, f"{_STAGE}.*.part")
    stage = folder / (owned(_STAGE) + ".part")
    try:
        stage.mkdir()
        yield stage
        names = sorted(path.name for path in stage.iterdir() if path.name != _LIST)
        (stage / _LIST).write_text(json.dumps(names), encoding="utf-8")
        for path in stage.iterdir():
            flush(path)
        flush(stage)
        finish(folder)  # another process may have been here
        stage.rename(folder / READY)
        finish(folder)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def finish(folder: str | os.PathLike) -> None:
    """Move complete new files to their places, if a process was killed while it did so."""
    folder = Path(folder)
    ready = folder / READY
    if not ready.is_dir():
        return
    flush(folder)
    new, old = _listed(ready), _listed(folder)
    for name in new or ():
        _move(ready / name, folder / name)
    for name in set(old or ()) - set(new or old or ()):
        if name.endswith(PICTURES):
            (folder / name).unlink(missing_ok=True)
    _move(ready / _LIST, folder / _LIST)
    flush(folder)
    shutil.rmtree(ready, ignore_errors=True)


def _listed(folder: Path) -> list[str] | None:
    """Names in the list of a folder, without any that lead elsewhere; None if there is no list."""
    try:
        names = json.loads((folder / _LIST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return [name for name in names if isinstance(name, str) and Path(name).name == name]


def _move(source: Path, target: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # moved already
        os.replace(source, target)
