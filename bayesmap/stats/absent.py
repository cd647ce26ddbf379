"""Names of Gammapy's statistics that are not here, and why."""

from bayesmap._util import absent_names

__all__: list[str] = []

_OBJECT = "is the statistic of a FluxPointsDataset as a class: use its stat_array and stat_sum"

__getattr__ = absent_names(
    "bayesmap.stats",
    {
        "Chi2FitStatistic": _OBJECT,
        "Chi2AsymmetricErrorFitStatistic": _OBJECT,
        "GaussianPriorPenalty": "adds a term to the statistic of Fit, which stays out: use a joint prior",
    },
)
