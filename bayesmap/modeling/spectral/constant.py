"""The constant spectrum."""

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.spectral.base import SpectralModel

__all__ = ["ConstantSpectralModel"]


class ConstantSpectralModel(SpectralModel):
    r"""Constant differential flux.

    .. math::
        \phi(E) = k

    Parameters
    ----------
    const : `~astropy.units.Quantity`
        :math:`k`. Default 1e-12 cm-2 s-1 TeV-1.
    """

    tag = "const"
    flux_parameter = "const"
    const = Parameter("const", "1e-12 cm-2 s-1 TeV-1", role="scale")

    @staticmethod
    def evaluate(energy: Tensor, const: Tensor) -> Tensor:
        """Return the differential flux."""
        return const * pt.ones_like(energy)

    @staticmethod
    def evaluate_integral(energy_min: Tensor, energy_max: Tensor, const: Tensor) -> Tensor:
        """Return the integral flux."""
        return const * (energy_max - energy_min)
