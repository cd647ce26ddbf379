"""Inference: from datasets to modes and posteriors."""

from bayesmap.inference.compile import to_pymc
from bayesmap.inference.default_priors import assign_default_priors, default_priors
from bayesmap.inference.fit import CompiledFit, compile_fit, find_mode, sample
from bayesmap.inference.result import ModeResult

__all__ = [
    "CompiledFit",
    "ModeResult",
    "assign_default_priors",
    "compile_fit",
    "default_priors",
    "find_mode",
    "sample",
    "to_pymc",
]
