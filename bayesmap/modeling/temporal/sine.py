"""Periodic modulation."""

from collections.abc import Mapping

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.temporal.base import TemporalModel

__all__ = ["SineTemporalModel"]

_SMALL = 1e-3


class SineTemporalModel(TemporalModel):
    r"""Sinusoidal modulation.

    .. math::
        F(t) = 1 + A \sin(\omega (t - t_\mathrm{ref}))

    Parameters
    ----------
    amp : float
        :math:`A`; above one in size the model becomes negative. Default 1.
    omega : `~astropy.units.Quantity`
        Angular frequency :math:`\omega`. Default 1 rad d-1.
    t_ref : `~astropy.units.Quantity`
        Reference time, a Modified Julian Date. Default 51544 d (2000-01-01).
    scale : str
        Time scale of the reference time.

    Notes
    -----
    The integral over an interval of length T around the middle m is
    :math:`T [1 + A \sin(\omega (m - t_\mathrm{ref})) \sin(x) / x]` with :math:`x = \omega T / 2`. Gammapy's is wrong.
    """

    tag = "sinus"
    amp = Parameter("amp", 1.0, role="fraction")
    omega = Parameter("omega", "1 rad d-1", role="rate")
    t_ref = Parameter("t_ref", "51544 d", role="time")

    def may_be_negative(self, supports: Mapping[str, tuple[float, float]]) -> bool:
        """Return whether the amplitude can be above one; see `TemporalModel.may_be_negative`."""
        return max(abs(x) for x in supports["amp"]) > 1

    @staticmethod
    def evaluate(time: Tensor, amp: Tensor, omega: Tensor, t_ref: Tensor) -> Tensor:
        """Return the value."""
        return 1 + amp * pt.sin(omega * (time - t_ref))

    @staticmethod
    def evaluate_integral(t_min: Tensor, t_max: Tensor, amp: Tensor, omega: Tensor, t_ref: Tensor) -> Tensor:
        """Return the integral in the internal unit of time."""
        length = t_max - t_min
        middle = 0.5 * (t_min + t_max) - t_ref
        return length * (1 + amp * pt.sin(omega * middle) * _sinc(0.5 * omega * length))


def _sinc(x: Tensor) -> Tensor:
    """sin(x) / x, smooth through zero."""
    small = pt.abs(x) < _SMALL
    safe = pt.switch(small, 1.0, x)
    return pt.switch(small, 1 - x**2 / 6, pt.sin(safe) / safe)
