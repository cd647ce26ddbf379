"""The graph: datasets and models become one symbolic expression.

Its modules are loaded when one of these names is first used: they need PyTensor.
"""

from typing import TYPE_CHECKING

from bayesmap._lazy import lazy_names

if TYPE_CHECKING:
    from bayesmap.graph.arrays import FoldArrays, Selection, fold_arrays, off_arrays
    from bayesmap.graph.fold import Fold, background_counts, signal_counts
    from bayesmap.graph.terms import Terms, build_terms

__all__ = [
    "Fold",
    "FoldArrays",
    "Selection",
    "Terms",
    "background_counts",
    "build_terms",
    "fold_arrays",
    "off_arrays",
    "signal_counts",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Fold": "fold",
        "FoldArrays": "arrays",
        "Selection": "arrays",
        "Terms": "terms",
        "background_counts": "fold",
        "build_terms": "terms",
        "fold_arrays": "arrays",
        "off_arrays": "arrays",
        "signal_counts": "fold",
    },
)
