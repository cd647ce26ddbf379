"""What is not known of an instrument: one kind of systematic error per file."""

from bayesmap.modeling.response.base import ResponseModel
from bayesmap.modeling.response.energy import EnergyScaleResponseModel
from bayesmap.modeling.response.exposure import ExposureScaleResponseModel
from bayesmap.modeling.response.psf import PSFScaleResponseModel

__all__ = [
    "EnergyScaleResponseModel",
    "ExposureScaleResponseModel",
    "PSFScaleResponseModel",
    "ResponseModel",
]
