"""Checks of counts in maps and spectra."""

from collections.abc import Mapping, Sequence
from typing import Any

import astropy.units as u
import numpy as np

from bayesmap._types import Tree
from bayesmap.checks.blocks import blocks_of, refined
from bayesmap.checks.passes import MOST_BLOCKS, SCALES, Function, Pass, pixels_of, positions_of, rings_around
from bayesmap.checks.pit import pit_of
from bayesmap.checks.result import ProfileCheck
from bayesmap.checks.statistics import (
    BlockScatter,
    EnergyTotals,
    Profile,
    SmoothedResidual,
    Statistic,
    UserStatistic,
)
from bayesmap.inference.streaming import Draw, Moments

__all__ = ["CountsPass", "has_mean"]

#: draws of which the mean prediction is taken, for blocks
MEAN_DRAWS = 20


def has_mean(observed: Any) -> bool:
    """Whether there is an expectation of counts that does not depend on the counts."""
    likelihood = observed.likelihood
    return not likelihood.allows_negative and (not observed.off or bool(likelihood.latent_names))


class CountsPass(Pass):
    """The checks of a dataset of counts; see `Pass`."""

    def __init__(self, tree: Tree, dataset: Any, options: Mapping[str, Any], rng: np.random.Generator) -> None:
        super().__init__(tree, dataset, options, rng)
        observed = self.observed
        if observed.counts is None:
            raise ValueError(f"dataset {self.name!r} has no counts to be checked")
        self.mask, self.geom = observed.mask, observed.arrays.geom
        self.data = observed.counts
        self.counts = np.where(self.mask, self.data, 0.0)
        self._last: Any = None
        self._positions = positions_of(tree, dataset)

    def _why_transforms(self) -> str:
        """Why statistics are not compared, and what to do."""
        if self.observed.likelihood.allows_negative:
            return "as the noise is not that of counts"
        return (
            "as statistics need a background that does not follow the counts; likelihood = "
            'OnOffLikelihood("latent") samples that of the OFF regions, and gets all checks'
        )

    def _masked(self, draw: Draw) -> tuple[np.ndarray, np.ndarray]:
        """Expected and replicated counts, zero outside the mask; those of the last draw are kept."""
        if self._last is None or self._last[0] is not draw:
            mean = np.where(self.mask, np.maximum(draw.expected, 0), 0.0)
            self._last = draw, (mean, np.where(self.mask, draw.replicate, 0.0))
        return self._last[1]

    def run(self, further: Mapping[str, Function], block_counts: float, radius: Any) -> None:
        """Look at all draws."""
        some = np.linspace(0, len(self.stream) - 1, MEAN_DRAWS).astype(int)
        mean = self.stream.reduce({"mean": Moments(lambda draw: draw.expected)}, some, self.rng)["mean"][0]
        total = float(np.maximum(mean, 0)[self.mask].sum())
        least = max(block_counts, total / MOST_BLOCKS)
        self.blocks = blocks_of(mean, self.mask, least)
        profiles = {} if self.geom.is_region or not has_mean(self.observed) else self._rings()
        self.statistics = self._statistics(mean, least, radius, profiles, further) if has_mean(self.observed) else []
        if not has_mean(self.observed):
            self.remarks.append(f"{self.name}: only the transforms of blocks are checked, {self._why_transforms()}.")
        likelihood = self.observed.summed(self.blocks.labels[self.mask], self.blocks.number)
        made = self.stream.reduce(
            {
                "statistics": self._compare,
                "means": lambda draw: self.blocks.sums(self._masked(draw)[0]),
                "likelihood": lambda draw: likelihood(*draw.arguments),
                "replicates": lambda draw: self.blocks.sums(self._masked(draw)[1]),
                "spectrum": lambda draw: self._masked(draw)[1].sum(axis=(1, 2)),
                "profiles": lambda draw: self._profiles(draw, [p for p, _ in profiles.values()]),
                "deviations": Moments(self._deviations),
            },
            rng=self.rng,
        )
        self._keep(made)
        self._transform(made)
        edges = self.geom.axes["energy"].edges
        self.spectrum = ProfileCheck(edges, self.counts.sum(axis=(1, 2)), made["spectrum"])
        drawn = np.split(made["profiles"], np.cumsum([p.number for p, _ in profiles.values()]), axis=1)
        self.profiles = {
            name: ProfileCheck(rings, profile.sums(self.counts), rows)
            for (name, (profile, rings)), rows in zip(profiles.items(), drawn, strict=False)
        }

    def _statistics(
        self, mean: np.ndarray, least: float, radius: Any, profiles: Mapping[str, Any], further: Mapping[str, Function]
    ) -> list[Statistic]:
        """All that is compared with replicated data."""
        made: list[Statistic] = [EnergyTotals(self.geom)]
        several = refined([self.blocks, *(blocks_of(mean, self.mask, scale * least) for scale in SCALES[1:])])
        self.blocks = several[0]
        for scale, blocks in zip(SCALES, several, strict=True):
            if scale == 1 or blocks.number > 1:
                made.append(BlockScatter(blocks, scale * least, self.geom))
        if not self.geom.is_region:
            made.append(
                SmoothedResidual(self.geom, pixels_of(self.geom, "0.1 deg" if radius is None else radius), self.mask)
            )
            made += [profile for profile, _ in profiles.values()]
        return [*made, *(UserStatistic(name, function) for name, function in further.items())]

    def _compare(self, draw: Draw) -> np.ndarray:
        """Each statistic of the observed and of replicated counts, shape ``(n_statistic, 2)``."""
        mean, replicate = self._masked(draw)
        measured, drawn = ([s.measure(data, mean) for s in self.statistics] for data in (self.counts, replicate))
        return self._compared(measured, drawn)

    def _profiles(self, draw: Draw, profiles: Sequence[Profile]) -> np.ndarray:
        replicate = self._masked(draw)[1]
        return np.concatenate([np.zeros(0), *(profile.sums(replicate) for profile in profiles)])

    def _transform(self, made: Mapping[str, np.ndarray]) -> None:
        """Make the probability integral transforms."""
        counts = self.blocks.sums(self.counts)
        weights = self._weigh(made["likelihood"])
        if not self.observed.likelihood.is_poisson:
            self._rank(counts, made["replicates"], weights)
            return
        self.pit = pit_of(counts, made["means"], self.rng)
        self.loo_pit = pit_of(counts, made["means"], self.rng, weights)

    def _rings(self) -> dict[str, tuple[Profile, u.Quantity]]:
        """Rings around each source inside the image, and their edges."""
        rings = rings_around(self.geom.to_image(), self.mask.any(axis=0), self._positions, self.observed._blur())
        return {name: (Profile(name, number), edges) for name, (number, edges) in rings.items()}
