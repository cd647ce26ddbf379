"""Sums of cosines over a square grid, by fast Fourier transforms."""

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from scipy import fft

from bayesmap._backend.kernels import python_kernel, register_python_kernel
from bayesmap._types import Tensor

__all__ = ["CosineTransform"]


def _transform(spectrum: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(fft.dctn(spectrum, type=1, axes=(0, 1)))


def _adjoint(values: np.ndarray) -> np.ndarray:
    twice = np.full(len(values), 2.0)
    twice[[0, -1]] = 1.0
    factor = (twice[:, None] * twice)[:, :, None]
    return np.ascontiguousarray(factor * fft.dctn(values / factor, type=1, axes=(0, 1)))


class CosineTransform(Op):
    """Values of even functions on a quarter of the plane from their spectra: discrete cosine transforms of type 1.

    Input and output are ``(n, n, n_function)``: ``sum_jk c_j c_k spectrum[j, k] cos(pi j y / (n - 1)) cos(...)`` at
    y = 0, ... n - 1, with c = 1 at both ends and 2 between. With ``adjoint=True`` it is the transposed matrix.
    """

    __props__ = ("adjoint",)

    def __init__(self, adjoint: bool = False) -> None:
        self.adjoint = adjoint

    def make_node(self, spectrum: Tensor) -> Apply:
        return Apply(self, [pt.as_tensor_variable(spectrum)], [pt.tensor3(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        outputs[0][0] = (_adjoint if self.adjoint else _transform)(inputs[0])

    def infer_shape(self, node: Apply, shapes: Sequence[tuple[Tensor, ...]]) -> Sequence[tuple[Tensor, ...]]:
        return shapes

    def pullback(
        self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], cotangents: Sequence[Tensor]
    ) -> list[Tensor]:
        return [CosineTransform(not self.adjoint)(cotangents[0])]


# SciPy's transforms have no Numba version: a call back into Python, whose cost is small against them
_KERNELS = {False: python_kernel(_transform, "float64", 3), True: python_kernel(_adjoint, "float64", 3)}
register_python_kernel(CosineTransform, lambda op: _KERNELS[op.adjoint])
