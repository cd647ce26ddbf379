"""Studies: an analysis repeated on simulated data, to see whether its results mean what they say."""

from bayesmap.studies.analysis import Analysis, DatasetAnalysis
from bayesmap.studies.calibration import coverage, sbc
from bayesmap.studies.compare import compare, from_mode, from_posterior
from bayesmap.studies.posterior import posterior_sbc
from bayesmap.studies.power import power
from bayesmap.studies.result import load_study, study_tree
from bayesmap.studies.simulate import simulate
from bayesmap.studies.tables import (
    binomial_interval,
    calibration_table,
    comparison_table,
    coverage_table,
    power_table,
    sensitivity,
    study_text,
)

__all__ = [
    "Analysis",
    "DatasetAnalysis",
    "binomial_interval",
    "calibration_table",
    "compare",
    "comparison_table",
    "coverage",
    "coverage_table",
    "from_mode",
    "from_posterior",
    "load_study",
    "posterior_sbc",
    "power",
    "power_table",
    "sbc",
    "sensitivity",
    "simulate",
    "study_text",
    "study_tree",
]
