"""The descriptor behind ``dataset.counts`` and its siblings."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bayesmap.maps.files import named_errors

if TYPE_CHECKING:
    from bayesmap.datasets.base import Dataset
    from bayesmap.datasets.map import MapDataset
    from bayesmap.datasets.roles import Role

__all__ = ["Component", "is_lazy", "renew_locations"]


def is_lazy(value: object) -> bool:
    """Whether a value stands for something still on disk (it has a ``load`` method)."""
    return callable(getattr(value, "load", None))


def renew_locations(dataset: "Dataset", path: Path) -> None:
    """Let what is lazy, or can be put back to disk, stay valid after the dataset was written to its own file."""
    for location in (*dataset.__dict__.values(), *dataset.__dict__.get("_locations", {}).values()):
        if is_lazy(location) and getattr(location, "path", None) == path:
            location.renew()


class Component:
    """A map or response of a dataset: documented, checked on assignment, loaded on first use if lazy.

    Parameters
    ----------
    role : `bayesmap.datasets.roles.Role`
        What kind of thing this is; the role checks what is assigned.
    doc : str
        One line for the reader.

    Notes
    -----
    Declared in a class body, components are collected in the class attribute ``components`` (name to descriptor),
    those of the parent classes first. Values live in the ``__dict__`` of the dataset under the same name. A lazy
    value is any object with a method ``load()``; it is checked when it is loaded, and kept unless it says
    ``cache=False``. What was kept can be put back to disk with `reset`.
    """

    def __init__(self, role: "Role", doc: str) -> None:
        self.role = role
        self.__doc__ = doc

    def __set_name__(self, owner: "type[Dataset]", name: str) -> None:
        self.name = name
        owner.components = {**owner.components, name: self}

    def __get__(self, dataset: "Dataset", owner: type | None = None) -> Any:
        if dataset is None:
            return self
        value: Any = dataset.__dict__.get(self.name)
        if not is_lazy(value):
            return value
        loaded = value.load()
        if loaded is not None:
            with named_errors(getattr(value, "path", ""), getattr(value, "hdu", "")):
                loaded = self.role.check(cast("MapDataset", dataset), self.name, loaded)
        if getattr(value, "cache", True):
            dataset.__dict__[self.name] = loaded
            dataset.__dict__.setdefault("_locations", {})[self.name] = value
        return loaded

    def __set__(self, dataset: "Dataset", value: Any) -> None:
        if value is not None and not is_lazy(value):
            value = self.role.check(cast("MapDataset", dataset), self.name, value)
        dataset.__dict__[self.name] = value
        dataset.__dict__.get("_locations", {}).pop(self.name, None)

    def reset(self, dataset: "Dataset") -> None:
        """Put back what stood on disk, if the value was loaded from there and not assigned since."""
        location = dataset.__dict__.get("_locations", {}).pop(self.name, None)
        if location is not None:
            dataset.__dict__[self.name] = location

    def peek(self, dataset: "Dataset") -> Any:
        """The value if it is in memory, else None; never loads."""
        value = dataset.__dict__.get(self.name)
        return None if is_lazy(value) else value
