"""Broken power laws."""

from collections.abc import Sequence

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.modeling.parameter import Parameter, Values
from bayesmap.modeling.spectral.base import SpectralModel
from bayesmap.modeling.spectral.interpolate import at_least, at_most
from bayesmap.modeling.spectral.power_law import moment

__all__ = ["BrokenPowerLawSpectralModel", "SmoothBrokenPowerLawSpectralModel"]


class BrokenPowerLawSpectralModel(SpectralModel):
    r"""Power law with a sharp break.

    .. math::
        \phi(E) = \phi_0 \begin{cases} (E / E_b)^{-\Gamma_1} & E < E_b \\ (E / E_b)^{-\Gamma_2} & E \ge E_b
        \end{cases}

    Parameters
    ----------
    index1, index2 : `~astropy.units.Quantity`
        :math:`\Gamma_1, \Gamma_2`, dimensionless. Default 2.
    amplitude : `~astropy.units.Quantity`
        :math:`\phi_0`, the flux at the break. Default 1e-12 cm-2 s-1 TeV-1.
    ebreak : `~astropy.units.Quantity`
        :math:`E_b`. Default 1 TeV.

    Notes
    -----
    The integral is a closed form, smooth also where the break crosses the edge of a bin.
    """

    tag = "bpl"
    index1 = Parameter("index1", 2.0, role="index")
    index2 = Parameter("index2", 2.0, role="index")
    amplitude = Parameter("amplitude", "1e-12 cm-2 s-1 TeV-1", role="flux")
    ebreak = Parameter("ebreak", "1 TeV", role="energy")

    @staticmethod
    def evaluate(energy: Tensor, index1: Tensor, index2: Tensor, amplitude: Tensor, ebreak: Tensor) -> Tensor:
        """Return the differential flux."""
        ratio = pt.as_tensor_variable(energy / ebreak)
        return amplitude * ratio ** (-pt.switch(ratio < 1, index1, index2))

    @staticmethod
    def evaluate_integral(
        energy_min: Tensor, energy_max: Tensor, index1: Tensor, index2: Tensor, amplitude: Tensor, ebreak: Tensor
    ) -> Tensor:
        """Return the integral flux."""
        # of two that are equal `at_most` and `at_least` take the second: with the break on the edge of a bin one part
        # must gain, as it moves, what the other loses
        below = moment(at_most(ebreak, energy_min), at_most(ebreak, energy_max), 1 - index1, ebreak)
        above = moment(at_least(energy_min, ebreak), at_least(energy_max, ebreak), 1 - index2, ebreak)
        return amplitude * ebreak * (below + above)

    @staticmethod
    def evaluate_energy_flux(
        energy_min: Tensor, energy_max: Tensor, index1: Tensor, index2: Tensor, amplitude: Tensor, ebreak: Tensor
    ) -> Tensor:
        """Return the energy flux."""
        below = moment(at_most(ebreak, energy_min), at_most(ebreak, energy_max), 2 - index1, ebreak)
        above = moment(at_least(energy_min, ebreak), at_least(energy_max, ebreak), 2 - index2, ebreak)
        return amplitude * ebreak**2 * (below + above)

    def breaks(self, values: Values) -> Sequence[Tensor]:
        """Return the break energy; see `SpectralModel.breaks`."""
        return (values[self.ebreak],)


class SmoothBrokenPowerLawSpectralModel(SpectralModel):
    r"""Power law with a smooth break.

    .. math::
        \phi(E) = \phi_0 \left(\frac{E}{E_0}\right)^{-\Gamma_1}
        \left[1 + \left(\frac{E}{E_b}\right)^{(\Gamma_2 - \Gamma_1) / \beta'}\right]^{-\beta'},
        \quad \beta' = \beta \, \mathrm{sign}(\Gamma_2 - \Gamma_1)

    Parameters
    ----------
    index1, index2 : `~astropy.units.Quantity`
        :math:`\Gamma_1, \Gamma_2`, dimensionless. Default 2.
    amplitude : `~astropy.units.Quantity`
        :math:`\phi_0`. Default 1e-12 cm-2 s-1 TeV-1.
    ebreak : `~astropy.units.Quantity`
        :math:`E_b`. Default 1 TeV.
    reference : `~astropy.units.Quantity`
        :math:`E_0`, frozen. Default 1 TeV.
    beta : `~astropy.units.Quantity`
        :math:`\beta`, width of the break, dimensionless and positive, frozen. Default 1.

    Notes
    -----
    By its definition the flux jumps by a factor :math:`2^{2\beta}` where the indices exchange their order; bound them
    away from each other when both are free. Where they are equal, as by default, it is a power law (Gammapy has NaN).
    """

    tag = "sbpl"
    index1 = Parameter("index1", 2.0, role="index")
    index2 = Parameter("index2", 2.0, role="index")
    amplitude = Parameter("amplitude", "1e-12 cm-2 s-1 TeV-1", role="flux")
    ebreak = Parameter("ebreak", "1 TeV", role="energy")
    reference = Parameter("reference", "1 TeV", frozen=True, role="energy")
    beta = Parameter("beta", 1.0, frozen=True, role="shape")

    @staticmethod
    def evaluate(
        energy: Tensor,
        index1: Tensor,
        index2: Tensor,
        amplitude: Tensor,
        ebreak: Tensor,
        reference: Tensor,
        beta: Tensor,
    ) -> Tensor:
        """Return the differential flux."""
        difference = pt.as_tensor_variable(index2 - index1)
        argument = pt.abs(difference) / beta * pt.log(energy / ebreak)
        bend = pt.exp(-beta * pt.sign(difference) * pt.softplus(argument))
        return amplitude * (energy / reference) ** (-index1) * bend
