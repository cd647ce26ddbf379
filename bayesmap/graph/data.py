"""Arrays as data of the graph, which can be replaced without compiling anything again."""

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor

from bayesmap._types import Tensor
from bayesmap.graph.arrays import FoldArrays, Selection

__all__ = ["Bins", "Replaceable", "Weights", "data", "data_of_known_length", "table_data"]


def data(array: np.ndarray | np.number) -> Tensor:
    """Data as a shared variable of unknown shape, so that compiled code serves other datasets too."""
    array = np.asarray(array)
    return pytensor.shared(array, shape=(None,) * array.ndim)


_tables: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def table_data(array: np.ndarray) -> Any:
    """Data that are never replaced, nor changed in place: of the same array the same variable, not copied.

    Datasets with equal responses then read the same memory.
    """
    found = _tables.get(id(array))
    if found is None:
        # the variable holds the array, so that no other one gets its place while the variable is known here
        found = pytensor.shared(array, shape=(None,) * array.ndim, borrow=True)
        _tables[id(array)] = found
    return found


def data_of_known_length(array: np.ndarray | np.number) -> Tensor:
    """The same of known shape: where the length is not known, code that checks it is compiled."""
    return pytensor.shared(array, shape=array.shape)


class Replaceable[S]:
    """Something that data of the graph are made of, and made again when it is replaced.

    Parameters
    ----------
    source : object, optional
        What the data are made of; it may be set later, but before the first of them is asked for.
    """

    def __init__(self, source: S | None = None) -> None:
        self.source = source
        self._made: dict[Callable[[S], Any], Any] = {}

    def of(self, make: Callable[[S], Any], share: Callable[[Any], Any] = data) -> Any:
        """Return what a function makes of the source, as data of the graph: the same variables each time.

        Parameters
        ----------
        make : callable
            A function, or a method of a term, that takes the source and returns an array or a tuple of arrays. Their
            shapes may change with the source if ``share`` leaves them unknown.
        share : callable
            Makes a shared variable of an array.

        Raises
        ------
        ValueError
            If there is no source yet.
        """
        if make not in self._made:
            if self.source is None:
                raise ValueError(f"{type(self).__name__} of a fold are not set yet; see Fold.select")
            made = make(self.source)
            self._made[make] = tuple(share(a) for a in made) if isinstance(made, tuple) else share(made)
        return self._made[make]

    def set(self, source: S) -> None:
        """Replace the source and all data that were made of it; compiled functions follow."""
        self.source = source
        for make, variables in self._made.items():
            made = make(source)
            pairs = zip(variables, made, strict=True) if isinstance(made, tuple) else [(variables, made)]
            for variable, value in pairs:
                variable.set_value(np.asarray(value))


class Bins(Replaceable[Selection]):
    """The bins that a fold looks at."""

    @property
    def columns(self) -> Tensor:
        """Column (x) of each bin, data of shape ``(n_bin,)``."""
        return self.of(_columns)

    @property
    def rows(self) -> Tensor:
        """First bin of each image row, data of shape ``(n_reco * n_lat + 1,)``."""
        return self.of(_rows)

    @property
    def energy(self) -> Tensor:
        """Energy index of each bin, data of shape ``(n_bin,)``."""
        return self.of(_energy)

    @property
    def pixel(self) -> Tensor:
        """Flat index of the pixel of each bin, data of shape ``(n_bin,)``."""
        return self.of(_pixel)


def _columns(selection: Selection) -> np.ndarray:
    return selection.columns


def _rows(selection: Selection) -> np.ndarray:
    return selection.rows


def _energy(selection: Selection) -> np.ndarray:
    return selection.energy


def _pixel(selection: Selection) -> np.ndarray:
    return selection.pixel


class Weights(Replaceable[np.ndarray]):
    """The weights of the total prediction of a fold, a cube ``(n_reco, n_lat, n_lon)`` of float64.

    Parameters
    ----------
    arrays : FoldArrays
        The dataset.
    cube : numpy.ndarray
        The weights.
    """

    def __init__(self, arrays: FoldArrays, cube: np.ndarray) -> None:
        super().__init__(cube)
        self._arrays = arrays

    @property
    def classes(self) -> tuple[Any, Any]:
        """Pixels of equal weights as data; see `FoldArrays.weight_classes`."""
        classes: tuple[Any, Any] = self.of(self._arrays.weight_classes)
        return classes
