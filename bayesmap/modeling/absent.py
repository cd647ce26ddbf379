"""Names of Gammapy's modelling that are not here, and why."""

from bayesmap._util import absent_names

__all__: list[str] = []

_FIT = "belongs to maximum-likelihood fits, which stay out: use bayesmap.sample, or bayesmap.find_mode"

__getattr__ = absent_names(
    "bayesmap.modeling",
    {
        "CovarianceResult": _FIT,
        "Fit": _FIT,
        "FitResult": _FIT,
        "OptimizeResult": _FIT,
        "stat_profile_ul_scipy": _FIT,
        "select_nested_models": "compares fits, which stay out: compare posteriors with az.loo",
        "PriorParameter": "is an argument of a prior: use Prior",
        "PriorParameters": "are the arguments of a prior: use Prior",
        "Sampler": "samples with other programs: use bayesmap.sample",
        "SamplerResult": "samples with other programs: bayesmap.sample returns an xarray.DataTree",
    },
)
