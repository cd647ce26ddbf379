"""Blocks of bins in energy and sky that hold enough expected counts to say something."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesmap.inference.groups import block_labels

__all__ = ["Blocks", "blocks_of", "energy_place", "refined", "remembered", "sky_place"]

#: what one draw is summed of: observed, expected and replicated counts
CUBES = 3


def remembered[T](method: Callable[[T, np.ndarray], np.ndarray]) -> Callable[[T, np.ndarray], np.ndarray]:
    """A method of one cube that remembers what it made of the last few: the same objects come again and again."""

    @functools.wraps(method)
    def remembering(self: T, cube: np.ndarray) -> np.ndarray:
        kept = vars(self).setdefault("_remembered", [])
        found = next((pair for pair in kept if pair[0] is cube), None)
        if found is None:
            found = cube, method(self, cube)
        vars(self)["_remembered"] = [found, *(pair for pair in kept if pair is not found)][:CUBES]
        return found[1]

    return remembering


@dataclass(frozen=True, eq=False)
class Blocks:
    """Blocks of the bins of a cube.

    Attributes
    ----------
    labels : numpy.ndarray
        Number of the block of each bin, -1 outside the mask, shape ``(n_energy, n_lat, n_lon)``; of an image
        ``(n_y, n_x)``, of flux points ``(n_point,)``.
    number : int
        How many there are.
    cells : Blocks or None
        Finer blocks, of which sums are made first, see `refined`.
    """

    labels: np.ndarray
    number: int
    cells: "Blocks | None" = None

    @classmethod
    def of(cls, labels: np.ndarray) -> "Blocks":
        """Number blocks anew, without those that the mask leaves empty; labels are -1 outside."""
        used = np.unique(labels[labels >= 0])
        table = np.full(int(labels.max()) + 1, -1)
        table[used] = np.arange(len(used))
        return cls(np.where(labels >= 0, table[labels], -1), len(used))

    @functools.cached_property
    def _places(self) -> np.ndarray:
        """Where the sum of each bin, or of each cell, goes; the first place is for those outside the mask."""
        if self.cells is None:
            return self.labels.ravel() + 1
        places = np.zeros(self.cells.number, dtype=int)
        inside = self.cells.labels >= 0
        places[self.cells.labels[inside]] = self.labels[inside] + 1
        return places

    @remembered
    def sums(self, cube: np.ndarray) -> np.ndarray:
        """Sum over each block, of a cube of the shape of the labels, shape ``(number,)``."""
        weights = cube.ravel() if self.cells is None else self.cells.sums(cube)
        return np.bincount(self._places, weights, self.number + 1)[1:]

    def place(self, block: int, geom: Any) -> str:
        """Where a block is, in words: its energies, and its centre on the sky."""
        energies, rows, columns = np.nonzero(self.labels == block)
        text = energy_place(geom, energies.min(), energies.max())
        return text if geom.is_region else f"{text}, {sky_place(geom, rows.mean(), columns.mean())}"


def refined(several: Sequence[Blocks]) -> list[Blocks]:
    """The same blocks, whose sums are made of those of their common cells: a cube is then read once for all of them."""
    codes, number = np.zeros(several[0].labels.shape, dtype=int), 1
    for blocks in several:
        codes += number * (blocks.labels + 1)
        number *= blocks.number + 1
    cells = Blocks.of(np.where(codes > 0, np.unique(codes, return_inverse=True)[1].reshape(codes.shape), -1))
    return [Blocks(blocks.labels, blocks.number, cells) for blocks in several]


def energy_place(geom: Any, first: int, last: int) -> str:
    """A range of energy bins in words."""
    edges = geom.axes["energy"].edges
    return f"{edges[first].value:.3g}-{edges[last + 1].value:.3g} {edges.unit}"


def sky_place(geom: Any, row: float, column: float) -> str:
    """A position on the sky in words, from pixel coordinates."""
    lon, lat = (float(x.to_value("deg")) for x in geom.to_image().pix_to_coord((column, row))[:2])
    names = ("l", "b") if geom.frame == "galactic" else ("lon", "lat")
    return f"{names[0]} = {lon:.3f} deg, {names[1]} = {lat:.3f} deg"


def blocks_of(expected: np.ndarray, mask: np.ndarray, least: float) -> Blocks:
    """Join energies until there are enough counts, and cut the image of each band into rectangles.

    Parameters
    ----------
    expected : numpy.ndarray
        Expected counts, ``(n_energy, n_lat, n_lon)``.
    mask : numpy.ndarray
        Bins that are looked at, a boolean cube.
    least : float
        Expected counts that each block holds at least; if there are fewer in all there is one block.
    """
    weights = np.where(mask, np.maximum(expected, 0), 0.0)
    labels = np.full(weights.shape, -1)
    number = 0
    for band in _bands(weights.sum(axis=(1, 2)), least):
        image = block_labels(weights[band].sum(axis=0), least)
        labels[band] = np.where(mask[band], number + image, -1)
        number += int(image.max()) + 1
    return Blocks.of(labels)


def _bands(totals: np.ndarray, least: float) -> list[slice]:
    """Neighbouring energies that hold enough together; what is left at the end joins the last band."""
    bands, start, held = [], 0, 0.0
    for i, total in enumerate(totals):
        held += total
        if held >= least:
            bands.append(slice(start, i + 1))
            start, held = i + 1, 0.0
    if not bands:
        return [slice(0, len(totals))]
    bands[-1] = slice(bands[-1].start, len(totals)) if start < len(totals) else bands[-1]
    return bands
