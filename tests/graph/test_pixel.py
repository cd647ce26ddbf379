"""The symbolic projection against astropy's WCS."""

import astropy.units as u
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from astropy.coordinates import SkyCoord

from bayesmap.graph.pixel import SkyToPixel
from bayesmap.maps import WcsGeom

CASES = [
    ("CAR", "galactic", (0, 0), "galactic"),
    ("CAR", "galactic", (180, 0), "galactic"),
    ("CAR", "icrs", (83.63, 22.01), "icrs"),
    ("CAR", "icrs", (10, 60), "galactic"),
    ("TAN", "icrs", (83.63, 22.01), "icrs"),
    ("TAN", "icrs", (359.9, -45), "galactic"),
    ("TAN", "galactic", (30, 88), "galactic"),
]


def compiled(sky):
    lon, lat = pt.scalar(dtype="float64"), pt.scalar(dtype="float64")
    outputs = [*sky.pixel(lon, lat), *sky.jacobian(lon, lat)]
    return pytensor.function([lon, lat], outputs, mode="FAST_COMPILE")


@pytest.mark.parametrize(("proj", "frame", "skydir", "model_frame"), CASES)
def test_pixels_and_their_derivatives_equal_the_wcs(proj, frame, skydir, model_frame):
    geom = WcsGeom.create(skydir=skydir, width=(8, 6), binsz=0.05, proj=proj, frame=frame)
    function = compiled(SkyToPixel.from_geom(geom, geom.center_skydir.transform_to(model_frame)))
    rng = np.random.default_rng(0)
    points = geom.center_skydir.directional_offset_by(rng.uniform(0, 360, 8) * u.deg, rng.uniform(0, 2.5, 8) * u.deg)
    for point in points:
        here = point.transform_to(model_frame)
        x, y, xe, xn, ye, yn = function(here.data.lon.deg, here.data.lat.deg)
        np.testing.assert_allclose((x, y), point.to_pixel(geom.wcs), atol=1e-7)
        step = 1e-4
        for (dx, dy), offset in (((xe, ye), (step, 0)), ((xn, yn), (0, step))):
            moved = here.spherical_offsets_by(offset[0] * u.deg, offset[1] * u.deg).transform_to(frame)
            numeric = (np.array(moved.to_pixel(geom.wcs)) - point.to_pixel(geom.wcs)) / step
            np.testing.assert_allclose((dx, dy), numeric, rtol=1e-4, atol=1e-3)


def test_other_projections_are_affine_around_the_centre():
    geom = WcsGeom.create(skydir=(83.63, 22.01), width=4, binsz=0.05, proj="AIT", frame="icrs")
    function = compiled(SkyToPixel.from_geom(geom, geom.center_skydir))
    near = geom.center_skydir.directional_offset_by(40 * u.deg, 0.5 * u.deg)
    np.testing.assert_allclose(function(near.ra.deg, near.dec.deg)[:2], near.to_pixel(geom.wcs), atol=0.02)


def test_longitude_may_be_unwrapped():
    geom = WcsGeom.create(skydir=(0, 0), width=4, binsz=0.05, proj="CAR", frame="galactic")
    function = compiled(SkyToPixel.from_geom(geom, SkyCoord(0, 0, unit="deg", frame="galactic")))
    np.testing.assert_allclose(function(-0.3, 0.1), function(359.7, 0.1), atol=1e-9)
