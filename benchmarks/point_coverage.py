"""How often intervals and limits of flux points hold the true flux, beside those of the profile likelihood.

    python -m benchmarks.point_coverage

Bands without energy dispersion are independent, and the marginal posterior of the signal s in one band is known. With
n counts of which n - j are background with probability w(n - j) it is a mixture of gamma distributions,

    p(s | n) = sum over j from 0 to n of w(n - j) s^j exp(-s) / j!  /  sum over j of w(n - j)

with w the Poisson distribution of a known background, or the negative binomial one of a background that was measured in
OFF regions (`OnOffLikelihood`, Jeffreys' prior). A central interval holds the truth where the probability below it lies
between those of the ends, so that no quantile needs to be found. In the same way an interval of the profile likelihood
holds the truth where the Cash or W statistic there is not further above its minimum than allowed, as ``compute_errn``,
``compute_errp`` and ``compute_upper_limit`` of `bayesmap.stats` and Gammapy's ``FluxPointsEstimator`` have them.
`tests/products/test_point_coverage.py` compares both with the programs.
"""

import numpy as np
import scipy

from bayesmap.stats import CashCountsStatistic, WStatCountsStatistic

__all__ = [
    "A0",
    "ALPHA",
    "BACKGROUND",
    "LIMIT",
    "SOURCES",
    "coverage_table",
    "exact_limit_coverage",
    "posterior_below",
    "prior_table",
    "profile_holds",
]

#: expected counts of a source and of the background in five bands; in the last one there is no flux
SOURCES = {
    "faint": (4.0, 1.5, 0.6, 0.2, 0.0),
    "medium": (20.0, 8.0, 3.0, 1.0, 0.0),
    "bright": (120.0, 50.0, 20.0, 8.0, 0.0),
}
BACKGROUND = (8.0, 4.0, 2.0, 1.0, 0.5)
ALPHA = 0.2
A0 = 0.5  # Jeffreys' prior of the OFF background
ONE, TWO, LIMIT = 1.0, scipy.stats.norm.ppf(0.975), scipy.stats.norm.ppf(0.95)
LARGEST = 30.0  # where a prior that truths are drawn from ends


def posterior_below(signal, n_on, background=None, n_off=None, alpha=ALPHA, largest=np.inf):
    """Probability that the signal is below a value, under a prior flat from zero to ``largest``.

    Parameters
    ----------
    signal : array-like
        The value, counts.
    n_on : array-like
        Counts.
    background : array-like, optional
        Known background counts.
    n_off : array-like, optional
        OFF counts, if the background is not known.
    alpha : float
        Acceptance of ON divided by that of OFF.
    largest : float
        Where the prior ends.
    """
    n = np.asarray(n_on, dtype=float)[..., None]
    j = np.arange(n.max() + 1)
    with np.errstate(invalid="ignore"):
        if n_off is None:
            weight = scipy.stats.poisson.pmf(n - j, np.asarray(background, dtype=float)[..., None])
        else:
            shape = np.asarray(n_off, dtype=float)[..., None] + A0
            weight = scipy.stats.nbinom.pmf(n - j, shape, 1 / (1 + alpha))
    below = (weight * scipy.special.gammainc(j + 1, np.asarray(signal, dtype=float)[..., None])).sum(axis=-1)
    return below / (weight * scipy.special.gammainc(j + 1, largest)).sum(axis=-1)


def profile_holds(signal, n_on, background=None, n_off=None, alpha=ALPHA):
    """Whether the intervals of one and of 1.96 standard deviations hold a signal, and whether the limit is above it."""
    known = n_off is None
    statistic = CashCountsStatistic(n_on, background) if known else WStatCountsStatistic(n_on, n_off, alpha)
    at = CashCountsStatistic(n_on, background + signal) if known else WStatCountsStatistic(n_on, n_off, alpha, signal)
    rise = at.stat_null - statistic.stat_max
    return rise <= ONE**2, rise <= TWO**2, (signal <= statistic.n_sig) | (rise <= LIMIT**2)


def shares(signal, n_on, largest=np.inf, **background):
    """Shares of fakes whose intervals and limits hold the signal, of the posterior and of the profile."""
    below = posterior_below(signal, n_on, largest=largest, **background)
    ours = [np.abs(below - 0.5) < (0.5 - scipy.stats.norm.sf(k)) for k in (ONE, TWO)] + [below <= 0.95]
    held = {"flat prior": ours, "profile": profile_holds(signal, n_on, **background)}
    return {
        f"{name} {who}": float(one.mean())
        for who, three in held.items()
        for name, one in zip(("68 %", "95 %", "limit"), three, strict=True)
    }


def measured(background, known, rng, size):
    """Background as it is known: the expected counts, or OFF counts."""
    expected = np.broadcast_to(background, size)
    return {"background": expected} if known else {"n_off": rng.poisson(expected / ALPHA)}


def coverage_table(fakes=1000, random_state=1):
    """A row for each kind of background, source and band."""
    rng, rows = np.random.default_rng(random_state), []
    for known in (True, False):
        for source, signals in SOURCES.items():
            for signal, background in zip(signals, BACKGROUND, strict=True):
                n_on = rng.poisson(signal + background, fakes)
                held = shares(np.full(fakes, signal), n_on, **measured(background, known, rng, fakes))
                start = {"background": "known" if known else "OFF", "source": source}
                rows.append(start | {"signal": signal, "level": background} | held)
    return rows


def prior_table(fakes=100_000, random_state=1):
    """A row for each background: signals are drawn from the prior, flat from zero to `LARGEST`."""
    rng, rows = np.random.default_rng(random_state), []
    for known in (True, False):
        for background in BACKGROUND:
            signal = rng.uniform(0, LARGEST, fakes)
            n_on = rng.poisson(signal + background)
            held = shares(signal, n_on, LARGEST, **measured(background, known, rng, fakes))
            rows.append({"background": "known" if known else "OFF", "level": background} | held)
    return rows


def exact_limit_coverage(signals, background, alpha=ALPHA, most_on=110, most_off=160):
    """Coverage of limits at 95 % over a measured background, summed over all ON and OFF counts, for each signal."""
    n_on, n_off = np.arange(most_on), np.arange(most_off)
    signal_counts, rest = np.arange(most_on), n_on[:, None, None] - np.arange(most_on)
    weight = scipy.stats.nbinom.pmf(rest, n_off[:, None] + A0, 1 / (1 + alpha))
    weight /= weight.sum(axis=-1, keepdims=True)
    of_off = scipy.stats.poisson.pmf(n_off, background / alpha)
    coverage = []
    for signal in signals:
        holds = weight @ scipy.special.gammainc(signal_counts + 1, signal) <= 0.95
        coverage.append(scipy.stats.poisson.pmf(n_on, signal + background) @ holds @ of_off)
    return np.array(coverage)


def exact_table():
    """The least coverage of limits for signals up to 50 counts, a row for each ratio of acceptances and background."""
    signals, rows = np.concatenate([np.linspace(0.1, 10, 60), np.linspace(10.5, 50, 80)]), []
    for alpha in (1.0, 0.2, 0.05):
        for background in (0.05, 0.2, 0.5, 1.0, 2.0, 4.0):
            coverage = exact_limit_coverage(signals, background, alpha)
            least = int(coverage.argmin())
            row = {"ratio": alpha, "background": background, "OFF counts": background / alpha}
            rows.append(row | {"least": f"{coverage[least]:.4f}", "at a signal of": float(signals[least])})
    return rows


def show(rows):
    """Print a table."""
    print("| " + " | ".join(rows[0]) + " |")
    print("| " + " | ".join("---" for _ in rows[0]) + " |")
    for row in rows:
        print("| " + " | ".join(f"{x:.3g}" if isinstance(x, float) else x for x in row.values()) + " |")
    print()


if __name__ == "__main__":
    show(coverage_table())
    show(prior_table())
    show(exact_table())
