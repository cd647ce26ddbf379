"""The graph: datasets and models become one symbolic expression."""

from bayesmap.graph.arrays import FoldArrays, Selection, fold_arrays, off_arrays
from bayesmap.graph.fold import Fold, background_counts, signal_counts
from bayesmap.graph.terms import Terms, build_terms
from bayesmap.graph.values import model_at

__all__ = [
    "Fold",
    "FoldArrays",
    "Selection",
    "Terms",
    "background_counts",
    "build_terms",
    "fold_arrays",
    "model_at",
    "off_arrays",
    "signal_counts",
]
