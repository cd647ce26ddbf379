"""Places in a model file, and the errors that name them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

import astropy.units as u

from bayesmap._util import suggest
from bayesmap._yaml.source import YamlSource
from bayesmap.errors import ModelFileError

__all__ = ["Node"]

_REQUIRED = object()


class Node:
    """A place in a model file: its data and the path to it.

    Parameters
    ----------
    data : object
        Plain data.
    source : YamlSource, optional
        The text that the data come from, whose lines errors name.
    steps : tuple of str or int
        Keys and list indices that lead here.
    """

    def __init__(self, data: Any, source: YamlSource | None = None, steps: tuple[str | int, ...] = ()) -> None:
        self.data, self.steps = data, steps
        self.source = YamlSource() if source is None else source

    @property
    def path(self) -> str:
        """The path, for example ``components[0].spectral``."""
        return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.steps).lstrip(".")

    @property
    def place(self) -> str:
        """File, line and path, for example ``crab.yaml, line 14: components[0].spectral``."""
        return ": ".join(part for part in (self.source.place(self.steps), self.path) if part)

    def error(self, message: str, key: Any = None) -> ValueError:
        """Return the error that names this place, with the line of one of its keys if one is given."""
        steps = self.steps if key is None else (*self.steps, key)
        return self.source.error(message, self.path, steps)

    def mapping(self) -> Self:
        """Return this node, if it is a mapping."""
        if not isinstance(self.data, Mapping):
            raise self.error(f"expected a mapping, found {self._describe()}")
        return self

    def items(self) -> Iterator["Node"]:
        """Yield the entries of a list."""
        if not isinstance(self.data, list):
            raise self.error(f"expected a list, found {self._describe()}")
        for idx, item in enumerate(self.data):
            yield Node(item, self.source, (*self.steps, idx))

    def key(self, name: str, default: Any = _REQUIRED) -> "Node":
        """Return the entry of a mapping."""
        steps = (*self.steps, str(name))
        if name in self.data:
            return Node(self.data[name], self.source, steps)
        if default is _REQUIRED:
            raise self.error(f"key {name!r} is missing; found {sorted(map(str, self.data))}")
        return Node(default, self.source, steps)

    def check_keys(self, valid: Iterable[str]) -> None:
        """Complain about the first key that is not valid."""
        valid = list(valid)
        for key in self.data:
            if key not in valid:
                raise self.error(f"unknown key {key!r}{suggest(key, valid)}", key=key)

    def text(self) -> str:
        """Return a string."""
        if not isinstance(self.data, str):
            raise self.error(f"expected a text, found {self._describe()}")
        return self.data

    def choice(self, valid: Iterable[str]) -> str:
        """Return one of some strings."""
        valid = list(valid)
        if not isinstance(self.data, str) or self.data not in valid:
            raise self.error(f"unknown value {self._describe()}{suggest(self.data, valid)}")
        return self.data

    def boolean(self) -> bool:
        """Return true or false."""
        if not isinstance(self.data, bool):
            raise self.error(f"expected true or false, found {self._describe()}")
        return self.data

    def number(self) -> float:
        """Return a number; YAML reads ``1e-12``, without a point, as a text."""
        if isinstance(self.data, bool) or not isinstance(self.data, int | float | str):
            raise self.error(f"expected a number, found {self._describe()}")
        try:
            return float(self.data)
        except ValueError:
            raise self.error(f"expected a number, found {self._describe()}") from None

    def unit(self) -> u.UnitBase:
        """Return a unit."""
        try:
            return u.Unit("" if self.data is None else self.text())
        except ValueError as error:
            raise self.error(f"unknown unit {self.data!r}: {error}") from None

    def call(self, function: Callable[..., Any], *args: Any, at: str = "", **kwargs: Any) -> Any:
        """Call a function and report its complaints at this place, or at one of its keys."""
        try:
            return function(*args, **kwargs)
        except (ModelFileError, self.source.error_class):
            raise
        except (ValueError, TypeError, KeyError, OSError, u.UnitsError) as error:
            message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
            place = self.key(at) if at else self
            raise place.error(message) from error

    def _describe(self) -> str:
        text = f"{self.data!r:.60}" if not isinstance(self.data, Mapping | list) else ""
        return f"{type(self.data).__name__} {text}".strip()
