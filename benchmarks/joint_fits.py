"""The joint fits of ``datasets.py``: the same datasets and models in bayesmap and in Gammapy.

- Four Crab runs of H.E.S.S.: a power-law point source with free position, and the background norm of each run
  (8 parameters).
- The joint Crab (Nigro et al. 2019, A&A 625, A10): ten spectra of five instruments, a log parabola (3 parameters).
"""

from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from clock import Clock

__all__ = ["crab_runs", "fit", "joint_crab", "sample"]

SEED = 42
RUNS = (23523, 23526, 23559, 23592)
#: energy ranges in TeV of the published fit
RANGES = {"fermi": (0.03, 2), "magic": (0.08, 30), "veritas": (0.15, 30), "fact": (0.4, 30), "hess": (0.66, 30)}
#: flat priors, in units of the parameters
FLAT = {
    "index": (0, 6),
    "alpha": (0, 6),
    "beta": (-2, 3),
    "amplitude": (0, 1e-9),
    "lon_0": (83.43, 83.83),
    "lat_0": (21.81, 22.21),
    "norm": (0, 10),
}


def crab_runs(lib: Any, folder: Path) -> Any:
    """Four runs, one source, a background norm for each."""
    files = {f"crab-{run}": folder / f"crab-{run}.fits.gz" for run in RUNS}
    datasets = lib.datasets.Datasets([lib.datasets.MapDataset.read(path, name=name) for name, path in files.items()])
    source = lib.models.SkyModel(
        spectral_model=lib.models.PowerLawSpectralModel(index=2.5, amplitude="3e-11 cm-2 s-1 TeV-1"),
        spatial_model=lib.models.PointSpatialModel(lon_0=83.63 * u.deg, lat_0=22.01 * u.deg, frame="icrs"),
        name="crab",
    )
    datasets.models = [source, *(lib.models.FoVBackgroundModel(dataset_name=dataset.name) for dataset in datasets)]
    return datasets


def joint_crab(lib: Any, folder: Path) -> Any:
    """Ten ON/OFF spectra of five instruments and a log parabola."""
    datasets = lib.datasets.Datasets()
    for instrument, (low, high) in RANGES.items():
        for path in sorted((folder / instrument).glob("pha_*.fits")):
            dataset = lib.datasets.SpectrumDatasetOnOff.read(path, name=f"{instrument}-{path.stem}")
            dataset.mask_fit = dataset.counts.geom.energy_mask(low * u.TeV, high * u.TeV)
            datasets.append(dataset)
    spectrum = lib.models.LogParabolaSpectralModel(
        amplitude="3e-11 cm-2 s-1 TeV-1", reference="1 TeV", alpha=2.3, beta=0.2
    )
    datasets.models = [lib.models.SkyModel(spectral_model=spectrum, name="crab")]
    return datasets


def fit(datasets: Any) -> dict[str, Any]:
    """Gammapy's fit, with its covariance and without; each from the same start, one evaluation before them."""
    from gammapy.modeling import Fit

    datasets.stat_sum()
    free = datasets.models.parameters.free_parameters
    start = [p.value for p in free]
    clock = Clock()
    result = Fit().run(datasets)
    seconds = clock.lap()
    names = {f"{m.name}.{p.name}": p for m in datasets.models for p in m.parameters.free_parameters}
    values = {name: (float(p.value), float(p.error)) for name, p in names.items()}
    for p, value in zip(free, start, strict=True):
        p.value = value
    clock.lap()
    Fit().optimize(datasets)
    return {
        **seconds,
        "optimize": clock.lap(),
        "success": bool(result.success),
        "evaluations": int(result.nfev),
        "values": values,
    }


def sample(datasets: Any, draws: int, tune: int | None = None, chains: int = 4) -> dict[str, Any]:
    """Compile, then sample by default, chains at the same time: mode search and whitening count as sampling."""
    from bayesmap.inference import compile_fit, convergence_report
    from bayesmap.modeling import Prior

    for p in datasets.models.parameters.free_parameters:
        lower, upper = FLAT[p.name]
        p.prior = Prior("Uniform", lower=lower, upper=upper)
    clock = Clock()
    compiled = compile_fit(datasets)
    compiled.density(compiled.density.start)
    compiling = clock.lap()
    tree = compiled.sample(draws=draws, tune=tune, chains=chains, random_state=SEED, progress_bar=False)
    seconds = clock.lap()
    report = convergence_report(tree)
    return {
        **seconds,
        "compile": compiling,
        "sampler": tree.attrs["sampler"],
        "draws": draws,
        "tune": tune,
        "chains": chains,
        "min_ess_bulk": min(report.ess_bulk.values()),
        "max_rhat": max(report.rhat.values()),
        "divergences": report.divergences,
        "gradients_per_draw": float(np.mean(tree["sample_stats"]["n_steps"])),
        "values": {k: (float(v.mean()), float(v.std())) for k, v in tree["posterior"].data_vars.items()},
    }
