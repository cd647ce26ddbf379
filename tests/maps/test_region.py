"""Geometries and maps on a region of the sky."""

import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from regions import (
    CircleAnnulusSkyRegion,
    CirclePixelRegion,
    CircleSkyRegion,
    EllipseSkyRegion,
    PixCoord,
    PointSkyRegion,
    PolygonSkyRegion,
    RectangleSkyRegion,
)

from bayesmap.errors import FormatError, GeometryMismatchError
from bayesmap.maps import LabelMapAxis, Map, MapAxis, RegionGeom, RegionNDMap, WcsGeom
from tests.golden import shared_path

ENERGY = MapAxis.from_energy_bounds(1, 100, nbin=4, unit="TeV", name="energy")
TRUE = MapAxis.from_energy_bounds(0.5, 200, nbin=6, unit="TeV", name="energy_true")
CENTER = SkyCoord(83.63, 22.01, unit="deg")
CIRCLE = CircleSkyRegion(CENTER, 0.3 * u.deg)
SHAPES = {
    "circle": CIRCLE,
    "ellipse": EllipseSkyRegion(CENTER, 0.6 * u.deg, 0.4 * u.deg, 30 * u.deg),
    "rectangle": RectangleSkyRegion(CENTER, 0.6 * u.deg, 0.4 * u.deg, 30 * u.deg),
    "annulus": CircleAnnulusSkyRegion(CENTER, 0.2 * u.deg, 0.4 * u.deg),
    "point": PointSkyRegion(CENTER),
    "polygon": PolygonSkyRegion(SkyCoord([83.4, 83.9, 83.7], [21.9, 21.8, 22.3], unit="deg")),
}
AREAS = {
    "circle": np.pi * 0.3**2,
    "ellipse": np.pi * 0.3 * 0.2,
    "rectangle": 0.6 * 0.4,
    "annulus": np.pi * (0.4**2 - 0.2**2),
    "point": 0,
}


def ramp(geom, **kwargs):
    data = np.arange(np.prod(geom.data_shape), dtype="float64").reshape(geom.data_shape) + 1
    return Map.from_geom(geom, data=data, **kwargs)


# -- geometries -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", AREAS)
def test_solid_angle(shape):
    geom = RegionGeom(SHAPES[shape], axes=[ENERGY])
    assert_allclose(geom.solid_angle().to_value("deg2"), AREAS[shape], rtol=1e-5)
    assert geom.bin_volume().shape == geom.data_shape
    assert_allclose(geom.bin_volume().squeeze(), geom.solid_angle() * ENERGY.bin_width)


@pytest.mark.parametrize("shape", AREAS)
def test_samples_cover_the_region(shape):
    geom = RegionGeom(SHAPES[shape], axes=[ENERGY], binsz_wcs="0.05 deg")
    coords, weights = geom.get_wcs_coord_and_weights()
    assert coords.shape == (4, len(weights))
    area = weights.sum() * 0.05**2
    assert_allclose(area, AREAS[shape] or 0.05**2, rtol=0.02)
    mean = coords.skycoord[0] if coords.skycoord.ndim > 1 else coords.skycoord
    middle = SkyCoord(np.average(mean.ra.deg, weights=weights), np.average(mean.dec.deg, weights=weights), unit="deg")
    assert middle.separation(CENTER).deg < 0.01
    assert geom.get_wcs_coord_and_weights()[1] is weights


def test_create_takes_regions_in_many_forms():
    one = RegionGeom.create("icrs;circle(83.63, 22.01, 0.3)", axes=[ENERGY])
    assert_allclose(one.region.radius.to_value("deg"), 0.3)
    assert isinstance(RegionGeom.create(CENTER).region, PointSkyRegion)
    assert RegionGeom.create(CENTER).is_all_point_sky_regions
    other = CircleSkyRegion(CENTER.directional_offset_by(90 * u.deg, 2 * u.deg), 0.3 * u.deg)
    both = RegionGeom.from_regions([CIRCLE, other], axes=[ENERGY])
    assert_allclose(both.solid_angle().to_value("deg2"), 2 * AREAS["circle"], rtol=0.01)
    assert_array_equal(both.contains(SkyCoord([CENTER, other.center, both.center_skydir])), [True, True, False])
    assert both.region.region1 is CIRCLE
    nothing = RegionGeom.create(None, axes=[ENERGY])
    assert nothing.region is None
    assert RegionGeom.create([]).region is None


def test_other_frames_and_polygons():
    fk5 = RegionGeom(CircleSkyRegion(SkyCoord(83.63, 22.01, unit="deg", frame="fk5"), 0.3 * u.deg))
    assert fk5.frame == "icrs"
    assert fk5.center_skydir.separation(CENTER).deg < 1e-4
    galactic = RegionGeom(CircleSkyRegion(CENTER.galactic, 0.3 * u.deg))
    assert galactic.frame == "galactic"
    assert galactic.get_coord(frame="icrs").skycoord.separation(CENTER).deg.max() < 1e-9
    polygon = RegionGeom(SHAPES["polygon"])
    assert polygon.contains(polygon.region.vertices[0].directional_offset_by(90 * u.deg, 0.1 * u.deg)).shape == (1,)
    assert polygon.contains(SkyCoord(83.67, 22.0, unit="deg")).all()


def test_coordinates():
    geom = RegionGeom(CIRCLE, axes=[ENERGY, TRUE])
    coords = geom.get_coord()
    assert coords.shape == geom.data_shape == (6, 4, 1, 1)
    assert geom.get_coord(sparse=True)["energy"].shape == (1, 4, 1, 1)
    assert geom.get_coord("edges", axis_name="energy")["energy"].shape == (6, 5, 1, 1)
    outside = SkyCoord(85, 22, unit="deg")
    pix = geom.coord_to_pix({"skycoord": SkyCoord([CENTER, outside]), "energy": 10 * u.TeV, "energy_true": 10 * u.TeV})
    assert_array_equal(pix[0], [0, np.nan])
    assert_array_equal(geom.contains_pix(pix), [True, False])
    assert_array_equal(geom.coord_to_idx({"energy": 2 * u.TeV, "energy_true": 1 * u.TeV})[2], 0)
    assert_array_equal(geom.coord_to_pix((2 * u.TeV, 1 * u.TeV))[0], 0)
    lon, lat, energy, _ = geom.pix_to_coord(geom.center_pix)
    assert (lon.value, lat.value) == pytest.approx((83.63, 22.01))
    assert energy.value == pytest.approx(10)
    assert geom.separation(outside).deg == pytest.approx(CENTER.separation(outside).deg)
    assert geom.center_coord[2].value == pytest.approx(10)
    assert [i.shape for i in geom.get_idx()] == [(6, 4, 1, 1)] * 4
    assert geom.contains_wcs_pix((1.5, 1.5)).shape == ()


def test_geometries_with_other_axes():
    geom = RegionGeom(CIRCLE, axes=[ENERGY])
    for new in (
        geom.to_image().to_cube([ENERGY]),
        geom.squash("energy").replace_axis(ENERGY),
        geom.upsample(2).downsample(2, "energy"),
        geom.rename_axes("energy", "x").rename_axes("x", "energy"),
        geom.copy(),
        geom.to_binsz(0.3),
        geom.cutout(CENTER, 1 * u.deg),
        geom.to_binsz_wcs("0.02 deg"),
    ):
        assert new == geom
        assert new.region is CIRCLE
    assert geom.to_binsz_wcs("0.02 deg").binsz_wcs[0].deg == pytest.approx(0.02)
    assert geom.pad(1, axis_name="energy").data_shape == (6, 1, 1)
    assert geom.is_aligned(geom.copy())
    assert geom != geom.to_image()
    assert geom != WcsGeom.create(npix=1, axes=[ENERGY])
    assert geom.to_wcs_geom().data_shape == (4, 8, 8)
    assert geom.to_wcs_geom(width_min=(1, 1.2)).data_shape == (4, 12, 10)
    both = geom.union(RegionGeom(SHAPES["point"], axes=[ENERGY]))
    assert len(both.region.to_pixel(both.wcs).bounding_box.shape) == 2
    assert "RegionGeom" in str(geom)


def test_geometries_without_a_region():
    geom = RegionGeom(None, axes=[ENERGY])
    assert geom.data_shape == (4, 1, 1)
    assert np.isnan(geom.center_skydir.ra)
    assert_array_equal(geom.coord_to_pix({"energy": 10 * u.TeV})[0], 0)
    assert geom.union(RegionGeom(CIRCLE, axes=[ENERGY])).region is CIRCLE
    for use in (geom.solid_angle, geom.to_wcs_geom, geom.get_wcs_coord_and_weights, lambda: geom.contains(CENTER)):
        with pytest.raises(ValueError, match="needs a region"):
            use()
    assert "NoneType" in str(geom)


def test_wrong_geometries_are_refused():
    with pytest.raises(TypeError, match="sky region"):
        RegionGeom(CirclePixelRegion(PixCoord(1, 1), 2))
    with pytest.raises(TypeError, match="package 'regions'"):
        RegionGeom.create([3])
    with pytest.raises(ValueError, match="only unions"):
        RegionGeom(CIRCLE & SHAPES["ellipse"])
    geom = RegionGeom(CIRCLE, axes=[ENERGY])
    with pytest.raises(ValueError, match="cannot be padded"):
        geom.pad(1)
    with pytest.raises(ValueError, match="name of an axis"):
        geom.get_coord("edges")
    with pytest.raises(ValueError, match="equal axes"):
        geom.union(geom.to_image())
    with pytest.raises(ValueError, match="no axis"):
        geom.to_image().downsample(2)
    with pytest.raises(ValueError, match="3 pixel coordinates"):
        geom.pix_to_coord((0, 0))


# -- maps -------------------------------------------------------------------------------------------------------------
def test_create():
    m = Map.create(map_type="region", region=CIRCLE, axes=[ENERGY], unit="s", dtype="int64")
    assert isinstance(m, RegionNDMap)
    assert (m.data.shape, m.data.dtype, m.unit) == ((4, 1, 1), np.dtype("int64"), u.s)
    assert isinstance(RegionNDMap.create(CIRCLE, axes=[ENERGY], data=np.arange(4)), RegionNDMap)
    assert RegionNDMap.create(CIRCLE, axes=[ENERGY], data=np.arange(4)).data.shape == (4, 1, 1)
    assert isinstance(Map.from_geom(m.geom), RegionNDMap)
    with pytest.raises(ValueError, match="data have shape"):
        RegionNDMap.create(CIRCLE, axes=[ENERGY], data=np.arange(3))


def test_values_at_coordinates():
    m = ramp(RegionGeom(CIRCLE, axes=[ENERGY]), unit="s")
    assert_array_equal(m.get_by_coord({"energy": ENERGY.center}), [1, 2, 3, 4])
    outside = SkyCoord(85, 22, unit="deg")
    assert_array_equal(m.get_by_coord({"skycoord": SkyCoord([CENTER, outside]), "energy": 2 * u.TeV}), [1, np.nan])
    assert_allclose(m.interp_by_coord({"energy": ENERGY.edges[1:-1]}), [1.5, 2.5, 3.5])
    m.fill_by_coord({"skycoord": SkyCoord([CENTER, CENTER, outside]), "energy": [2, 2, 2] * u.TeV})
    assert m.data[0, 0, 0] == 3
    m.set_by_coord({"energy": 50 * u.TeV}, 7)
    assert m.data[3, 0, 0] == 7
    finer = RegionGeom(CIRCLE, axes=[ENERGY.upsample(3)])
    assert_allclose(ramp(m.geom).interp_to_geom(finer).data.squeeze()[1::3], [1, 2, 3, 4])


def test_arithmetic_and_stacking():
    m = ramp(RegionGeom(CIRCLE, axes=[ENERGY]), unit="s")
    other = ramp(RegionGeom(SHAPES["annulus"], axes=[ENERGY]), unit="ms")  # ON and OFF regions go together
    assert_allclose((m + other).data, m.data * 1.001)
    m.stack(other)
    assert_allclose(m.data.squeeze(), 1.001 * np.arange(1, 5))
    mask = Map.from_geom(other.geom, data=np.array([True, False, False, False]))
    m.stack(other, weights=mask)
    assert_allclose(m.data.squeeze(), [1.002, 2.002, 3.003, 4.004])
    with pytest.raises(GeometryMismatchError, match="equal geometry"):
        m + ramp(RegionGeom(CIRCLE, axes=[TRUE]))
    with pytest.raises(GeometryMismatchError, match="stack"):
        m.stack(ramp(RegionGeom(CIRCLE, axes=[TRUE]), unit="s"))


def test_rebinning():
    m = ramp(RegionGeom(CIRCLE, axes=[ENERGY, TRUE]))
    assert m.sum_over_axes().data.squeeze() == 300
    assert m.sum_over_axes(["energy"], keepdims=False).geom.axes.names == ["energy_true"]
    assert m.resample_axis(ENERGY.squash()).data.shape == (6, 1, 1, 1)
    assert m.downsample(2).data.shape == (6, 2, 1, 1)
    assert m.downsample(3, axis_name="energy_true", preserve_counts=False).data[0, 0, 0, 0] == 5
    assert m.pad(1, axis_name="energy").data.shape == (6, 6, 1, 1)
    assert m.slice_by_idx({"energy_true": slice(1, 3)}).data.shape == (2, 4, 1, 1)
    assert m.cutout(CENTER, 1 * u.deg).is_allclose(m)
    assert m.to_region_nd_map().is_allclose(m)
    mask = ramp(RegionGeom(CIRCLE, axes=[ENERGY])) > 3
    assert_array_equal(mask.downsample(2).data.squeeze(), [False, True])
    cumulative = ramp(RegionGeom(CIRCLE, axes=[ENERGY])).integral("energy", {"energy": 100 * u.TeV})
    assert_allclose(cumulative.value, (np.arange(1, 5) * ENERGY.bin_width.value).sum())
    with pytest.raises(ValueError, match="cannot be padded"):
        m.pad(1)
    with pytest.raises(ValueError, match="no axis"):
        m.sum_over_axes(keepdims=False).upsample(2)


# -- from images ------------------------------------------------------------------------------------------------------
IMAGE = WcsGeom.create(skydir=CENTER, npix=(20, 16), binsz=0.1, frame="icrs", proj="TAN", axes=[ENERGY])


def test_images_to_regions():
    m = ramp(IMAGE, unit="s", meta={"livetime": 3})
    total = m.to_region_nd_map()
    assert_allclose(total.data.squeeze(), m.data.sum(axis=(1, 2)))
    assert (total.unit, total.meta) == (u.s, {"livetime": 3})
    inside = IMAGE.to_image().region_mask([CIRCLE]).data
    assert_allclose(m.to_region_nd_map(CIRCLE, func=np.max).data.squeeze(), m.data[:, inside].max(axis=-1))
    halves = Map.from_geom(IMAGE, data=np.full(IMAGE.data_shape, 0.5))
    assert_allclose(m.to_region_nd_map(CIRCLE, weights=halves).data.squeeze(), 0.5 * m.data[:, inside].sum(axis=-1))
    assert_allclose(m.get_spectrum(CIRCLE).data, m.to_region_nd_map(CIRCLE).data)
    mask = m > 500 * u.s
    anywhere = mask.to_region_nd_map(CIRCLE, func=np.any)
    assert anywhere.is_mask
    assert_array_equal(anywhere.data.squeeze(), [False, True, True, True])
    two = [CIRCLE, CircleSkyRegion(CENTER.directional_offset_by(0 * u.deg, 0.5 * u.deg), 0.1 * u.deg)]
    assert_allclose(m.to_region_nd_map(two).data.squeeze(), m.data[:, IMAGE.to_image().region_mask(two).data].sum(-1))


def test_images_to_positions():
    m = ramp(IMAGE)
    place = IMAGE.to_image().pix_to_coord((3.25, 4.0))
    position = SkyCoord(*place, frame="icrs")
    assert_allclose(m.to_region_nd_map(position).data.squeeze(), m.data[:, 4, 3])
    linear = m.to_region_nd_map(position, method="linear")
    assert_allclose(linear.data.squeeze(), m.data[:, 4, 3] + 0.25, rtol=1e-6)
    weights = Map.from_geom(IMAGE, data=np.full(IMAGE.data_shape, 0.5))
    assert_allclose(m.to_region_nd_map(position, weights=weights).data.squeeze(), 0.5 * m.data[:, 4, 3])


def test_pixels_outside_the_mask_are_left_out():
    m = ramp(IMAGE)
    mask = Map.from_geom(IMAGE, data=np.zeros(IMAGE.data_shape, dtype=bool))
    mask.data[0, 8, 10] = True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = m.to_region_nd_map(CIRCLE, func=np.mean, weights=mask)
    assert_array_equal(result.data.squeeze(), [m.data[0, 8, 10], 0, 0, 0])


def test_regions_off_the_image_are_refused():
    m = ramp(IMAGE)
    with pytest.raises(ValueError, match="outside"):
        m.to_region_nd_map(SkyCoord(0, 0, unit="deg"))
    with pytest.raises(ValueError, match="no pixel"):
        m.to_region_nd_map(CircleSkyRegion(SkyCoord(0, 0, unit="deg"), 0.3 * u.deg))
    with pytest.raises(GeometryMismatchError, match="weights"):
        m.to_region_nd_map(CIRCLE, weights=ramp(IMAGE.to_image()))
    with pytest.raises(ValueError, match="method"):
        m.to_region_nd_map(CENTER, method="cubic")


def test_histograms_and_masks():
    m = ramp(IMAGE)
    axis = MapAxis.from_bounds(0, 1400, nbin=7, name="bins")
    counts = m.to_region_nd_map_histogram(CIRCLE, bins_axis=axis)
    assert counts.geom.axes.names == ["bins", "energy"]
    assert_array_equal(counts.data.sum(axis=1).squeeze(), IMAGE.to_image().region_mask([CIRCLE]).data.sum())
    assert m.to_region_nd_map_histogram(nbin=10, density=True).geom.axes["bins"].nbin == 10
    with pytest.raises(ValueError, match="extent"):
        m.to_region_nd_map_histogram(CENTER)
    mask = IMAGE.to_image().region_mask([CircleSkyRegion(CENTER, 0.5 * u.deg)])
    assert mask.mask_contains_region(CIRCLE)
    assert not mask.mask_contains_region(CircleSkyRegion(CENTER, 2 * u.deg))
    with pytest.raises(ValueError, match="boolean image"):
        m.mask_contains_region(CIRCLE)


# -- files ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", SHAPES)
def test_files_keep_the_region(shape, tmp_path):
    m = ramp(RegionGeom(SHAPES[shape], axes=[ENERGY, TRUE]), unit="m2 s", meta={"livetime": 2.5})
    m.write(tmp_path / "m.fits")
    again = Map.read(tmp_path / "m.fits")
    assert isinstance(again, RegionNDMap)
    assert again.is_allclose(m)
    assert again.meta == m.meta
    assert type(again.geom.region) is type(SHAPES[shape])
    assert_allclose(again.geom.solid_angle().value, m.geom.solid_angle().value, rtol=1e-9)
    assert again.geom.center_skydir.separation(m.geom.center_skydir).deg < 1e-9
    assert_allclose(again.geom.width.value, m.geom.width.value)


def test_files_of_unions_images_and_no_region(tmp_path):
    union = RegionGeom.create([CIRCLE, SHAPES["rectangle"]], axes=[ENERGY])
    for number, geom in enumerate((union, union.to_image(), RegionGeom(None, axes=[ENERGY]))):
        path = tmp_path / f"{number}.fits"
        m = Map.from_geom(geom, data=np.arange(np.prod(geom.data_shape)) > 1)
        m.write(path, hdu="counts")
        again = RegionNDMap.read(path, hdu="COUNTS")
        assert again.is_mask
        assert_array_equal(again.data, m.data)
        assert type(again.geom.region) is type(geom.region)


def test_layout():
    m = ramp(RegionGeom(CIRCLE, axes=[ENERGY]), unit="s")
    hdus = m.to_hdulist(hdu="counts")
    assert [hdu.name for hdu in hdus] == ["PRIMARY", "COUNTS", "COUNTS_BANDS", "COUNTS_REGION"]
    assert hdus["COUNTS"].columns.names == ["CHANNEL", "DATA"]
    assert hdus["COUNTS"].header["AXCOLS1"] == "E_MIN,E_MAX"
    assert hdus["COUNTS_REGION"].data["SHAPE"][0] == "circle"
    assert hdus["COUNTS_REGION"].header["WCSSHAPE"] == "(8,8)"
    assert [hdu.name for hdu in m.to_hdulist()][1] == "SKYMAP"
    geom = RegionGeom.from_hdulist(hdus, hdu="COUNTS")
    assert geom == m.geom
    assert [hdu.name for hdu in geom.to_hdulist()][1:] == ["HDU_BANDS", "HDU_REGION"]


def test_files_of_gammapy():
    path = shared_path("data", "hess-dl3-dr1-reduced", "crab-spectrum-onoff", "crab-spec-cash-gadf.fits.gz")
    counts = Map.read(path, hdu="COUNTS")
    assert counts.data.sum() == 549
    assert counts.geom.region.radius.to_value("deg") == pytest.approx(0.11, rel=1e-5)
    assert counts.geom.center_skydir.ra.deg == pytest.approx(83.633083)
    assert Map.read(path, hdu="EDISP").data.shape == (53, 27, 1, 1)
    assert Map.read(path, hdu="MASK_SAFE").is_mask
    assert Map.read(path, hdu="EXPOSURE", map_type="region").unit == u.Unit("m2 s")


def test_damaged_files_are_refused(tmp_path):
    m = ramp(RegionGeom(CIRCLE, axes=[ENERGY]))

    def damaged(change):
        hdus = m.to_hdulist(hdu="counts")
        change(hdus)
        with pytest.raises(FormatError) as error:
            Map.from_hdulist(hdus, hdu="COUNTS")
        return str(error.value)

    assert "COUNTS_BANDS" in damaged(lambda hdus: hdus.pop(2))
    assert "without the column DATA" in damaged(lambda hdus: hdus["COUNTS"].columns.change_name("DATA", "X"))

    def no_shape(hdus):
        hdus["COUNTS_REGION"].data["SHAPE"][0] = "potato"

    assert "COUNTS_REGION" in damaged(no_shape)

    def no_wcs(hdus):
        del hdus["COUNTS_REGION"].header["CTYPE*"]

    assert "COUNTS_REGION" in damaged(no_wcs)

    def other_length(hdus):
        hdus["COUNTS"] = fits.BinTableHDU.from_columns(hdus["COUNTS"].columns[:2], nrows=3, name="COUNTS")
        hdus["COUNTS"].header["AXCOLS1"] = "E_MIN,E_MAX"

    assert "3 values" in damaged(other_length)
    ramp(IMAGE).write(tmp_path / "image.fits")
    with pytest.raises(FormatError, match="no map"):
        RegionNDMap.read(tmp_path / "image.fits")
    with pytest.raises(FormatError, match="not a map of type 'region'"):
        Map.read(tmp_path / "image.fits", hdu=0, map_type="region")


# -- labels -----------------------------------------------------------------------------------------------------------
def test_label_axis(tmp_path):
    axis = LabelMapAxis(["crab", "gc"], name="models")
    m = ramp(RegionGeom(CIRCLE, axes=[ENERGY, axis]))
    m.write(tmp_path / "m.fits")
    again = Map.read(tmp_path / "m.fits")
    assert again.geom.axes["models"].labels == ("crab", "gc")
    assert again.is_allclose(m)
    image = ramp(WcsGeom.create(npix=2, axes=[axis]))
    image.write(tmp_path / "image.fits")
    assert Map.read(tmp_path / "image.fits").geom.axes["models"].labels == ("crab", "gc")
    assert axis.coord_to_idx(["gc", "crab", "vela"]).tolist() == [1, 0, -1]
    assert axis != LabelMapAxis(["crab", "vela"], name="models")


# -- laws -------------------------------------------------------------------------------------------------------------
values = st.lists(st.floats(0, 1e6, width=32), min_size=12, max_size=12)
angles = st.floats(0.02, 3)
positions = st.tuples(st.floats(0, 360, exclude_max=True), st.floats(-85, 85))


@given(
    values, positions, angles, st.sampled_from(["icrs", "galactic"]), st.sampled_from(["float32", "float64", "int64"])
)
@settings(deadline=None, max_examples=25)
def test_reading_what_was_written(values, position, size, frame, dtype):
    center = SkyCoord(*position, unit="deg", frame=frame)
    axis = MapAxis.from_energy_bounds(0.1, 10, nbin=12, unit="TeV", name="energy")
    geom = RegionGeom(CircleSkyRegion(center, size * u.deg), axes=[axis])
    m = Map.from_geom(geom, data=np.array(values).astype(dtype), unit="m2", meta={"a": 1})
    again = Map.from_hdulist(m.to_hdulist(hdu="m"), hdu="m")
    assert_array_equal(again.data, m.data)
    assert (again.data.dtype, again.unit, again.meta, again.geom.frame) == (m.data.dtype, m.unit, m.meta, frame)
    assert again.geom == m.geom
    assert_allclose(again.geom.region.radius.to_value("deg"), size, rtol=1e-6)
    assert again.geom.region.center.separation(center).deg < 1e-9


@given(values, st.sampled_from([1, 2, 3, 4, 6, 12]), st.integers(0, 12), st.integers(0, 12))
@settings(deadline=None, max_examples=50)
def test_rebinning_keeps_counts(values, factor, first, last):
    axis = MapAxis.from_energy_bounds(0.1, 10, nbin=12, unit="TeV", name="energy")
    m = RegionNDMap.create(CIRCLE, axes=[axis], data=np.array(values))
    total = m.data.sum()
    assert_allclose(m.downsample(factor).data.sum(), total)
    assert_allclose(m.upsample(factor).data.sum(), total)
    assert_allclose(m.upsample(factor).downsample(factor).data, m.data)
    edges = np.unique([0, first, last, 12])
    coarse = m.resample_axis(MapAxis.from_energy_edges(axis.edges[edges], name="energy"))
    assert_allclose(coarse.data.sum(), total)
    sums = [m.data[a:b].sum() for a, b in zip(edges[:-1], edges[1:], strict=True)]
    assert_allclose(coarse.data[:, 0, 0], sums)


@given(st.integers(0, 2**31 - 1), st.floats(0.15, 0.7), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))
@settings(deadline=None, max_examples=25)
def test_regions_and_their_complement_hold_all_counts(seed, radius, dx, dy):
    m = Map.from_geom(IMAGE, data=np.random.default_rng(seed).integers(0, 10, IMAGE.data_shape))
    region = CircleSkyRegion(SkyCoord(83.63 + dx, 22.01 + dy, unit="deg"), radius * u.deg)
    outside = IMAGE.region_mask([region], inside=False)
    inner, outer = m.to_region_nd_map(region), m.to_region_nd_map(weights=outside)
    assert_array_equal(inner.data + outer.data, m.to_region_nd_map().data)
