"""Spectral models."""

from bayesmap.modeling.spectral.base import SpectralModel
from bayesmap.modeling.spectral.constant import ConstantSpectralModel
from bayesmap.modeling.spectral.cutoff import ExpCutoffPowerLawNormSpectralModel, ExpCutoffPowerLawSpectralModel
from bayesmap.modeling.spectral.log_parabola import LogParabolaNormSpectralModel, LogParabolaSpectralModel
from bayesmap.modeling.spectral.power_law import PowerLawNormSpectralModel, PowerLawSpectralModel

__all__ = [
    "ConstantSpectralModel",
    "ExpCutoffPowerLawNormSpectralModel",
    "ExpCutoffPowerLawSpectralModel",
    "LogParabolaNormSpectralModel",
    "LogParabolaSpectralModel",
    "PowerLawNormSpectralModel",
    "PowerLawSpectralModel",
    "SpectralModel",
]
