"""Statistics of counts: fit statistics per bin, and significance, errors and limits of an excess."""

from bayesmap.stats.counts_statistic import CashCountsStatistic, WStatCountsStatistic
from bayesmap.stats.fit_statistics import cash, cstat, get_wstat_gof_terms, get_wstat_mu_bkg, wstat
from bayesmap.stats.significance import sigma_to_ts, ts_to_sigma

__all__ = [
    "CashCountsStatistic",
    "WStatCountsStatistic",
    "cash",
    "cstat",
    "get_wstat_gof_terms",
    "get_wstat_mu_bkg",
    "sigma_to_ts",
    "ts_to_sigma",
    "wstat",
]
