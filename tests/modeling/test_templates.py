"""Templates keep their flux: edges, borders, energies between nodes, maps around the sky."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from bayesmap.maps import Map, MapAxis, WcsGeom
from bayesmap.modeling import TemplateNDSpatialModel, TemplateSpatialModel
from bayesmap.modeling.spatial.lookup import SkyTable, between
from tests.golden import shared_path

CENTER = SkyCoord(83.63, 22.01, unit="deg", frame="icrs")


def geom(npix=41, binsz=0.1, axes=None):
    return WcsGeom.create(npix=npix, binsz=binsz, skydir=CENTER, frame="icrs", proj="TAN", axes=axes)


def image(shape):
    return Map.from_geom(geom(), data=shape(geom().separation(CENTER).to_value("deg")), unit="sr-1")


def clumps(separation):
    rng = np.random.default_rng(0)
    return np.where(rng.random(separation.shape) < 0.3, rng.random(separation.shape), 0.0)


def first_column(separation):
    data = np.where(separation < 1.5, 1e-3, 0.0)
    data[:, 0] = 1.0
    return data


SHAPES = {
    "Gaussian": lambda s: np.exp(-0.5 * (s / 0.5) ** 2),
    "disk": lambda s: (s < 0.5) * 1.0,
    "disk on a faint floor": lambda s: (s < 0.5) + 1e-9,
    "one pixel": lambda s: (s < 0.01) * 1.0,
    "clumps": clumps,
    "bright first column": first_column,
}


@pytest.mark.parametrize(
    ("name", "binsz"),
    [(name, binsz) for name in SHAPES for binsz in (0.1, 0.07 if name in ("clumps", "bright first column") else 0.25)],
)
def test_a_template_keeps_its_flux_on_any_pixels(name, binsz):
    model = TemplateSpatialModel(image(SHAPES[name]))
    total = model.integrate_geom(geom(int(round(4.9 / binsz)) | 1, binsz)).data.sum()
    assert total == pytest.approx(1, abs=1.5e-2 if "column" in name else 5e-3)


def test_edges_are_linear_and_smooth_parts_exponential():
    model = TemplateSpatialModel(image(lambda s: (s < 0.45) * 1.0), normalize=False)
    lat = CENTER.dec.deg + np.array([0.4, 0.45, 0.49, 0.5, 0.55])
    on_axis = model(np.full(5, CENTER.ra.deg) * u.deg, lat * u.deg).value
    np.testing.assert_allclose(on_axis, [1, 0.5, 0.1, 0, 0], atol=2e-3)
    assert between(1.0, 100.0, 0.5) == pytest.approx(10)
    np.testing.assert_allclose(between(0.0, 2.0, [0.25, 1.5]), [0.5, 2.0])


def test_integral_of_what_is_interpolated():
    """Against a sum over fine steps in pixels, with a floor, zeros and bright borders."""
    rng = np.random.default_rng(3)
    data = np.where(rng.random((6, 8)) < 0.3, 0.0, np.exp(3 * rng.normal(size=(6, 8))))
    grid = WcsGeom.create(npix=(8, 6), binsz=0.01, skydir=(0, 0), frame="galactic")
    table = SkyTable(data, grid)
    steps = 200
    x, y = ((np.arange(n * steps) + 0.5) / steps - 0.5 for n in (8, 6))
    values = table.at(*np.meshgrid(x, y))
    assert values.max() <= data.max() * (1 + 1e-12)
    pixel = float(grid.solid_angle().to_value("sr").mean())
    assert table.integral() == pytest.approx(values.sum() / steps**2 * pixel, rel=2e-4)


def test_flux_between_the_energies_of_a_template():
    """The widths differ by half: the average of the logarithms alone would lose 5 %."""
    axis = MapAxis.from_nodes([1, 10], unit="TeV", name="energy_true", interp="log")
    cube = geom(axes=[axis])
    separation = geom().separation(CENTER).to_value("deg")
    data = np.stack([np.exp(-0.5 * (separation / sigma) ** 2) for sigma in (0.3, 0.45)])
    model = TemplateSpatialModel(Map.from_geom(cube, data=data, unit="sr-1"))
    nodes = MapAxis.from_nodes([1, 10**0.5, 7], unit="TeV", name="energy_true", interp="log")
    totals = model.integrate_geom(geom(49, axes=[nodes])).data.sum(axis=(1, 2))
    np.testing.assert_allclose(totals, 1, atol=2e-4)


def test_a_template_of_gammapy_is_normalised():
    """A Gaussian whose interpolated logarithms lose 0.7 % of its pixels' sum."""
    model = TemplateSpatialModel.read(shared_path("data", "models", "template_2d.fits.gz"))
    assert model.integrate_geom(model.map.geom.upsample(3)).data.sum() == pytest.approx(1, abs=3e-4)
    pixels = (model.map.data * model.map.geom.solid_angle().to_value("sr")).sum()
    assert pixels == pytest.approx(1 / 0.99335, rel=1e-4)


def test_no_seam_in_a_map_around_the_sky():
    """A blob at longitude 180 deg, where the map begins and ends, is the blob at longitude 0 deg."""
    sky = WcsGeom.create(npix=(360, 30), binsz=1, skydir=(0, 0), frame="galactic", proj="CAR")
    values = []
    for lon in (0.5, 180.5, 179.5):
        separation = sky.separation(SkyCoord(lon, 0.5, unit="deg", frame="galactic")).to_value("deg")
        model = TemplateSpatialModel(Map.from_geom(sky, data=np.exp(-0.5 * (separation / 3) ** 2), unit="sr-1"))
        steps = np.linspace(-6, 6, 49) * u.deg
        values.append(model(lon * u.deg + steps, np.full(49, 0.7) * u.deg).value)
    np.testing.assert_allclose(values[1:], np.tile(values[0], (2, 1)), rtol=1e-9)


def stack(shapes, **kwargs):
    axis = MapAxis.from_nodes(np.arange(1.0, len(shapes) + 1), name="x", unit="")
    separation = geom().separation(CENTER).to_value("deg")
    data = np.stack([shape(separation) for shape in shapes])
    data /= (data * geom().solid_angle().to_value("sr")).sum(axis=(1, 2), keepdims=True)
    return TemplateNDSpatialModel(Map.from_geom(geom(axes=[axis]), data=data, unit="sr-1"), **kwargs)


@pytest.mark.parametrize("x", [1.0, 1.5])
@pytest.mark.parametrize(
    "shapes",
    [
        [lambda s: (s < 0.5) * 1.0, lambda s: (s < 0.7) * 1.0],
        [lambda s: np.exp(-0.5 * (s / 0.4) ** 2), lambda s: np.exp(-0.5 * (s / 0.7) ** 2)],
    ],
)
def test_flux_between_the_nodes_of_a_template(shapes, x):
    model = stack(shapes, x=x)
    assert model.integrate_geom(geom(49, 0.1)).data.sum() == pytest.approx(
        1, abs=1.2e-2
    )  # logarithms between pixels lose up to 1.1 %
    image = geom(49, 0.1)
    lon, lat = model._lonlat(image.get_coord().skycoord)
    graph = model.evaluate_graph(lon, lat, model.values).eval()
    np.testing.assert_allclose(graph, model(lon * u.deg, lat * u.deg).value, rtol=1e-9, atol=1e-9 * graph.max())
