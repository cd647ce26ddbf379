"""An axis whose bins have names."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from bayesmap.maps import MapAxis

__all__ = ["LabelMapAxis"]


class LabelMapAxis(MapAxis):
    """An axis of named bins; bin ``i`` is centred at the number ``i``.

    Parameters
    ----------
    labels : sequence of str
        Names of the bins, unique.
    name : str
        Name of the axis.

    Raises
    ------
    ValueError
        If there is no label or one occurs twice.
    """

    def __init__(self, labels: Sequence[str], name: str = ""):
        labels = [str(label) for label in labels]
        if not labels or len(set(labels)) != len(labels):
            raise ValueError(f"axis {name!r}: labels must be unique and at least one, got {labels}")
        super().__init__(np.arange(len(labels) + 1) - 0.5, name=name, node_type="edges")
        self._labels = tuple(labels)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the bins."""
        return self._labels

    @property
    def as_plot_labels(self) -> list[str]:
        """Names of the bins."""
        return list(self._labels)

    def _new(self, nodes: Any, **kwargs: Any) -> Any:
        """A part of the axis is an ordinary axis: the names do not follow."""
        return MapAxis(nodes, **{"name": self.name, "node_type": "edges", **kwargs})

    def copy(self, **kwargs: Any) -> Self:
        """Return a copy, perhaps with another ``name`` or other ``labels``."""
        return type(self)(**{"labels": self._labels, "name": self.name, **kwargs})
