"""Model files: Gammapy's, ours, damaged ones."""

import inspect
import math
import sys

import astropy.units as u
import pytest

from bayesmap._yaml.source import YamlSource
from bayesmap.errors import ModelFileError
from bayesmap.maps import Map
from bayesmap.modeling import FoVBackgroundModel, Models, PowerLawSpectralModel, Prior, SkyModel
from tests.golden import golden, shared_path

IN_SCOPE = [
    "prior/GaussianPrior",
    "prior/GaussianPrior_weight",
    "prior/GeneralizedGaussianPrior",
    "prior/UniformPrior",
    "spatial/ConstantSpatialModel",
    "spatial/DiskSpatialModel",
    "spatial/DiskSpatialModel_elongated_edge",
    "spatial/GaussianSpatialModel",
    "spatial/GaussianSpatialModel_elongated",
    "spatial/GaussianSpatialModel_narrow",
    "spatial/GeneralizedGaussianSpatialModel",
    "spatial/GeneralizedGaussianSpatialModel_elongated",
    "spatial/PiecewiseNormSpatialModel",
    "spatial/PointSpatialModel",
    "spatial/Shell2SpatialModel",
    "spatial/ShellSpatialModel",
    "spatial/TemplateNDSpatialModel",
    "spatial/TemplateSpatialModel",
    "spatial/TemplateSpatialModel_3d",
    "spatial/TemplateSpatialModel_unnormalised",
    "spectral/ConstantSpectralModel",
    "spectral/ExpCutoffPowerLawSpectralModel",
    "spectral/ExpCutoffPowerLawSpectralModel_alpha0p5",
    "spectral/LogParabolaSpectralModel",
    "spectral/PowerLawSpectralModel",
    "spectral/PowerLawSpectralModel_index1",
    "spectral/PowerLawSpectralModel_index2",
    "temporal/ConstantTemporalModel",
    "temporal/ExpDecayTemporalModel",
    "temporal/GaussianTemporalModel",
    "temporal/GeneralizedGaussianTemporalModel",
    "temporal/LightCurveTemplateTemporalModel",
    "temporal/LinearTemporalModel",
    "temporal/PowerLawTemporalModel",
    "temporal/SineTemporalModel",
    "temporal/TemplatePhaseCurveTemporalModel",
]


@pytest.mark.parametrize("name", IN_SCOPE)
def test_files_of_gammapy(name, monkeypatch):
    monkeypatch.setenv("BAYESMAP_FIXTURES", str(shared_path("data")))
    models = Models.read(shared_path("data", "models", "yaml", f"{name}.yaml"))
    stored = golden("io")[f"model_yaml/{name}"]
    assert models.names == stored["names"]
    assert len(models.parameters) == len(stored["parameters"])
    for parameter, expected in zip(models.parameters, stored["parameters"], strict=True):
        assert parameter.name == expected["name"]
        assert parameter.value == expected["value"]
        assert parameter.unit == expected["unit"]
        assert parameter.frozen == expected["frozen"]
        assert (parameter.prior is None) == (expected["prior"] is None)
        if expected["prior"] is None:  # Gammapy takes bounds from uniform priors, we do not
            assert repr((parameter.min, parameter.max)) == repr((expected["min"], expected["max"]))
    assert len(models.parameters.free_parameters) == stored["n_free"]
    assert len(models.parameters.unique_parameters) == stored["n_unique"]
    for full_output in (False, True):
        text = models.to_yaml(full_output=full_output)
        assert Models.from_yaml(text).to_yaml(full_output=full_output) == text


def test_value_outside_the_bounds_of_a_file_is_kept_with_a_warning():
    path = shared_path("data", "models", "yaml", "prior", "LogUniformPrior.yaml")
    with pytest.warns(UserWarning, match=r"components\[0\].spectral.parameters\[0\]: value 2.0 of 'index' is outside"):
        models = Models.read(path)
    assert models.parameters["index"].value == 2
    assert models.parameters["index"].max == 1e-10


def test_file_of_a_pair():
    models = Models.read(shared_path("data", "yaml_pair", "models.yaml"))
    assert models.names == ["crab", "crab-map-bkg"]
    priors = [p.prior for p in models.parameters if p.prior is not None]
    assert [prior.dist for prior in priors] == ["LogUniform", "Normal", "Uniform", "Normal", "Normal"]


def linked_models():
    one, two = SkyModel.create("pl", "point", name="one"), SkyModel.create("ecpl", "gauss", name="two")
    two.spectral_model.index = one.spectral_model.index
    two.spatial_model.lon_0, two.spatial_model.lat_0 = one.spatial_model.lon_0, one.spatial_model.lat_0
    one.spectral_model.index.prior = Prior("Normal", mu=2.2, sigma=0.3)
    one.spectral_model.amplitude.prior = Prior("LogNormal", mu="1e-12 cm-2 s-1 TeV-1", sigma=1.0).as_default()
    two.spectral_model.lambda_.prior = Prior("Normal", mu=Prior("HalfNormal", sigma=0.3), sigma="0.1 TeV-1")
    two.apply_irf["psf"] = False
    return Models([one, two, FoVBackgroundModel(dataset_name="d", name="bkg")])


def test_links_priors_and_names_survive(tmp_path):
    models = linked_models()
    path = tmp_path / "models.yaml"
    models.write(path)
    new = Models.read(path)
    assert new.names == models.names
    assert new["two"].spectral_model.index is new["one"].spectral_model.index
    assert new["two"].spatial_model.lat_0 is new["one"].spatial_model.lat_0
    assert len(new.parameters.unique_parameters) == len(models.parameters.unique_parameters)
    assert [p.prior for p in new.parameters] == [p.prior for p in models.parameters]
    assert new["one"].spectral_model.amplitude.prior.is_default
    assert not new["two"].apply_irf["psf"]
    with pytest.raises(OSError, match="overwrite=True"):
        models.write(path)
    models.write(path, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["models.yaml"]


def test_what_gammapy_reads_of_our_files():
    """At a parameter stands only what Gammapy knows; the rest is in a section that it does not look at."""
    data = linked_models().to_dict()
    for component in data["components"]:
        for part in ("spectral", "spatial"):
            for parameter in component.get(part, {}).get("parameters", []):
                assert parameter.keys() <= {"name", "value", "unit", "min", "max", "frozen", "error", "link", "prior"}
                if "prior" in parameter:
                    assert parameter["prior"]["type"] == "GaussianPrior"
    assert set(data["bayesmap"]["priors"]) == {"one.amplitude", "two.lambda_"}


def test_link_to_a_parameter_of_another_name():
    models = linked_models()
    two = SkyModel.create("lp", name="three")
    two.spectral_model.alpha = models["one"].spectral_model.index
    models.append(two)
    new = Models.from_yaml(models.to_yaml())
    assert new["three"].spectral_model.alpha is new["one"].spectral_model.index


def test_numbers_without_point_are_numbers():
    text = VALID.replace("1.0e-12", "3e-12")
    assert Models.from_yaml(text).parameters["amplitude"].value == 3e-12


COMPOUND = """
components:
-   name: s
    type: SkyModel
    spectral:
        type: CompoundSpectralModel
        model1:
            type: PowerLawSpectralModel
            parameters:
            -   name: index
                value: 2.0
            -   name: amplitude
                value: 1.0e-12
                unit: TeV-1 s-1 cm-2
            -   name: reference
                value: 1.0
                unit: TeV
        model2:
            type: {type}
            parameters:{parameters}
        operator: {operator}
metadata:
    creator: Gammapy 2.1
"""
SECOND_POWER_LAW = """
            -   name: index
                value: 3.0
            -   name: amplitude
                value: 5.0e-13
                unit: TeV-1 s-1 cm-2
            -   name: reference
                value: 1.0
                unit: TeV"""
CONSTANT = """
            -   name: const
                value: 2.0
                unit: TeV-1 s-1 cm-2"""
NORM = """
            -   name: tilt
                value: 0.0
            -   name: norm
                value: 2.0
            -   name: reference
                value: 1.0
                unit: TeV"""


@pytest.mark.parametrize(
    ("kind", "parameters", "operator", "ours", "at_two_tev"),
    [
        ("PowerLawSpectralModel", SECOND_POWER_LAW, "add", lambda a, b: a + b, 0.25e-12 + 0.0625e-12),
        ("PowerLawSpectralModel", SECOND_POWER_LAW, "sub", lambda a, b: a - b, 0.25e-12 - 0.0625e-12),
        ("ConstantSpectralModel", CONSTANT, "add", lambda a, b: a + 2 * u.Unit("cm-2 s-1 TeV-1"), 2 + 0.25e-12),
        ("PowerLawNormSpectralModel", NORM, "mul", lambda a, b: 2 * a, 0.5e-12),
        ("PowerLawNormSpectralModel", NORM, "mul", lambda a, b: a * 2, 0.5e-12),
    ],
    ids=["pl + pl", "pl - pl", "pl + flux", "2 * pl", "pl * 2"],
)
def test_compounds_as_gammapy_writes_them(kind, parameters, operator, ours, at_two_tev):
    """Gammapy refuses numbers as factors and constants without a unit; ours are norm models, which it reads."""
    spectrum = Models.from_yaml(COMPOUND.format(type=kind, parameters=parameters, operator=operator))[0].spectral_model
    assert spectrum(2 * u.TeV).to_value("cm-2 s-1 TeV-1") == pytest.approx(at_two_tev, rel=1e-12)
    power_law = PowerLawSpectralModel(amplitude="5e-13 cm-2 s-1 TeV-1", index=3)
    same = SkyModel(spectral_model=ours(PowerLawSpectralModel(), power_law), name="s")
    new = Models.from_yaml(Models([same]).to_yaml())[0].spectral_model
    assert new(2 * u.TeV).to_value("cm-2 s-1 TeV-1") == pytest.approx(at_two_tev, rel=1e-12)
    assert {new.model1.tag[0], new.model2.tag[0]} == {"PowerLawSpectralModel", kind}
    assert new.operator == operator


def test_a_constant_without_a_unit_is_named():
    text = COMPOUND.format(type="const", parameters=CONSTANT.replace("TeV-1 s-1 cm-2", "''"), operator="mul")
    with pytest.raises(ModelFileError, match=r"model2.parameters\[0\].unit: parameter 'const' needs a unit"):
        Models.from_yaml(text)


def test_part_from_dict():
    model = PowerLawSpectralModel(index=2.5)
    assert PowerLawSpectralModel.from_dict(model.to_dict()).index.value == 2.5
    with pytest.raises(ModelFileError, match="expected ExpCutoff"):
        type(SkyModel.create("ecpl").spectral_model).from_dict(model.to_dict())
    sky = SkyModel.create("pl", name="x")
    assert SkyModel.from_dict(sky.to_dict()).name == "x"
    with pytest.raises(ModelFileError, match="expected FoVBackgroundModel"):
        FoVBackgroundModel.from_dict(sky.to_dict())


VALID = """
components:
-   name: a
    type: SkyModel
    spectral:
        type: PowerLawSpectralModel
        parameters:
        -   name: index
            value: 2.0
            min: 1.0
            max: 4.0
            prior: {dist: Normal, mu: 2.0, sigma: 0.3}
        -   name: amplitude
            value: 1.0e-12
            unit: cm-2 s-1 TeV-1
            link: x
        -   name: reference
            value: 1.0
            unit: TeV
    spatial:
        type: PointSpatialModel
        frame: galactic
        parameters:
        -   {name: lon_0, value: 0.1, unit: deg}
        -   {name: lat_0, value: 0.1, unit: deg}
-   name: b
    type: SkyModel
    spectral:
        type: pl
        parameters:
        -   {name: amplitude, value: 1.0e-12, unit: cm-2 s-1 TeV-1, link: x}
"""

BAD = [
    ("components:", "componets:", r"unknown key 'componets' \(did you mean 'components'\?\)"),
    (
        "type: SkyModel\n    spectral:\n        type: Pow",
        "type: Skymodel\n    spectral:\n        type: Pow",
        "components[0].type",
    ),
    ("PowerLawSpectralModel", "PowerlawSpectralModel", "did you mean 'PowerLawSpectralModel'"),
    ("PowerLawSpectralModel", "ShellSpatialModel", "components[0].spectral.type: unknown spectral model"),
    ("type: PowerLawSpectralModel", "typ: PowerLawSpectralModel", "components[0].spectral: key 'type' is missing"),
    ("name: index", "name: indx", "components[0].spectral.parameters[0].name"),
    ("name: index", "name: amplitude", "parameter 'amplitude' is given twice"),
    ("value: 2.0\n", "value: two\n", "components[0].spectral.parameters[0].value: expected a number, found str 'two'"),
    ("value: 2.0\n", "value: .nan\n", "value must be finite"),
    ("value: 2.0\n", "value: [2]\n", "expected a number, found list"),
    ("value: 2.0\n", "valu: 2.0\n", "unknown key 'valu' (did you mean 'value'?)"),
    ("max: 4.0", "max: 0.5", "is above max"),
    ("unit: TeV\n", "unit: TeVV\n", "components[0].spectral.parameters[2].unit: unknown unit 'TeVV'"),
    ("unit: TeV\n", "unit: s\n", "needs a unit that converts to 'TeV'"),
    ("unit: TeV\n", "unit: 3\n", "expected a text, found int 3"),
    ("unit: TeV\n", "frozen: 1\n", "expected true or false"),
    ("dist: Normal", "dist: Norml", "did you mean 'Normal'"),
    ("sigma: 0.3", "sigma: -0.3", "components[0].spectral.parameters[0].prior"),
    ("mu: 2.0", "mu: 200.0", "has no mass between its bounds"),
    ("mu: 2.0", "mu: 2 TeV", "does not convert"),
    ("dist: Normal, mu: 2.0, sigma: 0.3", "mu: 2.0", "needs 'dist' (bayesmap) or 'type' (Gammapy)"),
    ("dist: Normal, mu: 2.0, sigma: 0.3", "type: GausPrior, parameters: []", "did you mean 'GaussianPrior'"),
    ("{dist: Normal, mu: 2.0, sigma: 0.3}", "&p {dist: Normal, mu: *p, sigma: 1}", "nested more than"),
    ("frame: galactic", "frame: galatic", "frame must be one of"),
    ("frame: galactic", "farme: galactic", "components[0].spatial: unknown key 'farme'"),
    ("name: b", "name: a", "components[1]: there is already a component called 'a'"),
    ("name: b", "name: a/b", "must not be empty or contain '/'"),
    ("value: 1.0e-12\n", "value: 2.0e-12\n", "linked parameters must be equal"),
    ("    spatial:\n        type: Point", "    spatal:\n        type: Point", "components[0]: unknown key 'spatal'"),
    ("components:", "components: &c\n- *c\n", ""),
    ("components:\n", "components: 3\nmetadata:\n", "expected a list, found int 3"),
    (
        "type: SkyModel\n    spectral:\n        type: pl",
        "type: FoVBackgroundModel\n    spectral:\n        type: pl",
        "exactly one",
    ),
]


def test_the_valid_file_is_valid():
    models = Models.from_yaml(VALID)
    assert models["a"].spectral_model.amplitude is models["b"].spectral_model.amplitude
    assert math.isnan(models["b"].spectral_model.index.min)


@pytest.mark.parametrize(("old", "new", "message"), BAD, ids=[case[1][:40] for case in BAD])
def test_damaged_files(old, new, message):
    assert old in VALID
    text = VALID.replace(old, new, 1)
    with pytest.raises(ModelFileError) as info:
        Models.from_yaml(text)
    assert message.replace("\\", "") in str(info.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a mapping, found NoneType"),
        ("- 1", "expected a mapping, found list"),
        ("components", "expected a mapping, found str"),
        ("{}", "key 'components' is missing"),
        ("a: [", "not valid YAML"),
        ("x: !!python/object/apply:os.system [ls]", "not valid YAML"),
        ("components: []\nbayesmap: {version: 99}", "reads versions 1 to 1, found 99"),
        ("components: []\nbayesmap: {priors: {a.index: {dist: Flat}}}", "bayesmap.priors: unknown key 'a.index'"),
        ("components: []\nbayesmap: [1]", "bayesmap: expected a mapping"),
    ],
)
def test_files_that_are_none(text, message):
    with pytest.raises(ModelFileError) as info:
        Models.from_yaml(text)
    assert message in str(info.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("components:\n- name: a\n\ttype: b", "line 3: not valid YAML: found character '\\t' that cannot start"),
        ("components:\n- [a, b\nx: 1", "line 3: not valid YAML: expected ',' or ']', but got ':' (while parsing a flow "
        "sequence that starts in line 2)"),
        ("components: []\nx: \x01", "line 2: not valid YAML: character 0x1 is not allowed"),
        ("components: []\nx: 2020-13-45", "line 2: not valid YAML: '2020-13-45' cannot be read: month must be"),
        ("components: []\nmetadata: *m", "line 2: not valid YAML: found undefined alias 'm'"),
        ("components: []\nmetadata:\n  a: 1\n  b: 2\n  a: 3", "line 5: not valid YAML: key 'a' stands twice in a "
        "mapping, in lines 3 and 5"),
        ("components: []\ncomponents: []", "key 'components' stands twice in a mapping, in lines 1 and 2"),
    ],
)  # fmt: skip
def test_text_that_is_no_yaml(text, message):
    with pytest.raises(ModelFileError) as info:
        Models.from_yaml(text)
    assert str(info.value).startswith(message) or message in str(info.value)


def test_endless_nesting():
    limit = sys.getrecursionlimit()  # PyTensor raises it, and then it takes seconds to be reached
    sys.setrecursionlimit(len(inspect.stack(0)) + 200)
    try:
        with pytest.raises(ModelFileError, match="^nested too deeply$"):
            YamlSource("[" * 200).load()
    finally:
        sys.setrecursionlimit(limit)


def test_merge_keys_are_no_duplicates():
    text = "components: []\nmetadata: {first: &f {a: 1, b: 2}, second: {<<: *f, a: 3}}"
    assert YamlSource(text).load()["metadata"]["second"] == {"a": 3, "b": 2}


def test_errors_name_file_and_line(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("components: 3")
    with pytest.raises(ModelFileError, match=r"wrong.yaml, line 1: components: expected a list"):
        Models.read(path)
    path.write_text("components: [")
    with pytest.raises(ModelFileError, match=r"wrong.yaml, line 1: not valid YAML"):
        Models.read(path)
    path.write_text("7")
    with pytest.raises(ModelFileError, match=r"wrong.yaml: expected a mapping, found int 7"):
        Models.read(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelFileError, match="not a text file"):
        Models.read(path)
    with pytest.raises(FileNotFoundError):
        Models.read(tmp_path / "absent.yaml")


LINES = [
    ("type: PowerLawSpectralModel", "type: PowerlawSpectralModel", 5, "did you mean 'PowerLawSpectralModel'"),
    ("name: index", "name: indx", 7, "unknown value str 'indx' (did you mean 'index'?); valid: ['amplitude', "),
    ("value: 2.0\n", "valu: 2.0\n", 8, "unknown key 'valu' (did you mean 'value'?); valid: ["),
    ("            max: 4.0", "            max: x", 10, "parameters[0].max: expected a number, found str 'x'"),
    ("unit: cm-2 s-1 TeV-1\n            link", "unit: cm-2 s-1 Tev-1\n            link", 14, "Did you mean"),
    ("unit: TeV\n", "unit: s\n", 18, "parameter 'reference' needs a unit that converts to 'TeV', found 's'"),
    ("mu: 2.0, sigma: 0.3", "mu: 2.0, sgma: 0.3", 11, "no argument 'sgma' (did you mean 'sigma'?)"),
    ("sigma: 0.3", "sigma: -0.3", 11, "parameters[0].prior: "),
    ("mu: 2.0", "mu: {hyper: m}", 11, "parameters[0].prior: "),
    ("frame: galactic", "frame: galatic", 19, "frame must be one of ['icrs', 'galactic'], got 'galatic' (did"),
    ("value: 1.0e-12\n", "value: 2.0e-12\n", 30, "spectral.parameters[0].link: linked parameters must be equal, "),
    ("name: b", "name: a", 25, "components[1]: there is already a component called 'a'"),
    ("spectral:\n        type: pl\n", "spectral: &s\n        type: CompoundSpectralModel\n        operator: add\n"
    "        model1: *s\n        model2: *s\nmetadata:\n    -\n", 30, "spectral.model1: circular: an alias makes"),
    ("type: PointSpatialModel", "type: template\n        filename: gone.fits", 19, "spatial: no such file: "),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "message"), LINES, ids=[case[1][:40] for case in LINES])
def test_damaged_files_are_located(old, new, line, message, tmp_path):
    assert old in VALID
    (tmp_path / "bad.yaml").write_text(VALID.lstrip().replace(old, new, 1))
    with pytest.raises(ModelFileError) as info:
        Models.read(tmp_path / "bad.yaml")
    assert str(info.value).startswith(f"{tmp_path / 'bad.yaml'}, line {line}: components[")
    assert message in str(info.value)


HEAD = "components:\n- name: a\n  type: SkyModel\n  spectral:\n"
TEMPLATES = [
    ("    type: pl\n  spatial: {type: template, filename: kg.fits, normalize: false}", 6, "spatial: unit 'kg' has no"),
    ("    type: pl\n  spatial: {type: templateND, filename: nan.fits}", 6,
     "spatial: TemplateNDSpatialModel of nan.fits: the map has 1 NaN"),
    ("    type: templateND\n    filename: gone.fits", 4, "spectral: "),
    ("    type: pl\n  temporal: {type: template, filename: gone.fits}", 6, "temporal: light curve "),
    ("    type: template\n    energy: {data: [1, 2], unit: TeV}\n    values: {data: [1, .nan], unit: cm-2 s-1}",
     4, "spectral: TemplateSpectralModel: 'values' must be finite; element 1 is nan"),
    ("    type: template\n    energy: {data: [1, 2], unit: TeV}\n    values: {data: [1, 1], unit: TeV}", 4,
     "spectral: TemplateSpectralModel: values must be a differential flux such as 'cm-2 s-1 TeV-1'"),
]  # fmt: skip


def test_templates_that_are_missing_or_wrong(tmp_path):
    flat = Map.read(shared_path("data", "models", "template_2d.fits.gz"))
    flat.copy(unit="kg").write(tmp_path / "kg.fits")
    cube = Map.read(shared_path("data", "models", "template_nd_spatial.fits.gz"))
    cube.data.flat[7] = math.nan
    cube.write(tmp_path / "nan.fits")
    path = tmp_path / "bad.yaml"
    for text, line, message in TEMPLATES:
        path.write_text(HEAD + text)
        with pytest.raises(ModelFileError) as info:
            Models.read(path)
        assert str(info.value).startswith(f"{path}, line {line}: components[0].{message}")


def test_template_beside_the_model_file(tmp_path, monkeypatch):
    source = shared_path("data", "models", "template_2d.fits.gz")
    (tmp_path / "template.fits.gz").write_bytes(source.read_bytes())
    text = VALID.replace("type: PointSpatialModel", "type: template\n        filename: template.fits.gz")
    path = tmp_path / "models.yaml"
    path.write_text(text)
    models = Models.read(path)
    assert models["a"].spatial_model.filename == "template.fits.gz"
    assert "filename: template.fits.gz" in models.to_yaml()
    monkeypatch.chdir(tmp_path.parent)
    with pytest.raises(ModelFileError, match=r"components\[0\].spatial"):
        Models.from_yaml(text)


LINKED = """
- name: {name}
  type: SkyModel
  spectral:
    type: PowerLawSpectralModel
    parameters:
    - {{name: index, value: 2}}
    - {{name: amplitude, value: {value}, unit: cm-2 s-1 {unit}-1, link: shared{more}}}
"""


def linked(value, unit, first="", second=""):
    parts = LINKED.format(name="a", value="1.0e-12", unit="TeV", more=first)
    return "components:" + parts + LINKED.format(name="b", value=value, unit=unit, more=second)


@pytest.mark.parametrize(("value", "unit", "sigma"), [("1.0e-12", "TeV", "1.0e-13"), ("1.0e-15", "GeV", "1.0e-16")])
def test_links_are_equal_in_any_unit(value, unit, sigma):
    """1e-15 per GeV are 1e-12 per TeV, and so are their priors."""
    first = ", prior: {dist: Normal, mu: 1.0e-12, sigma: 1.0e-13}"
    second = f", prior: {{dist: Normal, mu: {value}, sigma: {sigma}}}"
    for text in (linked(value, unit), linked(value, unit, first), linked(value, unit, first, second)):
        models = Models.from_yaml(text)
        assert models["a"].spectral_model.amplitude is models["b"].spectral_model.amplitude
        assert models["b"].spectral_model.amplitude.quantity == 1e-12 * u.Unit("cm-2 s-1 TeV-1")


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (", frozen: true", "frozen: linked parameters must be equal, 'amplitude' has frozen: False"),
        (
            ", prior: {dist: Normal, mu: 1.0e-12, sigma: 1.0e-13}",
            "prior: linked parameters must be equal, found .* None",
        ),
    ],
)
def test_what_a_link_states_differently_is_not_dropped(second, message):
    with pytest.raises(ModelFileError, match=message):
        Models.from_yaml(linked("1.0e-12", "TeV", second=second))
