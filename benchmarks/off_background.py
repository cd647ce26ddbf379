"""Bias and coverage of a source's amplitude for several priors on the OFF background, from simulated ON/OFF spectra.

Run ``python benchmarks/off_background.py``. Each simulated spectrum has ``--bins`` bins with the same expected OFF
counts and the same expected signal; the amplitude has a flat prior and is the only parameter. Printed are the mean of
the posterior mean and of the mode minus the truth, in units of the posterior standard deviation, and how often the
central 68 % and 95 % intervals hold the truth.
"""

import argparse

import numpy as np

from bayesmap.likelihoods import OnOffLikelihood

#: expected counts per bin in OFF, expected signal per bin, ratio of acceptances
SCENARIOS = [(0.3, 0.5, 0.2), (0.3, 0.5, 1.0), (1.0, 0.5, 0.2), (1.0, 0.5, 1.0), (5.0, 1.0, 0.2), (50.0, 3.0, 0.2)]
A0 = (1.0, 0.5, 0.1, 0.01)
GRID = np.linspace(0.005, 4, 400)


def log_posterior(likelihood, on, off, alpha, signal):
    """Log-likelihood of all spectra on the grid of amplitudes: shape ``(n_spectrum, n_grid)``."""
    total = np.zeros((len(on), len(GRID)))
    for j in range(on.shape[1]):
        shape = (len(on), len(GRID))
        n, m = (np.broadcast_to(x[:, j : j + 1], shape) for x in (on, off))
        total += likelihood.pointwise(n, np.broadcast_to(GRID * signal, shape), m, np.full(shape, alpha))
    return total


def summary(log_density):
    """Bias of mean and mode in standard deviations, and coverage of the central 68 % and 95 % intervals."""
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    density /= density.sum(axis=1, keepdims=True)
    mean = density @ GRID
    sd = np.sqrt(density @ GRID**2 - mean**2)
    mode = GRID[density.argmax(axis=1)]
    below = density[:, GRID <= 1].sum(axis=1)
    inside = [np.mean(np.abs(below - 0.5) < p / 2) for p in (0.683, 0.954)]
    return ((mean - 1) / sd).mean(), ((mode - 1) / sd).mean(), *inside


def main():
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spectra", type=int, default=1000, help="simulated spectra per scenario")
    parser.add_argument("--bins", type=int, default=40, help="bins per spectrum")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    print(f"{'OFF':>5} {'signal':>6} {'alpha':>5}  {'background':<10} {'mean':>6} {'mode':>6} {'68 %':>6} {'95 %':>6}")
    for expected_off, signal, alpha in SCENARIOS:
        shape = (options.spectra, options.bins)
        on = rng.poisson(signal + alpha * expected_off, shape).astype(float)
        off = rng.poisson(expected_off, shape).astype(float)
        for likelihood in [*(OnOffLikelihood(a0=a0) for a0 in A0), OnOffLikelihood("profile")]:
            numbers = summary(log_posterior(likelihood, on, off, alpha, signal))
            name = "profile" if likelihood.background == "profile" else f"a0 = {likelihood.a0:g}"
            text = " ".join(f"{x:6.2f}" for x in numbers)
            print(f"{expected_off:5g} {signal:6g} {alpha:5g}  {name:<10} {text}")


if __name__ == "__main__":
    main()
