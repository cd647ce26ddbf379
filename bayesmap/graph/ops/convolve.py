"""Convolution of one image with a set of kernels, by FFT."""

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from scipy import fft

from bayesmap._backend.kernels import python_kernel, register_python_kernel
from bayesmap._types import Tensor

__all__ = ["Convolve", "KernelTransform", "convolved"]


class _Transforms:
    """Transforms by the number of their kernels and their size; the longest unused go when they fill ``limit`` bytes.

    A window takes the same few sizes again and again, but which ones is known only while one samples.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._kept: OrderedDict[tuple[int, ...], np.ndarray] = OrderedDict()
        self._filled = 0
        self._turn = threading.Lock()

    def __call__(self, kernels: np.ndarray, number: np.ndarray, height: np.ndarray, width: np.ndarray) -> np.ndarray:
        padded = _padded_size(kernels, int(height), int(width))
        key = (int(number), *padded)
        with self._turn:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        transform = _transform(kernels, padded)
        with self._turn:
            if key not in self._kept and transform.nbytes <= self.limit:
                self._kept[key] = transform
                self._filled += transform.nbytes
            while self._filled > self.limit:
                self._filled -= self._kept.popitem(last=False)[1].nbytes
        return transform


def _padded_size(kernels: np.ndarray, height: int, width: int) -> tuple[int, int]:
    """Size of the transforms: only the half kernel beyond each edge of an image can wrap around into it."""
    rows, columns = kernels.shape[1:]
    return (
        fft.next_fast_len(max(height + rows // 2, rows), real=True),
        # even, so that it can be told from the width of the transform
        2 * fft.next_fast_len((max(width + columns // 2, columns) + 1) // 2, real=True),
    )


def _transform(kernels: np.ndarray, padded: tuple[int, int]) -> np.ndarray:
    """Fourier transforms of centred kernels."""
    rows, columns = kernels.shape[1:]
    centred = np.zeros((len(kernels), *padded))
    centred[:, :rows, :columns] = kernels
    transform: np.ndarray = fft.rfft2(np.roll(centred, (-(rows // 2), -(columns // 2)), axis=(1, 2)))
    return transform


_transforms = _Transforms(limit=2**28)


class KernelTransform(Op):
    """Fourier transforms of a set of kernels, for `Convolve` with images of a shape.

    Inputs
        kernels : (n_kernel, odd, odd) float
            Centred.
        number : () int
            The same for the same kernels only: transforms are kept by it.
        height, width : () int
            Shape of the images.

    Outputs
        transform : (n_kernel, padded height, padded width // 2 + 1) complex
    """

    __props__ = ()

    def make_node(self, kernels: Tensor, number: Tensor, height: Tensor, width: Tensor) -> Apply:
        inputs = [pt.as_tensor_variable(x) for x in (kernels, number, height, width)]
        return Apply(self, inputs, [pt.tensor3(dtype="complex128")])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        outputs[0][0] = _transforms(*inputs)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False]] * 4

    def pullback(
        self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], cotangents: Sequence[Tensor]
    ) -> list[Tensor]:
        return [disconnected_type()] * 4


def _convolve(image: np.ndarray, transform: np.ndarray) -> np.ndarray:
    height, width = image.shape
    padded = _padded(transform)
    spectrum = fft.rfft2(image, s=padded)
    return np.ascontiguousarray(fft.irfft2(spectrum * transform, s=padded)[:, :height, :width])


def _correlate(images: np.ndarray, transform: np.ndarray) -> np.ndarray:
    height, width = images.shape[1:]
    padded = _padded(transform)
    product = (fft.rfft2(images, s=padded) * transform.conj()).sum(axis=0)
    return np.ascontiguousarray(fft.irfft2(product, s=padded)[:height, :width])


def _padded(transform: np.ndarray) -> tuple[int, int]:
    return transform.shape[1], 2 * (transform.shape[2] - 1)


def convolved(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The numbers of `Convolve` for one kernel: shape of the image."""
    kernels = kernel[None]
    return _convolve(image, _transform(kernels, _padded_size(kernels, *image.shape)))[0]


class Convolve(Op):
    """Convolve an image with each of a set of kernels; the result has the image's shape (``mode="same"``).

    Inputs are the image ``(height, width)`` and the `KernelTransform` of the kernels for that shape; the output is
    ``(n_kernel, height, width)``. With ``adjoint=True`` the input is ``(n_kernel, height, width)`` and the output the
    sum over kernels of the correlations, ``(height, width)``: the gradient of the other.
    """

    __props__ = ("adjoint",)

    def __init__(self, adjoint: bool = False) -> None:
        self.adjoint = adjoint

    def make_node(self, image: Tensor, transform: Tensor) -> Apply:
        inputs = [pt.as_tensor_variable(x) for x in (image, transform)]
        output = pt.matrix(dtype="float64") if self.adjoint else pt.tensor3(dtype="float64")
        return Apply(self, inputs, [output])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        outputs[0][0] = (_correlate if self.adjoint else _convolve)(*inputs)

    def infer_shape(self, node: Apply, shapes: Sequence[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
        image, transform = shapes
        return [image[1:]] if self.adjoint else [(transform[0], *image)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [False]]

    def pullback(
        self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], cotangents: Sequence[Tensor]
    ) -> list[Tensor]:
        gradient = Convolve(not self.adjoint)(cotangents[0], *inputs[1:])
        return [gradient, disconnected_type()]


# SciPy's FFT has no Numba version: a call back into Python, whose cost is small against the transforms.
_TRANSFORM = python_kernel(_transforms, "complex128", 3)
_KERNELS = {False: python_kernel(_convolve, "float64", 3), True: python_kernel(_correlate, "float64", 2)}
register_python_kernel(KernelTransform, lambda op: _TRANSFORM)
register_python_kernel(Convolve, lambda op: _KERNELS[op.adjoint])
