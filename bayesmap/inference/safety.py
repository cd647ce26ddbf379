"""Nothing costs the draws: Ctrl-C and failures once there is something to lose."""

import logging
import signal
import threading
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["Interrupts", "attempt", "tell"]

log = logging.getLogger(__name__)


class Interrupts:
    """Ctrl-C while there are draws to lose: it is noted and not raised; a context manager.

    Outside of the main thread, where no Ctrl-C arrives, and where it is ignored, nothing is changed.

    Attributes
    ----------
    noted : bool
        Whether Ctrl-C was pressed.
    raising : bool
        Whether the next Ctrl-C raises a KeyboardInterrupt too, for code that takes it well. One at most does: a second
        one could come while what the first one left is put together.
    """

    def __init__(self) -> None:
        self.noted = self.raising = False
        self._before: Any = None

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if callable(before):
                self._before = before
                signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        raising, self.raising, self.noted = self.raising, False, True
        if raising:
            raise KeyboardInterrupt


def tell(message: str, stacklevel: int = 2) -> None:
    """Warn; where warnings are errors the message goes to the log, as an error would cost the draws."""
    try:
        warnings.warn(message, UserWarning, stacklevel=stacklevel + 1)
    except UserWarning:
        log.warning(message)


def attempt(what: str, function: Callable[..., Any], *arguments: Any, default: Any = None) -> Any:
    """Return what a function makes of the arguments, or a default and a warning that says what the result lacks."""
    try:
        return function(*arguments)
    except Exception as error:
        tell(f"the result does not hold {what}: {type(error).__name__}: {error}", stacklevel=5)
        return default
