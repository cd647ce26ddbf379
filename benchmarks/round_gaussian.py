"""A round Gaussian of free position and size behind a PSF that no Gaussians describe, against a point source.

    python benchmarks/round_gaussian.py ../shared/data/hess-dl3-dr1-reduced/crab-23523.fits.gz
    python benchmarks/round_gaussian.py FILE --draws 1000

Real data and their responses, with the counts of a simulated source: a point, then Gaussians. Printed are the CPU time
of a log-density with its gradient (point and Gaussian in turns, the least of many batches), its ratio to the point, and
with ``--draws`` the CPU seconds and the effective draws of a run of two chains. ``--route fft`` shows what another
route costs; ``--real`` keeps the counts of the file.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from clock import Clock, one_thread

one_thread()

import astropy.units as u  # noqa: E402
import numpy as np  # noqa: E402

from bayesmap.datasets import MapDataset  # noqa: E402
from bayesmap.inference import compile_fit, convergence_report  # noqa: E402
from bayesmap.modeling import (  # noqa: E402
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

POSITION = {"lon_0": 83.63 * u.deg, "lat_0": 22.01 * u.deg, "frame": "icrs"}


def compiled(path: Path, sigma: float | None, route: str | None, real: bool) -> Any:
    """The fit of one cube with a point (no sigma) or a Gaussian."""
    dataset = MapDataset.read(path, name="cube")
    shape = PointSpatialModel(**POSITION) if sigma is None else GaussianSpatialModel(sigma=sigma * u.deg, **POSITION)
    spectrum = PowerLawSpectralModel(index=2.5, amplitude="4e-11 cm-2 s-1 TeV-1")
    source = SkyModel(spectral_model=spectrum, spatial_model=shape, name="source")
    dataset.models = Models([source, FoVBackgroundModel(dataset_name="cube")])
    if not real:
        dataset.fake(random_state=1)
    return compile_fit(dataset, psf_route=None if sigma is None else route)


def milliseconds(fits: list[Any], batches: int = 15, calls: int = 40) -> list[float]:
    """Least CPU time of a log-density with gradient, in turns."""
    points = [f.density.start + 0.1 * np.random.default_rng(2).normal(size=(calls, f.density.size)) for f in fits]
    best = [np.inf] * len(fits)
    for _ in range(batches):
        for i, fit in enumerate(fits):
            start = time.process_time()
            for point in points[i]:
                fit.density(point)
            best[i] = min(best[i], 1e3 * (time.process_time() - start) / calls)
    return best


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--sigma", type=float, nargs="+", default=[0.05, 0.2], help="of the Gaussians, in deg")
    parser.add_argument("--route", choices=("radial", "fft"), help="of the Gaussians; by default their own")
    parser.add_argument("--real", action="store_true", help="keep the counts of the file")
    parser.add_argument("--draws", type=int, default=0, help="also sample, two chains")
    args = parser.parse_args()
    sizes = [None, *args.sigma]
    fits = [compiled(args.file, sigma, args.route, args.real) for sigma in sizes]
    times = milliseconds(fits)
    print(f"{'source':>14} {'route':>7} {'error':>8} {'ms':>6} {'/ point':>7}")
    for sigma, fit, spent in zip(sizes, fits, times, strict=True):
        route, error = fit.routes["cube"]["source"]
        name = "point" if sigma is None else f"Gaussian {sigma:g}"
        print(f"{name:>14} {route:>7} {error:8.1e} {spent:6.3f} {spent / times[0]:7.2f}", flush=True)
    for sigma, fit in zip(sizes if args.draws else [], fits, strict=False):
        clock = Clock()
        tree = fit.sample(draws=args.draws, chains=2, random_state=1, progress_bar=False)
        cpu = clock.lap()["cpu"]
        report = convergence_report(tree)
        steps = float(np.mean(tree["sample_stats"]["n_steps"]))
        print(
            f"\n{'point' if sigma is None else f'Gaussian {sigma:g}'}: {cpu:.1f} CPU-s, {steps:.1f} gradients per draw"
        )
        for key, ess in report.ess_bulk.items():
            draws = tree["posterior"][key]
            print(f"  {key:24} {float(draws.mean()):.5g} +- {float(draws.std()):.3g}, {ess:.0f} effective draws")


if __name__ == "__main__":
    main()
