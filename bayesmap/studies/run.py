"""A study: one task on many simulations, with a folder, workers and progress."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bayesmap import __version__
from bayesmap._types import FileName
from bayesmap.studies.folder import StudyFolder
from bayesmap.studies.types import Client, Record, Task, Values
from bayesmap.studies.workers import Job, check_client, run_jobs

if TYPE_CHECKING:
    from bayesmap.studies.analysis import Analysis

__all__ = ["PriorTruths", "Scenarios", "Study", "run_study"]

#: simulations whose parameters are drawn from the prior together; a part of what a seed means
BLOCK = 128
#: time between two lines of progress, in s
INTERVAL = 10.0


@dataclass(frozen=True, eq=False)
class Study:
    """Records of a study.

    Attributes
    ----------
    head : dict
        What was studied: ``kind``, ``seed``, ``identity``, ``units``, ``version``, and more by kind.
    records : list of dict
        One per simulation, in order; failed ones have an ``error``.
    """

    head: Record
    records: list[Record] = field(default_factory=list)

    @property
    def done(self) -> list[Record]:
        """Records of simulations that did not fail."""
        return [record for record in self.records if "error" not in record]


class PriorTruths:
    """Parameters from the prior, the same for each number of simulations and workers.

    Parameters
    ----------
    analysis : Analysis
        Draws them.
    seed : int
        Of the study.
    """

    def __init__(self, analysis: "Analysis", seed: int) -> None:
        self.analysis, self.seed = analysis, seed
        self._blocks: dict[int, dict[str, np.ndarray]] = {}

    def __call__(self, index: int) -> Record:
        """Parameters of one simulation."""
        number, row = divmod(index, BLOCK)
        if number not in self._blocks:
            rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(0, number)))
            self._blocks[number] = self.analysis.draw_prior(BLOCK, rng)
        return {name: values[row] for name, values in self._blocks[number].items()}


@dataclass(frozen=True, eq=False)
class Scenarios:
    """Parameters that somebody sets; simulations take the sets in turns.

    Attributes
    ----------
    values : list of dict
        Sets of values of all parameters.
    """

    values: list[Record]

    @classmethod
    def of(cls, analysis: "Analysis", truths: Values | Sequence[Values] | None) -> "Scenarios":
        """Make one of values by name; those of other parameters are the current ones.

        Raises
        ------
        KeyError
            If a name is that of no free parameter.
        ValueError
            If there is no set.
        """
        given = [truths or {}] if truths is None or isinstance(truths, Mapping) else list(truths)
        if not given:
            raise ValueError("truths must name at least one set of true values, or be left out")
        return cls([analysis.values_of(one) for one in given])

    def __len__(self) -> int:
        """Number of sets."""
        return len(self.values)

    def __call__(self, index: int) -> Record:
        """Parameters of one simulation."""
        return self.values[index % len(self.values)]

    @property
    def identity(self) -> dict[str, str]:
        """The values, as a text."""
        return {"truths": repr([sorted(one.items()) for one in self.values])}

    @property
    def head(self) -> dict[str, int]:
        """What the description of a study says of them."""
        return {"scenarios": len(self)}


def run_study(
    kind: str,
    task: Task,
    truths: Callable[[int], Values],
    n: int,
    *,
    seed: int,
    identity: Mapping[str, str],
    head: Values,
    folder: FileName | None = None,
    n_workers: int = 1,
    client: Client = None,
    progress: bool = True,
) -> Study:
    """Run a study, or go on with one.

    Parameters
    ----------
    kind : str
        Its name.
    task : Task
        What is done in each simulation.
    truths : callable
        Parameters of a simulation by its number.
    n : int
        Number of simulations.
    seed : int
        Together with the number of a simulation it decides all that is drawn in it.
    identity : mapping of str to str
        What must be the same for a study to be continued.
    head : mapping
        Further entries of the description.
    folder : path, optional
        Where records are kept; simulations that are there are not done again.
    n_workers : int
        Processes.
    client : distributed.Client, optional
        A Dask cluster in place of processes.
    progress : bool
        Say on standard error how far it is.

    Raises
    ------
    ValueError
        If a number is none, or the folder holds something else.
    RuntimeError
        If all simulations failed, or a worker process died.
    """
    for what, value, least in (("n", n, 1), ("n_workers", n_workers, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or int(value) != value or value < least:
            raise ValueError(f"{what} must be a whole number of at least {least}, got {value!r}")
    if client is not None:
        check_client(client)
    described = {"format": "bayesmap study", "kind": kind, "seed": int(seed), "identity": dict(identity), **head}
    described["version"] = __version__
    records: dict[int, Record] = {}
    place = None if folder is None else StudyFolder(folder)
    if place is not None:
        place.begin(described)
        records = {record["index"]: record for record in place.records() if record["index"] < n}
    jobs: list[Job] = [(i, dict(truths(i))) for i in range(int(n)) if i not in records]
    said = Counter(int(n), len(records), progress)
    for record in run_jobs(task, jobs, int(seed), int(n_workers), client):
        if place is not None:
            place.write(record)
        records[record["index"]] = record
        said.one("error" in record)
    study = Study(described, [records[index] for index in sorted(records)])
    if not study.done:
        raise RuntimeError(f"all {n} simulations failed, the first with {study.records[0]['error']}")
    return study


class Counter:
    """Says how far a study is: a line every ten seconds, and one at the end."""

    def __init__(self, total: int, done: int, wanted: bool) -> None:
        self.total, self.before, self.number, self.failed, self.wanted = total, done, done, 0, wanted
        self._begun = self._said = self._first = time.monotonic()
        if wanted and done:
            self._say(f"{done} of {total} simulations are there already")

    def one(self, failed: bool) -> None:
        """Count a simulation."""
        now = time.monotonic()
        self.number += 1
        self.failed += failed
        new = self.number - self.before
        if new == 1:  # with all that is compiled
            self._first = now
        if self.wanted and (now - self._said > INTERVAL or self.number == self.total):
            self._said = now
            left = (now - self._first) / (new - 1) * (self.total - self.number) if new > 1 else 0
            left_text = f", about {left:.0f} s left" if left else ""
            failed_text = f", {self.failed} failed" if self.failed else ""
            self._say(f"{self.number} of {self.total} simulations ({now - self._begun:.0f} s{left_text}){failed_text}")

    def _say(self, text: str) -> None:
        sys.stderr.write(f"bayesmap: {text}\n")
        sys.stderr.flush()
