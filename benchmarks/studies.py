"""Calibration of the kinds of analyses, and what a simulation costs with one and two workers.

    python benchmarks/studies.py FOLDER [--only CASES] [-n 500] [--seed 1] [--draws 250] [--tune 250] [--workers 2]
        [--json out.json]

``CASES`` are some of map, on-off, latent, joint, hierarchical, points, limits, image. Parameters come from the priors,
data from these, and the ranks of the truth in the posteriors have to be uniform. Simulations are kept in FOLDER: a run
that was stopped goes on where it was, and one that is complete prints its table at once.

- map: 3 x 24 x 30 bins, a point source with a log parabola over a background; 6 parameters.
- on-off: an ON/OFF spectrum of 4 bins, few OFF counts; power law; the background is integrated out.
- latent: the same, the background of each bin is sampled.
- joint: the map (power law) and the ON/OFF spectrum of the same source.
- hierarchical: backgrounds of four fields, whose norms have a mean and a scatter that are unknown.
- points: six flux points with errors of 10 % to 40 %; power law.
- limits: the same with asymmetric errors, the last two points are upper limits.
- image: 30 x 30 pixels, a star and an elliptical galaxy beside it, the scale of the noise unknown; 9 parameters.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clock import one_thread

if __name__ == "__main__":
    one_thread()

import astropy.units as u  # noqa: E402 - after the number of threads is set
import numpy as np  # noqa: E402
from astropy.table import Table  # noqa: E402
from scipy import special  # noqa: E402

from bayesmap import studies  # noqa: E402
from bayesmap.datasets import (  # noqa: E402
    FluxPointsDataset,
    ImageDataset,
    MapDataset,
    SpectrumDataset,
    SpectrumDatasetOnOff,
)
from bayesmap.estimators import FluxPoints  # noqa: E402
from bayesmap.images import GeneralFrame, Image, MaskedImage, MaskSchema, Projection  # noqa: E402
from bayesmap.irf import EDispKernelMap, PSFMap  # noqa: E402
from bayesmap.likelihoods import GaussianLikelihood, OnOffLikelihood  # noqa: E402
from bayesmap.maps import Map, MapAxis, RegionGeom, WcsGeom  # noqa: E402
from bayesmap.modeling import (  # noqa: E402
    ExponentialSpatialModel,
    FluxDensitySpectralModel,
    FoVBackgroundModel,
    HyperParameter,
    LogParabolaSpectralModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    Prior,
    SkyModel,
)

SEED = 1
FLUX = "cm-2 s-1 TeV-1"


def prior_of_flux() -> Prior:
    """Median 1e-12 cm-2 s-1 TeV-1, a factor of two to either side."""
    return Prior("LogNormal", mu=np.log(1e-12), sigma=np.log(2))


def source(curved: bool = False) -> SkyModel:
    """A point source whose priors do not depend on data."""
    if curved:
        spectrum: Any = LogParabolaSpectralModel(amplitude=f"1e-12 {FLUX}", reference="2 TeV", alpha=2.2, beta=0.1)
        spectrum.alpha.prior = Prior("Normal", mu=2.2, sigma=0.3)
        spectrum.beta.prior = Prior("HalfNormal", sigma=0.3)
    else:
        spectrum = PowerLawSpectralModel(amplitude=f"1e-12 {FLUX}", reference="2 TeV", index=2.2)
        spectrum.index.prior = Prior("Normal", mu=2.2, sigma=0.3)
    spectrum.amplitude.prior = prior_of_flux()
    shape = PointSpatialModel(lon_0=25.03 * u.deg, lat_0=0.98 * u.deg, frame="galactic")
    shape.lon_0.prior = Prior("Normal", mu=25.03, sigma=0.05)
    shape.lat_0.prior = Prior("Normal", mu=0.98, sigma=0.05)
    return SkyModel(spectrum, shape, name="source")


def field(models: list[Any]) -> MapDataset:
    """A small map; counts are drawn from the models."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3, name="energy")
    true = MapAxis.from_energy_bounds("0.7 TeV", "15 TeV", nbin=5, name="energy_true")
    image = WcsGeom.create(skydir=(25, 1), npix=(30, 24), binsz=0.05, frame="galactic")
    geom, geom_true = image.to_cube([axis]), image.to_cube([true])
    level = 0.8 * 0.5 ** np.arange(3)[:, None, None] * np.ones(geom.data_shape)
    exposure = 6e10 * np.linspace(0.5, 2, 5)[:, None, None] * np.ones(geom_true.data_shape)
    dataset = MapDataset(
        counts=Map.from_geom(geom, data=np.zeros(geom.data_shape), unit=""),
        background=Map.from_geom(geom, data=level, unit=""),
        exposure=Map.from_geom(geom_true, data=exposure, unit="m2 s"),
        psf=PSFMap.from_gauss(true, sigma=[0.09, 0.08, 0.07, 0.06, 0.05] * u.deg),
        edisp=EDispKernelMap.from_gauss(axis, true, sigma=0.15, bias=0.0),
        name="field",
    )
    background = FoVBackgroundModel(dataset_name="field")
    background.spectral_model.norm.prior = Prior("LogNormal", mu=0, sigma=0.2)
    dataset.models = [*models, background]
    dataset.fake(SEED)
    return dataset


def region(kind: type, name: str, **maps: Any) -> Any:
    """A spectrum of four bins."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    geom, geom_true = (
        RegionGeom.create("galactic;circle(25.03, 0.98, 0.3)", axes=[one])
        for one in (axis, axis.copy(name="energy_true"))
    )
    given = {key: Map.from_geom(geom, data=np.reshape(data, (4, 1, 1)).astype(float)) for key, data in maps.items()}
    return kind(exposure=Map.from_geom(geom_true, data=3e9, unit="m2 s"), name=name, **given)


def spectrum(models: list[Any], background: str = "marginal") -> SpectrumDatasetOnOff:
    """ON and OFF counts, of which there are few."""
    maps = {"counts": [20, 9, 4, 1], "counts_off": [20, 6, 1, 0], "acceptance": [1] * 4, "acceptance_off": [4] * 4}
    dataset = region(SpectrumDatasetOnOff, "spectrum", **maps)
    dataset.likelihood = OnOffLikelihood(background)
    dataset.models = models
    return dataset


def fields() -> list[SpectrumDataset]:
    """Backgrounds of four fields with hierarchical norms."""
    mean = HyperParameter("norm_mean", Prior("Normal", mu=1, sigma=0.2))
    scatter = HyperParameter("norm_scatter", Prior("HalfNormal", sigma=0.2))
    datasets = []
    for i in range(4):
        dataset = region(SpectrumDataset, f"run{i}", counts=[40, 20, 10, 5], background=[40, 20, 10, 5])
        model = FoVBackgroundModel(dataset_name=dataset.name)
        model.spectral_model.norm.min = 0.0
        model.spectral_model.norm.prior = Prior("Normal", mu=mean, sigma=scatter)
        dataset.models = [model]
        datasets.append(dataset)
    return datasets


def joint() -> list[Any]:
    """Map and spectrum with one source."""
    one = source()
    return [field([one]), spectrum([one])]


def flux_points(limits: bool) -> FluxPointsDataset:
    """Flux points of a power law; with limits also asymmetric errors."""
    energy = np.geomspace(0.5, 20, 6)
    dnde = 1e-12 * (energy / 2) ** -2.2 * np.array([1.1, 0.9, 1.05, 1.0, 0.8, 1.2]) * u.Unit(FLUX)
    error = np.geomspace(0.1, 0.4, 6) * dnde
    table = Table({"e_ref": energy * u.TeV, "dnde": dnde, "dnde_err": error, "dnde_ul": dnde + 2 * error})
    if limits:
        table["dnde_errn"], table["dnde_errp"] = 0.7 * error, 1.3 * error
        table["is_ul"] = np.arange(6) > 3
    points = FluxPoints.from_table(table, sed_type="dnde", reference_model=PowerLawSpectralModel(reference="2 TeV"))
    dataset = FluxPointsDataset(data=points, name="points", stat_type="distrib" if limits else "chi2")
    dataset.models = [spectral()]
    return dataset


def image() -> ImageDataset:
    """A star and a galaxy eight pixels apart."""
    wcs = WcsGeom.create(skydir=(150, 2), npix=(30, 30), binsz=0.2 / 3600, frame="icrs", proj="TAN").wcs
    projection = Projection.from_fits_wcs(wcs, pixel_frame=GeneralFrame())
    flat = Image(np.zeros((30, 30)), unit=u.nJy, projection=projection)
    edges = (np.arange(-7, 9) - 0.5) / (np.sqrt(2) * 1.7)
    line = np.diff(special.erf(edges)) / 2
    masked = MaskedImage(flat, mask_schema=MaskSchema([]), projection=projection)
    masked.variance.array = 100.0
    dataset = ImageDataset(masked, psf=np.outer(line, line) / line.sum() ** 2, name="image")
    models = []
    for name, flux, x, y, cls, shape in (
        ("star", 1000, 11.3, 17.6, PointSpatialModel, {}),
        ("galaxy", 3000, 17.1, 12.2, ExponentialSpatialModel, {"r_eff": 0.6 * u.arcsec, "q": 0.6}),
    ):
        place = projection.pixel_to_sky(x=x, y=y)
        spatial = cls(lon_0=place.ra, lat_0=place.dec, frame="icrs", **shape)
        for p in (spatial.lon_0, spatial.lat_0):
            p.prior = Prior("Normal", mu=p.value, sigma=0.2 / 3600)
        density = FluxDensitySpectralModel(flux=flux * u.nJy)
        density.flux.prior = Prior("LogNormal", mu=np.log(flux), sigma=0.4)
        models.append(SkyModel(density, spatial, name=name))
    galaxy = models[1].spatial_model
    galaxy.r_eff.prior = Prior("LogNormal", mu=np.log(0.6), sigma=0.3)
    galaxy.q.prior = Prior("Uniform", lower=0.2, upper=0.9)
    galaxy.phi.value, galaxy.phi.frozen = 30.0, True
    dataset.models = models
    dataset = ImageDataset(dataset.fake(SEED), models, name="image", psf=np.outer(line, line) / line.sum() ** 2)
    dataset.likelihood = GaussianLikelihood(dataset.sigma, scale="free")
    return dataset


def spectral() -> SkyModel:
    """A source without a place."""
    return SkyModel(source().spectral_model, name="source")


CASES: dict[str, Callable[[], Any]] = {
    "map": lambda: field([source(curved=True)]),
    "on-off": lambda: spectrum([spectral()]),
    "latent": lambda: spectrum([spectral()], "latent"),
    "joint": joint,
    "hierarchical": fields,
    "points": lambda: flux_points(limits=False),
    "limits": lambda: flux_points(limits=True),
    "image": image,
}


def main() -> None:
    """Run the studies and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("-n", type=int, default=500)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--draws", type=int, default=250, help="draws of each of two chains (default: %(default)s)")
    parser.add_argument("--tune", type=int, default=250, help="steps of tuning (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {}
    for name in options.only.split(","):
        started = time.perf_counter()
        folder = options.folder / name
        how = {"draws": options.draws, "tune": options.tune}
        tree = studies.sbc(CASES[name](), options.n, seed=options.seed, folder=folder, n_workers=options.workers, **how)
        seconds = tree["simulations"]["seconds"].to_numpy()
        table = studies.calibration_table(tree)
        print(
            f"\n{name}: {time.perf_counter() - started:.0f} s now, {np.median(seconds):.2f} s per simulation (median)"
        )
        print("\n".join(table.pformat(max_lines=-1, max_width=-1)))
        print(studies.study_text(tree))
        results[name] = {
            "seconds": float(np.median(seconds)),
            **{str(row["name"]): {key: float(row[key]) for key in table.colnames[1:]} for row in table},
        }
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
