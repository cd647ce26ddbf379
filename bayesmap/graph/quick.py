"""A mode for graphs that are called a few times: compiled in no time, run by NumPy."""

from typing import Any

import pytensor.scalar as ps
from pytensor.compile.mode import get_mode
from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter
from pytensor.tensor.elemwise import Elemwise

__all__ = ["QUICK"]

_LIMIT = 31  # operands of a universal function of NumPy, less the result
_BEFORE_INPLACE = 49.4


@node_rewriter([Elemwise])
def _halve(fgraph: Any, node: Any) -> Any:
    """Write a sum or product of many terms, of which PyTensor has made one operation, as one of two halves."""
    if not isinstance(node.op.scalar_op, ps.Add | ps.Mul) or len(node.inputs) <= _LIMIT:
        return False

    def joined(terms: list[Any]) -> Any:
        if len(terms) <= _LIMIT:
            return node.op(*terms)
        half = len(terms) // 2
        return node.op(joined(terms[:half]), joined(terms[half:]))

    return [joined(list(node.inputs))]


#: PyTensor's "FAST_COMPILE", which fails at sums of more than 31 terms: those over many datasets or sources
QUICK = get_mode("FAST_COMPILE").register((dfs_rewriter(_halve), _BEFORE_INPLACE))
