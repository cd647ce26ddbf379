"""Figures of maps on a region."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion, PointSkyRegion

from bayesmap.maps import MapAxis, RegionGeom, RegionNDMap, WcsGeom

ENERGY = MapAxis.from_energy_bounds("1 TeV", "100 TeV", 4)
CENTER = SkyCoord(83.6, 22.0, unit="deg")
CIRCLE = CircleSkyRegion(CENTER, 0.3 * u.deg)


@pytest.fixture
def spectrum():
    return RegionNDMap.create(CIRCLE, axes=[ENERGY], data=np.arange(1.0, 5.0), unit="s")


def test_points(spectrum):
    ax = spectrum.plot(label="counts", yerr=np.sqrt(spectrum.data))
    (container,) = ax.containers
    assert_allclose(container.lines[0].get_xydata(), np.stack([ENERGY.center.value, [1, 2, 3, 4]], axis=-1))
    bars = container.lines[2][1].get_segments()
    assert_allclose([bar[:, 1] for bar in bars], [(n - n**0.5, n + n**0.5) for n in (1, 2, 3, 4)])
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_xlabel().startswith("Energy [")
    assert "s" in ax.get_ylabel()
    assert container.get_label() == "counts"


def test_points_of_several_bins():
    true = MapAxis.from_energy_bounds("1 TeV", "9 TeV", 2, name="energy_true")
    m = RegionNDMap.create(CIRCLE, axes=[ENERGY, true], data=np.arange(8.0).reshape(2, 4, 1, 1))
    ax = m.plot(ax=plt.figure().add_subplot(), axis_name="energy", yerr=(m.data, 2 * m.data), uplims=m.data > 6)
    assert [c.get_label() for c in ax.containers] == true.as_plot_labels
    assert_array_equal(ax.containers[1].lines[0].get_ydata(), [4, 5, 6, 7])
    with pytest.raises(ValueError, match="axis_name"):
        m.plot()


def test_histogram(spectrum):
    ax = spectrum.plot_hist(ax=plt.figure().add_subplot(), label="npred")
    path = ax.patches[0].get_path().vertices
    assert_allclose(np.unique(path[:, 0]), ENERGY.edges.value)
    assert set(path[:, 1]) >= {1, 2, 3, 4}
    assert ax.patches[0].get_label() == "npred"


def test_mask(spectrum):
    mask = spectrum.copy(data=np.array([True, False, True, True]).reshape(4, 1, 1), unit="")
    ax = mask.plot_mask(ax=plt.figure().add_subplot(), color="r")
    spans = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in ax.patches]
    edges = ENERGY.edges.value
    assert_allclose(spans, [(edges[0], edges[1]), (edges[2], edges[4])])
    assert [patch.get_label() for patch in ax.patches][0] == "mask"
    with pytest.raises(ValueError, match="boolean"):
        spectrum.plot_mask()


def test_region():
    other = PointSkyRegion(CENTER.directional_offset_by(0 * u.deg, 0.5 * u.deg))
    geom = RegionGeom.create([CIRCLE, other], axes=[ENERGY])
    ax = geom.plot_region(color="g", linewidth=2)
    assert ax.patches[0].get_edgecolor()[:3] == pytest.approx((0, 0.5, 0), abs=0.01)
    assert ax.lines[0].get_color() == "g"
    ax.figure.canvas.draw()
    image = WcsGeom.create(skydir=CENTER, npix=10, binsz=0.2)
    given = plt.figure().add_subplot(projection=image.wcs)
    m = RegionNDMap(geom)
    assert m.plot_region(ax=given, kwargs_point={"marker": "x"}) is given
    assert given.lines[0].get_marker() == "x"
    assert given.patches[0].radius == pytest.approx(1.5, rel=1e-3)
    with pytest.raises(ValueError, match="needs a region"):
        RegionGeom(None).plot_region()
    with pytest.raises(TypeError, match="celestial"):
        geom.plot_region(ax=plt.figure().add_subplot())
