"""A posterior with several modes: the sampler runs in each, and bridge sampling says how much of it each one holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bayesmap._html import html_text
from bayesmap.inference.bridge import GaussianMixture, bridge
from bayesmap.inference.density import LogDensity
from bayesmap.inference.mode import Laplace
from bayesmap.inference.safety import tell
from bayesmap.inference.samplers import Drawn, draw_density

__all__ = ["Shares", "merge_modes", "sample_modes"]

#: modes are one if of the draws from each at least this part is where the other one is
CROSSED = 0.01
#: a mode of which fewer draws than this part stay is a shoulder of another one
HELD = 0.5


@dataclass(frozen=True, eq=False)
class Shares:
    """How much of a posterior its modes hold, by falling weight.

    Attributes
    ----------
    weights, errors : list of float
        Of sum one, and their standard errors from the bridges.
    places : list of dict
        Means of the variables that are single numbers.
    found : int
        Number of modes that were sampled, of which some may be one.
    log_z : float
        Logarithm of the evidence of all modes.
    """

    weights: list[float]
    errors: list[float]
    places: list[dict[str, float]]
    found: int
    log_z: float

    def _repr_html_(self) -> str:
        return html_text(str(self))

    def __str__(self) -> str:
        if self.found == 1:
            return "one mode of several: sampling was interrupted before the others had draws"
        if len(self.weights) == 1:
            return f"one mode: chains cross between the {self.found} that the searches found"
        rows = zip(self.weights, self.errors, self.places, strict=True)
        texts = (
            f"weight {w:.3f} +- {e:.2g} at {', '.join(f'{k}={v:.4g}' for k, v in place.items())}"
            for w, e, place in rows
        )
        return f"{len(self.weights)} modes: {'; '.join(texts)}"


@dataclass(frozen=True, eq=False)
class Part:
    """Draws of one mode, or of several that chains cross between.

    Attributes
    ----------
    draws : list of tuple
        For each chain its run, its number there, and the numbers of the draws that count, an array.
    log_z, error : float
        Logarithm of its share of the evidence, and the standard error.
    """

    draws: list[tuple[int, int, np.ndarray]]
    log_z: float
    error: float


def sample_modes(density: LogDensity, modes: Sequence[Laplace], seed: int, **settings: Any) -> tuple[Drawn, Shares]:
    """Sample in each mode, and merge the draws with the weights of the modes.

    Parameters
    ----------
    density : LogDensity
        The log-posterior.
    modes : sequence of Laplace
        At least two.
    seed : int
        Of all randomness.
    **settings
        For :func:`~bayesmap.inference.samplers.draw_density`.

    Returns
    -------
    drawn : Drawn
        As many chains and draws as of one mode.
    shares : Shares
        The weights.
    """
    owner = _owner(modes)
    runs: list[Drawn] = []
    for k, mode in enumerate(modes):

        def inside(theta: np.ndarray, k: int = k) -> bool:
            return bool(owner(theta[None])[0] == k)

        try:
            runs.append(draw_density(density, mode, seed=seed + k, inside=inside, **settings))
        except KeyboardInterrupt:
            if not runs:
                raise
            break
        if runs[-1].interrupted:
            if runs[-1].theta.shape[1] < HELD * runs[0].theta.shape[1]:
                runs[1:] = runs[1:-1]  # merged draws are as many as of the shortest run
            break
    if len(runs) < len(modes):
        tell(f"sampling was interrupted: {len(modes) - len(runs)} of {len(modes)} modes have no draws", 6)
    drawn, shares = merge_modes(density, modes, runs, np.random.default_rng(seed))
    return replace(drawn, interrupted=drawn.interrupted or len(runs) < len(modes)), shares


def merge_modes(
    density: LogDensity, modes: Sequence[Laplace], runs: Sequence[Drawn], rng: np.random.Generator
) -> tuple[Drawn, Shares]:
    """Merge runs of the sampler that began in different modes; see :func:`sample_modes`.

    Parameters
    ----------
    density : LogDensity
        The log-posterior.
    modes : sequence of Laplace
        At least as many as there are runs.
    runs : sequence of Drawn
        One for each of the first modes; their statistics have ``lp``.
    rng : numpy.random.Generator
        Draws the Gaussians of the bridges, and the order of the modes.

    Returns
    -------
    drawn : Drawn
        Where more than one mode is left ``stats["mode"]`` says which one a draw is of, by falling weight.
    shares : Shares
        The weights.

    Notes
    -----
    Space is divided: a point belongs to the mode whose Gaussian is densest there. A draw counts if it belongs to the
    mode that its run began in, and each bridge integrates over the points of its mode only, so that nothing is counted
    twice. Modes are one where at least one percent of the draws of each belong to the other, or where most draws of a
    run do.
    """
    modes = modes[: len(runs)]
    owner = _owner(modes)
    labels = [owner(run.theta) for run in runs]
    groups = _groups(labels)
    parts = [_part(density, modes, runs, labels, group, owner, rng) for group in groups]
    order = np.argsort([-part.log_z for part in parts])
    parts, groups = [parts[i] for i in order], [groups[i] for i in order]
    log_z, error = np.array([part.log_z for part in parts]), np.array([part.error for part in parts])
    total = float(np.logaddexp.reduce(log_z))
    weights = np.exp(log_z - total)
    places = [_place(density, runs, part) for part in parts]
    shares = Shares(weights.tolist(), _weight_errors(weights, error).tolist(), places, len(runs), total)
    return _merged(runs, parts, weights, rng), shares


def _owner(modes: Sequence[Laplace]) -> Callable[[np.ndarray], np.ndarray]:
    """Which mode points belong to, shape ``(..., n)`` without the last axis."""
    log_z = np.array([mode.log_evidence for mode in modes])
    weights = np.maximum(np.exp(log_z - np.logaddexp.reduce(log_z)), 1e-300)
    gaussians = GaussianMixture(weights, np.array([m.mode for m in modes]), np.array([m.factor for m in modes]))

    def owner(points: np.ndarray) -> np.ndarray:
        flat = points.reshape(-1, points.shape[-1])
        found: np.ndarray = gaussians.log_densities(flat).argmax(axis=1)
        return found.reshape(points.shape[:-1])

    return owner


def _groups(labels: Sequence[np.ndarray]) -> list[list[int]]:
    """Runs whose modes are one, from the labels of their draws."""
    n = len(labels)
    share = np.array([[np.mean(label == j) for j in range(n)] for label in labels])
    group = list(range(n))
    for i in range(n):
        crossed = [j for j in range(n) if j != i and share[i, j] > CROSSED and share[j, i] > CROSSED]
        if share[i, i] < HELD:
            crossed.append(int(share[i].argmax()))
        for j in crossed:
            old, new = max(group[i], group[j]), min(group[i], group[j])
            group = [new if g == old else g for g in group]
    return [[i for i in range(n) if group[i] == g] for g in sorted(set(group))]


def _part(
    density: LogDensity,
    modes: Sequence[Laplace],
    runs: Sequence[Drawn],
    labels: Sequence[np.ndarray],
    group: list[int],
    owner: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
) -> Part:
    """The draws that count of some runs, and their share of the evidence."""
    chains = [(k, c, np.flatnonzero(np.isin(row, group))) for k in group for c, row in enumerate(labels[k])]
    longest = max(len(kept) for *_, kept in chains)
    chains = [chain for chain in chains if len(chain[2]) >= HELD * longest]
    shortest = min(len(kept) for *_, kept in chains)

    def log_density(theta: np.ndarray) -> float:
        return density(theta)[0] if owner(theta[None])[0] in group else -np.inf

    points, values, which = (
        np.array([array[k][c][kept[:shortest]] for k, c, kept in chains])
        for array in ([run.theta for run in runs], [run.stats["lp"] for run in runs], labels)
    )
    try:
        found = bridge(log_density, points, values, rng, which)
    except ValueError as error:
        tell(f"the weight of a mode is only that of a Gaussian: {error}", 7)
        return Part(chains, float(np.logaddexp.reduce([modes[k].log_evidence for k in group])), np.nan)
    return Part(chains, found.log_z, found.error)


def _weight_errors(weights: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Standard errors of weights from those of the logarithms before they were normalised."""
    slopes = weights[:, None] * (np.eye(len(weights)) - weights)
    return np.sqrt((slopes**2) @ errors**2)


def _merged(runs: Sequence[Drawn], parts: Sequence[Part], weights: np.ndarray, rng: np.random.Generator) -> Drawn:
    """As many chains and draws as of one run, in which each mode has its weight, in random order."""
    n_chain = len(runs[0].theta)
    n_draw = min(run.theta.shape[1] for run in runs)
    rows = []
    for chain in range(n_chain):
        ends = np.floor(n_draw * np.cumsum(weights) + rng.random()).astype(int)
        ends[-1] = n_draw
        numbers = np.diff(ends, prepend=0)
        mode = rng.permutation(np.repeat(np.arange(len(parts)), numbers))
        source = np.empty((n_draw, 3), dtype=int)
        for i, part in enumerate(parts):
            own = part.draws[chain % len(part.draws) :: n_chain] or part.draws[:1]
            listed = np.concatenate([np.stack([np.full(len(d), k), np.full(len(d), c), d], axis=1) for k, c, d in own])
            source[mode == i] = listed[np.linspace(0, len(listed) - 1, numbers[i]).round().astype(int)]
        rows.append((mode, source))
    modes, sources = (np.array(column) for column in zip(*rows, strict=True))

    def picked(arrays: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([[arrays[k][c, d] for k, c, d in row] for row in sources])

    stats = {key: picked([run.stats[key] for run in runs]) for key in runs[0].stats}
    if len(parts) > 1:
        stats["mode"] = modes
    return Drawn(picked([run.theta for run in runs]), stats, any(run.interrupted for run in runs))


def _place(density: LogDensity, runs: Sequence[Drawn], part: Part) -> dict[str, float]:
    """Mean of each variable over the draws of a part that is one number."""
    columns = density.expand_draws(np.concatenate([runs[k].theta[c][kept] for k, c, kept in part.draws])[None])
    return {name: float(columns[name].mean()) for name in density.reported if columns[name].ndim == 2}
