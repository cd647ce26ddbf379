"""OGIP spectra: what is read, that it comes back, and what is refused."""

import shutil
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from regions import CircleSkyRegion

from bayesmap.datasets import MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff
from bayesmap.errors import FormatError
from bayesmap.io import is_ogip, read_ogip, write_components, write_ogip
from bayesmap.io.ogip_tables import CHECKSUMS
from bayesmap.irf import GTI, EDispKernel, EDispKernelMap
from bayesmap.maps import Map, MapAxis, RegionGeom
from tests.golden import shared_path

N_RECO, N_TRUE = 6, 5
#: keywords that describe the columns of a table
STRUCTURE = ("NAXIS", "TFORM", "TTYPE", "TUNIT", "PCOUNT", "GCOUNT", "TFIELDS", "THEAP", "TDIM")


def spectrum(seed=0, region=True, unit="TeV", whole=True):
    """Components of an ON/OFF spectrum with gaps in its matrix."""
    random = np.random.default_rng(seed)
    energy = MapAxis.from_energy_bounds(u.Quantity("1 TeV").to(unit), u.Quantity("10 TeV").to(unit), nbin=N_RECO)
    true = MapAxis.from_energy_bounds(
        u.Quantity("0.5 TeV").to(unit), u.Quantity("20 TeV").to(unit), N_TRUE, name="energy_true"
    )
    circle = CircleSkyRegion(SkyCoord(83.63, 22.01, unit="deg"), 0.11 * u.deg) if region else None
    geom, geom_true = (RegionGeom.create(circle, axes=[axis]) for axis in (energy, true))
    matrix = random.uniform(0, 1, (N_TRUE, N_RECO)) * random.integers(0, 2, (N_TRUE, N_RECO))
    matrix /= np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    counts = random.poisson(3, (2, *geom.data_shape)) * (1.0 if whole else 0.7)
    exposure = random.uniform(0, 1e9, geom_true.data_shape)
    return {
        "name": "spectrum",
        "counts": Map.from_geom(geom, data=counts[0], unit=""),
        "counts_off": Map.from_geom(geom, data=counts[1], unit=""),
        "acceptance": Map.from_geom(geom, data=random.uniform(0.5, 1, geom.data_shape), unit=""),
        "acceptance_off": Map.from_geom(geom, data=random.uniform(5, 9, geom.data_shape), unit=""),
        "mask_safe": Map.from_geom(geom, data=random.integers(0, 2, geom.data_shape).astype(bool), unit=""),
        "exposure": Map.from_geom(geom_true, data=exposure, unit="m2 s", meta={"livetime": 1234.5 * u.s}),
        "edisp": EDispKernelMap.from_edisp_kernel(EDispKernel([true, energy], matrix), geom=geom_true),
        "gti": GTI.create([0] * u.s, [1300] * u.s),
    }


def assert_same(got, want, rtol=1e-13):
    assert got.keys() == want.keys()
    for key, value in want.items():
        other = got[key]
        if key == "edisp":
            value, other = value.edisp_map, other.edisp_map
        if isinstance(value, Map):
            np.testing.assert_allclose(
                other.quantity.to_value(value.unit), value.quantity.value, rtol=rtol, err_msg=key
            )
            assert other.data.dtype.kind == value.data.dtype.kind
            for one, two in zip(other.geom.axes, value.geom.axes, strict=True):
                np.testing.assert_allclose(one.edges.to_value(two.unit), two.edges.value, rtol=rtol)
            if value.geom.region is not None and key not in ("edisp", "exposure"):
                assert other.geom.region.center.separation(value.geom.region.center).deg < 1e-9
                np.testing.assert_allclose(
                    other.geom.region.radius.to_value("deg"), value.geom.region.radius.to_value("deg")
                )
    assert got["name"] == want["name"]
    assert got["exposure"].meta["livetime"] == want["exposure"].meta["livetime"]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**31),
    region=st.booleans(),
    whole=st.booleans(),
    unit=st.sampled_from(["TeV", "keV", "GeV"]),
    suffix=st.sampled_from([".fits", ".fits.gz", ".pha"]),
    format=st.sampled_from(["ogip", "ogip-sherpa"]),
)
def test_what_is_written_comes_back(tmp_path, seed, region, whole, unit, suffix, format):
    want = spectrum(seed, region, unit, whole)
    path = tmp_path / f"run_1.2{suffix}"
    write_ogip(want, path, format=format, overwrite=True, checksum=True)
    assert_same(read_ogip(path, checksum=True), want)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**31),
    region=st.booleans(),
    unit=st.sampled_from(["TeV", "keV"]),
    suffix=st.sampled_from([".fits", ".fits.gz"]),
    lazy=st.booleans(),
    has_off=st.booleans(),
)
def test_gadf_comes_back(tmp_path, seed, region, unit, suffix, lazy, has_off):
    """The same spectrum as one file of maps, with or without OFF measurement."""
    parts = spectrum(seed, region, unit)
    path = tmp_path / f"spectrum{suffix}"
    cls = SpectrumDatasetOnOff if has_off else SpectrumDataset
    if not has_off:
        parts["background"] = parts.pop("counts_off")
        parts = {key: value for key, value in parts.items() if not key.startswith("acceptance")}
    parts["mask_fit"] = ~parts["mask_safe"]
    cls(**parts).write(path, overwrite=True, checksum=True)
    dataset = cls.read(path, lazy=lazy, checksum=True)
    assert (dataset.loaded("counts") is None) == lazy
    got = {key: getattr(dataset, key) for key in parts}
    assert_same(got, parts, rtol=1e-15)
    for other in {SpectrumDataset, MapDataset, MapDatasetOnOff, SpectrumDatasetOnOff} - {cls}:
        if has_off != issubclass(other, MapDatasetOnOff):
            with pytest.raises(FormatError, match=rf"spectrum{suffix}.*has no"):
                other.read(path)


def test_components_that_contradict_each_other(tmp_path):
    """A file whose maps have different energies is refused by name."""
    dataset = SpectrumDatasetOnOff(**spectrum())
    axis = MapAxis.from_energy_bounds("1 TeV", "20 TeV", nbin=N_RECO)
    other = RegionGeom.create(None, axes=[axis])
    parts = {**dataset._parts(), "counts_off": Map.from_geom(other, data=np.ones(other.data_shape), unit="")}
    write_components(parts, tmp_path / "mixed.fits")
    with pytest.raises(FormatError, match=r"mixed\.fits: dataset 'spectrum': .* they must be equal"):
        SpectrumDatasetOnOff.read(tmp_path / "mixed.fits")


def test_sherpa_units(tmp_path):
    write_ogip(spectrum(), tmp_path / "a.fits", format="ogip-sherpa")
    with fits.open(tmp_path / "a_arf.fits") as arf, fits.open(tmp_path / "a_rmf.fits") as rmf:
        assert [c.unit for c in arf["SPECRESP"].columns] == ["keV", "keV", "cm2"]
        assert {c.unit for c in rmf["MATRIX"].columns} == {"keV", None}


def test_without_background_response_and_mask(tmp_path):
    parts = spectrum()
    for key in ("counts_off", "acceptance_off", "edisp", "gti", "mask_safe"):
        del parts[key]
    write_ogip(parts, tmp_path / "a.fits")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.fits", "a_arf.fits"]
    got = read_ogip(tmp_path / "a.fits")
    assert got.pop("mask_safe").data.all()
    assert_same(got, parts)


def test_five_instruments():
    """Sums as `grep` of the README of the joint analysis and the golden cases have them."""
    folder = shared_path("data", "joint-crab", "spectra")
    totals = {}
    for path in sorted(folder.glob("*/pha*.fits")):
        parts = read_ogip(path)
        totals[path.parent.name, path.stem] = (parts["counts"].data.sum(), parts["mask_safe"].data.sum())
        rows = parts["edisp"].edisp_map.data.sum(axis=(1, 2, 3))
        assert rows.max() < 1 + 1e-6
    assert totals["fermi", "pha_obs0"] == (578, 36)
    assert totals["fact", "pha_stacked"] == (691, 47)
    assert totals["magic", "pha_obs5029747"] == (482, 55)
    assert len(totals) == 10


def test_tev_and_kev_agree(tmp_path):
    """The same spectrum read from files in either unit has the same exposure and edges."""
    kev, tev = (SpectrumDatasetOnOff.read(_written(tmp_path / name, name)) for name in ("keV", "TeV"))
    np.testing.assert_allclose(kev.exposure.quantity.to_value("m2 s"), tev.exposure.data, rtol=1e-12)
    np.testing.assert_allclose(kev.counts.geom.axes[0].edges.to_value("TeV"), tev.counts.geom.axes[0].edges.value)


def _written(folder, unit):
    folder.mkdir()
    write_ogip(spectrum(unit=unit), folder / "pha.fits")
    return folder / "pha.fits"


@pytest.fixture
def pha(tmp_path):
    """A complete set of files, pha.fits with its companions."""
    write_ogip(spectrum(), tmp_path / "pha.fits")
    return tmp_path / "pha.fits"


def forget_checksums(pha):
    """Take the files that a PHA file names as they are."""
    with fits.open(pha, mode="update", memmap=False) as hdulist:
        for keyword in CHECKSUMS.values():
            hdulist["SPECTRUM"].header.remove(keyword, ignore_missing=True)


def change(path, hdu, keywords=None, columns=None, drop=(), units=None, remove=()):
    """Write a file again with other keywords, columns or HDUs, on purpose: its checksum in the PHA file goes."""
    forget_checksums(path.with_name("pha.fits"))
    with fits.open(path, memmap=False) as hdulist:
        hdus = []
        for old in hdulist:
            if isinstance(old, fits.BinTableHDU):
                [old.data[name] for name in old.columns.names]  # columns of variable length are read when used
            if old.name in remove:
                continue
            if old.name != hdu:
                hdus.append(old.copy())
                continue
            header = old.header
            new = []
            for column in old.columns:
                if column.name in drop:
                    continue
                array = (columns or {}).get(column.name, old.data[column.name])
                unit = (units or {}).get(column.name, column.unit)
                new.append(fits.Column(column.name, column.format, unit=unit, array=array))
            extra = [fits.Column(k, "J", array=v) for k, v in (columns or {}).items() if k not in old.columns.names]
            table = fits.BinTableHDU.from_columns(new + extra, name=hdu)
            for key, value in header.items():
                if not key.startswith(STRUCTURE) and key not in table.header:
                    table.header[key] = value
            for key, value in (keywords or {}).items():
                if value is None:
                    table.header.remove(key, ignore_missing=True)
                else:
                    table.header[key] = value
            hdus.append(table)
        fits.HDUList(hdus).writeto(Path(path).with_suffix(".new"))
    shutil.move(Path(path).with_suffix(".new"), path)


def sibling(path, kind):
    return path.with_name(f"pha_{kind}.fits")


def test_keywords_stand_for_columns(pha):
    change(pha, "SPECTRUM", keywords={"BACKSCAL": 0.5, "QUALITY": 0, "GROUPING": 0}, drop=("BACKSCAL", "QUALITY"))
    parts = read_ogip(pha)
    assert (parts["acceptance"].data == 0.5).all()
    assert parts["mask_safe"].data.all()


def test_quality_above_zero_is_not_safe(pha):
    change(pha, "SPECTRUM", columns={"QUALITY": np.array([0, 1, 2, 5, 0, 0])})
    assert read_ogip(pha)["mask_safe"].data.ravel().tolist() == [True, False, False, False, True, True]


def test_grouping(pha, tmp_path):
    change(pha, "SPECTRUM", columns={"GROUPING": np.array([1, -1, -1, 1, -1, 1]), "QUALITY": np.zeros(N_RECO)})
    plain, grouped = (SpectrumDatasetOnOff.read(pha, apply_grouping=flag) for flag in (False, True))
    assert plain.counts.data.size == N_RECO
    assert grouped.name == plain.name
    edges = plain.counts.geom.axes["energy"].edges
    np.testing.assert_allclose(grouped.counts.geom.axes["energy"].edges, edges[[0, 3, 5, 6]])
    np.testing.assert_array_equal(grouped.counts.data.ravel(), np.add.reduceat(plain.counts.data.ravel(), [0, 3, 5]))
    plain.write(tmp_path / "again.fits", format="ogip")
    again = SpectrumDatasetOnOff.read(tmp_path / "again.fits")
    assert again.counts.meta["grouping"] == plain.counts.meta["grouping"] == [1, -1, -1, 1, -1, 1]
    part = plain.slice_by_idx({"energy": slice(1, 4)})
    part.write(tmp_path / "part.fits", format="ogip")
    assert "grouping" not in SpectrumDatasetOnOff.read(tmp_path / "part.fits").counts.meta


def test_energies_from_the_rmf(pha):
    want = read_ogip(pha)["counts"].geom.axes["energy"].edges
    change(pha, "SPECTRUM", remove=("EBOUNDS",))
    np.testing.assert_allclose(read_ogip(pha)["counts"].geom.axes["energy"].edges, want)


def test_channels_from_one(pha):
    """Channel numbers may begin anywhere if all files agree."""
    want = read_ogip(pha)
    channel = np.arange(1, N_RECO + 1)
    for file in (pha, sibling(pha, "bkg")):
        change(file, "SPECTRUM", columns={"CHANNEL": channel})
        change(file, "EBOUNDS", columns={"CHANNEL": channel})
    rmf = sibling(pha, "rmf")
    change(rmf, "EBOUNDS", columns={"CHANNEL": channel})
    with fits.open(rmf) as hdulist:
        starts = hdulist["MATRIX"].data["F_CHAN"] + 1
    change(rmf, "MATRIX", columns={"F_CHAN": starts}, keywords={"TLMIN4": 1})
    assert_same(read_ogip(pha), want)


def test_exposure_and_area_scale_of_the_background(pha):
    """OGIP scales the background by exposure and AREASCAL too: a longer one is a larger acceptance."""
    want = read_ogip(pha)
    change(sibling(pha, "bkg"), "SPECTRUM", keywords={"EXPOSURE": 2 * 1234.5, "AREASCAL": 3.0})
    got = read_ogip(pha)
    np.testing.assert_allclose(got["acceptance_off"].data, 6 * want["acceptance_off"].data)
    change(pha, "SPECTRUM", keywords={"AREASCAL": 0.5})
    np.testing.assert_allclose(read_ogip(pha)["exposure"].data, 0.5 * want["exposure"].data)


@pytest.mark.parametrize("kind", ["arf", "rmf", "bkg"])
def test_missing_companion(pha, kind):
    sibling(pha, kind).unlink()
    with pytest.raises(FormatError, match=rf"pha\.fits: HDU 'SPECTRUM'.*{kind.upper()} file 'pha_{kind}.fits'"):
        read_ogip(pha)


REFUSED = {
    "no BACKSCAL": ("pha", "SPECTRUM", {"drop": ("BACKSCAL",)}, "HDU 'SPECTRUM'.*BACKSCAL"),
    "no BACKSCAL of the background": ("bkg", "SPECTRUM", {"drop": ("BACKSCAL",)}, r"pha_bkg\.fits: HDU 'SPECTRUM'"),
    "no COUNTS": ("pha", "SPECTRUM", {"drop": ("COUNTS",)}, "no COUNTS"),
    "negative counts": ("pha", "SPECTRUM", {"columns": {"COUNTS": np.full(N_RECO, -1)}}, "negative"),
    "no EXPOSURE": ("pha", "SPECTRUM", {"keywords": {"EXPOSURE": None}}, "EXPOSURE is None"),
    "no ARF": ("pha", "SPECTRUM", {"keywords": {"ANCRFILE": "NONE"}}, "names no ARF"),
    "a channel twice": ("pha", "SPECTRUM", {"columns": {"CHANNEL": np.zeros(N_RECO)}}, "rise by one"),
    "other channels": ("pha", "SPECTRUM", {"columns": {"CHANNEL": np.arange(3, N_RECO + 3)}}, "6 from 3 on"),
    "area scale per channel": ("pha", "SPECTRUM", {"columns": {"AREASCAL": np.arange(N_RECO)}}, "AREASCAL differs"),
    "energy unit": ("pha", "EBOUNDS", {"units": {"E_MIN": "s"}}, r"HDU 'EBOUNDS'.*E_MIN.*'s'"),
    "no energy unit": ("arf", "SPECRESP", {"units": {"ENERG_LO": None}}, r"pha_arf\.fits: HDU 'SPECRESP'.*ENERG_LO"),
    "area unit": ("arf", "SPECRESP", {"units": {"SPECRESP": "keV"}}, r"pha_arf\.fits.*SPECRESP.*'keV'.*cm2"),
    "no SPECRESP": ("arf", "SPECRESP", {"drop": ("SPECRESP",)}, "lacks the column 'SPECRESP'"),
    "no ARF table": ("arf", "SPECRESP", {"remove": ("SPECRESP",)}, r"pha_arf\.fits has no HDU 'SPECRESP'"),
    "negative area": ("arf", "SPECRESP", {"columns": {"SPECRESP": np.full(N_TRUE, -1.0)}}, "HDU 'SPECRESP'.*negative"),
    "gap in energy": ("arf", "SPECRESP", {"columns": {"ENERG_HI": np.arange(1.0, N_TRUE + 1)}}, "the next begins|rise"),
    "channel offset": ("rmf", "MATRIX", {"keywords": {"TLMIN4": 1}}, r"pha_rmf\.fits: HDU 'MATRIX'.*TLMIN4"),
    "first channel": ("rmf", "MATRIX", {"columns": {"F_CHAN": "+20"}}, "the channel offset .* is wrong"),
    "no RMF table": ("rmf", "MATRIX", {"remove": ("MATRIX",)}, r"pha_rmf\.fits has no HDU 'MATRIX'"),
    "no energies of channels": ("rmf", "EBOUNDS", {"remove": ("EBOUNDS",)}, r"pha_rmf\.fits has no HDU 'EBOUNDS'"),
    "area in the RMF": ("rmf", "MATRIX", {"keywords": {"HDUCLAS3": "FULL"}}, "includes the effective area"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(pha, what):
    """Wrong files are refused with the name of file and HDU."""
    kind, hdu, changes, message = REFUSED[what]
    file = pha if kind == "pha" else sibling(pha, kind)
    if what == "first channel":
        with fits.open(file) as hdulist:
            changes = {"columns": {"F_CHAN": hdulist["MATRIX"].data["F_CHAN"] + 20}}
    change(file, hdu, **changes)
    with pytest.raises(FormatError, match=message) as caught:
        read_ogip(pha)
    assert file.name in str(caught.value)


def test_unequal_numbers_of_channels(pha, tmp_path):
    """A response with other channels than the spectrum names both files."""
    (tmp_path / "other").mkdir()
    parts = spectrum()
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=N_RECO + 1)
    true = parts["exposure"].geom.axes["energy_true"]
    geom = RegionGeom.create(None, axes=[energy])
    for key in ("counts", "counts_off", "acceptance", "acceptance_off", "mask_safe"):
        dtype = bool if key == "mask_safe" else float
        parts[key] = Map.from_geom(geom, data=np.ones(geom.data_shape, dtype=dtype), unit="")
    parts["edisp"] = EDispKernelMap.from_edisp_kernel(EDispKernel([true, energy], np.ones((N_TRUE, N_RECO + 1)) / 7))
    write_ogip(parts, tmp_path / "other" / "pha.fits")
    forget_checksums(pha)
    for kind in ("rmf", "bkg"):
        kept = sibling(pha, kind).read_bytes()
        shutil.copy(sibling(tmp_path / "other" / "pha.fits", kind), sibling(pha, kind))
        with pytest.raises(FormatError, match=rf"pha_{kind}\.fits: HDU 'EBOUNDS' has 7 bins .* 6 bins"):
            read_ogip(pha)
        sibling(pha, kind).write_bytes(kept)


def test_other_true_energies_of_matrix_and_area(pha):
    with fits.open(sibling(pha, "arf")) as hdulist:
        low, high = (hdulist["SPECRESP"].data[name] * 1.1 for name in ("ENERG_LO", "ENERG_HI"))
    change(sibling(pha, "arf"), "SPECRESP", columns={"ENERG_LO": low, "ENERG_HI": high})
    with pytest.raises(FormatError, match=r"pha_rmf\.fits: HDU 'MATRIX' has 5 bins .* SPECRESP of pha_arf\.fits"):
        read_ogip(pha)


def test_damaged_files(pha, tmp_path):
    data = sibling(pha, "rmf").read_bytes()
    sibling(pha, "rmf").write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError, match=r"pha_rmf\.fits"):
        read_ogip(pha)
    (tmp_path / "text.fits").write_text("no FITS")
    with pytest.raises(FormatError, match=r"text\.fits"):
        read_ogip(tmp_path / "text.fits")
    with pytest.raises(FileNotFoundError, match="nothing.fits"):
        read_ogip(tmp_path / "nothing.fits")


def test_format_is_detected(pha, tmp_path):
    dataset = SpectrumDatasetOnOff.read(pha)
    dataset.write(tmp_path / "gadf.fits")
    assert is_ogip(pha)
    assert not is_ogip(tmp_path / "gadf.fits")
    assert SpectrumDatasetOnOff.read(tmp_path / "gadf.fits").name == dataset.name == "spectrum"
    assert SpectrumDatasetOnOff.read(pha, name="mine").name == "mine"
    with pytest.raises(FormatError, match=r"pha_arf\.fits holds no spectrum"):
        SpectrumDatasetOnOff.read(sibling(pha, "arf"))
    with pytest.raises(ValueError, match="format must be one of"):
        SpectrumDatasetOnOff.read(pha, format="sherpa")
    with pytest.raises(ValueError, match="format must be one of"):
        dataset.write(pha, format="pha")


def test_nothing_is_overwritten_by_chance(tmp_path):
    parts = spectrum()
    (tmp_path / "a_rmf.fits").write_text("precious")
    with pytest.raises(FileExistsError, match=r"a_rmf\.fits"):
        write_ogip(parts, tmp_path / "a.fits")
    assert [path.name for path in tmp_path.iterdir()] == ["a_rmf.fits"]
    write_ogip(parts, tmp_path / "a.fits", overwrite=True)
    assert len(list(tmp_path.iterdir())) == 4


def test_what_the_format_cannot_hold(tmp_path):
    parts = spectrum()
    with pytest.warns(UserWarning, match="no place for mask_fit"):
        write_ogip(parts | {"mask_fit": parts["mask_safe"]}, tmp_path / "a.fits")
    parts["exposure"].meta.clear()
    with pytest.raises(ValueError, match="'spectrum'.*live time"):
        write_ogip(parts, tmp_path / "b.fits")
    with pytest.raises(ValueError, match="acceptance is needed"):
        write_ogip({**spectrum(), "acceptance": None}, tmp_path / "b.fits")
    with pytest.raises(ValueError, match="acceptance_off is needed"):
        write_ogip({**spectrum(), "acceptance_off": None}, tmp_path / "b.fits")
    assert not (tmp_path / "b.fits").exists()
