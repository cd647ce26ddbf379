"""CPU time of the evidence of model C, and of sampling two modes against one.

    python benchmarks/evidence.py [--data PATH] [--models A,C] [--draws 1000]

The models are those of ``cases.py`` with simulated counts. For two modes: one point source in the model, two equal ones
in the data, on a small field; against the same with one in the data.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from clock import one_thread

one_thread()

import astropy.units as u  # noqa: E402 - after the number of threads is set
import numpy as np  # noqa: E402
from own import open_dataset, simulate  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = ROOT.parent / "shared" / "data" / "cta-1dc-gc" / "cta-1dc-gc.fits.gz"
    parser.add_argument("--data", type=Path, default=default, help="the dataset (default: %(default)s)")
    parser.add_argument("--models", default="A,C", help="which of A, B, C (default: A and C)")
    parser.add_argument("--draws", type=int, default=1000, help="draws of each of four chains (default: %(default)s)")
    options = parser.parse_args()
    for letter in filter(None, options.models.split(",")):
        of_model(options.data, letter, options.draws)
    of_modes(options.draws)


def of_model(data: Path, letter: str, draws: int) -> None:
    """Sampling, and five bridges from the draws."""
    from bayesmap.inference import compile_fit, evidence

    fit = compile_fit(open_dataset(data, letter, simulate(data, [letter])[letter]))
    fit.density(fit.density.start)
    sampling, tree = timed(lambda: fit.sample(draws, chains=4, random_state=1, progress_bar=False))
    runs = [timed(lambda seed=seed: evidence(tree, fit, random_state=seed)) for seed in range(5)]
    found = np.array([one.log_z for _, one in runs])
    seconds, first = np.median([seconds for seconds, _ in runs]), runs[0][1]
    print(
        f"{letter}: sampling {sampling:.1f} CPU-s; evidence {seconds:.2f} CPU-s, five repeats {found.mean():.3f} +- "
        f"{found.std(ddof=1):.4f} (said +- {first.error:.4f}), Laplace {first.laplace:.3f}",
        flush=True,
    )


def of_modes(draws: int) -> None:
    """The same fit with the counts of one source and of two."""
    from bayesmap.inference import compile_fit

    one, two = field([0.3]), field([0.3, -0.3])
    fit = compile_fit(one)
    fit.density(fit.density.start)
    times = {}
    for name, dataset in (("one", one), ("two", two)):
        fit.set_counts(dataset.counts.data)
        seconds, tree = timed(lambda: fit.sample(draws, chains=4, random_state=1, progress_bar=False))
        times[name] = seconds
        print(f"{name} source(s) in the data: {seconds:.2f} CPU-s; {tree.attrs['modes']}", flush=True)
    print(f"two modes take {times['two'] / times['one']:.2f} times as long as one", flush=True)


def field(places: list[float]) -> Any:
    """A point source of 4 free parameters over a background; in the data there are equal ones at some longitudes."""
    from bayesmap.datasets import MapDataset
    from bayesmap.irf import PSFMap
    from bayesmap.maps import Map, MapAxis, WcsGeom
    from bayesmap.modeling import FoVBackgroundModel, Prior, SkyModel

    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3, name="energy")
    true = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3, name="energy_true")
    image = WcsGeom.create(skydir=(0, 0), npix=(60, 48), binsz=0.025, frame="galactic")
    geom, geom_true = image.to_cube([axis]), image.to_cube([true])
    dataset = MapDataset(
        counts=Map.from_geom(geom, data=np.zeros(geom.data_shape), unit=""),
        background=Map.from_geom(geom, data=np.full(geom.data_shape, 1.0), unit=""),
        exposure=Map.from_geom(geom_true, data=np.full(geom_true.data_shape, 3e10), unit="m2 s"),
        psf=PSFMap.from_gauss(true, sigma=[0.08, 0.06, 0.05] * u.deg),
        name="field",
    )
    sources = []
    for i, x in enumerate(places):
        source = SkyModel.create("pl", "point", name=f"source{i}")
        source.spatial_model.frame = "galactic"
        source.spatial_model.lon_0.value, source.spatial_model.lat_0.value = x, 0.0
        source.spectral_model.amplitude.value = 1e-12
        sources.append(source)
    dataset.models = [*sources, FoVBackgroundModel(dataset_name="field")]
    dataset.counts.data = dataset.npred().data.round()
    source = SkyModel.create("pl", "point", name="source")
    source.spatial_model.frame = "galactic"
    source.spatial_model.lon_0.prior = Prior("Uniform", lower=-0.5, upper=0.5)
    source.spatial_model.lat_0.prior = Prior("Uniform", lower=-0.4, upper=0.4)
    source.spectral_model.amplitude.prior = Prior("Uniform", lower=0, upper=5e-12)
    source.spectral_model.index.prior = Prior("Normal", mu=2.2, sigma=0.4)
    norm = FoVBackgroundModel(dataset_name="field")
    norm.spectral_model.norm.prior = Prior("LogNormal", mu=0, sigma=0.1)
    dataset.models = [source, norm]
    return dataset


def timed(function: Any) -> tuple[float, Any]:
    """CPU seconds of a call, of all threads together, and its result."""
    started = time.process_time()
    result = function()
    return time.process_time() - started, result


if __name__ == "__main__":
    main()
