"""Unknown energy scale."""

from collections.abc import Mapping

from bayesmap._types import Tensor
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.response.base import ResponseModel

__all__ = ["EnergyScaleResponseModel"]


class EnergyScaleResponseModel(ResponseModel):
    r"""Energies that are measured too high or too low by a factor.

    What the response functions take for the energy :math:`E'` is the energy :math:`E' / s`. With the exposure
    :math:`A` and the energy dispersion :math:`R`

    .. math::
        N(E_r) = \int f(E) \, A(sE) \, R(E_r | sE) \, dE = \int \frac{1}{s} f(E' / s) \, A(E') \, R(E_r | E') \, dE',

    so that the whole response moves and only spectra are integrated between other energies: exact for every spectrum.
    Of a power law alone the scale is degenerate with the amplitude, which it multiplies by :math:`s^{\Gamma - 1}`.

    Parameters
    ----------
    scale : float
        Measured over true energy; 1.15 where energies are measured 15 % too high. Scales of Cherenkov telescopes are
        known to about 15 % (Aleksic et al. 2016, Astropart. Phys. 72, 76), of the Fermi LAT to 2 to 5 % (Ackermann et
        al. 2012, Astropart. Phys. 35, 346).
    """

    tag = "energy-scale"
    scale = Parameter("scale", 1.0, min=0, role="calibration")

    def edges_graph(self, edges: Tensor, values: Mapping[Parameter, Tensor]) -> Tensor:
        """Return the edges divided by the scale; see `ResponseModel.edges_graph`."""
        return edges / values[self.scale]
