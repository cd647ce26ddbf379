"""What annotations of studies call things."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from bayesmap.datasets.base import Dataset
    from bayesmap.studies.analysis import Analysis

__all__ = ["Client", "Record", "SomeDatasets", "Study", "Task", "Truths", "Values"]

#: a `distributed.Client`, or None
type Client = object
#: parameters by name as users give them: numbers, quantities or arrays
type Values = Mapping[str, Any]
#: of one simulation: numbers, texts, lists and dictionaries, as JSON has them
type Record = dict[str, Any]
#: a dataset, several of them, or an analysis
type SomeDatasets = Dataset | Sequence[Dataset] | Analysis


class Task(Protocol):
    """What is done in each simulation of an analysis."""

    @property
    def analysis(self) -> "Analysis":
        """What is repeated."""

    def run(self, truth: Values, rng: np.random.Generator) -> Record:
        """Draw data at parameters, do with them what is studied, and return numbers, texts, lists and dictionaries."""


class Truths(Protocol):
    """Where the parameters of simulations come from."""

    @property
    def sets(self) -> int:
        """How many sets of parameters take turns; each has as many simulations."""

    @property
    def identity(self) -> Mapping[str, str]:
        """What must be the same for a study to be continued."""

    def __call__(self, index: int) -> Record:
        """Parameters of one simulation by its number."""


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
