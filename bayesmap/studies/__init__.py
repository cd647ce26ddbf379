"""Studies: an analysis repeated on simulated data, to see whether its results mean what they say."""

from typing import TYPE_CHECKING

from bayesmap._lazy import lazy_names

if TYPE_CHECKING:
    from bayesmap.studies.analysis import Analysis, DatasetAnalysis
    from bayesmap.studies.calibration import coverage, sbc
    from bayesmap.studies.comparison import compare, from_mode, from_posterior
    from bayesmap.studies.detection import power
    from bayesmap.studies.figures import plot_coverage, plot_power, plot_ranks
    from bayesmap.studies.posterior import posterior_sbc
    from bayesmap.studies.report import write_study_report
    from bayesmap.studies.result import load_study, study_tree
    from bayesmap.studies.simulations import simulate
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
    "plot_coverage",
    "plot_power",
    "plot_ranks",
    "posterior_sbc",
    "power",
    "power_table",
    "sbc",
    "sensitivity",
    "simulate",
    "study_text",
    "study_tree",
    "write_study_report",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Analysis": "analysis",
        "DatasetAnalysis": "analysis",
        "binomial_interval": "tables",
        "calibration_table": "tables",
        "compare": "comparison",
        "comparison_table": "tables",
        "coverage": "calibration",
        "coverage_table": "tables",
        "from_mode": "comparison",
        "from_posterior": "comparison",
        "load_study": "result",
        "plot_coverage": "figures",
        "plot_power": "figures",
        "plot_ranks": "figures",
        "posterior_sbc": "posterior",
        "power": "detection",
        "power_table": "tables",
        "sbc": "calibration",
        "sensitivity": "tables",
        "simulate": "simulations",
        "study_text": "tables",
        "study_tree": "result",
        "write_study_report": "report",
    },
)
