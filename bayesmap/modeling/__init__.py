"""Models: parameters, priors, spectra, shapes, collections, files."""

from bayesmap.modeling.background import BackgroundModel, FoVBackgroundModel, TemplateNPredModel
from bayesmap.modeling.collection import Models, parameter_names
from bayesmap.modeling.model import ModelBase, get_model_class, model_classes
from bayesmap.modeling.parameter import Parameter, Parameters
from bayesmap.modeling.prior import Prior
from bayesmap.modeling.sky import SkyModel
from bayesmap.modeling.spatial import (
    ConstantSpatialModel,
    DiskSpatialModel,
    GaussianSpatialModel,
    PointSpatialModel,
    SpatialModel,
    TemplateSpatialModel,
)
from bayesmap.modeling.spectral import (
    ConstantSpectralModel,
    ExpCutoffPowerLawNormSpectralModel,
    ExpCutoffPowerLawSpectralModel,
    LogParabolaNormSpectralModel,
    LogParabolaSpectralModel,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
    SpectralModel,
)

__all__ = [
    "BackgroundModel",
    "ConstantSpatialModel",
    "ConstantSpectralModel",
    "DiskSpatialModel",
    "ExpCutoffPowerLawNormSpectralModel",
    "ExpCutoffPowerLawSpectralModel",
    "FoVBackgroundModel",
    "GaussianSpatialModel",
    "LogParabolaNormSpectralModel",
    "LogParabolaSpectralModel",
    "ModelBase",
    "Models",
    "Parameter",
    "Parameters",
    "PointSpatialModel",
    "PowerLawNormSpectralModel",
    "PowerLawSpectralModel",
    "Prior",
    "SkyModel",
    "SpatialModel",
    "SpectralModel",
    "TemplateNPredModel",
    "TemplateSpatialModel",
    "get_model_class",
    "model_classes",
    "parameter_names",
]
