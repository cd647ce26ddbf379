"""Map datasets in FITS files: round trips, laziness, layout, bad files."""

import gzip
import shutil
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits

from bayesmap.errors import FormatError
from bayesmap.io import HDULocation, read_components, write_components
from bayesmap.irf import EDispKernelMap, EDispMap, PSFMap, RecoPSFMap
from bayesmap.maps import Map, MapAxis

MAPS = ("counts", "background", "exposure", "mask_safe", "mask_fit")


def assert_same(one, two):
    assert one.keys() == two.keys()
    for key in MAPS:
        assert one[key].geom == two[key].geom
        assert one[key].unit == two[key].unit
        assert one[key].data.dtype == two[key].data.dtype
        np.testing.assert_array_equal(one[key].data, two[key].data)
    for key in ("psf", "edisp"):
        assert one[key].is_allclose(two[key], rtol=0, atol=0)
    assert one["exposure"].meta == two["exposure"].meta
    assert one["meta"] == two["meta"]
    assert one["name"] == two["name"]
    assert dict(one["meta_table"][0]) == dict(two["meta_table"][0])
    np.testing.assert_allclose(one["gti"].met_stop.value, two["gti"].met_stop.value, atol=1e-6)


@pytest.mark.parametrize("name", ["tiny.fits", "tiny.fits.gz"])
@pytest.mark.parametrize("checksum", [False, True])
def test_round_trip(components, tmp_path, name, checksum):
    path = tmp_path / name
    write_components(components, path, checksum=checksum)
    again = read_components(path, checksum=checksum)
    assert_same(again, components)
    assert all(again[key].data.dtype.isnative for key in MAPS)
    with fits.open(path) as hdulist:
        assert_same(read_components(hdulist), components)


def test_parts_may_be_missing(components, tmp_path):
    path = tmp_path / "part.fits"
    write_components({"counts": components["counts"], "background": None, "gti": None}, path)
    assert list(read_components(path)) == ["counts"]
    with pytest.raises(ValueError, match=r"unknown components \['count'\]"):
        write_components({"count": components["counts"]}, path)


@pytest.mark.parametrize("name", ["tiny.fits", "tiny.fits.gz"])
def test_lazy_reading(components, tmp_path, name):
    path = tmp_path / name
    write_components(components, path)
    lazy = read_components(path, lazy=True, cache=False)
    for key in (*MAPS, "psf", "edisp"):
        assert isinstance(lazy[key], HDULocation)
        assert not lazy[key].cache
        assert key.upper() in repr(lazy[key])
    assert_same({key: value.load() if hasattr(value, "load") else value for key, value in lazy.items()}, components)
    write_components(lazy, tmp_path / "copy.fits")
    assert_same(read_components(tmp_path / "copy.fits"), components)
    with fits.open(path) as hdulist, pytest.raises(ValueError, match="give the path"):
        read_components(hdulist, lazy=True)


def test_lazy_reading_touches_only_what_is_needed(components, tmp_path):
    """Overwriting the pixels of another HDU with rubbish goes unnoticed; those of the needed one do not."""
    path = tmp_path / "tiny.fits"
    write_components(components, path, checksum=True)
    with fits.open(path) as hdulist:
        start = hdulist["BACKGROUND"].fileinfo()["datLoc"]
    with path.open("r+b") as file:
        file.seek(start + 8)
        file.write(b"\xff" * 8)
    lazy = read_components(path, lazy=True)
    np.testing.assert_array_equal(lazy["counts"].load().data, components["counts"].data)
    assert np.isnan(lazy["background"].load().data.ravel()[1])
    with pytest.raises(FormatError, match=r"(?i)checksum|datasum"):
        read_components(path, checksum=True)
    with pytest.raises(FormatError, match="tiny.fits.*'BACKGROUND'.*negative or not finite.*index"):
        read_components(path)


def test_kinds_of_responses_are_recognised(components, tmp_path):
    path = tmp_path / "kinds.fits"
    image = components["counts"].geom.to_image()
    energy, true = components["counts"].geom.axes["energy"], components["exposure"].geom.axes["energy_true"]
    rad = MapAxis.from_bounds(0, 1, nbin=5, name="rad", unit="deg")
    migra = MapAxis.from_bounds(0.2, 5, nbin=6, name="migra")
    for psf in (
        RecoPSFMap.from_geom(image.to_cube([rad, energy])),
        PSFMap(Map.from_geom(image.to_cube([rad, true]), unit="deg-2")),
    ):
        for edisp in (
            EDispMap.from_geom(image.to_cube([migra, true])),
            EDispKernelMap(Map.from_geom(image.to_cube([energy, true]))),
        ):
            write_components({"psf": psf, "edisp": edisp}, path, overwrite=True)
            again = read_components(path)
            assert type(again["psf"]) is type(psf)
            assert type(again["edisp"]) is type(edisp)
            assert again["psf"].psf_map.unit == psf.psf_map.unit
            assert (again["psf"].exposure_map is None) == (psf.exposure_map is None)


# -- writing ----------------------------------------------------------------------------------------------------------
def test_an_existing_file_is_kept(components, tmp_path):
    path = tmp_path / "tiny.fits"
    write_components(components, path)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_components(components, path)


@pytest.mark.parametrize("name", ["tiny.fits", "tiny.fits.gz"])
def test_an_interrupted_write_leaves_the_old_file(components, tmp_path, name, monkeypatch):
    path = tmp_path / name
    write_components(components, path)
    before = path.read_bytes()
    original = fits.HDUList.writeto

    def interrupted(self, target, *args, **kwargs):
        original(self[:3], target, *args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(fits.HDUList, "writeto", interrupted)
    components["counts"].data += 1
    with pytest.raises(KeyboardInterrupt):
        write_components(components, path, overwrite=True)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_failing_component_leaves_the_old_file(components, tmp_path):
    path = tmp_path / "tiny.fits"
    write_components(components, path)
    before = path.read_bytes()
    components["mask_fit"] = HDULocation(tmp_path / "gone.fits", "MASK_FIT", lambda hdulist, hdu: None)
    with pytest.raises(FileNotFoundError):
        write_components(components, path, overwrite=True)
    assert path.read_bytes() == before


# -- bad files --------------------------------------------------------------------------------------------------------
@pytest.fixture
def path(components, tmp_path):
    path = tmp_path / "bad.fits"
    write_components(components, path)
    return path


def change(path, function):
    with fits.open(path, mode="update", memmap=False) as hdulist:
        function(hdulist)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.fits"):
        read_components(tmp_path / "none.fits")


def test_not_fits(path):
    path.write_text("counts: 3\n" * 1000)
    with pytest.raises(FormatError, match=r"bad\.fits is not a valid FITS file"):
        read_components(path)
    path.write_bytes(b"")
    with pytest.raises(FormatError, match=r"bad\.fits is not a valid FITS file"):
        read_components(path)


@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.5, 0.9, 0.97, 0.999])
@pytest.mark.parametrize("packed", [False, True])
def test_truncated(path, fraction, packed):
    if packed:
        with path.open("rb") as source, gzip.open(path.with_suffix(".fits.gz"), "wb") as target:
            shutil.copyfileobj(source, target)
        path = path.with_suffix(".fits.gz")
    content = path.read_bytes()
    path.write_bytes(content[: int(fraction * len(content))])
    for lazy in (False, True):
        with pytest.raises(FormatError, match="bad.fits"):
            read_components(path, lazy=lazy)


def test_cut_between_two_hdus(path):
    """Such a file is valid FITS and has lost the masks."""
    with fits.open(path) as hdulist:
        end = hdulist["MASK_SAFE"].fileinfo()["hdrLoc"]
    path.write_bytes(path.read_bytes()[:end])
    for lazy in (False, True):
        with pytest.raises(FormatError, match=r"bad\.fits: the file was written with \d+ HDUs and has"):
            read_components(path, lazy=lazy)


def test_no_dataset_inside(path):
    fits.HDUList([fits.PrimaryHDU(np.zeros((3, 3)))]).writeto(path, overwrite=True)
    with pytest.raises(FormatError, match=r"bad\.fits holds no map dataset: none of the HDUs .*'COUNTS'"):
        read_components(path)


@pytest.mark.parametrize("hdu", ["COUNTS", "EXPOSURE", "PSF", "PSF_EXPOSURE", "EDISP", "MASK_SAFE"])
def test_missing_axes(path, hdu):
    change(path, lambda hdulist: hdulist.__delitem__(f"{hdu}_BANDS"))
    with pytest.raises(FormatError, match=rf"bad\.fits.*{hdu}_BANDS"):
        read_components(path)


@pytest.mark.parametrize(
    ("hdu", "unit"),
    [("EXPOSURE", "m"), ("COUNTS", "TeV"), ("BACKGROUND", "s-1"), ("PSF", "m"), ("EDISP", "TeV-1"), ("COUNTS", "??")],
)
@pytest.mark.parametrize("lazy", [False, True])
def test_wrong_units(path, hdu, unit, lazy):
    def set_unit(hdulist):
        hdulist[hdu].header["BUNIT"] = unit

    change(path, set_unit)
    with pytest.raises(FormatError, match=rf"bad\.fits.*'{hdu}'.*unit") as error:
        read_components(path) if not lazy else read_components(path, lazy=True)[hdu.lower()].load()
    assert repr(unit if unit == "??" else str(u.Unit(unit))) in str(error.value)


@pytest.mark.parametrize("hdu", ["EXPOSURE", "BACKGROUND", "COUNTS"])
@pytest.mark.parametrize("value", [np.nan, -1.0, np.inf])
def test_impossible_values(path, hdu, value):
    def spoil(hdulist, index):
        hdulist[hdu].data[index] = value

    change(path, lambda hdulist: spoil(hdulist, (0, 2, 3)))
    with pytest.raises(FormatError, match=rf"bad\.fits: HDU '{hdu}': 1 of .*index \(0, 2, 3\)"):
        read_components(path)


def test_impossible_values_outside_of_the_safe_range_are_kept(path):
    def spoil(hdulist):
        hdulist["BACKGROUND"].data[0, 0, 0] = np.nan
        hdulist["MASK_SAFE"].data[:, 1, 1] = 0
        hdulist["EXPOSURE"].data[:, 1, 1] = np.nan

    change(path, spoil)
    parts = read_components(path)
    assert np.isnan(parts["background"].data[0, 0, 0])
    assert np.isnan(parts["exposure"].data[:, 1, 1]).all()


def test_other_damage(path):
    def rename_axis(hdulist):
        hdulist["EDISP_BANDS"].header["AXCOLS1"] = "NO_MIN,NO_MAX"

    change(path, rename_axis)
    with pytest.raises(FormatError, match=r"bad\.fits.*'EDISP.*NO_MIN"):
        read_components(path)


def test_newer_files_are_refused(path):
    def set_version(hdulist):
        hdulist[0].header["BMVERS"] = 99

    change(path, set_version)
    with pytest.raises(FormatError, match=r"bad\.fits.*BMVERS is 99.*newer"):
        read_components(path)


def test_bad_tables(path):
    change(path, lambda hdulist: hdulist["GTI"].columns.del_col("STOP"))
    with pytest.raises(FormatError, match=r"bad\.fits.*'GTI'.*STOP"):
        read_components(path)


def test_livetime_is_a_quantity(path):
    livetime = read_components(Path(path))["exposure"].meta["livetime"]
    assert livetime.unit == u.h
    np.testing.assert_allclose(livetime.value, 3.5)
