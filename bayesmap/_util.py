"""Small helpers that every layer may use."""

import abc
import difflib
import inspect
import os
import secrets
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bayesmap._types import FileName

__all__ = [
    "Absent",
    "KnownAttributes",
    "absent_names",
    "check_option",
    "check_whole",
    "find_file",
    "get_random_state",
    "make_name",
    "make_path",
    "named_file",
    "suggest",
]


def make_name(name: str | None = None) -> str:
    """Return ``name``, or a random eight-letter one.

    Names become those of variables in results, ``"<model>.<parameter>"``, and of files. What netCDF cannot hold is
    refused here and not after sampling: ``/`` and control characters anywhere, and anything but a letter, a digit or
    an underscore at the beginning (https://docs.unidata.ucar.edu/nug/current/netcdf_data_set_components.html).
    ``<``, ``>``, ``#`` and ``$`` are refused anywhere, as names stand in HTML pages, addresses and titles of figures.

    Raises
    ------
    TypeError
        If the name is not a string.
    ValueError
        If the name cannot be stored; the message says what can.
    """
    if name is None:
        return "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(8))
    if not isinstance(name, str):
        raise TypeError(f"a name must be a string, got {name!r}")
    if problem := _name_problem(name):
        raise ValueError(
            f"the name {name!r} {problem}, and no result could be stored under it: a name must not be empty or contain "
            f"{', '.join(map(repr, _FORBIDDEN))} or control characters, begins with a letter, digit or underscore, "
            f"does not end with a space, and has at most {_LONGEST} bytes in UTF-8"
        )
    return name


_FORBIDDEN = "/<>#$"
#: netCDF takes 255 bytes, of which the rest is for the parameter
_LONGEST = 150


def _name_problem(name: str) -> str:
    """What is wrong with a name; empty if it is right."""
    if not name:
        return "is empty"
    if wrong := sorted({character for character in name if character in _FORBIDDEN}):
        return f"contains {' '.join(wrong)}"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        return "contains a control character"
    if not (name[0].isalnum() or name[0] == "_" or ord(name[0]) > 127):
        return f"begins with {name[0]!r}"
    if name[-1] == " ":
        return "ends with a space"
    if unicodedata.normalize("NFC", name) != name:
        return "is not composed (NFC) Unicode"
    return f"has {len(name.encode())} bytes" if len(name.encode()) > _LONGEST else ""


def make_path(path: str | os.PathLike) -> Path:
    """Return a `~pathlib.Path` with environment variables and ``~`` expanded."""
    return Path(os.path.expandvars(os.fspath(path))).expanduser()


def find_file(name: str, folder: FileName | None) -> Path:
    """Return the path of a file that a model file names: as given, or in the folder of the model file."""
    path = make_path(name)
    if folder is not None and not path.is_absolute() and not path.exists():
        return Path(folder) / path
    return path


def named_file(data: Mapping[str, object], folder: FileName | None, what: str) -> tuple[str, Path]:
    """Return the name and the path of the file that the data of a model name, see `find_file`.

    Raises
    ------
    ValueError
        If they name none.
    """
    name = data.get("filename")
    if not isinstance(name, str):
        raise ValueError(f"{what} needs the name of a file, found filename: {name!r}")
    return name, find_file(name, folder)


def suggest(name: object, valid: Iterable[str]) -> str:
    """Return a sentence part that lists the valid names and the nearest one."""
    valid = sorted(valid)
    close = difflib.get_close_matches(str(name), valid, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"{hint}; valid: {valid}"


def check_option(what: str, value: object, valid: Iterable[str | None]) -> None:
    """Raise a ValueError that names the option unless ``value`` is one of ``valid``."""
    valid = list(valid)
    if value not in valid:
        raise ValueError(f"{what} must be one of {valid}, got {value!r}{suggest(value, map(str, valid)).split(';')[0]}")


def check_whole(what: str, value: Any, least: int) -> int:
    """Return a whole number as an int; raise a ValueError that names it for anything else, and below ``least``."""
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or value != np.floor(value) or value < least:
        raise ValueError(f"{what} must be a whole number of at least {least}, got {value!r}")
    return int(value)


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


#: marks an object whose constructor is running
_MAKING = "_making"


class _Maker(abc.ABCMeta):
    """Class of classes whose objects get new attributes from their constructors only."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        made: Any = cls.__new__(cls, *args, **kwargs)  # type: ignore[arg-type]
        if isinstance(made, cls):
            made.__dict__[_MAKING] = True
            made.__init__(*args, **kwargs)
            made.__dict__.pop(_MAKING, None)
        return made

    @property
    def __signature__(cls) -> inspect.Signature:
        """That of the constructor: `inspect.signature` would take the one of ``__call__``."""
        signature = inspect.signature(cls.__init__)  # type: ignore[misc]
        return signature.replace(parameters=list(signature.parameters.values())[1:])


class KnownAttributes(metaclass=_Maker):
    """Base of objects whose attributes are known: to set a misspelt one is an error, not a new attribute.

    What the class declares (attributes, properties, annotations) and names that begin with an underscore can be set at
    any time; other attributes come into being in the constructor, also in that of a subclass.

    Raises
    ------
    AttributeError
        If another attribute is set; the message names the nearest known one.

    Examples
    --------
    >>> from bayesmap.modeling import Parameter
    >>> Parameter("index", 2).frozn = True
    Traceback (most recent call last):
    ...
    AttributeError: Parameter has no attribute 'frozn' (did you mean 'frozen'?)
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name[0] != "_" and not hasattr(type(self), name) and name not in self.__dict__:
            self._check_new(name)
        object.__setattr__(self, name, value)

    def _check_new(self, name: str) -> None:
        """Raise unless an attribute that does not exist may be made."""
        if _MAKING in self.__dict__ or any(name in inspect.get_annotations(cls) for cls in type(self).__mro__):
            return
        known = [key for key in (*dir(self), *getattr(self, "parameter_names", ())) if key[0] != "_"]
        close = difflib.get_close_matches(name, known, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else "; attributes of your own need a leading underscore"
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{hint}", name=name, obj=self)


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
