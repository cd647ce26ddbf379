"""Small helpers that every layer may use."""

import difflib
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Absent", "absent_names", "check_option", "get_random_state", "make_name", "make_path", "suggest"]


def make_name(name: str | None = None) -> str:
    """Return ``name``, or a random eight-letter one.

    Raises
    ------
    TypeError
        If the name is not a string.
    ValueError
        If the name is empty or contains ``/`` (results are stored in groups separated by it).
    """
    if name is None:
        return "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(8))
    if not isinstance(name, str):
        raise TypeError(f"a name must be a string, got {name!r}")
    if not name or "/" in name:
        raise ValueError(f"a name must not be empty or contain '/', got {name!r}")
    return name


def make_path(path: str | os.PathLike) -> Path:
    """Return a `~pathlib.Path` with environment variables and ``~`` expanded."""
    return Path(os.path.expandvars(os.fspath(path))).expanduser()


def suggest(name: object, valid: Iterable[str]) -> str:
    """Return a sentence part that lists the valid names and the nearest one."""
    valid = sorted(valid)
    close = difflib.get_close_matches(str(name), valid, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"{hint}; valid: {valid}"


def check_option(what: str, value: object, valid: Iterable[str]) -> None:
    """Raise a ValueError that names the option unless ``value`` is one of ``valid``."""
    valid = list(valid)
    if value not in valid:
        raise ValueError(f"{what} must be one of {valid}, got {value!r}{suggest(value, map(str, valid)).split(';')[0]}")


def get_random_state(random_state: object = "random-seed") -> np.random.Generator:
    """Return a random generator from what users pass as ``random_state``.

    Parameters
    ----------
    random_state : int, "random-seed", "global-rng", numpy.random.Generator, numpy.random.RandomState or None
        An int seeds a new generator; "random-seed" and None take fresh entropy; "global-rng" takes its seed from
        NumPy's global generator, so that ``np.random.seed`` governs it; a generator is used as it is.

    Raises
    ------
    ValueError
        For anything else.
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(0, 2**31 - 1, size=4))
    if random_state is None or (isinstance(random_state, str) and random_state == "random-seed"):
        return np.random.default_rng()
    if isinstance(random_state, str) and random_state == "global-rng":
        return np.random.default_rng(np.random.randint(0, 2**31 - 1, size=4))  # noqa: NPY002 (that is the request)
    if isinstance(random_state, int | np.integer):
        return np.random.default_rng(int(random_state))
    raise ValueError(f"random_state must be an int, a generator, 'random-seed' or 'global-rng', got {random_state!r}")


class Absent:
    """A member that Gammapy's class of the same name has and ours has not: access says why, and what to use.

    Parameters
    ----------
    reason : str
        The rest of the sentence "<Class>.<member> of Gammapy ...".
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type) -> Any:
        raise AttributeError(f"{owner.__name__}.{self.name} of Gammapy {self.reason}")


def absent_names(module: str, reasons: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a module that says why names of Gammapy's module are not there.

    Parameters
    ----------
    module : str
        Name of our module.
    reasons : Mapping of str to str
        The rest of the sentence "<name> of Gammapy ..." for each name.
    """

    def getattribute(name: str) -> Any:
        if name in reasons:
            raise AttributeError(f"{name} of Gammapy {reasons[name]}; see the user guide, page 'Coming from Gammapy'")
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return getattribute
