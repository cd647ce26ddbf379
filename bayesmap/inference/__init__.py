"""Inference: from datasets to modes, posteriors and predictions."""

from bayesmap.inference.check import ConvergenceReport, convergence_report
from bayesmap.inference.compile import to_pymc
from bayesmap.inference.default_priors import assign_default_priors, default_priors
from bayesmap.inference.evidences import BayesFactor, Evidence, bayes_factor, evidence
from bayesmap.inference.fit import CompiledFit, compile_fit, find_mode, sample
from bayesmap.inference.leave_out import group_bins, left_out_density, reloo
from bayesmap.inference.matching import moment_match
from bayesmap.inference.merge import merge_draws
from bayesmap.inference.nested_models import savage_dickey, ts
from bayesmap.inference.predict import posterior_npred, posterior_predictive
from bayesmap.inference.predicted import predictive
from bayesmap.inference.prior_draws import sample_prior
from bayesmap.inference.result import ModeResult
from bayesmap.inference.streaming import Draw, Reducer, stream

__all__ = [
    "BayesFactor",
    "CompiledFit",
    "ConvergenceReport",
    "Draw",
    "Evidence",
    "ModeResult",
    "Reducer",
    "assign_default_priors",
    "bayes_factor",
    "compile_fit",
    "convergence_report",
    "default_priors",
    "evidence",
    "find_mode",
    "group_bins",
    "left_out_density",
    "merge_draws",
    "moment_match",
    "posterior_npred",
    "posterior_predictive",
    "predictive",
    "reloo",
    "sample",
    "sample_prior",
    "savage_dickey",
    "stream",
    "to_pymc",
    "ts",
]
