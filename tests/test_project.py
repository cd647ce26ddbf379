"""The project's own files agree with each other."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_constraints_hold_the_pins():
    lines = [line.partition(" ;")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()]
    assert set(PROJECT["tool"]["uv"]["constraint-dependencies"]) <= set(lines)


def test_constraints_name_no_host():
    assert not re.search(r"https?://|\.org|\.com|--index", (ROOT / "constraints.txt").read_text())


def test_all_dependencies_are_constrained():
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    extras = PROJECT["project"]["optional-dependencies"].values()
    wanted = [*PROJECT["project"]["dependencies"], *(name for extra in extras for name in extra)]
    names = {re.match(r"[\w-]+", name)[0].lower() for name in wanted}
    assert names <= pinned


def test_readme_commands_are_those_of_ci():
    readme = (ROOT / "README.md").read_text()
    (command,) = re.findall(r"^python3 -m pip install uv && (.*pytest.*)$", readme, re.MULTILINE)
    assert command in (ROOT / ".ci" / "run").read_text()


def test_citation_has_the_version():
    import yaml

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    version = re.search(r'__version__ = "(.*)"', (ROOT / "bayesmap" / "__init__.py").read_text())[1]
    assert citation["version"] == version
    assert citation["license"] == PROJECT["project"]["license"]
    assert citation["cff-version"] == "1.2.0"


def test_extras_are_used():
    """Each optional dependency is imported somewhere, or is a tool that the checks call."""
    code = "\n".join(path.read_text() for part in ("bayesmap", "tests", "docs") for path in (ROOT / part).rglob("*.py"))
    called = (ROOT / ".ci" / "run").read_text() + (ROOT / "pyproject.toml").read_text().partition("[project.scripts]")[
        2
    ]
    # styles, types and plugins are found by the tools that they belong to, graphviz by PyMC
    found = {
        "graphviz",
        "furo",
        "numpydoc",
        "myst-nb",
        "sphinx",
        "types-pyyaml",
        "pytest-timeout",
        "pytest-xdist",
        "codespell",
    }
    for extra in PROJECT["project"]["optional-dependencies"].values():
        for name in {re.match(r"[\w-]+", one)[0].lower() for one in extra} - found:
            module = name.replace("-", "_")
            imported = re.search(rf"^\s*(import|from) {module}\b|[\"']{module}[\"']", code, re.MULTILINE)
            assert imported or name in called, name
