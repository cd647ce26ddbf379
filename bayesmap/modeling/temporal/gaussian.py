"""Pulses: Gaussian and generalised Gaussian."""

import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.temporal.base import TemporalModel

__all__ = ["GaussianTemporalModel", "GeneralizedGaussianTemporalModel"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_GONE = 80.0  # twice the exponent at which a pulse is over: exp(-40) = 4e-18
_TINY = 1e-300


class GaussianTemporalModel(TemporalModel):
    r"""Gaussian pulse.

    .. math::
        F(t) = \exp\left(-\frac{(t - t_\mathrm{ref})^2}{2 \sigma^2}\right)

    Parameters
    ----------
    t_ref : `~astropy.units.Quantity`
        Time of the maximum, a Modified Julian Date. Default 51544 d (2000-01-01).
    sigma : `~astropy.units.Quantity`
        Standard deviation. Default 1 d.
    scale : str
        Time scale of the reference time.
    """

    tag = "gauss"
    t_ref = Parameter("t_ref", "51544 d", role="time")
    sigma = Parameter("sigma", "1 d", role="duration")

    @staticmethod
    def evaluate(time: Tensor, t_ref: Tensor, sigma: Tensor) -> Tensor:
        """Return the value."""
        return pt.exp(-0.5 * ((time - t_ref) / sigma) ** 2)

    @staticmethod
    def evaluate_integral(t_min: Tensor, t_max: Tensor, t_ref: Tensor, sigma: Tensor) -> Tensor:
        """Return the integral in the internal unit of time."""
        low, high = ((t - t_ref) / (np.sqrt(2) * sigma) for t in (t_min, t_max))
        # on one side of the maximum the difference of erfc does not cancel in the tail
        side = pt.switch(low + high > 0, 1.0, -1.0)
        return np.sqrt(np.pi / 2) * sigma * side * (pt.erfc(side * low) - pt.erfc(side * high))


class GeneralizedGaussianTemporalModel(TemporalModel):
    r"""Asymmetric pulse with a flat top or a cusp.

    .. math::
        F(t) = \exp\left(-\frac{1}{2} \left|\frac{t - t_\mathrm{ref}}{\tau}\right|^{1 / \eta}\right)

    with :math:`\tau = t_\mathrm{rise}` before and :math:`\tau = t_\mathrm{decay}` after the maximum.

    Parameters
    ----------
    t_ref : `~astropy.units.Quantity`
        Time of the maximum, a Modified Julian Date. Default 51544 d (2000-01-01).
    t_rise, t_decay : `~astropy.units.Quantity`
        Rise and decay times. Default 1 d.
    eta : float
        Inverse sharpness: 0.5 is a Gaussian, 1 an exponential on both sides, towards 0 a box. Default 0.5.
    scale : str
        Time scale of the reference time.

    References
    ----------
    Norris et al. 1996, ApJ 459, 393

    Notes
    -----
    The integral is a sum over 64 nodes on each side of the maximum, in the square root of the time: its relative error
    is below 1e-8 for eta between 0.1 and 2. Gammapy's integral is about 1 % high.
    """

    tag = "gengauss"
    t_ref = Parameter("t_ref", "51544 d", role="time")
    t_rise = Parameter("t_rise", "1 d", role="duration")
    t_decay = Parameter("t_decay", "1 d", role="duration")
    eta = Parameter("eta", 0.5, role="shape")

    @staticmethod
    def evaluate(time: Tensor, t_ref: Tensor, t_rise: Tensor, t_decay: Tensor, eta: Tensor) -> Tensor:
        """Return the value."""
        offset = time - t_ref
        return _pulse(pt.abs(offset) / pt.switch(offset < 0, t_rise, t_decay), eta)

    @staticmethod
    def evaluate_integral(
        t_min: Tensor, t_max: Tensor, t_ref: Tensor, t_rise: Tensor, t_decay: Tensor, eta: Tensor
    ) -> Tensor:
        """Return the integral in the internal unit of time."""
        t_min, t_max = pt.as_tensor_variable(t_min), pt.as_tensor_variable(t_max)
        return _since_maximum(t_max - t_ref, t_rise, t_decay, eta) - _since_maximum(t_min - t_ref, t_rise, t_decay, eta)


def _pulse(x: Tensor, eta: Tensor) -> Tensor:
    """exp(-x**(1 / eta) / 2) with finite gradients at zero and at infinity."""
    logarithm = pt.log(pt.maximum(x, _TINY)) / eta
    return pt.exp(-0.5 * pt.exp(pt.minimum(logarithm, np.log(20 * _GONE))))


def _since_maximum(offset: Tensor, t_rise: Tensor, t_decay: Tensor, eta: Tensor) -> Tensor:
    """Integral from the maximum to an offset, negative before it."""
    early = pt.lt(offset, 0)
    constant = pt.switch(early, t_rise, t_decay)
    # not abs(), whose gradient is zero where an interval ends at the maximum
    end = pt.minimum(pt.switch(early, -offset, offset) / constant, _GONE**eta)
    root = 0.5 * (1 + _NODES)  # the substitution x = end * root**2 takes the cusp of large eta away
    values = _pulse(end[..., None] * root**2, eta)
    return pt.switch(early, -1.0, 1.0) * constant * end * (_WEIGHTS * root * values).sum(axis=-1)
