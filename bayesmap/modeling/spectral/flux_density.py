"""The flux density of a source in the band of an image."""

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.spectral.base import SpectralModel

__all__ = ["FluxDensitySpectralModel"]


class FluxDensitySpectralModel(SpectralModel):
    r"""Flux density in one band, for images.

    .. math::
        f(E) = f

    The energy has no meaning: an image holds one band. Sources in several bands have a model for each, with
    ``datasets_names``, and may share their spatial model.

    Parameters
    ----------
    flux : `~astropy.units.Quantity`
        :math:`f`. Default 1 nJy.
    """

    tag = "flux-density"
    unit = "nJy"
    in_gammapy = False
    flux_parameter = "flux"
    flux = Parameter("flux", "1 nJy", role="flux")

    @staticmethod
    def evaluate(energy: Tensor, flux: Tensor) -> Tensor:
        """Return the flux density."""
        return flux * pt.ones_like(energy)
