"""CPU and wall seconds, and peak memory, of flux points of three sources and of a light curve of 28 runs.

    python benchmarks/points.py [--data PATH] [--only points,smooth,spectra,maps] [--draws 1000]

Points: three sources of the Galactic centre in 8 bands, after the fit whose tree gives the reference spectra. Light
curves: 28 runs made from the four H.E.S.S. runs of the Crab nebula, as ON/OFF spectra and as cubes with a free
background norm each.
"""

import argparse
from pathlib import Path
from typing import Any

from clock import Clock, one_thread, peak_memory

one_thread()

import astropy.units as u  # noqa: E402 - after the number of threads is set
import numpy as np  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
RUNS = (23523, 23526, 23559, 23592)
SOURCES = {"gc": (359.94, -0.05), "g09": (0.87, 0.08), "g359": (358.71, -0.64)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of the data")
    parser.add_argument("--only", default="points,smooth,spectra,maps", help="what to do (default: all)")
    parser.add_argument("--draws", type=int, default=1000, help="draws of each of four chains (default: %(default)s)")
    options = parser.parse_args()
    chosen = options.only.split(",")
    settings = {"draws": options.draws, "random_state": 1, "progress_bar": False}
    if {"points", "smooth"} & set(chosen):
        galactic_centre(options.data, chosen, settings)
    for kind in ("spectra", "maps"):
        if kind in chosen:
            curve(options.data, kind, settings)


def told(what: str, clock: Clock, tree: Any) -> None:
    """Print a line."""
    seconds = clock.lap()
    steps = float(tree["sample_stats"]["n_steps"].mean())
    print(
        f"{what}: {seconds['wall']:.1f} s, {seconds['cpu']:.1f} CPU-s, {steps:.0f} gradients per draw, largest R-hat "
        f"{largest_rhat(tree):.3f}; peak memory {peak_memory():.0f} MB",
        flush=True,
    )


def largest_rhat(tree: Any) -> float:
    """Largest R-hat of the scalars of a posterior."""
    import arviz as az

    return float(max(float(x.max()) for x in az.rhat(tree["posterior"].to_dataset()).data_vars.values()))


def galactic_centre_dataset(data: Path) -> Any:
    """The Galactic centre with three sources and default priors."""
    from bayesmap.datasets import MapDataset
    from bayesmap.modeling import FoVBackgroundModel, SkyModel

    dataset = MapDataset.read(data / "cta-1dc-gc" / "cta-1dc-gc.fits.gz", name="cta")
    models: list[Any] = [FoVBackgroundModel(dataset_name="cta")]
    for name, (lon, lat) in SOURCES.items():
        source = SkyModel.create("pl", "point", name=name)
        source.spatial_model.frame = "galactic"
        source.spatial_model.lon_0.quantity, source.spatial_model.lat_0.quantity = lon * u.deg, lat * u.deg
        models.append(source)
    dataset.models = models
    return dataset


def galactic_centre(data: Path, chosen: list[str], settings: dict[str, Any]) -> None:
    """Fit, then points of three sources in 8 bands."""
    from bayesmap.inference import sample
    from bayesmap.products import flux_points

    dataset = galactic_centre_dataset(data)
    clock = Clock()
    tree = sample(dataset, **settings)
    told("fit of 3 sources", clock, tree)
    edges = np.geomspace(0.1, 10, 9) * u.TeV
    for prior in ("independent", "smooth"):
        if {"independent": "points", "smooth": "smooth"}[prior] in chosen:
            told(
                f"3 sources x 8 bands, {prior}",
                clock,
                flux_points(dataset, edges, None, prior, tree=tree, **settings).tree,
            )


def curve(data: Path, kind: str, settings: dict[str, Any]) -> None:
    """A light curve of 28 runs."""
    from bayesmap.datasets import Datasets
    from bayesmap.products import light_curve

    runs = many_runs(data, kind)
    clock = Clock()
    for prior in ("independent", "walk"):
        points = light_curve(Datasets(runs), prior=prior, energy_edges=[0.8, 30] * u.TeV, **settings)
        told(f"light curve of {len(runs)} {kind}, {prior}", clock, points.tree)


def many_runs(data: Path, kind: str) -> list[Any]:
    """28 runs, seven times the four that there are, at times one day apart."""
    from bayesmap.datasets import MapDataset, SpectrumDatasetOnOff
    from bayesmap.irf import GTI
    from bayesmap.modeling import FoVBackgroundModel, SkyModel

    folder = data / "hess-dl3-dr1-reduced"
    runs, crab = [], SkyModel.create("pl", None if kind == "spectra" else "point", name="crab")
    crab.spectral_model.amplitude.quantity, crab.spectral_model.index.value = "4e-11 cm-2 s-1 TeV-1", 2.6
    if kind == "maps":
        crab.spatial_model.frame = "icrs"
        crab.spatial_model.lon_0.quantity, crab.spatial_model.lat_0.quantity = 83.633 * u.deg, 22.014 * u.deg
    for number in range(28):
        name, run = f"run{number}", RUNS[number % 4]
        if kind == "spectra":
            dataset: Any = SpectrumDatasetOnOff.read(folder / "crab-spectrum-onoff" / f"pha_obs{run}.fits", name=name)
            dataset.models = [crab]
        else:
            dataset = MapDataset.read(folder / f"crab-{run}.fits.gz", name=name)
            dataset.models = [crab, FoVBackgroundModel(dataset_name=name)]
        start = number * u.d
        dataset.gti = GTI.create(u.Quantity([start]), u.Quantity([start + 28 * u.min]), "2004-12-04")
        runs.append(dataset)
    return runs


if __name__ == "__main__":
    main()
