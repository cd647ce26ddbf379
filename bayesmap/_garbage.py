"""Where a hundred thousand objects are made that stay, Python need not look through them for garbage all the time."""

import contextlib
import gc
import threading
from collections.abc import Iterator

__all__ = ["seldom_collected"]

#: objects that are made between two looks for garbage, instead of the few hundred to thousand of Python's own
SELDOM = 100_000
_turn = threading.Lock()
_users: list[tuple[int, int, int]] = []


@contextlib.contextmanager
def seldom_collected() -> Iterator[None]:
    """Context, or decorator, in which Python looks for garbage more seldom: a third of the time of rewriting a graph.

    Threads may be in it at the same time; the last one that leaves it restores what was set.
    """
    with _turn:
        _users.append(_users[0] if _users else gc.get_threshold())
        first, *others = _users[0]
        if 0 < first < SELDOM:  # zero: somebody wants no collection at all
            gc.set_threshold(SELDOM, *others)
    try:
        yield
    finally:
        with _turn:
            before = _users.pop()
            if not _users:
                gc.set_threshold(*before)
