"""Counts of a source of fixed shape: a banded product of its flux with a precomputed response."""

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmap._backend.kernels import kernel, register_kernel
from bayesmap._types import Tensor

__all__ = ["Banded", "banded"]


@kernel
def _banded(flux, response, first):
    n_bin, n_band = response.shape
    counts = np.empty(n_bin)
    for b in range(n_bin):
        start = first[b]
        value = 0.0
        for k in range(n_band):
            value += response[b, k] * flux[start + k]
        counts[b] = value
    return counts


@kernel
def _banded_adjoint(flux, response, first, g_counts):
    n_bin, n_band = response.shape
    g_flux = np.zeros(flux.size)
    for b in range(n_bin):
        start, factor = first[b], g_counts[b]
        for k in range(n_band):
            g_flux[start + k] += response[b, k] * factor
    return g_flux


class BandedAdjoint(Op):
    """Gradient of :class:`Banded` by the flux."""

    __props__ = ()

    def make_node(self, *inputs: Tensor) -> Apply:
        return Apply(self, [pt.as_tensor_variable(x) for x in inputs], [pt.vector(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        outputs[0][0] = _banded_adjoint(*inputs)

    def infer_shape(self, node: Apply, shapes: Sequence[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
        return [shapes[0]]


class Banded(Op):
    """``counts[b] = sum_k response[b, k] flux[first[b] + k]``.

    Inputs are the flux per true energy ``(n_true,)``, the response ``(n_bin, n_band)`` (counts per flux, the energy
    dispersion keeps it narrow) and the first true energy of each bin ``(n_bin,)``. Linear in the flux; the other inputs
    are data.
    """

    __props__ = ()

    def make_node(self, *inputs: Tensor) -> Apply:
        return Apply(self, [pt.as_tensor_variable(x) for x in inputs], [pt.vector(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        outputs[0][0] = _banded(*inputs)

    def infer_shape(self, node: Apply, shapes: Sequence[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
        return [shapes[2]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [False], [False]]

    def pullback(
        self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], cotangents: Sequence[Tensor]
    ) -> list[Tensor]:
        return [BandedAdjoint()(*inputs, cotangents[0]), disconnected_type(), disconnected_type()]


banded = Banded()

register_kernel(Banded, lambda op: _banded)
register_kernel(BandedAdjoint, lambda op: _banded_adjoint)
