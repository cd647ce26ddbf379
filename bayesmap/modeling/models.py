"""All models and their collection: the place where Gammapy users look for them."""

from bayesmap.modeling.background import BackgroundModel, FoVBackgroundModel, TemplateNPredModel
from bayesmap.modeling.collection import Models
from bayesmap.modeling.model import ModelBase
from bayesmap.modeling.prior import Prior
from bayesmap.modeling.sky import SkyModel
from bayesmap.modeling.spatial import *  # noqa: F403
from bayesmap.modeling.spatial import __all__ as _spatial
from bayesmap.modeling.spectral import *  # noqa: F403
from bayesmap.modeling.spectral import __all__ as _spectral
from bayesmap.modeling.temporal import *  # noqa: F403
from bayesmap.modeling.temporal import __all__ as _temporal

__all__ = [
    "BackgroundModel",
    "FoVBackgroundModel",
    "ModelBase",
    "Models",
    "Prior",
    "SkyModel",
    "TemplateNPredModel",
    *_spatial,
    *_spectral,
    *_temporal,
]
