"""Units and quantities from texts, as they are found in files."""

import astropy.units as u
import numpy as np
import pytest

from bayesmap.maps import Map, MapAxis, RegionGeom, WcsGeom
from bayesmap.modeling.models import (
    PowerLawSpectralModel,
    TemplateNDSpectralModel,
    TemplateSpatialModel,
    TemplateSpectralModel,
)
from bayesmap.units import EVENTS, SPELLINGS, as_quantity, internal_unit, parse_unit, plain_unit, strip

DNDE = u.Unit("cm-2 s-1 TeV-1")
FOUND = {
    "": ["", " ", "-", "''", "none", "Count", "count", "Counts", "counts", "COUNTS", "ct", "cts", "photon", "Photons",
         "ph", "PH", "phot", "event", "Events", "evt", "ct / ct", None, b"Counts"],
    "cm-2 s-1 TeV-1": ["ph cm-2 s-1 TeV-1", "1/cm2/s/TeV", "1/(cm2 s TeV)", "/cm2/s/TeV", "TeV-1.cm-2.s-1",
                       "TeV^-1 cm^-2 s^-1", "cm**-2 s**-1 TeV**-1", "cm**(-2) s**(-1) TeV**(-1)", "photons/cm^2/s/TeV",
                       "TeV^{-1} cm^{-2} s^{-1}", "$TeV^{-1}$ $cm^{-2}$ $s^{-1}$", "counts/cm2/sec/TEV",
                       "cm⁻² s⁻¹ TeV⁻¹", "Ph/cm2/s/TeV", "events cm-2 s-1 TeV-1", "'1 / (TeV s cm2)'"],
    "cm-2 s-1 MeV-1 sr-1": ["photon/cm2/s/MeV/sr", "ph/cm^2/s/sr/MeV", "photons cm-2 s-1 MEV-1 steradians-1"],
    "erg cm-2 s-1": ["erg/cm^2/s", "erg/cm2/s", "ergs/cm**2/sec", "erg.cm-2.s-1", "erg cm-2 s-1"],
    "1e-11 erg cm-2 s-1": ["10**-11 erg/cm**2/s", "1e-11 erg/cm2/s", "1E-11 erg cm-2 s-1", "10^(-11) erg cm-2 s-1"],
    "cm2": ["cm**2", "cm^2", "cm2", "CM2", "cm**(2)"],
    "m2 s": ["m2 s", "m^2 s", "m**2 sec", "m2*s"],
    "keV": ["keV", "KEV", "kev"],
    "MeV": ["MeV", "MEV"],
    "TeV": ["TeV", "TEV", "tev"],
    "deg": ["deg", "degree", "degrees", "Degrees", "DEG"],
    "s": ["s", "sec", "seconds", "SEC"],
    "d": ["d", "day", "days"],
    "cm(3/2)": ["cm^(3/2)"],
    "s-1": ["ct/s", "counts / s", "Hz"],
}  # fmt: skip


@pytest.mark.parametrize(("unit", "text"), [(unit, text) for unit, texts in FOUND.items() for text in texts])
def test_units_as_found_in_files(unit, text):
    parsed = parse_unit(text)
    assert parsed == u.Unit(unit)
    assert parsed.is_equivalent(u.Unit(unit))


def test_every_spelling_is_right():
    """Each word of the lists is a unit, and none of those that astropy knows already means something else."""
    for word in EVENTS:
        for spelled in (word, word.upper(), word.capitalize()):
            assert parse_unit(spelled) == u.dimensionless_unscaled, spelled
    for word, unit in SPELLINGS.items():
        assert parse_unit(word) == u.Unit(unit)
        with pytest.raises(ValueError, match="did not parse"):
            u.Unit(word)


@pytest.mark.parametrize(
    "text",
    ["foo", "mev", "Tev", "m^(9^9^9)", "m^9^9^9", "9**9**9 m", "10**99999999999", "m99999999999", "km^99", "(((", "m**",
     "^2", "1//s", "s/", "m^1.2.3", "m^.", "m^-", "1e400 m", "0 m", "-1 m", "mag(AB)", "(m, s)", "m" * 300,
     "\0", "é", 3, 2.5, ["m"]],
)  # fmt: skip
def test_what_is_no_unit(text):
    with pytest.raises(ValueError, match=r"unit"):
        parse_unit(text)


def test_units_are_kept():
    """A unit without photons is the same object: nothing is rewritten."""
    unit = u.Unit("1e-12 erg / (cm2 s)")
    assert plain_unit(unit) is unit
    assert parse_unit(unit) is unit
    assert parse_unit(u.Unit("Counts", parse_strict="silent")) == u.dimensionless_unscaled
    assert str(plain_unit(u.Unit("1000 ph"))) == "1000"


def test_quantities():
    assert as_quantity("1e-12 ph cm-2 s-1 TeV-1") == 1e-12 * DNDE
    assert as_quantity("-3.5e2deg") == -350 * u.deg
    assert as_quantity("3") == 3
    assert np.isnan(as_quantity("nan TeV"))
    assert as_quantity([1, 2] * u.Unit("ph s-1")).unit == u.Unit("s-1")
    assert internal_unit(u.Unit("ph cm-2 s-1 TeV-1")) == internal_unit(DNDE)
    assert strip(2e-12 * u.Unit("ph cm-2 s-1 TeV-1")) == pytest.approx(2)
    for text in ("TeV", "", "1 foo", "1..2 m", "1_000 m", "9" * 1000):
        with pytest.raises(ValueError, match=r"unit|number"):
            as_quantity(text)


def test_photons_in_models():
    """In parameters, tables and maps, given in memory or as text."""
    law = PowerLawSpectralModel(amplitude="1e-12 ph cm-2 s-1 TeV-1")
    assert law(1 * u.TeV).to_value(DNDE) == pytest.approx(1e-12)
    law.amplitude.quantity = 3e-12 * u.Unit("photon / (cm2 s TeV)")
    assert law.amplitude.unit == DNDE
    table = TemplateSpectralModel([1, 2] * u.TeV, [1, 1] * u.Unit("ph cm-2 s-1 TeV-1"))
    assert table(1.5 * u.TeV).to_value(DNDE) == pytest.approx(1)
    nodes = [
        MapAxis.from_nodes([1, 3], name="energy_true", unit="TeV", interp="log"),
        MapAxis.from_nodes([1.0, 2.0], name="lam"),
    ]
    cube = Map.from_geom(RegionGeom(None, axes=nodes), data=np.ones((2, 2, 1, 1)), unit="ph cm-2 s-1 TeV-1")
    assert TemplateNDSpectralModel(cube)(2 * u.TeV).to_value(DNDE) == pytest.approx(1)
    image = WcsGeom.create(npix=3, binsz=0.1)
    m = Map.from_geom(image, data=np.ones((3, 3)), unit="ph cm-2 s-1 TeV-1 sr-1")
    assert TemplateSpatialModel(m, normalize=False).map.unit == u.Unit("cm-2 s-1 TeV-1 sr-1")


def test_units_of_maps_in_files(tmp_path):
    """BUNIT, the unit of the column DATA, and units of axes."""
    axis = MapAxis.from_energy_edges([1, 3, 9], unit="MeV")
    for geom in (WcsGeom.create(npix=2, axes=[axis]), RegionGeom(None, axes=[axis])):
        hdulist = Map.from_geom(geom, unit="cm-2 s-1").to_hdulist()
        hdulist[0].header["BUNIT"] = "photons/cm2/s"
        for hdu in hdulist[1:]:
            for number, column in enumerate(hdu.columns, start=1):
                words = {"MeV": "MEV", "1 / (s cm2)": "photons/cm2/s", "cm-2 s-1": "photons/cm2/s"}
                if column.unit in words:
                    hdu.header[f"TUNIT{number}"] = words[column.unit]
        hdulist.writeto(tmp_path / "map.fits", overwrite=True)
        m = Map.read(tmp_path / "map.fits")
        assert m.unit == u.Unit("cm-2 s-1")
        assert m.geom.axes[0] == axis
