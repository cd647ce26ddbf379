"""Convolution of one image with a set of kernels, by FFT."""

from typing import Any

import numba
import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from scipy import fft

from bayesmap.graph.ops._numba import register_kernel

__all__ = ["Convolve", "kernel_transform"]


def kernel_transform(kernels: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, int]:
    """Transform centred kernels for :class:`Convolve`.

    Parameters
    ----------
    kernels : numpy.ndarray
        Shape ``(n_kernel, height, width)``, both odd, the centre in the middle.
    shape : tuple of int
        Height and width of the images to convolve.

    Returns
    -------
    transform : numpy.ndarray
        Complex array ``(n_kernel, fft_height, fft_width // 2 + 1)``; the FFT is padded, so nothing wraps around.
    fft_width : int
        Width of the padded image.
    """
    height, width = kernels.shape[1:]
    # Only the half kernel beyond each edge can wrap around into the image.
    padded = tuple(
        fft.next_fast_len(max(n + k // 2, k), real=True) for n, k in zip(shape, (height, width), strict=True)
    )
    centred = np.zeros((len(kernels), *padded))
    centred[:, :height, :width] = kernels
    centred = np.roll(centred, (-(height // 2), -(width // 2)), axis=(1, 2))
    return fft.rfft2(centred), padded[1]


def _convolve(image: np.ndarray, transform: np.ndarray, fft_width: int) -> np.ndarray:
    padded = (transform.shape[1], int(fft_width))
    height, width = image.shape
    spectrum = fft.rfft2(image, s=padded)
    return np.ascontiguousarray(fft.irfft2(spectrum * transform, s=padded)[:, :height, :width])


def _correlate(images: np.ndarray, transform: np.ndarray, fft_width: int) -> np.ndarray:
    padded = (transform.shape[1], int(fft_width))
    height, width = images.shape[1:]
    product = np.einsum("kyx,kyx->yx", fft.rfft2(images, s=padded), transform.conj())
    return np.ascontiguousarray(fft.irfft2(product, s=padded)[:height, :width])


class Convolve(Op):
    """Convolve an image with each of a set of kernels; the result has the image's shape (``mode="same"``).

    Inputs are the image ``(height, width)``, the kernels from :func:`kernel_transform` and the FFT width; the output
    is ``(n_kernel, height, width)``. With ``adjoint=True`` the input is ``(n_kernel, height, width)`` and the output
    the sum over kernels of the correlations, ``(height, width)``: the gradient of the other.
    """

    __props__ = ("adjoint",)

    def __init__(self, adjoint: bool = False) -> None:
        self.adjoint = adjoint

    def make_node(self, image: Any, transform: Any, fft_width: Any) -> Apply:
        inputs = [pt.as_tensor_variable(x) for x in (image, transform, fft_width)]
        output = pt.matrix(dtype="float64") if self.adjoint else pt.tensor3(dtype="float64")
        return Apply(self, inputs, [output])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        outputs[0][0] = (_correlate if self.adjoint else _convolve)(*inputs)

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        image, transform, _ = shapes
        return [image[1:]] if self.adjoint else [(transform[0], *image)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [False], [False]]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        gradient = Convolve(not self.adjoint)(cotangents[0], *inputs[1:])
        return [gradient, disconnected_type(), disconnected_type()]


@numba.njit
def _convolve_numba(image, transform, fft_width):
    with numba.objmode(result="float64[:, :, ::1]"):
        result = _convolve(image, transform, fft_width)
    return result


@numba.njit
def _correlate_numba(images, transform, fft_width):
    with numba.objmode(result="float64[:, ::1]"):
        result = _correlate(images, transform, fft_width)
    return result


# SciPy's FFT has no Numba version: a call back into Python, whose cost is small against the transforms.
register_kernel(Convolve, lambda op: _correlate_numba if op.adjoint else _convolve_numba)
