"""Coadds: the stored one against numbers of lsst-images, parts of it, and what cannot be."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from bayesmap.errors import BoundsError
from bayesmap.images import (
    Box,
    CellCoadd,
    CellGrid,
    CellGridBounds,
    CellIJ,
    CellPointSpreadFunction,
    CoaddProvenance,
    GeneralFrame,
    Image,
    Mask,
    MaskSchema,
    Polygon,
    Projection,
)
from tests.images.conftest import DIALECTS, data_file, golden_numbers

SUB_IMAGES = ["inner", "one_cell_exact", "last_rows", "single_pixel", "cross4"]


def box_of(golden):
    return Box.factory[slice(*golden["y"]), slice(*golden["x"])]


def check_plane(array, golden):
    finite = np.isfinite(array)
    values = array[finite].astype("float64")
    weights = 1 + sum(step * index for step, index in zip((1, 2), np.indices(array.shape)[-2:], strict=True))
    assert list(array.shape) == golden["shape"]
    assert finite.sum() == golden["n_finite"]
    assert np.isnan(array).sum() == golden["n_nan"]
    assert np.isinf(array).sum() == golden["n_inf"]
    sums = {
        "sum": values.sum(),
        "sumsq": (values**2).sum(),
        "sum_weighted": (values * weights[finite]).sum(),
        "min": values.min(),
        "max": values.max(),
    }
    for name, value in sums.items():
        assert value == pytest.approx(golden[name], rel=1e-12, abs=1e-12), name


def check_coadd(coadd, golden):
    """Everything that is stored about a coadd or a part of one."""
    assert coadd.bbox == box_of(golden["bbox"])
    assert coadd.bounds.bbox == coadd.psf.bounds.bbox == box_of(golden["psf_bbox"])
    assert [[cell.i, cell.j] for cell in sorted(coadd.bounds.missing)] == golden["missing"]
    assert [[cell.i, cell.j] for cell in coadd.bounds.cell_indices()] == golden["cells"]
    check_plane(coadd.image.array, golden["image"])
    check_plane(coadd.variance.array, golden["variance"])
    assert {name: int(coadd.mask.get(name).sum()) for name in coadd.mask.schema.names} == golden["mask_counts"]
    assert coadd.mask_fractions.keys() == golden["mask_fractions"].keys()
    for name, plane in coadd.mask_fractions.items():
        check_plane(plane.array, golden["mask_fractions"][name])
        assert plane.bbox == box_of(golden["mask_fractions"][name]["bbox"])
    for plane, numbers in zip(coadd.noise_realizations, golden["noise"], strict=True):
        check_plane(plane.array, numbers)
    check_plane(coadd.psf.array, golden["psf_array"])
    assert coadd.fits_wcs.wcs.crpix.tolist() == golden["fits_wcs_crpix"]
    assert coadd.band == golden["band"]
    assert len(coadd.provenance.contributions) == golden["n_contributions"]
    pairs = [[int(row["visit"]), int(row["detector"])] for row in coadd.provenance.inputs]
    assert sorted(pairs) == golden["unique_inputs"]


@pytest.fixture(scope="module", params=DIALECTS)
def dialect(request):
    coadd = CellCoadd.read_fits(data_file(DIALECTS[request.param]))
    return request.param, coadd, golden_numbers(request.param)


def test_the_whole(dialect):
    _, coadd, golden = dialect
    check_coadd(coadd, golden["whole"])
    assert str(coadd) == "CellCoadd([y=13020:13200, x=9780:10020], tract=9813)"
    for name in ("unit", "skymap", "tract", "band", "metadata"):
        assert getattr(coadd, name) == golden[name], name
    assert coadd.variance.unit == u.Unit(golden["variance_unit"])
    assert coadd.psf.kernel_bbox == box_of(golden["kernel_bbox"])
    arrays = {"image": coadd.image, "mask": coadd.mask, "variance": coadd.variance, "psf": coadd.psf}
    for name, dtype in golden["dtypes"].items():
        assert arrays[name].array.dtype == dtype
        assert arrays[name].array.dtype.isnative
        assert arrays[name].array.flags.writeable


def test_patch_and_grid(dialect):
    _, coadd, golden = dialect
    patch = golden["patch"]
    assert (coadd.patch.id, list(coadd.patch.index)) == (patch["id"], patch["index"])
    assert coadd.patch.inner_bbox == box_of(patch["inner_bbox"])
    assert coadd.patch.outer_bbox == box_of(patch["outer_bbox"])
    grid = golden["grid"]
    assert coadd.grid == coadd.patch.cells
    assert coadd.grid.bbox == box_of(grid["bbox"])
    assert list(coadd.grid.cell_shape) == grid["cell_shape"]
    assert [coadd.grid.grid_size.i, coadd.grid.grid_size.j] == grid["grid_size"]
    for key, box in grid["cell_boxes"].items():
        cell = CellIJ(*map(int, key.split(",")))
        assert coadd.grid.bbox_of(cell) == box_of(box)
        assert coadd.grid.index_of(y=box["y"][0], x=box["x"][1] - 1) == cell


def test_mask_bits(dialect):
    _, coadd, golden = dialect
    numbers, schema = golden["mask_schema"], coadd.mask.schema
    assert (len(schema), schema.mask_size, schema.dtype) == (numbers["n"], numbers["mask_size"], numbers["dtype"])
    assert [None if plane is None else plane.name for plane in schema] == numbers["planes"]
    assert {name: [schema.bit(name).index, int(schema.bit(name).mask)] for name in schema.names} == numbers["bits"]
    assert schema.bitmask("NO_DATA", "BAD").tolist() == numbers["bitmask_NO_DATA_BAD"]
    assert [list(part.names) for part in schema.split("int32")] == numbers["split_int32"]
    assert list(coadd.mask.array.shape) == numbers["array_shape"]
    assert coadd.mask.array[:3, :6].tolist() == numbers["first_rows_bytes"]
    bad = schema.bitmask("NO_DATA", "BAD", "SATURATED", "COSMIC_RAY")
    assert int((coadd.mask.array & bad).any(-1).sum()) == numbers["any_bad"]


def test_psf_at_points(dialect):
    name, coadd, golden = dialect
    for point in golden["psf_points"]:
        x, y = point["x"], point["y"]
        if point.get("error"):
            with pytest.raises(BoundsError):
                coadd.psf.compute_kernel_image(x=x, y=y)
        else:
            kernel, value = coadd.psf.compute_kernel_image(x=x, y=y), point["value"]
            assert kernel == coadd.psf[CellIJ(*point["cell"])]
            assert kernel.bbox == box_of(value["bbox"])
            assert kernel.array.sum() == pytest.approx(value["sum"], abs=1e-12)
            assert kernel.array[12, 12] == value["center"]
            grid = kernel.bbox.meshgrid()
            assert (kernel.array * grid.x * grid.y).sum() == pytest.approx(value["mxy"], abs=1e-12)
        if name == "v1":  # the other release takes bounds for a pixel larger
            assert coadd.bounds.contains(x=x, y=y) == point["in_bounds"]
    cell = golden["psf_cell0"]
    assert coadd.psf[CellIJ(*cell["cell"])].array == pytest.approx(np.array(cell["array"]), abs=1e-15)


def test_sky(dialect):
    _, coadd, golden = dialect
    sky = golden["sky"]
    x, y = np.array(sky["x"]), np.array(sky["y"])
    found = coadd.projection.pixel_to_sky(x=x, y=y)
    wanted = SkyCoord(sky["ra_deg"], sky["dec_deg"], unit="deg")
    # a pixel has 0.2 arcsec
    assert found.separation(wanted).max() < 1e-9 * 0.2 * u.arcsec
    back = coadd.projection.sky_to_pixel(found)
    assert np.abs(back.x - x).max() < 1e-8
    assert np.abs(back.y - y).max() < 1e-8
    start = coadd.bbox.start
    for wcs in (coadd.fits_wcs, coadd.astropy_wcs):
        there = wcs.pixel_to_world(x - start.x, y - start.y)
        assert there.separation(wanted).max() < 1e-9 * 0.2 * u.arcsec
    galactic = sky["galactic_input"]
    pixel = coadd.projection.sky_to_pixel(SkyCoord(galactic["l"], galactic["b"], unit="deg", frame="galactic"))
    assert tuple(pixel) == pytest.approx((galactic["x"], galactic["y"]), abs=1e-8)
    assert coadd.projection.pixel_bounds == coadd.projection.pixel_frame.bbox


@pytest.mark.parametrize("name", SUB_IMAGES)
def test_parts(name, dialect):
    """Those of v1 are right where numbers differ: fractions and noise are cut, cells outside are not missing."""
    _, coadd, _ = dialect
    golden = golden_numbers("v1")["subimages"][name]
    i0, i1, j0, j1 = golden["local"]
    part = coadd.local[i0:i1, j0:j1]
    check_coadd(part, golden)
    assert part.grid == coadd.grid
    assert part.projection is coadd.projection
    assert part.patch == coadd.patch
    assert np.shares_memory(part.image.array, coadd.image.array)


def test_slices(stored):
    golden = golden_numbers("v1")["slice_specs"]
    y0, x0 = stored.bbox.start
    y1, x1, ny = stored.bbox.y.stop, stored.bbox.x.stop, stored.bbox.y.size
    cases = {
        "local[-10:, :-5]": lambda: stored.local[-10:, :-5],
        "local[ny-10:9999, 0:10]": lambda: stored.local[ny - 10 : 9999, 0:10],
        "local[9000:9999, :]": lambda: stored.local[9000:9999, :],
        "absolute[:y0+5, x1-3:]": lambda: stored.absolute[: y0 + 5, x1 - 3 :],
        "absolute[y0-1:, :]": lambda: stored.absolute[y0 - 1 :, :],
        "absolute[-5:, :]": lambda: stored.absolute[-5:, :],
        "absolute[:, :x1+1]": lambda: stored.absolute[:, : x1 + 1],
        "local[::2, :]": lambda: stored.local[::2, :],
        "local[3:5]": lambda: stored.local[3:5],
        "local[5:5, :]": lambda: stored.local[5:5, :],
        "cc[0:5, 0:5]": lambda: stored[0:5, 0:5],
        "cc[Box 0:5,0:5]": lambda: stored[Box.factory[0:5, 0:5]],
        "cc[...]": lambda: stored[...],
    }
    assert cases.keys() == golden.keys()
    for name, cut in cases.items():
        if "value" in golden[name]:
            assert cut().bbox == box_of(golden[name]["value"]), name
        else:
            with pytest.raises(
                {"IndexError": IndexError, "TypeError": TypeError, "ValueError": ValueError}[golden[name]["error"]]
            ):
                cut()
    assert (y1, x0) == (13200, 9780)


def test_inside_a_missing_cell(stored):
    part = stored.absolute[13085:13100, 9965:9980]
    assert list(part.bounds.cell_indices()) == []
    assert part.bounds.missing == {CellIJ(3, 6)}
    assert np.isnan(part.psf.array).all()
    with pytest.raises(AttributeError, match="no provenance"):
        part.provenance  # noqa: B018
    assert not part.image.array.any()
    assert np.isinf(part.variance.array).all()
    assert part.mask.get("NO_DATA").all()


def test_parts_share_what_copies_do_not(coadd):
    part = coadd.local[:20, :20]
    part.image.array[...] = -5
    part.mask.set("BAD")
    part.noise_realizations[0].array[...] = 3
    part.metadata["new"] = 1
    assert (coadd.image.array[:20, :20] == -5).all()
    assert coadd.mask.get("BAD")[:20, :20].all()
    assert (coadd.noise_realizations[0].array[:20, :20] == 3).all()
    assert coadd.metadata["new"] == 1
    copy = coadd.copy()
    for plane in (copy.image, copy.variance, *copy.noise_realizations, *copy.mask_fractions.values()):
        plane.array[...] = 9
    copy.mask.clear()
    copy.metadata["newer"] = 1
    assert (coadd.image.array[:20, :20] == -5).all()
    assert coadd.mask.get("BAD")[:20, :20].all()
    assert not (coadd.variance.array == 9).any()
    assert not any((plane.array == 9).any() for plane in (*coadd.noise_realizations, *coadd.mask_fractions.values()))
    assert "newer" not in coadd.metadata
    assert copy.psf is coadd.psf


def test_pixels_of_another_coadd(coadd):
    part = coadd.local[:20, :20].copy()
    noise = coadd.noise_realizations[0].copy()
    part.image.array[...] = 1
    part.variance.array[...] = 2
    part.mask.clear()
    part.noise_realizations[0].array[...] = 3
    coadd[part.bbox] = part
    assert coadd.local[:20, :20].image == part.image
    assert coadd.local[:20, :20].variance == part.variance
    assert not coadd.mask.array[:20, :20].any()
    assert coadd.noise_realizations[0] == noise


def test_provenance(dialect):
    _, coadd, golden = dialect
    numbers, found = golden["provenance"], coadd.provenance
    assert sorted(found.inputs.colnames) == sorted(numbers["inputs_columns"])
    assert sorted(found.contributions.colnames) == sorted(numbers["contributions_columns"])
    assert len(found.inputs) == numbers["n_inputs"]
    for row, wanted in zip(found.inputs, numbers["inputs"], strict=True):
        assert row["polygon"] == Polygon(wanted.pop("polygon_x"), wanted.pop("polygon_y"))
        assert {name: row[name] for name in wanted} == wanted
    assert found.contributions["weight"].sum() == pytest.approx(numbers["weight_sum"], rel=1e-12)
    for key, number in numbers["per_cell"].items():
        cell = found[CellIJ(*map(int, key.split(",")))]
        assert len(cell.contributions) == len(cell.inputs) == number
    assert {name: str(found.contributions[name].unit) for name in numbers["units"]} == numbers["units"]
    assert found.inputs["polygon"][0].to_region().vertices.x.tolist() == found.inputs["polygon"][0].x_vertices.tolist()


def test_tables_without_a_column(stored):
    inputs, contributions = stored.provenance.inputs.copy(), stored.provenance.contributions.copy()
    contributions.remove_column("visit")
    with pytest.raises(ValueError, match=r"contributions lacks the columns \['visit'\]"):
        CoaddProvenance(inputs, contributions)
    with pytest.raises(ValueError, match="three corners"):
        Polygon([1, 2], [3, 4])


def parts_of(coadd):
    return {
        "image": coadd.image,
        "mask": coadd.mask,
        "variance": coadd.variance,
        "psf": coadd.psf,
        "patch": coadd.patch,
        "provenance": coadd.provenance,
    }


def test_defaults(stored):
    coadd = CellCoadd(stored.image, mask_schema=stored.mask.schema, psf=stored.psf)
    assert not coadd.mask.array.any()
    assert (coadd.variance.array == 1).all()
    assert coadd.band is None
    assert coadd.mask_fractions == {}
    assert list(coadd.noise_realizations) == []
    for name in ("patch", "provenance"):
        with pytest.raises(AttributeError, match=f"no {name} information"):
            getattr(coadd, name)
    assert coadd.copy().local[:5, :5].bbox.shape == (5, 5)


def test_psf_smaller_than_the_image(stored):
    psf = stored.psf[Box.factory[13020:13080, 9780:9840]]
    coadd = CellCoadd(stored.image, mask=stored.mask, psf=psf)
    assert coadd.bounds.bbox == psf.bounds.bbox
    assert coadd.bbox == stored.bbox
    with pytest.raises(ValueError, match="none in the image's box"):
        coadd.local[100:, 100:]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda c: {"mask": None}, TypeError, "needs a mask"),
        (lambda c: {"mask_schema": c.mask.schema}, TypeError, "got both"),
        (lambda c: {"mask": c.mask.view(start=(0, 0))}, ValueError, "the mask has the box"),
        (lambda c: {"variance": c.variance.view(start=(0, 0))}, ValueError, "the variance has the box"),
        (lambda c: {"variance": c.variance.view(unit="nJy")}, ValueError, "right is nJy2"),
        (lambda c: {"image": c.image.view(unit=None)}, ValueError, "right is no unit"),
        (
            lambda c: {"image": c.image.view(unit=None), "variance": c.variance.view(unit=None)},
            TypeError,
            "needs a unit",
        ),
        (lambda c: {"image": c.image.view(projection=None)}, TypeError, "needs a projection"),
        (lambda c: {"projection": Projection(c.fits_wcs, GeneralFrame())}, TypeError, "TractFrame"),
        (lambda c: {"patch": None}, TypeError, "needs the patch"),
        (lambda c: {"mask_fractions": {"rejected": Image(0.0, shape=(2, 2))}}, ValueError, "mask_fractions.'rejected'"),
        (lambda c: {"noise_realizations": [Image(0.0, shape=(2, 2))]}, ValueError, r"noise_realizations\[0\]"),
        (lambda c: {"psf": other_grid(c)}, ValueError, "they must be equal"),
    ],
)
def test_parts_that_do_not_fit(stored, change, error, message):
    with pytest.raises(error, match=message):
        CellCoadd(**(parts_of(stored) | change(stored)))


def other_grid(coadd):
    grid = CellGrid(Box.factory[12960:13380, 9600:10140], coadd.grid.cell_shape)
    bounds = CellGridBounds(grid, coadd.psf.bounds.bbox)
    return CellPointSpreadFunction(np.full_like(coadd.psf.array, 1 / 625), bounds)


def test_many_planes():
    golden = golden_numbers("quant")["tiny"]
    tiny = CellCoadd.read_fits(data_file("coadd_tiny_40planes.fits"))
    assert str(tiny.bbox) == golden["bbox"]
    assert tiny.band is golden["band"] is None
    assert tiny.mask.schema.mask_size == golden["mask_size"]
    assert list(tiny.mask.array.shape) == golden["array_shape"]
    assert {name: int(tiny.mask.get(name).sum()) for name in tiny.mask.schema.names} == golden["counts"]
    assert tiny.image.array.sum(dtype="float64") == pytest.approx(golden["image_sum"], rel=1e-12)
    for name in ("patch", "provenance"):
        with pytest.raises(AttributeError, match=golden[name]):
            getattr(tiny, name)


def test_lossy_file(stored):
    golden = golden_numbers("quant")
    lossy = CellCoadd.read_fits(data_file("coadd_quant.fits"))
    finite = np.isfinite(lossy.image.array)
    assert int(finite.sum()) == golden["n_finite"]
    assert np.array_equal(finite, np.isfinite(stored.image.array)) == golden["nan_equal"]
    assert lossy.image.array[finite].sum(dtype="float64") == pytest.approx(golden["image_sum"], rel=1e-9)
    assert lossy.image.array[0, :6].tolist() == golden["first_pixels"]
    assert int((lossy.image.array == 0).sum()) == golden["zeros_kept"]
    assert lossy.mask == stored.mask


def test_mask_of_another_schema(stored):
    assert Mask(schema=MaskSchema([]), bbox=stored.bbox).array.shape == (180, 240, 1)
