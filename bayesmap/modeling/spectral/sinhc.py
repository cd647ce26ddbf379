"""Integrals of exponentials, smooth where the exponent vanishes."""

from bayesmap._lazy import pt
from bayesmap._types import Tensor

__all__ = ["exponential_integral", "sinhce"]


def sinhce(x: Tensor) -> Tensor:
    """Return exp(-abs(x)) sinh(x) / x of a tensor, as one operation; even, 1 at zero, never infinite."""
    from bayesmap.modeling.spectral.sinhc_op import sinhce as operation

    return operation(x)


def exponential_integral(low: Tensor, high: Tensor, power: Tensor) -> tuple[Tensor, Tensor]:
    r"""Integral of exp(power t) between two values of t, as the logarithm of a scale and a factor.

    .. math::
        \int_a^b e^{p t} dt = 2 h e^{p m} \frac{\sinh(p h)}{p h}
            = e^{p m + |p h|} \left(2 h e^{-|p h|} \frac{\sinh(p h)}{p h}\right)

    with the middle m and the half-width h. The exponent of the scale is the larger one of the two ends: with a power of
    any size nothing overflows on the way, or is zero times infinity.

    Returns
    -------
    scale, factor : TensorVariable
        The integral is ``exp(scale) * factor``.
    """
    middle, half = power * 0.5 * (high + low), power * 0.5 * (high - low)
    return middle + pt.abs(half), (high - low) * sinhce(half)
