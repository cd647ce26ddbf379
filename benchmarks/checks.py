"""What checks of a posterior cost on the CTA dataset of the Galactic centre, beside bare predictions.

    python benchmarks/checks.py [--data PATH] [--models A] [--draws 1000]

No sampling: the draws are those of the Gaussian around the mode of simulated counts. Printed are CPU seconds, and the
peak memory so far, of predictions alone, a pass with data drawn and log-likelihoods of groups, and all checks.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from clock import Clock, one_thread, peak_memory

one_thread()

import numpy as np  # noqa: E402 - after the number of threads is set
import xarray as xr  # noqa: E402
from own import open_dataset, simulate  # noqa: E402

from bayesmap.checks import check  # noqa: E402
from bayesmap.inference import find_mode, predictive, stream  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]


def gaussian_tree(mode: Any, draws: int) -> xr.DataTree:
    """Draws of the Gaussian around a mode, in two chains."""
    errors = np.sqrt(np.diag(mode.covariance))  # factors of the covariance itself would be lost in rounding
    factor = np.linalg.cholesky(mode.covariance / np.outer(errors, errors))
    normal = np.random.default_rng(1).normal(size=(draws, len(errors)))
    values = np.array(list(mode.values.values())) + normal @ factor.T * errors
    columns = values.T.reshape(len(mode.values), 2, -1)
    variables = {
        name: (("chain", "draw"), column, {"units": mode.units[name]})
        for name, column in zip(mode.values, columns, strict=True)
    }
    coordinates = {"chain": [0, 1], "draw": np.arange(draws // 2)}
    return xr.DataTree.from_dict({"posterior": xr.Dataset(variables, coords=coordinates)})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = ROOT.parent / "shared" / "data" / "cta-1dc-gc" / "cta-1dc-gc.fits.gz"
    parser.add_argument("--data", type=Path, default=default, help="the dataset (default: %(default)s)")
    parser.add_argument("--models", default="A", help="one of A, B, C (default: %(default)s)")
    parser.add_argument("--draws", type=int, default=1000)
    options = parser.parse_args()
    dataset = open_dataset(options.data, options.models, simulate(options.data, [options.models])[options.models])
    mode = find_mode(dataset, searches=1)
    tree, few = gaussian_tree(mode, options.draws), gaussian_tree(mode, 100)
    clock = Clock()

    def told(what: str) -> float:
        seconds = clock.lap()["cpu"]
        sys.stdout.write(f"{what:<55} {seconds:8.1f} CPU s, peak {peak_memory():6.0f} MB\n")
        sys.stdout.flush()
        return seconds

    stream(few, dataset, {"total": lambda draw: draw.mean.sum()})
    told("100 predictions, compilation included")
    stream(tree, dataset, {"total": lambda draw: draw.mean.sum()})
    bare = told(f"{options.draws} predictions")
    predictive(tree, dataset, groups="energy")
    whole = told(f"{options.draws} draws: data and log-likelihoods of energies")
    sys.stdout.write(f"{whole / bare:.2f} times the predictions alone\n")
    check(few, dataset, 100)
    told("all checks of 100 draws")
    checks = check(tree, dataset, options.draws)
    told(f"all checks of {options.draws} draws")
    sys.stdout.write(f"{checks}\n")


if __name__ == "__main__":
    main()
