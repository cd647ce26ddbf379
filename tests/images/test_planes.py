"""Images, masks and masked images."""

import astropy.units as u
import numpy as np
import pytest
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from bayesmap.images import Box, GeneralFrame, Image, Mask, MaskedImage, MaskPlane, MaskSchema, Projection

BOX = Box.factory[10:14, 3:9]
SCHEMA = MaskSchema([MaskPlane("A", "a"), None, MaskPlane("B", "b")])


def tan_wcs():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = (150.0, 2.0), (1.0, 1.0), (-0.0001, 0.0001)
    return wcs


def masked(unit="nJy"):
    image = Image(np.arange(24.0).reshape(4, 6), bbox=BOX, unit=unit)
    return MaskedImage(image, mask_schema=SCHEMA, metadata={"a": 1})


def test_image():
    array = np.arange(24.0).reshape(4, 6)
    image = Image(array, start=(10, 3), unit="nJy")
    assert image.array is array
    assert image.bbox == BOX
    assert image.quantity.unit == "nJy"
    part = image.absolute[12:, :5]
    part.array = 7
    assert array[2:, :2].tolist() == [[7, 7], [7, 7]]
    image.quantity = np.ones((4, 6)) * u.uJy
    assert array[0, 0] == pytest.approx(1000)
    image[part.bbox] = Image(1.0, bbox=part.bbox, unit="mJy")
    assert array[2, 0] == pytest.approx(1e6)
    assert image.copy() == image
    assert not np.shares_memory(image.copy().array, array)
    assert image[...] == image
    moved = image.view(start=(0, 0), unit=None)
    assert moved.bbox == Box.factory[:4, :6]
    assert moved.unit is None
    assert np.shares_memory(moved.array, array)
    assert image != moved
    assert image != 3
    assert Image(np.ones((2, 2)) * u.mJy, unit="nJy").array[0, 0] == pytest.approx(1e6)
    assert Image(np.nan, shape=(2, 2)) == Image(np.nan, shape=(2, 2))
    assert Image(1, shape=(2, 3), dtype="float32").array.dtype == np.float32
    assert "nJy" in repr(image)


def test_metadata_are_shared_with_parts_and_not_with_copies():
    image = Image(0, bbox=BOX, metadata={"a": 1})
    image.local[:2, :2].metadata["b"] = 2
    image.copy().metadata["c"] = 3
    assert image.metadata == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, TypeError, "bbox or a shape"),
        ({"bbox": BOX, "shape": (2, 3)}, ValueError, "shape is"),
        ({"array": np.zeros(3)}, ValueError, "two axes"),
        ({"array": np.zeros((0, 3))}, ValueError, "rows and columns"),
        ({"array": np.zeros((2, 3)), "bbox": BOX}, ValueError, "the box"),
        ({"array": np.zeros((2, 3)), "shape": (3, 2)}, ValueError, "the shape"),
        ({"array": np.zeros((4, 6)), "bbox": BOX, "start": (0, 0)}, ValueError, "starts at"),
    ],
)
def test_images_that_cannot_be(arguments, error, message):
    array = arguments.pop("array", 0)
    with pytest.raises(error, match=message):
        Image(array, **arguments)


def test_pixels_that_cannot_be_taken():
    image = Image(0.0, bbox=BOX, unit="nJy")
    with pytest.raises(ValueError, match="has the box"):
        image[BOX] = Image(0.0, shape=BOX.shape, unit="nJy")
    with pytest.raises(u.UnitConversionError):
        image[BOX] = Image(0.0, bbox=BOX, unit="s")
    with pytest.raises(u.UnitConversionError, match="no unit"):
        image[BOX] = Image(0.0, bbox=BOX)
    with pytest.raises(IndexError, match="not inside"):
        image[BOX.padded(1)]
    with pytest.raises(TypeError, match=r"\.local"):
        image[1:2, 3:4]


@given(st.integers(1, 80), st.sampled_from(["uint8", "int8", "uint16", "int32", "uint64"]), st.randoms())
@settings(max_examples=30, deadline=None)
def test_bits_of_planes(number, dtype, random):
    planes = [None if random.random() < 0.2 else MaskPlane(f"P{n}", "") for n in range(number)]
    schema = MaskSchema(planes, dtype)
    per_element = MaskSchema.bits_per_element(dtype)
    assert schema.mask_size == -(-number // per_element)
    assert list(schema) == planes
    mask = Mask(schema=schema, shape=(3, 4))
    wanted = {name: np.array([[random.random() < 0.5 for _ in range(4)] for _ in range(3)]) for name in schema.names}
    for name, where in wanted.items():
        mask.set(name, where)
    for name, where in wanted.items():
        n = int(name[1:])
        assert schema.bit(name).index == n // per_element
        assert int(schema.bit(name).mask) == 1 << n % per_element
        assert np.array_equal(mask.get(name), where)
    names = list(wanted)[:3]
    either = (mask.array & schema.bitmask(*names)).any(-1)
    assert np.array_equal(either, np.any([wanted[name] for name in names], axis=0) if names else np.zeros((3, 4), bool))
    parts = schema.split("int32")
    assert [name for part in parts for name in part.names] == list(schema.names)
    assert all(part.mask_size == 1 and None not in list(part)[:1] or not schema.names for part in parts)


def test_schema():
    assert MaskSchema(list(SCHEMA)) == SCHEMA
    assert hash(SCHEMA) == hash(MaskSchema(list(SCHEMA)))
    assert MaskSchema(list(SCHEMA), "uint16") != SCHEMA
    assert SCHEMA.descriptions == {"A": "a", "B": "b"}
    assert len(SCHEMA) == 3
    assert SCHEMA[1] is None
    assert list(MaskSchema([])) == [None]
    with pytest.raises(KeyError, match="did you mean 'A'"):
        SCHEMA.bitmask("B", "AA")
    with pytest.raises(TypeError, match="float32"):
        MaskSchema([], "float32")
    with pytest.raises(ValueError, match="two mask planes"):
        MaskSchema([MaskPlane("A", ""), MaskPlane("A", "")])


def test_mask():
    mask = Mask(schema=SCHEMA, bbox=BOX)
    part = mask.local[:2, :2]
    part.set("B")
    assert mask.get("B").sum() == 4
    part.set("B", np.zeros((2, 2), dtype=bool))
    assert mask.get("B").sum() == 4
    part.set("A", np.eye(2, dtype=bool))
    part.clear("B", np.eye(2, dtype=bool))
    assert mask.array[:2, :2, 0].tolist() == [[1, 4], [4, 1]]
    other = Mask(schema=MaskSchema([MaskPlane("B", ""), MaskPlane("C", "")], "int32"), bbox=BOX.padded(2))
    other.set("B")
    other.set("C")
    mask.update(other.absolute[8:11, 1:4])
    assert mask.array[0, 0, 0] == 5
    assert mask.get("B").sum() == 3
    mask.update(Mask(4, schema=SCHEMA, shape=(1, 1)))
    assert mask.get("B").sum() == 3
    assert mask.copy() == mask
    renamed = mask.view(schema=MaskSchema([MaskPlane("X", "")]), start=(0, 0))
    assert renamed.get("X").sum() == 2
    assert np.shares_memory(renamed.array, mask.array)
    mask.clear()
    assert not mask.array.any()
    mask.array = 1
    assert mask.get("A").all()
    assert mask != 3
    assert mask[...] == mask
    for wrong in (np.zeros((2, 2)), np.zeros((4, 5), dtype=bool)):
        with pytest.raises(ValueError, match="boolean array of shape"):
            mask.set("A", wrong)
    with pytest.raises(KeyError, match="no mask plane 'C'"):
        mask.get("C")
    with pytest.raises(TypeError, match="uint8"):
        Mask(np.zeros((2, 2, 1)), schema=SCHEMA)
    with pytest.raises(ValueError, match=r"\(ny, nx, 1\)"):
        Mask(np.zeros((2, 2), dtype="uint8"), schema=SCHEMA)
    with pytest.raises(ValueError, match="has the box"):
        mask[BOX] = Mask(schema=SCHEMA, shape=(1, 1))


def test_pixels_of_another_mask():
    mask = Mask(1, schema=SCHEMA, bbox=BOX)
    other = Mask(schema=MaskSchema([MaskPlane("B", ""), MaskPlane("C", "")]), bbox=BOX)
    other.set("B")
    mask[BOX] = other
    assert mask.get("B").all()
    assert not mask.get("A").any()
    other.set("C")
    with pytest.raises(KeyError, match=r"\['C'\] are set"):
        mask[BOX] = other


def test_masked_image():
    data = masked()
    assert data.variance.unit == u.nJy**2
    assert data.variance.array.dtype == np.float32
    assert (data.variance.array == 1).all()
    part = data.local[1:3, 1:3]
    part.image.array[...] = -1
    part.mask.set("A")
    part.variance.array[...] = 4
    part.metadata["b"] = 2
    assert (data.image.array == -1).sum() == data.mask.get("A").sum() == (data.variance.array == 4).sum() == 4
    assert data.metadata == {"a": 1, "b": 2}
    copy = data.copy()
    copy.image.array[...] = 0
    copy.mask.clear()
    assert (data.image.array == -1).sum() == data.mask.get("A").sum() == 4
    assert data.fits_wcs is None
    assert data.astropy_wcs is None
    assert data.obs_info is data.butler_dataset is data.butler_provenance is None
    assert str(data) == f"MaskedImage({BOX})"
    zero = masked("uJy").local[:1, :]
    zero.mask.set("B")
    data[zero.bbox] = zero
    assert data.image.array[0].tolist() == pytest.approx(np.arange(6) * 1000.0)
    assert data.variance.array[0].tolist() == pytest.approx([1e6] * 6)
    assert data.mask.get("B").sum() == 6


def test_equal_units_are_kept_as_they_are():
    image = Image(0.0, bbox=BOX, unit="nJy")
    same = MaskedImage(image, mask_schema=SCHEMA, variance=Image(1.0, bbox=BOX, unit=u.Unit("1e6 pJy2")))
    assert str(same.variance.unit) == "1e+06 pJy2"
    assert MaskedImage(image, mask_schema=SCHEMA, variance=Image(1.0, bbox=BOX)).variance.unit == u.nJy**2
    with pytest.raises(ValueError, match="right is nJy2"):
        MaskedImage(image, mask_schema=SCHEMA, variance=Image(1.0, bbox=BOX, unit="nJy"))
    with pytest.raises(ValueError, match="right is no unit"):
        MaskedImage(image.view(unit=None), mask_schema=SCHEMA, variance=Image(1.0, bbox=BOX, unit="nJy2"))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, TypeError, "needs a mask"),
        ({"mask": Mask(schema=SCHEMA, bbox=BOX), "mask_schema": SCHEMA}, TypeError, "got both"),
        ({"mask": Mask(schema=SCHEMA, shape=BOX.shape)}, ValueError, "the mask has the box"),
        ({"mask_schema": SCHEMA, "variance": Image(1, shape=BOX.shape)}, ValueError, "the variance has the box"),
    ],
)
def test_parts_that_do_not_fit(arguments, error, message):
    with pytest.raises(error, match=message):
        MaskedImage(Image(0.0, bbox=BOX, unit="nJy"), **arguments)


def test_one_projection_for_all_planes():
    projection = Projection.from_fits_wcs(tan_wcs(), GeneralFrame(), x0=3, y0=10)
    data = MaskedImage(Image(0.0, bbox=BOX, projection=projection), mask_schema=SCHEMA)
    assert data.projection is data.mask.projection is data.variance.projection is projection
    assert data.fits_wcs.wcs.crpix.tolist() == [1, 1]
    part = data.local[1:, 2:]
    assert part.fits_wcs.wcs.crpix.tolist() == [-1, 0]
    assert part.projection is projection
    assert part.astropy_wcs.pixel_to_world(-2, -1).separation(projection.pixel_to_sky(x=3, y=10)) < 1e-9 * u.deg


def test_projection():
    projection = Projection.from_fits_wcs(tan_wcs(), GeneralFrame(), x0=3, y0=10)
    sky = projection.pixel_to_sky(x=3.0, y=10.0)
    assert sky.isscalar
    assert sky.separation(sky.__class__(150, 2, unit="deg")) < 1e-9 * u.deg
    x, y = projection.sky_to_pixel(sky.galactic)
    assert np.isscalar(x)
    assert (x, y) == pytest.approx((3, 10), abs=1e-6)
    grid = projection.pixel_to_sky(x=np.arange(3.0)[:, None], y=np.arange(2.0))
    assert grid.shape == (3, 2)
    assert projection.sky_to_pixel(grid).y.shape == (3, 2)
    view = projection.as_astropy(BOX)
    assert not isinstance(view, WCS)
    assert (view.pixel_n_dim, view.world_n_dim, view.array_shape, view.pixel_shape) == (2, 2, (4, 6), (6, 4))
    assert view.pixel_bounds == [(-0.5, 5.5), (-0.5, 3.5)]
    assert view.world_axis_units == ["deg", "deg"]
    assert view.world_to_pixel(sky) == pytest.approx((0, 0), abs=1e-6)
    assert projection.as_astropy().world_to_pixel(sky) == pytest.approx((3, 10), abs=1e-6)
    assert projection == Projection.from_fits_wcs(tan_wcs(), GeneralFrame(), x0=3, y0=10)
    assert projection != Projection.from_fits_wcs(tan_wcs(), GeneralFrame())
    assert projection != 3
    assert projection.pixel_frame.unit == u.pix


def test_projections_that_cannot_be():
    with pytest.raises(ValueError, match="two celestial axes"):
        Projection(WCS(naxis=2), GeneralFrame())
    wcs = tan_wcs()
    wcs.wcs.cdelt = 0, 1
    with pytest.raises(ValueError, match=r"no inverse|Linear transformation"):
        Projection(wcs, GeneralFrame())
    with pytest.raises(TypeError, match="TractFrame"):
        Projection(tan_wcs(), "TRACT")
