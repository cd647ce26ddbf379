"""Unknown width of the point spread function."""

from collections.abc import Mapping

import numpy as np

from bayesmap._types import Tensor
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.response.base import ResponseModel

__all__ = ["PSFScaleResponseModel"]

#: between the logarithms of neighbouring widths: linear interpolation is then off by 1e-3 of the peak at most
STEP = 0.06
#: quantiles of the prior between which there are tables
TAILS = (0.001, 0.999)
#: smallest width for which there is one
LOWEST = 0.1


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

    def psf_widths(self) -> np.ndarray:
        """Return widths over the range of the scale: the central 99.8 % of its prior, or its value where it is frozen.

        Returns
        -------
        numpy.ndarray
            In units of the nominal width, shape ``(n_width,)``, ascending, at least two.
        """
        low = high = self.scale.value
        if not self.scale.frozen and self.scale.prior is not None:
            bounds = self.scale.bounds
            low, high = (float(self.scale.prior.quantile(q, "", lower=bounds[0], upper=bounds[1])) for q in TAILS)
        low = max(low, LOWEST)
        high = max(high, low * (1 + 1e-3))
        return np.geomspace(low, high, int(np.ceil(np.log(high / low) / STEP)) + 1)

    def psf_width_graph(self, values: Mapping[Parameter, Tensor]) -> Tensor:
        """Return the scale; see `ResponseModel.psf_width_graph`."""
        return values[self.scale]
