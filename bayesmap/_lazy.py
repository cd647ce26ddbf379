"""Libraries that take seconds to import, loaded when they are first used.

Formulas say ``pt.exp(x)`` in functions that run when a graph is made, so that a name, a model file or a wrong argument
need not wait for PyTensor; nor for astropy's coordinates and tables. Modules that define Ops or variables of such a
library import it plainly. Annotations are texts (``"coordinates.SkyCoord"``): as expressions they would load it.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bayesmap._garbage import seldom_collected

__all__ = ["coordinates", "lazy_names", "pm", "pt", "pytensor", "tables", "wcs"]


def lazy_names(
    package: str,
    homes: Mapping[str, str],
    subpackages: Iterable[str] = (),
    otherwise: Callable[[str], Any] | None = None,
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package whose names are loaded when they are first used.

    Parameters
    ----------
    package : str
        Name of the package.
    homes : dict of str
        For each public name the module of the package that defines it.
    subpackages : iterable of str
        Modules that are loaded when they are asked for.
    otherwise : callable or None
        Called with any other name; raises an AttributeError of its own.
    """
    subpackages = frozenset(subpackages)

    def get(name: str) -> Any:
        if name in subpackages:
            with seldom_collected():
                return import_module(f"{package}.{name}")
        if name not in homes:
            if otherwise is not None:
                return otherwise(name)
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with seldom_collected():
            value = getattr(import_module(f"{package}.{homes[name]}"), name)
        setattr(import_module(package), name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(import_module(package)), *homes, *subpackages})

    return get, names


class _Module:
    """Stands for a module until one of its names is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        with seldom_collected():
            value = getattr(import_module(self._name), name)
        setattr(self, name, value)
        return value

    def __repr__(self) -> str:
        return f"<lazy module {self._name!r}>"


if TYPE_CHECKING:
    import pymc as pm
    import pytensor
    import pytensor.tensor as pt
    from astropy import coordinates, wcs
    from astropy import table as tables
else:
    pm, pt, pytensor = map(_Module, ("pymc", "pytensor.tensor", "pytensor"))
    coordinates, tables, wcs = map(_Module, ("astropy.coordinates", "astropy.table", "astropy.wcs"))
