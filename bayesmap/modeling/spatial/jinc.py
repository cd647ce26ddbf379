"""The function 2 J1(x) / x in formulas."""

from bayesmap._types import Tensor

__all__ = ["jinc"]


def jinc(x: Tensor) -> Tensor:
    """Return 2 J1(x) / x of a tensor, the Fourier transform of a disk, as one operation."""
    from bayesmap.modeling.spatial.jinc_op import jinc as operation

    return operation(x)
