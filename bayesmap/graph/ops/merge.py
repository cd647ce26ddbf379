"""Counts of several sources in lists of bins become one list."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmap._backend.kernels import kernel, register_kernel
from bayesmap._types import Tensor

__all__ = ["merge_bins"]


@kernel
def _merge(bins, counts):
    order = np.argsort(bins)
    merged, sums, slots = np.empty_like(bins), np.empty_like(counts), np.empty_like(bins)
    n = 0
    for i in order:
        if n == 0 or merged[n - 1] != bins[i]:
            merged[n], sums[n] = bins[i], 0.0
            n += 1
        sums[n - 1] += counts[i]
        slots[i] = n - 1
    return merged[:n].copy(), sums[:n].copy(), slots


class MergeBins(Op):
    """Add up what falls into the same bin.

    Inputs
        bins, counts : (n,) int, (n,) float
            Bins, some of them more than once, and the counts there.

    Outputs
        merged, sums : (m,) int, (m,) float
            Each bin once, ascending, and all counts there.
        slots : (n,) int
            Where each input went.
    """

    __props__ = ()

    def make_node(self, *inputs: Tensor) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        return Apply(self, inputs, [pt.lvector(), pt.vector(dtype="float64"), pt.lvector()])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        for output, value in zip(outputs, _merge(*inputs), strict=True):
            output[0] = value

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False, False, False], [False, True, False]]

    def pullback(
        self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], cotangents: Sequence[Tensor]
    ) -> list[Tensor]:
        return [disconnected_type(), cotangents[1][outputs[2]]]


register_kernel(MergeBins, lambda op: _merge)


def merge_bins(parts: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    """Join lists of bins and of the counts there into one list in which each bin is once."""
    if len(parts) == 1:
        return parts[0]
    bins, counts = zip(*parts, strict=True)
    merged, sums, _ = MergeBins()(pt.concatenate(bins), pt.concatenate(counts))
    return merged, sums
