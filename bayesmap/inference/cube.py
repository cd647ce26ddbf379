"""The prior as a map from the unit cube, and the likelihood alone, for samplers that work there."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.special import ndtri

from bayesmap.inference.density import LogDensity
from bayesmap.modeling.priors.pymc_variables import OFFSET

__all__ = ["UnitCube"]

#: the quantiles of a normal distribution are finite from here on
SMALLEST, LARGEST = 1e-200, 1 - 2.0**-52


class UnitCube:
    """The unit cube over the unconstrained variables of a log-density.

    Parameters
    ----------
    density : LogDensity
        The log-posterior.

    Raises
    ------
    ValueError
        If a variable has no quantiles of its own: the message names it and says why.

    Notes
    -----
    Variables behind hierarchical and joint priors are standard ones (offsets), independent of each other, so the map is
    triangular: first the hyperparameters, then what follows from them.
    """

    def __init__(self, density: LogDensity) -> None:
        self.density = density
        self._quantiles = [_quantile(t, label) for t, label in zip(density.transforms, density.labels, strict=True)]

    def points(self, u: Any) -> np.ndarray:
        """Unconstrained variables of points of the cube, shape ``(n, size)`` as given."""
        cube = np.clip(u, SMALLEST, LARGEST)
        edges, columns = self.density.edges, []
        for i, quantile in enumerate(self._quantiles):
            if quantile is None:
                columns.append(ndtri(cube[:, i]))
            else:
                columns.append(edges.inner_variable(i, np.array([quantile(float(q)) for q in cube[:, i]])))
        return np.stack(columns, axis=1)

    def loglike(self, u: np.ndarray) -> np.ndarray:
        """Log-likelihood, shape ``(n,)``, of points of the cube, shape ``(n, size)``; -inf where it is no number."""
        points = self.points(u)
        with np.errstate(invalid="ignore"):
            values = np.array([self.density(p, jacobian=False)[0] for p in points]) - self.density.log_prior(points)
        return np.where(np.isnan(values), -np.inf, values)

    def checked(self, u: Any) -> np.ndarray:
        """Points of the cube as an array ``(n, size)``.

        Raises
        ------
        TypeError
            If a mapping is given: the parameters in place of a point of the cube.
        ValueError
            If the shape does not fit, or a number is not between 0 and 1.
        """
        if isinstance(u, Mapping) or np.asarray(u).dtype == object:
            raise TypeError(
                "loglike takes points of the unit cube, not the parameters that prior_transform makes of them: give a "
                "nested sampler the identity as its prior transform"
            )
        cube, size = np.asarray(u, dtype="float64"), self.density.size
        if cube.ndim not in (1, 2) or cube.shape[-1] != size:
            raise ValueError(f"a point of the unit cube has {size} numbers, {self.density.labels}; got {cube.shape}")
        if not ((cube >= 0) & (cube <= 1)).all():
            raise ValueError("points of the unit cube have numbers between 0 and 1")
        return np.atleast_2d(cube)


def _quantile(transform: Any, label: str) -> Callable[[float], float] | None:
    """Quantiles of a variable; None for a standard normal one."""
    if transform is None and (label.endswith(OFFSET) or label.rpartition("[")[0].endswith(OFFSET)):
        return None
    quantile: Callable[[float], float] | None = getattr(transform, "quantile", None)
    if quantile is None:
        raise ValueError(
            f"{label!r} has no prior quantiles, so there is no map from the unit cube: its prior is improper, depends "
            "on a hyperparameter by more than a location or a scale, or it is an unknown of the likelihood itself"
        )
    return quantile
