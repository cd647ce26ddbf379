"""Decays: exponential and power law."""

import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.spectral.sinhc import exponential_integral
from bayesmap.modeling.temporal.base import TemporalModel

__all__ = ["ExpDecayTemporalModel", "PowerLawTemporalModel"]

_TINY = 1e-30  # of the scaling time: a start at the reference time has a finite logarithm


class ExpDecayTemporalModel(TemporalModel):
    r"""Exponential decay.

    .. math::
        F(t) = \exp\left(-\frac{t - t_\mathrm{ref}}{t_0}\right)

    also before the reference time, where it is above one.

    Parameters
    ----------
    t0 : `~astropy.units.Quantity`
        Decay time. Default 1 d.
    t_ref : `~astropy.units.Quantity`
        Reference time, a Modified Julian Date, frozen. Default 51544 d (2000-01-01).
    scale : str
        Time scale of the reference time.
    """

    tag = "exp-decay"
    t0 = Parameter("t0", "1 d", role="duration")
    t_ref = Parameter("t_ref", "51544 d", frozen=True, role="time")

    @staticmethod
    def evaluate(time: Tensor, t0: Tensor, t_ref: Tensor) -> Tensor:
        """Return the value."""
        return pt.exp(-(time - t_ref) / t0)

    @staticmethod
    def evaluate_integral(t_min: Tensor, t_max: Tensor, t0: Tensor, t_ref: Tensor) -> Tensor:
        """Return the integral in the internal unit of time."""
        return -t0 * pt.exp(-(t_min - t_ref) / t0) * pt.expm1(-(t_max - t_min) / t0)


class PowerLawTemporalModel(TemporalModel):
    r"""Power law in time.

    .. math::
        F(t) = \left(\frac{t - t_\mathrm{ref}}{t_0}\right)^\alpha

    defined after the reference time only.

    Parameters
    ----------
    alpha : float
        :math:`\alpha`, negative for a decay. Default 1.
    t_ref : `~astropy.units.Quantity`
        Reference time, a Modified Julian Date, frozen. Default 51544 d (2000-01-01).
    t0 : `~astropy.units.Quantity`
        Scaling time, frozen. Default 1 d.
    scale : str
        Time scale of the reference time.

    Notes
    -----
    Before the reference time the value is NaN (as in Gammapy), and an integral is an error.
    """

    tag = "powerlaw"
    alpha = Parameter("alpha", 1.0, role="index")
    t_ref = Parameter("t_ref", "51544 d", frozen=True, role="time")
    t0 = Parameter("t0", "1 d", frozen=True, role="duration")

    @staticmethod
    def evaluate(time: Tensor, alpha: Tensor, t_ref: Tensor, t0: Tensor) -> Tensor:
        """Return the value."""
        return ((time - t_ref) / t0) ** alpha

    @staticmethod
    def evaluate_integral(t_min: Tensor, t_max: Tensor, alpha: Tensor, t_ref: Tensor, t0: Tensor) -> Tensor:
        """Return the integral in the internal unit of time; it is smooth through alpha = -1."""
        low = pt.log(_from_start((t_min - t_ref) / t0))
        high = pt.log(_from_start((t_max - t_ref) / t0))
        scale, factor = exponential_integral(low, high, alpha + 1)
        return t0 * pt.exp(scale) * factor

    def check_times(self, start: np.ndarray, stop: np.ndarray) -> None:
        """Raise a ValueError before the reference time, or where the integral diverges there.

        For the arguments see `TemporalModel.check_times`.

        Raises
        ------
        ValueError
            If times lie before the reference time, or the integral diverges there.
        """
        first = float(np.min(start)) - self.t_ref.internal
        if first < 0 or (first == 0 and self.alpha.value <= -1):
            raise ValueError(
                f"{type(self).__name__} with alpha = {self.alpha.value} and t_ref = MJD {self.reference_time.mjd} has "
                f"no integral from {first:.6g} s after t_ref; set t_ref before all intervals"
            )


def _from_start(x: Tensor) -> Tensor:
    """Keep a start that lies on the reference time, up to round-off, positive; earlier ones become NaN."""
    return pt.switch(pt.ge(x, 0), pt.maximum(x, _TINY), np.nan)
