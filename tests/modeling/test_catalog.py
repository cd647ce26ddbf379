"""Rows of catalogues as models: published values of sources, and what is refused.

The rows hold the columns that are read, with the values of 4FGL-DR4 (Ballet et al. 2023, arXiv:2307.12546), the first
release of 4FGL (Abdollahi et al. 2020, ApJS 247, 33) and the HGPS (H.E.S.S. Collaboration 2018, A&A 612, A1), rounded
as they are shown there.
"""

import math

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table, vstack
from regions import CircleSkyRegion

from bayesmap.errors import FormatError
from bayesmap.maps import Map, WcsGeom
from bayesmap.modeling import Models
from bayesmap.modeling.catalog import models_from_4fgl, models_from_hgps

FLUX = "photon cm-2 MeV-1 s-1"
PLACE = {"Conf_68_SemiMajor": "deg", "Conf_68_SemiMinor": "deg", "Conf_68_PosAng": "deg"}
UNITS = {"RAJ2000": "deg", "DEJ2000": "deg", "Pivot_Energy": "MeV", **PLACE}


def row(units, **cells):
    """A table of one row."""
    table = Table({name: [value] for name, value in cells.items()})
    for name in table.colnames:
        if name in units or "Flux_Density" in name:
            table[name].unit = units.get(name, FLUX)
    return table


def fermi(name, kind, ra, dec, pivot, major=math.nan, minor=math.nan, angle=math.nan, **cells):
    place = {"RAJ2000": ra, "DEJ2000": dec, "Pivot_Energy": pivot, "SpectrumType": kind}
    place |= {"Conf_68_SemiMajor": major, "Conf_68_SemiMinor": minor, "Conf_68_PosAng": angle}
    cells = {"Extended_Source_Name": " " * 18, "ASSOC1": "", **cells}
    return row(UNITS, Source_Name=f"{name}  ", **place, **cells)


def cutoff(end, **values):
    columns = {"flux": "PLEC_Flux_Density", "index": f"PLEC_Index{end}", "factor": f"PLEC_Expfactor{end}"}
    columns["exponent"] = "PLEC_Exp_Index"
    cells = {}
    for key, (value, error) in values.items():
        cells |= {columns[key]: value, f"Unc_{columns[key]}": error}
    return cells


#: the Crab pulsar in 4FGL-DR4
CRAB = fermi(
    "4FGL J0534.5+2200", "PLSuperExpCutoff", 83.637, 22.015, 1343.0, 0.0045, 0.0044, -71.52,
    ASSOC1="PSR J0534+2200",
    **cutoff("S", flux=(1.1e-10, 6.99e-13), index=(2.274, 0.008), factor=(0.2337, 0.0188), exponent=(0.5219, 0.0946)),
)  # fmt: skip
#: a pulsar of the first release, the exponent of whose cut-off is held
PULSAR = fermi(
    "4FGL J0002.8+6217", "PLSuperExpCutoff", 0.720, 62.291, 1327.0, 0.0165, 0.0158, 3.84,
    **cutoff("", flux=(2.08e-12, 1.09e-13), index=(1.181, 0.191), factor=(0.0130, 0.0019), exponent=(0.6667, math.nan)),
)  # fmt: skip
#: of the first release
BLAZAR = fermi(
    "4FGL J0000.3-7355", "PowerLaw", 0.098, -73.922, 2430.0, 0.0324, 0.0315, -62.70,
    PL_Flux_Density=2.95e-14, Unc_PL_Flux_Density=5.33e-15, PL_Index=2.119, Unc_PL_Index=0.146,
)  # fmt: skip
DISK = fermi(
    "4FGL J1409.1-6121e", "LogParabola", 212.294, -61.353, 4441.0, Extended_Source_Name="FGES J1409.1-6121 ",
    LP_Flux_Density=1.32e-12, Unc_LP_Flux_Density=4.51e-14, LP_Index=2.136, Unc_LP_Index=0.031,
    LP_beta=0.0684, Unc_LP_beta=0.01368,
)  # fmt: skip


def extended(form="Disk", major=0.7331, minor=0.7331, angle=0.0, filename=""):
    units = {"RAJ2000": "deg", "DEJ2000": "deg", **{f"Model_{k}": "deg" for k in ("SemiMajor", "SemiMinor", "PosAng")}}
    cells = {"Model_Form": form, "Model_SemiMajor": major, "Model_SemiMinor": minor, "Model_PosAng": angle}
    return row(
        units, Source_Name="FGES J1409.1-6121", RAJ2000=212.294, DEJ2000=-61.353, Spatial_Filename=filename, **cells
    )


def assert_priors_match(model):
    """Means and standard deviations of the priors are values and errors."""
    for parameter in model.parameters.free_parameters:
        prior = parameter.prior.distribution.scipy
        low, high = parameter.prior.interval(0.6827, parameter.unit)
        assert prior is not None
        assert 0.5 * (high - low) == pytest.approx(
            parameter.error, rel=0.02 + 2 * (parameter.error / parameter.value) ** 2
        )


def test_a_pulsar_of_the_latest_release():
    [model] = models_from_4fgl(CRAB, "4FGL J0534.5+2200")
    assert model.name == "4FGL J0534.5+2200"
    spectrum = model.spectral_model
    assert spectrum.tag[0] == "SuperExpCutoffPowerLaw4FGLDR3SpectralModel"
    # the published flux density, and the energy flux of 0.1 to 100 GeV, 1.46e-9 erg cm-2 s-1
    assert spectrum(1343 * u.MeV).to_value("cm-2 s-1 MeV-1") == pytest.approx(1.1e-10, rel=1e-9)
    assert spectrum.energy_flux(100 * u.MeV, 100 * u.GeV).to_value("erg cm-2 s-1") == pytest.approx(1.46e-9, rel=0.01)
    assert spectrum.integral(1 * u.GeV, 100 * u.GeV).to_value("cm-2 s-1") == pytest.approx(1.54e-7, rel=0.01)
    assert (spectrum.index_2.value, spectrum.index_2.error) == (0.5219, 0.0946)
    assert spectrum.reference.frozen
    assert_priors_match(model)
    assert spectrum.amplitude.prior.dist == "LogNormal"
    assert spectrum.index_1.prior.dist == "Normal"


def test_errors_of_positions():
    """0.0045 deg hold 68 %: 1.51 standard deviations; in longitude 1 / cos(latitude) more."""
    [model] = models_from_4fgl(CRAB, "PSR J0534+2200")
    shape = model.spatial_model
    assert shape.frame == "icrs"
    assert shape.lat_0.error == pytest.approx(0.0044 / 1.5096, rel=0.01)
    assert shape.lon_0.error == pytest.approx(0.0045 / 1.5096 / math.cos(math.radians(22.015)), rel=0.01)
    rng = np.random.default_rng(1)
    inside = np.hypot(*rng.normal(0, 1 / 1.5096, size=(2, 200_000))) < 1
    assert inside.mean() == pytest.approx(0.68, abs=0.004)


def test_other_spectra():
    [pulsar] = models_from_4fgl(PULSAR, "4FGL J0002.8+6217")
    spectrum = pulsar.spectral_model
    assert spectrum.tag[0] == "SuperExpCutoffPowerLaw4FGLSpectralModel"
    assert spectrum.index_2.frozen
    assert spectrum.index_2.prior is None
    assert spectrum.energy_flux(100 * u.MeV, 100 * u.GeV).to_value("erg cm-2 s-1") == pytest.approx(1.86e-11, rel=0.02)
    [blazar] = models_from_4fgl(BLAZAR, "4FGL J0000.3-7355")
    assert blazar.spectral_model.integral(1 * u.GeV, 100 * u.GeV).to_value("cm-2 s-1") == pytest.approx(
        1.72e-10, rel=0.01
    )
    assert_priors_match(blazar)
    [wide] = models_from_4fgl(BLAZAR, ["4FGL J0000.3-7355"], widen=2.0)
    index = wide.spectral_model.index
    assert (index.error, index.prior.kwargs["sigma"]) == (0.146, 0.292)


def test_extended_sources():
    [model] = models_from_4fgl(DISK, "FGES J1409.1-6121", extended=extended())
    assert model.name == "4FGL J1409.1-6121e"
    assert model.spatial_model.tag[0] == "DiskSpatialModel"
    assert model.spatial_model.r_0.value == 0.7331
    assert model.spatial_model.lon_0.value == 212.294
    assert not model.spatial_model.parameters.free_parameters
    spectrum = model.spectral_model
    assert spectrum.energy_flux(100 * u.MeV, 100 * u.GeV).to_value("erg cm-2 s-1") == pytest.approx(2.38e-10, rel=0.02)
    gauss = models_from_4fgl(DISK, "4FGL J1409.1-6121e", extended=extended("2D Gaussian", 0.6, 0.3, 40.0))[
        0
    ].spatial_model
    assert gauss.sigma.value == pytest.approx(0.6 / 1.5096, rel=1e-4)
    assert (gauss.e.value, gauss.phi.value) == (pytest.approx(math.sqrt(0.75)), 40.0)


def test_templates(tmp_path):
    table = extended("Map", filename="IC443.fits")
    with pytest.raises(ValueError, match=r"'4FGL J1409.1-6121e' is the template IC443.fits: give the folder"):
        models_from_4fgl(DISK, "4FGL J1409.1-6121e", extended=table)
    with pytest.raises(ValueError, match=r"there is no template IC443.fits in"):
        models_from_4fgl(DISK, "4FGL J1409.1-6121e", extended=table, templates=tmp_path)
    geom = WcsGeom.create(npix=4, binsz=0.1)
    Map.from_geom(geom, data=np.ones(geom.data_shape), unit="sr-1").write(tmp_path / "IC443.fits.gz")
    [model] = models_from_4fgl(DISK, "4FGL J1409.1-6121e", extended=table, templates=tmp_path)
    assert model.spatial_model.filename == str(tmp_path / "IC443.fits.gz")


def test_regions_and_files(tmp_path):
    table = vstack([BLAZAR, PULSAR, DISK])
    hdus = [fits.PrimaryHDU()]
    for name, part in (("LAT_Point_Source_Catalog", table.filled()), ("ExtendedSources", extended())):
        hdus.append(fits.BinTableHDU(part, name=name))
    fits.HDUList(hdus).writeto(tmp_path / "gll_psc.fit")
    circle = CircleSkyRegion(SkyCoord(212, -61, unit="deg"), 2 * u.deg)
    assert models_from_4fgl(tmp_path / "gll_psc.fit", region=circle).names == ["4FGL J1409.1-6121e"]
    names = ["4FGL J1409.1-6121e", "4FGL J0000.3-7355"]
    assert models_from_4fgl(tmp_path / "gll_psc.fit", names).names == names
    with pytest.raises(FormatError, match=r"no HDU 'HGPS_SOURCES', its HDUs are .*'EXTENDEDSOURCES'"):
        models_from_hgps(tmp_path / "gll_psc.fit", "HESS J1713-397")
    nowhere = CircleSkyRegion(SkyCoord(100, 61, unit="deg"), 1 * u.deg)
    with pytest.raises(ValueError, match="no source of the catalogue lies in"):
        models_from_4fgl(table, region=nowhere)


def changed(table, **cells):
    table = table.copy()
    for name, value in cells.items():
        table[name] = [value]
    return table


@pytest.mark.parametrize(
    ("table", "arguments", "error", "message"),
    [
        (CRAB, {"names": "4FGL J0534.5+2201"}, KeyError, r"no source .*did you mean '4FGL J0534.5\+2200'"),
        (CRAB, {}, ValueError, "give either names or a region"),
        (changed(CRAB, SpectrumType="BrokenPL"), {}, ValueError, "'4FGL J0534.5.2200': no model for .* 'BrokenPL'"),
        (changed(CRAB, Pivot_Energy=math.nan), {}, ValueError, "no finite number in the column 'Pivot_Energy'"),
        (CRAB["Source_Name", "RAJ2000"], {}, ValueError, "no column 'Pivot_Energy'"),
        (CRAB["RAJ2000",], {}, KeyError, "no column 'Source_Name'"),
        (changed(CRAB, Pivot_Energy=1 * u.deg), {}, ValueError, "is in 'deg', which does not convert to 'MeV'"),
        (CRAB, {"widen": 0.0}, ValueError, "widen must be a positive number"),
        (vstack([CRAB, changed(BLAZAR, ASSOC1="PSR J0534+2200")]), {"names": "PSR J0534+2200"}, ValueError,
         r"stands for the sources \['4FGL J0534.5\+2200', '4FGL J0000.3-7355'\]"),
        (DISK, {"names": "4FGL J1409.1-6121e"}, ValueError, "is extended: give the table"),
        (DISK, {"names": "4FGL J1409.1-6121e", "extended": extended("Cross")}, ValueError, "for the shape 'Cross'"),
        (DISK, {"names": "4FGL J1409.1-6121e", "extended": changed(extended(), Source_Name="W28")}, ValueError,
         "has no row 'FGES J1409.1-6121'"),
    ],
)  # fmt: skip
def test_what_is_refused(table, arguments, error, message):
    given = {} if "either" in message else {"names": "4FGL J0534.5+2200"}
    with pytest.raises(error, match=message):
        models_from_4fgl(table, **{**given, **arguments})


# -- HGPS -----------------------------------------------------------------------------------------------------------


def hess(name, glon, glat, shape, spectrum, **cells):
    """A row of HGPS_SOURCES; values are pairs of value and error where there is one."""
    flat = {
        "Source_Name": name,
        "Spatial_Model": shape,
        "Spectral_Model": spectrum,
        "Components": "",
        "Size": (0.0, 0.0),
    }
    flat |= {"GLON": glon, "GLAT": glat, "RAJ2000": 0.0, "DEJ2000": 0.0, "Identified_Object": "", **cells}
    plain = {}
    for key, value in flat.items():
        plain |= {key: value[0], f"{key}_Err": value[1]} if isinstance(value, tuple) else {key: value}
    units = {key: "deg" for key in plain if key.startswith(("GL", "Size"))}
    units |= {key: "cm-2 s-1 TeV-1" for key in plain if "Diff" in key}
    return row(units, **plain)


#: from another paper: no pivot energy, no error of the position
SHELL = hess(
    "HESS J1713-397", (347.311, math.nan), (-0.457, math.nan), "Shell", "ECPL", Size=(0.5, math.nan),
    Identified_Object="RX J1713.7-3946",
    Flux_Spec_ECPL_Diff_1TeV=(21.284e-12, 0.936e-12), Index_Spec_ECPL=(2.06, 0.02), Lambda_Spec_ECPL=(0.078, 0.007),
)  # fmt: skip
POINT = hess(
    "HESS J1930+188", (54.057, 0.013), (0.266, 0.014), "Gaussian", "PL", Size=(0.0, 0.0), Energy_Spec_PL_Pivot=1.70,
    Flux_Spec_PL_Diff_Pivot=(0.128e-12, 0.027e-12), Index_Spec_PL=(2.59, 0.26),
)  # fmt: skip
SEVERAL = hess(
    "HESS J1825-137", (17.525, 0.082), (-0.618, 0.011), "3-Gaussian", "ECPL", Size=(0.461, 0.032),
    Components="HGPSC 065, HGPSC 066, HGPSC 067",
    Flux_Spec_ECPL_Diff_1TeV=(25.557e-12, 0.900e-12), Index_Spec_ECPL=(2.15, 0.06), Lambda_Spec_ECPL=(0.074, 0.021),
)  # fmt: skip
GAUSSIANS = vstack(
    [
        hess(name, glon, glat, "", "", Size=size, Flux_Map=flux, Component_ID=name)
        for name, glon, glat, size, flux in (
            ("HGPSC 065", (16.989, 0.091), (-0.491, 0.038), (0.477, 0.030), (5.02e-12, 1.13e-12)),
            ("HGPSC 066", (17.712, 0.025), (-0.660, 0.014), (0.391, 0.017), (11.83e-12, 1.08e-12)),
            ("HGPSC 067", (17.841, 0.009), (-0.706, 0.009), (0.109, 0.009), (1.56e-12, 0.20e-12)),
        )
    ]
)


def test_a_shell():
    [model] = models_from_hgps(SHELL, "RX J1713.7-3946")
    assert model.name == "HESS J1713-397"
    # the published flux above 1 TeV, 16.879e-12 cm-2 s-1, and energy flux of 1 to 10 TeV, 59.996e-12 erg cm-2 s-1
    spectrum = model.spectral_model
    assert spectrum.integral(1 * u.TeV, 1000 * u.TeV).to_value("cm-2 s-1") == pytest.approx(16.879e-12, rel=0.01)
    assert spectrum.energy_flux(1 * u.TeV, 10 * u.TeV).to_value("erg cm-2 s-1") == pytest.approx(59.996e-12, rel=0.01)
    shape = model.spatial_model
    assert shape.radius.value + shape.width.value == pytest.approx(0.5)
    assert shape.frame == "galactic"
    assert model.parameters.free_parameters.names == ["index", "amplitude", "lambda_"]
    assert_priors_match(model)


def test_gaussians_and_points():
    [model] = models_from_hgps(POINT, "HESS J1930+188")
    assert model.spatial_model.tag[0] == "PointSpatialModel"
    assert model.spectral_model.reference.value == 1.70
    assert model.spectral_model.integral(1 * u.TeV, 1e6 * u.TeV).to_value("cm-2 s-1") == pytest.approx(
        0.318e-12, rel=0.01
    )
    assert (model.spatial_model.lat_0.value, model.spatial_model.lat_0.error) == (0.266, 0.014)
    sized = changed(changed(POINT, Size=0.1), Size_Err=0.02)
    sized["Size"].unit = sized["Size_Err"].unit = "deg"
    gauss = models_from_hgps(sized, "HESS J1930+188")[0].spatial_model
    assert (gauss.tag[0], gauss.sigma.value, gauss.sigma.error) == ("GaussianSpatialModel", 0.1, 0.02)
    assert gauss.sigma.prior.dist == "LogNormal"


def test_several_gaussians():
    models = models_from_hgps(SEVERAL, "HESS J1825-137", components=GAUSSIANS)
    assert models.names == [f"HESS J1825-137 HGPSC 0{number}" for number in (65, 66, 67)]
    amplitudes = u.Quantity([model.spectral_model.amplitude.quantity for model in models])
    fluxes = u.Quantity([model.spectral_model.integral(1 * u.TeV, 1000 * u.TeV) for model in models])
    assert fluxes.sum().to_value("cm-2 s-1") == pytest.approx(19.150e-12, rel=0.01), "as published"
    assert float(amplitudes[1] / amplitudes[0]) == pytest.approx(11.83 / 5.02)
    assert models[0].spectral_model.index is models[2].spectral_model.index
    assert len(models.parameters.free_unique) == 3 + 2 + 3 * 3
    first = models[0].spectral_model.amplitude
    assert first.error / first.value == pytest.approx(math.hypot(0.900 / 25.557, 1.13 / 5.02))
    assert models[1].spatial_model.sigma.value == 0.391


@pytest.mark.parametrize(
    ("table", "arguments", "message"),
    [
        (changed(SHELL, Spectral_Model="BPL"), {}, "no model for the spectrum 'BPL'"),
        (changed(SHELL, Spatial_Model="Ring"), {}, "no model for the shape 'Ring'"),
        (changed(SEVERAL, Source_Name="HESS J1713-397"), {}, "has the components .* give the table"),
        (changed(SEVERAL, Source_Name="HESS J1713-397"), {"components": GAUSSIANS[:2]}, r"has no \['HGPSC 067'\]"),
    ],
)
def test_what_is_refused_of_hgps(table, arguments, message):
    with pytest.raises(ValueError, match=f"'HESS J1713-397'.*{message}"):
        models_from_hgps(table, "HESS J1713-397", **arguments)


def test_files_and_variables():
    """The models can be written, read and sampled: names, links and priors are those that files and results take."""
    models = models_from_hgps(SEVERAL, "HESS J1825-137", components=GAUSSIANS)
    back = Models.from_yaml(Models([*models, *models_from_4fgl(CRAB, "4FGL J0534.5+2200")]).to_yaml())
    free = {name: str(p.prior) for p, name in back.parameter_names.items() if not p.frozen}
    assert "HESS J1825-137 HGPSC 065.index" in free
    assert "HESS J1825-137 HGPSC 066.index" not in free, "linked"
    assert "4FGL J0534.5+2200.expfactor" in free
    assert free["HESS J1825-137 HGPSC 067.sigma"] == str(models[2].spatial_model.sigma.prior)
