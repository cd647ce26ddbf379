"""One dataset in one pass over the draws: what the checks of all kinds of data have in common."""

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import astropy.units as u
import numpy as np

from bayesmap._types import Tree
from bayesmap.checks.blocks import Blocks
from bayesmap.checks.pit import importance_weights, rank_pit, uniformity
from bayesmap.checks.result import CheckResult, ProfileCheck
from bayesmap.checks.statistics import Statistic
from bayesmap.datasets.parameter_draws import parameters_at
from bayesmap.inference.listing import parameter_names
from bayesmap.inference.streaming import Draw, Stream
from bayesmap.modeling.posterior import Posterior

__all__ = ["K_LIMIT", "MOST_BLOCKS", "SCALES", "Function", "Pass", "pixels_of", "positions_of", "rings_around"]

#: blocks for PITs are larger if there would be more of them
MOST_BLOCKS = 2000
#: what the blocks whose scatter is looked at hold, in units of the smallest
SCALES = (1, 10, 100)
N_RINGS = 9
#: a deviation that no replicate reaches counts if it is so many standard deviations of theirs away
BEYOND = 4.0
K_LIMIT = 0.7

type Function = Callable[[np.ndarray, np.ndarray], float]


class Pass(abc.ABC):
    """The checks of one dataset.

    Parameters
    ----------
    tree : xarray.DataTree
        The draws.
    dataset : Dataset
        With the models of the draws, and data.
    options : mapping
        For `Stream`.
    rng : numpy.random.Generator
        Draws replicated data.

    Attributes
    ----------
    data : numpy.ndarray
        Observed data, of their shape.
    blocks : Blocks
        Of the data.
    spectrum : ProfileCheck or None
        Counts per energy.
    profiles : dict of ProfileCheck
        Counts in rings, by source.
    pit, loo_pit, pareto_k : numpy.ndarray
        Of each block.
    deviation : numpy.ndarray or None
        Of each block from the prediction, in standard deviations, mean over the draws; None where no statistic looks
        at the blocks.
    remarks : list of str
        What limits the checks.
    """

    noun = "counts"

    def __init__(self, tree: Tree, dataset: Any, options: Mapping[str, Any], rng: np.random.Generator) -> None:
        self.dataset, self.rng, self.name = dataset, rng, dataset.name
        self.stream = Stream(tree, dataset, **options)
        self.observed: Any = self.stream.observed
        self.remarks: list[str] = []
        self.statistics: list[Statistic] = []
        self.data: np.ndarray
        self.blocks: Blocks
        self.deviation: np.ndarray | None = None
        self.spectrum: ProfileCheck | None = None
        self.profiles: dict[str, ProfileCheck] = {}

    @abc.abstractmethod
    def run(self, further: Mapping[str, Function], block_counts: float, radius: Any) -> None:
        """Look at all draws."""

    @abc.abstractmethod
    def _compare(self, draw: Draw) -> np.ndarray:
        """Each statistic of the observed and of replicated data, shape ``(n_statistic, 2)``."""

    def _compared(self, measured: Sequence[np.ndarray], drawn: Sequence[np.ndarray]) -> np.ndarray:
        """What `_compare` returns, from the deviations of observed and replicated data in all places."""
        self._measured = measured
        pairs = zip(self.statistics, measured, drawn, strict=True)
        return np.array([(s.combine(one), s.combine(other)) for s, one, other in pairs])

    def _deviations(self, draw: Draw) -> np.ndarray:
        """Deviations of the observed data in all places of all statistics; `_compare` came before."""
        self._lengths = [len(measured) for measured in self._measured]
        return np.concatenate([np.zeros(0), *self._measured])

    def _keep(self, made: Mapping[str, Any]) -> None:
        """Keep what was made of the statistics."""
        self.values = made["statistics"]
        self.deviations = np.split(made["deviations"][0], np.cumsum(self._lengths)[:-1])
        of_blocks = (d for s, d in zip(self.statistics, self.deviations, strict=False) if s.blocks is self.blocks)
        self.deviation = next(of_blocks, None)

    def _weigh(self, log_likelihood: np.ndarray) -> np.ndarray:
        """Logarithms of the weights of the draws without each block, shape ``(n_draw, n_block)``."""
        weights, self.pareto_k = importance_weights(log_likelihood)
        bad = int((self.pareto_k > K_LIMIT).sum())
        if bad:
            self.remarks.append(
                f"{self.name}: leaving out {bad} of {self.blocks.number} blocks changes the posterior so much (Pareto "
                f"k above {K_LIMIT}) that their leave-one-out transforms are rough."
            )
        return weights

    def _rank(self, data: np.ndarray, replicates: np.ndarray, weights: np.ndarray) -> None:
        """Make the transforms from drawn data."""
        self.pit = rank_pit(data, replicates, self.rng)
        self.loo_pit = rank_pit(data, replicates, self.rng, weights)

    def results(self, alpha: float) -> list[CheckResult]:
        """All checks, those that fail with what is wrong."""
        number = len(self.statistics) + 2
        if self.statistics and 1 / (len(self.values) + 1) >= alpha / number:
            self.remarks.append(
                f"{self.name}: {len(self.values)} draws are too few for a p below {alpha / number:.2g}, at which one "
                f"of {number} checks fails; only deviations of more than {BEYOND:g} standard deviations are noticed."
            )
        results = [
            self._pit_result(self.pit, "block PIT", alpha / number),
            self._pit_result(self.loo_pit, "leave-one-out block PIT", alpha / number),
        ]
        for i, statistic in enumerate(self.statistics):
            observed, drawn = self.values[:, i].T
            p = float((0.5 + (drawn > observed).sum() + 0.5 * (drawn == observed).sum()) / (len(drawn) + 1))
            differences = observed - drawn
            beyond = np.abs(differences.mean()) > BEYOND * drawn.std() and not 1 / len(drawn) < p < 1 - 1 / len(drawn)
            fails = bool(2 * min(p, 1 - p) < alpha / number or beyond)
            told = statistic.sentence(self.deviations[i], p > 0.5) if fails else f"{statistic.name}: as predicted"
            means = float(observed.mean()), float(drawn.mean())
            results.append(CheckResult(self.name, statistic.name, p, *means, fails, told))
        return results

    def _pit_result(self, pit: np.ndarray, name: str, level: float) -> CheckResult:
        p = uniformity(pit) if len(pit) > 1 else 1.0
        fails = p < level
        told = f"{_shape(pit, self.noun)} ({name} of {len(pit)} blocks is not uniform)" if fails else f"{name}: uniform"
        return CheckResult(self.name, name, p, np.nan, np.nan, fails, told)


def _shape(pit: np.ndarray, noun: str) -> str:
    """What a distribution of PITs that is not uniform says."""
    number = len(pit)
    shift = (pit.mean() - 0.5) * np.sqrt(12 * number)
    if abs(shift) > 3:
        more = "more" if shift > 0 else "fewer" if noun == "counts" else "less"
        return f"blocks hold {more} {noun} than predicted on the whole"
    width = (((pit - 0.5) ** 2).mean() - 1 / 12) * np.sqrt(180 * number)
    if width < -3:
        return f"blocks agree better with the predictions than {noun} should: are the data means?"
    return "more blocks than expected lie far from their predictions"


def pixels_of(geom: Any, radius: Any) -> float:
    """A radius in pixels."""
    radius = u.Quantity(radius)
    if radius.unit.is_equivalent("deg"):
        radius = radius / geom.to_image().pixel_scales.mean()
    return float(radius.to_value(""))


def rings_around(
    geom: Any, inside: np.ndarray, positions: Mapping[str, tuple[Any, float]], blur: float
) -> dict[str, tuple[np.ndarray, u.Quantity]]:
    """Rings around each source inside an image: the number of that of each pixel, -1 outside, and the edges.

    Parameters
    ----------
    geom : WcsGeom
        The image.
    inside : numpy.ndarray
        Pixels that are looked at, booleans of its shape.
    positions : mapping
        See `positions_of`.
    blur : float
        Width of the PSF in deg.
    """
    least = max(blur / 2, float(geom.pixel_scales.to_value("deg").mean()))
    rings = {}
    for name, (position, size) in positions.items():
        width = max(least, size / 2)
        separation = geom.separation(position).to_value("deg")
        number = np.where(separation < N_RINGS * width, np.floor(separation / width), -1).astype(int)
        number[~inside] = -1
        if (np.bincount(number[number >= 0], minlength=N_RINGS) > 0).all():
            rings[name] = number, np.arange(N_RINGS + 1) * width * u.deg
    return rings


def positions_of(tree: Tree, dataset: Any) -> dict[str, tuple[Any, float]]:
    """Position and size in deg of each source that has one, at the posterior means."""
    columns = Posterior(tree).columns(parameter_names(dataset.models or ()))
    means = {p: float(np.clip(x.mean(), *p.bounds)) for p, x in columns.items() if not p.shape}
    found = {}
    with parameters_at(means):
        for model in dataset.models or ():
            position = getattr(model, "position", None)
            if position is not None and getattr(model, "spatial_model", None) is not None:
                radius = model.spatial_model.evaluation_radius
                found[model.name] = position, 0.0 if radius is None else float(u.Quantity(radius).to_value("deg")) / 4
    return found
