"""The classes of datasets by the name that files give them."""

from collections.abc import Iterator
from typing import Any

from bayesmap._util import suggest

__all__ = ["DATASET_REGISTRY", "Registry"]


class Registry:
    """Classes by tag; iterating gives the classes.

    Examples
    --------
    >>> from bayesmap.datasets import DATASET_REGISTRY
    >>> DATASET_REGISTRY.get_cls("MapDataset").__name__
    'MapDataset'
    """

    def __init__(self) -> None:
        self._classes: dict[str, Any] = {}

    def register(self, cls: Any) -> None:
        """Add a class under its ``tag``.

        Raises
        ------
        TypeError
            If another class has this tag.
        """
        known = self._classes.setdefault(cls.tag, cls)
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"the tag {cls.tag!r} of {cls.__qualname__} is taken by {known.__qualname__}")

    def get_cls(self, tag: str) -> Any:
        """Return the class with a tag.

        Raises
        ------
        KeyError
            If there is none; the message lists the known tags.
        """
        if not isinstance(tag, str) or tag not in self._classes:
            raise KeyError(f"unknown dataset type {tag!r}{suggest(tag, self._classes)}")
        return self._classes[tag]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._classes.values())

    def __len__(self) -> int:
        return len(self._classes)

    def __repr__(self) -> str:
        return f"<Registry {list(self._classes)}>"


#: classes of datasets that files can name
DATASET_REGISTRY = Registry()
