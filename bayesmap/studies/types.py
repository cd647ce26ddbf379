"""What annotations of studies call things."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from bayesmap.datasets.base import Dataset
    from bayesmap.studies.analysis import Analysis

__all__ = ["Client", "Record", "SomeDatasets", "Task", "Values"]

#: a `distributed.Client`, or None
type Client = object
#: parameters by name as users give them: numbers, quantities or arrays
type Values = Mapping[str, Any]
#: of one simulation: numbers, texts, lists and dictionaries, as JSON has them
type Record = dict[str, Any]
#: a dataset, several of them, or an analysis
type SomeDatasets = Dataset | Sequence[Dataset] | Analysis


class Task(Protocol):
    """What is done in each simulation."""

    def run(self, truth: Values, rng: np.random.Generator) -> Record:
        """Draw data at parameters, do with them what is studied, and return numbers, texts, lists and dictionaries."""
