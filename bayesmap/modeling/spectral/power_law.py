"""Power laws, with exact integrals at every index."""

import astropy.units as u

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.spectral.base import SpectralModel
from bayesmap.modeling.spectral.sinhc import exponential_integral

__all__ = ["PowerLaw2SpectralModel", "PowerLawNormSpectralModel", "PowerLawSpectralModel", "moment"]


def moment(energy_min: Tensor, energy_max: Tensor, power: Tensor, reference: Tensor) -> Tensor:
    """Integral of (E / E0)^(power - 1) dE / E0, smooth at power zero and finite at powers of any size."""
    scale, factor = log_moment(energy_min, energy_max, power, reference)
    return pt.exp(scale) * factor


def log_moment(energy_min: Tensor, energy_max: Tensor, power: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Logarithm of a scale, and a factor, whose product is `moment`, for ratios of moments."""
    return exponential_integral(pt.log(energy_min / reference), pt.log(energy_max / reference), power)


class PowerLawSpectralModel(SpectralModel):
    r"""Power law.

    .. math::
        \phi(E) = \phi_0 \left(\frac{E}{E_0}\right)^{-\Gamma}

    Parameters
    ----------
    index : `~astropy.units.Quantity`
        :math:`\Gamma`, dimensionless. Default 2.
    amplitude : `~astropy.units.Quantity`
        :math:`\phi_0`. Default 1e-12 cm-2 s-1 TeV-1.
    reference : `~astropy.units.Quantity`
        :math:`E_0`, frozen. Default 1 TeV.

    Notes
    -----
    Integral and energy flux are closed forms, smooth where the index is 1 or 2.
    """

    tag = "pl"
    index = Parameter("index", 2.0, role="index")
    amplitude = Parameter("amplitude", "1e-12 cm-2 s-1 TeV-1", role="flux")
    reference = Parameter("reference", "1 TeV", frozen=True, role="energy")

    @staticmethod
    def evaluate(energy: Tensor, index: Tensor, amplitude: Tensor, reference: Tensor) -> Tensor:
        """Return the differential flux."""
        return amplitude * (energy / reference) ** (-index)

    @staticmethod
    def evaluate_integral(
        energy_min: Tensor, energy_max: Tensor, index: Tensor, amplitude: Tensor, reference: Tensor
    ) -> Tensor:
        """Return the integral flux."""
        return amplitude * reference * moment(energy_min, energy_max, 1 - index, reference)

    @staticmethod
    def evaluate_energy_flux(
        energy_min: Tensor, energy_max: Tensor, index: Tensor, amplitude: Tensor, reference: Tensor
    ) -> Tensor:
        """Return the energy flux."""
        return amplitude * reference**2 * moment(energy_min, energy_max, 2 - index, reference)


class PowerLaw2SpectralModel(SpectralModel):
    r"""Power law by its integral flux.

    .. math::
        \phi(E) = F_0 \, \frac{1 - \Gamma}{E_{max}^{1 - \Gamma} - E_{min}^{1 - \Gamma}} E^{-\Gamma}

    Parameters
    ----------
    amplitude : `~astropy.units.Quantity`
        :math:`F_0`, flux between the two energies. Default 1e-12 cm-2 s-1.
    index : `~astropy.units.Quantity`
        :math:`\Gamma`, dimensionless. Default 2.
    emin, emax : `~astropy.units.Quantity`
        :math:`E_{min}, E_{max}`, frozen. Default 0.1 TeV and 100 TeV.

    Notes
    -----
    Value, integral and energy flux are smooth where the index is 1 or 2.
    """

    tag = "pl-2"
    amplitude = Parameter("amplitude", "1e-12 cm-2 s-1", role="flux")
    index = Parameter("index", 2.0, role="index")
    emin = Parameter("emin", "0.1 TeV", frozen=True, role="energy")
    emax = Parameter("emax", "100 TeV", frozen=True, role="energy")

    @property
    def output_unit(self) -> u.UnitBase:
        """Unit of what a call returns: that of the amplitude per unit of energy."""
        return self.amplitude.unit / self.emin.unit

    @staticmethod
    def evaluate(energy: Tensor, amplitude: Tensor, index: Tensor, emin: Tensor, emax: Tensor) -> Tensor:
        """Return the differential flux."""
        scale, factor = log_moment(emin, emax, 1 - index, emax)
        return amplitude / (emax * factor) * pt.exp(-index * pt.log(energy / emax) - scale)

    @staticmethod
    def evaluate_integral(
        energy_min: Tensor, energy_max: Tensor, amplitude: Tensor, index: Tensor, emin: Tensor, emax: Tensor
    ) -> Tensor:
        """Return the integral flux."""
        scale, factor = log_moment(energy_min, energy_max, 1 - index, emax)
        full_scale, full = log_moment(emin, emax, 1 - index, emax)
        return amplitude * pt.exp(scale - full_scale) * factor / full

    @staticmethod
    def evaluate_energy_flux(
        energy_min: Tensor, energy_max: Tensor, amplitude: Tensor, index: Tensor, emin: Tensor, emax: Tensor
    ) -> Tensor:
        """Return the energy flux."""
        scale, factor = log_moment(energy_min, energy_max, 2 - index, emax)
        full_scale, full = log_moment(emin, emax, 1 - index, emax)
        return amplitude * emax * pt.exp(scale - full_scale) * factor / full


class PowerLawNormSpectralModel(SpectralModel):
    r"""Power law without dimension, a correction to another spectrum.

    .. math::
        f(E) = f_0 \left(\frac{E}{E_0}\right)^{-\tau}

    Parameters
    ----------
    tilt : `~astropy.units.Quantity`
        :math:`\tau`, dimensionless, frozen. Default 0.
    norm : `~astropy.units.Quantity`
        :math:`f_0`, dimensionless. Default 1.
    reference : `~astropy.units.Quantity`
        :math:`E_0`, frozen. Default 1 TeV.
    """

    tag = "pl-norm"
    unit = ""
    flux_parameter = "norm"
    tilt = Parameter("tilt", 0.0, frozen=True, role="index")
    norm = Parameter("norm", 1.0, role="norm")
    reference = Parameter("reference", "1 TeV", frozen=True, role="energy")

    @staticmethod
    def evaluate(energy: Tensor, tilt: Tensor, norm: Tensor, reference: Tensor) -> Tensor:
        """Return the factor."""
        return norm * (energy / reference) ** (-tilt)

    @staticmethod
    def evaluate_integral(
        energy_min: Tensor, energy_max: Tensor, tilt: Tensor, norm: Tensor, reference: Tensor
    ) -> Tensor:
        """Return the integral of the factor over energy."""
        return norm * reference * moment(energy_min, energy_max, 1 - tilt, reference)

    @staticmethod
    def evaluate_energy_flux(
        energy_min: Tensor, energy_max: Tensor, tilt: Tensor, norm: Tensor, reference: Tensor
    ) -> Tensor:
        """Return the integral of energy times the factor."""
        return norm * reference**2 * moment(energy_min, energy_max, 2 - tilt, reference)
