"""Files and objects of the older LSST pipelines; their objects are stand-ins with the attributes that are used."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits

from bayesmap.errors import FormatError
from bayesmap.images import (
    Box,
    CellCoadd,
    GeneralFrame,
    Image,
    Mask,
    MaskedImage,
    MaskPlane,
    MaskSchema,
    TractFrame,
)
from bayesmap.images.legacy_planes import DEEP_COADD
from tests.images.conftest import data_file, golden_numbers

FILE = "legacy_masked_image.fits"
PLANE_MAP = {
    "BAD": MaskPlane("BAD", ""),
    "SAT": MaskPlane("SATURATED", ""),
    "INTRP": MaskPlane("INTERPOLATED", ""),
    "CR": MaskPlane("COSMIC_RAY", ""),
    "EDGE": MaskPlane("EDGE", ""),
    "DETECTED": MaskPlane("DETECTED", ""),
    "NO_DATA": MaskPlane("NO_DATA", ""),
}


def test_file():
    golden = golden_numbers("legacy")["default"]
    image = MaskedImage.read_legacy(data_file(FILE), fits_wcs_frame=GeneralFrame())
    assert type(image) is MaskedImage
    assert str(image.bbox) == golden["bbox"]
    assert image.unit == golden["unit"]
    assert image.variance.unit.to_string() == golden["variance_unit"]
    assert list(image.mask.schema.names) == golden["names"]
    assert {name: int(image.mask.get(name).sum()) for name in golden["names"]} == golden["counts"]
    assert image.image.array.sum(dtype="float64") == pytest.approx(golden["image_sum"], rel=1e-12)
    assert image.variance.array.sum(dtype="float64") == pytest.approx(golden["variance_sum"], rel=1e-12)
    x, y = golden["sky_at"]
    sky = image.projection.pixel_to_sky(x=x, y=y)
    assert (sky.ra.deg, sky.dec.deg) == pytest.approx(golden["sky"], abs=1e-11)
    assert type(CellCoadd.read_legacy(data_file(FILE))) is MaskedImage  # there is no PSF in the file


def test_renamed_planes():
    golden = golden_numbers("legacy")
    image = MaskedImage.read_legacy(data_file(FILE), plane_map=PLANE_MAP)
    assert list(image.mask.schema.names) == golden["plane_map"]["names"]
    assert image.projection is None
    assert int(image.mask.get("INTERPOLATED").sum()) == golden["default"]["counts"]["INTRP"]
    others = {name: plane for name, plane in PLANE_MAP.items() if name != "EDGE"}
    with pytest.raises(RuntimeError, match=golden["plane_map_without_EDGE"]["message"]):
        MaskedImage.read_legacy(data_file(FILE), plane_map=others)


@pytest.mark.parametrize("component", ["image", "mask", "variance"])
def test_one_plane(component):
    plane = MaskedImage.read_legacy(data_file(FILE), component=component, fits_wcs_frame=GeneralFrame())
    assert type(plane).__name__ == golden_numbers("legacy")[f"component_{component}"]
    whole = MaskedImage.read_legacy(data_file(FILE), fits_wcs_frame=GeneralFrame())
    assert plane == getattr(whole, component)
    assert plane.projection == whole.projection
    with pytest.raises(ValueError, match="component must be one of"):
        MaskedImage.read_legacy(data_file(FILE), component="psf")


def test_compressed_pixels_are_kept(tmp_path):
    golden = golden_numbers("legacy")["preserve_quantization"]
    image = MaskedImage.read_legacy(data_file(FILE), preserve_quantization=True)
    assert image.image.array.flags.writeable is golden["image_writeable"]
    assert image.variance.array.flags.writeable is golden["variance_writeable"]
    assert image.mask.array.flags.writeable is golden["mask_writeable"]
    assert image.copy().image.array.flags.writeable is golden["copy_writeable"]
    image.write_fits(tmp_path / "a.fits")
    names = {"disable_image_compression": True, "memmap": False}
    with fits.open(data_file(FILE), **names) as old, fits.open(tmp_path / "a.fits", **names) as new:
        for name in ("IMAGE", "VARIANCE"):
            for column in old[name].columns.names:
                for mine, theirs in zip(new[name].data[column], old[name].data[column], strict=True):
                    assert np.array_equal(mine, theirs) == golden["bytes_identical"]
        assert [key for key in new[0].header if key in ("FILTER", "OBSERVER")] == golden["primary_cards_kept"]
        assert new["IMAGE"].header["CRVAL1A"] == 9780
        assert "LTV1" not in new["IMAGE"].header
    assert MaskedImage.read_fits(tmp_path / "a.fits").image == image.image
    image.copy().write_fits(tmp_path / "b.fits")
    with fits.open(tmp_path / "b.fits", **names) as hdulist:
        assert hdulist["IMAGE"].header["ZCMPTYPE"] == "GZIP_2"


def damaged(tmp_path, edit):
    with fits.open(data_file(FILE)) as hdulist:
        edit(hdulist)
        hdulist.writeto(tmp_path / "damaged.fits")
    return tmp_path / "damaged.fits"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda h: h.pop(3), "has 3 HDUs"),
        (lambda h: h["IMAGE"].header.set("LTV1", 0.5), "LTV1 should be a whole number"),
        (lambda h: h["IMAGE"].header.set("LTV1", 5), "the mask has the box"),
        (lambda h: h["IMAGE"].header.set("BUNIT", "nJy**"), "no unit"),
        (lambda h: h["VARIANCE"].header.set("BUNIT", "nJy"), "right is nJy2"),
        (lambda h: h["MASK"].header.set("MP_BAD", 40), "bits of mask planes go from 0 to 31"),
        (lambda h: h["MASK"].header.set("MP_BAD", 1), "two mask planes have the same bit"),
        (lambda h: h["MASK"].header.remove("MP_EDGE"), "471 pixels of the mask have bits set that belong to none"),
    ],
)
def test_damaged_file(tmp_path, edit, message):
    path = damaged(tmp_path, edit)
    with pytest.raises(FormatError, match=message) as caught:
        MaskedImage.read_legacy(path)
    assert str(path) in str(caught.value)


def test_other_files():
    with pytest.raises(FormatError, match="480 pixels of the mask have bits set that belong to none of the planes"):
        MaskedImage.read_legacy(data_file("coadd_tiny_40planes.fits"))
    with pytest.raises(FileNotFoundError):
        MaskedImage.read_legacy("absent.fits")


# --- objects


def legacy_box(box):
    return SimpleNamespace(
        x=SimpleNamespace(begin=box.x.start, end=box.x.stop), y=SimpleNamespace(begin=box.y.start, end=box.y.stop)
    )


class LegacyImage(SimpleNamespace):
    """Pixels with a corner."""

    def getX0(self):
        return self.start.x

    def getY0(self):
        return self.start.y


def legacy_image(image):
    return LegacyImage(array=image.array, start=image.bbox.start)


class LegacyMask(LegacyImage):
    def getMaskPlaneDict(self):
        return self.bits


class Images:
    """Kernels by the index of their cells."""

    def __init__(self, images):
        self.images = images
        self.arbitrary = next(iter(images.values()))

    def keys(self):
        return self.images.keys()

    def __getitem__(self, key):
        return self.images[key]


class Index(SimpleNamespace):
    def __hash__(self):
        return hash((self.x, self.y))


class Observation(SimpleNamespace):
    def __hash__(self):
        return hash((self.visit, self.detector))


def observation(row):
    names = ("instrument", "visit", "detector", "physical_filter", "day_obs")
    return Observation(**{name: row[name] for name in names})


class Legacy:
    """Stands for a ``MultipleCellCoadd`` with the content of a coadd."""

    def __init__(self, coadd, padding=0):
        self.coadd = coadd
        size = SimpleNamespace(x=coadd.grid.cell_shape.x, y=coadd.grid.cell_shape.y)
        self.grid = SimpleNamespace(bbox=legacy_box(coadd.grid.bbox), cell_size=size, padding=padding)
        patch = SimpleNamespace(x=coadd.patch.index.x, y=coadd.patch.index.y)
        self.identifiers = SimpleNamespace(skymap=coadd.skymap, tract=coadd.tract, patch=patch, band=coadd.band)
        self.units = SimpleNamespace(value=str(coadd.unit))
        header = coadd.projection.as_fits_wcs(Box.factory[:1, :1]).to_header()
        self.wcs = SimpleNamespace(getFitsMetadata=lambda: SimpleNamespace(toDict=lambda: dict(header)))
        observations = {(row["visit"], row["detector"]): observation(row) for row in coadd.provenance.inputs}
        self.common = SimpleNamespace(
            visit_polygons={
                observations[row["visit"], row["detector"]]: polygon(row["polygon"]) for row in coadd.provenance.inputs
            }
        )
        self.cells = {}
        for cell in coadd.bounds.cell_indices():
            rows = coadd.provenance[cell].contributions
            self.cells[cell] = SimpleNamespace(
                inner=SimpleNamespace(bbox=legacy_box(coadd.grid.bbox_of(cell))),
                identifiers=SimpleNamespace(cell=SimpleNamespace(x=cell.j, y=cell.i)),
                inputs={observations[row["visit"], row["detector"]]: contribution(row) for row in rows},
            )

    def stitch(self, box):
        coadd = self.coadd
        assert (box.begin, box.size) == (coadd.bbox.start.xy, coadd.bbox.shape.xy)
        bits = {old: bit for bit, old in enumerate([*DEEP_COADD, "UNUSED"])}
        array = np.zeros(coadd.bbox.shape, dtype="int32")
        for old, plane in DEEP_COADD.items():
            if plane.name in coadd.mask.schema.names:
                array[coadd.mask.get(plane.name)] |= 1 << bits[old]
        start = coadd.bounds.subgrid_start
        images = {
            Index(x=cell.j - start.j, y=cell.i - start.i): SimpleNamespace(array=coadd.psf[cell].array)
            for cell in coadd.bounds.cell_indices()
        }
        grid = SimpleNamespace(bbox=legacy_box(coadd.bounds.bbox), cell_size=self.grid.cell_size, padding=0)
        return SimpleNamespace(
            image=legacy_image(coadd.image),
            variance=legacy_image(coadd.variance),
            mask=LegacyMask(array=array, start=coadd.bbox.start, bits=bits),
            noise_realizations=[legacy_image(plane) for plane in coadd.noise_realizations],
            mask_fractions=legacy_image(coadd.mask_fractions["rejected"]),
            psf=SimpleNamespace(grid=grid, images=Images(images)),
        )


def polygon(outline):
    points = zip(outline.x_vertices, outline.y_vertices, strict=True)
    return SimpleNamespace(getVertices=lambda: [SimpleNamespace(x=x, y=y) for x, y in points])


def contribution(row):
    shape = SimpleNamespace(
        **{f"getI{axes}": lambda axes=axes: row[f"psf_shape_{axes}"] for axes in ("xx", "yy", "xy")}
    )
    names = ("overlaps_center", "overlap_fraction", "weight", "psf_shape_flag")
    return SimpleNamespace(psf_shape=shape, **{name: row[name] for name in names})


class TractInfo:
    """Stands for a tract with one patch."""

    def __init__(self, coadd):
        self.coadd = coadd

    def getBBox(self):
        return legacy_box(self.coadd.projection.pixel_frame.bbox)

    def __getitem__(self, index):
        patch = self.coadd.patch
        assert (index.y, index.x) == tuple(patch.index)
        return SimpleNamespace(getSequentialIndex=lambda: patch.id, getInnerBBox=lambda: legacy_box(patch.inner_bbox))


class AfwMask:
    """Stands for a mask with a registry of planes."""

    def __init__(self, box):
        self.array = np.zeros((box.size[1], box.size[0]), dtype="int32")
        self.planes = []

    def addMaskPlane(self, name):
        self.planes.append(name)
        return len(self.planes) - 1


@pytest.fixture
def pipelines(monkeypatch):
    """Modules that stand for those of the pipelines."""
    geom, afw, image = (ModuleType(name) for name in ("lsst.geom", "lsst.afw", "lsst.afw.image"))
    geom.Point2I = geom.Extent2I = lambda x, y: (x, y)
    geom.Box2I = lambda begin, size: SimpleNamespace(begin=begin, size=size)
    image.Image = lambda array, xy0, dtype: SimpleNamespace(array=array, xy0=xy0, dtype=dtype)
    image.Mask = AfwMask
    image.makeMaskedImage = lambda image, mask, variance: SimpleNamespace(image=image, mask=mask, variance=variance)
    for module in (ModuleType("lsst"), afw, geom, image):
        monkeypatch.setitem(sys.modules, module.__name__, module)


def test_coadd_of_the_pipelines(stored, pipelines):
    coadd = CellCoadd.from_legacy(Legacy(stored), tract_info=TractInfo(stored))
    assert coadd.image.array is stored.image.array
    for name in ("bbox", "unit", "band", "tract", "skymap", "patch", "bounds", "variance"):
        assert getattr(coadd, name) == getattr(stored, name), name
    assert np.array_equal(coadd.psf.array, stored.psf.array, equal_nan=True)
    assert coadd.mask_fractions == {"rejected": stored.mask_fractions["rejected"]}
    assert list(coadd.noise_realizations) == list(stored.noise_realizations)
    assert list(coadd.mask.schema) == list(DEEP_COADD.values())
    for name in coadd.mask.schema.names & stored.mask.schema.names:
        assert np.array_equal(coadd.mask.get(name), stored.mask.get(name))
    assert coadd.projection.pixel_frame == stored.projection.pixel_frame
    sky = [c.projection.pixel_to_sky(x=9900, y=13100) for c in (coadd, stored)]
    assert sky[0].separation(sky[1]).arcsec < 1e-5
    for name in ("inputs", "contributions"):
        mine, theirs = getattr(coadd.provenance, name), getattr(stored.provenance, name)
        assert sorted(mine.colnames) == sorted(theirs.colnames)
        for column in mine.colnames:
            assert list(mine[column]) == list(theirs[column]), column
            assert mine[column].unit == theirs[column].unit


def test_coadds_that_cannot_be_converted(stored, pipelines):
    with pytest.raises(ValueError, match="padding of 3 pixels"):
        CellCoadd.from_legacy(Legacy(stored, padding=3), tract_info=TractInfo(stored))
    planes = {name: plane for name, plane in DEEP_COADD.items() if name != "EDGE"}
    with pytest.raises(RuntimeError, match="'EDGE' is not remapped, but 2484 pixels"):
        CellCoadd.from_legacy(Legacy(stored), plane_map=planes, tract_info=TractInfo(stored))


def test_to_the_pipelines(coadd, pipelines):
    legacy = coadd.to_legacy()
    assert legacy.image.array is coadd.image.array
    assert legacy.image.xy0 == coadd.bbox.start.xy
    assert legacy.image.dtype is np.float32
    names = legacy.mask.planes
    assert names[:5] == ["NO_DATA", "INTRP", "CR", "SAT", "EDGE"]
    assert "CELL_EDGE" in names
    assert np.array_equal(legacy.mask.array >> names.index("SAT") & 1, coadd.mask.get("SATURATED"))
    assert coadd.to_legacy(copy=True).image.array is not coadd.image.array
    coadd.variance.array.flags.writeable = False
    legacy = coadd.to_legacy()
    assert legacy.image.array is coadd.image.array
    assert legacy.variance.array.flags.writeable
    with pytest.raises(TypeError, match=r"the arrays of \['variance'\] cannot be changed"):
        coadd.to_legacy(copy=False)
    with pytest.raises(ValueError, match="no old names for the mask planes"):
        coadd.to_legacy(plane_map={"SAT": MaskPlane("SATURATED", "")})


def test_masked_image_to_the_pipelines(pipelines):
    image = MaskedImage(Image(1.0, shape=(2, 3)), mask_schema=MaskSchema([MaskPlane("A", "")]))
    image.mask.local[:, 1:2].set("A")
    legacy = image.to_legacy(copy=False)
    assert legacy.mask.planes == ["A"]
    assert legacy.mask.array.tolist() == [[0, 1, 0], [0, 1, 0]]


def test_without_the_pipelines(stored):
    with pytest.raises(ModuleNotFoundError, match="lsst"):
        stored.copy().to_legacy()
    assert isinstance(stored.projection.pixel_frame, TractFrame)
    assert isinstance(stored.mask, Mask)
