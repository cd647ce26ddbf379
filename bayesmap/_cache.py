"""Where compiled code is kept: PyTensor's folder if it can be written to, else one for this process.

PyTensor makes its folder when it is imported and fails if it cannot. This module is run before.
"""

import atexit
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

__all__ = ["use_writable_cache"]

#: free space that a cache needs, in bytes (a first analysis fills about 30 MB)
_ROOM = 100e6


def use_writable_cache() -> None:
    """Let PyTensor keep compiled code in a temporary folder of this process if its own folder is of no use.

    Does nothing where the folder can be written to, which is looked up and not tried, or if PyTensor is there already.

    Warns
    -----
    UserWarning
        If the temporary folder is used; the message says why and what helps.
    """
    if "pytensor" in sys.modules:
        return
    folder = _configured()
    reason = "there is no home folder" if folder is None else _why_not(folder)
    if not reason:
        return
    own = tempfile.mkdtemp(prefix="bayesmap-cache-")
    process = os.getpid()
    atexit.register(lambda: shutil.rmtree(own, ignore_errors=True) if os.getpid() == process else None)
    flags = [flag for flag in os.environ.get("PYTENSOR_FLAGS", "").split(",") if flag and "base_compiledir" not in flag]
    os.environ["PYTENSOR_FLAGS"] = ",".join([*flags, f"base_compiledir={own}"])
    warnings.warn(
        f"compiled code cannot be kept ({reason}): it goes to a temporary folder, and each process compiles anew, "
        "which takes up to a minute; name a writable folder with PYTENSOR_FLAGS=base_compiledir=FOLDER",
        UserWarning,
        stacklevel=2,
    )


def _configured() -> Path | None:
    """The folder that PyTensor would use."""
    for flag in reversed(os.environ.get("PYTENSOR_FLAGS", "").split(",")):
        key, _, value = flag.partition("=")
        if key.strip() == "base_compiledir":
            return Path(value).expanduser()
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"]) / "PyTensor"
    try:
        return Path(os.environ.get("HOME") or Path.home()) / ".pytensor"
    except RuntimeError:
        return None


def _why_not(folder: Path) -> str:
    """Why nothing can be kept in a folder; empty if it can."""
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        return f"{folder} cannot be made: {existing} is not a folder"
    if not os.access(existing, os.R_OK | os.W_OK | os.X_OK):
        return f"{folder} cannot be written to"
    if shutil.disk_usage(existing).free < _ROOM:
        return f"the disk of {folder} is full"
    return ""
