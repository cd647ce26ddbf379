"""Bridge sampling: the integral of a density from draws of it, and a Gaussian that resembles it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from bayesmap._backend.loops import available_threads

__all__ = ["Bridge", "GaussianMixture", "bridge"]

#: number of points of the Gaussian at which the density is computed, at most
PROPOSALS = 4000
TOLERANCE, ITERATIONS = 1e-10, 1000
#: a covariance needs this many draws per variable
PER_VARIABLE = 2


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """Normal distributions with weights.

    Attributes
    ----------
    weights : numpy.ndarray
        Shape ``(k,)``, of sum one.
    means, factors : numpy.ndarray
        Shape ``(k, n)``, and lower Cholesky factors of the covariances, ``(k, n, n)``.
    """

    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, labels: np.ndarray) -> "GaussianMixture":
        """Moments of points, shape ``(n_point, n)``, that belong together by their labels, shape ``(n_point,)``.

        Labels with too few points for a covariance are left out.

        Raises
        ------
        ValueError
            If none has enough.
        """
        least = PER_VARIABLE * points.shape[1] + 2
        groups = [points[labels == label] for label in np.unique(labels)]
        groups = [group for group in groups if len(group) >= least]
        if not groups:
            raise ValueError(
                f"bridge sampling fits a Gaussian of {points.shape[1]} variables to half of the draws and needs at "
                f"least {least} there, got {len(points)}: sample more draws"
            )
        covariances = [np.atleast_2d(np.cov(group, rowvar=False)) for group in groups]
        sizes = np.array([len(group) for group in groups], dtype="float64")
        return cls(
            sizes / sizes.sum(),
            np.array([group.mean(axis=0) for group in groups]),
            np.array([np.linalg.cholesky(covariance) for covariance in covariances]),
        )

    def log_densities(self, points: np.ndarray) -> np.ndarray:
        """Logarithm of weight times density of each, shape ``(n_point, k)``."""
        columns = []
        for weight, mean, factor in zip(self.weights, self.means, self.factors, strict=True):
            z = np.linalg.solve(factor, (points - mean).T)
            norm = np.log(np.diag(factor)).sum() + 0.5 * len(mean) * np.log(2 * np.pi)
            columns.append(np.log(weight) - 0.5 * (z**2).sum(axis=0) - norm)
        return np.stack(columns, axis=1)

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draw points, shape ``(size, n)``."""
        chosen = rng.choice(len(self.weights), size, p=self.weights)
        z = rng.normal(size=(size, self.means.shape[1]))
        return self.means[chosen] + np.einsum("pij,pj->pi", self.factors[chosen], z)


@dataclass(frozen=True)
class Bridge:
    """An integral.

    Attributes
    ----------
    log_z : float
        Its natural logarithm.
    error : float
        Standard error of that.
    evaluations : int
        Points at which the density was computed.
    """

    log_z: float
    error: float
    evaluations: int


def bridge(
    log_density: Callable[[np.ndarray], float],
    points: np.ndarray,
    values: np.ndarray,
    rng: np.random.Generator,
    labels: np.ndarray | None = None,
) -> Bridge:
    r"""Integrate a density that is not normalised.

    A Gaussian g is fitted to the first half of each chain; the second half and draws of g bridge from one to the other:

    .. math::
        Z = \frac{E_g[h(\theta) p(\theta)]}{E_{p/Z}[h(\theta) g(\theta)]}, \quad
        h = \frac{1}{s_1 p / Z + s_2 g}

    solved for Z by iteration.

    Parameters
    ----------
    log_density : callable
        Natural logarithm of p at one point, shape ``(n,)``; minus infinity where it is zero. Threads call it.
    points : numpy.ndarray
        Draws of p, shape ``(n_chain, n_draw, n)``.
    values : numpy.ndarray
        Logarithm of p there, shape ``(n_chain, n_draw)``.
    rng : numpy.random.Generator
        Draws of g.
    labels : numpy.ndarray, optional
        Which of several Gaussians a draw belongs to, shape ``(n_chain, n_draw)``.

    Raises
    ------
    ValueError
        If there are too few draws for the Gaussian, or the iteration does not end.

    Notes
    -----
    The function h is the optimal one of Meng & Wong (1996), with effective numbers of draws. The error is that of the
    relative mean squared error of Frühwirth-Schnatter (2004), in which the autocorrelation of the draws enters.

    References
    ----------
    Meng & Wong 1996, Statistica Sinica 6, 831; Frühwirth-Schnatter 2004, Econometrics Journal 7, 143;
    Gronau et al. 2017, Journal of Mathematical Psychology 81, 80.
    """
    half = points.shape[1] // 2
    labels = np.zeros(values.shape, dtype=int) if labels is None else labels
    proposal = GaussianMixture.of(_joined(points[:, :half]), labels[:, :half].ravel())
    log_g = logsumexp(proposal.log_densities(_joined(points[:, half:])), axis=1)
    of_draws = values[:, half:].ravel() - log_g
    proposed = proposal.draw(rng, min(len(of_draws), PROPOSALS))
    of_proposed = _in_threads(log_density, proposed) - logsumexp(proposal.log_densities(proposed), axis=1)
    shape = (points.shape[0], points.shape[1] - half)
    log_z, terms = _solve(of_draws, of_proposed, _effective(of_draws.reshape(shape)))
    from_g, from_p = terms
    effective = _effective(from_p.reshape(shape))
    variance = _relative_variance(from_g) / len(from_g) + _relative_variance(from_p) / effective
    return Bridge(log_z, float(np.sqrt(variance)), len(proposed))


def _solve(
    of_draws: np.ndarray, of_proposed: np.ndarray, effective: float
) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
    """Solve for log Z from log p/g at draws of p and of g, and return the terms of numerator and denominator."""
    s1 = effective / (effective + len(of_proposed))
    middle = float(np.median(of_draws))
    log_r = 0.0
    with np.errstate(over="ignore"):
        for _ in range(ITERATIONS):
            from_g = 1 / (s1 + (1 - s1) * np.exp(middle + log_r - of_proposed))
            from_p = 1 / (s1 * np.exp(of_draws - middle - log_r) + (1 - s1))
            step = float(np.log(from_g.mean()) - np.log(from_p.mean()))
            log_r += step
            if abs(step) < TOLERANCE:
                return middle + log_r, (from_g, from_p)
            if not np.isfinite(step):
                break
    raise ValueError(
        "bridge sampling does not converge: the Gaussian fitted to the draws and the posterior do not overlap. Look at "
        "the convergence report; with several modes sample again, or take method='smc'"
    )


def _effective(values: np.ndarray) -> float:
    """Effective number of draws for the mean of values, shape ``(n_chain, n_draw)``; at most their number."""
    from arviz_stats import ess

    if np.ptp(values) == 0 or values.shape[1] < 4:
        return float(values.size)
    return float(np.clip(np.nan_to_num(float(ess(values, method="mean")), nan=1.0), 1.0, values.size))


def _relative_variance(values: np.ndarray) -> float:
    return float(values.var() / values.mean() ** 2)


def _joined(points: np.ndarray) -> np.ndarray:
    return points.reshape(-1, points.shape[-1])


def _in_threads(log_density: Callable[[np.ndarray], float], points: np.ndarray) -> np.ndarray:
    with ThreadPoolExecutor(available_threads()) as pool:
        return np.array(list(pool.map(log_density, points)))
