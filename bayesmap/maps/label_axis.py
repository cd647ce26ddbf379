"""An axis whose bins have names."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from bayesmap.maps.axes import MapAxis

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

    def _values(self, coord: Any) -> np.ndarray:
        """Positions of labels (NaN for unknown ones); numbers are positions already."""
        array = np.asarray(coord)
        if array.dtype.kind != "U":
            return super()._values(coord)
        known = {label: float(i) for i, label in enumerate(self._labels)}
        return np.array([known.get(str(label), np.nan) for label in array.ravel()]).reshape(array.shape)

    def is_allclose(self, other: object, rtol: float = 1e-6, atol: float = 1e-6) -> bool:
        """Whether another axis has the same name and labels."""
        return isinstance(other, LabelMapAxis) and (self.name, self._labels) == (other.name, other.labels)

    __eq__ = MapAxis.__eq__
    __hash__ = MapAxis.__hash__

    def _new(self, nodes: Any, **kwargs: Any) -> Any:
        """A part of the axis is an ordinary axis: the names do not follow."""
        return MapAxis(nodes, **{"name": self.name, "node_type": "edges", **kwargs})

    def slice(self, idx: slice | int) -> Self:
        """Return the axis of the selected labels (a slice, or a bin number)."""
        labels = self._labels[idx] if isinstance(idx, slice) else (self._labels[idx],)
        return type(self)(labels, name=self.name)

    def copy(self, **kwargs: Any) -> Self:
        """Return a copy, perhaps with another ``name`` or other ``labels``."""
        return type(self)(**{"labels": self._labels, "name": self.name, **kwargs})
