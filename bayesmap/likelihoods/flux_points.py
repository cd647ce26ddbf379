"""Measured fluxes with errors, limits or likelihood profiles."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.stats.flux_points import chi2, chi2_asymmetric, chi2_upper_limit

__all__ = ["FluxPointsLikelihood"]

#: order of the splines of a profile, by its interpolation
ORDERS = {"sqrt": 2, "lin": 1}


@dataclass(frozen=True, eq=False)
class FluxPointsLikelihood:
    r"""Independent fluxes, each with its own statistic.

    .. math:: \ln p = -\frac12 \sum_i S_i(m_i) - \sum_i \ln(\sqrt{2 \pi} \sigma_i)

    with S the deviation in standard deviations squared ("chi2"), the same with the error on the side of the model and a
    statistic for upper limits ("distrib"), or the stored profile of each point ("profile").

    Attributes
    ----------
    kind : {"chi2", "distrib", "profile"}
        The statistic.
    flux : numpy.ndarray
        Measured fluxes, shape ``(n_point,)``, and in the same unit:
    errn, errp : numpy.ndarray
        Lower and upper errors; equal for "chi2".
    limit : numpy.ndarray
        Upper limits, NaN where the flux is measured.
    reference : numpy.ndarray
        Fluxes whose multiples the norms of the profiles are.
    profiles : list of tuple of numpy.ndarray
        Norms and statistic above its minimum, per point; for "profile".
    interp_scale : {"sqrt", "lin"}
        How profiles are interpolated, see `bayesmap.stats.flux_points.interpolate_profile`; they go on beyond the grid.
    """

    kind: str
    flux: np.ndarray
    errn: np.ndarray
    errp: np.ndarray
    limit: np.ndarray
    reference: np.ndarray
    profiles: list[tuple[np.ndarray, np.ndarray]]
    interp_scale: str = "sqrt"

    @property
    def is_limit(self) -> np.ndarray:
        """Points that are upper limits, booleans of shape ``(n_point,)``."""
        return np.isfinite(self.limit)

    @property
    def sigma(self) -> np.ndarray:
        """Errors of draws and of the norm, shape ``(n_point,)``: the means of both sides, for limits half of them."""
        mean = 0.5 * (self.errn + self.errp)
        return np.where(self.is_limit, 0.5 * self.limit, mean)

    def logp(self, flux: Tensor, model: Tensor) -> Tensor:
        """Log-likelihood of measured fluxes for predicted ones, a scalar expression."""
        return -0.5 * self._stat(flux, model).sum() - self.norm.sum()

    def pointwise(self, flux: np.ndarray, model: np.ndarray) -> np.ndarray:
        """Log-likelihood of each point as numbers, for measured and predicted fluxes; shape ``(n_point,)``."""
        values = self.log_densities(pt.as_tensor_variable(flux), pt.as_tensor_variable(model))
        return np.asarray(values.eval(mode="FAST_COMPILE"))

    def log_densities(self, flux: Tensor, model: Tensor) -> Tensor:
        """Log-likelihood of each point, an expression of shape ``(n_point,)``."""
        return -0.5 * self._stat(flux, model) - self.norm

    @property
    def norm(self) -> np.ndarray:
        """Logarithms of the norms of the densities, zero where there is none; shape ``(n_point,)``."""
        norm = np.log(np.sqrt(2 * np.pi) * self.sigma)
        return np.where(np.isfinite(norm), norm, 0.0)

    def _stat(self, flux: Tensor, model: Tensor) -> Tensor:
        if self.kind == "profile":
            return self._profile(model / self.reference)
        if self.kind == "chi2":
            return chi2(flux, model, self.sigma)
        is_limit = self.is_limit
        low, high = (np.where(is_limit, 1.0, e) for e in (self.errn, self.errp))
        measured = chi2_asymmetric(pt.switch(is_limit, 0.0, flux), model, low, high, xp=pt)
        limited = chi2_upper_limit(model, np.where(is_limit, self.limit, 1.0), xp=pt)
        return pt.switch(is_limit, limited, measured)

    def _profile(self, norm: Tensor) -> Tensor:
        """Piecewise polynomials through the profiles, one per point."""
        stats = []
        for i, (grid, stat) in enumerate(self.profiles):
            spline: Any = scipy.interpolate.make_interp_spline(grid, stat, k=ORDERS[self.interp_scale])
            pieces = scipy.interpolate.PPoly.from_spline(spline)
            keep = np.diff(pieces.x) > 0
            starts, coefficients = pieces.x[:-1][keep], pieces.c[:, keep]
            piece = pt.clip((norm[i] >= starts).sum() - 1, 0, len(starts) - 1)
            distance = norm[i] - pt.as_tensor_variable(starts)[piece]
            value: Any = 0.0
            for row in coefficients:
                value = value * distance + pt.as_tensor_variable(row)[piece]
            stats.append(value)
        return pt.stack(stats)

    def random(self, model: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw fluxes for predicted ones, of their shape.

        Normal; with asymmetric errors of "distrib" each half of a normal distribution has its own, the upper one below
        the prediction, where the model lies above the measurement: the density of `logp`.
        """
        if self.kind != "distrib" or np.array_equal(self.errn, self.errp, equal_nan=True):
            return rng.normal(model, self.sigma)
        low, high = (np.where(self.is_limit, self.sigma, e) for e in (self.errn, self.errp))
        below = rng.uniform(size=np.shape(model)) * (low + high) < high
        distance = np.abs(rng.normal(size=np.shape(model)))
        return model + np.where(below, -high, low) * distance
