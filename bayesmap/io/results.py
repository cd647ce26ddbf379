"""Results of sampling as files that are whole: netCDF with a mark that says so."""

import contextlib
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmap._files import whole
from bayesmap._together import finish
from bayesmap._util import make_path
from bayesmap.errors import FormatError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["load", "save"]

MARK = "bayesmap_complete"
#: what opening a file that is damaged or of another kind can raise
_DAMAGE = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, IndexError)


def save(tree: Any, path: str | os.PathLike, *, overwrite: bool = True) -> None:
    """Save a result of sampling as a netCDF file, completely or not at all.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`, with whatever was added to it.
    path : path
        File. It is written beside its place, flushed to the disk and moved there: whoever opens it sees the old one
        or the new one, also after a power cut. What a killed process left is removed by the next one that saves there.
    overwrite : bool
        Whether to replace an existing file, as ``tree.to_netcdf`` does.

    Raises
    ------
    FileExistsError
        If the file exists and ``overwrite`` is False.
    OSError
        If the file cannot be written, for instance since the disk is full; an old file is as it was then.

    Notes
    -----
    The file is that of ``tree.to_netcdf`` with one attribute more, which is written last: the names of groups and
    variables, and a checksum of their values (SHA-256). `load` looks at it; xarray and ArviZ read it as any file.
    """
    path = make_path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; use overwrite=True to replace it")
    with whole(path) as part:
        try:
            tree.to_netcdf(part, engine="netcdf4")
            _mark(part)
        except RuntimeError as error:  # what netCDF makes of a full disk, or of a name that it cannot hold
            raise OSError(f"cannot write {path}: {error}") from error


def load(path: str | os.PathLike, *, check: bool = True) -> "xr.DataTree":
    """Load a result that `save` wrote.

    Parameters
    ----------
    path : path
        File.
    check : bool
        Whether to insist on the mark of a complete file. Without it, a file of another origin (``tree.to_netcdf``) is
        read too; whether it was written to its end cannot be known then. A mark that is there is looked at in any case.

    Returns
    -------
    xarray.DataTree
        In memory; the file is closed.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    bayesmap.errors.FormatError
        If it is no netCDF file, is truncated or damaged, or lacks the mark.
    """
    import xarray as xr

    path = make_path(path)
    with contextlib.suppress(PermissionError):
        finish(path.parent)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        with xr.open_datatree(path, engine="netcdf4") as opened:
            tree = opened.load().copy()
    except _DAMAGE as error:
        raise FormatError(f"{path} is no netCDF file, or it is truncated or damaged: {error}") from error
    mark = tree.attrs.pop(MARK, None)
    if mark is not None:
        _compare(path, str(mark), _contents(tree))
    elif check:
        raise FormatError(
            f"{path} has no mark of a complete result: bayesmap.save did not write it. Its groups are "
            f"{sorted(tree.children)}; if you trust it to be whole, load(path, check=False) reads it"
        )
    return tree


def _mark(path: Any) -> None:
    """Add the mark to a file that is complete but for it."""
    import netCDF4
    import xarray as xr

    with xr.open_datatree(path, engine="netcdf4") as tree:
        contents = _contents(tree)
    with netCDF4.Dataset(path, "a") as file:
        file.setncattr(MARK, json.dumps(contents))


def _contents(tree: "xr.DataTree") -> dict[str, Any]:
    """Names of groups and variables, and a checksum of the values."""
    digest, groups = hashlib.sha256(), {}
    for node in sorted(tree.subtree, key=lambda node: node.path):
        variables = node.to_dataset(inherit=False).variables
        groups[node.path] = sorted(map(str, variables))
        for name in groups[node.path]:
            values = np.asarray(variables[name].values)
            digest.update(f"{node.path}/{name} {values.dtype.str} {values.shape}\n".encode())
            plain = values.dtype.kind in "biufc"
            digest.update(np.ascontiguousarray(values).tobytes() if plain else repr(values.tolist()).encode())
    return {"version": 1, "groups": groups, "sha256": digest.hexdigest()}


def _compare(path: Any, mark: str, found: dict[str, Any]) -> None:
    """Raise a FormatError unless a file holds what its mark says."""
    try:
        written = json.loads(mark)
        groups = {group: set(names) for group, names in written["groups"].items()}
        version, digest = int(written["version"]), written["sha256"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise FormatError(f"{path}: the mark {MARK!r} is damaged: {mark[:80]!r}") from None
    if version > found["version"]:
        raise FormatError(f"{path}: a newer bayesmap wrote it (version {version} of the mark {MARK!r})")
    missing = [f"{group}/{name}" for group, names in groups.items()
               for name in sorted(names - set(found["groups"].get(group, ())))]  # fmt: skip
    missing += [group for group in groups if group not in found["groups"]]
    if missing:
        raise FormatError(f"{path} is incomplete: it was saved with {', '.join(missing)}, which are not there")
    if digest != found["sha256"]:
        raise FormatError(f"{path} is damaged, or was changed after it was saved: the checksum of its values differs")
