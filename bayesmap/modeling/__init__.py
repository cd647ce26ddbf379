"""Models: parameters, priors, spectra, shapes, collections, files."""

from bayesmap.modeling.absent import __getattr__  # noqa: F401
from bayesmap.modeling.array_parameter import ArrayParameter
from bayesmap.modeling.background import BackgroundModel, FoVBackgroundModel, TemplateNPredModel
from bayesmap.modeling.collection import Models, parameter_names
from bayesmap.modeling.covariance import Covariance
from bayesmap.modeling.instrument import IRFModel
from bayesmap.modeling.model import ModelBase, get_model_class, model_classes
from bayesmap.modeling.parameter import Parameter, Parameters
from bayesmap.modeling.priors.base import Prior
from bayesmap.modeling.priors.correlated import MultivariateNormalPrior
from bayesmap.modeling.priors.hyper import HyperParameter
from bayesmap.modeling.priors.process import ProcessPrior
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
    "ArrayParameter",
    "BackgroundModel",
    "Covariance",
    "FoVBackgroundModel",
    "HyperParameter",
    "IRFModel",
    "ModelBase",
    "Models",
    "MultivariateNormalPrior",
    "Parameter",
    "Parameters",
    "Prior",
    "ProcessPrior",
    "SkyModel",
    "TemplateNPredModel",
    "get_model_class",
    "model_classes",
    "parameter_names",
    *_response,
    *_spatial,
    *_spectral,
    *_temporal,
]
