"""From terms to predictions and to the log-likelihood, symbolically and as numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytensor.tensor as pt

from bayesmap._backend.program import number
from bayesmap.graph.arrays import FoldArrays, Selection, Values, fold_arrays
from bayesmap.graph.build import build_terms
from bayesmap.graph.data import Bins, Weights
from bayesmap.graph.ops.merge import merge_bins
from bayesmap.graph.terms.base import SparseCounts, Terms
from bayesmap.graph.terms.cube import CubeTerm
from bayesmap.likelihoods.counted import Baseline, counted_data

__all__ = ["Fold", "all_bins", "background_counts", "current_values", "evaluate_cube", "signal_counts"]


class Fold:
    """The prediction of one dataset: a sum of terms in the bins that are looked at, and their weighted sum over all.

    Parameters
    ----------
    terms : Terms
        What predicts counts.
    weights : numpy.ndarray, optional
        Weights of the total, shape ``(n_energy, n_lat, n_lon)``; the mask by default.

    Notes
    -----
    Arrays that depend on the bins or on the weights are shared variables: :meth:`select` and :meth:`set_weights`
    replace all of them together, and compiled functions follow.
    """

    def __init__(self, terms: Terms, weights: np.ndarray | None = None) -> None:
        self.terms = terms
        self.arrays = terms.arrays
        self.bins = Bins()
        cube = terms.arrays.mask if weights is None else weights
        self.weights = Weights(terms.arrays, np.asarray(cube, dtype="float64"))

    def select(self, selection: Selection) -> None:
        """Look at these bins from now on."""
        self.bins.set(selection)

    def set_weights(self, weights: np.ndarray) -> None:
        """Sum with these weights from now on: a cube ``(n_reco, n_lat, n_lon)``."""
        self.weights.set(np.asarray(weights, dtype="float64"))

    def at(self, values: Values) -> Any:
        """Predicted counts in the selected bins, shape ``(n_bin,)``."""
        return self._sum([term.both(values, self.bins)[0] for term in self.terms])

    def at_and_total(self, values: Values) -> tuple[Any, Any]:
        """Predicted counts in the selected bins, and the weighted sum over all bins."""
        # both at once: two nodes would have two adjoints
        parts = [term.both(values, self.bins, self.weights) for term in self.terms]
        return self._sum([counts for counts, _ in parts]), sum(
            (total for _, total in parts), pt.as_tensor_variable(0.0)
        )

    def _sum(self, parts: Sequence[Any]) -> Any:
        counts = pt.zeros(self.bins.columns.shape)
        for part in parts:
            if not isinstance(part, SparseCounts):
                counts = counts + part
        sparse = [part for part in parts if isinstance(part, SparseCounts)]
        if not sparse:
            return counts
        touched, more = merge_bins(sparse)
        return pt.inc_subtensor(counts[touched], more)

    @property
    def baseline(self) -> CubeTerm | None:
        """The one cube times a factor per energy that is all there is out of the reach of sources, if that is so."""
        dense = [term for term in self.terms if not term.is_sparse]
        one = dense[0] if len(dense) == 1 else None
        return one if isinstance(one, CubeTerm) and one.separable else None

    def layers(self, values: Values) -> tuple[Any, Any]:
        """The prediction in the selected bins as `baseline` and what is above it, and the weighted sum over all bins.

        Returns
        -------
        prediction : Baseline or TensorVariable
            See `bayesmap.likelihoods.counted`; plain counts if there is no baseline.
        total : TensorVariable
            A scalar.
        """
        baseline = self.baseline
        if baseline is None:
            return self.at_and_total(values)
        parts = [term.both(values, self.bins, self.weights) for term in self.terms]
        sparse = [counts for counts, _ in parts if isinstance(counts, SparseCounts)]
        touched, counts = merge_bins(sparse) if sparse else (pt.zeros(0, dtype="int64"), pt.zeros(0))
        cube = baseline.counts_of(self.bins), *self.bins.of(baseline.logarithms)
        prediction = Baseline(touched, counts, baseline.factor(values), self.bins.energy, *cube)
        return prediction, _total(parts)

    def count_sums(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """What a likelihood of counts needs to know of the counts of the selected bins over a baseline.

        Parameters
        ----------
        counts : numpy.ndarray
            Counts of the selected bins, shape ``(n_bin,)``.

        Returns
        -------
        dict of numpy.ndarray
            See `bayesmap.likelihoods.counted.counted_data`; empty if there is no baseline.
        """
        if self.baseline is None:
            return {}
        assert self.bins.source is not None
        log_cube, _ = self.baseline.logarithms(self.bins.source)
        return counted_data(counts, self.bins.source.energy, log_cube, len(self.arrays.energy))


def _total(parts: Sequence[tuple[Any, Any]]) -> Any:
    return sum((total for _, total in parts), pt.as_tensor_variable(0.0))


def current_values(models: Sequence[Any]) -> dict[Any, float]:
    """Values of all parameters, in internal units."""
    return {p: p.internal for model in models for p in model.parameters}


def all_bins(arrays: FoldArrays) -> Selection:
    """Every bin of the cube."""
    return Selection.from_mask(np.ones(arrays.mask.shape, dtype=bool))


def evaluate_cube(terms: Terms, values: Mapping[Any, float]) -> np.ndarray:
    """Predicted counts of all bins as numbers, shape ``(n_reco, n_lat, n_lon)``."""
    fold = Fold(terms)
    fold.select(all_bins(terms.arrays))
    return number(fold.at(values)).reshape(terms.arrays.mask.shape)


def signal_counts(
    dataset: Any, models: Sequence[Any], values: Values | None = None, **options: Any
) -> dict[str, np.ndarray]:
    """Predicted counts of each model.

    Parameters
    ----------
    dataset : Dataset
        See :func:`~bayesmap.graph.arrays.fold_arrays`.
    models : sequence of SkyModel or TemplateNPredModel
        Sources; background models are ignored, and those of the response apply to all sources.
    values : Mapping of Parameter to float, optional
        In internal units; parameters that are missing have their present values.
    **options
        Passed to :func:`~bayesmap.graph.build.build_terms`.

    Returns
    -------
    dict of numpy.ndarray
        One cube ``(n_reco, n_lat, n_lon)`` per model name; nothing is clipped.
    """
    arrays = replace(fold_arrays(dataset), background=None)
    everywhere = [m for m in models if m.contribution == "response"]
    counts = {}
    for model in models:
        if model.contribution in ("flux", "counts"):
            own = [model, *everywhere]
            terms = build_terms(arrays, own, at=values, **options)
            counts[model.name] = evaluate_cube(terms, {**current_values(own), **(values or {})})
    return counts


def background_counts(dataset: Any, models: Sequence[Any], values: Values | None = None) -> np.ndarray:
    """Background counts of a dataset, scaled by its background model if there is one.

    Parameters
    ----------
    dataset : Dataset
        See :func:`~bayesmap.graph.arrays.fold_arrays`.
    models : sequence of models
        Those of the dataset.
    values : Mapping of Parameter to float, optional
        In internal units; parameters that are missing have their present values.

    Returns
    -------
    numpy.ndarray
        Cube ``(n_reco, n_lat, n_lon)``; zeros if the dataset has no background.
    """
    arrays = fold_arrays(dataset)
    scaling = [m for m in models if m.contribution == "background"]
    terms = build_terms(arrays, scaling)
    return evaluate_cube(terms, {**current_values(scaling), **(values or {})})
