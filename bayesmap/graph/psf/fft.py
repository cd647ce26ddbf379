"""The PSF of any shape for sources of any shape: convolution by FFT with a few basis kernels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from bayesmap.graph.ops.convolve import Convolve, kernel_transform
from bayesmap.graph.psf.profile import PSFProfile, convolution_kernels

__all__ = ["KernelBasis", "convolve_graph", "kernel_basis"]


@dataclass(frozen=True)
class KernelBasis:
    """Kernels of all energies as combinations of a few, ready for one image shape.

    Attributes
    ----------
    mixing : numpy.ndarray
        Shape ``(n_energy, n_basis)``.
    transform : numpy.ndarray
        Fourier transforms of the basis kernels.
    fft_width : int
        Width of the padded image.
    error : float
        Half the L1 distance of the truncated kernels from the full ones, at the worst energy.
    """

    mixing: np.ndarray
    transform: np.ndarray
    fft_width: int
    error: float


def kernel_half_width(profile: PSFProfile, scale: tuple[float, float], lost: float = 1e-4) -> int:
    """Half width in pixels of a kernel outside of which less than ``lost`` of the photons fall."""
    radius = min(profile.rad[-1], float(profile.containment_radius(1 - lost).max()))
    return max(int(np.ceil(radius / min(scale))), 1)


def kernel_basis(
    profile: PSFProfile | None,
    n_energy: int,
    scale: tuple[float, float],
    shape: tuple[int, int],
    tolerance: float = 1e-5,
) -> KernelBasis:
    """Decompose the kernels of one position.

    The kernels of neighbouring energies are alike, so a singular value decomposition needs fewer FFTs than energies.

    Parameters
    ----------
    profile : PSFProfile or None
        The PSF; none for a perfect instrument.
    n_energy : int
        Number of energies.
    scale : tuple of float
        Width of a pixel in x and y, in deg.
    shape : tuple of int
        Height and width of the images to convolve.
    tolerance : float
        Largest error of the truncated decomposition.
    """
    if profile is None:
        kernels = np.zeros((n_energy, 3, 3))
        kernels[:, 1, 1] = 1
    else:
        kernels = convolution_kernels(profile, kernel_half_width(profile, scale), scale)
    left, strength, right = np.linalg.svd(kernels.reshape(len(kernels), -1), full_matrices=False)
    for rank in range(1, len(strength) + 1):
        mixing = left[:, :rank] * strength[:rank]
        error = 0.5 * float(np.abs(mixing @ right[:rank] - kernels.reshape(len(kernels), -1)).sum(axis=1).max())
        if error <= tolerance:
            break
    transform, fft_width = kernel_transform(right[:rank].reshape(rank, *kernels.shape[1:]), shape)
    return KernelBasis(mixing, transform, fft_width, error)


def convolve_graph(image: TensorVariable, mixing: Any, transform: Any, fft_width: int) -> TensorVariable:
    """Convolve an image of probabilities per pixel with the PSF of every energy.

    Parameters
    ----------
    image : TensorVariable
        Shape ``(height, width)``.
    mixing, transform, fft_width
        The parts of a :class:`KernelBasis` for this shape, as data of the graph.

    Returns
    -------
    TensorVariable
        Shape ``(n_energy, height, width)``.
    """
    maps = Convolve()(image, transform, pt.as_tensor_variable(fft_width))
    height, width = image.shape
    mixed = mixing @ maps.reshape((mixing.shape[1], height * width))
    return mixed.reshape((mixing.shape[0], height, width))
