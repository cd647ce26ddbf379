"""Maps in FITS files: round trips, the shared files, damaged files."""

import gzip

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from bayesmap.errors import FormatError
from bayesmap.maps import Map, MapAxis, WcsGeom
from tests.golden import shared_path

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", 3)
NODES = MapAxis.from_nodes([0.1, 0.5, 2] * u.TeV, name="energy_true", interp="log")
RAD = MapAxis.from_bounds(0, 1, 2, name="rad", unit="deg")
AXES = st.sampled_from([[], [ENERGY], [NODES], [RAD, ENERGY.rename("energy_true")], [NODES.squash()]])
TYPES = st.sampled_from(["float32", "float64", "int64", "int16", "bool"])


@st.composite
def maps(draw):
    geom = WcsGeom.create(
        npix=(draw(st.integers(1, 4)), draw(st.integers(1, 4))),
        binsz=draw(st.floats(0.01, 1)),
        skydir=(draw(st.floats(0, 359)), draw(st.floats(-85, 85))),
        frame=draw(st.sampled_from(["icrs", "galactic"])),
        proj=draw(st.sampled_from(["CAR", "TAN"])),
        axes=draw(AXES),
    )
    data = draw(arrays(draw(TYPES), geom.data_shape))
    unit = draw(st.sampled_from(["", "m2 s", "sr-1", "1e-12 cm-2 s-1 TeV-1", "cm-2 MeV-1 s-1 sr-1"]))
    return Map.from_geom(geom, data=data, unit=unit, meta=draw(st.sampled_from([{}, {"livetime": "3 s", "n": 2}])))


@pytest.fixture
def one():
    geom = WcsGeom.create(npix=(4, 3), binsz=0.5, skydir=(83.6, 22), axes=[ENERGY])
    return Map.from_geom(geom, data=np.arange(36.0, dtype="float32").reshape(3, 3, 4), unit="m2 s", meta={"a": [1, 2]})


@settings(max_examples=60, deadline=None)
@given(maps(), st.sampled_from([None, "counts"]))
def test_hdus_give_the_map_back(m, hdu):
    back = Map.from_hdulist(m.to_hdulist(hdu=hdu), hdu=None if hdu is None else hdu.upper())
    assert_array_equal(back.data, m.data)
    assert back.data.dtype == (np.int64 if m.is_mask else m.data.dtype)
    assert back.geom == m.geom
    assert back.unit == m.unit
    assert back.meta == m.meta
    for ours, theirs in zip(back.geom.axes, m.geom.axes, strict=True):
        assert (ours.node_type, ours.interp, ours.name) == (theirs.node_type, theirs.interp, theirs.name)


@pytest.mark.parametrize("name", ["map.fits", "map.fits.gz"])
def test_files_give_the_map_back(one, tmp_path, name):
    one.write(tmp_path / name, checksum=True)
    back = Map.read(tmp_path / name, checksum=True)
    assert_array_equal(back.data, one.data)
    assert back.data.dtype == np.float32
    assert back.data.dtype.isnative
    assert back.geom == one.geom
    assert back.meta == one.meta
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_existing_file(one, tmp_path):
    path = tmp_path / "map.fits"
    one.write(path)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        one.write(path)
    (one * 2).write(path, overwrite=True)
    assert_array_equal(Map.read(path).data, 2 * one.data)


def test_interrupted_write_keeps_the_old_file(one, tmp_path, monkeypatch):
    path = tmp_path / "map.fits"
    one.write(path)

    def writeto(self, filename, **kwargs):
        with open(filename, "wb") as file:
            file.write(b"SIMPLE")
        raise KeyboardInterrupt

    monkeypatch.setattr(fits.HDUList, "writeto", writeto)
    with pytest.raises(KeyboardInterrupt):
        (one * 2).write(path, overwrite=True)
    monkeypatch.undo()
    assert_array_equal(Map.read(path).data, one.data)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "hdu", "shape", "unit"),
    [
        ("cta-1dc-gc/cta-1dc-gc.fits.gz", "COUNTS", (10, 240, 320), ""),
        ("cta-1dc-gc/cta-1dc-gc.fits.gz", "PSF", (14, 66, 12, 16), "sr-1"),
        ("fermi-3fhl-crab/Fermi-LAT-3FHL_iem.fits", None, (30, 32, 40), "cm-2 MeV-1 s-1 sr-1"),
        ("fermi-3fhl-gc/fermi-3fhl-gc.fits.gz", "PSF", (11, 130, 1, 1), "sr-1"),
        ("hawc/nHit-8.fits.gz", "PSF", (10, 200, 6, 6), "deg-2"),
        ("models/template_2d.fits.gz", None, (51, 61), "sr-1"),
    ],
)
def test_shared_files(name, hdu, shape, unit):
    m = Map.read(shared_path("data", *name.split("/")), hdu=hdu)
    assert m.data.shape == shape
    assert m.unit == u.Unit(unit)
    assert m.data.dtype.isnative


def test_old_axis_name_theta():
    psf = Map.read(shared_path("data", "fermi-3fhl-crab", "Fermi-LAT-3FHL_data_Fermi-LAT.fits"), hdu="PSF")
    assert psf.geom.axes.names == ["rad", "energy_true"]


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.fits"):
        Map.read(tmp_path / "no.fits")
    for name, content in [("text.fits", b"not a FITS file at all\n" * 200), ("empty.fits", b"")]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FormatError, match=f"{name} is not a valid FITS file"):
            Map.read(tmp_path / name)


@pytest.mark.parametrize("fraction", [0.02, 0.3, 0.6, 0.97])
@pytest.mark.parametrize("compressed", [False, True])
def test_truncated_file(one, tmp_path, fraction, compressed):
    path = tmp_path / "map.fits"
    one.write(path)
    content = path.read_bytes()
    content = gzip.compress(content) if compressed else content
    path.write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(FormatError):
        Map.read(path)


def test_wrong_checksum(one, tmp_path):
    path = tmp_path / "map.fits"
    one.write(path, checksum=True)
    content = bytearray(path.read_bytes())
    content[content.index(one.data.astype(">f4").tobytes()) + 2] ^= 1
    path.write_bytes(content)
    Map.read(path)
    with pytest.raises(FormatError, match="[Dd]atasum|[Cc]hecksum"):
        Map.read(path, checksum=True)


def test_missing_hdus(one):
    hdus = one.to_hdulist(hdu="counts")
    with pytest.raises(FormatError, match=r"no HDU 'COUNT'.*did you mean 'COUNTS'"):
        Map.from_hdulist(hdus, hdu="COUNT")
    with pytest.raises(FormatError, match="needs the table 'COUNTS_BANDS'"):
        Map.from_hdulist(fits.HDUList(hdus[:2]), hdu="COUNTS")
    with pytest.raises(FormatError, match="no map in the file"):
        Map.from_hdulist(fits.HDUList([fits.PrimaryHDU()]))
    with pytest.raises(FormatError, match="without the column DATA"):
        Map.from_hdulist(hdus, hdu="COUNTS_BANDS")
    with pytest.raises(FormatError, match="holds no data"):
        Map.from_hdulist(hdus, hdu="PRIMARY")
    with pytest.raises(ValueError, match="format must be one of"):
        Map.from_hdulist(hdus, format="fgst")


def test_wrong_contents(one):
    def damaged(change):
        hdus = one.to_hdulist(hdu="counts")
        change(hdus)
        with pytest.raises(FormatError) as error:
            Map.from_hdulist(hdus, hdu="COUNTS")
        return str(error.value)

    assert "unknown unit 'parrots'" in damaged(lambda h: h["COUNTS"].header.set("BUNIT", "parrots"))
    assert "not JSON" in damaged(lambda h: h["COUNTS"].header.set("META", "{a"))
    assert "equatorial or galactic" in damaged(
        lambda h: h["COUNTS"].header.update(CTYPE1="ELON-CAR", CTYPE2="ELAT-CAR")
    )
    assert "no AXCOLS" in damaged(lambda h: h["COUNTS_BANDS"].header.remove("AXCOLS1"))
    assert "its columns are" in damaged(lambda h: h["COUNTS_BANDS"].header.set("AXCOLS1", "X_MIN,X_MAX"))
    assert "unknown unit" in damaged(lambda h: setattr(h["COUNTS_BANDS"].columns["E_MIN"], "unit", "parrots"))
    assert "should be a table" in damaged(lambda h: h["COUNTS"].header.set("BANDSHDU", "COUNTS"))

    def other_axis(hdus):
        hdus["COUNTS"].data = np.zeros((2, 3, 4))

    assert "its axes have (3,) bins" in damaged(other_axis)

    def same_edges(hdus):
        hdus["COUNTS_BANDS"].data["E_MIN"][:] = 1

    assert "rows" in damaged(same_edges)


def test_a_map_of_1950_is_refused_by_name(one):
    hdus = one.to_hdulist(hdu="TEMPLATE")
    hdus["TEMPLATE"].header.update({"RADESYS": "FK4", "EQUINOX": 1950.0})
    with pytest.raises(FormatError, match="HDU 'TEMPLATE': a WCS in the frame FK4"):
        Map.from_hdulist(hdus)
