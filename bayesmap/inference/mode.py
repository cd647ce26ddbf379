"""Modes of the posterior and the Gaussian approximation around them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize

from bayesmap.inference.climb import MANY, Function, Summit, climb
from bayesmap.inference.density import LogDensity

__all__ = ["Laplace", "search_modes", "why_none"]

log = logging.getLogger(__name__)

# Modes whose Gaussian evidence is lower by more than this (natural logarithm) hold a negligible share of the posterior.
NEGLIGIBLE = 7.0
# Variables are of order one over the prior.
REACH = 6.0
# Weights of the barrier, in counts per bin: the last is what the result is off by.
BARRIERS = (1e-1, 1e-2, 1e-3, 1e-4)
# Numbers beyond which squares overflow.
HUGE = 1e100
# Points around the prior centre at which a start of finite density is looked for.
TRIES = 60


@dataclass(frozen=True, eq=False)
class Laplace:
    """A mode and the covariance of the Gaussian with its curvature.

    Attributes
    ----------
    mode : numpy.ndarray
        Unconstrained variables, shape ``(n,)``.
    covariance : numpy.ndarray
        Shape ``(n, n)``. A variable on a wall or without effect has no correlations, and the variance one.
    factor : numpy.ndarray
        Lower Cholesky factor of the covariance.
    log_density : float
        Log-density at the mode.
    evaluations : int
        Gradient evaluations spent.
    walls : dict of int to bool
        Variables that the density presses against an edge of their support, and whether they rise towards it.
    flat : tuple of int
        Variables on which the density does not depend at the mode.
    fallen : dict of int to float
        For each variable on a wall the value, on the way inside, at which the profile log-density is lower by one half;
        the far end of the support where there is none.
    blocked : bool
        The density still rises towards a region in which it is zero (a negative prediction of counts): the mode is on
        that wall to the accuracy of the search, and the covariance counts the gradient towards it as a curvature.
    """

    mode: np.ndarray
    covariance: np.ndarray
    factor: np.ndarray
    log_density: float
    evaluations: int = 0
    walls: dict[int, bool] = field(default_factory=dict)
    flat: tuple[int, ...] = ()
    fallen: dict[int, float] = field(default_factory=dict)
    blocked: bool = False

    @property
    def log_evidence(self) -> float:
        """Logarithm of the integral of the Gaussian."""
        logdet = 2 * np.log(np.diag(self.factor)).sum()
        return float(self.log_density + 0.5 * logdet + 0.5 * len(self.mode) * np.log(2 * np.pi))


def search_modes(
    density: LogDensity,
    rng: np.random.Generator,
    searches: int = 4,
    jacobian: bool = True,
    starts: Sequence[np.ndarray] = (),
    barrier: Callable[[], Function] | None = None,
) -> tuple[Laplace | None, list[Laplace]]:
    """Search for modes from given starts, or the prior centre, and from dispersed ones.

    Parameters
    ----------
    density : LogDensity
        The compiled log-posterior.
    rng : numpy.random.Generator
        Draws the starts.
    searches : int
        Number of searches.
    jacobian : bool
        Search the mode in the unconstrained variables (True) or of the density of the parameters (False), which may be
        on the edge of a support.
    starts : sequence of numpy.ndarray
        The first starts, best first, shape ``(n,)`` each; the prior centre if there are none. Where they differ from
        the prior centre the dispersed starts take their values in turn.
    barrier : callable, optional
        Returns a function that falls to minus infinity, with its gradient, where the density becomes impossible. It is
        asked for where all searches end at such a border.

    Returns
    -------
    best : Laplace or None
        The mode with most posterior mass, or the highest one of the density of the parameters; none if no search ended
        in a maximum with positive-definite curvature.
    rivals : list of Laplace
        Other modes whose mass is not negligible against the best.
    """
    given = list(starts) or [density.start]
    found: list[Laplace] = []
    for index in range(searches):
        start = given[index % len(given)]
        if index >= len(given):
            start = start + np.where(start == density.start, rng.normal(size=density.size), 0.0)
        laplace = _search(density, start, jacobian, rng)
        if laplace is not None and not any(_same(laplace, other) for other in found):
            found.append(laplace)
    if barrier is not None and found and all(mode.blocked for mode in found):
        inside = _inside(density, jacobian, barrier(), given[0], rng)
        found = [inside] if inside is not None else found
    if not found:
        return None, []
    # the mode of a density of parameters is where it is highest; sampling begins where there is most of the posterior
    best = max(found, key=lambda mode: mode.log_evidence if jacobian else mode.log_density)
    rivals = [m for m in found if m is not best and m.log_evidence > best.log_evidence - NEGLIGIBLE]
    return best, rivals


def _same(a: Laplace, b: Laplace) -> bool:
    """Whether two searches ended within a tenth of a standard deviation of each other."""
    held = {*a.walls, *a.flat, *b.walls, *b.flat}
    difference = np.array([0.0 if i in held else x for i, x in enumerate(a.mode - b.mode)])
    return bool(np.linalg.norm(np.linalg.solve(a.factor, difference)) < 0.1 * np.sqrt(len(a.mode)))


def _search(density: LogDensity, start: np.ndarray, jacobian: bool, rng: np.random.Generator) -> Laplace | None:
    counter = [0]
    function = _counted(density, jacobian, counter)
    begin = _finite(function, start, density.start, rng)
    if begin is None:
        return None
    # Far out, where a bounded parameter saturates, only the Jacobian leads back; and long steps must not lead there.
    near = _approach(_counted(density, True, counter), begin)
    edges = None if jacobian else density.edges
    summits = []
    # A line search may end on a plateau or leave the hill that it is on; the climb alone does not, but is slower.
    for place in (near, begin):
        summits.append(climb(function, place if np.isfinite(function(place)[0]) else begin, edges))
        if summits[-1].converged:
            return _laplace(function, summits[-1], density, counter)
    summit = max(summits, key=lambda s: (s.blocked, s.value))
    return _laplace(function, summit, density, counter) if summit.blocked else None


def _inside(
    density: LogDensity, jacobian: bool, barrier: Function, start: np.ndarray, rng: np.random.Generator
) -> Laplace | None:
    """The mode by an interior-point method: climbs with a barrier that counts less and less."""
    counter = [0]
    function, edges = _counted(density, jacobian, counter), None if jacobian else density.edges
    place = _finite(function, start, density.start, rng)
    if place is None:
        return None
    for weight in BARRIERS:

        def guarded(theta: np.ndarray, weight: float = weight) -> tuple[float, np.ndarray]:
            (value, slope), (height, push) = function(theta), barrier(theta)
            if not (np.isfinite(value) and np.isfinite(height) and np.isfinite(push).all()):
                return -np.inf, np.zeros_like(theta)
            return value + weight * height, slope + weight * push

        if np.isfinite(guarded(place)[0]):
            bounded = climb(guarded, place, edges, iterations=20)
            place = bounded.theta
    last = climb(function, place, edges)
    return _laplace(function, last, density, counter) if last.converged or last.blocked else None


def _finite(function: Function, start: np.ndarray, centre: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """The start, or the best of some points around the prior centre, if the density is finite at none near it."""
    if np.isfinite(function(start)[0]):
        return start
    spread = np.geomspace(1.0, 0.01, TRIES // 2)
    points = [centre + s * (start - centre) for s in (0.5, 0.25, 0.1, 0.0)]
    points += [centre + s * rng.normal(size=len(centre)) for s in [*spread, *(2 * spread)]]
    best = max(points, key=lambda point: function(point)[0])
    return best if np.isfinite(function(best)[0]) else None


def _approach(function: Function, start: np.ndarray) -> np.ndarray:
    """A point near a maximum, not further than REACH prior widths from the start in any variable."""
    worst = -function(start)[0] + 1e3

    def downhill(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = function(theta)
        if not np.isfinite(value):  # a line search goes back from a high value, and is lost at infinity
            return worst, np.zeros_like(theta)
        return -value, -gradient

    bounds = np.stack([start - REACH, start + REACH], axis=1)
    options = {"maxiter": 60 if len(start) <= MANY else 500, "maxls": 40}
    found: np.ndarray = minimize(downhill, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return found if np.isfinite(function(found)[0]) else start


def _counted(density: LogDensity, jacobian: bool, counter: list[int]) -> Function:
    """The density with minus infinity for all that is not finite, or whose square might not be."""

    def function(theta: np.ndarray) -> tuple[float, np.ndarray]:
        counter[0] += 1
        value, gradient = density(theta, jacobian)
        if not (abs(value) < HUGE and np.abs(gradient).max(initial=0.0) < HUGE):
            return -np.inf, np.zeros_like(theta)
        return value, gradient

    return function


def _laplace(function: Function, summit: Summit, density: LogDensity, counter: list[int]) -> Laplace:
    """The Gaussian with the curvature of a summit, in the variables that are free there."""
    free = summit.free
    covariance, curvature = np.eye(len(free)), summit.curvature[np.ix_(free, free)]
    if free.any():
        values, vectors = np.linalg.eigh(curvature)
        if not summit.converged:
            # Towards the border the density is exponential: its standard deviation is one over the gradient.
            slope = summit.gradient[free]
            values, vectors = np.linalg.eigh(curvature + np.outer(slope, slope))
            values = np.maximum(np.abs(values), 1e-8 * np.abs(values).max() + 1e-300)
        covariance[np.ix_(free, free)] = (vectors / values) @ vectors.T
    factor = np.linalg.cholesky(0.5 * (covariance + covariance.T))
    others = np.where(np.outer(free, free), covariance, 0.0)
    fallen = {i: _fallen(function, summit, others, i, not rising) for i, rising in summit.walls.items()}
    return Laplace(
        summit.theta,
        covariance,
        factor,
        summit.value,
        counter[0],
        summit.walls,
        summit.flat,
        fallen,
        summit.blocked,
    )


def _fallen(function: Function, summit: Summit, covariance: np.ndarray, index: int, rising: bool) -> float:
    """Value of a variable at which the profile log-density has fallen by one half; the far end if it does not.

    What the free variables regain is that of a Gaussian with their covariance, which is zero for the others.
    """
    axis = np.zeros(len(summit.theta))
    axis[index] = 1.0 if rising else -1.0

    def fall(distance: float) -> float:
        value, gradient = function(summit.theta + distance * axis)
        return summit.value - value - 0.5 * gradient @ covariance @ gradient - 0.5

    high = 1.0
    while fall(high) < 0 and high < 1e3:
        high *= 2.0
    low = 0.5 * high if high > 1.0 else 0.0
    for _ in range(20):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if fall(middle) < 0 else (low, middle)
    return float(summit.theta[index] + 0.5 * (low + high) * axis[index])


def why_none(density: LogDensity) -> str:
    """Why searches found nothing, in words."""
    if np.isfinite(density(density.start)[0]):
        return (
            "no search ended in a maximum with positive curvature. Look at the priors of weakly constrained "
            "parameters, or sample with sampler='nutpie'"
        )
    centre = ", ".join(f"{name}={np.mean(value):.4g}" for name, value in density.expand(density.start).items())
    return (
        "the log-posterior is not finite at the prior centre nor around it. Look at priors that are much wider than "
        f"what the data can tell; the centre is {centre}"
    )
