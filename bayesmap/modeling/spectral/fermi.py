"""Power laws with exponential cut-offs as the catalogues of Fermi-LAT write them."""

from typing import Any

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.spectral.base import SpectralModel
from bayesmap.units import scale_to_internal

__all__ = [
    "ExpCutoffPowerLaw3FGLSpectralModel",
    "SuperExpCutoffPowerLaw3FGLSpectralModel",
    "SuperExpCutoffPowerLaw4FGLDR3SpectralModel",
    "SuperExpCutoffPowerLaw4FGLSpectralModel",
]


class ExpCutoffPowerLaw3FGLSpectralModel(SpectralModel):
    r"""Power law with an exponential cut-off, normalised at the reference energy (3FGL).

    .. math::
        \phi(E) = \phi_0 \left(\frac{E}{E_0}\right)^{-\Gamma} \exp\left(\frac{E_0 - E}{E_c}\right)

    Parameters
    ----------
    index : `~astropy.units.Quantity`
        :math:`\Gamma`, dimensionless. Default 1.5.
    amplitude : `~astropy.units.Quantity`
        :math:`\phi_0`. Default 1e-12 cm-2 s-1 TeV-1.
    reference : `~astropy.units.Quantity`
        :math:`E_0`, frozen. Default 1 TeV.
    ecut : `~astropy.units.Quantity`
        :math:`E_c`. Default 10 TeV.

    References
    ----------
    Acero et al. 2015, ApJS 218, 23 (3FGL).
    """

    tag = "ecpl-3fgl"
    index = Parameter("index", 1.5, role="index")
    amplitude = Parameter("amplitude", "1e-12 cm-2 s-1 TeV-1", role="flux")
    reference = Parameter("reference", "1 TeV", frozen=True, role="energy")
    ecut = Parameter("ecut", "10 TeV", role="energy")

    @staticmethod
    def evaluate(energy: Tensor, index: Tensor, amplitude: Tensor, reference: Tensor, ecut: Tensor) -> Tensor:
        """Return the differential flux."""
        return amplitude * (energy / reference) ** (-index) * pt.exp((reference - energy) / ecut)


class SuperExpCutoffPowerLaw3FGLSpectralModel(SpectralModel):
    r"""Power law with a super- or sub-exponential cut-off, normalised at the reference energy (3FGL).

    .. math::
        \phi(E) = \phi_0 \left(\frac{E}{E_0}\right)^{-\Gamma_1}
        \exp\left(\left(\frac{E_0}{E_c}\right)^{\Gamma_2} - \left(\frac{E}{E_c}\right)^{\Gamma_2}\right)

    Parameters
    ----------
    amplitude : `~astropy.units.Quantity`
        :math:`\phi_0`. Default 1e-12 cm-2 s-1 TeV-1.
    reference : `~astropy.units.Quantity`
        :math:`E_0`, frozen. Default 1 TeV.
    ecut : `~astropy.units.Quantity`
        :math:`E_c`, positive. Default 10 TeV.
    index_1, index_2 : `~astropy.units.Quantity`
        :math:`\Gamma_1, \Gamma_2`, dimensionless. Default 1.5 and 2.

    References
    ----------
    Acero et al. 2015, ApJS 218, 23 (3FGL).
    """

    tag = "secpl-3fgl"
    amplitude = Parameter("amplitude", "1e-12 cm-2 s-1 TeV-1", role="flux")
    reference = Parameter("reference", "1 TeV", frozen=True, role="energy")
    ecut = Parameter("ecut", "10 TeV", role="energy")
    index_1 = Parameter("index_1", 1.5, role="index")
    index_2 = Parameter("index_2", 2.0, role="shape")

    @staticmethod
    def evaluate(
        energy: Tensor, amplitude: Tensor, reference: Tensor, ecut: Tensor, index_1: Tensor, index_2: Tensor
    ) -> Tensor:
        """Return the differential flux."""
        cutoff = pt.exp((reference / ecut) ** index_2 - (energy / ecut) ** index_2)
        return amplitude * (energy / reference) ** (-index_1) * cutoff


class SuperExpCutoffPowerLaw4FGLSpectralModel(SpectralModel):
    r"""Power law with a super- or sub-exponential cut-off (4FGL, first two releases).

    .. math::
        \phi(E) = \phi_0 \left(\frac{E}{E_0}\right)^{-\Gamma_1}
        \exp\left(a \left[\left(\frac{E_0}{\mathrm{MeV}}\right)^{\Gamma_2}
        - \left(\frac{E}{\mathrm{MeV}}\right)^{\Gamma_2}\right]\right)

    Parameters
    ----------
    amplitude : `~astropy.units.Quantity`
        :math:`\phi_0`. Default 1e-12 cm-2 s-1 TeV-1.
    reference : `~astropy.units.Quantity`
        :math:`E_0`, frozen. Default 1 TeV.
    expfactor : `~astropy.units.Quantity`
        :math:`a`, dimensionless, for energies in MeV. Default 1e-14.
    index_1, index_2 : `~astropy.units.Quantity`
        :math:`\Gamma_1, \Gamma_2`, dimensionless. Default 1.5 and 2.

    Notes
    -----
    The exponential factor belongs to one exponent: it changes by orders of magnitude with :math:`\Gamma_2`. For
    inference `SuperExpCutoffPowerLaw4FGLDR3SpectralModel` is the better choice.

    References
    ----------
    Abdollahi et al. 2020, ApJS 247, 33 (4FGL).
    """

    tag = "secpl-4fgl"
    amplitude = Parameter("amplitude", "1e-12 cm-2 s-1 TeV-1", role="flux")
    reference = Parameter("reference", "1 TeV", frozen=True, role="energy")
    expfactor = Parameter("expfactor", 1e-14, role="scale")
    index_1 = Parameter("index_1", 1.5, role="index")
    index_2 = Parameter("index_2", 2.0, role="shape")

    @property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        return (np.asarray(scale_to_internal("MeV")),)

    @staticmethod
    def evaluate(
        energy: Tensor,
        mev: Tensor,
        amplitude: Tensor,
        reference: Tensor,
        expfactor: Tensor,
        index_1: Tensor,
        index_2: Tensor,
    ) -> Tensor:
        """Return the differential flux; ``mev`` is one MeV in the unit of the energies."""
        log_cut = index_2 * pt.log(reference / mev)
        # the power of the reference is taken out, so that the difference does not cancel
        cutoff = pt.exp(-expfactor * pt.exp(log_cut) * pt.expm1(index_2 * pt.log(energy / reference)))
        return amplitude * (energy / reference) ** (-index_1) * cutoff


class SuperExpCutoffPowerLaw4FGLDR3SpectralModel(SpectralModel):
    r"""Power law with a super- or sub-exponential cut-off, by index and curvature at the reference energy (4FGL-DR3).

    .. math::
        \phi(E) = \phi_0 \left(\frac{E}{E_0}\right)^{-\Gamma_1 + a / \Gamma_2}
        \exp\left(\frac{a}{\Gamma_2^2} \left[1 - \left(\frac{E}{E_0}\right)^{\Gamma_2}\right]\right)

    Parameters
    ----------
    amplitude : `~astropy.units.Quantity`
        :math:`\phi_0`. Default 1e-12 cm-2 s-1 TeV-1.
    reference : `~astropy.units.Quantity`
        :math:`E_0`, frozen. Default 1 TeV.
    expfactor : `~astropy.units.Quantity`
        :math:`a`, curvature at the reference energy, dimensionless. Default 0.01.
    index_1 : `~astropy.units.Quantity`
        :math:`\Gamma_1`, local index at the reference energy, dimensionless. Default 1.5.
    index_2 : `~astropy.units.Quantity`
        :math:`\Gamma_2`, dimensionless. Default 2.

    Notes
    -----
    Written with :math:`g(x) = (e^x - 1 - x) / x^2`, which is smooth where :math:`\Gamma_2` is zero: the exponent is
    :math:`-a L^2 g(\Gamma_2 L)` with :math:`L = \ln(E / E_0)`.

    References
    ----------
    Abdollahi et al. 2022, ApJS 260, 53 (4FGL-DR3).
    """

    tag = "secpl-4fgl-dr3"
    amplitude = Parameter("amplitude", "1e-12 cm-2 s-1 TeV-1", role="flux")
    reference = Parameter("reference", "1 TeV", frozen=True, role="energy")
    expfactor = Parameter("expfactor", 1e-2, role="scale")
    index_1 = Parameter("index_1", 1.5, role="index")
    index_2 = Parameter("index_2", 2.0, role="shape")

    @staticmethod
    def evaluate(
        energy: Tensor, amplitude: Tensor, reference: Tensor, expfactor: Tensor, index_1: Tensor, index_2: Tensor
    ) -> Tensor:
        """Return the differential flux."""
        log_energy = pt.log(energy / reference)
        curvature = -expfactor * log_energy**2 * _curvature(index_2 * log_energy)
        return amplitude * pt.exp(-index_1 * log_energy + curvature)

    @property
    def e_peak(self) -> u.Quantity:
        """Energy at which the square of the energy times the flux is largest; NaN if there is none."""
        reference, factor = self.reference.quantity, self.expfactor.value
        index_1, index_2 = self.index_1.value, self.index_2.value
        base = 1 + index_2 / factor * (2 - index_1) if factor > 0 else -1.0
        if base <= 0:
            return np.nan * reference.unit
        power = np.log(base) / index_2 if index_2 else (2 - index_1) / factor
        return reference * float(np.exp(power))


def _curvature(x: Tensor) -> Tensor:
    """(exp(x) - 1 - x) / x^2, by its series near zero."""
    small = pt.abs(x) < 0.1
    away = pt.switch(small, 1.0, x)
    near = pt.switch(small, x, 0.0)
    series: Any = 1 / 3628800
    for factorial in (362880, 40320, 5040, 720, 120, 24, 6, 2):
        series = series * near + 1 / factorial
    return pt.switch(small, series, (pt.expm1(away) - away) / away**2)
