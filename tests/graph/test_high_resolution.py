"""Sources against a high-resolution calculation of the test's own."""

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from scipy.ndimage import map_coordinates
from scipy.signal import fftconvolve

from bayesmap.datasets import MapDataset
from bayesmap.graph import build_terms, fold_arrays
from bayesmap.graph.fold import current_values, evaluate_cube
from bayesmap.graph.psf.profile import psf_profile
from bayesmap.modeling import (
    DiskSpatialModel,
    GaussianSpatialModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from tests.golden import shared_path

FINE = 15  # sub-pixels per pixel and axis
FILES = {
    "cta": ("cta-1dc-gc", "cta-1dc-gc.fits.gz", SkyCoord(0.213, 0.087, unit="deg", frame="galactic")),
    "hess": ("hess-dl3-dr1-reduced", "crab-23523.fits.gz", SkyCoord(83.613, 22.087, unit="deg", frame="icrs")),
    "fermi": ("fermi-3fhl-gc", "fermi-3fhl-gc.fits.gz", SkyCoord(0.213, 0.087, unit="deg", frame="galactic")),
    "hawc": ("hawc", "nHit-8.fits.gz", SkyCoord(83.613, 22.087, unit="deg", frame="icrs")),
}
# Half an L1 distance, relative to the counts of an energy: the stated tolerance of the routes.
TOLERANCE = {"mixture": 1e-3, "stamp": 1e-3, "radial": 1e-3, "fft": 6e-3}


def model(shape, position):
    kwargs = {"lon_0": position.data.lon, "lat_0": position.data.lat, "frame": position.frame.name}
    spatial = {
        "point": lambda: PointSpatialModel(**kwargs),
        "gauss": lambda: GaussianSpatialModel(sigma="0.06 deg", **kwargs),
        "narrow": lambda: GaussianSpatialModel(sigma="0.0137 deg", **kwargs),
        "disk": lambda: DiskSpatialModel(r_0="0.11 deg", **kwargs),
    }[shape]()
    return SkyModel(
        spectral_model=PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1"), spatial_model=spatial, name="s"
    )


def picture(source, x, y, scale, half):
    """The shape on a fine grid of a flat sky, integrating to one."""
    steps = (np.arange((2 * half + 1) * FINE) + 0.5) / FINE - 0.5 - half
    dx, dy = (steps - x) * scale[0], (steps - y) * scale[1]
    spatial = source.spatial_model
    if "gauss" in spatial.tag:
        shape = np.exp(-0.5 * (dx[None, :] ** 2 + dy[:, None] ** 2) / spatial.sigma.value**2)
    else:
        shape = (np.hypot(dx[None, :], dy[:, None]) < spatial.r_0.value).astype(float)
    return shape / shape.sum()


def exact(arrays, source, half):
    """Probability per pixel of the window around the source's pixel: fine shape times fine PSF, summed over pixels."""
    position, scale = source.spatial_model.position, arrays.pixel_scale
    x, y = (float(v) for v in position.transform_to(arrays.geom.frame).to_pixel(arrays.geom.wcs))
    x, y = x - round(x), y - round(y)
    profile = psf_profile(arrays.psf, position, arrays.energy if arrays.reco_psf else arrays.energy_true)
    steps = (np.arange((2 * half + 1) * FINE) + 0.5) / FINE - 0.5 - half
    middle = steps[len(steps) // 2]
    images = []
    for row in profile.density:
        if "point" in source.spatial_model.tag:
            radius = np.hypot((steps[None, :] - x) * scale[0], (steps[:, None] - y) * scale[1])
            image = np.interp(radius, profile.rad, row, right=0) * scale[0] * scale[1] / FINE**2
        else:
            radius = np.hypot((steps[None, :] - middle) * scale[0], (steps[:, None] - middle) * scale[1])
            kernel = np.interp(radius, profile.rad, row, right=0)
            image = fftconvolve(picture(source, x, y, scale, half), kernel / max(kernel.sum(), 1e-300), mode="same")
        images.append(image.reshape(2 * half + 1, FINE, 2 * half + 1, FINE).sum(axis=(1, 3)))
    return np.array(images)


def exposure_at(arrays, position):
    """Exposure at a position by bilinear interpolation between pixels, per true energy."""
    x, y = (float(v) for v in position.transform_to(arrays.geom.frame).to_pixel(arrays.geom.wcs))
    points = np.meshgrid(np.arange(len(arrays.exposure)), y, x, indexing="ij")
    return map_coordinates(arrays.exposure, points, order=1).ravel()


@pytest.mark.parametrize(
    ("name", "shape", "route"),
    [
        ("cta", "point", "mixture"), ("cta", "point", "stamp"), ("cta", "gauss", "mixture"),
        ("cta", "gauss", "fft"), ("cta", "disk", "fft"), ("hess", "point", "stamp"), ("hess", "gauss", "fft"),
        ("hess", "disk", "fft"), ("fermi", "point", "stamp"), ("fermi", "gauss", "fft"), ("hawc", "point", "mixture"),
        ("hawc", "point", "stamp"), ("hawc", "gauss", "fft"), ("hawc", "disk", "fft"), ("hess", "point", "radial"),
        ("hess", "gauss", "radial"), ("hess", "narrow", "radial"), ("fermi", "gauss", "radial"),
        ("hawc", "gauss", "radial"),
    ],
)  # fmt: skip
def test_prediction_equals_the_fine_grid(name, shape, route):
    folder, file, position = FILES[name]
    arrays = replace(fold_arrays(MapDataset.read(shared_path("data", folder, file), name=name)), background=None)
    source = model(shape, position)
    terms = build_terms(arrays, [source], route=route)
    assert terms.routes["s"][0] == route
    half = 38 if name == "fermi" else 24  # the PSF must fit in
    window = exact(arrays, source, half)
    x, y = (round(float(v)) for v in position.transform_to(arrays.geom.frame).to_pixel(arrays.geom.wcs))
    rows = slice(max(y - half, 0), y + half + 1), slice(max(x - half, 0), x + half + 1)
    cube = evaluate_cube(terms, current_values([source]))[:, *rows]
    edges = arrays.energy_edges_true
    flux = source.spectral_model.integral(edges[:-1] * u.TeV, edges[1:] * u.TeV).to_value("1e-12 cm-2 s-1")
    part = window[:, half - (y - rows[0].start) :, half - (x - rows[1].start) :]
    exposure = arrays.exposure[:, *rows]
    part = part[:, : exposure.shape[1], : exposure.shape[2]]
    if arrays.reco_psf:  # the exposure and the energy dispersion act at the source, then the PSF
        exposed = flux * exposure_at(arrays, position)
        expected = (arrays.dispersion(position) @ exposed)[:, None, None] * part
    else:
        expected = np.einsum("ej,j,jyx,jyx->eyx", arrays.dispersion(position), flux, exposure, part)
    distance = 0.5 * np.abs(cube - expected).sum(axis=(1, 2)) / np.maximum(expected.sum(axis=(1, 2)), 1e-12)
    used = expected.sum(axis=(1, 2)) > 1e-3 * expected.sum()
    assert distance[used].max() < TOLERANCE[route]
