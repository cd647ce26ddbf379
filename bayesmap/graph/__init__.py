"""The graph: datasets and models become one symbolic expression.

Its modules are loaded when one of these names is first used: they need PyTensor.
"""

from typing import TYPE_CHECKING

from bayesmap._lazy import lazy_names

if TYPE_CHECKING:
    from bayesmap.graph.arrays import FoldArrays, Selection, fold_arrays, off_arrays
    from bayesmap.graph.build import build_terms
    from bayesmap.graph.fold import Fold, background_counts, signal_counts
    from bayesmap.graph.terms.base import Term, Terms
    from bayesmap.graph.values import model_at

__all__ = [
    "Fold",
    "FoldArrays",
    "Selection",
    "Term",
    "Terms",
    "background_counts",
    "build_terms",
    "fold_arrays",
    "model_at",
    "off_arrays",
    "signal_counts",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Fold": "fold",
        "FoldArrays": "arrays",
        "Selection": "arrays",
        "Term": "terms.base",
        "Terms": "terms.base",
        "background_counts": "fold",
        "build_terms": "build",
        "fold_arrays": "arrays",
        "model_at": "values",
        "off_arrays": "arrays",
        "signal_counts": "fold",
    },
)
