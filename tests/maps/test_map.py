"""Maps: data, arithmetic, values at coordinates, rebinning, filters."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from bayesmap.errors import GeometryMismatchError
from bayesmap.maps import Map, MapAxis, WcsGeom, WcsNDMap

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", 4)
GEOM = WcsGeom.create(npix=(12, 8), binsz=0.1, frame="galactic", axes=[ENERGY])
CENTER = SkyCoord(0, 0, unit="deg", frame="galactic")
NUMBERS = st.floats(-1e3, 1e3, allow_subnormal=False)


def random_map(seed=0, geom=GEOM, unit="", dtype="float64"):
    data = np.random.default_rng(seed).uniform(1, 2, geom.data_shape).astype(dtype)
    return Map.from_geom(geom, data=data, unit=unit)


maps = arrays("float64", GEOM.data_shape, elements=NUMBERS).map(lambda data: Map.from_geom(GEOM, data=data))


def test_creation():
    m = Map.create(npix=(3, 2), binsz=1, axes=[ENERGY], unit="m2 s", meta={"a": 1})
    assert isinstance(m, WcsNDMap)
    assert m.data.shape == (4, 2, 3)
    assert m.data.dtype == np.float32
    assert m.unit == u.Unit("m2 s")
    assert m.meta == {"a": 1}
    assert Map.from_geom(GEOM, dtype=bool).is_mask
    assert Map.from_geom(GEOM, data=3).data.shape == GEOM.data_shape
    with pytest.raises(ValueError, match="map_type must be one of"):
        Map.create(map_type="hpx")
    with pytest.raises(TypeError, match="needs a geometry"):
        WcsNDMap("geom")


def test_data_are_native_and_checked():
    m = Map.from_geom(GEOM, data=np.ones(GEOM.data_shape, dtype=">f4"))
    assert m.data.dtype == np.float32
    assert m.data.dtype.isnative
    for dtype in (bool, np.int64, np.float32, np.float64):
        assert Map.from_geom(GEOM, data=np.ones(GEOM.data_shape, dtype=dtype)).data.dtype == dtype
    with pytest.raises(ValueError, match=r"shape \(4, 12, 8\).*needs \(4, 8, 12\)"):
        m.data = np.ones((4, 12, 8))
    with pytest.raises(TypeError, match="bare array"):
        m.data = np.ones(GEOM.data_shape) * u.s
    m.quantity = np.ones(GEOM.data_shape) * u.s
    assert m.unit == u.s
    image = Map.from_geom(GEOM.squash("energy"), data=np.ones((8, 12)))
    assert image.data.shape == (1, 8, 12)


def test_arithmetic_with_units():
    a, b = random_map(0, unit="m"), random_map(1, unit="cm")
    assert_allclose((a + b).data, a.data + b.data / 100)
    assert (a * b).unit == u.Unit("m cm")
    assert_allclose((a / b).quantity.to_value(""), 100 * a.data / b.data)
    assert_allclose((2 * u.s * a).quantity, 2 * u.s * a.quantity)
    assert_allclose((1 / a).data, 1 / a.data)
    assert_allclose((a - 3 * u.cm).data, a.data - 0.03)
    assert_allclose((10 * u.m - a).data, 10 - a.data)
    assert_allclose((a**2).data, a.data**2)
    assert (a**2).unit == u.m**2
    assert_allclose((-a).data, -a.data)
    assert_array_equal((a > 150 * u.cm).data, a.data > 1.5)
    assert (a > 1 * u.m).is_mask
    assert_allclose(a.to_unit("cm").data, 100 * a.data)
    with pytest.raises(u.UnitConversionError):
        a + random_map(unit="s")
    with pytest.raises(u.UnitConversionError):
        a + 1
    with pytest.raises(u.UnitConversionError):
        a.to_unit("s")
    with pytest.raises(u.UnitConversionError):
        a > 1  # noqa: B015


def test_arithmetic_keeps_the_data_type():
    m = random_map(dtype="float32")
    for result in (m + 1, m * 2.0, 1 - m, m / 3, m + m, m.to_unit("")):
        assert result.data.dtype == np.float32
    counts = Map.from_geom(GEOM, data=np.ones(GEOM.data_shape, dtype=int))
    counts += counts
    assert counts.data.dtype.kind == "i"
    total = random_map(unit="m")
    before = total.data.copy()
    total *= 2 * u.s
    assert total.unit == u.Unit("m s")
    assert_allclose(total.data, 2 * before)


def test_arithmetic_needs_one_geometry():
    with pytest.raises(GeometryMismatchError, match="add needs maps of equal geometry"):
        random_map() + random_map(geom=GEOM.to_image())
    with pytest.raises(ValueError, match="equal geometry"):
        (random_map() > 1) & (random_map(geom=GEOM.pad(1)) > 1)


def test_logic():
    a, b = random_map(0) > 1.5, random_map(1) > 1.5
    assert_array_equal((a & b).data, a.data & b.data)
    assert_array_equal((a | b).data, a.data | b.data)
    assert_array_equal((a ^ b).data, a.data ^ b.data)
    assert_array_equal((~a).data, ~a.data)
    with pytest.raises(TypeError, match="boolean maps"):
        a & random_map()
    with pytest.raises(TypeError, match="boolean map"):
        ~random_map()


def test_copies_are_independent():
    m = random_map()
    m.meta["list"] = [1]
    for other in (m.copy(), m * 1, m.cutout(CENTER, 0.4), m.slice_by_idx({"energy": slice(0, 2)}), m.crop(1), m + 0):
        before = m.data.copy()
        other.data[...] = -1
        other.meta["list"].append(2)
        assert_array_equal(m.data, before)
        assert m.meta == {"list": [1]}
    with pytest.raises(ValueError, match="needs new data"):
        m.copy(geom=GEOM.to_image())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 300), st.integers(0, 2**31 - 1))
def test_filling_conserves_events(n_events, seed):
    rng = np.random.default_rng(seed)
    lon, lat, energy = rng.uniform(-1, 1, n_events), rng.uniform(-1, 1, n_events), rng.uniform(0.5, 12, n_events)
    coords = {"skycoord": SkyCoord(lon, lat, unit="deg", frame="galactic"), "energy": energy * u.TeV}
    m = Map.from_geom(GEOM, dtype=int)
    m.fill_by_coord(coords)
    assert m.data.sum() == GEOM.contains(coords).sum()
    inside = (np.abs(lon) < 0.6) & (np.abs(lat) < 0.4) & (energy > 1) & (energy < 10)
    assert m.data.sum() == inside.sum()
    weighted = Map.from_geom(GEOM)
    weighted.fill_by_coord(coords, weights=energy)
    assert_allclose(weighted.data.sum(), energy[inside].sum(), rtol=1e-5)


def test_set_and_get():
    m = random_map()
    coords = {"skycoord": SkyCoord([0.23, 5], [0.11, 0], unit="deg", frame="galactic"), "energy": [2, 2] * u.TeV}
    m.set_by_coord(coords, [7.0, 8.0])
    assert_array_equal(m.get_by_coord(coords), [7.0, np.nan])
    assert_array_equal(m.get_by_coord(coords, fill_value=0), [7.0, 0.0])
    assert_array_equal(m.get_by_coord(GEOM.get_coord()), m.data)
    assert_array_equal(m.get_by_idx(GEOM.get_idx()), m.data)
    m.set_by_pix((1, 2, 3), 9.0)
    assert m.get_by_pix((1.2, 1.8, 3)) == m.data[3, 2, 1] == 9.0
    m.fill_by_pix((1, 2, 3))
    assert m.data[3, 2, 1] == 10.0


def test_interpolation_is_exact_for_linear_maps():
    x, y, e = GEOM.get_pix()
    m = Map.from_geom(GEOM, data=np.broadcast_to(2 * x - y + 3 * e, GEOM.data_shape).astype("float64"))
    pix = (np.array([0.3, 10.9, -1]), np.array([6.5, 0.1, 9]), np.array([0.2, 2.9, 3.4]))
    assert_allclose(m.interp_by_pix(pix), 2 * pix[0] - pix[1] + 3 * pix[2])
    assert_allclose(m.interp_by_coord(GEOM.get_coord()), m.data, atol=1e-8)
    assert_allclose(m.interp_by_pix(pix, fill_value=-5)[2], -5)
    assert_allclose(m.interp_by_pix(pix, method="nearest"), [-6 + 0, 22 - 0 + 9, 0 - 7 + 9])
    assert_allclose((m * 0 + 4).interp_by_pix(pix, values_scale="log"), 4)
    assert np.isnan(m.interp_by_pix((np.nan, 1, 1)))
    with pytest.raises(ValueError, match="method must be one of"):
        m.interp_by_pix(pix, method="cubic")


def test_interpolation_on_axes_of_one_bin():
    m = random_map(geom=GEOM.squash("energy"))
    at = {"skycoord": CENTER, "energy": [0.1, 5, 1000] * u.TeV}
    assert len(set(m.interp_by_coord(at))) == 1
    one = Map.from_geom(WcsGeom.create(npix=1, binsz=(360, 180)), data=3.0)
    assert_array_equal(one.interp_by_coord(SkyCoord([3, 170], [80, -70], unit="deg")), [3, 3])


@settings(max_examples=30, deadline=None)
@given(maps)
def test_rebinning_conserves_sums(m):
    total, scale = m.data.sum(), np.abs(m.data).sum() + 1e-9
    coarse = MapAxis.from_energy_edges(ENERGY.edges[[0, 1, 4]])
    results = [
        m.downsample(2),
        m.downsample(4),
        m.downsample(2, axis_name="energy"),
        m.upsample(2),
        m.upsample(3, axis_name="energy"),
        m.sum_over_axes(),
        m.sum_over_axes(keepdims=False),
        m.resample_axis(coarse),
        m.pad(2),
        m.pad(1, axis_name="energy"),
    ]
    for result in results:
        # splitting by solid angle is as exact as the solid angles
        assert_allclose(result.data.sum(), total, atol=1e-5 * scale)
        assert result.data.shape == result.geom.data_shape


@settings(max_examples=20, deadline=None)
@given(maps)
def test_stacking_cutouts_rebuilds_the_map(m):
    rebuilt = Map.from_geom(GEOM, dtype="float64")
    for x in (0, 6):
        for y in (0, 4):
            lon, lat = GEOM.to_image().pix_to_coord((x + 2.5, y + 1.5))
            rebuilt.stack(m.cutout(SkyCoord(lon, lat, frame="galactic"), (0.6, 0.4)))
    assert_allclose(rebuilt.data, m.data)


def test_stack():
    m = random_map(unit="m2 s")
    other = random_map(1, unit="cm2 s")
    other.data[0, 0, 0] = np.nan
    image = Map.from_geom(GEOM.to_image(), data=np.arange(96).reshape(8, 12) % 2 == 0)
    total = m.copy()
    total.stack(other, weights=image)
    assert_allclose(total.data, m.data + np.nan_to_num(other.data) * 1e-4 * image.data)
    mask = image.copy()
    mask.stack(~image)
    assert mask.is_mask
    assert mask.data.all()
    with pytest.raises(GeometryMismatchError, match="cannot stack"):
        m.stack(random_map(geom=WcsGeom.create(npix=3, axes=[ENERGY])))
    with pytest.raises(GeometryMismatchError, match="weights have"):
        m.stack(random_map(1, unit="m2 s"), weights=random_map(geom=GEOM.crop(1)))
    with pytest.raises(u.UnitConversionError):
        m.stack(random_map(1))


def test_downsample():
    m = random_map()
    m.data[0, 0, 0] = np.nan
    mean = m.downsample(2, preserve_counts=False)
    assert_allclose(mean.data[0, 0, 0], np.nanmean(m.data[0, :2, :2]))
    weights = Map.from_geom(GEOM, data=np.random.default_rng(3).uniform(0, 1, GEOM.data_shape))
    weighted = m.downsample(2, preserve_counts=False, weights=weights)
    part = m.data[1, 2:4, 4:6], weights.data[1, 2:4, 4:6]
    assert_allclose(weighted.data[1, 1, 2], np.average(part[0], weights=part[1]))
    mask = Map.from_geom(GEOM, dtype=bool)
    mask.data[0, 0, 1] = True
    assert mask.downsample(2).is_mask
    assert mask.downsample(2).data.sum() == 1
    assert mask.upsample(2).data.sum() == 4
    with pytest.raises(GeometryMismatchError, match="weighting"):
        m.downsample(2, weights=random_map(geom=GEOM.crop(1)))


def test_reduce_and_slices():
    m = random_map()
    assert_allclose(m.reduce_over_axes(np.maximum).data, m.data.max(axis=0))
    assert_allclose(m.sum_over_axes(weights=m).data[0], (m.data**2).sum(axis=0))
    assert_allclose(m.get_image_by_coord({"energy": 2 * u.TeV}).data, m.data[1])
    assert_allclose(m.get_image_by_pix((2.2,)).data, m.data[2])
    assert m.slice_by_idx({"energy": 1}).geom.is_image
    with pytest.raises(KeyError, match="no axis 'rad'"):
        m.slice_by_idx({"rad": 1})
    with pytest.raises(KeyError, match="no axis 'rad'"):
        m.sum_over_axes(["rad"])
    with pytest.raises(ValueError, match="outside"):
        m.get_image_by_coord({"energy": 200 * u.TeV})


def test_two_axes_keep_numpy_order():
    rad = MapAxis.from_bounds(0, 1, 3, name="rad", unit="deg")
    geom = GEOM.to_image().to_cube([rad, ENERGY])
    m = random_map(geom=geom)
    assert m.data.shape == (4, 3, 8, 12)
    assert_allclose(m.sum_over_axes(["rad"], keepdims=False).data, m.data.sum(axis=1))
    assert_allclose(m.reorder_axes(["energy", "rad"]).data, m.data.swapaxes(0, 1))
    assert_allclose(m.slice_by_idx({"rad": 1, "energy": slice(0, 2)}).data, m.data[:2, 1])
    images = list(m.iter_by_image())
    assert len(images) == 12
    assert_allclose(images[4].data, m.data[1, 1])
    assert [part.geom.axes.shape for part in m.iter_by_axis("rad", keepdims=True)] == [(1, 4)] * 3
    coords = {"skycoord": CENTER, "rad": 0.5 * u.deg, "energy": ENERGY.center[2]}
    expected = m.interp_by_pix((5.5, 3.5, 1, 2))
    assert_allclose(m.interp_by_coord(coords), expected, rtol=1e-6)


def test_from_stack_and_to_cube():
    m = random_map()
    images = list(m.iter_by_axis("energy"))
    assert_allclose(Map.from_stack(images, axis=ENERGY).data, m.data)
    parts = [m.slice_by_idx({"energy": slice(0, 1)}), m.slice_by_idx({"energy": slice(1, 4)})]
    joined = Map.from_stack(parts, axis_name="energy")
    assert_allclose(joined.data, m.data)
    assert joined.geom == m.geom
    with pytest.raises(ValueError, match="'axis' or 'axis_name'"):
        Map.from_stack(images)
    with pytest.raises(ValueError, match="one bin"):
        images[0].to_cube([ENERGY])


def test_cumsum_integral_normalize():
    m = random_map()
    total = (m.data * ENERGY.bin_width.value[:, None, None]).sum(axis=0)
    assert_allclose(m.cumsum("energy").data[-1], total)
    coords = GEOM.to_image().get_coord()
    upper = m.integral("energy", {"skycoord": coords.skycoord, "energy": 10 * u.TeV})
    assert_allclose(upper.to_value("TeV"), total, rtol=1e-6)
    m.normalize("energy")
    assert_allclose(m.cumsum("energy").data[-1], 1)
    assert m.unit == u.Unit("TeV-1")


def test_interp_to_geom():
    m = random_map()
    assert_allclose(m.interp_to_geom(GEOM).data, m.data, atol=1e-8)
    flat = Map.from_geom(GEOM, data=5 * GEOM.solid_angle().value * np.ones(GEOM.data_shape))
    fine = flat.interp_to_geom(GEOM.upsample(2), preserve_counts=True)
    assert_allclose(fine.data.sum(), flat.data.sum(), rtol=1e-5)
    mask = GEOM.energy_mask("2 TeV")
    larger = mask.interp_to_geom(GEOM.pad(1))
    assert larger.is_mask
    assert larger.data.sum() == mask.data.sum()


def test_smooth():
    m = random_map(dtype="float32")
    smooth = m.smooth("0.1 deg")
    assert smooth.data.dtype == np.float64
    assert_allclose(smooth.data[1], ndimage.gaussian_filter(m.data[1].astype("float64"), 1.0), rtol=1e-6)
    assert_allclose(m.smooth(1).data, smooth.data, rtol=1e-6)
    for kernel in ("gauss", "disk", "box"):
        assert_allclose(m.smooth(3, kernel=kernel).data.sum(), m.data.sum(dtype=float), rtol=1e-5)
    with pytest.raises(ValueError, match="kernel must be one of"):
        m.smooth(1, kernel="tophat")
    with pytest.raises(u.UnitConversionError):
        m.smooth("1 s")
    with pytest.raises(ValueError, match="negative"):
        m.smooth("-1 deg")


def test_convolve():
    m = random_map()
    kernel = np.random.default_rng(2).uniform(0, 1, (3, 5))
    assert_allclose(m.convolve(kernel).data, m.convolve(kernel, method="direct").data)
    identity = np.zeros((3, 3))
    identity[1, 1] = 1
    assert_allclose(m.convolve(identity).data, m.data)
    full = m.convolve(kernel, mode="full")
    assert full.geom == GEOM.pad((2, 1))
    assert_allclose(full.data.sum(), m.data.sum() * kernel.sum())
    as_map = Map.from_geom(GEOM.cutout(CENTER, (0.5, 0.3), odd_npix=True).to_image(), data=kernel)
    assert_allclose(m.convolve(as_map).data, m.convolve(kernel).data)
    with pytest.raises(ValueError, match="odd number"):
        m.convolve(np.ones((2, 2)))
    with pytest.raises(GeometryMismatchError, match="the kernel has shape"):
        m.convolve(np.ones((3, 3, 3)))
    with pytest.raises(GeometryMismatchError, match="the kernel has pixels"):
        m.convolve(Map.create(npix=3, binsz=1))


def test_erode_and_dilate():
    mask = Map.from_geom(GEOM.to_image(), dtype=bool)
    mask.data[4, 6] = True
    grown = mask.binary_dilate("0.3 deg")
    y, x = np.indices((8, 12))
    assert_array_equal(grown.data, (x - 6) ** 2 + (y - 4) ** 2 <= 9)
    assert_array_equal(grown.binary_erode("0.3 deg").data, mask.data)
    assert mask.binary_dilate(3, kernel="box").data.sum() == 9
    with pytest.raises(ValueError, match="boolean"):
        random_map().binary_dilate(1)
    with pytest.raises(ValueError, match="False everywhere"):
        Map.from_geom(GEOM.to_image(), dtype=bool).mask_nearest_position(CENTER)
    with pytest.raises(ValueError, match="image without axes"):
        Map.from_geom(GEOM, dtype=bool).mask_nearest_position(CENTER)


def test_comparison_and_text():
    m = random_map(unit="s")
    assert m.is_allclose(m.copy())
    assert not m.is_allclose(m * 2)
    assert not m.is_allclose(random_map())
    assert not m.is_allclose(random_map(geom=GEOM.crop(1), unit="s"))
    with pytest.raises(TypeError, match="needs a map"):
        m.is_allclose(1)
    assert repr(m) == "<WcsNDMap float64 s on <WcsGeom 12 x 8 x energy 4, CAR galactic>>"
    assert "shape : (12, 8, 4)" in str(m)
    assert_array_equal(np.asarray(m), m.data)
