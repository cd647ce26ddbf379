"""YAML that is short to write and long to read: refused within bounds, or read in a short time."""

import pytest

from bayesmap._yaml.source import YamlSource
from bayesmap.errors import FormatError, ModelFileError
from bayesmap.estimators import FluxPoints
from bayesmap.modeling import Models
from tests.fuzz.run import bounded
from tests.fuzz.samples import write_points

HEAD = "components:\n-   name: a\n    type: SkyModel\n    spectral:\n"
PART = "{type: PowerLawSpectralModel}"


def doubled(levels):
    """A compound of two equal compounds of two equal ones, and so on, by aliases."""
    lines = [f"x0: &x0 {PART}"]
    for level in range(1, levels + 1):
        parts = f"model1: *x{level - 1}, model2: *x{level - 1}"
        lines.append(f"x{level}: &x{level} {{type: CompoundSpectralModel, operator: add, {parts}}}")
    return "\n".join(lines)


def nested(levels):
    """A compound whose first part is a compound, and so on."""
    text = PART
    for _ in range(levels):
        text = f"{{type: CompoundSpectralModel, operator: add, model1: {text}, model2: {PART}}}"
    return text


BOMBS = {
    "laughs": ("a: &a [x, x]\nb: &b [*a, *a]\n" + "".join(
        f"{chr(c + 1)}: &{chr(c + 1)} [*{chr(c)}, *{chr(c)}]\n" for c in range(ord("b"), ord("t"))
    ), "aliases make .* entries to .*, which is too many"),
    "compounds": (f"{doubled(30)}\ncomponents: [{{type: SkyModel, spectral: *x30}}]", "aliases make"),
    "merged": ("a: &a {" + ", ".join(f"k{i}: 1" for i in range(50)) + "}\n" + "".join(
        f"b{i}: &b{i} {{<<: [{', '.join(['*a' if i == 0 else f'*b{i - 1}'] * 9)}]}}\n" for i in range(9)
    ), "aliases make"),
    "deep": ("[" * 200 + "]" * 200, "nested deeper than 50 levels"),
    "deepest": ("[" * 5000, "nested too deeply"),
    "deep compound": (f"{HEAD}        {nested(200)}", "nested deeper than 50 levels|nested too deeply"),
    "digits": (f"a: {'9' * 100_000}", "a number of 100000 characters: 99999999999999999999..."),
    "hexadecimal": (f"a: 0x{'f' * 100_000}", "a number of 100002 characters"),
    "sexagesimal": (f"a: 1{':59' * 30_000}", "a number of 90001 characters"),
    "float": (f"a: 1.{'0' * 100_000}", "a number of 100002 characters"),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs(tmp_path, bomb):
    text, message = BOMBS[bomb]
    path = tmp_path / "bomb.yaml"
    path.write_text(text)
    with bounded(), pytest.raises(ModelFileError, match=rf"bomb\.yaml.*({message})"):
        Models.read(path)


@pytest.mark.parametrize(
    "unit", ["m^(9^9^9)", "m^9^9^9", "10**(99999999999)", "m99999999999", "(m^9^9)^9", "m" * 100_000, "m " * 50_000]
)
def test_units_without_end(tmp_path, unit):
    path = tmp_path / "bomb.yaml"
    entry = f"type: PowerLawSpectralModel, parameters: [{{name: reference, value: 1, unit: '{unit}'}}]"
    path.write_text(f"{HEAD}        {{{entry}}}\n")
    with bounded(), pytest.raises(ModelFileError, match=r"bomb\.yaml, line 5: .*reference|bomb\.yaml, line 5: .*unit"):
        Models.read(path)
    prior = f"{{dist: Normal, mu: '1 {unit}', sigma: 1}}"
    entry = f"type: PowerLawSpectralModel, parameters: [{{name: reference, value: 1, unit: TeV, prior: {prior}}}]"
    path.write_text(f"{HEAD}        {{{entry}}}\n")
    with bounded(), pytest.raises(ModelFileError, match=r"bomb\.yaml, line 5: .*prior"):
        Models.read(path)


def test_numbers_too_large_for_a_float(tmp_path):
    path = tmp_path / "bomb.yaml"
    entry = f"type: PowerLawSpectralModel, parameters: [{{name: index, value: 1{'0' * 390}}}]"
    path.write_text(f"{HEAD}        {{{entry}}}\n")
    with pytest.raises(ModelFileError, match=r"bomb\.yaml, line 5: .*value: expected a number"):
        Models.read(path)


def test_what_is_within_the_bounds_is_read(tmp_path):
    """Compounds of forty, a few aliases, many models."""
    path = tmp_path / "models.yaml"
    path.write_text(f"{HEAD}        {nested(40)}\n")
    with bounded(10):
        (model,) = Models.read(path)
    assert len(model.parameters) == 3 * 41
    aliases = doubled(4).replace("\n", "\n    ")
    path.write_text(f"metadata:\n    {aliases}\ncomponents: [{{type: SkyModel, spectral: *x4}}]\n")
    (model,) = Models.read(path)
    assert len(model.parameters) == 3 * 16
    assert YamlSource("a: &a [1, 2]\nb: [*a, *a]").load() == {"a": [1, 2], "b": [[1, 2], [1, 2]]}
    assert YamlSource("").load() is None


def test_headers_of_text_tables(tmp_path):
    """The header of the ECSV format is YAML too."""
    write_points("ecsv")(tmp_path)
    path = tmp_path / "points.ecsv"
    bomb = "".join(f"#     x{i}: &x{i} [{', '.join([f'*x{i - 1}' if i else 'x'] * 9)}]\n" for i in range(9))
    text = path.read_text()
    assert "# meta: !!omap\n" in text
    path.write_text(text.replace("# meta: !!omap\n", f"# meta: !!omap\n# - bomb:\n{bomb}"))
    with bounded(), pytest.raises(FormatError, match=r"points\.ecsv .*aliases make"):
        FluxPoints.read(path)
