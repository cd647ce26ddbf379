"""Studies: an analysis repeated on simulated data, to see whether its results mean what they say."""

from bayesmap.studies.analysis import Analysis, DatasetAnalysis
from bayesmap.studies.calibration import coverage, sbc
from bayesmap.studies.result import load_study, study_tree
from bayesmap.studies.tables import binomial_interval, calibration_table, coverage_table, study_text

__all__ = [
    "Analysis",
    "DatasetAnalysis",
    "binomial_interval",
    "calibration_table",
    "coverage",
    "coverage_table",
    "load_study",
    "sbc",
    "study_text",
    "study_tree",
]
