"""Files written by Gammapy: what is in them, and that ours have the same layout."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits

from bayesmap.datasets import MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff
from bayesmap.io import is_ogip, read_components, read_ogip, write_components, write_ogip
from bayesmap.maps import Map
from tests.golden import golden, shared_path

SPECTRA = "hess-dl3-dr1-reduced/crab-spectrum-onoff"
READ = [
    "cta-1dc-gc/cta-1dc-gc.fits.gz",
    "hess-dl3-dr1-reduced/crab-23526.fits.gz",
    "hess-dl3-dr1-reduced/crab-stacked-edispmap.fits.gz",
    "fermi-3fhl-gc/fermi-3fhl-gc.fits.gz",
    "fermi-3fhl-crab/Fermi-LAT-3FHL_data_Fermi-LAT.fits",
    "hawc/nHit-8.fits.gz",
    "hess-dl3-dr1-reduced/crab-onoff-ring-stacked.fits.gz",
    "hess-dl3-dr1-reduced/crab-onoff-ring-image.fits.gz",
    f"{SPECTRA}/crab-spec-cash-gadf.fits.gz",
    f"{SPECTRA}/crab-spec-onoff-gadf.fits.gz",
    f"{SPECTRA}/pha_obs23523.fits",
    f"{SPECTRA}/pha_stacked.fits",
    "joint-crab/spectra/fact/pha_stacked.fits",
    "joint-crab/spectra/veritas/pha_obs54809.fits",
    "joint-crab/spectra/fermi/pha_obs0.fits",
]
LAYOUT = {
    "cta-1dc-gc_cta-1dc-gc.fits.gz": "cta-1dc-gc/cta-1dc-gc.fits.gz",
    "hess-dl3-dr1-reduced_crab-23523.fits.gz": "hess-dl3-dr1-reduced/crab-23523.fits.gz",
    "hess-dl3-dr1-reduced_crab-23523-edispmap.fits.gz": "hess-dl3-dr1-reduced/crab-23523-edispmap.fits.gz",
    "fermi-3fhl-gc_fermi-3fhl-gc.fits.gz": "fermi-3fhl-gc/fermi-3fhl-gc.fits.gz",
    "hawc_nHit-8.fits.gz": "hawc/nHit-8.fits.gz",
    "hess-dl3-dr1-reduced_crab-23523-onoff-ring.fits.gz": "hess-dl3-dr1-reduced/crab-23523-onoff-ring.fits.gz",
    "crab-spectrum-onoff_crab-spec-cash-gadf.fits.gz": f"{SPECTRA}/crab-spec-cash-gadf.fits.gz",
}
#: keywords that say who wrote a file, that FITS fills in, or that have a default value
OTHER = {
    "CREATOR",
    "CREATED",
    "DATE",
    "EXTVER",
    "PCOUNT",
    "GCOUNT",
    "EXTEND",
    "SIMPLE",
    "XTENSION",
    "MJDREF",
    "RADESYS",
}


def read_any(path):
    """Components of a file of either layout."""
    is_spectrum = path.parent.name in ("crab-spectrum-onoff", "fact", "veritas", "fermi")
    return read_ogip(path) if is_spectrum and is_ogip(path) else read_components(path)


def name_of(stored, case):
    """Gammapy's name of a stacked spectrum is the list of its runs, which no result could be stored under."""
    return case.split("/")[-1].split(".")[0] if stored.startswith("[") else stored


@pytest.mark.parametrize("case", READ)
def test_read(case):
    want, parts = golden("io")[f"read/{case}"], read_any(shared_path("data", *case.split("/")))
    if "fermi" not in case:
        assert parts["name"] == name_of(want["name"], case)
    assert parts["counts"].data.sum() == want["counts_sum"]
    assert str(parts["mask_safe"].data.dtype) == want["mask_dtype"]
    assert type(parts.get("psf")).__name__ == want["psf_type"]
    assert type(parts["edisp"]).__name__ == want["edisp_type"]
    geoms = {
        "geom": parts["counts"].geom,
        "geom_exposure": parts["exposure"].geom,
        "geom_edisp": parts["edisp"].edisp_map.geom,
    }
    if "psf" in parts:
        geoms["geom_psf"] = parts["psf"].psf_map.geom
    for key, geom in geoms.items():
        stored = want["geoms"][key]
        assert geom.data_shape == tuple(stored["data_shape"].data)
        for axis, other in zip(geom.axes, stored["axes"], strict=True):
            nodes = "center" if other["edges"] is None else "edges"
            assert (axis.name, axis.interp, axis.node_type) == (other["name"], other["interp"], other["node_type"])
            np.testing.assert_allclose(getattr(axis, nodes).to_value(other["unit"]), other[nodes], rtol=1e-10)
    if want["gti"] is not None:
        gti = parts["gti"]
        assert len(gti.table) == want["gti"]["n"]
        np.testing.assert_allclose(gti.time_sum.to_value("s"), want["gti"]["time_sum"]["value"], rtol=1e-9)
        np.testing.assert_allclose(gti.time_start[0].mjd, want["gti"]["first_start_mjd"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(gti.time_stop[-1].mjd, want["gti"]["last_stop_mjd"], rtol=0, atol=1e-9)
    livetime = parts["exposure"].meta.get("livetime")
    assert ("livetime" in want["exposure_meta"]) == (livetime is not None)
    if livetime is not None:
        number = want["exposure_meta"].split("<Quantity ")[1].split()[0]
        np.testing.assert_allclose(livetime.to_value("s"), float(number), rtol=1e-7)


@pytest.mark.parametrize("case", READ)
def test_info_dict(case):
    """The summary of a dataset read from the file is that of Gammapy."""
    want, path = golden("io")[f"read/{case}"]["info_dict"], shared_path("data", *case.split("/"))
    kinds = {"cash-gadf": SpectrumDataset, "onoff-ring": MapDatasetOnOff, "onoff-gadf": SpectrumDatasetOnOff}
    kinds["pha_"] = SpectrumDatasetOnOff
    dataset = next((kind for key, kind in kinds.items() if key in case), MapDataset).read(path)
    got = dataset.info_dict()
    for key, value in want.items():
        if key == "name" and "fermi-3fhl" in case:
            continue  # Gammapy makes up a name
        if key == "stat_sum" and "ring-stacked" in case:
            assert np.isinf(value)  # OFF counts below zero by round-off; ours is finite
            continue
        if isinstance(value, str):
            assert got[key] == (name_of(value, case) if key == "name" else value), key
            continue
        number = got[key].to_value(value["unit"]) if isinstance(value, dict) else got[key]
        np.testing.assert_allclose(number, value["value"] if isinstance(value, dict) else value, rtol=1e-5, err_msg=key)


def test_layout_of_a_map(tmp_path):
    """A template map."""
    want = golden("io")["layout/models_template_3d.fits.gz"]["hdus"]
    m = Map.read(shared_path("data", "models", "template_3d.fits.gz"))
    m.write(tmp_path / "copy.fits.gz")
    stored = {hdu["name"]: hdu for hdu in want}
    with fits.open(tmp_path / "copy.fits.gz") as hdulist:
        assert {hdu.name for hdu in hdulist} == set(stored)
        for hdu in hdulist:
            assert hdu.data.shape == tuple(stored[hdu.name]["shape"].data) if hdu.is_image else True
            if not hdu.is_image:
                assert {column.name for column in hdu.columns} >= {c["name"] for c in stored[hdu.name]["columns"]}
    again = Map.read(tmp_path / "copy.fits.gz")
    np.testing.assert_array_equal(again.data, m.data)
    assert (again.unit, again.geom) == (m.unit, m.geom)


def is_region_map(hdu, names):
    """Fermi's responses are the same everywhere, as tables; ours are images of one pixel."""
    return hdu["class"] == "BinTableHDU" and f"{hdu['name']}_BANDS" in names


@pytest.mark.parametrize("case", LAYOUT)
def test_layout(case, tmp_path):
    """Our copy of a file has the HDUs, shapes, columns, units and keywords of the original."""
    want = golden("io")[f"layout/{case}"]["hdus"]
    write_components(read_components(shared_path("data", *LAYOUT[case].split("/"))), tmp_path / "copy.fits")
    stored = {hdu["name"]: hdu for hdu in want}
    with fits.open(tmp_path / "copy.fits") as hdulist:
        assert {hdu.name for hdu in hdulist} == set(stored)
        for hdu in hdulist:
            if not is_region_map(stored[hdu.name], stored):
                assert_same_layout(hdu, stored[hdu.name])


@pytest.mark.parametrize("companion", ["", "_arf"])
def test_layout_ogip(companion, tmp_path):
    """Our OGIP files have the HDUs, columns, units and keywords of those that Gammapy writes."""
    folder = shared_path("data", "hess-dl3-dr1-reduced", "crab-spectrum-onoff")
    name = f"pha_obs23523{companion}.fits"
    want = golden("io")[f"layout/crab-spectrum-onoff_{name}"]["hdus"]
    write_ogip(read_ogip(folder / "pha_obs23523.fits"), tmp_path / "pha_obs23523.fits")
    stored = {hdu["name"]: hdu for hdu in want}
    with fits.open(tmp_path / name) as hdulist:
        assert {hdu.name for hdu in hdulist} == set(stored)
        for hdu in hdulist:
            assert_same_layout(hdu, stored[hdu.name])


@pytest.mark.parametrize("kind", ["pha", "bkg", "arf", "rmf"])
def test_layout_ogip_of_others(kind, tmp_path):
    """The columns of the files of the joint Crab analysis are in ours too, with their units."""
    want = golden("io")[f"layout/hess_{kind}_obs23523.fits"]["hdus"]
    path = shared_path("data", "joint-crab", "spectra", "hess", "pha_obs23523.fits")
    write_ogip(read_ogip(path), tmp_path / "copy.fits")
    with fits.open(tmp_path / ("copy.fits" if kind == "pha" else f"copy_{kind}.fits")) as hdulist:
        for stored in want:
            if stored["class"] == "BinTableHDU":
                hdu = hdulist[stored["name"]]
                assert len(hdu.data) == stored["nrows"]
                units = {column.name: column.unit or None for column in hdu.columns}
                for column in stored["columns"]:
                    if column["name"] != "AREASCAL":  # ours is a keyword
                        assert units[column["name"]] == (column["unit"] or None)
                for key in ("HDUCLASS", "HDUCLAS1", "HDUCLAS2", "HDUCLAS3", "DETCHANS", "EXPOSURE", "TLMIN4"):
                    if key in stored["header"]:
                        assert hdu.header[key] == stored["header"][key]


def assert_same_layout(hdu, stored):
    assert type(hdu).__name__ == stored["class"]
    if stored["class"] == "ImageHDU":
        assert hdu.data.shape == tuple(stored["shape"].data)
        assert hdu.data.dtype == np.dtype(stored["dtype"])
    if stored["class"] == "BinTableHDU":
        assert len(hdu.data) == stored["nrows"]
        columns = {column.name: column.unit or None for column in hdu.columns}
        assert columns == {column["name"]: column["unit"] or None for column in stored["columns"]}
    for key, value in stored["header"].items():
        is_width = stored["class"] == "BinTableHDU" and (key == "NAXIS1" or key.startswith("TFORM"))
        if key not in OTHER and not is_width and value != "":
            assert_same_card(hdu, key, value)


def assert_same_card(hdu, key, value):
    got = hdu.header[key]
    if isinstance(value, float):
        np.testing.assert_allclose(got, value, rtol=1e-9, atol=1e-9, err_msg=f"{hdu.name} {key}")
    elif key == "BUNIT":
        assert u.Unit(got) == u.Unit(value)
    elif key != "META":
        assert got == value, f"{hdu.name} {key}"
