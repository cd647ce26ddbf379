"""Spectral lines."""

from collections.abc import Sequence

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.modeling.parameter import Parameter, Values
from bayesmap.modeling.spectral.base import SpectralModel

__all__ = ["GaussianSpectralModel"]

_ENDS = (-8.0, -4.0, -2.0, 0.0, 2.0, 4.0, 8.0)  # ends of panels in standard deviations


class GaussianSpectralModel(SpectralModel):
    r"""Gaussian line.

    .. math::
        \phi(E) = \frac{N_0}{\sigma \sqrt{2 \pi}} \exp\left(-\frac{(E - \bar E)^2}{2 \sigma^2}\right)

    Parameters
    ----------
    amplitude : `~astropy.units.Quantity`
        :math:`N_0`, integral flux. Default 1e-12 cm-2 s-1.
    mean : `~astropy.units.Quantity`
        :math:`\bar E`. Default 1 TeV.
    sigma : `~astropy.units.Quantity`
        :math:`\sigma`, positive. Default 2 TeV.

    Notes
    -----
    Integral and energy flux are closed forms, so that a line narrower than a bin keeps its flux. In a product the
    line is integrated in panels that follow it.
    """

    tag = "gauss"
    amplitude = Parameter("amplitude", "1e-12 cm-2 s-1", role="flux")
    mean = Parameter("mean", "1 TeV", role="energy")
    sigma = Parameter("sigma", "2 TeV", role="energy")

    @property
    def output_unit(self) -> u.UnitBase:
        """Unit of what a call returns: that of the amplitude per unit of the width."""
        return self.amplitude.unit / self.sigma.unit

    @staticmethod
    def evaluate(energy: Tensor, amplitude: Tensor, mean: Tensor, sigma: Tensor) -> Tensor:
        """Return the differential flux."""
        return amplitude / (sigma * np.sqrt(2 * np.pi)) * pt.exp(-0.5 * ((energy - mean) / sigma) ** 2)

    @staticmethod
    def evaluate_integral(
        energy_min: Tensor, energy_max: Tensor, amplitude: Tensor, mean: Tensor, sigma: Tensor
    ) -> Tensor:
        """Return the integral flux."""
        low, high = ((edge - mean) / sigma for edge in (energy_min, energy_max))
        return amplitude * _probability(low, high)

    @staticmethod
    def evaluate_energy_flux(
        energy_min: Tensor, energy_max: Tensor, amplitude: Tensor, mean: Tensor, sigma: Tensor
    ) -> Tensor:
        """Return the energy flux."""
        low, high = ((edge - mean) / sigma for edge in (energy_min, energy_max))
        tails = (pt.exp(-0.5 * low**2) - pt.exp(-0.5 * high**2)) / np.sqrt(2 * np.pi)
        return amplitude * (mean * _probability(low, high) + sigma * tails)

    def breaks(self, values: Values) -> Sequence[Tensor]:
        """Return energies around the line between which it is smooth; see `SpectralModel.breaks`."""
        return tuple(values[self.mean] + number * values[self.sigma] for number in _ENDS)


def _probability(low: Tensor, high: Tensor) -> Tensor:
    """Normal probability of an interval, with the tail that does not cancel."""
    above = low > 0
    one, two = pt.switch(above, -high, low), pt.switch(above, -low, high)
    return 0.5 * (pt.erfc(-two / np.sqrt(2)) - pt.erfc(-one / np.sqrt(2)))
