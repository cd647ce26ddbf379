"""All models and their collection: the place where Gammapy users look for them."""

from bayesmap.modeling.absent_models import __getattr__  # noqa: F401
from bayesmap.modeling.background import BackgroundModel, FoVBackgroundModel, TemplateNPredModel
from bayesmap.modeling.collection import Models
from bayesmap.modeling.files.fermi_diffuse import create_fermi_isotropic_diffuse_model
from bayesmap.modeling.files.gammapy_priors import (
    GaussianPrior,
    GeneralizedGaussianPrior,
    LogUniformPrior,
    UniformPrior,
)
from bayesmap.modeling.instrument import IRFModel
from bayesmap.modeling.model import ModelBase
from bayesmap.modeling.priors.base import Prior
from bayesmap.modeling.response import *  # noqa: F403
from bayesmap.modeling.response import __all__ as _response
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
    "GaussianPrior",
    "GeneralizedGaussianPrior",
    "IRFModel",
    "LogUniformPrior",
    "ModelBase",
    "Models",
    "Prior",
    "SkyModel",
    "TemplateNPredModel",
    "UniformPrior",
    "create_fermi_isotropic_diffuse_model",
    *_response,
    *_spatial,
    *_spectral,
    *_temporal,
]
