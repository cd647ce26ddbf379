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
