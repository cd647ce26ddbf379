"""Log parabolas."""

from typing import Any

import pytensor.tensor as pt

from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.spectral.base import SpectralModel

__all__ = ["LogParabolaNormSpectralModel", "LogParabolaSpectralModel"]


def _shape(energy: Any, reference: Any, alpha: Any, beta: Any) -> Any:
    log_energy = pt.log(energy / reference)
    return pt.exp(-log_energy * (alpha + beta * log_energy))


class LogParabolaSpectralModel(SpectralModel):
    r"""Log parabola.

    .. math::
        \phi(E) = \phi_0 \left(\frac{E}{E_0}\right)^{-\alpha - \beta \ln(E / E_0)}

    Parameters
    ----------
    amplitude : `~astropy.units.Quantity`
        :math:`\phi_0`. Default 1e-12 cm-2 s-1 TeV-1.
    reference : `~astropy.units.Quantity`
        :math:`E_0`, frozen. Default 10 TeV.
    alpha : `~astropy.units.Quantity`
        :math:`\alpha`, dimensionless. Default 2.
    beta : `~astropy.units.Quantity`
        :math:`\beta`, dimensionless, for the natural logarithm. Default 1.
    """

    tag = "lp"
    amplitude = Parameter("amplitude", "1e-12 cm-2 s-1 TeV-1")
    reference = Parameter("reference", "10 TeV", frozen=True)
    alpha = Parameter("alpha", 2.0)
    beta = Parameter("beta", 1.0)

    @staticmethod
    def evaluate(energy: Any, amplitude: Any, reference: Any, alpha: Any, beta: Any) -> Any:
        """Return the differential flux."""
        return amplitude * _shape(energy, reference, alpha, beta)


class LogParabolaNormSpectralModel(SpectralModel):
    r"""Log parabola without dimension, a correction to another spectrum.

    .. math::
        f(E) = f_0 \left(\frac{E}{E_0}\right)^{-\alpha - \beta \ln(E / E_0)}

    Parameters
    ----------
    norm : `~astropy.units.Quantity`
        :math:`f_0`, dimensionless. Default 1.
    reference : `~astropy.units.Quantity`
        :math:`E_0`, frozen. Default 10 TeV.
    alpha, beta : `~astropy.units.Quantity`
        Dimensionless. Default 0.
    """

    tag = "lp-norm"
    unit = ""
    flux_parameter = "norm"
    norm = Parameter("norm", 1.0)
    reference = Parameter("reference", "10 TeV", frozen=True)
    alpha = Parameter("alpha", 0.0)
    beta = Parameter("beta", 0.0)

    @staticmethod
    def evaluate(energy: Any, norm: Any, reference: Any, alpha: Any, beta: Any) -> Any:
        """Return the factor."""
        return norm * _shape(energy, reference, alpha, beta)
