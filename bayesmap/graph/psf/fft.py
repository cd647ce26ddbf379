"""The PSF of any shape for sources of any shape: convolution by FFT with a few basis kernels."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayesmap._types import Tensor
from bayesmap.graph.ops.convolve import Convolve, KernelTransform
from bayesmap.graph.psf.profile import PSFProfile, convolution_kernels

__all__ = ["KernelBasis", "convolve_graph", "kernel_basis"]


@dataclass(frozen=True)
class KernelBasis:
    """Kernels of all energies as combinations of a few.

    Attributes
    ----------
    mixing : numpy.ndarray
        Shape ``(n_energy, n_basis)``.
    kernels : numpy.ndarray
        The basis, shape ``(n_basis, height, width)``, both odd.
    error : float
        Half the L1 distance of the truncated kernels from the full ones, at the worst energy.
    """

    mixing: np.ndarray
    kernels: np.ndarray
    error: float

    @cached_property
    def number(self) -> int:
        """The same for equal kernels, also in another process, and for these only."""
        content = repr(self.kernels.shape).encode() + self.kernels.tobytes()
        return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), signed=True)


def kernel_half_width(profile: PSFProfile, scale: tuple[float, float], lost: float = 1e-4) -> int:
    """Half width in pixels of a kernel outside of which less than ``lost`` of the photons fall."""
    radius = min(profile.rad[-1], float(profile.containment_radius(1 - lost).max()))
    return max(int(np.ceil(radius / min(scale))), 1)


def kernel_basis(
    profile: PSFProfile | None,
    n_energy: int,
    scale: tuple[float, float],
    missing: float = 0.0,
    tolerance: float = 1e-4,
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
    missing : float
        What the image lacks of the average over pixels, see :func:`~bayesmap.graph.psf.profile.convolution_kernels`.
    tolerance : float
        Largest error of the truncated decomposition.
    """
    if profile is None:
        kernels = np.zeros((n_energy, 3, 3))
        kernels[:, 1, 1] = 1
    else:
        kernels = convolution_kernels(profile, kernel_half_width(profile, scale), scale, missing)
    left, strength, right = np.linalg.svd(kernels.reshape(len(kernels), -1), full_matrices=False)
    for rank in range(1, len(strength) + 1):
        mixing = left[:, :rank] * strength[:rank]
        error = 0.5 * float(np.abs(mixing @ right[:rank] - kernels.reshape(len(kernels), -1)).sum(axis=1).max())
        if error <= tolerance:
            break
    return KernelBasis(mixing, right[:rank].reshape(rank, *kernels.shape[1:]), error)


def convolve_graph(image: Tensor, mixing: Tensor, kernels: Tensor, number: Tensor) -> Tensor:
    """Convolve an image of probabilities per pixel with the PSF of every energy.

    Parameters
    ----------
    image : TensorVariable
        Shape ``(height, width)``.
    mixing, kernels, number
        The parts of a :class:`KernelBasis`, as data of the graph.

    Returns
    -------
    TensorVariable
        Shape ``(n_energy, height, width)``.
    """
    height, width = image.shape
    maps = Convolve()(image, KernelTransform()(kernels, number, height, width))
    mixed = mixing @ maps.reshape((mixing.shape[1], height * width))
    return mixed.reshape((mixing.shape[0], height, width))
