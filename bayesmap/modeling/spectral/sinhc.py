"""The function sinh(x) / x in formulas."""

from bayesmap._types import Tensor

__all__ = ["sinhc"]


def sinhc(x: Tensor) -> Tensor:
    """Return sinh(x) / x of a tensor, even and smooth through zero, as one operation."""
    from bayesmap.modeling.spectral.sinhc_op import sinhc as operation

    return operation(x)
