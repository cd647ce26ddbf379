"""How far the best fit of a bright source of each shape is from the truth, because predictions are approximate.

    python benchmarks/shape_bias.py
    python benchmarks/shape_bias.py --only disk --phases 2 --counts 3500

A dataset of one energy has square pixels of 0.05 deg and a Gaussian PSF of ``--psf`` deg; sources have 10,000 counts
over one background count per pixel, and stand at several phases of the pixel grid. What is right is an integral over
the shape of the PSF's integral over each pixel, which is a product of error functions: nodes and weights in distance
and direction on the sphere, dense where a shape has an edge. The bias of the parameters is the Fisher information's
inverse times the difference of right and predicted counts. It is given in standard deviations, the largest over all
free parameters and phases, with the largest difference of pixels in units of the brightest one.
"""

import argparse
from collections.abc import Sequence
from typing import Any

from clock import one_thread

one_thread()

import astropy.units as u  # noqa: E402
import numpy as np  # noqa: E402
import pytensor  # noqa: E402
import pytensor.tensor as pt  # noqa: E402
from astropy.coordinates import SkyCoord  # noqa: E402
from scipy.special import erf  # noqa: E402

from bayesmap._backend.functions import QUICK  # noqa: E402
from bayesmap.datasets import MapDataset  # noqa: E402
from bayesmap.graph import build_terms, fold_arrays  # noqa: E402
from bayesmap.graph.fold import Fold, all_bins  # noqa: E402
from bayesmap.irf import PSFMap  # noqa: E402
from bayesmap.maps import Map, MapAxis, WcsGeom  # noqa: E402
from bayesmap.modeling import models as bm  # noqa: E402

__all__ = ["bias", "make_dataset", "right_counts", "shapes"]

PIXEL, LON, LAT = 0.05, 10.0, 1.0
COUNTS, BACKGROUND = 10_000, 1.0


def shapes() -> dict[str, Any]:
    """The shapes by name; positions are set later."""
    made = {}
    for r in (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0):
        made[f"disk {r}"] = bm.DiskSpatialModel(r_0=r * u.deg)
    made["disk 0.3, edge 0.3"] = bm.DiskSpatialModel(r_0="0.3 deg", edge_width=0.3)
    made["disk 0.2, edge free"] = bm.DiskSpatialModel(r_0="0.2 deg", edge_width=0.5)
    for r, width in ((0.02, 0.01), (0.1, 0.02), (0.3, 0.1), (0.8, 0.2)):
        made[f"shell {r} + {width}"] = bm.ShellSpatialModel(radius=r * u.deg, width=width * u.deg)
    made["shell2 0.4, 0.2"] = bm.Shell2SpatialModel(r_0="0.4 deg", eta=0.2)
    made["sphere 0.3"] = bm.Shell2SpatialModel(r_0="0.3 deg", eta=1.0)
    for r, eta in ((0.01, 0.5), (0.1, 0.2), (0.1, 1.0), (0.3, 0.05), (0.3, 0.5)):
        made[f"gen. Gaussian {r}, {eta}"] = bm.GeneralizedGaussianSpatialModel(r_0=r * u.deg, eta=eta)
    for sigma in (0.02, 0.1, 0.3):
        made[f"Gaussian {sigma}"] = bm.GaussianSpatialModel(sigma=sigma * u.deg)
    for sigma, e in ((0.05, 0.7), (0.2, 0.9)):
        made[f"Gaussian {sigma}, e {e}"] = bm.GaussianSpatialModel(sigma=sigma * u.deg, e=e, phi="30 deg")
    for r, e in ((0.05, 0.7), (0.2, 0.7), (0.2, 0.95), (0.6, 0.8)):
        made[f"disk {r}, e {e}"] = bm.DiskSpatialModel(r_0=r * u.deg, e=e, phi="30 deg")
    for r, eta, e in ((0.1, 0.2, 0.7), (0.2, 0.8, 0.8)):
        made[f"gen. Gaussian {r}, {eta}, e {e}"] = bm.GeneralizedGaussianSpatialModel(
            r_0=r * u.deg, eta=eta, e=e, phi="30 deg"
        )
    for shape in made.values():
        shape.frame = "galactic"
        if "e" in shape.parameter_names and shape.e.value > 0:
            shape.e.frozen = shape.phi.frozen = False
    made["disk 0.2, edge free"].edge_width.frozen = False
    made["sphere 0.3"].eta.frozen = True
    for binsz, r in ((0.02, 0.01), (0.05, 0.2), (0.15, 0.5)):
        made[f"template of a disk {r}, pixels {binsz}"] = template(binsz, r)
    return made


def template(binsz: float, radius: float) -> Any:
    """A disk in the pixels of a map; its position is frozen, so only the flux can be biased."""
    geom = WcsGeom.create(skydir=(LON + 0.013, LAT + 0.007), npix=31, binsz=binsz, frame="galactic", proj="TAN")
    data = (geom.separation(geom.center_skydir).to_value("deg") < radius).astype(float)
    return bm.TemplateSpatialModel(Map.from_geom(geom, data=data, unit="sr-1"))


def make_dataset(psf: float, npix: int = 81, pixel: float = PIXEL) -> MapDataset:
    """One energy bin, uniform exposure."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1, name="energy")
    true = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1, name="energy_true")
    image = WcsGeom.create(skydir=(LON, LAT), npix=npix, binsz=pixel, frame="galactic", proj="TAN")
    rad = MapAxis.from_edges(np.linspace(0, 7 * psf, 501) * u.deg, name="rad")
    maps = {
        "counts": Map.from_geom(image.to_cube([axis]), unit=""),
        "exposure": Map.from_geom(image.to_cube([true]), data=np.full((1, npix, npix), 1e9), unit="m2 s"),
    }
    return MapDataset(**maps, psf=PSFMap.from_gauss(true, rad_axis=rad, sigma=psf * u.deg), name="bias")


def _nodes(shape: Any) -> tuple[np.ndarray, np.ndarray]:
    """Distances in units of the shape's radius and Gauss-Legendre weights, dense at edges."""
    tag = shape.tag[-1]
    if "disk" in tag:
        sharp = 4 * float(shape.edge_width.value) / (np.sqrt(2) * 2.326174)
        pieces = [0, max(1 - sharp, 0.5), 1, 1 + sharp, 1 + 3 * sharp]
    elif "shell" in tag:
        inner, width = (x.to_value("deg") for x in shape.radii)
        ratio = inner / (inner + width)
        towards = ratio * (1 - np.geomspace(1, 1e-6, 12)[1:]) if ratio > 0 else []
        beyond = ratio + (1 - ratio) * np.geomspace(1e-6, 0.5, 10)
        pieces = [0, *towards, ratio, *beyond, *(1 - 0.5 * (1 - ratio) * np.geomspace(1, 1e-6, 12)[1:]), 1]
    elif "general" in tag:
        eta = float(shape.eta.value)
        pieces = [0, *np.array([1e-3, 1e-2, 0.1, 0.3, 1, 2, 4, 8, 14, 22]) ** eta]
    else:
        pieces = [0, 1, 2, 3, 4, 5, 6, 7.5]
    pieces = np.unique(pieces)
    nodes, weights = np.polynomial.legendre.leggauss(24)
    half = 0.5 * np.diff(pieces)[:, None]
    return (pieces[:-1, None] + half * (1 + nodes)).ravel(), (half * weights).ravel()


def right_counts(shape: Any, geom: Any, psf: float, counts: float = COUNTS) -> np.ndarray:
    """Counts per pixel of a shape behind a Gaussian PSF, by quadrature over the shape."""
    lon, lat, share = _over_template(shape) if isinstance(shape, bm.TemplateSpatialModel) else _over_shape(shape)
    sky = SkyCoord(lon, lat, unit="deg", frame=shape.frame)
    x, y = (pix.ravel() for pix in geom.to_image().coord_to_pix(sky))
    width = np.sqrt(2) * psf / float(np.abs(geom.pixel_scales.to_value("deg")).mean())
    across, along = (
        np.diff(0.5 * erf((np.arange(n + 1) - 0.5 - pix[:, None]) / width), axis=1)
        for n, pix in zip(geom.to_image().npix, (x, y), strict=True)
    )
    image: np.ndarray = counts * (along.T * share) @ across
    return image


def _over_template(shape: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions and shares of the flux of 12 x 12 midpoints in each pixel of a template."""
    grid = shape.map.geom.upsample(12)
    lon, lat = shape._lonlat(grid.get_coord().skycoord)
    share = shape(lon * u.deg, lat * u.deg) * grid.solid_angle()
    bright = share.value > 0
    return lon[bright], lat[bright], share.to_value("")[bright]


def _over_shape(shape: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions and shares of the flux of the nodes of a shape."""
    z, weight = _nodes(shape)
    angles = 2 * np.pi * (np.arange(240) + 0.5) / 240
    size = {"gauss": "sigma", "gauss-general": "r_0", "disk": "r_0", "shell2": "r_0"}.get(shape.tag[-1])
    radius = getattr(shape, size).quantity.to_value("rad") if size else sum(x.to_value("rad") for x in shape.radii)
    ratio, turn = 1.0, 0.0
    if "e" in shape.parameter_names:
        ratio = float(np.sqrt(1 - shape.e.value**2))
        turn = shape.phi.quantity.to_value("rad")
    towards = radius * ratio / np.sqrt((ratio * np.cos(angles)) ** 2 + np.sin(angles) ** 2)
    separation = z[:, None] * towards
    area = np.sin(separation) * weight[:, None] * towards * 2 * np.pi / len(angles)
    sky = shape.position.directional_offset_by((angles + turn) * u.rad, separation * u.rad)
    lon, lat = shape._lonlat(sky)
    share = (shape(lon * u.deg, lat * u.deg).to_value("sr-1") * area).ravel()
    return lon.ravel(), lat.ravel(), share


def predictions(dataset: MapDataset, shape: Any, counts: float, route: str | None) -> tuple[Any, np.ndarray]:
    """A function of the free parameters (and the relative flux, last), and where they are."""
    spectrum = bm.PowerLawSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1")
    model = bm.SkyModel(spectrum, shape, name="source")
    terms = build_terms(fold_arrays(dataset), [model], route=route, reach={"source": 0.1})
    fold = Fold(terms)
    fold.select(all_bins(terms.arrays))
    vector = pt.dvector()
    free = [p for p in shape.parameters if not p.frozen]
    values = {p: p.internal for p in model.parameters} | {p: vector[i] for i, p in enumerate(free)}
    exposed = float(spectrum.integral(1 * u.TeV, 10 * u.TeV).to_value("cm-2 s-1")) * 1e13
    function = pytensor.function([vector], fold.at(values) * (counts / exposed) * vector[-1], mode=QUICK)
    return function, np.array([p.internal for p in free] + [1.0])


def bias(
    name: str,
    shape: Any,
    psf: float,
    phases: Sequence[tuple[float, float]],
    counts: float = COUNTS,
    route: str | None = None,
    npix: int = 81,
) -> tuple[float, str, float]:
    """Largest bias in standard deviations, of which parameter, and largest difference of pixels over the brightest."""
    dataset = make_dataset(psf, npix)
    geom = dataset.counts.geom.to_image()
    names = [p.name for p in shape.parameters if not p.frozen] + ["flux"]
    worst, which, pixels = 0.0, "", 0.0
    function = None
    for phase in phases:
        if not isinstance(shape, bm.TemplateSpatialModel):
            shape.position = SkyCoord.from_pixel(npix // 2 + phase[0], npix // 2 + phase[1], geom.wcs)
        if function is None:
            function, _ = predictions(dataset, shape, counts, route)
        start = np.array([p.internal for p in shape.parameters if not p.frozen] + [1.0])
        predicted = function(start)
        right = right_counts(shape, geom, psf, counts).ravel()
        steps = np.array([1e-3 if n in ("lon_0", "lat_0") else 0.1 if n == "phi" else 0.01 * v
                          for n, v in zip(names, start, strict=True)])  # fmt: skip
        slopes = np.array([(function(start + s) - function(start - s)) / (2 * s.sum()) for s in np.diag(steps)]).T
        weighted = slopes / (predicted + BACKGROUND)[:, None]
        fisher = slopes.T @ weighted
        scale = np.sqrt(np.diag(fisher))
        covariance = np.linalg.inv(fisher / np.outer(scale, scale)) / np.outer(scale, scale)
        found = np.abs(covariance @ weighted.T @ (right - predicted)) / np.sqrt(np.diag(covariance))
        if found.max() > worst:
            worst, which = float(found.max()), names[int(found.argmax())]
        pixels = max(pixels, float(np.abs(right - predicted).max() / right.max()))
    return worst, which, pixels


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="part of the names of the shapes")
    parser.add_argument("--psf", type=float, nargs="+", default=[0.05, 0.1], help="width of the PSF in deg")
    parser.add_argument("--phases", type=int, default=3, help="positions on the pixel grid along each axis")
    parser.add_argument("--counts", type=float, default=COUNTS)
    parser.add_argument("--route", help="force a PSF route")
    args = parser.parse_args()
    steps = np.linspace(0, 0.5, args.phases) if args.phases > 1 else [0.27]
    phases = [(x, y) for i, x in enumerate(steps) for y in steps[: i + 1]]
    print("| shape, sizes in deg | PSF, deg | bias, sd | of | pixels / peak |")
    print("| --- | --- | --- | --- | --- |")
    for psf in args.psf:
        for name, shape in shapes().items():
            if args.only in name:
                worst, which, pixels = bias(name, shape, psf, phases, args.counts, args.route)
                print(f"| {name} | {psf} | {worst:.3f} | {which} | {pixels:.1e} |", flush=True)


if __name__ == "__main__":
    main()
