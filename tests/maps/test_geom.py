"""Geometries: construction, coordinates, cutouts, bad input."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion, PointSkyRegion

from bayesmap.errors import GeometryMismatchError
from bayesmap.maps import MapAxis, MapCoord, WcsGeom

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", 3)


@st.composite
def geoms(draw):
    return WcsGeom.create(
        npix=(draw(st.integers(4, 12)), draw(st.integers(4, 12))),
        binsz=draw(st.floats(0.02, 1.0)),
        proj=draw(st.sampled_from(["CAR", "TAN", "ZEA", "SIN"])),
        frame=draw(st.sampled_from(["icrs", "galactic"])),
        skydir=(draw(st.floats(0, 359.9)), draw(st.floats(-80, 80))),
        axes=[ENERGY],
    )


@pytest.fixture
def geom():
    return WcsGeom.create(npix=(10, 8), binsz=0.1, skydir=(83.6, 22), axes=[ENERGY])


@settings(max_examples=40, deadline=None)
@given(geoms())
def test_pixels_and_coordinates_are_inverse(geom):
    coords = geom.get_coord()
    assert coords.shape == geom.data_shape
    for ours, pix in zip(geom.coord_to_pix(coords), geom.get_pix(), strict=True):
        assert_allclose(ours, np.broadcast_to(pix, geom.data_shape), atol=1e-6)
    for ours, index in zip(geom.coord_to_idx(coords), geom.get_idx(), strict=True):
        assert_array_equal(ours, index)
    assert np.all(geom.contains(coords))


@settings(max_examples=40, deadline=None)
@given(geoms())
def test_solid_angles_are_those_of_small_squares(geom):
    area = geom.to_image().solid_angle()
    near_center = area[area.shape[0] // 2, area.shape[1] // 2]
    # projections that do not keep areas change them by (field size)^2
    assert_allclose(near_center.to_value("deg2"), np.prod(geom.pixel_scales.deg), rtol=0.01)
    assert geom.bin_volume().unit == u.Unit("TeV sr")


@settings(max_examples=40, deadline=None)
@given(geoms(), st.integers(0, 3), st.integers(1, 3))
def test_resizing_inverts(geom, width, factor):
    assert geom.pad(width).crop(width) == geom
    assert geom.upsample(factor).downsample(factor) == geom
    assert geom.pad(width).is_aligned(geom)
    assert_allclose(geom.upsample(factor).center_skydir.separation(geom.center_skydir).deg, 0, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(geoms(), st.integers(0, 3), st.integers(0, 3), st.integers(1, 6))
def test_cutout_pixels_are_the_parents(geom, x, y, npix):
    lon, lat = geom.to_image().pix_to_coord((x, y))
    cut = geom.cutout(SkyCoord(lon, lat, frame=geom.frame), tuple(npix * geom.pixel_scales))
    slices = cut.cutout_slices(geom)["parent-slices"]
    ours, parents = cut.to_image().get_coord().skycoord, geom.to_image().get_coord().skycoord[slices]
    assert_allclose(ours.separation(parents).deg, 0, atol=1e-8)
    assert cut.is_aligned(geom)


def test_whole_sky():
    geom = WcsGeom.create(binsz=10)
    assert geom.is_allsky
    assert geom.npix == (36, 18)
    one = WcsGeom.create(npix=1, binsz=(360, 180))
    assert_allclose(one.solid_angle().to_value("sr"), 4 * np.pi)


def test_create_variants(geom):
    center = SkyCoord(83.6, 22, unit="deg")
    same = WcsGeom.create(skydir=center, width=("1 deg", 0.8 * u.deg), binsz="6 arcmin", axes=[ENERGY])
    assert same == geom
    assert WcsGeom.create(skydir=center, npix=(10, 8), width=(1, 0.8), axes=[ENERGY]) == geom
    galactic = WcsGeom.create(skydir=center, npix=3, binsz=0.1, frame="galactic", proj="TAN")
    assert_allclose(galactic.center_skydir.separation(center).deg, 0, atol=1e-9)


def test_from_aligned(geom):
    beside = SkyCoord(85.0, 22, unit="deg")
    other = WcsGeom.from_aligned(geom, beside, 0.5)
    assert other.is_aligned(geom)
    assert other.npix == (5, 5)
    assert other.center_skydir.separation(beside) < 0.08 * u.deg


def test_coordinates_in_any_form(geom):
    point = SkyCoord(83.62, 22.03, unit="deg")
    expected = geom.coord_to_pix({"skycoord": point, "energy": 2 * u.TeV})
    forms = [
        {"skycoord": point.galactic, "energy": 2000 * u.GeV},
        {"lon": 83.62 * u.deg, "lat": 22.03 * u.deg, "energy": "2 TeV"},
        (point, 2 * u.TeV),
        (83.62, 22.03, 2),
        MapCoord({"lon": 83.62, "lat": 22.03, "energy": 2 * u.TeV}, frame="icrs"),
    ]
    for form in forms:
        for ours, theirs in zip(geom.coord_to_pix(form), expected, strict=True):
            assert_allclose(ours, theirs, atol=1e-8)
    with pytest.raises(ValueError, match="lack the axes \\['energy'\\]"):
        geom.coord_to_pix({"skycoord": point})
    with pytest.raises(ValueError, match="'skycoord' or 'lon' and 'lat'"):
        geom.coord_to_pix({"energy": 1})
    with pytest.raises(TypeError, match="SkyCoord"):
        geom.coord_to_pix({"skycoord": (1, 2), "energy": 1})


def test_map_coord(geom):
    coords = geom.get_coord(sparse=True)
    assert coords["energy"].shape == (3, 1, 1)
    assert coords.shape == geom.data_shape
    assert coords.flat["lon"].shape == (240,)
    assert coords.apply_mask(geom.energy_mask("2 TeV").data).size == 160
    galactic = coords.to_frame("galactic")
    assert_allclose(galactic.skycoord.separation(coords.skycoord).deg, 0, atol=1e-9)
    assert geom.get_coord(frame="galactic").frame == "galactic"
    assert geom.get_coord(mode="edges", axis_name="energy").shape == (4, 8, 10)
    assert geom.get_coord(mode="edges").shape == (4, 9, 11)
    with pytest.raises(KeyError, match="no coordinate 'rad'"):
        coords["rad"]


def test_axes_operations(geom):
    rad = MapAxis.from_bounds(0, 1, 2, name="rad", unit="deg")
    cube = geom.to_cube([rad])
    assert cube.data_shape == (2, 3, 8, 10)
    assert cube.reorder_axes(["rad", "energy"]).data_shape == (3, 2, 8, 10)
    assert cube.drop("rad") == geom
    assert cube.squash("energy").axes.shape == (1, 2)
    assert geom.as_energy_true.axes.names == ["energy_true"]
    assert geom.rename_axes("energy", "energy_true") == geom.as_energy_true
    assert geom.to_image().is_image
    assert_allclose(geom.data_nbytes("float64").to_value("byte"), 8 * 240)
    assert geom.has_energy_axis


def test_masks(geom):
    point = PointSkyRegion(geom.center_skydir)
    assert geom.to_image().region_mask(point).data.sum() == 1
    circle = CircleSkyRegion(geom.center_skydir, 0.2 * u.deg)
    mask = geom.region_mask(circle)
    assert mask.data.shape == geom.data_shape
    assert_array_equal(mask.data, ~geom.region_mask([circle], inside=False).data)
    assert_array_equal(mask.data, geom.region_mask("icrs;circle(83.6, 22, 0.2)").data)
    assert geom.energy_mask().data.all()
    with pytest.raises(TypeError, match="regions"):
        geom.region_mask([circle, "circle"])
    with pytest.raises(ValueError, match="at least one"):
        geom.region_mask([])
    with pytest.raises(ValueError, match="energy axis"):
        geom.to_image().energy_mask("1 TeV")


def test_cutout_outside(geom):
    far = SkyCoord(90, 22, unit="deg")
    with pytest.raises(ValueError, match="does not overlap"):
        geom.cutout(far, 0.3)
    edge = SkyCoord(84.1, 22, unit="deg")
    assert geom.cutout(edge, 0.4).npix == (2, 4)
    assert geom.cutout(edge, 0.4, mode="partial").npix == (4, 4)
    with pytest.raises(ValueError, match="sticks out"):
        geom.cutout(edge, 0.4, mode="strict")
    with pytest.raises(ValueError, match="mode must be one of"):
        geom.cutout(edge, 0.4, mode="cut")
    assert geom.cutout(geom.center_skydir, 0.1, min_npix=3).npix == (3, 3)


def test_position_without_a_pixel():
    geom = WcsGeom.create(npix=4, binsz=1, proj="TAN", skydir=(0, 0))
    assert not geom.contains(SkyCoord(180, 0, unit="deg"))
    with pytest.raises(ValueError, match="has no pixel"):
        geom.cutout(SkyCoord(180, 0, unit="deg"), 1)


def test_different_grids(geom):
    other = WcsGeom.create(npix=(10, 8), binsz=0.2, skydir=(83.6, 22), axes=[ENERGY])
    shifted = WcsGeom.create(npix=(10, 8), binsz=0.1, skydir=(83.63, 22), axes=[ENERGY])
    for wrong in (other, shifted):
        assert wrong != geom
        assert not wrong.is_aligned(geom)
        with pytest.raises(GeometryMismatchError, match="pixel grid"):
            wrong.cutout_slices(geom)
    assert geom.squash("energy") != geom
    assert geom != 1


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"binsz": -1}, "binsz must be positive"),
        ({"npix": 0}, "npix must be a positive"),
        ({"width": (1, 2, 3)}, "width must be one value or a pair"),
        ({"proj": "XYZ"}, "projection"),
        ({"frame": "fk5"}, "frame must be one of"),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        WcsGeom.create(**kwargs)


def test_bad_arguments_of_other_kinds(geom):
    with pytest.raises(TypeError, match="skydir must be"):
        WcsGeom.create(skydir="Crab")
    with pytest.raises(ValueError, match="two-dimensional"):
        WcsGeom(WCS(naxis=3), (2, 2))
    with pytest.raises(ValueError, match="equatorial or galactic"):
        WcsGeom(WCS(naxis=2), (2, 2))
    with pytest.raises(ValueError, match="not a multiple of the factor 3"):
        geom.downsample(3)
    with pytest.raises(ValueError, match="pixel coordinates are needed"):
        geom.pix_to_coord((1, 2))
    with pytest.raises(ValueError, match="pad_width must be an integer"):
        geom.pad(1.5)


def test_text(geom):
    assert repr(geom) == "<WcsGeom 10 x 8 x energy 3, CAR icrs>"
    assert "center     : 83.6 deg, 22.0 deg" in str(geom)


@pytest.mark.parametrize("nbin", [21, 30, 39, 72])
@pytest.mark.parametrize("unit", ["TeV", "GeV"])
def test_energy_masks_keep_the_bin_at_an_edge(nbin, unit):
    """A third of the bins lies in each decade, also where an edge is 9.999999999999998 TeV."""
    axis = MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=nbin, unit=unit)
    geom = WcsGeom.create(npix=1, axes=[axis])
    third = nbin // 3
    assert geom.energy_mask(energy_min=10 * u.TeV).data.sum() == third
    assert geom.energy_mask(energy_max=1 * u.TeV).data.sum() == third
    assert geom.energy_mask(np.float32(1) * u.TeV, np.float32(10) * u.TeV).data.sum() == third
    assert geom.energy_mask(energy_min=10.01 * u.TeV).data.sum() == third - 1


HEADER = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 83.63, "CRVAL2": 22.01, "CRPIX1": 5, "CRPIX2": 5}
HEADER |= {"CDELT1": -0.02, "CDELT2": 0.02, "CUNIT1": "deg", "CUNIT2": "deg"}
SIP = {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-3, "B_0_2": 1e-3}


@pytest.mark.parametrize("keywords", [{}, {"RADESYS": "ICRS"}, {"RADESYS": "FK5"}, {"EQUINOX": 2000.0}])
def test_equatorial_coordinates_of_j2000(keywords):
    assert WcsGeom.from_header(fits.Header(HEADER | keywords), npix=(9, 9)).frame == "icrs"


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"RADESYS": "FK4", "EQUINOX": 1950.0}, "frame FK4 of equinox"),
        ({"EQUINOX": 1950.0}, "frame FK4 of equinox"),
        ({"RADESYS": "FK5", "EQUINOX": 1975.0}, "frame FK5 of equinox"),
        ({"RADESYS": "FK4-NO-E"}, "frame FK4NOETERMS"),
        (SIP, "SIP polynomials"),
    ],
)
def test_maps_that_would_be_misplaced_are_refused(keywords, message):
    """By 0.7 deg for coordinates of 1950."""
    with pytest.raises(ValueError, match=f"{message}.* would be misplaced"):
        WcsGeom.from_header(fits.Header(HEADER | keywords), npix=(9, 9))
