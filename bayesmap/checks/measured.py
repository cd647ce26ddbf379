"""Checks of measured values with errors: images and flux points."""

from collections.abc import Callable, Mapping
from typing import Any

import astropy.units as u
import numpy as np

from bayesmap._types import Tree
from bayesmap.checks.blocks import Blocks, sky_place
from bayesmap.checks.passes import MOST_BLOCKS, SCALES, Function, Pass, pixels_of, positions_of, rings_around
from bayesmap.checks.statistics import SmoothedResidual, Statistic, UserStatistic
from bayesmap.inference.groups import block_labels
from bayesmap.inference.streaming import Draw, Moments

__all__ = ["MeasuredPass"]

#: pixels that the smallest blocks of an image hold at least
BLOCK_PIXELS = 16


class DeviationSums(Statistic):
    """Sums of deviations over places, in standard deviations of the sums; deviations are independent.

    Parameters
    ----------
    name : str
        What is looked at.
    blocks : Blocks
        The places.
    place : callable
        Where one of them is, in words.
    advice : str
        What to look at if it fails.
    largest : bool
        Compare the largest deviation, not the sum of squares.
    """

    blocks: Blocks

    def __init__(
        self, name: str, blocks: Blocks, place: Callable[[int], str], advice: str, *, largest: bool = False
    ) -> None:
        self.name, self.blocks, self.place, self.advice, self.largest = name, blocks, place, advice, largest
        self.widths = np.sqrt(blocks.sums(np.ones(blocks.labels.shape)))

    def measure(self, counts: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Deviations of the places, shape ``(n,)``, of those of the data; the second array is not looked at."""
        return self.blocks.sums(counts) / self.widths

    def combine(self, deviations: np.ndarray) -> float:
        """The largest, or the sum of squares."""
        return super().combine(deviations) if self.largest else float((deviations**2).sum())

    def sentence(self, deviations: np.ndarray, low: bool) -> str:
        """See `Statistic.sentence`."""
        if low:
            return (
                f"{self.name}: the data lie closer to the prediction than their errors say: are the errors too large?"
            )
        worst = int(np.argmax(np.abs(deviations)))
        return (
            f"{self.name}: the data lie farther from the prediction than their errors say, most of all "
            f"{self.place(worst)}, by {deviations[worst]:+.1f} standard deviations: {self.advice}"
        )


class SmoothedDeviation(SmoothedResidual):
    """The deviation of the mean in disks around all pixels; the largest counts."""

    def measure(self, counts: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Deviation of each pixel, shape ``(n_pixel,)``, from those of the data; the second array is not looked at."""
        return self.sums(counts[None]) / np.sqrt(np.maximum(self.sums(self.inside[None] * 1.0), 1.0))


class MeasuredPass(Pass):
    """The checks of an image or of flux points; see `Pass`."""

    noun = "flux"

    def __init__(self, tree: Tree, dataset: Any, options: Mapping[str, Any], rng: np.random.Generator) -> None:
        super().__init__(tree, dataset, options, rng)
        observed = self.observed
        self.data = observed.value.get_value()
        observed.check(self.data)  # profiles of flux points have no errors
        self.inside = observed.comparable
        self.seen = np.ones(self.data.shape, dtype=bool) if observed.mask is None else observed.mask
        self._positions = positions_of(tree, dataset) if self.data.ndim == 2 else {}

    def run(self, further: Mapping[str, Function], block_counts: float, radius: Any) -> None:
        """Look at all draws."""
        middle = next(self.stream.draws([len(self.stream) // 2], self.rng)).arguments
        image = self.data.ndim == 2
        each = self._each
        self.blocks = self._image_blocks(1) if image else each
        self.statistics = [
            DeviationSums("scatter of all data", each, self._place(each), "look at the model and the errors"),
            DeviationSums("largest deviation", each, self._place(each), "is it an outlier?", largest=True),
            *(self._image_statistics(radius) if image else []),
            *(UserStatistic(name, function) for name, function in further.items()),
        ]
        made = self.stream.reduce(
            {
                "statistics": self._compare,
                "likelihood": self._block_likelihood,
                "replicates": lambda draw: self.blocks.sums(self.observed.deviations(draw.replicate, *middle)),
                "deviations": Moments(self._deviations),
            },
            rng=self.rng,
        )
        self._keep(made)
        data = self.blocks.sums(self.observed.deviations(self.data, *middle))
        self._rank(data, made["replicates"], self._weigh(made["likelihood"]))

    @property
    def _each(self) -> Blocks:
        """Each datum alone."""
        labels = np.full(self.data.shape, -1)
        labels[self.inside] = np.arange(int(self.inside.sum()))
        return Blocks(labels, int(self.inside.sum()))

    def _image_blocks(self, scale: int) -> Blocks:
        """Rectangles of pixels."""
        least = scale * max(BLOCK_PIXELS, int(self.inside.sum()) / MOST_BLOCKS)
        return Blocks.of(np.where(self.inside, block_labels(self.inside.astype("float64"), least), -1))

    def _image_statistics(self, radius: Any) -> list[Statistic]:
        """What is looked at in images only."""
        made: list[Statistic] = []
        for scale in SCALES:
            blocks = self.blocks if scale == 1 else self._image_blocks(scale)
            if scale == 1 or blocks.number > 1:
                name = f"scatter of blocks of {BLOCK_PIXELS * scale} pixels"
                made.append(DeviationSums(name, blocks, self._place(blocks), "look at the background and at sources"))
        geom = self.dataset.geom
        pixels = pixels_of(geom, 2 * self.observed.blur * u.deg if radius is None else radius)
        if pixels > max(geom.data_shape):
            raise ValueError(f"dataset {self.name!r}: radius is {pixels:.0f} pixels, the image {geom.data_shape}")
        made.append(SmoothedDeviation(geom, pixels, self.inside[None]))
        rings = rings_around(geom, self.inside, self._positions, self.observed.blur)
        for name, (number, _) in rings.items():
            advice = "look at the PSF, at the shape, and for neighbours"
            blocks = Blocks(number, int(number.max()) + 1)
            made.append(DeviationSums(f"profile of {name}", blocks, lambda ring: f"in ring {ring + 1}", advice))
        return made

    def _place(self, blocks: Blocks) -> Callable[[int], str]:
        """Where a block is, in words."""

        def words(block: int) -> str:
            where = np.nonzero(blocks.labels == block)
            if len(where) == 1:
                return f"at {self.observed.energy[where[0][0]]:.3g} TeV"
            return f"at {sky_place(self.dataset.geom, where[0].mean(), where[1].mean())}"

        return words

    def _compare(self, draw: Draw) -> np.ndarray:
        """See `Pass`."""
        mean = np.where(self.inside, draw.expected, 0.0)
        measured = []
        for data in (self.data, draw.replicate):
            pair = np.where(self.inside, data, 0.0), mean
            deviations = self.observed.deviations(data, *draw.arguments)
            given = [pair if isinstance(s, UserStatistic) else (deviations, mean) for s in self.statistics]
            measured.append([s.measure(*one) for s, one in zip(self.statistics, given, strict=True)])
        return self._compared(*measured)

    def _block_likelihood(self, draw: Draw) -> np.ndarray:
        """Log-likelihood of each block, shape ``(n_block,)``."""
        values = np.zeros(self.data.shape)
        values[self.seen] = draw.log_likelihood
        return self.blocks.sums(values)
