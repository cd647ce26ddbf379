"""Libraries that take seconds to import, loaded when they are first used.

Formulas say ``pt.exp(x)`` in functions that run when a graph is made, so that a name, a model file or a wrong argument
need not wait for PyTensor. Modules that define Ops or variables of such a library import it plainly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["pm", "pt", "pytensor"]


class _Module:
    """Stands for a module until one of its names is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        value = getattr(import_module(self._name), name)
        setattr(self, name, value)
        return value

    def __repr__(self) -> str:
        return f"<lazy module {self._name!r}>"


if TYPE_CHECKING:
    import pymc as pm
    import pytensor
    import pytensor.tensor as pt
else:
    pm, pt, pytensor = map(_Module, ("pymc", "pytensor.tensor", "pytensor"))
