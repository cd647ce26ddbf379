"""Knowledge about a tensor that travels with it, through formulas that do not know of it."""

from typing import Any

__all__ = ["note", "noted"]


def note(tensor: Any, key: str, value: Any) -> None:
    """Pin a value to a tensor; what is computed from the tensor does not inherit it."""
    setattr(tensor.tag, key, value)


def noted(tensor: Any, key: str) -> Any:
    """Return what was pinned to a tensor; None if nothing was, or for a number."""
    return getattr(getattr(tensor, "tag", None), key, None)
