"""How pixels are compressed in FITS files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, ClassVar

import numpy as np

__all__ = [
    "FitsCompressionAlgorithm",
    "FitsCompressionOptions",
    "FitsDitherAlgorithm",
    "FitsQuantizationOptions",
    "checked_options",
]

#: seeds go from 1 to this
LAST_SEED = 10_000


class FitsCompressionAlgorithm(Enum):
    """Ways to compress a tile, by their names in the FITS standard."""

    GZIP_1 = "GZIP_1"
    GZIP_2 = "GZIP_2"
    RICE_1 = "RICE_1"


class FitsDitherAlgorithm(Enum):
    """Ways to round numbers, by their names in the FITS standard."""

    NO_DITHER = "NO_DITHER"
    SUBTRACTIVE_DITHER_1 = "SUBTRACTIVE_DITHER_1"
    SUBTRACTIVE_DITHER_2 = "SUBTRACTIVE_DITHER_2"


@dataclass(frozen=True, kw_only=True)
class FitsQuantizationOptions:
    """How numbers are rounded before they are compressed: they are not the same afterwards.

    Parameters
    ----------
    dither : FitsDitherAlgorithm
        Whether noise is added before and subtracted after; the second way keeps exact zeros.
    level : float
        Above 0: steps per standard deviation of the noise of a tile. Below 0: minus the step, in the unit of the image.
    seed : int, optional
        Of the noise, from 1 to 10000; None (or 0) takes that of the call which writes the file.

    Raises
    ------
    ValueError
        If the level is 0 or not finite, or the seed out of range.
    """

    dither: FitsDitherAlgorithm
    level: float
    seed: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "dither", FitsDitherAlgorithm(self.dither))
        if not np.isfinite(self.level) or self.level == 0:
            raise ValueError(f"level must be a finite number other than 0, got {self.level}; None keeps all digits")
        _check_seed("seed", self.seed)


@dataclass(frozen=True, kw_only=True)
class FitsCompressionOptions:
    """How the pixels of an image are compressed.

    Parameters
    ----------
    algorithm : FitsCompressionAlgorithm
        Way to compress a tile.
    tile_shape : tuple of int, optional
        Rows and columns of a tile; by default one row, or one cell in files with ``schema="1.0.0"``.
    quantization : FitsQuantizationOptions, optional
        Rounds floats before; by default all digits are kept. Integers are never rounded.

    Raises
    ------
    ValueError
        If a tile has no pixels, or floats should be compressed by "RICE_1" without rounding.

    Examples
    --------
    >>> FitsCompressionOptions.LOSSY.quantization.level
    16.0
    """

    algorithm: FitsCompressionAlgorithm = FitsCompressionAlgorithm.GZIP_2
    tile_shape: tuple[int, ...] | None = None
    quantization: FitsQuantizationOptions | None = None
    #: every digit is kept
    DEFAULT: ClassVar["FitsCompressionOptions"]
    #: rounds to a sixteenth of the standard deviation of the noise
    LOSSY: ClassVar["FitsCompressionOptions"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "algorithm", FitsCompressionAlgorithm(self.algorithm))
        if self.tile_shape is not None and (not self.tile_shape or min(self.tile_shape) < 1):
            raise ValueError(f"a tile has pixels along each axis, got tile_shape={self.tile_shape}")

    def keywords(self, array: np.ndarray, tile_shape: tuple[int, ...]) -> dict[str, Any]:
        """Arguments of `astropy.io.fits.CompImageHDU`, with tiles of a shape unless there is an own one."""
        tile = tuple(min(pair) for pair in zip(self.tile_shape or tile_shape, array.shape, strict=True))
        common: dict[str, Any] = {"compression_type": self.algorithm.value, "tile_shape": tile}
        if array.dtype.kind != "f":
            return common
        if self.quantization is None:
            return common | {"quantize_level": 0.0}
        method = {"NO_DITHER": -1, "SUBTRACTIVE_DITHER_1": 1, "SUBTRACTIVE_DITHER_2": 2}[self.quantization.dither.value]
        seed = {} if method == -1 else {"dither_seed": self.quantization.seed}
        return common | {"quantize_level": self.quantization.level, "quantize_method": method} | seed


def checked_options(
    planes: Sequence[tuple[str, np.ndarray, FitsCompressionOptions | None]], compression_seed: int | None
) -> list[FitsCompressionOptions | None]:
    """Options with seeds, in the order of planes.

    Parameters
    ----------
    planes : sequence of tuple
        Name, array and options of each; None leaves it uncompressed.
    compression_seed : int, optional
        Seed of the first plane that needs one; each further one takes the next, 1 after 10000.

    Returns
    -------
    list
        Options of each.

    Raises
    ------
    RuntimeError
        If a plane needs a seed and there is none.
    ValueError
        If a plane cannot be compressed as asked for; the message names it.
    """
    _check_seed("compression_seed", compression_seed)
    seeds = _seeds(compression_seed or None)
    return [_checked(name, array, options, seeds) for name, array, options in planes]


def _checked(
    name: str, array: np.ndarray, options: FitsCompressionOptions | None, seeds: Iterator[int]
) -> FitsCompressionOptions | None:
    if options is None:
        return None
    if options.tile_shape is not None and len(options.tile_shape) != array.ndim:
        raise ValueError(f"{name}: tiles of shape {options.tile_shape} do not fit an array of shape {array.shape}")
    if array.dtype.kind != "f":
        return options
    if options.quantization is None:
        if options.algorithm == FitsCompressionAlgorithm.RICE_1:
            raise ValueError(
                f"{name}: RICE_1 compresses floats after rounding only; give a quantization, or use GZIP_2"
            )
        return options
    if infinite := int(np.isinf(array).sum()):
        raise ValueError(
            f"{name}: {infinite} of {array.size} values are infinite; rounding would destroy the tiles around them: "
            "write this plane with FitsCompressionOptions.DEFAULT, which keeps all digits"
        )
    if options.quantization.seed or options.quantization.dither == FitsDitherAlgorithm.NO_DITHER:
        return options
    seed = next(seeds, None)
    if seed is None:
        raise RuntimeError(
            f"{name}: No quantization seed provided. Give compression_seed, or a seed in its FitsQuantizationOptions"
        )
    return replace(options, quantization=replace(options.quantization, seed=seed))


def _seeds(first: int | None) -> Iterator[int]:
    """A seed and its followers; none for None."""
    while first is not None:
        yield first
        first = first % LAST_SEED + 1


def _check_seed(name: str, seed: int | None) -> None:
    if seed is not None and not 0 <= seed <= LAST_SEED:
        raise ValueError(f"{name} must be from 1 to {LAST_SEED}, got {seed}")


FitsCompressionOptions.DEFAULT = FitsCompressionOptions()
FitsCompressionOptions.LOSSY = FitsCompressionOptions(
    algorithm=FitsCompressionAlgorithm.RICE_1,
    quantization=FitsQuantizationOptions(dither=FitsDitherAlgorithm.SUBTRACTIVE_DITHER_2, level=16.0),
)
