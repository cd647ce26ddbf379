"""How often upper limits of a counting experiment hold the true signal, beside profile limits.

    python -m benchmarks.limits

Counts are drawn over a known background; limits at 95 % are those of a flat prior from zero on, and where the Cash
statistic has risen by 1.645 squared, as Gammapy's ``CashCountsStatistic.compute_upper_limit`` has them.
"""

import numpy as np
import scipy

from bayesmap.stats import CashCountsStatistic, flat_prior_upper_limit

__all__ = ["TRUTHS", "coverage_table"]

TRUTHS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
BACKGROUNDS = (0.5, 3.0, 10.0)
LEVEL = 0.95


def coverage_table(fakes=1000, random_state=1):
    """Shares of fakes whose limits are not below the true signal, and of those below zero; a row for each truth."""
    rng, rows = np.random.default_rng(random_state), []
    for background in BACKGROUNDS:
        for signal in TRUTHS:
            counts = rng.poisson(signal + background, fakes)
            ours = flat_prior_upper_limit(counts, background, LEVEL)
            statistic = CashCountsStatistic(counts, np.full(fakes, background))
            profile = statistic.compute_upper_limit(scipy.stats.norm.ppf(LEVEL))
            rows.append(
                {
                    "background": background,
                    "signal": signal,
                    "flat prior": float((ours >= signal).mean()),
                    "profile": float((profile >= signal).mean()),
                    "profile below zero": float((profile < 0).mean()),
                }
            )
    return rows


if __name__ == "__main__":
    table = coverage_table()
    print("| " + " | ".join(table[0]) + " |")
    print("| " + " | ".join("---" for _ in table[0]) + " |")
    for row in table:
        print("| " + " | ".join(f"{value:.3g}" for value in row.values()) + " |")
