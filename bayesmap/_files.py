"""Files that are whole or absent: written beside their place, flushed to the disk, then moved.

A process that is killed leaves at most hidden files whose names say who wrote them (machine, process and a random
part); the next process that writes to the same place removes them.
"""

import contextlib
import os
import platform
import re
import secrets
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

__all__ = [
    "beside",
    "checksum_of",
    "flush",
    "link",
    "locked",
    "owned",
    "remove_abandoned",
    "whole",
    "write_set",
    "write_text",
]

_MACHINE = f"{zlib.crc32(platform.node().encode()):08x}"
_OWNER = re.compile(r"\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{8}\.(?:part|new)")
#: what another machine left on a shared disk is taken for abandoned after this time, in s
_ABANDONED = 7 * 86400.0


@contextlib.contextmanager
def whole(path: str | os.PathLike) -> Iterator[Path]:
    """Path to write to, in the same folder and with the same name; at the end it becomes ``path``.

    Parameters
    ----------
    path : path
        File to write or replace.

    Yields
    ------
    pathlib.Path
        Where to write. On any failure, also on an interrupt, it is removed and ``path`` is as it was; the content
        is on the disk before it gets its name.

    Raises
    ------
    OSError
        If the file cannot be written, for instance since its folder does not exist; nothing is left then.
    """
    path = Path(os.path.realpath(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}")
    remove_abandoned(path, f".{_escaped(path.name)}.*.part")
    folder = path.with_name(owned(f".{path.name}") + ".part")
    try:
        folder.mkdir()
        part = folder / path.name
        yield part
        if path.exists():
            shutil.copymode(path, part)
        flush(part)
        os.replace(part, path)
        flush(path.parent)
    except OSError as error:
        raise _told(error, path) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_text(text: str, path: str | os.PathLike) -> None:
    """Write a text file in UTF-8, completely or not at all."""
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")


def write_set(
    files: Mapping[Path, Callable[[Path], None]],
    index: Path,
    write_index: Callable[[Path, Mapping[Path, Path]], None],
    companions: Mapping[Path, Callable[[Path], None]] | None = None,
) -> None:
    """Write files and one that names them, such that at any moment the names lead to a complete set, old or new.

    Parameters
    ----------
    files : dict
        For each file a function that writes it to a given path.
    index : path
        The file that names the others; it may exist, as they may.
    write_index : callable
        Takes the path to write to, and where each of the files is at present.
    companions : dict, optional
        Files that the index does not name, as ``files``; they change together with it.

    Raises
    ------
    OSError
        If a file cannot be written: the old set is as it was, and nothing of the new one is left.

    Notes
    -----
    Files are staged first; those with new names move to their place, others beside it; the index is replaced. Only then
    do the old ones give way: the new ones get their names (a second link, or a copy), the index is replaced again.
    """
    places = {target: beside(target) if target.exists() else target for target in files}
    try:
        with contextlib.ExitStack() as stack:
            for target, write in files.items():
                write(stack.enter_context(whole(places[target])))
        with contextlib.ExitStack() as stack:
            for target, write in (companions or {}).items():
                write(stack.enter_context(whole(target)))
            _replace_index(index, write_index, places)
    except BaseException:
        for place in places.values():
            place.unlink(missing_ok=True)
        raise
    waiting = {target: place for target, place in places.items() if place != target}
    for target, place in waiting.items():
        with whole(target) as part:
            link(place, part)
    if waiting:
        _replace_index(index, write_index, {target: target for target in files})
    for target, place in places.items():
        if place != target:
            place.unlink(missing_ok=True)
        stem, suffixes = map(_escaped, _split(target))
        for pattern in (f"{stem}.*.new{suffixes}", f".{stem}.*.new{suffixes}.*.part"):
            remove_abandoned(target, pattern)


def beside(path: Path) -> Path:
    """Unused name beside that of a file, with the same suffixes."""
    stem, suffixes = _split(path)
    return path.with_name(f"{owned(stem)}.new{suffixes}")


def checksum_of(path: str | os.PathLike) -> str:
    """CRC-32 of the content of a file in eight hexadecimal digits (it finds mistakes, not forgery)."""
    value = 0
    with Path(path).open("rb") as handle:
        while block := handle.read(1 << 20):
            value = zlib.crc32(block, value)
    return f"{value:08x}"


def _told(error: OSError, path: Path) -> OSError:
    """The error with the name of the file, of the outermost where one write serves another."""
    reason = getattr(error, "reason", error.strerror or str(error))
    message = f"cannot write {path}: {reason}"
    told = OSError(error.errno, message) if error.errno else OSError(message)
    told.reason = reason  # type: ignore[attr-defined]
    return told


def _replace_index(
    index: Path, write_index: Callable[[Path, Mapping[Path, Path]], None], places: Mapping[Path, Path]
) -> None:
    with whole(index) as part:
        write_index(part, places)


def _split(path: Path) -> tuple[str, str]:
    """Name up to its first dot, and the rest."""
    stem = path.name.split(".")[0]
    return stem, path.name[len(stem) :]


def owned(name: str) -> str:
    """Name with a part that says which process of which machine made it, and a random one."""
    return f"{name}.{_MACHINE}-{os.getpid()}-{secrets.token_hex(4)}"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that other processes and threads wait for; the system gives it back when the process ends.

    Parameters
    ----------
    path : path
        File of the lock, which is made; nothing is written to it. Where the system has no such locks, as on Windows,
        there is none: then one process at a time may write.
    """
    if os.name != "posix":
        yield
        return
    import fcntl

    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def link(source: Path, target: Path) -> None:
    """Give a file a second name; copy it where the file system has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def flush(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on the disk."""
    if os.name != "posix" and path.is_dir():
        return  # folders cannot be opened there
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_abandoned(path: Path, pattern: str) -> None:
    """Remove what killed processes left beside a file while they wrote it."""
    for left in path.parent.glob(pattern):
        if _is_abandoned(left):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def _is_abandoned(path: Path) -> bool:
    owner = _OWNER.search(path.name)
    if owner is None:
        return False
    if owner["machine"] == _MACHINE:
        return int(owner["process"]) != os.getpid() and not _is_running(int(owner["process"]))
    with contextlib.suppress(OSError):
        return time.time() - path.stat().st_mtime > _ABANDONED
    return False


def _is_running(process: int) -> bool:
    if os.name != "posix":
        return True  # asking for a process by a signal would end it there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _escaped(name: str) -> str:
    """The name as a pattern of `glob` that matches it alone."""
    return re.sub(r"([*?[])", r"[\1]", name)
