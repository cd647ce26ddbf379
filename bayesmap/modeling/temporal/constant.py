"""Constant and linear time dependence."""

from collections.abc import Mapping

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.temporal.base import TemporalModel

__all__ = ["ConstantTemporalModel", "LinearTemporalModel"]


class ConstantTemporalModel(TemporalModel):
    r"""No time dependence.

    .. math::
        F(t) = 1

    Parameters
    ----------
    scale : str
        Has no effect.
    """

    tag = "const"
    is_constant = True

    @staticmethod
    def evaluate(time: Tensor) -> Tensor:
        """Return ones."""
        return pt.ones_like(time)

    @staticmethod
    def evaluate_integral(t_min: Tensor, t_max: Tensor) -> Tensor:
        """Return the lengths of the intervals."""
        return t_max - t_min


class LinearTemporalModel(TemporalModel):
    r"""Linear change with time.

    .. math::
        F(t) = \alpha + \beta (t - t_\mathrm{ref})

    Parameters
    ----------
    alpha : float
        :math:`\alpha`, the value at the reference time. Default 1.
    beta : `~astropy.units.Quantity`
        :math:`\beta`, the slope. Default 0 d-1.
    t_ref : `~astropy.units.Quantity`
        Reference time, a Modified Julian Date, frozen. Default 51544 d (2000-01-01).
    scale : str
        Time scale of the reference time.
    """

    tag = "linear"
    alpha = Parameter("alpha", 1.0, role="norm")
    beta = Parameter("beta", "0 d-1", role="rate")
    t_ref = Parameter("t_ref", "51544 d", frozen=True, role="time")

    def may_be_negative(self, supports: Mapping[str, tuple[float, float]]) -> bool:
        """Return whether the value can be negative, or the slope is not zero; see `TemporalModel.may_be_negative`."""
        return supports["alpha"][0] < 0 or supports["beta"] != (0, 0)

    @staticmethod
    def evaluate(time: Tensor, alpha: Tensor, beta: Tensor, t_ref: Tensor) -> Tensor:
        """Return the value."""
        return alpha + beta * (time - t_ref)

    @staticmethod
    def evaluate_integral(t_min: Tensor, t_max: Tensor, alpha: Tensor, beta: Tensor, t_ref: Tensor) -> Tensor:
        """Return the integral in the internal unit of time."""
        return (t_max - t_min) * (alpha + beta * (0.5 * (t_min + t_max) - t_ref))
