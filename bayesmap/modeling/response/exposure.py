"""Unknown exposure."""

from collections.abc import Mapping

from bayesmap._types import Tensor
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.response.base import ResponseModel

__all__ = ["ExposureScaleResponseModel"]


class ExposureScaleResponseModel(ResponseModel):
    r"""Exposure that is wrong by a factor, the same everywhere, which may change with energy.

    .. math::
        A(E) \rightarrow A(E) \cdot s \left(\frac{E}{E_0}\right)^t

    One factor for all sources of a dataset cannot be told from their fluxes: it needs a prior, or a source or another
    dataset that is known.

    Parameters
    ----------
    scale : float
        Factor of the exposure at the reference energy.
    tilt : float
        Exponent of energy; frozen by default.
    reference : `~astropy.units.Quantity`
        Reference energy; frozen.
    """

    tag = "exposure-scale"
    scale = Parameter("scale", 1.0, min=0, role="calibration")
    tilt = Parameter("tilt", 0.0, frozen=True, role="index")
    reference = Parameter("reference", "1 TeV", frozen=True)

    def flux_graph(self, flux: Tensor, energy_true: Tensor, values: Mapping[Parameter, Tensor]) -> Tensor:
        """Return the flux times the factor of the exposure; see `ResponseModel.flux_graph`."""
        return flux * values[self.scale] * (energy_true / values[self.reference]) ** values[self.tilt]
