"""Statistics of counts: fit statistics per bin, and significance, errors and limits of an excess."""

from bayesmap.stats.absent import __getattr__  # noqa: F401
from bayesmap.stats.counts_statistic import CashCountsStatistic, WStatCountsStatistic
from bayesmap.stats.fit_statistics import cash, cstat, get_wstat_gof_terms, get_wstat_mu_bkg, wstat
from bayesmap.stats.limits import flat_prior_upper_limit
from bayesmap.stats.significance import sigma_to_ts, ts_to_sigma
from bayesmap.stats.variability import (
    TimmerKonig_lightcurve_simulator,
    compute_chisq,
    compute_flux_doubling,
    compute_fpp,
    compute_fvar,
    discrete_correlation,
    structure_function,
)

__all__ = [
    "CashCountsStatistic",
    "TimmerKonig_lightcurve_simulator",
    "WStatCountsStatistic",
    "cash",
    "compute_chisq",
    "compute_flux_doubling",
    "compute_fpp",
    "compute_fvar",
    "cstat",
    "discrete_correlation",
    "flat_prior_upper_limit",
    "get_wstat_gof_terms",
    "get_wstat_mu_bkg",
    "sigma_to_ts",
    "structure_function",
    "ts_to_sigma",
    "wstat",
]
