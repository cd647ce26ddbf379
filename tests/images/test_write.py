"""Files that are written: the layout of lsst-images, compression, and what cannot be written."""

import json
import re

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from bayesmap.images import (
    Box,
    CellCoadd,
    CellGrid,
    CellGridBounds,
    CellPointSpreadFunction,
    CoaddProvenance,
    FitsCompressionAlgorithm,
    FitsCompressionOptions,
    FitsDitherAlgorithm,
    FitsQuantizationOptions,
    GeneralFrame,
    Image,
    Mask,
    MaskedImage,
    MaskPlane,
    MaskSchema,
    Projection,
    TractFrame,
)
from bayesmap.images.io.ast_dump import to_ast
from tests.images.conftest import DIALECTS, data_file, golden_numbers
from tests.images.test_read import assert_equal

LOSSY = FitsCompressionOptions.LOSSY
SCHEMAS = {"seed": None, "v1": "1.0.0"}


@pytest.fixture
def small(stored):
    """Corner of four cells, with everything that a coadd has."""
    return stored.local[50:70, 52:72].copy()


def tree_of(path):
    with fits.open(path) as hdulist:
        return json.loads(bytes(hdulist["JSON"].data["JSON"][0]))


def header(path, name, version=1):
    with fits.open(path, disable_image_compression=True) as hdulist:
        return hdulist[(name, version) if isinstance(name, str) else name].header.copy()


@pytest.fixture(scope="module", params=DIALECTS)
def written(request, tmp_path_factory):
    """A stored coadd and the file that it is written to, in its dialect."""
    path = tmp_path_factory.mktemp("coadds") / "coadd.fits"
    coadd = CellCoadd.read_fits(data_file(DIALECTS[request.param]))
    coadd.write_fits(path, schema=SCHEMAS[request.param])
    return coadd, path, golden_numbers(request.param)


def test_round_trip(written):
    coadd, path, _ = written
    assert_equal(CellCoadd.read_fits(path), coadd)


def without_descriptions(tree):
    if isinstance(tree, dict):
        return {key: without_descriptions(value) for key, value in tree.items() if key not in ("description", "ast")}
    return [without_descriptions(value) for value in tree] if isinstance(tree, list) else tree


def test_tree_is_that_of_lsst_images(written):
    _, path, golden = written
    assert without_descriptions(tree_of(path)) == without_descriptions(golden["json_tree"])
    assert json.dumps(list(tree_of(path))) == json.dumps(list(golden["json_tree"]))
    assert tree_of(path)["mask"]["planes"] == golden["json_tree"]["mask"]["planes"]


def test_serialize(stored):
    tree = without_descriptions(stored.serialize(Collected()))
    assert tree == without_descriptions(golden_numbers("seed")["json_tree"])


class Collected:
    """An archive that stores nothing."""

    def add_array(self, name, array, header=None):
        return {
            "source": f"fits:{name.upper()}",
            "shape": [*array.shape],
            "datatype": str(array.dtype),
            "byteorder": "big",
        }

    def add_table(self, name, table):
        references = []
        for number, key in enumerate(table.colnames, start=1):
            shape = {"shape": [*table[key].shape[1:]]} if table[key].ndim > 1 else {}
            kind = {"datatype": table[key].dtype.name, "byteorder": "big"}
            references.append({"source": f"fits:{name.upper()}[{number}]"} | shape | kind)
        return references


def test_headers_are_those_of_lsst_images(written):
    """The same HDUs in the same order, with every card that is stored about them."""
    _, path, golden = written
    with fits.open(path, disable_image_compression=True) as hdulist:
        assert [(hdu.name, hdu.ver) for hdu in hdulist] == [(hdu["name"], hdu["ver"]) for hdu in golden["hdus"]]
        for hdu, stored in zip(hdulist, golden["hdus"], strict=True):
            cards = {card.keyword: card.value for card in hdu.header.cards}
            assert {keyword: cards.get(keyword) for keyword, _ in stored["cards"]} == dict(stored["cards"]), hdu.name


def test_addresses(written):
    """Index and first header say where each HDU begins."""
    _, path, _ = written
    content = path.read_bytes()
    with fits.open(path, disable_image_compression=True) as hdulist:
        first, index, last = hdulist[0].header, hdulist["INDEX"].data, hdulist[-1].fileinfo()
        places = [(hdu.fileinfo()["hdrLoc"], hdu.fileinfo()["datLoc"], hdu.fileinfo()["datSpan"]) for hdu in hdulist]
        assert [tuple(row)[-3:] for row in index] == places[:-1]
        heads = [
            (hdu.name, hdu.ver, "IMAGE" if hdu.name == "PRIMARY" else "BINTABLE", "ZIMAGE" in hdu.header)
            for hdu in hdulist
        ]
        assert [(row["EXTNAME"] or "PRIMARY", *list(row)[1:4]) for row in index] == heads[:-1]
    assert first["JSONADDR"] + first["JSONSIZE"] == first["INDXADDR"]
    assert first["INDXADDR"] + first["INDXSIZE"] == len(content)
    assert first["INDXADDR"] == last["hdrLoc"]
    assert b"EXTNAME = 'JSON" in content[first["JSONADDR"] : first["INDXADDR"]]


def test_part(small, tmp_path):
    small.write_fits(tmp_path / "a.fits")
    assert_equal(CellCoadd.read_fits(tmp_path / "a.fits"), small)
    assert header(tmp_path / "a.fits", "IMAGE")["CRPIX1"] == small.fits_wcs.wcs.crpix[0]
    small.write_fits(tmp_path / "b.fits", schema="1.0.0")
    part = CellCoadd.read_fits(tmp_path / "b.fits", bbox=small.bbox.local[2:5, 3:4])
    assert np.isnan(part.provenance.contributions["unmasked_fraction"]).all()
    part.provenance.contributions.remove_column("unmasked_fraction")
    assert_equal(part, small.local[2:5, 3:4])


def test_less_than_everything(stored, tmp_path):
    coadd = CellCoadd(stored.image, mask_schema=MaskSchema([]), psf=stored.psf).local[60:62, 60:63]
    coadd.write_fits(tmp_path / "a.fits")
    assert_equal(CellCoadd.read_fits(tmp_path / "a.fits"), coadd)
    empty = CoaddProvenance(stored.provenance.inputs[:0], stored.provenance.contributions[:0])
    coadd = coadd._with(patch=stored.patch, provenance=empty)
    coadd.write_fits(tmp_path / "b.fits")
    assert len(CellCoadd.read_fits(tmp_path / "b.fits").provenance.inputs) == 0


def test_masked_image(small, tmp_path):
    image = MaskedImage(small.image.view(projection=None, unit=None), mask=small.mask)
    image.write_fits(tmp_path / "a.fits")
    again = MaskedImage.read_fits(tmp_path / "a.fits")
    assert again.image == image.image
    assert again.variance == image.variance
    assert again.projection is None
    assert again.unit is None
    general = Projection.from_fits_wcs(small.fits_wcs, GeneralFrame(), x0=small.bbox.x.start, y0=small.bbox.y.start)
    MaskedImage(small.image, mask=small.mask, projection=general).write_fits(tmp_path / "b.fits", schema="1.0.0")
    assert MaskedImage.read_fits(tmp_path / "b.fits").projection == general
    with pytest.raises(ValueError, match="psf is missing"):
        CellCoadd.read_fits(tmp_path / "b.fits")


def test_several_instruments(small, tmp_path):
    inputs, contributions = small.provenance.inputs.copy(), small.provenance.contributions.copy()
    for table in (inputs, contributions):
        names = np.where(np.asarray(table["detector"]) == 89, "HSC", "LSSTCam")
        table["instrument"] = names.astype(object)
    coadd = small._with(provenance=CoaddProvenance(inputs, contributions))
    coadd.write_fits(tmp_path / "a.fits")
    again = CellCoadd.read_fits(tmp_path / "a.fits")
    assert_equal(again, coadd)
    assert set(again.provenance.inputs["instrument"]) == {"HSC", "LSSTCam"}


def test_planes_of_the_mask_on_disk(small, tmp_path):
    """31 planes to an HDU, without the unused bits; in memory they are back."""
    planes = [None, *(MaskPlane(f"P{n}", f"plane {n}") for n in range(40)), None]
    mask = Mask(schema=MaskSchema(planes), bbox=small.bbox)
    mask.local[:3, :].set("P30")
    mask.local[:, :2].set("P31")
    image = MaskedImage(small.image, mask=mask)
    image.write_fits(tmp_path / "a.fits", mask_compression=None)
    with fits.open(tmp_path / "a.fits") as hdulist:
        assert set(np.unique(hdulist["MASK", 1].data)) == {0, 1 << 30}
        assert set(np.unique(hdulist["MASK", 2].data)) == {0, 1}
        assert hdulist["MASK", 2].header["MSKN0000"] == "P31"
    assert MaskedImage.read_fits(tmp_path / "a.fits").mask == mask


def test_unit_of_the_variance(small, tmp_path):
    odd = small._with(variance=small.variance.view(unit="1e6 pJy2"))
    odd.write_fits(tmp_path / "a.fits")
    assert header(tmp_path / "a.fits", "VARIANCE")["BUNIT"] == "nJy2"
    assert CellCoadd.read_fits(tmp_path / "a.fits").variance == small.variance


def test_cards_of_others_are_kept(small, tmp_path):
    path = tmp_path / "a.fits"
    small.write_fits(path)
    with fits.open(path, mode="update") as hdulist:
        hdulist[0].header["OBSERVER"] = ("nobody", "who it was")
        hdulist["IMAGE"].header["HIERARCH LONG KEYWORD"] = 3
    read = CellCoadd.read_fits(path)
    read.local[:5, :5].copy().write_fits(tmp_path / "b.fits")
    assert header(tmp_path / "b.fits", 0).cards["OBSERVER"].comment == "who it was"
    assert header(tmp_path / "b.fits", "IMAGE")["LONG KEYWORD"] == 3
    assert header(tmp_path / "b.fits", "IMAGE").count("CRPIX1") == 1
    assert CellCoadd.read_fits(tmp_path / "b.fits").bbox == small.bbox.local[:5, :5]


# --- compression


def test_lossy_as_lsst_images_does_it(stored, tmp_path):
    """The same seed gives the same pixels."""
    path = tmp_path / "a.fits"
    stored.write_fits(path, image_compression=LOSSY, mask_compression=LOSSY, compression_seed=71)
    lossy, golden = CellCoadd.read_fits(path), golden_numbers("quant")
    assert lossy.image == CellCoadd.read_fits(data_file("coadd_quant.fits")).image
    assert (lossy.mask, lossy.variance) == (stored.mask, stored.variance)
    good = np.isfinite(stored.image.array) & np.isfinite(stored.variance.array)
    error = (lossy.image.array - stored.image.array)[good] / np.sqrt(stored.variance.array[good])
    assert error.std() < 1.2 * golden["rms_error_in_sigma"]
    assert np.abs(error).max() < 1.2 * golden["max_error_in_sigma"]
    assert header(path, "IMAGE")["ZDITHER0"] == 71
    assert header(path, "MASK")["ZCMPTYPE"] == "RICE_1"


@pytest.mark.parametrize(("first", "second"), [(71, 72), (10_000, 1)])
def test_seeds_go_up(small, tmp_path, first, second):
    path = tmp_path / "a.fits"
    small.write_fits(path, image_compression=LOSSY, variance_compression=LOSSY, compression_seed=first)
    assert (header(path, "IMAGE")["ZDITHER0"], header(path, "VARIANCE")["ZDITHER0"]) == (first, second)


def quantization(**changes):
    options = {"dither": FitsDitherAlgorithm.SUBTRACTIVE_DITHER_2, "level": 16.0} | changes
    return FitsCompressionOptions(algorithm="RICE_1", quantization=FitsQuantizationOptions(**options))


def test_own_seed_counts(small, tmp_path):
    path = tmp_path / "a.fits"
    small.write_fits(
        path, image_compression=quantization(seed=5), variance_compression=quantization(seed=0), compression_seed=9
    )
    assert (header(path, "IMAGE")["ZDITHER0"], header(path, "VARIANCE")["ZDITHER0"]) == (5, 9)


@pytest.mark.parametrize("algorithm", FitsCompressionAlgorithm)
@pytest.mark.parametrize("dither", FitsDitherAlgorithm)
def test_fixed_step(small, tmp_path, algorithm, dither):
    quantized = FitsQuantizationOptions(dither=dither, level=-0.5, seed=3)
    options = FitsCompressionOptions(algorithm=algorithm, quantization=quantized, tile_shape=(10, 20))
    small.write_fits(tmp_path / "a.fits", image_compression=options)
    error = CellCoadd.read_fits(tmp_path / "a.fits").image.array - small.image.array
    assert 0.05 < np.nanmax(np.abs(error)) <= 0.2501
    assert header(tmp_path / "a.fits", "IMAGE")["ZTILE2"] == 10


@pytest.mark.parametrize("algorithm", ["GZIP_1", "GZIP_2"])
def test_every_digit_is_kept(small, tmp_path, algorithm):
    small.image.array[:2, :3] = np.nan, np.inf, -np.inf
    options = FitsCompressionOptions(algorithm=algorithm, tile_shape=(7, 100))
    small.write_fits(tmp_path / "a.fits", image_compression=options, variance_compression=None, mask_compression=None)
    assert_equal(CellCoadd.read_fits(tmp_path / "a.fits"), small)
    with fits.open(tmp_path / "a.fits") as hdulist:
        assert type(hdulist["VARIANCE"]) is type(hdulist["MASK"]) is fits.ImageHDU


def test_nan_survives_rounding(small, tmp_path):
    small.image.array[3, 4] = np.nan
    small.write_fits(tmp_path / "a.fits", image_compression=LOSSY, compression_seed=1)
    again = CellCoadd.read_fits(tmp_path / "a.fits").image.array
    assert np.argwhere(np.isnan(again)).tolist() == [[3, 4]]


# --- what cannot be written


def with_infinity(coadd):
    coadd.variance.array[0, 0] = np.inf
    return coadd


def with_metadata(value):
    def change(coadd):
        coadd.metadata["key"] = value
        return coadd

    return change


def with_fraction(name):
    return lambda coadd: coadd._with(mask_fractions={name: coadd.mask_fractions["rejected"]})


def with_projection(**changes):
    def change(coadd):
        wcs = coadd.projection.as_fits_wcs(Box.factory[:1, :1])
        wcs.wcs.set_pv([])  # it has the poles too
        for name, value in changes.items():
            setattr(wcs.wcs, name, value)
        return coadd._with(image=coadd.image.view(projection=Projection(wcs, coadd.projection.pixel_frame)))

    return change


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        (None, {"image_compression": LOSSY}, RuntimeError, "IMAGE: No quantization seed provided"),
        (None, {"variance_compression": quantization(seed=0)}, RuntimeError, "VARIANCE: No quantization seed"),
        (
            with_infinity,
            {"variance_compression": LOSSY, "compression_seed": 1},
            ValueError,
            "VARIANCE: 1 of 400 .* infinite",
        ),
        (None, {"compression_seed": 10_001}, ValueError, "compression_seed must be from 1 to 10000"),
        (
            None,
            {"image_compression": FitsCompressionOptions(algorithm="RICE_1")},
            ValueError,
            "IMAGE: RICE_1 .* rounding",
        ),
        (None, {"image_compression": FitsCompressionOptions(tile_shape=(3,))}, ValueError, "IMAGE: tiles of shape"),
        (None, {"schema": "2.0.0"}, ValueError, "schema must be '1.0.0' or None"),
        (with_metadata(np.nan), {}, TypeError, r"metadata\['key'\] is nan"),
        (with_metadata([1]), {}, TypeError, r"metadata\['key'\] is \[1\]"),
        (with_metadata(np.float32(1)), {}, TypeError, r"metadata\['key'\]"),
        (with_fraction("a,2"), {}, ValueError, "cannot be the name of an HDU"),
        (with_fraction("é"), {}, ValueError, "cannot be the name of an HDU"),
        (with_projection(ctype=["RA---ZEA", "DEC--ZEA"]), {}, ValueError, "only gnomonic projections"),
        (with_projection(radesys="FK5"), {}, ValueError, "only gnomonic projections in ICRS"),
        (with_projection(lonpole=170.0), {}, ValueError, "LONPOLE = 180"),
    ],
)
def test_nothing_is_left_of_what_cannot_be_written(small, tmp_path, change, options, error, message):
    with pytest.raises(error, match=message):
        (small if change is None else change(small)).write_fits(tmp_path / "a.fits", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk(small, tmp_path, monkeypatch):
    def write_some(self, path):
        path.write_bytes(b"SIMPLE")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fits.HDUList, "writeto", write_some)
    with pytest.raises(OSError, match=r"cannot write .*a\.fits: No space left"):
        small.write_fits(tmp_path / "a.fits")
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_there(small, tmp_path):
    path = tmp_path / "a.fits"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=r"a\.fits exists"):
        small.write_fits(path)
    assert path.read_text() == "mine"
    with pytest.raises(ValueError, match=r"without \.gz"):
        small.write_fits(tmp_path / "b.fits.gz")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        small.write_fits(tmp_path / "folder" / "a.fits")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: quantization(level=0.0), "level must be"),
        (lambda: quantization(level=np.nan), "level must be"),
        (lambda: quantization(seed=-1), "seed must be from 1"),
        (lambda: quantization(dither="OTHER"), "OTHER"),
        (lambda: FitsCompressionOptions(algorithm="ZIP"), "ZIP"),
        (lambda: FitsCompressionOptions(tile_shape=(0, 3)), "a tile has pixels"),
    ],
)
def test_options_that_cannot_be(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- the projection in the language of AST


def numbers_of(dump):
    """Rotation, reference point and plate scale in a description of a gnomonic projection."""
    pattern = r"^\s*(SRef\d|M\d|PV1_4|PlrLg|Zoom) = (\S+)"
    found = {}
    for name, value in re.findall(pattern, dump, flags=re.MULTILINE):
        found.setdefault(name, []).append(float(value))
    return found


def test_description_of_the_projection(stored):
    """The same numbers as in that which the AST library wrote."""
    mine, theirs = numbers_of(to_ast(stored.projection._wcs)), numbers_of(stored.projection._ast)
    for name in ("SRef1", "SRef2", "PV1_4", "PlrLg", "Zoom"):
        assert sorted(mine[name]) == pytest.approx(sorted(theirs[name]), rel=1e-14)
    rotation = [mine[f"M{n}"][0] for n in range(9)]
    assert rotation == pytest.approx([theirs[f"M{n}"][0] for n in range(9)], rel=1e-14, abs=1e-16)
    # that of the file is diagonal
    scale = [mine[f"M{n}"][1] for n in range(4)]
    assert scale == pytest.approx([theirs["M0"][1], 0, 0, theirs["M1"][1]], rel=1e-12)
    assert "Sft1 = -9000.5" in to_ast(stored.projection._wcs)


def test_a_coadd_made_by_hand(tmp_path):
    """Without a file that it came from: a rotated projection, with all digits."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.radesys = ("RA---TAN", "DEC--TAN"), "ICRS"
    wcs.wcs.crval, wcs.wcs.crpix = (123.456789012345, -54.3210987654321), (500.25, 700.75)
    angle = np.deg2rad(30)
    wcs.wcs.cd = np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * 0.2 / 3600
    box = Box.factory[100:120, 200:230]
    grid = CellGrid(Box.factory[100:140, 200:260], (10, 10))
    kernel = np.full((2, 3, 3, 3), 1 / 9)
    coadd = CellCoadd(
        Image(np.arange(600.0).reshape(20, 30), bbox=box, unit="nJy"),
        mask_schema=MaskSchema([MaskPlane("BAD", "")]),
        projection=Projection(wcs, TractFrame("map", 1, Box.factory[:1000, :1000])),
        psf=CellPointSpreadFunction(kernel, CellGridBounds(grid, box)),
    )
    coadd.write_fits(tmp_path / "a.fits")
    again = CellCoadd.read_fits(tmp_path / "a.fits")
    assert again.image == coadd.image
    x, y = np.array([0, 1000.0]), np.array([0.0, 1000])
    places = (c.projection.pixel_to_sky(x=x, y=y) for c in (coadd, again))
    assert next(places).separation(next(places)).to_value("arcsec").max() < 1e-9
    assert again.tract == 1
