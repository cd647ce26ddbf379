"""The constant spectrum."""

from typing import Any

from bayesmap._lazy import pt
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
    const = Parameter("const", "1e-12 cm-2 s-1 TeV-1")

    @staticmethod
    def evaluate(energy: Any, const: Any) -> Any:
        """Return the differential flux."""
        return const * pt.ones_like(energy)

    @staticmethod
    def evaluate_integral(energy_min: Any, energy_max: Any, const: Any) -> Any:
        """Return the integral flux."""
        return const * (energy_max - energy_min)
