"""Flux points and an excess map of the Crab nebula by Gammapy, written to ``gammapy-2.1-flux-points.json``.

Run in an environment that has Gammapy (not bayesmap), with the folder that holds ``data``:

    python tests/reference/gammapy_flux_points.py ../shared

`tests/products/test_crab_points.py` makes points of the same data in the same bands. The reference spectrum is given,
not fitted, and the backgrounds of the cube are fixed, so that a norm is the only unknown of each band here.
"""

import json
import sys
from pathlib import Path

import astropy.units as u
import numpy as np

RANGES = {"fermi": (0.03, 2), "magic": (0.08, 30), "veritas": (0.15, 30), "fact": (0.4, 30), "hess": (0.66, 30)}
#: of a one-sided limit at 95 %
SIGMA = 1.6448536269514722


def hess_spectra(data):
    """The four H.E.S.S. runs with reflected regions, bands of three bins from 0.74 to 20.6 TeV."""
    from gammapy.datasets import Datasets, SpectrumDatasetOnOff

    folder = data / "hess-dl3-dr1-reduced" / "crab-spectrum-onoff"
    runs = Datasets([SpectrumDatasetOnOff.read(f, name=f.stem) for f in sorted(folder.glob("pha_obs?????.fits"))])
    edges = runs[0].counts.geom.axes["energy"].edges[9:25:3]
    return ranged(runs, edges[0], edges[-1]), edges, hess_2006()


def hess_cube(data):
    """The stacked cube, its background fixed, a point source on the centre of the pixel of the Crab nebula."""
    from gammapy.datasets import Datasets, MapDataset
    from gammapy.modeling.models import PointSpatialModel

    cube = MapDataset.read(data / "hess-dl3-dr1-reduced" / "crab-stacked-edispkernelmap.fits.gz", name="cube")
    geom = cube.counts.geom.to_image()
    pixel = [int(np.floor(float(np.squeeze(i)) + 0.5)) for i in geom.coord_to_pix((83.633, 22.014))]
    lon, lat = (float(np.squeeze(x.to_value("deg"))) for x in geom.pix_to_coord(pixel))
    edges = cube.counts.geom.axes["energy"].edges[1:10:2]
    place = PointSpatialModel(lon_0=f"{lon} deg", lat_0=f"{lat} deg", frame="icrs")
    place.freeze()
    return ranged(Datasets([cube]), edges[0], edges[-1]), edges, (hess_2006()[0], place)


def joint_crab(data):
    """Ten spectra of five instruments in their ranges, ten bands of six bins from 32 GeV to 32 TeV."""
    from gammapy.datasets import Datasets, SpectrumDatasetOnOff
    from gammapy.modeling.models import LogParabolaSpectralModel

    datasets = Datasets()
    for name, (low, high) in RANGES.items():
        for file in sorted((data / "joint-crab" / "spectra" / name).glob("pha_*.fits")):
            one = Datasets([SpectrumDatasetOnOff.read(file, name=f"{name}-{file.stem}")])
            datasets.extend(ranged(one, low, high))
    edges = 10 ** (-1.5 + 0.3 * np.arange(11)) * u.TeV
    published = LogParabolaSpectralModel(
        amplitude="3.849e-11 cm-2 s-1 TeV-1", alpha=2.505, beta=0.236 / np.log(10), reference="1 TeV"
    )
    return datasets, edges, (published, None)


def fakes():
    """Twenty fakes of the medium source of ``benchmarks/point_coverage.py``, and what the estimator makes of them.

    Each of the five bands is one bin with a perfect response. The signal of a norm of one is ``unit``; in the last band
    there is no flux.
    """
    from gammapy.datasets import Datasets, SpectrumDatasetOnOff
    from gammapy.maps import MapAxis, RegionGeom, RegionNDMap
    from gammapy.modeling.models import PowerLawSpectralModel

    rng, alpha = np.random.default_rng(1), 0.2
    signal, background = np.array([20.0, 8.0, 3.0, 1.0, 0.0]), np.array([8.0, 4.0, 2.0, 1.0, 0.5])
    unit = np.where(signal > 0, signal, 5.0)
    edges = np.geomspace(1, 20, 6) * u.TeV
    spectrum = PowerLawSpectralModel(index=2.2, amplitude="1e-12 cm-2 s-1 TeV-1")
    exposure = (unit / spectrum.integral(edges[:-1], edges[1:])).to("m2 s")
    geom, geom_true = (
        RegionGeom.create("icrs;circle(0, 0, 0.1)", axes=[MapAxis.from_energy_edges(edges, name=name)])
        for name in ("energy", "energy_true")
    )

    def filled(values, unit=""):
        like = geom_true if unit else geom
        return RegionNDMap.from_geom(like, data=np.reshape(values, like.data_shape), unit=unit)

    rows = []
    for _ in range(20):
        n_on, n_off = rng.poisson(signal + background), rng.poisson(background / alpha)
        dataset = SpectrumDatasetOnOff(
            counts=filled(n_on.astype(float)),
            counts_off=filled(n_off.astype(float)),
            acceptance=filled(np.ones(5)),
            acceptance_off=filled(np.full(5, 1 / alpha)),
            exposure=filled(exposure.value, "m2 s"),
            name="fake",
        )
        row = points(Datasets([dataset]), edges, (spectrum.copy(), None))
        rows.append({"n_on": n_on.tolist(), "n_off": n_off.tolist()} | row)
    return {"unit": unit.tolist(), "rows": rows}


def excess_map(data):
    """Excess and significance in disks of 0.1 deg over a ring background, at every tenth pixel."""
    from gammapy.datasets import MapDatasetOnOff
    from gammapy.estimators import ExcessMapEstimator

    dataset = MapDatasetOnOff.read(data / "hess-dl3-dr1-reduced" / "crab-onoff-ring-image.fits.gz", name="ring")
    dataset.mask_safe.data = dataset.mask_safe.data.astype(bool)
    made = ExcessMapEstimator(correlation_radius=0.1 * u.deg).run(dataset)
    return {name: made[name].data[0, ::10, ::10].tolist() for name in ("npred_excess", "sqrt_ts")}


def hess_2006():
    """The published spectrum with a cutoff, Aharonian et al. 2006, A&A 457, 899."""
    from gammapy.modeling.models import ExpCutoffPowerLawSpectralModel

    return ExpCutoffPowerLawSpectralModel(
        amplitude="3.76e-11 cm-2 s-1 TeV-1", index=2.39, lambda_=f"{1 / 14.3} TeV-1", reference="1 TeV"
    ), None


def ranged(datasets, low, high):
    """The datasets, with a mask of an energy range."""
    for dataset in datasets:
        dataset.mask_fit = dataset.counts.geom.energy_mask(u.Quantity(low, "TeV"), u.Quantity(high, "TeV"))
    return datasets


def points(datasets, edges, models):
    """Norms of all bands."""
    from gammapy.estimators import FluxPointsEstimator
    from gammapy.modeling.models import SkyModel

    datasets.models = [SkyModel(models[0], models[1], name="crab")]
    estimator = FluxPointsEstimator(
        energy_edges=edges, source="crab", selection_optional=["errn-errp", "ul"], n_sigma_ul=SIGMA
    )
    # one band at a time: `run` makes a table, for which all datasets must have all bands
    rows = [estimator.estimate_flux_point(datasets, *pair) for pair in zip(edges[:-1], edges[1:], strict=True)]
    columns = ("norm", "norm_err", "norm_errn", "norm_errp", "norm_ul", "ts", "npred_excess")
    result = {name: [float(np.nansum(row[name])) for row in rows] for name in columns}
    if models[1] is not None:
        result["position"] = [models[1].lon_0.value, models[1].lat_0.value]
    return {"edges": edges.to_value("TeV").tolist()} | result


if __name__ == "__main__":
    import gammapy

    folder = Path(sys.argv[1]) / "data"
    made = {make.__name__: points(*make(folder)) for make in (hess_spectra, hess_cube, joint_crab)}
    made |= {"fakes": fakes(), "excess_map": excess_map(folder)}
    file = Path(__file__).with_name("gammapy-2.1-flux-points.json")
    file.write_text(json.dumps({"gammapy": gammapy.__version__, "cases": made}, indent=1) + "\n")
