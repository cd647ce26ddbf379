"""What annotations of studies call things."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

__all__ = ["Client", "Data", "Numbers", "Record", "SomeDatasets", "Task", "Values"]

#: a `distributed.Client`, or None
type Client = Any
#: parameters by name, as numbers in their declared units; arrays of those with a shape
type Numbers = dict[str, float | np.ndarray]
#: parameters by name as users give them: numbers, quantities or arrays
type Values = Mapping[str, Any]
#: what an analysis draws and fits: its own business
type Data = Any
#: of one simulation: numbers, texts, lists and dictionaries, as JSON has them
type Record = dict[str, Any]
#: a dataset, several of them, or an analysis
type SomeDatasets = Any


class Task(Protocol):
    """What is done in each simulation."""

    def run(self, truth: Values, rng: np.random.Generator) -> Record:
        """Draw data at parameters, do with them what is studied, and return numbers, texts, lists and dictionaries."""
