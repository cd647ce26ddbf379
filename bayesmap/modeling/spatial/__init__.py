"""Spatial models."""

from bayesmap.modeling.spatial.base import SpatialModel
from bayesmap.modeling.spatial.constant import ConstantFluxSpatialModel, ConstantSpatialModel
from bayesmap.modeling.spatial.disk import DiskSpatialModel
from bayesmap.modeling.spatial.gaussian import GaussianSpatialModel
from bayesmap.modeling.spatial.generalized_gaussian import GeneralizedGaussianSpatialModel
from bayesmap.modeling.spatial.piecewise import PiecewiseNormSpatialModel
from bayesmap.modeling.spatial.point import PointSpatialModel
from bayesmap.modeling.spatial.sersic import (
    DeVaucouleursSpatialModel,
    ExponentialSpatialModel,
    SersicSpatialModel,
)
from bayesmap.modeling.spatial.shell import Shell2SpatialModel, ShellSpatialModel
from bayesmap.modeling.spatial.template import TemplateSpatialModel
from bayesmap.modeling.spatial.template_nd import TemplateNDSpatialModel

__all__ = [
    "ConstantFluxSpatialModel",
    "ConstantSpatialModel",
    "DeVaucouleursSpatialModel",
    "DiskSpatialModel",
    "ExponentialSpatialModel",
    "GaussianSpatialModel",
    "GeneralizedGaussianSpatialModel",
    "PiecewiseNormSpatialModel",
    "PointSpatialModel",
    "SersicSpatialModel",
    "Shell2SpatialModel",
    "ShellSpatialModel",
    "SpatialModel",
    "TemplateNDSpatialModel",
    "TemplateSpatialModel",
]
