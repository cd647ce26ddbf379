"""Plots of maps: what is drawn, where, and what is refused."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib import rc_params, rcParams
from numpy.testing import assert_array_equal

from bayesmap.maps import Map, MapAxis, WcsGeom

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", 4)


@pytest.fixture
def cube():
    geom = WcsGeom.create(npix=(6, 4), binsz=0.1, frame="galactic", axes=[ENERGY])
    return Map.from_geom(geom, data=np.arange(96.0).reshape(4, 4, 6), unit="m2 s")


def test_one_image(cube):
    image = cube.sum_over_axes()
    image.data[0, 0, 0] = np.nan
    settings = dict(rcParams)
    ax = image.plot(add_cbar=True, vmin=1, cmap="viridis")
    drawn = ax.get_images()[0]
    assert drawn.get_array().mask.sum() == 1
    assert_array_equal(drawn.get_array().compressed(), image.data.ravel()[1:])
    assert drawn.get_clim()[0] == 1
    assert drawn.colorbar.ax.get_ylabel() == r"[$\mathrm{m^{2}\,s}$]"
    assert [coord.get_axislabel() for coord in ax.coords] == ["Galactic Longitude", "Galactic Latitude"]
    ax.figure.canvas.draw()
    assert dict(rcParams) == settings
    assert rc_params


def test_given_axes(cube):
    image = cube.get_image_by_idx((0,))
    ax = plt.figure().add_subplot(projection=image.geom.wcs)
    assert image.plot(ax=ax) is ax
    other = image.geom.to_binsz(0.05)
    assert Map.from_geom(other, data=1.0).plot(ax=ax, stretch="sqrt") is ax
    ax.figure.canvas.draw()
    with pytest.raises(TypeError, match="projection=map.geom.wcs"):
        image.plot(ax=plt.figure().add_subplot())


def test_grid(cube):
    axes = cube.plot_grid(ncols=3, add_cbar=True)
    assert axes.shape == (2, 3)
    assert [ax is None for ax in axes.ravel()] == [False] * 4 + [True] * 2
    assert axes[0, 0].get_title() == "Energy 1 TeV - 1.78 TeV"
    assert_array_equal(axes[1, 0].get_images()[0].get_array(), cube.data[3])
    axes[0, 0].figure.canvas.draw()
    assert cube.sum_over_axes().plot_grid().shape == (1, 1)


def test_constant_and_empty_images(cube):
    for value in (0.0, np.nan):
        image = Map.from_geom(cube.geom.to_image(), data=value)
        image.plot(add_cbar=True, stretch="log").figure.canvas.draw()


def test_mask(cube):
    mask = cube.get_image_by_idx((0,)) > 5 * u.Unit("m2 s")
    ax = cube.get_image_by_idx((0,)).plot()
    assert mask.plot_mask(ax=ax) is ax
    ax.figure.canvas.draw()
    (~mask).plot_mask().figure.canvas.draw()


def test_what_is_refused(cube):
    with pytest.raises(ValueError, match="plot_grid"):
        cube.plot()
    with pytest.raises(ValueError, match="stretch must be one of"):
        cube.sum_over_axes().plot(stretch="cube")
    with pytest.raises(ValueError, match="boolean map"):
        cube.plot_mask()
    with pytest.raises(ValueError, match="at least 1"):
        cube.plot_grid(ncols=0)
