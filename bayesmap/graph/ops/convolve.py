"""Convolution of one image with a set of kernels, by FFT."""

import functools
from typing import Any

import numba
import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from scipy import fft

from bayesmap._numba import register_kernel

__all__ = ["Convolve"]


def _transform(kernels: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, tuple[int, int]]:
    """Fourier transform of centred kernels for images of a shape, and the padded size."""
    return _cached_transform(kernels.tobytes(), kernels.shape, tuple(int(n) for n in shape))


@functools.lru_cache(maxsize=16)
def _cached_transform(
    content: bytes, kernel_shape: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[np.ndarray, tuple[int, int]]:
    kernels = np.frombuffer(content).reshape(kernel_shape)
    height, width = kernel_shape[1:]
    # Only the half kernel beyond each edge can wrap around into the image.
    padded = (
        fft.next_fast_len(max(shape[0] + height // 2, height), real=True),
        fft.next_fast_len(max(shape[1] + width // 2, width), real=True),
    )
    centred = np.zeros((len(kernels), *padded))
    centred[:, :height, :width] = kernels
    return fft.rfft2(np.roll(centred, (-(height // 2), -(width // 2)), axis=(1, 2))), padded


def _convolve(image: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    height, width = image.shape
    transform, padded = _transform(kernels, image.shape)
    spectrum = fft.rfft2(image, s=padded)
    return np.ascontiguousarray(fft.irfft2(spectrum * transform, s=padded)[:, :height, :width])


def _correlate(images: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    height, width = images.shape[1:]
    transform, padded = _transform(kernels, images.shape[1:])
    product = (fft.rfft2(images, s=padded) * transform.conj()).sum(axis=0)
    return np.ascontiguousarray(fft.irfft2(product, s=padded)[:height, :width])


class Convolve(Op):
    """Convolve an image with each of a set of kernels; the result has the image's shape (``mode="same"``).

    Inputs are the image ``(height, width)`` and the kernels ``(n_kernel, odd, odd)``, centred; the output is
    ``(n_kernel, height, width)``. With ``adjoint=True`` the input is ``(n_kernel, height, width)`` and the output the
    sum over kernels of the correlations, ``(height, width)``: the gradient of the other. Transforms of the kernels are
    kept for the last image sizes.
    """

    __props__ = ("adjoint",)

    def __init__(self, adjoint: bool = False) -> None:
        self.adjoint = adjoint

    def make_node(self, image: Any, kernels: Any) -> Apply:
        inputs = [pt.as_tensor_variable(x) for x in (image, kernels)]
        output = pt.matrix(dtype="float64") if self.adjoint else pt.tensor3(dtype="float64")
        return Apply(self, inputs, [output])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        outputs[0][0] = (_correlate if self.adjoint else _convolve)(*inputs)

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        image, kernels = shapes
        return [image[1:]] if self.adjoint else [(kernels[0], *image)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [False]]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        gradient = Convolve(not self.adjoint)(cotangents[0], *inputs[1:])
        return [gradient, disconnected_type()]


@numba.njit
def _convolve_numba(image, kernels):
    with numba.objmode(result="float64[:, :, ::1]"):
        result = _convolve(image, kernels)
    return result


@numba.njit
def _correlate_numba(images, kernels):
    with numba.objmode(result="float64[:, ::1]"):
        result = _correlate(images, kernels)
    return result


# SciPy's FFT has no Numba version: a call back into Python, whose cost is small against the transforms.
register_kernel(Convolve, lambda op: _correlate_numba if op.adjoint else _convolve_numba)
