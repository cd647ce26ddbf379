"""Where the supports of parameters end, seen from the unconstrained variables of a log-density."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import expit

from bayesmap.modeling.priors.pymc_variables import Standardize

__all__ = ["Edges"]

# A parameter is put this much closer to an edge that it is pressed against: what is left of the way means nothing.
CLOSER = 1e-6
# Logarithm of the odds of the part of a support that a number can tell from an edge, and of the largest numbers.
FAR, LOG_LARGE = 34.5, 690.0


class Edges:
    r"""Edges of the supports of the parameters x behind unconstrained variables z.

    In all forms of `~bayesmap.modeling.priors.pymc_variables.Standardize` an edge lies at an infinite z. What is left
    of the way to it is counted in units of dx/dz, so that a gradient in z times it is the gain of a linear density.

    Parameters
    ----------
    transforms : sequence of Transform or None
        One per variable. Others than `Standardize` count as without edges.
    """

    def __init__(self, transforms: Sequence[Any]) -> None:
        known = [t if isinstance(t, Standardize) else Standardize() for t in transforms]
        self.lower, self.upper = (np.array([getattr(t, end) for t in known]) for end in ("lower", "upper"))
        self.width = np.array([t.width if any(t.kind) else np.inf for t in known])
        self.both = np.array([all(t.kind) for t in known], dtype=bool)
        self.one = np.array([any(t.kind) for t in known], dtype=bool) & ~self.both
        self._from_above = np.array([t.kind == (False, True) for t in known], dtype=bool)
        self._center, self._scale = (np.array([getattr(t, key) for t in known]) for key in ("center", "scale"))

    def _fraction(self, theta: np.ndarray) -> np.ndarray:
        fraction = expit(self._center + np.where(self.both, self.width, 0.0) * theta)
        return np.where(self.both, np.clip(fraction, 1e-15, 1 - 1e-15), 0.0)

    def left(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is left of the way towards falling and rising z, in units of dx/dz; infinite without an edge.

        Parameters
        ----------
        theta : numpy.ndarray
            Unconstrained variables, shape ``(n,)``, as the results.
        """
        fraction = self._fraction(theta)
        with np.errstate(divide="ignore", invalid="ignore"):
            down = np.where(self.both | self.one, 1 / (self.width * (1 - fraction)), np.inf)
            up = np.where(self.both, 1 / (self.width * fraction), np.inf)
        return down, up

    def bend(self, theta: np.ndarray) -> np.ndarray:
        """Second over first derivative of x by z, shape ``(n,)``."""
        straight = ~(self.both | self.one)
        return np.where(straight, 0.0, np.where(straight, 1.0, self.width) * (1 - 2 * self._fraction(theta)))

    def beside(self, theta: np.ndarray, index: int, rising: bool) -> np.ndarray:
        """A copy in which one variable is beside its edge."""
        moved = theta.copy()
        moved[index] += (1 if rising else -1) * np.log(1 / CLOSER) / self.width[index]
        return moved

    def across(self, theta: np.ndarray, index: int) -> list[np.ndarray]:
        """Copies in which one variable is near the ends and in the middle of its support, or of most of its prior."""
        points = []
        for fraction in (0.01, 0.5, 0.99):
            logit = np.log(fraction / (1 - fraction))
            points.append(theta.copy())
            points[-1][index] = (logit - self._center[index]) / self.width[index] if self.both[index] else 0.5 * logit
        return points

    def beside_which(self, theta: np.ndarray, index: int) -> bool | None:
        """Whether the edge that one variable is beside is met for rising z; None if it is beside none."""
        if self.one[index]:
            return False if self.width[index] * theta[index] < np.log(CLOSER) else None
        fraction = float(self._fraction(theta)[index])
        return False if fraction < CLOSER else True if fraction > 1 - CLOSER else None

    def longest(self, index: int, value: float) -> float:
        """Distance from a value to the further edge of one variable, in the declared unit of its parameter."""
        return float(max(value - self.lower[index], self.upper[index] - value))

    def edge(self, index: int, rising: bool) -> float:
        """The edge that one variable meets for rising or falling z, in the declared unit of its parameter."""
        upper = rising != bool(self._from_above[index])
        return float(self.upper[index] if upper else self.lower[index])

    def variable(self, index: int, value: Any) -> Any:
        """The unconstrained variable of a value inside the support, or of an array of them."""
        if self.both[index]:
            logit = np.log(value - self.lower[index]) - np.log(self.upper[index] - value)
            return (logit - self._center[index]) / self.width[index]
        if self.one[index]:
            distance = self.upper[index] - value if self._from_above[index] else value - self.lower[index]
            return np.log(distance / self._scale[index]) / self.width[index]
        return (value - self._center[index]) / self._scale[index]

    def inner_variable(self, index: int, value: Any) -> Any:
        """The same, finite for a value on an edge too, which is moved inside by what numbers can tell."""
        with np.errstate(divide="ignore"):
            variable = self.variable(index, value)
        if self.both[index]:
            return np.clip(variable, *((np.array([-FAR, FAR]) - self._center[index]) / self.width[index]))
        return (
            np.clip(variable, *(np.array([-LOG_LARGE, LOG_LARGE]) / self.width[index])) if self.one[index] else variable
        )
