"""Unknown width of the point spread function."""

from collections.abc import Mapping
from typing import Any

from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.response.base import ResponseModel

__all__ = ["PSFScaleResponseModel"]


class PSFScaleResponseModel(ResponseModel):
    r"""Point spread function that is wider or narrower than simulated, by one factor at all energies.

    .. math::
        P(r | E) \rightarrow \frac{1}{s^2} P\left(\frac{r}{s} \middle| E\right)

    Parameters
    ----------
    scale : float
        True over simulated width.
    """

    tag = "psf-scale"
    scale = Parameter("scale", 1.0, min=0, role="calibration")

    def psf_scale_graph(self, values: Mapping[Parameter, Any]) -> Any:
        """Return the factor of the width; see `ResponseModel.psf_scale_graph`."""
        return values[self.scale]
