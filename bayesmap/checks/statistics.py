"""Numbers that say how counts and prediction disagree; replicated data show how large they get by chance.

Each is a class with a ``name`` and a method ``measure``, which gets masked cubes of counts and of expected counts and
returns deviations in places: an array of any length. What is compared is their `combine`.
"""

import abc
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy

from bayesmap.checks.blocks import Blocks, energy_place, remembered, sky_place
from bayesmap.maps.filters import disk_kernel
from bayesmap.stats.significance import sqrt_ts

__all__ = ["BlockScatter", "EnergyTotals", "Profile", "SmoothedResidual", "Statistic", "UserStatistic"]


class Statistic(abc.ABC):
    """How counts and prediction disagree.

    Attributes
    ----------
    name : str
        What is looked at, in a few words.
    blocks : Blocks or None
        The places, where they are blocks of the data.
    """

    name: str
    blocks: Blocks | None = None

    @abc.abstractmethod
    def measure(self, counts: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Deviations in places, with their signs, shape ``(n,)``, of cubes ``(n_energy, n_lat, n_lon)``."""

    def combine(self, deviations: np.ndarray) -> float:
        """One number: by default the largest deviation of either sign, so that many places are paid for."""
        return float(np.max(np.abs(deviations), initial=0.0))

    @abc.abstractmethod
    def sentence(self, deviations: np.ndarray, low: bool) -> str:
        """What is wrong and where, of the mean deviations of the data; ``low``: the agreement is too good."""


class OfSums(Statistic):
    """Deviations of sums over places, in standard deviations."""

    @abc.abstractmethod
    def sums(self, cube: np.ndarray) -> np.ndarray:
        """Sum over each place, shape ``(n,)``, of a cube ``(n_energy, n_lat, n_lon)``."""

    def measure(self, counts: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Signed square root of the likelihood ratio of each place, shape ``(n,)``."""
        return sqrt_ts(self.sums(counts), self.sums(mean))


class Scatter(OfSums):
    """The sum of squared deviations counts, not the largest one."""

    def combine(self, deviations: np.ndarray) -> float:
        """Sum of squares."""
        return float((deviations**2).sum())


def _sign(value: float) -> str:
    return "more" if value > 0 else "fewer"


class EnergyTotals(OfSums):
    """The total of each energy in standard deviations; the largest counts."""

    name = "counts per energy"

    def __init__(self, geom: Any) -> None:
        self.geom = geom

    @remembered
    def sums(self, cube: np.ndarray) -> np.ndarray:
        """Sum over the sky, shape ``(n_energy,)``."""
        return cube.sum(axis=(1, 2))

    def sentence(self, deviations: np.ndarray, low: bool) -> str:
        """See `Statistic.sentence`."""
        if low:
            return "the counts per energy agree better with the prediction than counts do: are they means?"
        worst = int(np.argmax(np.abs(deviations)))
        return (
            f"at {energy_place(self.geom, worst, worst)} there are {_sign(deviations[worst])} counts than predicted, "
            f"by {abs(deviations[worst]):.1f} standard deviations: look at the spectra, and at the background there"
        )


class SmoothedResidual(Statistic):
    """The significance of the image in disks around all pixels; the largest counts.

    Parameters
    ----------
    geom : WcsGeom
        Of the cubes.
    pixels : float
        Radius of the disk in pixels.
    mask : numpy.ndarray
        Bins that are looked at, a boolean cube.
    """

    name = "largest smoothed residual"

    def __init__(self, geom: Any, pixels: float, mask: np.ndarray) -> None:
        self.geom, self.inside = geom, mask.any(axis=0)
        disk = (disk_kernel(pixels) > 0).astype("float64")
        self.half = np.array(disk.shape) // 2
        self.shape = [
            scipy.fft.next_fast_len(n + m - 1, real=True) for n, m in zip(geom.data_shape[-2:], disk.shape, strict=True)
        ]
        self.kernel = scipy.fft.rfft2(disk, self.shape)

    @remembered
    def sums(self, cube: np.ndarray) -> np.ndarray:
        """Sum over all energies and the disk around each pixel that is looked at, shape ``(n_pixel,)``."""
        image = cube.sum(axis=0)
        smooth = scipy.fft.irfft2(scipy.fft.rfft2(image, self.shape) * self.kernel, self.shape)
        rows, columns = (slice(h, h + n) for h, n in zip(self.half, image.shape, strict=True))
        return smooth[rows, columns][self.inside]

    def measure(self, counts: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Significance of each pixel, shape ``(n_pixel,)``."""
        return sqrt_ts(np.rint(self.sums(counts)), np.maximum(self.sums(mean), 1e-9))

    def sentence(self, deviations: np.ndarray, low: bool) -> str:
        """See `Statistic.sentence`."""
        if low:
            return "the smoothed residuals are smaller than those of counts: are the data means, or were they smoothed?"
        worst = int(np.argmax(np.abs(deviations)))
        row, column = np.argwhere(self.inside)[worst]
        excess = "an excess" if deviations[worst] > 0 else "a deficit"
        why = "a source is missing there or too faint" if deviations[worst] > 0 else "something predicted is not there"
        return (
            f"{excess} of {abs(deviations[worst]):.1f} standard deviations at {sky_place(self.geom, row, column)} is "
            f"larger than those anywhere in replicated data: {why}"
        )


class Profile(Scatter):
    """Counts in rings around a source; the sum of squared deviations counts.

    Parameters
    ----------
    source : str
        Name of the source.
    rings : numpy.ndarray
        Number of the ring of each pixel, -1 outside, shape ``(n_lat, n_lon)``.
    """

    def __init__(self, source: str, rings: np.ndarray) -> None:
        self.name, self.source = f"profile of {source}", source
        self.number = int(rings.max()) + 1
        self.inside = rings >= 0
        self.rings = rings[self.inside]

    @remembered
    def sums(self, cube: np.ndarray) -> np.ndarray:
        """Sum over energies and each ring, shape ``(n_ring,)``."""
        return np.bincount(self.rings, cube[:, self.inside].sum(axis=0), self.number)

    def sentence(self, deviations: np.ndarray, low: bool) -> str:
        """See `Statistic.sentence`."""
        if low:
            return f"the profile around {self.source} follows the prediction closer than counts do: are they means?"
        inner, outer = deviations[: self.number // 3].sum(), deviations[self.number // 3 : 2 * self.number // 3].sum()
        shape = "narrower" if inner > outer else "wider"
        return (
            f"around {self.source} the counts are {shape} than predicted (innermost ring: {deviations[0]:+.1f} "
            "standard deviations): look at the PSF, at the extension, and for neighbours"
        )


class BlockScatter(Scatter):
    """The sum of squared deviations of blocks."""

    blocks: Blocks

    def __init__(self, blocks: Blocks, least: float, geom: Any) -> None:
        self.blocks, self.geom = blocks, geom
        self.name = f"scatter of blocks of {least:.0f} counts"

    def sums(self, cube: np.ndarray) -> np.ndarray:
        """Sum over each block, shape ``(n_block,)``."""
        return self.blocks.sums(cube)

    def sentence(self, deviations: np.ndarray, low: bool) -> str:
        """See `Statistic.sentence`."""
        size = f"{self.blocks.number} blocks"
        if low:
            return f"{size} scatter less around the prediction than counts do: are the data means?"
        worst = int(np.argmax(np.abs(deviations)))
        return (
            f"{size} scatter more around the prediction than counts do; worst is {self.blocks.place(worst, self.geom)}"
            f", with {_sign(deviations[worst])} counts by {abs(deviations[worst]):.1f} standard deviations: look at "
            "the shape of the background and at extended emission"
        )


class UserStatistic(Statistic):
    """A function of the user: ``function(counts, mean)``, a number."""

    def __init__(self, name: str, function: Callable[[np.ndarray, np.ndarray], float]) -> None:
        self.name, self.function = name, function

    def measure(self, counts: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """The number, shape ``(1,)``."""
        value = np.asarray(self.function(counts, mean), dtype="float64")
        if value.size != 1 or not np.isfinite(value).all():
            raise ValueError(f"the statistic {self.name!r} must return a finite number, got {value!r}")
        return value.reshape(1)

    def combine(self, deviations: np.ndarray) -> float:
        """The number itself."""
        return float(deviations[0])

    def sentence(self, deviations: np.ndarray, low: bool) -> str:
        """See `Statistic.sentence`."""
        return f"{self.name} is {deviations[0]:.4g}, {'smaller' if low else 'larger'} than in replicated data"
