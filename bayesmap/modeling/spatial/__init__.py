"""Spatial models."""

from bayesmap.modeling.spatial.base import SpatialModel
from bayesmap.modeling.spatial.constant import ConstantSpatialModel
from bayesmap.modeling.spatial.disk import DiskSpatialModel
from bayesmap.modeling.spatial.gaussian import GaussianSpatialModel
from bayesmap.modeling.spatial.point import PointSpatialModel
from bayesmap.modeling.spatial.template import TemplateSpatialModel

__all__ = [
    "ConstantSpatialModel",
    "DiskSpatialModel",
    "GaussianSpatialModel",
    "PointSpatialModel",
    "SpatialModel",
    "TemplateSpatialModel",
]
