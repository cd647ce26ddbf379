"""A study: one task on many simulations, with a folder, workers and progress."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from bayesmap import __version__
from bayesmap._types import FileName
from bayesmap._util import check_whole
from bayesmap.studies.folder import StudyFolder
from bayesmap.studies.result import study_tree
from bayesmap.studies.types import Client, Record, Study, Task, Truths, Values
from bayesmap.studies.workers import Job, check_client, run_jobs

if TYPE_CHECKING:
    from bayesmap.studies.analysis import Analysis

__all__ = ["PriorTruths", "Running", "Scenarios", "run_study"]

#: simulations whose parameters are drawn from the prior together; a part of what a seed means
BLOCK = 128
#: time between two lines of progress, in s
INTERVAL = 10.0


@dataclass(frozen=True)
class Running:
    """How a study is run; see :func:`~bayesmap.studies.sbc`.

    Attributes
    ----------
    seed : int
        Together with the number of a simulation it decides all that is drawn in it.
    folder : path or None
        Where records are kept; simulations that are there are not done again.
    n_workers : int
        Processes.
    client : distributed.Client or None
        A Dask cluster in place of processes.
    progress : bool
        Say on standard error how far it is.
    """

    seed: int
    folder: FileName | None
    n_workers: int
    client: Client
    progress: bool

    def __post_init__(self) -> None:
        check_whole("seed", self.seed, 0)
        check_whole("n_workers", self.n_workers, 1)
        if self.client is not None:
            check_client(self.client)


class PriorTruths:
    """Parameters from the prior, the same for each number of simulations and workers.

    Parameters
    ----------
    analysis : Analysis
        Draws them.
    seed : int
        Of the study.
    """

    sets = 1
    identity: Mapping[str, str] = {}

    def __init__(self, analysis: "Analysis", seed: int) -> None:
        self.analysis, self.seed = analysis, check_whole("seed", seed, 0)
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

    @property
    def sets(self) -> int:
        """Number of sets."""
        return len(self.values)

    def __call__(self, index: int) -> Record:
        """Parameters of one simulation."""
        return self.values[index % self.sets]

    @property
    def identity(self) -> dict[str, str]:
        """The values, as a text."""
        return {"truths": repr([sorted(one.items()) for one in self.values])}


def run_study(
    kind: str,
    task: Task,
    truths: Truths,
    n: int,
    running: Running,
    *,
    identity: Mapping[str, str] | None = None,
    head: Values | None = None,
) -> xr.DataTree:
    """Run a study, or go on with one.

    Parameters
    ----------
    kind : str
        Its name.
    task : Task
        What is done in each simulation.
    truths : Truths
        Parameters of a simulation by its number.
    n : int
        Number of simulations of each set of parameters.
    running : Running
        Seed, folder and workers.
    identity : mapping of str to str, optional
        What must be the same for a study to be continued, besides that of the analysis and the parameters.
    head : mapping, optional
        Further entries of the description.

    Returns
    -------
    xarray.DataTree
        See :func:`~bayesmap.studies.study_tree`.

    Raises
    ------
    ValueError
        If a number is none, or the folder holds something else.
    RuntimeError
        If all simulations failed, or a worker process died.
    """
    total, seed = check_whole("n", n, 1) * truths.sets, int(running.seed)
    described: Record = {"format": "bayesmap study", "kind": kind, "seed": seed, "scenarios": truths.sets}
    described["identity"] = {**task.analysis.identity, **truths.identity, **(identity or {})}
    described |= {"units": dict(task.analysis.units), **(head or {}), "version": __version__}
    records: dict[int, Record] = {}
    place = None if running.folder is None else StudyFolder(running.folder)
    if place is not None:
        place.begin(described)
        records = {record["index"]: record for record in place.records() if record["index"] < total}
    jobs: list[Job] = [(i, dict(truths(i))) for i in range(total) if i not in records]
    said = Counter(total, len(records), running.progress)
    for record in run_jobs(task, jobs, seed, int(running.n_workers), running.client):
        if place is not None:
            place.write(record)
        records[record["index"]] = record
        said.one("error" in record)
    study = Study(described, [records[index] for index in sorted(records)])
    if not study.done:
        raise RuntimeError(f"all {total} simulations failed, the first with {study.records[0]['error']}")
    return study_tree(study)


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
