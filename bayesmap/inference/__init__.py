"""Inference: from datasets to modes, posteriors and predictions."""

from bayesmap.inference.check import ConvergenceReport, convergence_report
from bayesmap.inference.compile import to_pymc
from bayesmap.inference.default_priors import assign_default_priors, default_priors
from bayesmap.inference.fit import CompiledFit, compile_fit, find_mode, sample
from bayesmap.inference.predict import posterior_npred, posterior_predictive
from bayesmap.inference.predicted import predictive
from bayesmap.inference.prior_draws import sample_prior
from bayesmap.inference.result import ModeResult
from bayesmap.inference.streaming import Draw, Reducer, stream

__all__ = [
    "CompiledFit",
    "ConvergenceReport",
    "Draw",
    "ModeResult",
    "Reducer",
    "assign_default_priors",
    "compile_fit",
    "convergence_report",
    "default_priors",
    "find_mode",
    "posterior_npred",
    "posterior_predictive",
    "predictive",
    "sample",
    "sample_prior",
    "stream",
    "to_pymc",
]
