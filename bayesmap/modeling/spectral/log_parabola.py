"""Log parabolas."""

from typing import Self

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import QuantityLike, Tensor
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.spectral.base import SpectralModel

__all__ = ["LogParabola2SpectralModel", "LogParabolaNormSpectralModel", "LogParabolaSpectralModel"]


def _shape(energy: Tensor, reference: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
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
    amplitude = Parameter("amplitude", "1e-12 cm-2 s-1 TeV-1", role="flux")
    reference = Parameter("reference", "10 TeV", frozen=True, role="energy")
    alpha = Parameter("alpha", 2.0, role="index")
    beta = Parameter("beta", 1.0, role="curvature")

    @classmethod
    def from_log10(cls, amplitude: QuantityLike, reference: QuantityLike, alpha: QuantityLike, beta: float) -> Self:
        r"""Create the model from a curvature for the decadic logarithm.

        Parameters
        ----------
        amplitude, reference, alpha : str, `~astropy.units.Quantity` or float
            As for the class.
        beta : float
            Curvature that multiplies :math:`\log_{10}` of the ratio of energies.
        """
        return cls(amplitude=amplitude, reference=reference, alpha=alpha, beta=beta / np.log(10))

    @staticmethod
    def evaluate(energy: Tensor, amplitude: Tensor, reference: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        """Return the differential flux."""
        return amplitude * _shape(energy, reference, alpha, beta)

    @property
    def e_peak(self) -> u.Quantity:
        """Energy at which the square of the energy times the flux is largest; NaN if there is none."""
        if self.beta.value <= 0:
            return np.nan * self.reference.unit
        return self.reference.quantity * float(np.exp((2 - self.alpha.value) / (2 * self.beta.value)))


class LogParabola2SpectralModel(SpectralModel):
    r"""Log parabola whose amplitude and curvature refer to different energies.

    .. math::
        \phi(E) = \phi_0 \left(\frac{E}{E_0}\right)^{-\alpha - \beta \ln(E / E_s)}

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
    escale : `~astropy.units.Quantity`
        :math:`E_s`, frozen. Default 1 TeV.
    """

    tag = "lp2"
    amplitude = Parameter("amplitude", "1e-12 cm-2 s-1 TeV-1", role="flux")
    reference = Parameter("reference", "10 TeV", frozen=True, role="energy")
    alpha = Parameter("alpha", 2.0, role="index")
    beta = Parameter("beta", 1.0, role="curvature")
    escale = Parameter("escale", "1 TeV", frozen=True, role="energy")

    @classmethod
    def from_log10(
        cls, amplitude: QuantityLike, reference: QuantityLike, alpha: QuantityLike, beta: float, escale: QuantityLike
    ) -> Self:
        r"""Create the model from a curvature for the decadic logarithm.

        Parameters
        ----------
        amplitude, reference, alpha, escale : str, `~astropy.units.Quantity` or float
            As for the class.
        beta : float
            Curvature that multiplies :math:`\log_{10}` of the ratio of energies.
        """
        return cls(amplitude=amplitude, reference=reference, alpha=alpha, escale=escale, beta=beta / np.log(10))

    @staticmethod
    def evaluate(
        energy: Tensor, amplitude: Tensor, reference: Tensor, alpha: Tensor, beta: Tensor, escale: Tensor
    ) -> Tensor:
        """Return the differential flux."""
        return amplitude * pt.exp(-pt.log(energy / reference) * (alpha + beta * pt.log(energy / escale)))

    @property
    def e_peak(self) -> u.Quantity:
        r"""Energy at which the square of the energy times the flux is largest; NaN if there is none.

        It depends on both energies: the slope at E is :math:`-\alpha - \beta \ln(E^2 / (E_0 E_s))`.
        """
        alpha, beta = self.alpha.value, self.beta.value
        if beta <= 0:
            return np.nan * self.escale.unit
        middle = np.sqrt(self.reference.quantity * self.escale.quantity).to(self.escale.unit)
        return middle * float(np.exp((2 - alpha) / (2 * beta)))


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
    norm = Parameter("norm", 1.0, role="norm")
    reference = Parameter("reference", "10 TeV", frozen=True, role="energy")
    alpha = Parameter("alpha", 0.0, role="index")
    beta = Parameter("beta", 0.0, role="curvature")

    @classmethod
    def from_log10(cls, norm: QuantityLike, reference: QuantityLike, alpha: QuantityLike, beta: float) -> Self:
        r"""Create the model from a curvature for the decadic logarithm.

        Parameters
        ----------
        norm, reference, alpha : str, `~astropy.units.Quantity` or float
            As for the class.
        beta : float
            Curvature that multiplies :math:`\log_{10}` of the ratio of energies.
        """
        return cls(norm=norm, reference=reference, alpha=alpha, beta=beta / np.log(10))

    @staticmethod
    def evaluate(energy: Tensor, norm: Tensor, reference: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        """Return the factor."""
        return norm * _shape(energy, reference, alpha, beta)
