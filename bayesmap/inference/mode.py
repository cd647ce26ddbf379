"""Modes of the posterior and the Gaussian approximation around them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from bayesmap.inference.density import LogDensity

__all__ = ["Laplace", "laplace_at", "search_modes"]

log = logging.getLogger(__name__)

# Modes whose Gaussian evidence is lower by more than this (natural logarithm) hold a negligible share of the posterior.
NEGLIGIBLE = 7.0
# Variables are of order one over the prior.
REACH = 6.0


@dataclass(frozen=True, eq=False)
class Laplace:
    """A mode and the covariance of the Gaussian with its curvature.

    Attributes
    ----------
    mode : numpy.ndarray
        Unconstrained variables, shape ``(n,)``.
    covariance : numpy.ndarray
        Shape ``(n, n)``.
    factor : numpy.ndarray
        Lower Cholesky factor of the covariance.
    log_density : float
        Log-density at the mode.
    evaluations : int
        Gradient evaluations spent.
    """

    mode: np.ndarray
    covariance: np.ndarray
    factor: np.ndarray
    log_density: float
    evaluations: int = 0

    @property
    def log_evidence(self) -> float:
        """Logarithm of the integral of the Gaussian."""
        logdet = 2 * np.log(np.diag(self.factor)).sum()
        return float(self.log_density + 0.5 * logdet + 0.5 * len(self.mode) * np.log(2 * np.pi))


def search_modes(
    density: LogDensity, rng: np.random.Generator, searches: int = 4, jacobian: bool = True
) -> tuple[Laplace | None, list[Laplace]]:
    """Search for modes from the prior centre and from dispersed starts.

    Parameters
    ----------
    density : LogDensity
        The compiled log-posterior.
    rng : numpy.random.Generator
        Draws the starts.
    searches : int
        Number of searches.
    jacobian : bool
        Search the mode in the unconstrained variables (True) or of the density of the parameters (False).

    Returns
    -------
    best : Laplace or None
        The mode with most posterior mass; none if no search ended in a maximum with positive-definite curvature.
    rivals : list of Laplace
        Other modes whose mass is not negligible against the best.
    """
    found: list[Laplace] = []
    for index in range(searches):
        start = density.start if index == 0 else density.start + rng.normal(size=density.size)
        laplace = _climb(density, start, jacobian)
        if laplace is not None and not any(_same(laplace, other) for other in found):
            found.append(laplace)
    if not found:
        return None, []
    best = max(found, key=lambda mode: mode.log_evidence)
    rivals = [m for m in found if m is not best and m.log_evidence > best.log_evidence - NEGLIGIBLE]
    return best, rivals


def _same(a: Laplace, b: Laplace) -> bool:
    """Whether two searches ended within a tenth of a standard deviation of each other."""
    return bool(np.linalg.norm(np.linalg.solve(a.factor, a.mode - b.mode)) < 0.1 * np.sqrt(len(a.mode)))


def _climb(density: LogDensity, start: np.ndarray, jacobian: bool) -> Laplace | None:
    function, counter = _counted(density, jacobian)
    if not np.isfinite(function(start)[0]):
        return None
    # Far out, where a bounded parameter saturates, only the Jacobian leads back; and long steps must not lead there.
    mode = _approach(_counted(density, jacobian=True)[0], start)
    found = _finish(density, _descend(function, mode), jacobian, counter)
    if found is not None:
        return found
    # A line search may end where a wide flat prior saturates. Slower, but it does not leave the hill it is on:
    return _finish(density, _newton(density, function, start, jacobian), jacobian, counter)


def _finish(density: LogDensity, mode: np.ndarray, jacobian: bool, counter: list[int]) -> Laplace | None:
    """Newton steps with the curvature of the end point: a search may stop early on rounding."""
    for _ in range(4):
        laplace = laplace_at(density, mode, jacobian, counter[0])
        if laplace is None:
            return None
        step = laplace.covariance @ density(mode, jacobian)[1]
        distance = float(np.linalg.norm(np.linalg.solve(laplace.factor, step)))
        if distance < 1e-3:
            return laplace
        if density(mode + step, jacobian)[0] < laplace.log_density - 1e-9:
            return laplace if distance < 0.05 else None
        mode = mode + step
    return laplace_at(density, mode, jacobian, counter[0])


def _approach(function: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray) -> np.ndarray:
    """A point near a minimum, not further than REACH prior widths from the start in any variable."""
    bounds = np.stack([start - REACH, start + REACH], axis=1)
    options = {"maxiter": 60, "maxls": 40}
    found: np.ndarray = minimize(function, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return found if np.isfinite(function(found)[0]) else start


def _descend(function: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray) -> np.ndarray:
    """End point of a quasi-Newton search for a minimum."""
    found: np.ndarray = minimize(function, start, jac=True, method="BFGS", options={"gtol": 1e-3, "maxiter": 500}).x
    return found


def _newton(density: LogDensity, function: Any, start: np.ndarray, jacobian: bool) -> np.ndarray:
    """End point of Newton steps in a region of trust, with differences of the gradient as curvature."""

    def curvature(theta: np.ndarray) -> np.ndarray:
        hessian = _differences(density, theta, np.full(len(theta), 1e-4), jacobian)
        return np.eye(len(theta)) if hessian is None else hessian

    options = {"initial_trust_radius": 0.5, "max_trust_radius": REACH, "gtol": 1e-3, "maxiter": 100}
    found: np.ndarray = minimize(function, start, jac=True, hess=curvature, method="trust-exact", options=options).x
    return found


def _counted(density: LogDensity, jacobian: bool) -> tuple[Callable[[np.ndarray], tuple[float, np.ndarray]], list[int]]:
    counter = [0]

    def function(theta: np.ndarray) -> tuple[float, np.ndarray]:
        counter[0] += 1
        value, gradient = density(theta, jacobian)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return np.inf, np.zeros_like(theta)
        return -value, -gradient

    return function, counter


def laplace_at(density: LogDensity, mode: np.ndarray, jacobian: bool = True, evaluations: int = 0) -> Laplace | None:
    """Gaussian approximation from central differences of the gradient.

    Returns
    -------
    Laplace or None
        None if the curvature is not positive definite or not finite.
    """
    n = len(mode)
    hessian = _differences(density, mode, np.full(n, 1e-3), jacobian)
    if hessian is None:
        return None
    # A second pass with steps of a tenth of each standard deviation: the first guess knew no scale.
    diagonal = np.diag(hessian)
    steps = 0.1 / np.sqrt(np.where(diagonal > 0, diagonal, 1e4))
    hessian = _differences(density, mode, np.clip(steps, 1e-6, 0.1), jacobian)
    if hessian is None:
        return None
    try:
        np.linalg.cholesky(hessian)
        covariance = np.linalg.inv(hessian)
        factor = np.linalg.cholesky(0.5 * (covariance + covariance.T))
    except np.linalg.LinAlgError:
        return None
    return Laplace(mode, covariance, factor, density(mode, jacobian)[0], evaluations + 4 * n)


def _differences(density: LogDensity, mode: np.ndarray, steps: np.ndarray, jacobian: bool) -> Any:
    rows = []
    for i, step in enumerate(steps):
        shift = np.zeros(len(mode))
        shift[i] = step
        rows.append((density(mode - shift, jacobian)[1] - density(mode + shift, jacobian)[1]) / (2 * step))
    hessian = np.array(rows)
    hessian = 0.5 * (hessian + hessian.T)
    return hessian if np.isfinite(hessian).all() else None
