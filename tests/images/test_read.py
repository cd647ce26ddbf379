"""Files: parts of them, and damaged ones."""

import functools
import json
import shutil
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
from astropy.io import fits

from bayesmap.errors import FormatError
from bayesmap.images import Box, CellCoadd, MaskedImage
from tests.images.conftest import DIALECTS, data_file

TINY = "coadd_tiny_40planes.fits"
BOXES = [
    Box.factory[13070:13145, 9850:9910],
    Box.factory[13080:13081, 9840:9841],
    Box.factory[13193:13200, 9780:10020],
    Box.factory[13085:13100, 9965:9980],  # inside of the missing cell
]


def assert_equal(one, two):
    """Two coadds are the same."""
    assert one.image == two.image
    assert one.mask == two.mask
    assert one.variance == two.variance
    assert one.mask_fractions == two.mask_fractions
    assert list(one.noise_realizations) == list(two.noise_realizations)
    assert one.psf.bounds == two.psf.bounds
    assert np.array_equal(one.psf.array, two.psf.array, equal_nan=True)
    assert (one.projection, one.band, one.metadata) == (two.projection, two.band, two.metadata)
    assert one._patch == two._patch
    tables = [None if c._provenance is None else (c.provenance.inputs, c.provenance.contributions) for c in (one, two)]
    if None in tables:
        assert tables == [None, None]
        return
    for mine, theirs in zip(*tables, strict=True):
        assert sorted(mine.colnames) == sorted(theirs.colnames)
        for name in mine.colnames:
            assert list(mine[name]) == list(theirs[name]), name
            assert mine[name].unit == theirs[name].unit


@functools.cache
def whole_file(name):
    return CellCoadd.read_fits(data_file(name))


@pytest.mark.parametrize("name", DIALECTS.values())
@pytest.mark.parametrize("bbox", BOXES, ids=str)
def test_part_of_a_file(name, bbox):
    part = CellCoadd.read_fits(data_file(name), bbox=bbox)
    assert_equal(part, whole_file(name)[bbox])
    for plane in (part.image, part.mask, part.variance, *part.noise_realizations, *part.mask_fractions.values()):
        assert plane.array.dtype.isnative
        assert plane.array.flags.writeable
        assert plane.array.flags.owndata or plane.array.base.size == plane.array.size


def test_only_tiles_of_the_part_are_read(monkeypatch):
    """Rows are the tiles of this file, and rows of kernels those of its PSF."""
    from astropy.io.fits.hdu.compressed import _tiled_compression

    tiles = []
    decompress = _tiled_compression._decompress_tile
    monkeypatch.setattr(
        _tiled_compression,
        "_decompress_tile",
        lambda *args, **kwargs: tiles.append(kwargs.get("algorithm")) or decompress(*args, **kwargs),
    )
    CellCoadd.read_fits(data_file("coadd.fits"), bbox=Box.factory[13080:13082, 9840:9841])
    # GZIP_2 is found out with GZIP_1 first; 7 planes with 2 rows, one kernel with 25
    assert tiles.count("GZIP_2") == 7 * 2 + 25


def test_main_planes_of_a_coadd():
    whole = whole_file("coadd.fits")
    planes = MaskedImage.read_fits(data_file("coadd.fits"), bbox=BOXES[0])
    assert type(planes) is MaskedImage
    assert planes.image == whole[BOXES[0]].image
    assert planes.mask == whole[BOXES[0]].mask
    assert planes.projection == whole.projection


def test_names_of_files(tmp_path, monkeypatch):
    path = tmp_path / "a b.fits"
    shutil.copyfile(data_file(TINY), path)
    monkeypatch.setenv("COADDS", str(tmp_path))
    wanted = CellCoadd.read_fits(path)
    for name in (str(path), "$COADDS/a b.fits", path.as_uri(), urlparse(path.as_uri())):
        assert CellCoadd.read_fits(name).image == wanted.image
    with pytest.raises(ValueError, match="download it first"):
        CellCoadd.read_fits("https://example.org/coadd.fits")
    with pytest.raises(FileNotFoundError, match="no such file"):
        CellCoadd.read_fits(tmp_path / "absent.fits")


@pytest.mark.parametrize("bbox", [Box.factory[13170:13180, 9780:9790], Box.factory[:10, :10]])
def test_box_outside(bbox):
    with pytest.raises(IndexError, match=rf"not inside.*{TINY}"):
        CellCoadd.read_fits(data_file(TINY), bbox=bbox)


@pytest.fixture(scope="module")
def small(tmp_path_factory, stored):
    """A small file with everything that a coadd has."""
    path = tmp_path_factory.mktemp("small") / "small.fits"
    stored.local[50:70, 52:72].write_fits(path)
    return path


def edited(tmp_path, edit, name=None):
    """Copy of a file with another JSON tree."""
    with fits.open(data_file(TINY) if name is None else name) as hdulist:
        tree = json.loads(bytes(hdulist["JSON"].data["JSON"][0]))
        edit(tree, hdulist)
        content = np.frombuffer(json.dumps(tree).encode(), dtype="uint8")
        column = fits.Column("JSON", f"PB({len(content)})", array=np.array([content], dtype=object))
        hdulist["JSON"] = fits.BinTableHDU.from_columns([column], name="JSON")
        path = Path(tmp_path) / "edited.fits"
        hdulist.writeto(path, overwrite=True)
    return path


def put(*keys, value):
    def edit(tree, hdulist):
        for key in keys[:-1]:
            tree = tree[key]
        if value is None:
            del tree[keys[-1]]
        else:
            tree[keys[-1]] = value

    return edit


def card(hdu, keyword, value):
    def edit(tree, hdulist):
        hdulist[hdu].header[keyword] = value

    return edit


def without(hdu):
    def edit(tree, hdulist):
        del hdulist[hdu]

    return edit


def doubled(hdu):
    def edit(tree, hdulist):
        hdulist.append(hdulist[hdu].copy())

    return edit


def stray_bit(tree, hdulist):
    hdulist["MASK", 2].data[0, 0] |= 1 << 12


def nan_kernel(tree, hdulist):
    hdulist["PSF"].data[0, 0, 3, 3] = np.nan


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (put("image", value=None), r"image is missing"),
        (put("psf", value=None), r"psf is missing"),
        (put("psf", "bounds", "grid", value=None), r"psf.bounds.grid is missing"),
        (put("image", "start", value=None), r"image.start is missing \(or yx0\)"),
        (put("image", "start", value=[1.5, 2]), r"image.start\[0\]: 1.5 should be an integer"),
        (put("image", "start", value=[13177, 9780]), r"'IMAGE'.*first pixel"),
        (put("image", "data", "unit", value="nJy**"), "is no unit"),
        (put("image", "data", "unit", value="mJy"), "unit is 'nJy'"),
        (put("variance", "data", "unit", value="nJy"), "unit is 'nJy2'"),
        (card("IMAGE", "BUNIT", "Jy"), "'IMAGE'.*unit is 'Jy', the JSON tree says nJy"),
        (card("IMAGE", "CRVAL1A", 3.0), "'IMAGE'.*first pixel"),
        (card("MASK", "MSKN0002", "OTHER"), "'MASK' has the mask planes"),
        (card("IMAGE", "CTYPE1", "LINEAR"), r"(?s)'IMAGE'.*Unmatched celestial axes"),
        (card("PRIMARY", "FMTVER", 2), "layout FMTVER=2"),
        (put("min_read_version", value=2), "min_read_version: 2 should be 1 or less"),
        (put("mask", "planes", value=[{"name": "A", "description": ""}]), "1 arrays for 1 mask planes"),
        (put("mask", "planes", value=[None] * 2000), "2000 mask planes"),
        (put("mask", "planes", 3, value={"name": "PLANE4", "description": ""}), "two mask planes"),
        (put("mask", "dtype", value="float32"), "a type of integers"),
        (put("mask", "data", 0, "datatype", value="int16"), "arrays for 40 mask planes"),
        (put("image", "data", "value", "shape", value=[24, 21]), "'IMAGE': it has shape"),
        (put("image", "data", "value", "datatype", value="float64"), "'IMAGE': it has shape and type"),
        (put("image", "data", "value", "source", value="http:IMAGE"), "'fits:' with the name"),
        (put("variance", "data", "value", "source", value="fits:JSON"), "'JSON': it should be an image"),
        (put("psf", "bounds", "bbox", "x", "stop", value=9850), "does not consist of cells"),
        (put("psf", "bounds", "missing", value=[{"i": 9, "j": 3}]), "missing cells .* are outside"),
        (put("psf", "bounds", "grid", "cell_shape", value=[0, 60]), "do not fill"),
        (put("psf", "array", "shape", value=[1, 1, 25]), "four axes"),
        (put("projection", "pixel_to_sky", "frames", 1, value="FK5"), "should be 'ICRS'"),
        (put("projection", "pixel_to_sky", "frames", 0, "frame_type", value="DETECTOR"), "'TRACT' or 'GENERAL'"),
        (put("projection", "pixel_to_sky", "frames", 0, "tract", value=10**40), "an integer below"),
        (put("projection", value=None), "needs a projection"),
        (put("metadata", value=[1]), "an object with names"),
        (put("band", value=3), "band: 3 should be a text"),
        (put("patch", value={"id": 1}), r"patch.index is missing"),
        (without("VARIANCE"), "HDU 'VARIANCE' is missing"),
        (without(("MASK", 2)), r"HDU 'MASK' is missing \(EXTVER 2\)"),
        (doubled("IMAGE"), "HDU 'IMAGE' is there 2 times"),
        (stray_bit, "1 pixels have bits set that are no mask planes"),
        (nan_kernel, "'PSF'.*values that are not finite"),
    ],
)
def test_damaged_tree(tmp_path, edit, message):
    path = edited(tmp_path, edit)
    if 'missing", value=[{' in message:  # pragma: no cover
        return
    with pytest.raises(FormatError, match=message) as caught:
        CellCoadd.read_fits(path)
    assert str(path) in str(caught.value)


def test_parts_that_are_not_read(tmp_path):
    def edit(tree, hdulist):
        tree["aperture_corrections"] = {"psf": {}}
        tree["backgrounds"] = {"fields": {"sky": {}}, "subtracted": "sky"}

    path = edited(tmp_path, edit)
    with pytest.warns(UserWarning, match=r"edited\.fits: the .* of the coadd are not read") as caught:
        CellCoadd.read_fits(path)
    assert [str(warning.message).split(": ")[1].split(" of")[0] for warning in caught] == [
        "the aperture corrections",
        "the subtracted backgrounds",
    ]


def drop_column(tree, hdulist):
    del tree["provenance"]["inputs"]["columns"][3]


def wrong_type(tree, hdulist):
    tree["provenance"]["contributions"]["columns"][0]["data"]["datatype"] = "float64"


def no_such_column(tree, hdulist):
    tree["provenance"]["inputs"]["columns"][0]["data"]["source"] = "fits:PROVENANCE/INPUTS[9]"


def twice_the_name(tree, hdulist):
    tree["provenance"]["inputs"]["columns"][0]["name"] = "detector"


def many_corners(tree, hdulist):
    hdulist["PROVENANCE/INPUTS"].data["n_vertices"][0] = 99


def corner_that_is_not(tree, hdulist):
    hdulist["PROVENANCE/INPUTS"].data["x_vertices"][0, 1] = np.nan


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (drop_column, "lacks the columns .'n_vertices'"),
        (wrong_type, "column 'cell_i' has type"),
        (no_such_column, "a table with 9 columns"),
        (twice_the_name, "name that no other column has"),
        (many_corners, "99 corners"),
        (corner_that_is_not, "corners that are not finite"),
        (put("provenance", "instrument", value={"A": 0}), "no such column"),
        (put("provenance", "inputs", "columns", value=[]), "lacks the columns"),
        (without("PROVENANCE/INPUTS"), "HDU 'PROVENANCE/INPUTS' is missing"),
        (put("noise_realizations", 0, "start", value=[0, 0]), "'NOISE_REALIZATIONS/0' has the box"),
        (put("patch", "cells", "bbox", "y", "start", value=12840), "the patch has the cells"),
    ],
)
def test_damaged_provenance(tmp_path, small, edit, message):
    path = edited(tmp_path, edit, small)
    with pytest.raises(FormatError, match=message) as caught:
        CellCoadd.read_fits(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"[1]", b"{", b"\xff", b"[" * 100_000, b'{"image": 1e}'])
def test_what_is_no_tree(tmp_path, content):
    with fits.open(data_file(TINY)) as hdulist:
        content = np.frombuffer(content, dtype="uint8")
        column = fits.Column("JSON", f"PB({len(content)})", array=np.array([content], dtype=object))
        hdulist["JSON"] = fits.BinTableHDU.from_columns([column], name="JSON")
        hdulist.writeto(tmp_path / "a.fits")
    with pytest.raises(FormatError, match=r"a\.fits: .*JSON tree"):
        CellCoadd.read_fits(tmp_path / "a.fits")


@pytest.mark.parametrize("size", [0, 100, 2880, 5760, 40_000, 80_640 - 2880])
def test_truncated_file(tmp_path, size):
    path = tmp_path / "cut.fits"
    path.write_bytes(data_file(TINY).read_bytes()[:size])
    with pytest.raises(FormatError, match=r"cut\.fits"):
        CellCoadd.read_fits(path)


def test_other_files(tmp_path):
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(tmp_path / "image.fits")
    with pytest.raises(FormatError, match=r"image\.fits: HDU 'JSON' is missing"):
        CellCoadd.read_fits(tmp_path / "image.fits")
    with pytest.raises(FormatError, match=r"legacy_masked_image\.fits: HDU 'JSON' is missing"):
        MaskedImage.read_fits(data_file("legacy_masked_image.fits"))
