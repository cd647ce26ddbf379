"""The way up to a maximum: Newton's method in a region of trust, with walls."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from bayesmap.inference.edges import Edges

__all__ = ["Summit", "climb", "curvature_at"]

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]

CONVERGED = 5e-7  # predicted gain in log-density: a thousandth of a standard deviation from the maximum
SMALLEST = 1e-7  # radius, in standard deviations, below which no step leads on
PRESSED = 0.5  # gain in log-density on the way to an edge below which a variable may be put there
LEVEL = 1e-7  # slope and curvature of a plateau
MANY = 40  # variables beyond which second derivatives cost more than steps with old ones
FLAT = 1e-3  # change of the log-density over a whole support that nobody would see


@dataclass(frozen=True, eq=False)
class Summit:
    """End of a climb.

    Attributes
    ----------
    theta, gradient : numpy.ndarray
        Place and gradient, shape ``(n,)``.
    value : float
        Log-density.
    curvature : numpy.ndarray
        Minus the second derivatives, shape ``(n, n)``.
    walls : dict of int to bool
        Variables that the density presses against an edge of their support, and whether z rises towards it.
    flat : tuple of int
        Variables on which the density does not depend here.
    blocked : bool
        The gradient leads into a region of density zero.
    converged : bool
        A maximum in the other variables, with positive-definite curvature.
    """

    theta: np.ndarray
    gradient: np.ndarray
    value: float
    curvature: np.ndarray
    walls: dict[int, bool]
    flat: tuple[int, ...]
    blocked: bool
    converged: bool

    @property
    def free(self) -> np.ndarray:
        """The variables that are neither on a wall nor without effect: booleans, shape ``(n,)``."""
        free = np.ones(len(self.theta), dtype=bool)
        free[[*self.walls, *self.flat]] = False
        return free


def climb(function: Function, start: np.ndarray, edges: Edges | None = None, iterations: int = 100) -> Summit:
    """Climb to a maximum from a point of finite density.

    Parameters
    ----------
    function : callable
        Log-density and gradient; minus infinity where impossible.
    start : numpy.ndarray
        Shape ``(n,)``.
    edges : Edges, optional
        Supports whose edges may hold the maximum; only for a density of the parameters themselves, as that of the
        unconstrained variables vanishes there.
    iterations : int
        Most steps that are taken.

    Notes
    -----
    The step maximises the quadratic with the gradient and the differences of gradients inside of a sphere, in variables
    scaled with the curvature; where the quadratic has no maximum it goes to the surface. Steps into density zero are
    refused like those that lead down, and shrink the sphere. A variable whose gradient points to an edge beyond which
    the quadratic in the parameter has its maximum, and little before it, is put there and held.

    With many variables second derivatives are measured where a step gained much less than was expected, and at the end;
    in between they follow from the gradients on the way (symmetric rank one, Nocedal & Wright 2006, section 6.2).
    """
    theta, (value, gradient) = start, function(start)
    scale, radius, blocked, converged = np.full(len(start), 1e3), 1.0, False, False
    walls: dict[int, bool] = {}
    flat: tuple[int, ...] = ()
    due = True
    for _ in range(iterations):
        if due:
            curvature = curvature_at(function, theta, gradient, 0.1 / scale)
        measured, due = due, len(theta) <= MANY
        if edges is not None:
            theta, value, gradient, walls, moved = _press(function, edges, theta, value, gradient, curvature, walls)
            if moved:
                curvature, measured = curvature_at(function, theta, gradient, 0.1 / scale), True
            walls, flat = _settled(function, edges, theta, value, gradient, curvature, walls)
        free = np.ones(len(theta), dtype=bool)
        free[[*walls, *flat]] = False
        if not free.any():
            if converged := measured:
                break
            due = True
            continue
        diagonal = np.abs(np.diag(curvature))
        scale = np.clip(np.sqrt(diagonal), 1.0, 1e6)
        units = np.where(free, 1 / scale, 0.0)[free]
        quadratic = _Quadratic(gradient[free] * units, curvature[np.ix_(free, free)] * np.outer(units, units))
        if quadratic.has_maximum and quadratic.newton_gain < CONVERGED:
            if converged := measured:
                break
            due = True
            continue
        step, blocked = np.zeros(len(theta)), False
        while radius > SMALLEST:
            scaled = quadratic.step(radius)
            step[free] = scaled * units
            trial, slope = function(theta + step)
            expected = quadratic.gain(scaled)
            ratio = (trial - value) / expected if expected > 0 else -1.0
            if np.isfinite(trial) and ratio > 1e-4:
                break
            blocked = not np.isfinite(trial)
            radius = 0.25 * min(radius, float(np.linalg.norm(scaled)))
        else:
            if not measured:
                due, radius = True, 1.0
                continue
            # No step leads up where none is impossible: a kink, or the noise of rounding.
            converged = not blocked and quadratic.has_maximum
            break
        if ratio > 0.75 and np.linalg.norm(scaled) > 0.9 * radius:
            radius *= 4.0
        elif ratio < 0.25:
            radius *= 0.5
            due = True
        if not due:
            curvature = _updated(curvature, step, gradient - slope)
        theta, value, gradient = theta + step, trial, slope
    return Summit(theta, gradient, value, curvature, walls, flat, blocked and not converged, converged)


def _updated(curvature: np.ndarray, step: np.ndarray, change: np.ndarray) -> np.ndarray:
    """The matrix, changed by one of rank one so that it gives the change of minus the gradient over the last step."""
    missing = change - curvature @ step
    scale = float(missing @ step)
    if abs(scale) <= 1e-8 * np.linalg.norm(missing) * np.linalg.norm(step):
        return curvature
    return curvature + np.outer(missing, missing) / scale


class _Quadratic:
    """The function ``g @ s - s @ H @ s / 2`` of a step s."""

    def __init__(self, gradient: np.ndarray, curvature: np.ndarray) -> None:
        self.gradient, self.curvature = gradient, curvature
        self.values, self.vectors = np.linalg.eigh(curvature)
        self.along = self.vectors.T @ gradient

    @property
    def has_maximum(self) -> bool:
        return bool(self.values[0] > 1e-10 * max(self.values[-1], 0.0))

    @property
    def newton_gain(self) -> float:
        return float(0.5 * (self.along**2 / self.values).sum())

    def gain(self, step: np.ndarray) -> float:
        return float(self.gradient @ step - 0.5 * step @ self.curvature @ step)

    def step(self, radius: float) -> np.ndarray:
        """Best step that is not longer than the radius."""

        def length(shift: float) -> float:
            return float(np.linalg.norm(self.along / (self.values + shift)))

        if self.has_maximum and length(0.0) <= radius:
            step: np.ndarray = self.vectors @ (self.along / self.values)
            return step
        least = max(0.0, -self.values[0]) + 1e-12 * max(1.0, np.abs(self.values).max())
        if length(least) <= radius:  # downhill of a saddle there is no gradient: either way is right
            lowest = np.where(self.along[0] < 0, -1.0, 1.0) * self.vectors[:, 0]
            inside = self.vectors @ (self.along / (self.values + least))
            return inside + lowest * np.sqrt(max(radius**2 - inside @ inside, 0.0))
        most = least + np.linalg.norm(self.gradient) / radius
        shift = brentq(lambda s: length(s) - radius, least, most, rtol=1e-3)
        return self.vectors @ (self.along / (self.values + shift))


def curvature_at(function: Function, theta: np.ndarray, gradient: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Minus the second derivatives from differences of the gradient, one-sided where one side is impossible.

    Parameters
    ----------
    function : callable
        Log-density and gradient.
    theta, gradient : numpy.ndarray
        A point and its gradient, shape ``(n,)``.
    steps : numpy.ndarray
        Size of the steps, ``(n,)``; a tenth of it is taken, up to three times, where both sides are impossible, and
        then the variable gets the curvature one.

    Returns
    -------
    numpy.ndarray
        Symmetric and finite, ``(n, n)``.
    """
    rows = np.eye(len(theta))
    for i, size in enumerate(np.clip(steps, 1e-6, 0.1)):
        for shrink in (1.0, 0.1, 0.01, 0.001):
            shift = np.zeros(len(theta))
            shift[i] = shrink * size
            (low, before), (high, after) = function(theta - shift), function(theta + shift)
            if np.isfinite(low) or np.isfinite(high):
                before = before if np.isfinite(low) else gradient
                after = after if np.isfinite(high) else gradient
                rows[i] = (before - after) / (shift[i] * (int(np.isfinite(low)) + int(np.isfinite(high))))
                break
    return 0.5 * (rows + rows.T)


def _press(
    function: Function,
    edges: Edges,
    theta: np.ndarray,
    value: float,
    gradient: np.ndarray,
    curvature: np.ndarray,
    before: dict[int, bool],
) -> tuple[np.ndarray, float, np.ndarray, dict[int, bool], bool]:
    """Put variables on walls against which they are pressed; those that are there stay while they are."""
    walls = {i: rising for i, rising in before.items() if (gradient[i] >= 0 if rising else gradient[i] <= 0)}
    (down, up), moved = edges.left(theta), False
    in_parameter = np.diag(curvature) + gradient * edges.bend(theta)
    for i in range(len(theta)):
        rising = bool(gradient[i] > 0)
        left = (up if rising else down)[i]
        gain = abs(gradient[i]) * left if np.isfinite(left) else 0.0
        if i in walls or not 0 < gain < PRESSED or in_parameter[i] * left >= abs(gradient[i]):
            continue
        there = edges.beside(theta, i, rising)
        trial, slope = function(there)
        if np.isfinite(trial) and trial > value and (slope[i] > 0) == rising:
            theta, value, gradient, moved = there, trial, slope, True
            walls[i] = rising
    return theta, value, gradient, walls, moved


def _settled(
    function: Function,
    edges: Edges,
    theta: np.ndarray,
    value: float,
    gradient: np.ndarray,
    curvature: np.ndarray,
    walls: dict[int, bool],
) -> tuple[dict[int, bool], tuple[int, ...]]:
    """Walls, and variables whose whole support or neighbourhood makes no difference."""
    down, up = edges.left(theta)
    near, diagonal = np.minimum(down, up), np.diag(curvature)
    bent = np.abs(diagonal + gradient * edges.bend(theta))
    with np.errstate(invalid="ignore"):
        maybe = edges.both & (np.abs(gradient) * np.maximum(down, up) < FLAT) & (bent * near**2 < FLAT)
    level = (edges.both | edges.one) & (np.abs(gradient) < LEVEL) & (np.abs(diagonal) < LEVEL)
    walls, flat = dict(walls), []
    for i in map(int, np.flatnonzero(maybe | level | np.isin(np.arange(len(theta)), list(walls)))):
        along = [function(point)[0] for point in edges.across(theta, i)]
        if edges.both[i] and all(abs(v - value) < FLAT for v in along):
            walls.pop(i, None)
            flat.append(i)
        elif i not in walls and level[i]:
            # On a plateau: that of the edge, beside which all differences vanish, or one in between.
            side = edges.beside_which(theta, i)
            if side is not None and max(along) < value:
                walls[i] = side
            elif edges.both[i]:
                flat.append(i)
    return walls, tuple(flat)
