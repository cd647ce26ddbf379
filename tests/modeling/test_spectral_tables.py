"""Models that hold arrays, and all model files of Gammapy: what is right, and what bad input says."""

from pathlib import Path

import astropy.units as u
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from astropy.io import fits

from bayesmap.errors import ModelFileError
from bayesmap.maps import MapAxis, RegionGeom, RegionNDMap
from bayesmap.modeling import (
    EBLAbsorptionNormSpectralModel,
    Models,
    PiecewiseNormSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
    TemplateNDSpectralModel,
    TemplateSpectralModel,
)
from bayesmap.modeling.spectral.ebl import EBL_DATA_BUILTIN
from tests.golden import golden, shared_path
from tests.modeling.spectral_zoo import template_map

FLUX = u.Unit("cm-2 s-1 TeV-1")
FILES = sorted(
    name.removeprefix("model_yaml/")
    for name in golden("io")
    if name.startswith(("model_yaml/spectral", "model_yaml/sets"))
)


@pytest.mark.parametrize("name", FILES)
def test_files_of_gammapy(name, monkeypatch):
    monkeypatch.setenv("BAYESMAP_FIXTURES", str(shared_path("data")))
    models = Models.read(shared_path("data", "models", "yaml", f"{name}.yaml"))
    stored = golden("io")[f"model_yaml/{name}"]
    assert models.names == stored["names"]
    found = [(p.name, p.value, p.unit, p.frozen, repr(p.min), repr(p.max)) for p in models.parameters]
    expected = [
        (p["name"], p["value"], u.Unit(p["unit"]), p["frozen"], repr(p["min"]), repr(p["max"]))
        for p in stored["parameters"]
    ]
    assert found == expected
    assert len(models.parameters.free_parameters) == stored["n_free"]
    assert len(models.parameters.unique_parameters) == stored["n_unique"]
    for full_output in (False, True):
        text = models.to_yaml(full_output=full_output)
        assert Models.from_yaml(text).to_yaml(full_output=full_output) == text


# -- templates ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("energy", "values", "error", "message"),
    [
        (
            [1, 2] * u.TeV,
            [1, np.nan] * FLUX,
            ValueError,
            "TemplateSpectralModel: values must be finite; element 1 is nan",
        ),
        ([1, 2] * u.TeV, [1, -1] * FLUX, ValueError, "values must not be negative; element 1"),
        ([1, 2] * u.TeV, [1, 2] * u.m, u.UnitConversionError, "differential flux such as"),
        ([1, 2] * u.TeV, [1, 2, 3] * FLUX, ValueError, "3 values for 2 energies"),
        ([2, 1] * u.TeV, [1, 2] * FLUX, ValueError, r"energies must ascend, but element 1 \(1.0 TeV\) follows 2.0 TeV"),
        ([1, 1] * u.TeV, [1, 2] * FLUX, ValueError, "energies must ascend"),
        ([0, 1] * u.TeV, [1, 2] * FLUX, ValueError, "energy must be finite and positive; element 0 is 0.0"),
        ([1, 2] * u.m, [1, 2] * FLUX, u.UnitConversionError, "energy must be an energy, got unit 'm'"),
        ([1] * u.TeV, [1] * FLUX, ValueError, "at least 2 energies"),
    ],
)
def test_bad_templates(energy, values, error, message):
    with pytest.raises(error, match=message):
        TemplateSpectralModel(energy, values)


def test_template_interpolates_and_extrapolates_power_laws():
    template = TemplateSpectralModel([1, 10] * u.GeV, [1e-3, 1e-5] * u.Unit("cm-2 s-1 GeV-1"))
    energy = [0.5, 1, 3, 10, 40] * u.GeV
    np.testing.assert_allclose(template(energy).to_value("cm-2 s-1 GeV-1"), 1e-3 * energy.value**-2.0, rtol=1e-12)
    np.testing.assert_allclose(template.spectral_index(energy), 2, rtol=1e-12)
    linear = TemplateSpectralModel([1, 10] * u.TeV, [1, 0], interp_kwargs={"values_scale": "lin"})
    assert linear.is_norm_spectral_model
    np.testing.assert_allclose(linear([np.sqrt(10), 20] * u.TeV), [0.5, 0], atol=1e-14)
    with pytest.raises(ValueError, match="values_scale must be one of"):
        TemplateSpectralModel([1, 10] * u.TeV, [1, 0], interp_kwargs={"values_scale": "cubic"})
    with pytest.raises(TypeError, match="key 'values_scale' only"):
        TemplateSpectralModel([1, 10] * u.TeV, [1, 0], interp_kwargs={"method": "nearest"})
    with pytest.raises(ValueError, match="'log' only"):
        linear.to_dict()


def test_template_with_zeros_is_finite():
    template = TemplateSpectralModel([1, 10, 100] * u.TeV, [1, 0, 0] * FLUX)
    assert np.all(np.isfinite(template([1, 5, 10, 50, 200] * u.TeV).value))
    assert template.integral(1 * u.TeV, 100 * u.TeV) > 0


def test_beside_zeros_tables_are_linear_and_end():
    """Half-way to a node at zero there is half the flux, and nothing grows beyond the last node."""
    low, high = np.sqrt(10) * u.TeV, 10 * np.sqrt(10) * u.TeV
    falling = TemplateSpectralModel([1, 10, 100] * u.TeV, [4, 1, 0] * FLUX)
    np.testing.assert_allclose(falling(u.Quantity([low, high, 0.1 * low])).to_value(FLUX), [2, 0.5, 8], rtol=1e-12)
    assert falling(200 * u.TeV).value == 0
    rising = TemplateSpectralModel([1, 10, 100] * u.TeV, [0, 0, 1e-12] * FLUX)
    np.testing.assert_allclose(rising([5, 100, 120] * u.TeV).to_value(FLUX), [0, 1e-12, 1e-12], rtol=1e-12)
    assert rising(high).to_value(FLUX) == pytest.approx(0.5e-12)
    factor = PiecewiseNormSpectralModel([1, 10, 100] * u.TeV, [4, 1, 0])
    np.testing.assert_allclose(factor(u.Quantity([low, high])).value, [2, 0.5], rtol=1e-12)
    np.testing.assert_allclose(factor([0.5, 200] * u.TeV).value, [4, 0], rtol=1e-12)
    table = template_map()
    table.data[...] = np.where(np.arange(table.data.shape[-3])[:, None, None] > 0, 1.0, 0.0)
    model = TemplateNDSpectralModel(table)
    first, second = table.geom.axes["energy_true"].center[:2]
    np.testing.assert_allclose(model(np.sqrt(first * second)).to_value(table.unit), 0.5, rtol=1e-9)


@pytest.mark.parametrize("zero", [0.0, 1e-200])
def test_gradients_beside_zeros_are_those_of_the_pieces(zero):
    model = PiecewiseNormSpectralModel([1, 10, 100] * u.TeV, [4, 1, zero])
    norms = {p: pt.dscalar() for p in model.parameters}
    flux = model.evaluate_graph(pt.as_tensor_variable(np.array([10**0.5, 10**1.5])), norms)
    slopes = pytensor.function([*norms.values()], pytensor.grad(flux.sum(), [*norms.values()]), mode="FAST_COMPILE")
    assert np.all(np.isfinite(slopes(4.0, 1.0, zero)))


def test_template_from_region_map():
    axis = MapAxis.from_energy_bounds("1 TeV", "100 TeV", nbin=3, name="energy_true")
    values = np.array([3.0, 2.0, 1.0])
    region_map = RegionNDMap.from_geom(
        RegionGeom.create("icrs;point(0, 0)", axes=[axis]), data=values[:, None, None], unit=FLUX
    )
    model = TemplateSpectralModel.from_region_map(region_map)
    np.testing.assert_allclose(model(axis.center).to_value(FLUX), values, rtol=1e-13)
    with pytest.raises(ValueError, match="axis 'energy_true' only"):
        TemplateSpectralModel.from_region_map(template_map())


def test_template_of_an_xspec_table():
    path = shared_path("data", "models", "ebl_dominguez11.fits.gz")
    model = TemplateSpectralModel.read_xspec_model(path, 0.2)
    other = EBLAbsorptionNormSpectralModel.read(path, redshift=float(np.float32(0.2)))
    np.testing.assert_allclose(model(other.energy[::50]), other(other.energy[::50]), rtol=1e-6, atol=1e-30)
    with pytest.raises(ValueError, match="outside of the table"):
        TemplateSpectralModel.read_xspec_model(path, 5.0)


def bad_map(value=1.0, unit=FLUX, name="energy_true"):
    axis = MapAxis.from_energy_bounds("1 TeV", "100 TeV", nbin=3, name=name)
    geom = RegionGeom.create("icrs;point(0, 0)", axes=[axis])
    return RegionNDMap.from_geom(geom, data=np.full((3, 1, 1), value), unit=unit)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"value": np.nan}, ValueError, "TemplateNDSpectralModel: the map must be finite"),
        ({"value": -1.0}, ValueError, "must not be negative, the least is -1.0"),
        ({"unit": "m"}, u.UnitConversionError, "differential flux such as"),
        ({"name": "time"}, ValueError, r"needs an axis 'energy_true', it has \['time'\]"),
    ],
)
def test_bad_template_maps(arguments, error, message):
    with pytest.raises(error, match=message):
        TemplateNDSpectralModel(bad_map(**arguments))


def test_template_nd_parameters_and_files(tmp_path):
    model = TemplateNDSpectralModel(template_map())
    assert model.parameter_names == ("index", "ecutoff")
    np.testing.assert_allclose([(p.min, p.max) for p in model.parameters], [(0.4, 3.6), (2, 12)])
    with pytest.raises(ValueError, match="outside its bounds"):
        model.index.value = 9
    with pytest.raises(TypeError, match="no parameter 'indx'"):
        TemplateNDSpectralModel(template_map(), indx=2)
    with pytest.raises(ValueError, match="has no filename"):
        model.to_dict()
    model.write(filename=tmp_path / "table.fits")
    model.index.value = 2.0
    models = Models([SkyModel(model, name="a")])
    models.write(tmp_path / "models.yaml")
    new = Models.read(tmp_path / "models.yaml")["a"].spectral_model
    energy = [0.2, 3] * u.TeV
    np.testing.assert_allclose(new(energy).value, model(energy).value, rtol=1e-12)
    (tmp_path / "table.fits").unlink()
    with pytest.raises(ModelFileError, match=r"components\[0\].spectral: template .*table.fits not found"):
        Models.read(tmp_path / "models.yaml")


# -- absorption -----------------------------------------------------------------------------------------------------
def test_missing_and_wrong_tables(tmp_path, monkeypatch):
    monkeypatch.delenv("GAMMAPY_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match=r"'finke' is the file \$GAMMAPY_DATA/ebl/frd_abs.* is not set"):
        EBLAbsorptionNormSpectralModel.read_builtin("finke")
    monkeypatch.setenv("GAMMAPY_DATA", str(tmp_path))
    for reference, filename in EBL_DATA_BUILTIN.items():
        with pytest.raises(FileNotFoundError, match=f"'{reference}' is the .*{Path(filename).name} .*does not hold it"):
            EBLAbsorptionNormSpectralModel.read_builtin(reference)
    with pytest.raises(ValueError, match="did you mean 'dominguez'"):
        EBLAbsorptionNormSpectralModel.read_builtin("dominges")
    with pytest.raises(FileNotFoundError, match="table model .*none.fits not found$"):
        EBLAbsorptionNormSpectralModel.read(tmp_path / "none.fits")
    fits.HDUList([fits.PrimaryHDU()]).writeto(tmp_path / "empty.fits")
    with pytest.raises(ValueError, match=r"not an XSPEC table model, HDUs \['PARAMETERS'"):
        EBLAbsorptionNormSpectralModel.read(tmp_path / "empty.fits")
    (tmp_path / "text.fits").write_text("no FITS")
    with pytest.raises(ValueError, match="not an XSPEC table model"):
        EBLAbsorptionNormSpectralModel.read(tmp_path / "text.fits")
    text = shared_path("data", "models", "yaml", "spectral", "EBLAbsorptionNormSpectralModel.yaml").read_text()
    with pytest.raises(ModelFileError, match=r"spectral.model1: table model .*gone.fits not found"):
        Models.from_yaml(text.replace("ebl_dominguez11.fits.gz", "gone.fits"))


# Numbers of the rows below from Gammapy 2.1, `EBLAbsorptionNormSpectralModel.read`, for the files that
# `write_table_model` writes.
TABLE_REDSHIFTS, TABLE_ENERGIES = [0.01, 0.05, 0.1, 0.5, 1.0], np.geomspace(1e7, 1e11, 9)  # in keV
TABLE_NODES = ([0.02, 0.07, 0.3], [0.05, 0.4, 3.0] * u.TeV)
GAMMAPY_TABLE = [
    [0.9981246074715188, 0.9896817545454111, 0.9479374204995877],
    [0.9934515301820444, 0.9643495666269642, 0.8293328034304637],
    [0.9722355966629703, 0.8559207679453231, 0.4484304012024488],
]


def write_table_model(path, redshifts=None, unit=None, padding=0, parameters=1):
    """Write a table in the layout of Gammapy's absorption files, with an optical depth z (E / 1 TeV)**0.8."""
    redshifts = np.asarray(TABLE_REDSHIFTS if redshifts is None else redshifts, dtype="float32")
    scale = 1.0 if unit is None else u.keV.to(unit)
    low, high = TABLE_ENERGIES[:-1] * scale, TABLE_ENERGIES[1:] * scale
    depth = redshifts[:, None] * (np.sqrt(low * high) / scale / 1e9) ** 0.8
    value = np.concatenate([redshifts, np.zeros(padding)])[None]
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("NAME", "12A", array=["REDSHIFT", "OTHER"][:parameters]),
            fits.Column("NUMBVALS", "J", array=[len(redshifts)] * parameters),
            fits.Column("VALUE", f"{value.size}E", array=np.repeat(value, parameters, axis=0)),
        ],
        name="PARAMETERS",
    )
    energies = [fits.Column(key, "E", unit=unit, array=x) for key, x in (("ENERG_LO", low), ("ENERG_HI", high))]
    spectra = [
        fits.Column("PARAMVAL", "1E", array=redshifts),
        fits.Column("INTPSPEC", f"{len(low)}E", array=np.exp(-depth)),
    ]
    others = {"ENERGIES": energies, "SPECTRA": spectra}
    hdus = [fits.BinTableHDU.from_columns(columns, name=name) for name, columns in others.items()]
    fits.HDUList([fits.PrimaryHDU(), table, *hdus]).writeto(path, overwrite=True)
    return path


def test_layouts_of_the_absorption_files_of_gammapy(tmp_path, monkeypatch):
    """Energies in keV without a unit, redshifts that stand twice; by name from the folder of Gammapy's data."""
    (tmp_path / "ebl").mkdir()
    monkeypatch.setenv("GAMMAPY_DATA", str(tmp_path))
    redshifts, energies = TABLE_NODES

    def rows(model):
        values = []
        for redshift in redshifts:
            model.redshift.value = redshift
            values.append(model(energies).value)
        return values

    for reference in ("franceschini", "finke", "franceschini17", "saldana-lopez21"):
        write_table_model(tmp_path / Path(EBL_DATA_BUILTIN[reference]).relative_to("$GAMMAPY_DATA"))
        model = EBLAbsorptionNormSpectralModel.read_builtin(reference)
        np.testing.assert_allclose(rows(model), GAMMAPY_TABLE, rtol=1e-6)
    for variant in ({"redshifts": [*TABLE_REDSHIFTS, 1.0]}, {"unit": "MeV"}, {"padding": 3}):
        model = EBLAbsorptionNormSpectralModel.read(write_table_model(tmp_path / "variant.fits", **variant))
        np.testing.assert_allclose(rows(model), GAMMAPY_TABLE, rtol=1e-6)
    with pytest.raises(ValueError, match=r"of one parameter is needed, this one has 2: \['REDSHIFT', 'OTHER'\]"):
        EBLAbsorptionNormSpectralModel.read(write_table_model(tmp_path / "two.fits", parameters=2))


def test_table_is_found_in_the_data_of_gammapy(tmp_path, monkeypatch):
    """A file written elsewhere names a folder that does not exist here."""
    (tmp_path / "ebl").mkdir()
    (tmp_path / "ebl" / "ebl_dominguez11.fits.gz").symlink_to(shared_path("data", "models", "ebl_dominguez11.fits.gz"))
    monkeypatch.setenv("GAMMAPY_DATA", str(tmp_path))
    builtin = EBLAbsorptionNormSpectralModel.read_builtin("dominguez", redshift=0.2)
    text = shared_path("data", "models", "yaml", "spectral", "EBLAbsorptionNormSpectralModel.yaml").read_text()
    model = Models.from_yaml(text.replace("$BAYESMAP_FIXTURES/models", "/nowhere"))[0].spectral_model.model1
    assert model.filename == "/nowhere/ebl_dominguez11.fits.gz"
    assert model(1 * u.TeV) == builtin(1 * u.TeV)


@pytest.mark.parametrize(
    ("param", "data", "message"),
    [
        ([0.1, 0.1], np.ones((2, 2)), "ascending redshifts"),
        ([0.1, 0.2], np.ones((3, 2)), r"need a table of shape \(2, 2\), got \(3, 2\)"),
        ([0.1, 0.2], np.full((2, 2), np.nan), r"data must be finite; element \(0, 0\) is nan"),
        ([0.1, 0.2], -np.ones((2, 2)), "must not be negative"),
    ],
)
def test_bad_absorption(param, data, message):
    with pytest.raises(ValueError, match=message):
        EBLAbsorptionNormSpectralModel([1, 2] * u.TeV, param, data)


def test_absorption_by_a_free_and_a_fixed_redshift_is_the_same():
    """A number takes two rows of the table, a tensor all of them."""
    model = EBLAbsorptionNormSpectralModel.read(shared_path("data", "models", "ebl_dominguez11.fits.gz"))
    edges = np.geomspace(0.1, 20, 6)
    for redshift in (0.004, 0.013, 0.2, 1.234, 4.5):
        fixed = model.integral_graph(edges[:-1], edges[1:], model.values | {model.redshift: redshift}).eval()
        free = model.values | {model.redshift: np.asarray(redshift)}
        np.testing.assert_allclose(model.integral_graph(edges[:-1], edges[1:], free).eval(), fixed, rtol=1e-12)


# -- piecewise ------------------------------------------------------------------------------------------------------
def test_piecewise_norms():
    model = PiecewiseNormSpectralModel([1, 100] * u.TeV, [1, 4])
    np.testing.assert_allclose(model([0.1, 1, 10, 100, 1000] * u.TeV), [1, 1, 2, 4, 4], rtol=1e-13)
    assert model.parameter_names == ("norm_0", "norm_1")
    assert model.norms.value.tolist() == [1, 4]
    linear = PiecewiseNormSpectralModel([1, 3] * u.TeV, [1, 4], interp="lin")
    np.testing.assert_allclose(linear(2 * u.TeV), 2.5, rtol=1e-13)
    shared = PowerLawSpectralModel().index
    linked = PiecewiseNormSpectralModel([1, 3] * u.TeV, [shared, 2.0])
    assert linked.norm_0 is shared
    linked.norm_1 = shared
    assert linked.parameters[1] is shared
    again = PiecewiseNormSpectralModel.from_parameters(model.parameters, energy=model.energy)
    assert again.norm_1 is model.norm_1
    with pytest.raises(TypeError, match="set its .value"):
        model.norm_0 = 2.0
    for arguments, message in [
        (([1, 3] * u.TeV, [1, 2, 3]), "3 norms for 2 energies"),
        (([3, 1] * u.TeV,), "must ascend"),
        (([1, 3] * u.TeV, None, "cubic"), "interp must be one of"),
    ]:
        with pytest.raises(ValueError, match=message):
            PiecewiseNormSpectralModel(*arguments)


# -- files ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("CompoundSpectralModel_sum", "operator: add", "operator: plus", "operator must be one of"),
        ("CompoundSpectralModel_sum", "operator: add", "", "needs an operator"),
        (
            "CompoundSpectralModel_sum",
            "type: LogParabolaSp",
            "type: LogParabloaSp",
            r"spectral.model2.type: unknown spec",
        ),
        ("CompoundSpectralModel_sum", "model2:", "model3:", "unknown key 'model3'"),
        ("PiecewiseNormSpectralModel", "name: norm_3", "name: norm_9", r"parameters\[3\].name: unknown value .*norm_9"),
        ("PiecewiseNormSpectralModel", "- 0.1\n", "- x\n", "spectral.model1: .*'energy' must be numbers"),
        ("TemplateSpectralModel", "- 1.683", "- x", "'values' must be numbers"),
        ("TemplateNDSpectralModel", "template_nd_spectral.fits", "gone.fits", "gone.fits not found"),
    ],
)
def test_errors_in_files_name_the_place(name, old, new, message):
    text = shared_path("data", "models", "yaml", "spectral", f"{name}.yaml").read_text()
    assert old in text
    with pytest.raises(ModelFileError, match=message):
        Models.from_yaml(text.replace(old, new))
