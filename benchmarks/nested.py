"""The evidence of a model by all methods, with nautilus and dynesty on the unit cube of its prior.

    python benchmarks/nested.py [--data PATH] [--models A,B] [--methods bridge,smc,nautilus,dynesty] [--json out.json]

The models are those of ``cases.py`` with simulated counts. nautilus-sampler and dynesty are installed beside bayesmap;
``tests/test_beside_nested.py`` makes such an environment. Both get `CompiledFit.loglike` and the identity as their
prior transform; points of their posterior become parameters by `CompiledFit.prior_transform`, whose means are compared
with those of the draws of NUTS.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clock import Clock, one_thread

one_thread()

import numpy as np  # noqa: E402 - after the number of threads is set
from own import open_dataset, simulate  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
SEED = 1
#: of nautilus: effective posterior points, whose number decides the error; of dynesty: live points
N_EFF, N_LIVE = 10000, 500


def bridge(fit: Any, tree: Any) -> dict[str, Any]:
    """From 4000 draws of NUTS."""
    from bayesmap.inference import evidence

    found = evidence(tree, fit, random_state=SEED)
    return {"log_z": found.log_z, "error": found.error, "laplace": found.laplace}


def smc(fit: Any, tree: Any) -> dict[str, Any]:
    """Sequential Monte Carlo of PyMC."""
    from bayesmap.inference import evidence

    found = evidence(fit, method="smc", random_state=SEED)
    return {"log_z": found.log_z, "error": found.error}


def nautilus(fit: Any, tree: Any) -> dict[str, Any]:
    """Importance nested sampling; points of the exploration, which bias the evidence a little, are dropped."""
    from nautilus import Sampler

    size = len(fit.cube_labels)
    sampler = Sampler(lambda u: u, fit.loglike, n_dim=size, n_live=1000, n_networks=1, vectorized=True, seed=SEED)
    if not sampler.run(n_eff=N_EFF, discard_exploration=True):
        raise RuntimeError("nautilus did not end")
    points, log_weights, _ = sampler.posterior()
    weights = np.exp(log_weights - log_weights.max())
    return {
        "log_z": float(sampler.log_z),
        "error": float(1 / np.sqrt(sampler.n_eff)),
        "calls": int(sampler.n_like),
        "distance": distance(fit, tree, points, weights),
    }


def dynesty(fit: Any, tree: Any) -> dict[str, Any]:
    """Nested sampling, uniform in ellipsoids."""
    from dynesty import NestedSampler

    sampler = NestedSampler(
        fit.loglike, lambda u: u, len(fit.cube_labels), nlive=N_LIVE, sample="unif", rstate=np.random.default_rng(SEED)
    )
    sampler.run_nested(print_progress=False)
    found = sampler.results
    return {
        "log_z": float(found.logz[-1]),
        "error": float(found.logzerr[-1]),
        "calls": int(np.sum(found.ncall)),
        "distance": distance(fit, tree, found.samples, found.importance_weights()),
    }


def distance(fit: Any, tree: Any, points: np.ndarray, weights: np.ndarray) -> float:
    """Largest distance of the posterior means of points of the cube from those of draws, in standard deviations."""
    found, posterior = fit.prior_transform(points), tree["posterior"]
    far = [
        abs(np.average(found[name], weights=weights) - float(draws.mean())) / float(draws.std())
        for name, draws in posterior.data_vars.items()
    ]
    return float(max(far))


METHODS: dict[str, Callable[[Any, Any], dict[str, Any]]] = {
    "bridge": bridge,
    "smc": smc,
    "nautilus": nautilus,
    "dynesty": dynesty,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = ROOT.parent / "shared" / "data" / "cta-1dc-gc" / "cta-1dc-gc.fits.gz"
    parser.add_argument("--data", type=Path, default=default, help="the dataset (default: %(default)s)")
    parser.add_argument("--models", default="A,B", help="some of A, B, C (default: %(default)s)")
    parser.add_argument("--methods", default=",".join(METHODS), help="which (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    options = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    for letter in options.models.split(","):
        from bayesmap.inference import compile_fit

        fit = compile_fit(open_dataset(options.data, letter, simulate(options.data, [letter])[letter]))
        tree = fit.sample(1000, chains=4, cores=1, random_state=SEED, progress_bar=False)
        results[letter] = {}
        for name in options.methods.split(","):
            clock = Clock()
            found = METHODS[name](fit, tree)
            found["cpu_seconds"] = clock.lap()["cpu"]
            results[letter][name] = found
            numbers = ", ".join(f"{key} {value:.6g}" for key, value in found.items() if key not in ("log_z", "error"))
            sys.stdout.write(f"{letter} {name:9s} {found['log_z']:.3f} +- {found['error']:.4f} ({numbers})\n")
            sys.stdout.flush()
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
