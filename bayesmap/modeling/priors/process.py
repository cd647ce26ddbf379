"""Priors of numbers that follow one another in time or energy: a random walk, a smooth curve, fluctuations."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap._util import check_option
from bayesmap.modeling.priors.correlated import MultivariateNormalPrior
from bayesmap.modeling.priors.joint import JointMember, JointPrior

if TYPE_CHECKING:
    from bayesmap.modeling.parameter import Parameter

__all__ = ["KINDS", "ProcessMember", "ProcessPrior", "joint_prior_from_dict"]

KINDS = ("walk", "curve", "ou")
_TIMESCALES = 12  # an unknown one is one of so many, equally likely and evenly spaced in the logarithm


class ProcessPrior(JointPrior):
    r"""Numbers at positions as values of a random process whose size is unknown, with a flat prior of their level.

    .. math::
        p(s \mid \tau) \propto \tau^{-r} \exp\left(-\frac{s^T P s}{2 \tau^2}\right)

    where :math:`r` is the rank of :math:`P`. Along the positions :math:`x`, :math:`s^T P s` is

    ========  =========================================================================================================
    kind      penalty
    ========  =========================================================================================================
    walk      :math:`\sum (s_{k+1} - s_k)^2 / (x_{k+1} - x_k)`: a random walk, whose steps have the variance
              :math:`\tau^2` per unit of x. The level is flat.
    curve     :math:`\int s''^2 dx` of the natural cubic spline through the numbers: an integrated random walk. Level
              and slope are flat.
    ou        that of an Ornstein-Uhlenbeck process with covariance :math:`e^{-|x - x'| / \ell}` around a flat level;
              :math:`\tau` is its standard deviation.
    ========  =========================================================================================================

    Parameters
    ----------
    parameters : sequence of str
        Names of the random variables, ``"<model>.<parameter>"``; dimensionless parameters without an upper bound. With
        a lower bound (the same for all) the density is that above, cut there.
    positions : sequence of float
        The positions :math:`x`, ascending, shape ``(n,)``; for example the logarithm of energies, or days.
    kind : {"walk", "curve", "ou"}
        The process.
    scale : float, optional
        :math:`\tau`. By default it is inferred: :math:`\tau = \tau_0 / |z|` with a standard normal z, which is
        integrated out.
    typical_scale : float
        :math:`\tau_0`: half of the prior of :math:`\tau` is below 1.5 times this number, and little below a third.
    timescale : float, optional
        :math:`\ell` of "ou", in the unit of the positions. By default it is inferred, between the smallest distance of
        positions and the whole range.

    Raises
    ------
    ValueError
        If names repeat, positions do not ascend or are too few (two, for "curve" three), or a scale is not positive.

    Notes
    -----
    The penalty of a curve is :math:`Q R^{-1} Q^T` of Green and Silverman, Nonparametric Regression and Generalized
    Linear Models (1994), section 2.1. With an inferred scale the density is that of a multivariate t,
    :math:`(\tau_0^2 + s^T P s)^{-(1 + r) / 2}`, without the funnel that sampling :math:`\tau` would have; `draw_scale`
    gives :math:`\tau` back. The priors of level and slope cannot be normalised: there is no evidence.

    Examples
    --------
    >>> from bayesmap.modeling import ProcessPrior
    >>> prior = ProcessPrior(["a.norm_0", "a.norm_1", "a.norm_2"], [0, 1, 2], kind="walk", scale=0.5)
    >>> prior.precision(0.5)
    array([[ 4., -4.,  0.],
           [-4.,  8., -4.],
           [ 0., -4.,  4.]])
    """

    def __init__(
        self,
        parameters: Sequence[str],
        positions: Sequence[float] | np.ndarray,
        *,
        kind: str = "walk",
        scale: float | None = None,
        typical_scale: float = 0.1,
        timescale: float | None = None,
    ) -> None:
        super().__init__(parameters)
        check_option("kind", kind, KINDS)
        self.kind, self.scale, self.typical_scale, self.timescale = kind, scale, typical_scale, timescale
        self.positions = np.array(positions, dtype="float64")
        self.positions.flags.writeable = False
        n = len(self.names)
        if self.positions.shape != (n,) or not np.all(np.diff(self.positions) > 0) or not np.isfinite(positions).all():
            raise ValueError(f"positions must be {n} ascending numbers, one per parameter, got {positions!r:.200}")
        if kind == "curve" and n < 3:
            raise ValueError(f"a curve needs at least three parameters, got {n}; take kind='walk'")
        for what, number in (("scale", scale), ("typical_scale", typical_scale), ("timescale", timescale)):
            if number is not None and not 0 < number < np.inf:
                raise ValueError(f"{what} must be a positive number, got {number!r}")
        if timescale is not None and kind != "ou":
            raise ValueError(f"a timescale is for kind 'ou', got kind {kind!r}")
        self._penalties = _penalties(kind, self.positions, timescale)
        self.rank = n - (2 if kind == "curve" else 1)

    @property
    def timescales(self) -> np.ndarray:
        """The timescales of "ou" that are possible, shape ``(m,)``; empty for other kinds."""
        return _timescales(self.positions, self.timescale) if self.kind == "ou" else np.empty(0)

    def precision(self, scale: float) -> np.ndarray:
        """Return the inverse covariance at one scale, shape ``(n, n)``; of unknown timescales the mean.

        Parameters
        ----------
        scale : float
            The scale.
        """
        mean: np.ndarray = np.mean([p for p, _ in self._penalties], axis=0) / scale**2
        return mean

    def logp(self, values: Tensor) -> Tensor:
        """Return the symbolic log-density of values, shape ``(n,)``; level and slope count as one."""
        terms = []
        for penalty, log_det in self._penalties:
            q = pt.dot(values, pt.dot(penalty, values))
            terms.append(pt.as_tensor_variable(self._log_density(q, log_det, pt.log)))
        return terms[0] if len(terms) == 1 else pt.logsumexp(pt.stack(terms)) - np.log(len(terms))

    def _log_density(self, q: Any, log_det: float, log: Any) -> Any:
        """Log-density of a quadratic form, for tensors or numbers."""
        r, tau = self.rank, self.scale
        if tau is not None:
            return 0.5 * log_det - 0.5 * r * np.log(2 * np.pi * tau**2) - q / (2 * tau**2)
        half = 0.5 * self.typical_scale**2
        constant = 0.5 * log_det - 0.5 * r * np.log(2 * np.pi) + 0.5 * np.log(half / np.pi) + math.lgamma(0.5 * (1 + r))
        return constant - 0.5 * (1 + r) * log(half + 0.5 * q)

    def curvature(self, values: np.ndarray) -> np.ndarray:
        """Return minus the second derivatives of the log-density, scales integrated out, shape ``(n, n)``.

        Parameters
        ----------
        values : numpy.ndarray
            Values of the parameters, shape ``(n,)``.
        """
        slopes, hessians, logs = [], [], []
        for penalty, log_det in self._penalties:
            pull = penalty @ values
            q = float(values @ pull)
            if self.scale is not None:
                weight, bend = self.scale**-2.0, 0.0
            else:
                weight = (1 + self.rank) / (self.typical_scale**2 + q)
                bend = 2 * weight**2 / (1 + self.rank)
            slopes.append(-weight * pull)
            hessians.append(bend * np.outer(pull, pull) - weight * penalty)
            logs.append(self._log_density(q, log_det, np.log))
        share = np.exp(np.array(logs) - np.max(logs))
        share /= share.sum()
        mean = np.einsum("m,mi->i", share, slopes)
        total = sum(one * (h + np.outer(g, g)) for one, h, g in zip(share, hessians, slopes, strict=True))
        curvature: np.ndarray = np.outer(mean, mean) - total
        return curvature

    def draw_scale(self, values: np.ndarray, random_state: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw the scale, and the timescale, that belong to draws of the parameters.

        Parameters
        ----------
        values : numpy.ndarray
            Draws, shape ``(n_draw, n)``.
        random_state : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        scale : numpy.ndarray
            Shape ``(n_draw,)``.
        timescale : numpy.ndarray
            Shape ``(n_draw,)``, in the unit of the positions; NaN but for "ou".
        """
        q = np.stack([np.einsum("di,ij,dj->d", values, p, values) for p, _ in self._penalties], axis=1)
        logs = np.stack([self._log_density(q[:, i], d, np.log) for i, (_, d) in enumerate(self._penalties)], axis=1)
        chosen = np.argmax(logs + random_state.gumbel(size=logs.shape), axis=1)
        timescale = self.timescales[chosen] if self.kind == "ou" else np.full(len(values), np.nan)
        if self.scale is not None:
            return np.full(len(values), self.scale), timescale
        rate = 0.5 * (self.typical_scale**2 + q[np.arange(len(q)), chosen])
        return np.sqrt(rate / random_state.gamma(0.5 * (1 + self.rank), size=len(values))), timescale

    def member(self, index: int) -> "ProcessMember":
        """Return the prior that stands at one of the parameters."""
        return ProcessMember(self, index)

    def part(self, names: Mapping[int, str]) -> Self:
        """Return the process at some of the positions, under new names by position; all kinds keep their meaning."""
        index = sorted(names)
        positions = self.positions[index]
        return type(self)(
            [names[i] for i in index], positions, **(self._settings | {"kind": self._kind_of(len(index))})
        )

    def _kind_of(self, n: int) -> str:
        if self.kind == "curve" and n < 3:
            raise ValueError(f"the joint prior of {list(self.names)} is a curve: only {n} of them are not enough")
        return self.kind

    def variables(
        self, free: "Sequence[Parameter]", frozen: "Sequence[Parameter]", names: "Mapping[Parameter, str]"
    ) -> "dict[Parameter, Tensor]":
        """Return the variables of the free members; see `JointPrior.variables`."""
        from bayesmap.modeling.priors.joint_variables import process_variables

        return process_variables(self, free, frozen, names)

    @property
    def _settings(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "scale": self.scale,
            "typical_scale": self.typical_scale,
            "timescale": self.timescale,
        }

    def to_dict(self) -> dict[str, object]:
        """Return plain data: names, positions, the process and its scales as far as they are given."""
        settings = {"process" if key == "kind" else key: value for key, value in self._settings.items()}
        given = {key: value for key, value in settings.items() if value is not None}
        return {**given, "parameters": list(self.names), "positions": self.positions.tolist()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Create the prior from the data of `to_dict`.

        Raises
        ------
        ValueError
            If the data do not describe one.
        """
        scales = ("scale", "typical_scale", "timescale")
        cls._check_keys(data, ("process", "parameters", "positions"), scales)
        settings = {key: value for key, value in data.items() if key in scales}
        return cls(data["parameters"], data["positions"], kind=data["process"], **settings)

    def __repr__(self) -> str:
        return f"ProcessPrior({list(self.names)}, kind={self.kind!r}, scale={self.scale!r})"


class ProcessMember(JointMember):
    """What stands at one of the parameters of a `ProcessPrior`; its marginal is flat.

    Parameters
    ----------
    joint : ProcessPrior
        The joint prior.
    index : int
        Position of the parameter in it.
    """

    __slots__ = ()

    joint: ProcessPrior

    def __init__(self, joint: ProcessPrior, index: int) -> None:
        super().__init__(joint, index, "Flat")

    def check_bounds(self, parameter: "Parameter") -> None:
        """Raise a ValueError if a parameter has a unit, a shape, or an upper bound."""
        name = self.joint.names[self.index]
        if parameter.unit != u.dimensionless_unscaled or parameter.shape:
            raise ValueError(
                f"joint prior of {name!r}: a process is for single dimensionless numbers, got '{parameter.unit}' of "
                f"shape {parameter.shape}"
            )
        if np.isfinite(parameter.bounds[1]):
            raise ValueError(f"joint prior of {name!r}: remove the upper bound {parameter.max}")

    @property
    def summary(self) -> str:
        """The process, and the names of the other parameters."""
        return f"{self.joint.kind}(joint with {self._others})"


def joint_prior_from_dict(data: Mapping[str, Any]) -> JointPrior:
    """Create a joint prior from plain data: a process, or a multivariate normal.

    Raises
    ------
    ValueError
        If the data describe neither.
    """
    return ProcessPrior.from_dict(data) if "process" in data else MultivariateNormalPrior.from_dict(data)


def _timescales(positions: np.ndarray, given: float | None) -> np.ndarray:
    if given is not None:
        return np.array([given])
    return np.geomspace(np.diff(positions).min(), positions[-1] - positions[0], _TIMESCALES)


def _penalties(kind: str, positions: np.ndarray, timescale: float | None) -> list[tuple[np.ndarray, float]]:
    """The matrices P with the logarithms of their determinants for given first numbers (level, and slope)."""
    step, n = np.diff(positions), len(positions)
    if kind == "ou":
        distance = np.abs(positions[:, None] - positions)
        return [_around_level(np.exp(-distance / length)) for length in _timescales(positions, timescale)]
    if kind == "walk":
        change = np.diff(np.eye(n), axis=0)
        return [(change.T @ (change / step[:, None]), -float(np.log(step).sum()))]
    bend = np.diff(np.diff(np.eye(n), axis=0) / step[:, None], axis=0)  # Q transposed
    inner = np.diag((step[:-1] + step[1:]) / 3) + np.diag(step[1:-1] / 6, 1) + np.diag(step[1:-1] / 6, -1)
    log_det = -np.linalg.slogdet(inner)[1] - 2 * np.log(step[1:]).sum()
    return [(bend.T @ np.linalg.solve(inner, bend), float(log_det))]


def _around_level(covariance: np.ndarray) -> tuple[np.ndarray, float]:
    """Penalty of a process around a level that is integrated out with a flat prior."""
    inverse = np.linalg.inv(covariance)
    level = inverse.sum(axis=0)
    log_det = -np.linalg.slogdet(covariance)[1] - np.log(level.sum())
    return inverse - np.outer(level, level) / level.sum(), float(log_det)
