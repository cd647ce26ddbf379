"""Spectral models."""

from bayesmap.modeling.spectral.base import SpectralModel
from bayesmap.modeling.spectral.broken import BrokenPowerLawSpectralModel, SmoothBrokenPowerLawSpectralModel
from bayesmap.modeling.spectral.compound import CompoundSpectralModel, ScaleSpectralModel
from bayesmap.modeling.spectral.constant import ConstantSpectralModel
from bayesmap.modeling.spectral.cutoff import ExpCutoffPowerLawNormSpectralModel, ExpCutoffPowerLawSpectralModel
from bayesmap.modeling.spectral.ebl import EBL_DATA_BUILTIN, EBLAbsorptionNormSpectralModel
from bayesmap.modeling.spectral.fermi import (
    ExpCutoffPowerLaw3FGLSpectralModel,
    SuperExpCutoffPowerLaw3FGLSpectralModel,
    SuperExpCutoffPowerLaw4FGLDR3SpectralModel,
    SuperExpCutoffPowerLaw4FGLSpectralModel,
)
from bayesmap.modeling.spectral.flux_density import FluxDensitySpectralModel
from bayesmap.modeling.spectral.gaussian import GaussianSpectralModel
from bayesmap.modeling.spectral.log_parabola import (
    LogParabola2SpectralModel,
    LogParabolaNormSpectralModel,
    LogParabolaSpectralModel,
)
from bayesmap.modeling.spectral.piecewise import PiecewiseNormSpectralModel, StepNormSpectralModel
from bayesmap.modeling.spectral.power_law import (
    PowerLaw2SpectralModel,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
)
from bayesmap.modeling.spectral.references import (
    LogGaussianSpectralModel,
    MeyerCrabSpectralModel,
    create_cosmic_ray_spectral_model,
    create_crab_spectral_model,
)
from bayesmap.modeling.spectral.template import TemplateSpectralModel
from bayesmap.modeling.spectral.template_nd import TemplateNDSpectralModel
from bayesmap.modeling.spectral.uncertainty import posterior_samples

__all__ = [
    "EBL_DATA_BUILTIN",
    "BrokenPowerLawSpectralModel",
    "CompoundSpectralModel",
    "ConstantSpectralModel",
    "EBLAbsorptionNormSpectralModel",
    "ExpCutoffPowerLaw3FGLSpectralModel",
    "ExpCutoffPowerLawNormSpectralModel",
    "ExpCutoffPowerLawSpectralModel",
    "FluxDensitySpectralModel",
    "GaussianSpectralModel",
    "LogGaussianSpectralModel",
    "LogParabola2SpectralModel",
    "LogParabolaNormSpectralModel",
    "LogParabolaSpectralModel",
    "MeyerCrabSpectralModel",
    "PiecewiseNormSpectralModel",
    "PowerLaw2SpectralModel",
    "PowerLawNormSpectralModel",
    "PowerLawSpectralModel",
    "ScaleSpectralModel",
    "SmoothBrokenPowerLawSpectralModel",
    "SpectralModel",
    "StepNormSpectralModel",
    "SuperExpCutoffPowerLaw3FGLSpectralModel",
    "SuperExpCutoffPowerLaw4FGLDR3SpectralModel",
    "SuperExpCutoffPowerLaw4FGLSpectralModel",
    "TemplateNDSpectralModel",
    "TemplateSpectralModel",
    "create_cosmic_ray_spectral_model",
    "create_crab_spectral_model",
    "posterior_samples",
]
