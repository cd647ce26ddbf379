"""What a term is: something that predicts counts in one dataset."""

import abc
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from bayesmap._types import Tensor
from bayesmap.graph.arrays import FoldArrays, Values
from bayesmap.graph.data import Bins, Weights
from bayesmap.graph.signs import Support, negative_parts

__all__ = ["SparseCounts", "Term", "Terms"]


class SparseCounts(NamedTuple):
    """Counts in some of the bins that are looked at.

    Attributes
    ----------
    touched : TensorVariable
        Which of the bins, each once: integers ``(n,)``.
    counts : TensorVariable
        Predicted counts there, ``(n,)``.
    """

    touched: Tensor
    counts: Tensor


class Term(abc.ABC):
    """One thing that predicts counts in one dataset: models that are folded in one way.

    A term holds what depends on neither bins nor weights. What does, it makes through `Bins.of` and `Weights.of`: one
    term serves several folds, and each of them can replace bins and weights without compiling.

    Attributes
    ----------
    models : tuple of models
        Those whose counts these are.
    arrays : FoldArrays
        The dataset.
    is_sparse : bool
        Whether its counts are given in the bins that it reaches only.
    """

    models: tuple[Any, ...]
    arrays: FoldArrays
    is_sparse: ClassVar[bool] = False

    @abc.abstractmethod
    def both(self, values: Values, bins: Bins, weights: Weights | None = None) -> tuple[Any, Any]:
        """Predicted counts in the bins, and the weighted sum over all bins.

        Parameters
        ----------
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.
        bins : Bins
            The bins that are looked at.
        weights : Weights, optional
            Those of the sum; without them it is not made.

        Returns
        -------
        counts : TensorVariable or SparseCounts
            Of all bins, ``(n_bin,)``, or of those that the term reaches.
        total : TensorVariable or None
            A scalar; None without weights.
        """

    def may_be_negative(self, support: Support) -> list[str]:
        """Name what can become negative in some bin, and what to do about it; empty if nothing can.

        Parameters
        ----------
        support : callable
            Lowest and highest value that a parameter can have, in its declared unit.
        """
        return [reason for model in self.models for reason in negative_parts(model, self.arrays, support)]

    def can_reach(self) -> np.ndarray:
        """Bins in which counts are possible whatever the parameters are; by default none is known.

        A boolean cube ``(n_reco, n_lat, n_lon)``.

        Where the counts of a source can be is asked of its prediction, see `bayesmap.inference.explained`.
        """
        return np.zeros(self.arrays.mask.shape, dtype=bool)


@dataclass(eq=False)
class Terms:
    """All that predicts counts in one dataset.

    Attributes
    ----------
    arrays : FoldArrays
        The dataset.
    members : list of Term
        Their sum is the prediction.
    routes : dict of str
        ``{model name: (route, error)}``: the PSF route taken and its error, half the L1 distance from the exact
        pixel-integrated PSF. Of "fft" that is what the few basis kernels leave out (the whole, pixels included, is up
        to 6e-3, see docs/decisions); "fixed" and "region" are not measured and say zero.
    """

    arrays: FoldArrays
    members: list[Term] = field(default_factory=list)
    routes: dict[str, tuple[str, float]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Term]:
        return iter(self.members)

    def may_be_negative(self, support: Support) -> list[str]:
        """Name what can become negative in some bin; see `Term.may_be_negative`."""
        return [reason for term in self for reason in term.may_be_negative(support)]

    def can_reach(self) -> np.ndarray:
        """Bins ``(n_reco, n_lat, n_lon)`` in which some term surely can predict counts; see `Term.can_reach`."""
        reached = np.zeros(self.arrays.mask.shape, dtype=bool)
        for term in self:
            reached |= term.can_reach()
        return reached
