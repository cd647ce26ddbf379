"""Temporal models."""

from bayesmap.modeling.temporal.base import TemporalModel
from bayesmap.modeling.temporal.constant import ConstantTemporalModel, LinearTemporalModel
from bayesmap.modeling.temporal.decay import ExpDecayTemporalModel, PowerLawTemporalModel
from bayesmap.modeling.temporal.gaussian import GaussianTemporalModel, GeneralizedGaussianTemporalModel
from bayesmap.modeling.temporal.light_curve import LightCurveTemplateTemporalModel
from bayesmap.modeling.temporal.phase_curve import TemplatePhaseCurveTemporalModel
from bayesmap.modeling.temporal.sine import SineTemporalModel

__all__ = [
    "ConstantTemporalModel",
    "ExpDecayTemporalModel",
    "GaussianTemporalModel",
    "GeneralizedGaussianTemporalModel",
    "LightCurveTemplateTemporalModel",
    "LinearTemporalModel",
    "PowerLawTemporalModel",
    "SineTemporalModel",
    "TemplatePhaseCurveTemporalModel",
    "TemporalModel",
]
