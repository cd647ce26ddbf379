"""What a fit says of itself while it runs: lines on standard error where no bar can be drawn."""

import sys
import time
from collections.abc import Sequence
from typing import Any

__all__ = ["Progress"]

#: time between two lines about the draws, in s
INTERVAL = 10.0


class Progress:
    """Lines on standard error: what begins, and in a file or a pipe how far the draws have come.

    Parameters
    ----------
    wanted : bool
        Whether anything is to be said.

    Attributes
    ----------
    bar : bool
        Whether the sampler is to draw its own bar: in a terminal or a notebook.
    lines : bool
        Whether lines stand for it.
    """

    def __init__(self, wanted: bool) -> None:
        drawable = sys.stderr.isatty() or not {"ipykernel", "marimo"}.isdisjoint(sys.modules)
        self.wanted, self.bar, self.lines = wanted, wanted and drawable, wanted and not drawable
        self._begun = self._said = time.monotonic()

    def begin(self, what: str) -> None:
        """Say what begins."""
        if self.wanted:
            self._say(what)

    def draws(self, done: int, total: int, divergences: int | None = None) -> None:
        """Say how many draws there are, tuning included, if the last line was some time ago."""
        if self.lines and time.monotonic() - self._said >= INTERVAL:
            diverged = "" if divergences is None else f", {divergences} divergences"
            self._say(f"{done} of {total} draws{diverged}")

    def chains(self, chains: Sequence[Any]) -> None:
        """Take what nutpie reports of its chains."""
        done, total, divergences = (
            sum(int(getattr(chain, name)) for chain in chains)
            for name in ("finished_draws", "total_draws", "divergences")
        )
        self.draws(done, total, divergences)

    def _say(self, text: str) -> None:
        self._said = time.monotonic()
        sys.stderr.write(f"bayesmap: {text} ({self._said - self._begun:.0f} s)\n")
        sys.stderr.flush()
