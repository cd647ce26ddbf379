"""Does the posterior predict the data? All checks in one pass over the draws."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr

from bayesmap._types import Tree
from bayesmap._util import get_random_state
from bayesmap.checks.blocks import blocks_of
from bayesmap.checks.pit import importance_weights, pit_of, rank_pit, uniformity
from bayesmap.checks.result import CheckResult, Checks, ProfileCheck
from bayesmap.checks.statistics import (
    BlockScatter,
    EnergyTotals,
    Profile,
    SmoothedResidual,
    Statistic,
    UserStatistic,
)
from bayesmap.datasets.parameter_draws import parameters_at
from bayesmap.inference.listing import as_datasets, parameter_names
from bayesmap.inference.observations import CountsFacts, ObservedCounts, facts_of
from bayesmap.inference.predicted import thinned
from bayesmap.inference.streaming import Draw, Moments, Stream, routes_of
from bayesmap.modeling.posterior import Posterior

__all__ = ["can_check", "check", "check_data", "has_mean", "in_pixels"]

#: fewer draws say too little about tails
LEAST_DRAWS = 100
#: blocks for PITs are larger if there would be more of them
MOST_BLOCKS = 2000
#: draws of which the mean prediction is taken, for blocks
MEAN_DRAWS = 20
#: expected counts of the blocks whose scatter is looked at, in units of the smallest
SCALES = (1, 10, 100)
N_RINGS = 9
#: a deviation that no replicate reaches counts if it is so many standard deviations of theirs away
BEYOND = 4.0
K_LIMIT = 0.7

type Function = Callable[[np.ndarray, np.ndarray], float]


def check(
    tree: Tree,
    datasets: Any,
    num_draws: int = 1000,
    *,
    statistics: Mapping[str, Function] | None = None,
    block_counts: float = 5.0,
    radius: Any = "0.1 deg",
    alpha: float = 0.01,
    random_state: Any = 0,
    **options: Any,
) -> Checks:
    """Check whether counts look like what the posterior predicts, and say what is wrong and where.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`~bayesmap.inference.sample`.
    datasets : MapDataset, Datasets or list of MapDataset
        Datasets of counts, those that were sampled, with their models.
    num_draws : int
        Draws that are looked at, evenly spaced; all if there are fewer.
    statistics : mapping of str to callable, optional
        Further statistics: functions of counts and expected counts, two cubes ``(n_energy, n_lat, n_lon)`` that are
        zero outside the mask, which return a number.
    block_counts : float
        Expected counts in each block of the probability integral transforms, at least; more if there would be more than
        2000 blocks. Single bins hold too few counts to disagree with anything.
    radius : `~astropy.units.Quantity`, str or float
        Radius of the disks of the largest smoothed residual, in pixels if a number.
    alpha : float
        The rate at which a dataset whose model is right fails any of its checks, at most: each of K checks fails where
        twice its p, or twice 1 - p, is below alpha / K (of the transforms, which have one side: p itself).
    random_state : int, numpy.random.Generator or str
        Draws replicated data.
    **options
        ``psf_route``, ``psf_tolerance``: see :func:`~bayesmap.inference.to_pymc`.

    Returns
    -------
    Checks
        Print it.

    Raises
    ------
    KeyError
        If the posterior lacks a free parameter of the models.
    ValueError
        If there are fewer than 100 draws, the tree was made from other data, or a dataset holds no counts.

    Notes
    -----
    The p of a statistic T is the share of draws in which replicated data have a larger T, with the prediction of the
    same draw, than the observed data (Gelman, Meng and Stern 1996, Statistica Sinica 6, 733). As the parameters were
    fitted to the data such p are less often small than uniform ones.
    """
    listed, rng = as_datasets(datasets), get_random_state(random_state)
    posterior = Posterior(tree)
    if len(posterior) < LEAST_DRAWS:
        raise ValueError(f"checks need at least {LEAST_DRAWS} draws, the posterior has {len(posterior)}: sample more")
    few = thinned(tree, min(num_draws, len(posterior))) if num_draws >= LEAST_DRAWS else None
    if few is None:
        raise ValueError(f"checks need at least {LEAST_DRAWS} draws, num_draws is {num_draws}")
    results: list[CheckResult] = []
    remarks = _remarks(tree)
    kept: dict[str, Any] = {"blocks": {}, "spectra": {}, "profiles": {}}
    pits: dict[str, dict[str, Any]] = {"pit": {}, "loo_pit": {}, "pareto_k": {}}
    for dataset in listed:
        one = _Pass(few, dataset, {**routes_of(tree, dataset.name), **options}, rng)
        check_data(tree, one.observed)
        one.run(statistics or {}, block_counts, radius)
        results += one.results(alpha)
        remarks += one.remarks
        kept["blocks"][dataset.name] = one.blocks
        kept["spectra"][dataset.name] = one.spectrum
        kept["profiles"] |= {f"{dataset.name}.{name}": profile for name, profile in one.profiles.items()}
        for group, variables in pits.items():
            variables[dataset.name] = ((f"{dataset.name}_block",), getattr(one, group))
    groups = {name: _with_coordinates(variables) for name, variables in pits.items()}
    return Checks(results, alpha, tuple(remarks), xr.DataTree.from_dict(groups), **kept)


def _with_coordinates(variables: dict[str, Any]) -> xr.Dataset:
    """A group whose dimensions have coordinates, without which ArviZ does not draw it."""
    return xr.Dataset(variables, coords={dims[0]: np.arange(len(values)) for dims, values in variables.values()})


def _remarks(tree: Tree) -> list[str]:
    """What is wrong with the draws themselves."""
    divergent = int(tree["sample_stats"]["diverging"].sum()) if "sample_stats" in tree.children else 0
    if not divergent:
        return []
    return [
        f"{divergent} transitions of the sampler diverged: the draws miss corners of the posterior, and checks made of "
        "them may say too much or too little. See convergence_report."
    ]


def check_data(tree: Tree, observed: ObservedCounts) -> None:
    """Raise a ValueError if the tree was made from other counts."""
    if "observed_data" not in tree.children or observed.counts is None:
        return
    for name, sums in observed.in_short(observed.counts).items():
        stored = tree["observed_data"].data_vars.get(name)
        if stored is None:
            known = sorted(tree["observed_data"].data_vars)
            raise ValueError(f"dataset {observed.name!r} is not among those that were sampled, which hold {known}")
        if stored.shape != sums.shape or not np.array_equal(stored.values, sums):
            raise ValueError(
                f"dataset {observed.name!r}: its counts per energy inside the mask are not those that were sampled "
                f"({float(sums.sum()):.0f} in all, {float(stored.sum()):.0f} then); give the dataset of the result, or "
                "sample again"
            )


def can_check(dataset: Any) -> bool:
    """Whether a dataset holds counts, which checks are made for."""
    return isinstance(facts_of(dataset), CountsFacts)


def has_mean(observed: ObservedCounts) -> bool:
    """Whether there is an expectation of counts that does not depend on the counts."""
    likelihood = observed.likelihood
    return not likelihood.allows_negative and (not observed.off or bool(likelihood.latent_names))


class _Pass:
    """One dataset in one pass over the draws."""

    def __init__(self, tree: Tree, dataset: Any, options: Mapping[str, Any], rng: np.random.Generator) -> None:
        self.dataset, self.rng = dataset, rng
        self.name = dataset.name
        self.stream = Stream(tree, dataset, **options)
        observed: Any = self.stream.observed
        if not isinstance(observed, ObservedCounts) or observed.counts is None:
            raise ValueError(
                f"dataset {self.name!r} holds {observed.content}; checks are made for datasets with counts"
            )
        self.observed: ObservedCounts = observed
        self.mask, self.geom = observed.mask, observed.arrays.geom
        self.counts = np.where(self.mask, observed.counts, 0.0)
        self.remarks: list[str] = []
        self._last: Any = None
        self._positions = _positions(tree, dataset)

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
            self.remarks.append(
                f"{self.name}: only the transforms of blocks are checked. Statistics compare counts with a prediction "
                "that does not depend on them, which a background measured in OFF regions, unless it is sampled, and "
                "noise that is not that of counts do not give."
            )
        made = self.stream.reduce(
            {
                "statistics": self._compare,
                "means": lambda draw: self.blocks.sums(self._masked(draw)[0]),
                "likelihood": lambda draw: self.blocks.sums_inside(draw.log_likelihood, self.mask),
                "replicates": lambda draw: self.blocks.sums(self._masked(draw)[1]),
                "spectrum": lambda draw: self._masked(draw)[1].sum(axis=(1, 2)),
                "profiles": lambda draw: self._profiles(draw, [p for p, _ in profiles.values()]),
                "deviations": self._deviations,
            },
            rng=self.rng,
        )
        self.values = made["statistics"]
        self.deviations = _split(made["deviations"].mean(axis=0), self._lengths)
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
        for scale in SCALES:
            blocks = self.blocks if scale == 1 else blocks_of(mean, self.mask, scale * least)
            if scale == 1 or blocks.number > 1:
                made.append(BlockScatter(blocks, scale * least, self.geom))
        if not self.geom.is_region:
            made.append(SmoothedResidual(self.geom, in_pixels(self.geom, radius), self.mask))
            made += [profile for profile, _ in profiles.values()]
        return [*made, *(UserStatistic(name, function) for name, function in further.items())]

    def _compare(self, draw: Draw) -> np.ndarray:
        """Each statistic of the observed and of replicated counts, shape ``(n_statistic, 2)``."""
        mean, replicate = self._masked(draw)
        self._measured = [s.measure(self.counts, mean) for s in self.statistics]
        drawn = (s.combine(s.measure(replicate, mean)) for s in self.statistics)
        observed = (s.combine(m) for s, m in zip(self.statistics, self._measured, strict=True))
        return np.array(list(zip(observed, drawn, strict=True)))

    def _deviations(self, draw: Draw) -> np.ndarray:
        """Deviations of the observed counts in all places of all statistics; `_compare` came before."""
        self._lengths = [len(measured) for measured in self._measured]
        return np.concatenate([np.zeros(0), *self._measured])

    def _profiles(self, draw: Draw, profiles: Sequence[Profile]) -> np.ndarray:
        replicate = self._masked(draw)[1]
        return np.concatenate([np.zeros(0), *(profile.sums(replicate) for profile in profiles)])

    def _transform(self, made: Mapping[str, np.ndarray]) -> None:
        """Make the probability integral transforms."""
        counts = self.blocks.sums(self.counts)
        weights, self.pareto_k = importance_weights(made["likelihood"])
        if self.observed.likelihood.is_poisson:
            self.pit = pit_of(counts, made["means"], self.rng)
            self.loo_pit = pit_of(counts, made["means"], self.rng, weights)
        else:
            self.pit = rank_pit(counts, made["replicates"], self.rng)
            self.loo_pit = rank_pit(counts, made["replicates"], self.rng, weights)
        bad = int((self.pareto_k > K_LIMIT).sum())
        if bad:
            self.remarks.append(
                f"{self.name}: leaving out {bad} of {self.blocks.number} blocks changes the posterior so much (Pareto "
                f"k above {K_LIMIT}) that their leave-one-out transforms are rough."
            )

    def _rings(self) -> dict[str, tuple[Profile, u.Quantity]]:
        """Rings around each source inside the image, and their edges."""
        geom = self.geom.to_image()
        blur = max(self.observed._blur() / 2, float(geom.pixel_scales.to_value("deg").mean()))
        rings = {}
        for name, (position, size) in self._positions.items():
            width = max(blur, size / 2)
            separation = geom.separation(position).to_value("deg")
            number = np.where(separation < N_RINGS * width, np.floor(separation / width), -1).astype(int)
            number[~self.mask.any(axis=0)] = -1
            if (np.bincount(number[number >= 0], minlength=N_RINGS) > 0).all():
                rings[name] = Profile(name, number), np.arange(N_RINGS + 1) * width * u.deg
        return rings

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
        told = f"{_shape(pit)} ({name} of {len(pit)} blocks is not uniform)" if fails else f"{name}: uniform"
        return CheckResult(self.name, name, p, np.nan, np.nan, fails, told)


def _shape(pit: np.ndarray) -> str:
    """What a distribution of PITs that is not uniform says."""
    number = len(pit)
    shift = (pit.mean() - 0.5) * np.sqrt(12 * number)
    if abs(shift) > 3:
        return f"blocks hold {'more' if shift > 0 else 'fewer'} counts than predicted on the whole"
    width = (((pit - 0.5) ** 2).mean() - 1 / 12) * np.sqrt(180 * number)
    if width < -3:
        return "blocks agree better with the predictions than counts do: are the data means?"
    return "more blocks than expected lie far from their predictions"


def _split(values: np.ndarray, lengths: Sequence[int]) -> list[np.ndarray]:
    return np.split(values, np.cumsum(lengths)[:-1])


def in_pixels(geom: Any, radius: Any) -> float:
    """A radius in pixels of a geometry."""
    radius = u.Quantity(radius)
    if radius.unit.is_equivalent("deg"):
        radius = radius / geom.to_image().pixel_scales.mean()
    return float(radius.to_value(""))


def _positions(tree: Tree, dataset: Any) -> dict[str, tuple[Any, float]]:
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
