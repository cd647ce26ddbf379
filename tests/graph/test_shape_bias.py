"""Bright sources of every kind of shape, against quadrature over the shape: what a fit would be wrong by.

The reference is that of ``benchmarks/shape_bias.py``, which has the whole table.
"""

import importlib.util
import sys
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from bayesmap.graph import signal_counts
from bayesmap.maps import Map, MapAxis, WcsGeom
from bayesmap.modeling import models as bm


@pytest.fixture(scope="module")
def benchmark():
    folder = Path(__file__).parents[2] / "benchmarks"
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location("shape_bias", folder / "shape_bias.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module


@pytest.mark.parametrize(
    "name",
    ["disk 0.005", "disk 0.05", "disk 0.2, e 0.95", "shell 0.1 + 0.02", "shell2 0.4, 0.2", "gen. Gaussian 0.1, 0.2",
     "Gaussian 0.05, e 0.7", "template of a disk 0.2, pixels 0.05"],
)  # fmt: skip
def test_bias_of_a_bright_source(benchmark, name):
    """Below a twentieth of a standard deviation with 10,000 counts, on and between pixel centres."""
    shape = benchmark.shapes()[name]
    worst, which, pixels = benchmark.bias(name, shape, 0.05, [(0.0, 0.0), (0.5, 0.23)], npix=41)
    assert worst < 0.05, which
    assert pixels < 1e-3


@pytest.mark.parametrize("binsz", [0.03, 0.1])
def test_narrow_and_wide_pixels(benchmark, binsz):
    """Pixels of half the PSF's width, and of twice its width."""
    dataset = benchmark.make_dataset(0.05, npix=15 if binsz > 0.05 else 41, pixel=binsz)
    shape = bm.DiskSpatialModel(r_0="0.12 deg", frame="galactic")
    shape.position = SkyCoord(10.013, 1.021, unit="deg", frame="galactic")
    function, start = benchmark.predictions(dataset, shape, 1.0, None)
    right = benchmark.right_counts(shape, dataset.counts.geom, 0.05, 1.0)
    assert np.abs(function(start) - right.ravel()).max() < 1e-3 * right.max()


def test_frozen_shapes_are_those_of_free_ones(benchmark):
    dataset = benchmark.make_dataset(0.05, npix=41)
    for name in ("disk 0.02", "shell 0.1 + 0.02", "disk 0.2, e 0.7"):
        shape = benchmark.shapes()[name]
        shape.position = SkyCoord(10.013, 1.021, unit="deg", frame="galactic")
        model = bm.SkyModel(bm.PowerLawSpectralModel(), shape, name="s")
        free = signal_counts(dataset, [model])["s"]
        shape.freeze()
        np.testing.assert_allclose(signal_counts(dataset, [model])["s"], free, rtol=1e-6, atol=1e-7 * free.max())


@pytest.mark.parametrize("radius", [0.0005, 0.005, 0.02, 0.1])
@pytest.mark.parametrize("psf", [None, 0.1])
def test_small_shapes_keep_their_flux(benchmark, radius, psf):
    """With a point spread function and without one, down to a hundredth of a pixel."""
    dataset = benchmark.make_dataset(psf or 0.1, npix=41)
    if psf is None:
        dataset.psf = None
    for shape in (
        bm.DiskSpatialModel(r_0=radius * u.deg, frame="galactic"),
        bm.ShellSpatialModel(radius=0.7 * radius * u.deg, width=0.3 * radius * u.deg, frame="galactic"),
        bm.GeneralizedGaussianSpatialModel(r_0=radius * u.deg, eta=0.2, frame="galactic"),
        bm.DiskSpatialModel(r_0=radius * u.deg, e=0.8, frame="galactic"),
    ):
        shape.position = SkyCoord(10.013, 1.021, unit="deg", frame="galactic")
        model = bm.SkyModel(bm.PowerLawSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1"), shape, name="s")
        assert signal_counts(dataset, [model])["s"].sum() == pytest.approx(9.0, rel=1e-3)


def test_a_large_disk_far_from_the_equator_of_a_plate_carree_map(benchmark):
    """Distances and directions are those on the sphere, whatever the projection does to the shape."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1, name="energy")
    true = axis.copy(name="energy_true")
    image = WcsGeom.create(skydir=(83, 30), width=(3.4, 3.0), binsz=0.05, frame="icrs", proj="CAR")
    dataset = benchmark.make_dataset(0.05)
    dataset = type(dataset)(
        counts=Map.from_geom(image.to_cube([axis]), unit=""),
        exposure=Map.from_geom(image.to_cube([true]), data=np.full((1, *image.data_shape), 1e9), unit="m2 s"),
        psf=dataset.psf,
        name="car",
    )
    disk = bm.DiskSpatialModel(lon_0="83.01 deg", lat_0="30.02 deg", r_0="0.8 deg", frame="icrs")
    model = bm.SkyModel(bm.PowerLawSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1"), disk, name="s")
    counts = signal_counts(dataset, [model])["s"][0]
    density = counts / image.solid_angle().to_value("sr")
    inside = image.separation(disk.position).to_value("deg")
    brightness = 9.0 / (2 * np.pi * (1 - np.cos(np.deg2rad(0.8))))
    np.testing.assert_allclose(density[inside < 0.6], brightness, rtol=2e-4)
    assert np.all(density[inside > 1.0] < 1e-3 * brightness)
    assert counts.sum() == pytest.approx(9.0, rel=1e-4)
    edge = np.abs(inside - 0.8) < 0.005  # half of the brightness all around, but for the curvature of the edge
    np.testing.assert_allclose(density[edge], 0.5 * brightness, rtol=0.12)
