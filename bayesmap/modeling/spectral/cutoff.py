"""Power laws with an exponential cut-off."""

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.spectral.base import SpectralModel

__all__ = ["ExpCutoffPowerLawNormSpectralModel", "ExpCutoffPowerLawSpectralModel"]


def _cutoff(energy: Tensor, lambda_: Tensor, alpha: Tensor) -> Tensor:
    """exp(-sign(x) |x|^alpha) with x = lambda E; negative rates, which fits visit, are an odd continuation."""
    x = energy * lambda_
    if isinstance(alpha, int | float) and alpha == 1:
        return pt.exp(-x)  # smooth also at a rate of zero
    positive = pt.abs(x) > 0
    # the gradient in alpha holds ln|x|, and both branches of a switch are differentiated
    size = pt.switch(positive, pt.abs(x), 1.0)
    return pt.exp(-pt.switch(positive, pt.sign(x) * size**alpha, 0.0))


class ExpCutoffPowerLawSpectralModel(SpectralModel):
    r"""Power law with an exponential cut-off.

    .. math::
        \phi(E) = \phi_0 \left(\frac{E}{E_0}\right)^{-\Gamma} \exp\left(-(\lambda E)^\alpha\right)

    Parameters
    ----------
    index : `~astropy.units.Quantity`
        :math:`\Gamma`, dimensionless. Default 1.5.
    amplitude : `~astropy.units.Quantity`
        :math:`\phi_0`. Default 1e-12 cm-2 s-1 TeV-1.
    reference : `~astropy.units.Quantity`
        :math:`E_0`, frozen. Default 1 TeV.
    lambda_ : `~astropy.units.Quantity`
        :math:`\lambda`, the inverse of the cut-off energy. Default 0.1 TeV-1.
    alpha : `~astropy.units.Quantity`
        :math:`\alpha`, dimensionless, frozen. Default 1.

    Notes
    -----
    For a negative rate and an exponent other than 1 the power is continued as
    :math:`-|\lambda E|^\alpha`, where Gammapy has NaN.
    """

    tag = "ecpl"
    index = Parameter("index", 1.5, role="index")
    amplitude = Parameter("amplitude", "1e-12 cm-2 s-1 TeV-1", role="flux")
    reference = Parameter("reference", "1 TeV", frozen=True, role="energy")
    lambda_ = Parameter("lambda_", "0.1 TeV-1", role="energy")
    alpha = Parameter("alpha", 1.0, frozen=True, role="exponent")

    @staticmethod
    def evaluate(
        energy: Tensor, index: Tensor, amplitude: Tensor, reference: Tensor, lambda_: Tensor, alpha: Tensor
    ) -> Tensor:
        """Return the differential flux."""
        return amplitude * (energy / reference) ** (-index) * _cutoff(energy, lambda_, alpha)

    @property
    def e_peak(self) -> u.Quantity:
        """Energy at which the square of the energy times the flux is largest; NaN if there is none."""
        index, alpha, rate = self.index.value, self.alpha.value, self.lambda_.quantity
        unit = rate.unit**-1
        if index >= 2 or rate.value <= 0 or alpha <= 0:
            return np.nan * unit
        return ((2 - index) / alpha) ** (1 / alpha) / rate.value * unit


class ExpCutoffPowerLawNormSpectralModel(SpectralModel):
    r"""Power law with an exponential cut-off, without dimension.

    .. math::
        f(E) = f_0 \left(\frac{E}{E_0}\right)^{-\Gamma} \exp\left(-(\lambda E)^\alpha\right)

    Parameters
    ----------
    index : `~astropy.units.Quantity`
        :math:`\Gamma`, dimensionless. Default 0.
    norm : `~astropy.units.Quantity`
        :math:`f_0`, dimensionless. Default 1.
    reference : `~astropy.units.Quantity`
        :math:`E_0`, frozen. Default 1 TeV.
    lambda_ : `~astropy.units.Quantity`
        :math:`\lambda`, the inverse of the cut-off energy. Default 0.1 TeV-1.
    alpha : `~astropy.units.Quantity`
        :math:`\alpha`, dimensionless, frozen. Default 1.
    """

    tag = "ecpl-norm"
    unit = ""
    flux_parameter = "norm"
    index = Parameter("index", 0.0, role="index")
    norm = Parameter("norm", 1.0, role="norm")
    reference = Parameter("reference", "1 TeV", frozen=True, role="energy")
    lambda_ = Parameter("lambda_", "0.1 TeV-1", role="energy")
    alpha = Parameter("alpha", 1.0, frozen=True, role="exponent")

    @staticmethod
    def evaluate(
        energy: Tensor, index: Tensor, norm: Tensor, reference: Tensor, lambda_: Tensor, alpha: Tensor
    ) -> Tensor:
        """Return the factor."""
        return norm * (energy / reference) ** (-index) * _cutoff(energy, lambda_, alpha)
