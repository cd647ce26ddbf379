"""Flux points: the ways to state a flux, files, and what is refused."""

import astropy.units as u
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bayesmap.errors import FormatError
from bayesmap.estimators import FluxPoints
from bayesmap.irf import GTI
from bayesmap.modeling import SkyModel
from bayesmap.modeling.spectral import LogParabolaSpectralModel, PowerLawSpectralModel
from tests.golden import golden, shared_path

mpl.use("Agg")

HAWC = LogParabolaSpectralModel(amplitude="2.3e-13 cm-2 s-1 TeV-1", reference="7 TeV", alpha=2.79, beta=0.1)
#: golden case: file and reference model
CASES = {
    "diff_fits": ("flux_points/diff_flux_points.fits", None),
    "flux_fits": ("flux_points/flux_points.fits", PowerLawSpectralModel()),
    "diff_ecsv": ("flux_points/diff_flux_points.ecsv", None),
    "flux_ecsv": ("flux_points/flux_points.ecsv", PowerLawSpectralModel(index=2)),
    "crab_hess": ("flux_points/crab_hess_fp.fits", None),
    "hawc19_masked": ("hawc/HAWC19_flux_points.fits", HAWC),
}
SED_TYPES = ["dnde", "e2dnde", "flux", "eflux"]
LIKELIHOOD = ["e_ref", "e_min", "e_max", "ref_dnde", "ref_flux", "ref_eflux", "norm"]


def table(n=4, sed_type="dnde", seed=0, unit="TeV"):
    """A table with all that belongs to a type, upper limits for the last point."""
    random = np.random.default_rng(seed)
    edges = np.geomspace(1, 100, n + 1) * u.TeV
    flux_unit = {"dnde": "cm-2 s-1 TeV-1", "flux": "cm-2 s-1"}.get(sed_type, "erg cm-2 s-1")
    t = Table({"e_ref": np.sqrt(edges[1:] * edges[:-1]).to(unit), "e_min": edges[:-1].to(unit)})
    t["e_max"] = edges[1:].to(unit)
    for suffix in ("", "_err", "_errn", "_errp", "_ul"):
        t[sed_type + suffix] = random.uniform(1, 2, n) * 1e-12 * u.Unit(flux_unit)
    t[sed_type][-1] = np.nan
    t["is_ul"] = np.arange(n) == n - 1
    t["ts"] = random.uniform(1, 100, n)
    t["counts"] = random.poisson(9, n).astype(float)
    t.meta = {"SED_TYPE": sed_type, "UL_CONF": 0.95}
    return t


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    """Fluxes, errors and limits in all forms as Gammapy gives them."""
    name, model = CASES[case]
    want = golden("stats")[f"fluxpoints/{case}"]
    points = FluxPoints.read(shared_path("data", *name.split("/")), reference_model=model)
    for key in ("dnde", "dnde_err", "dnde_ul", "flux", "eflux", "e2dnde", "energy_ref", "energy_min", "energy_max"):
        if isinstance(want[key], dict):  # Gammapy raises
            with pytest.raises(ValueError, match="edges of the energy bands are unknown"):
                getattr(points, key)
            continue
        got = getattr(points, key)
        got = getattr(got, "quantity", got).to_value(want[key].unit)
        # their integral of a log parabola is a trapezoid sum
        rtol = 2e-5 if case == "hawc19_masked" and key in ("flux", "eflux") else 1e-9
        np.testing.assert_allclose(got, want[key].data, rtol=rtol, err_msg=key)
    np.testing.assert_array_equal(points.is_ul.data, want["is_ul"].data)
    assert points.sed_type_init == want["sed_type_init"]
    assert points.to_table(sed_type="dnde").colnames == want["table_columns"]
    lines = want["data_str"].replace("'norm_errn', 'norm_errp'", "'norm_errp', 'norm_errn'")  # another order
    assert str(points) == lines


@pytest.mark.parametrize("sed_type", [*SED_TYPES, "likelihood"])
def test_to_table_and_back(sed_type):
    """Any way to state the fluxes holds the same fluxes."""
    model = SkyModel(PowerLawSpectralModel(index=2.6))
    points = FluxPoints.from_table(table(), reference_model=model)
    other = FluxPoints.from_table(points.to_table(sed_type=sed_type), reference_model=model)
    assert other.sed_type_init == sed_type
    assert other.n_sigma_ul == points.n_sigma_ul == 2
    for key in ("dnde", "flux_errn", "eflux_errp", "e2dnde_ul", "norm_err", "counts", "sqrt_ts"):
        np.testing.assert_allclose(getattr(other, key).data, getattr(points, key).data, rtol=1e-13)
    np.testing.assert_array_equal(other.is_ul.data, points.is_ul.data)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sed_type=st.sampled_from(SED_TYPES),
    written=st.sampled_from([*SED_TYPES, "likelihood", None]),
    n=st.integers(1, 6),
    seed=st.integers(0, 2**31),
    unit=st.sampled_from(["TeV", "MeV"]),
    suffix=st.sampled_from([".fits", ".fits.gz", ".ecsv"]),
)
def test_what_is_written_comes_back(tmp_path, sed_type, written, n, seed, unit, suffix):
    points = FluxPoints.from_table(table(n, sed_type, seed, unit))
    points.gti = GTI.create([0] * u.s, [9] * u.s)
    path = tmp_path / f"points{suffix}"
    points.write(path, sed_type=written, overwrite=True, checksum=True)
    got = FluxPoints.read(path, checksum=True)
    for key in ("energy_ref", "energy_min", "energy_max"):
        np.testing.assert_allclose(getattr(got, key).to_value("TeV"), getattr(points, key).to_value("TeV"), rtol=1e-14)
    for key in ("dnde", "dnde_err", "flux_errn", "flux_errp", "eflux_ul", "ts", "counts", "is_ul"):
        one, two = getattr(got, key), getattr(points, key)
        np.testing.assert_allclose(one.quantity.to_value(two.unit), two.data, rtol=1e-13, err_msg=key)
    assert (got.gti is not None) == (".fits" in path.name)
    assert got.n_sigma_ul == points.n_sigma_ul


@pytest.mark.parametrize("name", [name for name, _ in CASES.values()])
def test_files_come_back(name, tmp_path):
    points = FluxPoints.read(shared_path("data", *name.split("/")))
    points.write(tmp_path / "copy.fits")
    got = FluxPoints.read(tmp_path / "copy.fits")
    assert got.to_table().colnames == points.to_table().colnames
    for key in points.to_table().colnames:
        np.testing.assert_allclose(got.to_table()[key], points.to_table()[key], rtol=1e-13, err_msg=key)


def test_layout(tmp_path):
    """The columns, units and keywords of the files are in ours too."""
    for name, shape in (("flux_points_diff_flux_points.fits", ""), ("flux_points_crab_hess_fp.fits", "FLUXPOINTS")):
        stored = next(h for h in golden("io")[f"layout/{name}"]["hdus"] if h["class"] == "BinTableHDU")
        points = FluxPoints.read(shared_path("data", "flux_points", name.removeprefix("flux_points_")))
        points.write(tmp_path / name)
        with fits.open(tmp_path / name) as hdulist:
            hdu = hdulist["FLUXPOINTS"]
            assert stored["name"] == shape
            units = {column.name: u.Unit(column.unit or "") for column in hdu.columns}
            for column in stored["columns"]:
                assert units[column["name"]].is_equivalent(u.Unit((column["unit"] or "").replace(" ph", "")))
            assert hdu.header["SED_TYPE"] == stored["header"]["SED_TYPE"]
            np.testing.assert_allclose(hdu.header["UL_CONF"], stored["header"]["UL_CONF"], atol=0.006)
            assert len(hdu.data) == stored["nrows"]


def test_text_file_with_other_columns():
    """The recipe for foreign tables: rename columns, set units."""
    path = shared_path("data", "flux_points", "flux_points_ctb_37b.txt")
    t = Table.read(path, format="ascii.csv", delimiter=" ", comment="#")
    names = {"E": "e_ref", "Differential_Flux": "dnde", "lower_error": "dnde_errn", "upper_error": "dnde_errp"}
    for old, new in names.items():
        t.rename_column(old, new)
        t[new].unit = "TeV" if new == "e_ref" else "cm-2 s-1 TeV-1"
    points = FluxPoints.from_table(t, sed_type="dnde")
    np.testing.assert_allclose(points.dnde.data[:, 0, 0], t["dnde"])
    np.testing.assert_allclose(points.dnde_errp.data[:, 0, 0], t["dnde_errp"])
    assert not points.has_ul
    assert not points.is_ul.data.any()


def test_bins_with_gaps_keep_their_edges():
    t = table()
    t["e_max"] = t["e_max"] * 0.9
    points = FluxPoints.from_table(t)
    np.testing.assert_allclose(points.energy_max.value, t["e_max"])
    want = points.reference_model.spectral_model.integral(points.energy_min, points.energy_max)
    np.testing.assert_allclose(points.flux_ref.ravel().value, want.to_value("cm-2 s-1"))
    assert points.to_table("flux")["e_max"].tolist() == t["e_max"].tolist()


def test_reference_energy_off_the_centre_is_kept():
    t = table()
    t["e_ref"] = t["e_ref"] * 1.1
    points = FluxPoints.from_table(t)
    np.testing.assert_allclose(points.energy_ref.value, t["e_ref"])
    np.testing.assert_allclose(points.dnde.data[:-1, 0, 0], t["dnde"][:-1])


def test_upper_limits():
    """Column, significance, missing flux: in this order."""
    t = table()
    assert FluxPoints.from_table(t).is_ul.data.ravel().tolist() == [False, False, False, True]
    del t["is_ul"]
    t["ts"] = [1.0, 9.0, 25.0, 100.0]
    points = FluxPoints.from_table(t)
    assert points.is_ul.data.ravel().tolist() == [True, False, False, False]
    points.sqrt_ts_threshold_ul = 4
    assert points.is_ul.data.ravel().tolist() == [True, True, False, False]
    del t["ts"]
    points = FluxPoints.from_table(t)
    assert points.is_ul.data.ravel().tolist() == [False, False, False, True]
    with pytest.raises(ValueError, match="needs ts or sqrt_ts"):
        points.sqrt_ts_threshold_ul = 4


@pytest.mark.parametrize("suffix", ["fits", "ecsv"])
@pytest.mark.parametrize(
    "flags",
    [["False", "false", "no", "True"], ["n", "0", "F", "y"], [0, 0, 0, 1], [0.0, 0.0, 0.0, 1.0], [False] * 3 + [True]],
)
@pytest.mark.parametrize("name", ["is_ul", "ul"])
def test_flags_of_upper_limits(tmp_path, suffix, flags, name):
    """As words, numbers or booleans; early files call the column "ul"."""
    t = table()
    del t["is_ul"], t["ts"]
    t[name] = flags
    t["dnde"][-1] = 1e-12  # so that nothing else says that it is a limit
    t.write(tmp_path / f"points.{suffix}")
    assert FluxPoints.read(tmp_path / f"points.{suffix}").is_ul.data.ravel().tolist() == [False, False, False, True]


@pytest.mark.parametrize("name", ["is_ul", "success", "ul"])
@pytest.mark.parametrize("flags", [["no", "maybe", "", "yes"], [0, 1, 2, 0], [0.0, 0.5, 1.0, 1.0]])
def test_flags_that_are_none(tmp_path, name, flags):
    t = table()
    del t["is_ul"]
    t[name] = flags
    t.write(tmp_path / "points.ecsv")
    with pytest.raises(FormatError, match=rf"points\.ecsv: column '{name}' must say true or false for each point"):
        FluxPoints.read(tmp_path / "points.ecsv")


def test_numbers_that_are_words(tmp_path):
    t = table()
    t["ts"] = ["1", "2", "many", "4"]
    t.write(tmp_path / "points.ecsv")
    with pytest.raises(FormatError, match=r"points\.ecsv: column 'ts' holds str\d+, not numbers: .*'many'"):
        FluxPoints.read(tmp_path / "points.ecsv")


def test_failed_fits_read_nan():
    t = table()
    t["success"] = [True, False, True, True]
    points = FluxPoints.from_table(t)
    assert np.isnan(points.dnde.data.ravel()).tolist() == [False, True, False, True]
    points.filter_success_nan = False
    assert np.isnan(points.dnde.data.ravel()).tolist() == [False, False, False, True]


def test_copy_with_another_reference():
    points = FluxPoints.from_table(table())
    other = points.copy(reference_model=PowerLawSpectralModel(index=3))
    np.testing.assert_allclose(other.dnde.data, points.dnde.data)
    assert not np.allclose(other.norm.data[:-1], points.norm.data[:-1])
    assert other.reference_model.spectral_model.index.value == 3


def test_slices():
    points = FluxPoints.read(shared_path("data", "flux_points", "crab_hess_fp.fits"))
    part = points.slice_by_energy("1 TeV", "6 TeV")
    np.testing.assert_allclose(part.energy_ref.value, points.energy_ref.value[1:4])
    np.testing.assert_allclose(part.flux.data, points.flux.data[1:4])
    np.testing.assert_allclose(part.stat_scan, points.stat_scan[1:4])
    assert part.slice_by_idx({"energy": slice(1, 2)}).dnde.data.shape == (1, 1, 1)
    with pytest.raises(ValueError, match="no flux point between"):
        points.slice_by_energy("100 TeV", "200 TeV")
    with pytest.raises(ValueError, match="have the axes"):
        points.slice_by_idx({"time": slice(1)})


def test_from_maps():
    points = FluxPoints.from_table(table())
    maps = {key: getattr(points, key) for key in ("dnde", "dnde_err", "dnde_ul", "counts")}
    other = FluxPoints.from_maps(maps, reference_model=SkyModel(PowerLawSpectralModel()))
    np.testing.assert_allclose(other.dnde_err.data, points.dnde_err.data)
    np.testing.assert_allclose(other.flux.data, points.flux.data)
    with pytest.raises(ValueError, match="needs the map 'flux'"):
        FluxPoints.from_maps(maps, sed_type="flux")


BAD = {
    "light curve": (lambda t: t.rename_column("ts", "time_min"), "needs the columns time_min and time_max"),
    "no column": (lambda t: t.remove_column("dnde"), "needs the columns .*dnde"),
    "no energy": (lambda t: t.remove_columns(["e_ref", "e_min"]), "e_ref"),
    "flux unit": (lambda t: setattr(t["dnde_err"], "unit", "m"), "column 'dnde_err' has the unit 'm'"),
    "no flux unit": (lambda t: setattr(t["dnde"], "unit", None), "column 'dnde' has the unit 'None'"),
    "energy unit": (lambda t: setattr(t["e_ref"], "unit", "s"), "column 'e_ref' has the unit 's'"),
    "order": (lambda t: t.reverse(), "must be positive and rise"),
    "energy outside its bin": (lambda t: t["e_ref"].__imul__(0.5), "outside its bin"),
    "type": (lambda t: t.meta.__setitem__("SED_TYPE", "dN/dE"), "SED_TYPE 'dN/dE'"),
}


@pytest.mark.parametrize("what", BAD)
def test_refused(what, tmp_path):
    spoil, message = BAD[what]
    t = table()
    spoil(t)
    t.write(tmp_path / "bad.ecsv")
    with pytest.raises(FormatError, match=message) as caught:
        FluxPoints.read(tmp_path / "bad.ecsv")
    assert "bad.ecsv" in str(caught.value)


def test_refused_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.fits"):
        FluxPoints.read(tmp_path / "nothing.fits")
    (tmp_path / "text.ecsv").write_text("what a mess: %ECSV")
    with pytest.raises(FormatError, match="text.ecsv"):
        FluxPoints.read(tmp_path / "text.ecsv")
    with pytest.raises(FormatError, match=r"pha_obs23523\.fits: there are no flux points"):
        FluxPoints.read(shared_path("data", "hess-dl3-dr1-reduced", "crab-spectrum-onoff", "pha_obs23523.fits"))
    points = FluxPoints.from_table(table())
    points.write(tmp_path / "a.ecsv")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        points.write(tmp_path / "a.ecsv")
    with pytest.raises(ValueError, match="sed_type must be one of"):
        FluxPoints.read(tmp_path / "a.ecsv", sed_type="e3dnde")
    with pytest.raises(ValueError, match="format must be one of"):
        points.to_table(format="profile")


def test_what_is_not_there():
    points = FluxPoints.from_table(table())
    with pytest.raises(AttributeError, match="no norm_sensitivity; they have"):
        points.dnde_sensitivity  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        points.colour  # noqa: B018
    with pytest.raises(ValueError, match="unknown entries"):
        FluxPoints({"norm": points.norm, "colour": points.norm})
    with pytest.raises(ValueError, match="need the entry 'norm'"):
        FluxPoints({})


@pytest.mark.parametrize("sed_type", [None, *SED_TYPES])
def test_plot(sed_type):
    """All numbers are finite and the limit is an arrow."""
    fig = plt.figure()
    ax = FluxPoints.from_table(table()).plot(ax=fig.add_subplot(), sed_type=sed_type, energy_power=1)
    fig.canvas.draw()
    names = {"e2dnde": "$E^{3}$ dN/dE", "flux": "$E$ flux", "eflux": "$E$ energy flux"}
    assert ax.get_ylabel().startswith(names.get(sed_type, "$E$ dN/dE"))
    x, y = ax.containers[0].lines[0].get_data()
    assert np.isfinite(x).all()
    assert np.isfinite(y).all()
    plt.close(fig)


def test_measured_fluxes_stay_when_the_reference_is_fitted():
    """In Gammapy the reference is shared, and a fit of it to its own points always agrees."""
    path = shared_path("data", "hawc", "HAWC19_flux_points.fits")
    model = SkyModel(spectral_model=PowerLawSpectralModel(amplitude="3e-11 cm-2 s-1 TeV-1"), name="crab")
    points = FluxPoints.read(path, reference_model=model)
    before = points.dnde.quantity.copy()
    model.spectral_model.amplitude.value *= 2
    np.testing.assert_array_equal(points.dnde.quantity, before)
